//! Overload control between neighbours: the loss-based algorithm of RFC 7339.
//!
//! As a server we turn away a share of the new calls, before anything else is done about them, and tell neighbours that
//! announce support which share they should not even send. As a client we announce support in every INVITE and hold back
//! the share that a neighbour asks for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stdx::{Entropy, UnixMillis};

use crate::message::Via;

/// What our Vias announce (RFC 7339 §4.1).
pub(super) const ANNOUNCED: &str = ";oc;oc-algo=\"loss\"";

/// How long what we say holds, in milliseconds; said anew in every response meanwhile.
const VALIDITY: u64 = 1000;

/// The longest validity we believe.
const LONGEST: Duration = Duration::from_secs(60);

/// Neighbours whose wish is remembered. Beyond it the one whose wish ends first is forgotten.
const NEIGHBOURS: usize = 1024;

/// Both roles.
#[derive(Debug, Default)]
pub(super) struct Control {
    share: u16,
    word: Option<String>,
    neighbours: BTreeMap<SocketAddr, Wish>,
}

/// What a neighbour wants.
#[derive(Clone, Copy, Debug)]
struct Wish {
    /// Per cent of requests that it wants held back.
    loss: u8,
    until: Instant,
    /// Seconds and fraction, to tell an old wish from a new one (§4.4).
    seq: (u64, u32),
}

impl Control {
    /// Of a thousand new calls, so many are turned away from now on.
    pub(super) fn set_share(&mut self, share: u16, at: UnixMillis) {
        if share == self.share && share == 0 {
            return;
        }
        self.share = share.min(1000);
        self.word = (share > 0).then(|| {
            let (loss, seconds, millis) = (self.share.div_ceil(10), at / 1000, at % 1000);
            format!("oc={loss};oc-algo=\"loss\";oc-validity={VALIDITY};oc-seq={seconds}.{millis:03}")
        });
    }

    /// Whether this call is among those turned away: always the same answer for the same call while the share is the same.
    pub(super) fn turns_away(&self, call: u128) -> bool {
        self.share > 0 && (call % 1000) < self.share.into()
    }

    /// What the Via of a neighbour that announced support gets in our responses (§4.2, §4.3).
    pub(super) fn word(&self) -> Option<&str> {
        self.word.as_deref()
    }

    /// Reads what a neighbour wrote into our own Via (§5.4).
    pub(super) fn heed(&mut self, neighbour: SocketAddr, via: &Via, now: Instant) {
        let text = |name| via.params.get(name).and_then(|value| std::str::from_utf8(value).ok());
        let Some(loss) = text("oc").and_then(|oc| oc.parse::<u8>().ok()) else { return };
        let algorithm = via.params.unquoted("oc-algo");
        if algorithm.is_some_and(|algorithm| !algorithm.eq_ignore_ascii_case(b"loss")) || loss > 100 {
            return;
        }
        let seq = text("oc-seq").and_then(|seq| {
            let (seconds, fraction) = seq.split_once('.')?;
            Some((seconds.parse().ok()?, fraction.parse().ok()?))
        });
        let seq = seq.unwrap_or_default();
        if self.neighbours.get(&neighbour).is_some_and(|wish| now < wish.until && seq < wish.seq) {
            return;
        }
        // Without a validity 500 ms (§4.3); 0 ends it.
        let validity = text("oc-validity").and_then(|v| v.parse().ok()).map_or(500, |v: u64| v);
        let until = now + Duration::from_millis(validity).min(LONGEST);
        if loss == 0 || validity == 0 {
            self.neighbours.remove(&neighbour);
            return;
        }
        if self.neighbours.len() >= NEIGHBOURS && !self.neighbours.contains_key(&neighbour) {
            let first = self.neighbours.iter().min_by_key(|(_, wish)| wish.until).map(|(at, _)| *at);
            first.map(|first| self.neighbours.remove(&first));
        }
        self.neighbours.insert(neighbour, Wish { loss, until, seq });
    }

    /// Whether a new request to this neighbour is to be held back.
    pub(super) fn holds_back(&mut self, neighbour: SocketAddr, entropy: &mut Entropy, now: Instant) -> bool {
        let Some(wish) = self.neighbours.get(&neighbour) else { return false };
        if now >= wish.until {
            self.neighbours.remove(&neighbour);
            return false;
        }
        entropy.below(100) < wish.loss.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn via(params: &str) -> Via {
        let text = format!("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx{params}\r\n\r\n");
        Message::parse_datagram(text.into()).unwrap().via().unwrap()
    }

    #[test]
    fn a_neighbour_that_asks_gets_less_until_its_word_lapses() {
        let (mut control, mut entropy, t0) = (Control::default(), Entropy::seeded(1), stdx::testing::start());
        let neighbour: SocketAddr = "192.0.2.9:5060".parse().unwrap();
        let mut held = |control: &mut Control, at: u64| {
            let now = t0 + Duration::from_millis(at);
            (0..1000).filter(|_| control.holds_back(neighbour, &mut entropy, now)).count()
        };
        assert_eq!(held(&mut control, 0), 0);
        control.heed(neighbour, &via(";oc=20;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.782"), t0);
        assert!((150..250).contains(&held(&mut control, 10)));
        control.heed(neighbour, &via(";oc=90;oc-algo=\"loss\";oc-validity=500;oc-seq=1282321615.781"), t0);
        assert!((150..250).contains(&held(&mut control, 10)), "an older word");
        control.heed(neighbour, &via(";oc=90;oc-algo=\"rate\";oc-validity=500;oc-seq=1282321616.0"), t0);
        control.heed(neighbour, &via(";oc"), t0);
        control.heed(neighbour, &via(";oc=300"), t0);
        assert!((150..250).contains(&held(&mut control, 10)), "nothing we understand");
        assert_eq!(held(&mut control, 500), 0);
        control.heed(neighbour, &via(";oc=100;oc-seq=1282321617.0"), t0);
        assert_eq!(held(&mut control, 499), 1000);
        control.heed(neighbour, &via(";oc=0;oc-validity=0;oc-seq=1282321618.0"), t0);
        assert_eq!(held(&mut control, 10), 0);
    }

    #[test]
    fn the_share_is_told_and_kept() {
        let mut control = Control::default();
        assert_eq!((control.word(), control.turns_away(1)), (None, false));
        control.set_share(250, 1_282_321_615_782);
        assert_eq!(control.word(), Some("oc=25;oc-algo=\"loss\";oc-validity=1000;oc-seq=1282321615.782"));
        assert_eq!((0..10_000).filter(|call| control.turns_away(*call)).count(), 2500);
        control.set_share(0, 0);
        assert_eq!(control.word(), None);
    }

    #[test]
    fn the_table_of_neighbours_is_bounded() {
        let (mut control, t0) = (Control::default(), stdx::testing::start());
        for n in 0..5000u32 {
            let neighbour = SocketAddr::new(std::net::Ipv4Addr::from_bits(n).into(), 5060);
            control.heed(neighbour, &via(";oc=10;oc-validity=5000"), t0);
        }
        assert_eq!(control.neighbours.len(), NEIGHBOURS);
    }
}
