//! One registered contact, and its form in the hot store.

use super::outbound::Push;
use crate::endpoint::{Flow, Transport};
use std::time::{Duration, Instant};
use stdx::{UnixMillis, Wall};

/// How long a NAT remembers a phone that says nothing.
const NAT: Duration = Duration::from_secs(30);

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
    /// Proxies between us and the phone, as Route values in their order (RFC 3327).
    pub path: Vec<Vec<u8>>,
    /// Which of the phone's flows this is (RFC 5626 §4.2).
    pub reg_id: Option<u32>,
    /// Its flow is gone, but a push can wake the phone so that it registers again (RFC 8599).
    pub asleep: bool,
    /// A phone that relies on pushes keeps no NAT open: over UDP it is asleep from then on.
    pub awake_until: Option<Instant>,
    /// Its stream, the only way to it, is gone; so long it keeps its place for whoever comes back by another.
    pub kept_until: Option<Instant>,
}

impl Binding {
    /// True if nothing but the stream it was registered over leads to it (RFC 7118 §5: no browser listens).
    /// Or one of several flows of a phone (RFC 5626 §6).
    pub fn ends_with_its_stream(&self) -> bool {
        let outbound = self.reg_id.is_some() && self.flow.transport.is_reliable();
        outbound || matches!(self.flow.transport, Transport::Ws | Transport::Wss)
    }

    /// True if the end of its stream matters: it ends too, or falls asleep.
    pub(super) fn hangs_on_its_stream(&self) -> bool {
        self.ends_with_its_stream() || (self.flow.transport.is_reliable() && self.push().is_some())
    }

    /// What tells it from the other bindings of its extension: the contact, and for one of several flows which.
    pub fn name(&self) -> Vec<u8> {
        let mut name = self.contact.clone();
        if let Some(reg_id) = self.reg_id {
            name.extend(format!("|{reg_id}|{}", self.instance.as_deref().unwrap_or_default()).into_bytes());
        }
        name
    }

    /// When it ends: its time is over, or nobody came back for it.
    pub(super) fn ends_at(&self) -> Instant {
        self.kept_until.map_or(self.expires_at, |until| until.min(self.expires_at))
    }

    /// Whether it can be called now: it is not asleep, and its stream is there.
    pub(super) fn is_reachable(&self, now: Instant) -> bool {
        !self.is_asleep(now) && self.kept_until.is_none()
    }

    /// True if nothing but the time of its lapse differs.
    pub(super) fn says_the_same_as(&self, other: &Self) -> bool {
        let there = |b: &Self| (b.asleep, b.kept_until.is_some());
        let facts = |b: &Self| (b.contact.clone(), b.flow, b.q, b.user_agent.clone(), b.path.clone(), there(b));
        facts(self) == facts(other)
    }

    /// Whether it has to be woken before it can be called.
    pub fn is_asleep(&self, now: Instant) -> bool {
        self.asleep || self.awake_until.is_some_and(|until| until <= now)
    }

    pub(super) fn nat_forgets_at(&self, now: Instant) -> Option<Instant> {
        (self.flow.transport == Transport::Udp && self.push().is_some()).then(|| now + NAT)
    }

    /// How the phone is woken, if it can be.
    pub fn push(&self) -> Option<Push> {
        Push::of(&self.contact)
    }

    /// Bytes that [`Binding::restore`] understands. Times become wall clock.
    pub fn snapshot(&self, wall: &Wall) -> Vec<u8> {
        let Self { flow, expires_at, .. } = self;
        let head = format!(
            "2\n{}\n{} {} {}\n{}\n{}\n{}\n",
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
            self.reg_id.map(|id| id.to_string()).unwrap_or_default().as_bytes(),
        ]
        .into_iter()
        .chain(self.path.iter().map(Vec::as_slice))
        {
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
        // Version 1 knew nothing of flows and paths.
        let version = line()?;
        if version != b"1" && version != b"2" {
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
        let (mut reg_id, mut path) = (None, Vec::new());
        if version == b"2" {
            reg_id = text(line()?)?.parse().ok();
            path = std::iter::from_fn(line).filter(|value| !value.is_empty()).map(<[u8]>::to_vec).collect();
        }
        let expires_at = wall.instant(expires_at);
        let mut binding = Self {
            aor,
            contact,
            flow,
            call_id,
            cseq,
            expires_at,
            q,
            user_agent,
            instance,
            path,
            reg_id,
            asleep: false,
            awake_until: None,
            kept_until: None,
        };
        // No stream outlives the process, and who knows how long it was gone.
        binding.asleep = binding.push().is_some();
        Some(binding)
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
            path: vec![b"<sip:edge.test;lr;ob>".to_vec(), b"<sip:inner.test;lr>".to_vec()],
            reg_id: Some(2),
            asleep: false,
            awake_until: None,
            kept_until: None,
        };
        let bytes = binding.snapshot(&wall);
        assert_eq!(Binding::restore(&bytes, &wall), Some(binding));
        for cut in 0..bytes.len() - 1 {
            let _ = Binding::restore(&bytes[..cut], &wall);
        }
        assert_eq!(Binding::restore(b"3\n", &wall), None);
        // What an earlier version wrote.
        let old = format!(
            "1\n100\nUDP 192.0.2.1:5060 198.51.100.7:5062\n7\n{}\n1000\nsip:100@h\nabc@x\n\nPhone\n",
            1_700_000_060_000u64
        );
        let old = Binding::restore(old.as_bytes(), &wall).unwrap();
        assert_eq!((old.contact.as_slice(), old.reg_id, old.path.len()), (&b"sip:100@h"[..], None, 0));
        assert_eq!(old.expires_at, now + Duration::from_secs(60));
    }
}
