//! One registered contact, and its form in the hot store.

use crate::endpoint::{Flow, Transport};
use std::time::Instant;
use stdx::{UnixMillis, Wall};

/// Where an extension can be reached until the binding lapses (RFC 3261 §10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The extension.
    pub aor: String,
    /// The contact URI as the phone gave it.
    pub contact: Vec<u8>,
    /// Where it registered from: requests to it go there, whatever its contact says.
    pub flow: Flow,
    /// Call-ID of the registration.
    pub call_id: Vec<u8>,
    /// CSeq of the registration.
    pub cseq: u32,
    /// When it lapses.
    pub expires_at: Instant,
    /// Preference, per mille (RFC 3261 §20.10); 1000 if the phone gave none.
    pub q: u16,
    /// The phone's User-Agent; empty if it told none.
    pub user_agent: String,
    /// `+sip.instance`, which stays the same when the phone restarts (RFC 5626 §4.1).
    pub instance: Option<String>,
}

impl Binding {
    /// True if nothing but the stream it was registered over leads to it (RFC 7118 §5: no browser listens).
    pub fn ends_with_its_stream(&self) -> bool {
        matches!(self.flow.transport, Transport::Ws | Transport::Wss)
    }

    /// Bytes that [`Binding::restore`] understands. Times become wall clock.
    pub fn snapshot(&self, wall: &Wall) -> Vec<u8> {
        let Self { flow, expires_at, .. } = self;
        let head = format!(
            "1\n{}\n{} {} {}\n{}\n{}\n{}\n",
            self.aor,
            flow.transport.as_str(),
            flow.local,
            flow.remote,
            self.cseq,
            wall.at(*expires_at),
            self.q
        );
        let mut out = head.into_bytes();
        for text in [
            &self.contact[..],
            &self.call_id,
            self.instance.as_deref().unwrap_or("").as_bytes(),
            self.user_agent.as_bytes(),
        ] {
            // Header values hold no line breaks; if one ever did, the rest would be misread.
            out.extend(text.iter().filter(|b| **b != b'\n'));
            out.push(b'\n');
        }
        out
    }

    /// The binding of a snapshot; `None` if it is none of ours.
    pub fn restore(bytes: &[u8], wall: &Wall) -> Option<Self> {
        let mut lines = bytes.split(|b| *b == b'\n');
        let mut line = || lines.next();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        if line()? != b"1" {
            return None;
        }
        let aor = text(line()?)?;
        let flow = flow(&text(line()?)?)?;
        let cseq = text(line()?)?.parse().ok()?;
        let expires_at: UnixMillis = text(line()?)?.parse().ok()?;
        let q = text(line()?)?.parse().ok()?;
        let (contact, call_id) = (line()?.to_vec(), line()?.to_vec());
        let instance = text(line()?).filter(|instance| !instance.is_empty());
        let user_agent = text(line()?)?;
        Some(Self { aor, contact, flow, call_id, cseq, expires_at: wall.instant(expires_at), q, user_agent, instance })
    }
}

fn flow(text: &str) -> Option<Flow> {
    let mut words = text.split(' ');
    let transport = match words.next()? {
        "UDP" => Transport::Udp,
        "TCP" => Transport::Tcp,
        "TLS" => Transport::Tls,
        "WS" => Transport::Ws,
        "WSS" => Transport::Wss,
        _ => return None,
    };
    Some(Flow { transport, local: words.next()?.parse().ok()?, remote: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_binding_survives_in_bytes() {
        let now = stdx::testing::start();
        let wall = Wall::new(now, 1_700_000_000_000);
        let binding = Binding {
            aor: "100".into(),
            contact: b"sip:100@10.0.0.1:5062;ob".to_vec(),
            flow: Flow::udp("192.0.2.1:5060".parse().unwrap(), "[2001:db8::1]:5062".parse().unwrap()),
            call_id: b"abc@x".to_vec(),
            cseq: 7,
            expires_at: now + Duration::from_millis(60_000),
            q: 500,
            user_agent: "Phone 1.0 话机".into(),
            instance: None,
        };
        let bytes = binding.snapshot(&wall);
        assert_eq!(Binding::restore(&bytes, &wall), Some(binding));
        for cut in 0..bytes.len() - 1 {
            let _ = Binding::restore(&bytes[..cut], &wall);
        }
        assert_eq!(Binding::restore(b"2\n", &wall), None);
    }
}
