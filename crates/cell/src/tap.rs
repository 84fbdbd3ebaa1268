//! Every SIP message that passes: kept in a ring for who asks later, and shown to who watches now.

use bytes::Bytes;
use model::{Seen, SeenFilter};
use sip_stack::endpoint::Flow;
use std::collections::VecDeque;
use stdx::UnixMillis;

/// What a message costs in the ring beside its bytes.
const OVERHEAD: usize = 96;

/// The most messages of one answer, the newest.
const MOST: usize = 2000;

/// One message as it went over the wire.
#[derive(Clone, Debug)]
pub struct Passed {
    /// When it passed.
    pub at: UnixMillis,
    /// True if the switch sent it.
    pub sent: bool,
    /// Between whom.
    pub flow: Flow,
    /// The message.
    pub data: Bytes,
}

impl Passed {
    /// In the switch's words.
    pub fn to_seen(&self) -> Seen {
        Seen {
            at: self.at,
            sent: self.sent,
            transport: self.flow.transport.as_str().to_ascii_lowercase(),
            local: self.flow.local,
            remote: self.flow.remote,
            text: String::from_utf8_lossy(&self.data).into_owned(),
        }
    }
}

/// The latest messages of a worker, up to so many bytes: older ones go when newer ones come.
#[derive(Debug)]
pub(crate) struct Ring {
    passed: VecDeque<Passed>,
    bytes: usize,
    room: usize,
}

impl Ring {
    pub(crate) fn new(room: usize) -> Self {
        Self { passed: VecDeque::new(), bytes: 0, room }
    }

    pub(crate) fn push(&mut self, passed: Passed) {
        self.bytes += passed.data.len() + OVERHEAD;
        self.passed.push_back(passed);
        while self.bytes > self.room {
            let Some(oldest) = self.passed.pop_front() else { return };
            self.bytes -= oldest.data.len() + OVERHEAD;
        }
    }

    /// The newest messages that fit, oldest first.
    pub(crate) fn find(&self, filter: &SeenFilter) -> Vec<Seen> {
        let fits = |passed: &&Passed| filter.fits(passed.flow.remote.ip(), &passed.data);
        let mut found: Vec<_> = self.passed.iter().rev().filter(fits).take(MOST).map(Passed::to_seen).collect();
        found.reverse();
        found
    }
}

/// Whether these bytes are worth keeping: keep-alives are not.
pub(crate) fn is_message(data: &[u8]) -> bool {
    data.first().is_some_and(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(at: u64, number: &str) -> Passed {
        let flow = Flow::udp("192.0.2.1:5060".parse().unwrap(), "192.0.2.7:5060".parse().unwrap());
        let data = format!("OPTIONS sip:{number}@pbx SIP/2.0\r\nX: {}\r\n\r\n", "x".repeat(400));
        Passed { at, sent: false, flow, data: data.into() }
    }

    #[test]
    fn the_ring_is_bounded_and_gives_what_fits_in_order() {
        let mut ring = Ring::new(100_000);
        for at in 0..10_000 {
            ring.push(passed(at, if at % 3 == 0 { "100" } else { "101" }));
            assert!(ring.bytes <= 100_000);
        }
        let number = SeenFilter { number: Some("100".to_owned()), ..Default::default() };
        let found = ring.find(&number);
        assert!(
            found.len() > 30 && found.is_sorted_by_key(|seen| seen.at) && found.iter().all(|seen| seen.at % 3 == 0)
        );
        assert_eq!(found.last().map(|seen| seen.at), Some(9_999));
        assert_eq!(ring.find(&SeenFilter { number: Some("102".to_owned()), ..Default::default() }), []);
        assert!(is_message(b"SIP/2.0 200 OK") && !is_message(b"\r\n\r\n") && !is_message(&[0, 1]));
    }
}
