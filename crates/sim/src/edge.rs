//! A proxy between phones and the switch, or one in a carrier's network: it remembers nothing (RFC 3261 §16.11).
//!
//! It records itself in the way of registrations (RFC 3327) and dialogs, by routes that name the phone's address as an edge proxy's flow
//! tokens do (RFC 5626 §5.2).

use crate::network::Packet;
use std::net::SocketAddr;

/// What a proxy does with what comes from the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// It takes it to the phone that the route names.
    Edge,
    /// It sends calls back to the switch, with the number as it was or changed to another.
    Mirror(Option<String>),
}

#[derive(Debug)]
pub(crate) struct Edge {
    pub(crate) addr: SocketAddr,
    switch: SocketAddr,
    kind: Kind,
    pub(crate) on: bool,
}

impl Edge {
    pub(crate) fn at(addr: SocketAddr, switch: SocketAddr) -> Self {
        Self { addr, switch, kind: Kind::Edge, on: true }
    }

    pub(crate) fn mirror(addr: SocketAddr, switch: SocketAddr, number: Option<&str>) -> Self {
        Self { addr, switch, kind: Kind::Mirror(number.map(str::to_owned)), on: true }
    }

    /// The packet as it goes on.
    pub(crate) fn pass(&self, packet: &Packet) -> Option<Packet> {
        let text = std::str::from_utf8(&packet.data).ok().filter(|_| self.on)?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
        let to = match head.starts_with("SIP/2.0") {
            true => self.response(&mut lines)?,
            false => self.request(&mut lines, packet.from)?,
        };
        let data = format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes();
        Some(Packet { from: self.addr, to, data })
    }

    /// Without our Via, to where the next one says.
    fn response(&self, lines: &mut Vec<String>) -> Option<SocketAddr> {
        let ours = lines.iter().position(|line| line.starts_with("Via:"))?;
        lines.remove(ours);
        let via = lines.iter().find(|line| line.starts_with("Via:"))?;
        let param = |name: &str| via.split(';').find_map(|param| param.strip_prefix(name)?.strip_prefix('='));
        let ip = param("received")?.parse().ok()?;
        let sent_by: SocketAddr = via.split([' ', ';']).nth(2)?.parse().ok()?;
        Some(SocketAddr::new(ip, param("rport").and_then(|port| port.parse().ok()).unwrap_or(sent_by.port())))
    }

    fn request(&self, lines: &mut Vec<String>, from: SocketAddr) -> Option<SocketAddr> {
        let method = lines[0].split(' ').next()?.to_owned();
        let fresh = !lines.iter().any(|line| line.starts_with("To:") && line.contains("tag="));
        self.stamp(lines, from)?;
        let token = self.own_route(lines).filter(|token| *token != from);
        let inward = from.ip() != self.switch.ip();
        let phone = if inward { from } else { token.unwrap_or(from) };
        let route = |name: &str, ob: &str| format!("{name}: <sip:{}@{};lr{ob}>", user_of(phone), self.addr);
        match method.as_str() {
            "REGISTER" => lines.insert(2, route("Path", ";ob")),
            "INVITE" | "SUBSCRIBE" | "NOTIFY" | "REFER" if self.kind == Kind::Edge => {
                lines.insert(2, route("Record-Route", ""));
            }
            _ => {}
        }
        match &self.kind {
            Kind::Mirror(number) if fresh || method == "ACK" => {
                let uri = lines[0].split(' ').nth(1)?;
                let old = uri.strip_prefix("sip:")?.split('@').next()?;
                let number = number.as_deref().unwrap_or(old);
                lines[0] = format!("{method} sip:{number}@{} SIP/2.0", self.switch);
                Some(self.switch)
            }
            Kind::Mirror(_) => Some(self.switch),
            Kind::Edge => token.or_else(|| inward.then_some(self.switch)),
        }
    }

    /// Our Via on top, the sender's address in the one below, one hop less to go.
    fn stamp(&self, lines: &mut Vec<String>, from: SocketAddr) -> Option<()> {
        let via = lines.iter().position(|line| line.starts_with("Via:"))?;
        let branch = lines[via].split(';').find_map(|param| param.strip_prefix("branch="))?.to_owned();
        lines[via] = lines[via].replacen(";rport", "", 1) + &format!(";received={};rport={}", from.ip(), from.port());
        let name = self.addr.ip().to_string().replace('.', "x");
        lines.insert(via, format!("Via: SIP/2.0/UDP {};branch=z9hG4bK{name}{branch}", self.addr));
        let hops = lines.iter().position(|line| line.starts_with("Max-Forwards:"))?;
        let left: u8 = lines[hops].split(' ').nth(1)?.trim().parse().ok()?;
        lines[hops] = format!("Max-Forwards: {}", left.checked_sub(1)?);
        Some(())
    }

    /// Takes our own route out; the address that it names.
    fn own_route(&self, lines: &mut Vec<String>) -> Option<SocketAddr> {
        let at = lines.iter().position(|line| line.starts_with("Route:"))?;
        let user = lines[at].split_once("<sip:")?.1.split_once(&format!("@{}", self.addr))?.0.to_owned();
        lines.remove(at);
        let (ip, port) = user.rsplit_once('-')?;
        Some(SocketAddr::new(ip.replace('-', ".").parse().ok()?, port.parse().ok()?))
    }
}

fn user_of(addr: SocketAddr) -> String {
    format!("{}-{}", addr.ip().to_string().replace('.', "-"), addr.port())
}
