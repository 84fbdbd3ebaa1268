//! A telephone: registers, calls, answers, speaks, hangs up.

use super::message::{Credentials, Received, authorization, write};
use super::sound::{Heard, Line};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};
use stdx::Entropy;

/// RFC 3261 T1: the first repetition comes after this.
const T1: Duration = Duration::from_millis(500);

/// A request without a final answer by then has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a called phone may ring here.
const RING: Duration = Duration::from_secs(1);

/// What came of a conversation.
#[derive(Debug)]
pub(super) struct Talk {
    /// What this phone heard.
    pub(super) heard: Heard,
}

/// One telephone with its two sockets.
pub(super) struct Phone {
    name: &'static str,
    number: String,
    password: String,
    sip: UdpSocket,
    rtp: UdpSocket,
    server: SocketAddr,
    host: IpAddr,
    call_id: String,
    cseq: u32,
    entropy: Entropy,
    tell: Sender<String>,
}

/// The two ends of a dialog as this phone writes them.
struct Dialog {
    call_id: String,
    from: String,
    to: String,
    target: String,
    cseq: u32,
}

impl Phone {
    pub(super) fn new(
        name: &'static str,
        number: &str,
        password: &str,
        server: SocketAddr,
        tell: Sender<String>,
    ) -> Result<Self, String> {
        let open = || -> io::Result<(UdpSocket, UdpSocket)> {
            let wildcard: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0u16; 8], 0).into() };
            let sip = UdpSocket::bind(wildcard)?;
            sip.connect(server)?;
            let rtp = UdpSocket::bind((sip.local_addr()?.ip(), 0))?;
            Ok((sip, rtp))
        };
        let (sip, rtp) = open().map_err(|e| format!("{name}: opening sockets towards {server}: {e}"))?;
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| e.to_string())?;
        let mut entropy = Entropy::from_seed(seed);
        let host = sip.local_addr().map_err(|e| e.to_string())?.ip();
        let call_id = entropy.token(20);
        let (number, password) = (number.to_owned(), password.to_owned());
        Ok(Self { name, number, password, sip, rtp, server, host, call_id, cseq: 0, entropy, tell })
    }

    /// Registers for five minutes, or takes that back.
    pub(super) fn register(&mut self, stay: bool) -> Result<(), String> {
        let me = format!("<sip:{}@{}>", self.number, self.server);
        let uri = format!("sip:{}", self.server);
        let (from, call_id) = (format!("{me};tag={}", self.entropy.token(8)), self.call_id.clone());
        let expires = if stay { "300" } else { "0" };
        let more = [("Contact", self.contact()), ("Expires", expires.to_owned())];
        let answer = self.authorized("REGISTER", &uri, &from, &me, &call_id, &more, "")?;
        match answer.status() {
            Some(200) if stay => self.say(format!("{} is registered", self.name)),
            Some(200) => {}
            _ => return Err(format!("{}: REGISTER was answered {}", self.name, answer.reason())),
        }
        Ok(())
    }

    /// Calls a number, speaks for so long, hangs up.
    pub(super) fn call(&mut self, number: &str, speech: &[i16], talk: Duration) -> Result<Talk, String> {
        let from = format!("<sip:{}@{}>;tag={}", self.number, self.server, self.entropy.token(8));
        let to = format!("<sip:{number}@{}>", self.server);
        let (uri, call_id) = (format!("sip:{number}@{}", self.server), self.entropy.token(20));
        let (contact, offer) = (self.contact(), self.description(&[8, 0]));
        self.say(format!("{} calls {number}", self.name));
        let answer = self.authorized("INVITE", &uri, &from, &to, &call_id, &[("Contact", contact)], &offer)?;
        if answer.status() != Some(200) {
            return Err(format!("{}: the call was answered {}", self.name, answer.reason()));
        }
        let to = answer.header("to").unwrap_or(&to).to_owned();
        let target = answer.contact().unwrap_or(&uri).to_owned();
        let dialog = Dialog { call_id, from, to, target, cseq: self.cseq };
        self.acknowledge(&dialog)?;
        self.say(format!("{} hears that the call is answered, both speak for {} s", self.name, talk.as_secs()));
        let mut ended = false;
        let heard = self.line(&answer)?.talk(speech, |at| {
            ended |= self.incoming().is_some_and(|m| self.answers_bye(&m));
            ended || at >= talk
        });
        let heard = heard.map_err(|e| format!("{}: sound: {e}", self.name))?;
        if ended {
            return Err(format!("{}: the other side ended the call too early", self.name));
        }
        self.hang_up(&dialog)?;
        Ok(Talk { heard })
    }

    /// Waits to be called, answers after a moment, speaks until the other side hangs up.
    pub(super) fn answer(&mut self, speech: &[i16], patience: Duration) -> Result<Talk, String> {
        let invite = self
            .wait(patience, |m| m.method() == Some("INVITE"))?
            .ok_or_else(|| format!("{}: nobody called", self.name))?;
        let tag = self.entropy.token(8);
        self.respond(&invite, "180 Ringing", &tag, "");
        self.say(format!("{} rings", self.name));
        let until = Instant::now() + RING;
        while Instant::now() < until {
            if let Some(again) = self.wait(until.saturating_duration_since(Instant::now()), |_| true)?
                && again.method() == Some("CANCEL")
            {
                return Err(format!("{}: the call was cancelled", self.name));
            }
        }
        let offered = invite.sound().map(|(_, _, types)| types).unwrap_or_default();
        let chosen = *offered.iter().find(|pt| [0, 8].contains(*pt)).ok_or("no G.711 was offered")?;
        let description = self.description(&[chosen]);
        self.respond(&invite, "200 OK", &tag, &description);
        let acknowledged = self.wait(PATIENCE, |m| m.method() == Some("ACK"))?;
        acknowledged.ok_or_else(|| format!("{}: the answer was not acknowledged", self.name))?;
        self.say(format!("{} has answered", self.name));
        let mut ended = false;
        let heard = self.line(&invite)?.talk(speech, |at| {
            ended |= self.incoming().is_some_and(|m| self.answers_bye(&m));
            ended || at >= patience
        });
        let heard = heard.map_err(|e| format!("{}: sound: {e}", self.name))?;
        if !ended {
            return Err(format!("{}: nobody hung up", self.name));
        }
        self.say(format!("{} hears that the call is over", self.name));
        Ok(Talk { heard })
    }

    /// The sound of this call, as the other side described its end.
    fn line(&self, described: &Received) -> Result<Line<'_>, String> {
        let (address, port, types) =
            described.sound().ok_or_else(|| format!("{}: no description of sound came", self.name))?;
        let address: IpAddr = address.parse().map_err(|_| format!("{}: sound to {address}?", self.name))?;
        let payload_type = *types.iter().find(|pt| [0, 8].contains(*pt)).ok_or("no G.711 was agreed")?;
        let ssrc = self.entropy.clone().u32();
        Ok(Line { socket: &self.rtp, remote: SocketAddr::new(address, port), payload_type, ssrc })
    }

    fn hang_up(&mut self, dialog: &Dialog) -> Result<(), String> {
        self.cseq = dialog.cseq + 1;
        let headers = self.headers("BYE", &dialog.from, &dialog.to, &dialog.call_id, &[]);
        let answer = self.transact("BYE", &dialog.target, &headers, "")?;
        match answer.status() {
            Some(200) => {
                self.say(format!("{} has hung up", self.name));
                Ok(())
            }
            _ => Err(format!("{}: BYE was answered {}", self.name, answer.reason())),
        }
    }

    fn acknowledge(&mut self, dialog: &Dialog) -> Result<(), String> {
        let headers = self.headers("ACK", &dialog.from, &dialog.to, &dialog.call_id, &[]);
        self.send(&write(&format!("ACK {} SIP/2.0", dialog.target), &headers, ""))
    }

    /// A request, and again with credentials if they are asked for.
    #[expect(clippy::too_many_arguments, reason = "the parts of a request, each once")]
    fn authorized(
        &mut self,
        method: &str,
        uri: &str,
        from: &str,
        to: &str,
        call_id: &str,
        more: &[(&'static str, String)],
        body: &str,
    ) -> Result<Received, String> {
        self.cseq += 1;
        let headers = self.headers(method, from, to, call_id, more);
        let answer = self.transact(method, uri, &headers, body)?;
        if answer.status() != Some(401) {
            return Ok(answer);
        }
        let cnonce = self.entropy.token(12);
        let who = Credentials { user: &self.number, password: &self.password };
        let proof = authorization(&answer, &who, method, uri, &cnonce);
        let proof = proof.ok_or_else(|| format!("{}: the challenge offers no MD5", self.name))?;
        self.cseq += 1;
        let mut headers = self.headers(method, from, to, call_id, more);
        headers.push(("Authorization", proof));
        self.transact(method, uri, &headers, body)
    }

    /// Sends a request, repeats it until something answers, and gives the final answer. A failed INVITE is acknowledged.
    fn transact(
        &mut self,
        method: &str,
        uri: &str,
        headers: &[(&str, String)],
        body: &str,
    ) -> Result<Received, String> {
        let start = format!("{method} {uri} SIP/2.0");
        let request = write(&start, headers, body);
        let cseq = self.cseq;
        self.send(&request)?;
        let (mut interval, mut give_up) = (T1, Instant::now() + PATIENCE);
        let mut repeat = Some(Instant::now() + interval);
        loop {
            let now = Instant::now();
            if now >= give_up {
                return Err(format!("{}: {} did not answer {method} at {}", self.name, self.server, uri));
            }
            if repeat.is_some_and(|at| now >= at) {
                self.send(&request)?;
                interval = (interval * 2).min(T1 * 8);
                repeat = Some(now + interval);
            }
            let until = repeat.map_or(give_up, |at| at.min(give_up));
            let matches = |m: &Received| m.status().is_some() && m.cseq() == (cseq, method);
            let Some(answer) = self.wait(until.saturating_duration_since(now), matches)? else { continue };
            match answer.status() {
                Some(100..=199) => {
                    repeat = None;
                    give_up = Instant::now() + PATIENCE * 4;
                    if answer.status() != Some(100) {
                        self.say(format!("{} hears {}", self.name, answer.reason()));
                    }
                }
                Some(300..) if method == "INVITE" => {
                    let mut headers: Vec<(&str, String)> =
                        headers.iter().filter(|(n, _)| !["To", "CSeq", "Contact"].contains(n)).cloned().collect();
                    headers.push(("To", answer.header("to").unwrap_or_default().to_owned()));
                    headers.push(("CSeq", format!("{cseq} ACK")));
                    self.send(&write(&format!("ACK {uri} SIP/2.0"), &headers, ""))?;
                    return Ok(answer);
                }
                _ => return Ok(answer),
            }
        }
    }

    fn headers(
        &mut self,
        method: &str,
        from: &str,
        to: &str,
        call_id: &str,
        more: &[(&'static str, String)],
    ) -> Vec<(&'static str, String)> {
        let branch = self.entropy.token(12);
        let mut headers = vec![
            ("Via", format!("SIP/2.0/UDP {};branch=z9hG4bK{branch};rport", self.local())),
            ("Max-Forwards", "70".to_owned()),
            ("From", from.to_owned()),
            ("To", to.to_owned()),
            ("Call-ID", call_id.to_owned()),
            ("CSeq", format!("{} {method}", self.cseq)),
            ("User-Agent", "Patchbay demo".to_owned()),
        ];
        headers.extend(more.iter().cloned());
        headers
    }

    /// The next message that is wanted. Others are answered as a phone would.
    fn wait(&mut self, within: Duration, wanted: impl Fn(&Received) -> bool) -> Result<Option<Received>, String> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.sip.set_read_timeout(Some(left.max(Duration::from_millis(1)))).map_err(|e| e.to_string())?;
            let mut datagram = [0; 65_535];
            match self.sip.recv(&mut datagram) {
                Ok(len) => match Received::parse(&datagram[..len]) {
                    Some(message) if wanted(&message) => return Ok(Some(message)),
                    Some(message) => self.other(&message),
                    None => {}
                },
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Ok(None),
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(e) => return Err(format!("{}: receiving: {e}", self.name)),
            }
        }
    }

    /// A message that has come already, without waiting.
    fn incoming(&self) -> Option<Received> {
        self.sip.set_nonblocking(true).ok()?;
        let mut datagram = [0; 65_535];
        let received = self.sip.recv(&mut datagram);
        self.sip.set_nonblocking(false).ok()?;
        Received::parse(&datagram[..received.ok()?])
    }

    /// True if it was a BYE, which is answered.
    fn answers_bye(&self, message: &Received) -> bool {
        self.other(message);
        message.method() == Some("BYE")
    }

    fn other(&self, message: &Received) {
        if let Some("BYE" | "CANCEL" | "OPTIONS" | "NOTIFY") = message.method() {
            self.respond(message, "200 OK", "", "");
        }
    }

    fn respond(&self, request: &Received, status: &str, tag: &str, body: &str) {
        let mut headers: Vec<(&str, String)> = request.all("via").map(|via| ("Via", via.to_owned())).collect();
        headers.extend(request.all("record-route").map(|r| ("Record-Route", r.to_owned())));
        for (name, key) in [("From", "from"), ("To", "to"), ("Call-ID", "call-id"), ("CSeq", "cseq")] {
            let mut value = request.header(key).unwrap_or_default().to_owned();
            if name == "To" && !tag.is_empty() && !value.contains(";tag=") {
                value.push_str(&format!(";tag={tag}"));
            }
            headers.push((name, value));
        }
        headers.push(("Contact", self.contact()));
        // What is lost, the other side asks for again.
        let _ = self.send(&write(&format!("SIP/2.0 {status}"), &headers, body));
    }

    fn send(&self, message: &[u8]) -> Result<(), String> {
        match self.sip.send(message) {
            // An earlier message found nobody there; this one may.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(e) => Err(format!("{}: sending to {}: {e}", self.name, self.server)),
            Ok(_) => Ok(()),
        }
    }

    fn local(&self) -> SocketAddr {
        let port = self.sip.local_addr().map_or(0, |a| a.port());
        SocketAddr::new(self.host, port)
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{}>", self.number, self.local())
    }

    fn description(&self, payload_types: &[u8]) -> String {
        let port = self.rtp.local_addr().map_or(0, |a| a.port());
        let (family, host) = (if self.host.is_ipv4() { "IP4" } else { "IP6" }, self.host);
        let types: Vec<String> = payload_types.iter().map(ToString::to_string).collect();
        let maps: String = payload_types
            .iter()
            .map(|pt| format!("a=rtpmap:{pt} {}/8000\r\n", if *pt == 0 { "PCMU" } else { "PCMA" }))
            .collect();
        format!(
            "v=0\r\no=- 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP {}\r\n{maps}a=ptime:20\r\na=sendrecv\r\n",
            types.join(" ")
        )
    }

    fn say(&self, what: String) {
        // Nobody listens any more: then nobody needs to know.
        let _ = self.tell.send(what);
    }
}
