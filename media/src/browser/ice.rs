//! The lite agent of one leg: RFC 8445 §2.5 and §7.3, with the consent of RFC 7675.

use super::stun::{self, MAX_ANSWER, Request};
use aws_lc_rs::hmac;
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use stdx::Entropy;

/// Without a check for so long nothing more is sent: RFC 7675 §5.1.
const CONSENT: Duration = Duration::from_secs(30);
/// The most addresses of one browser; of one more, the longest silent is forgotten, never the one in use.
const MAX_ADDRESSES: usize = 8;

/// A user name fragment and its password: RFC 8445 §5.3.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    key: hmac::Key,
}

impl Credentials {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        let (ufrag, password) = (entropy.token(8), entropy.token(24));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        Self { ufrag, password, key }
    }
}

/// What became of a check.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Octets of the answer.
    pub(crate) len: usize,
    /// An address that is new to this leg.
    pub(crate) new: Option<SocketAddr>,
    /// One that was forgotten for it.
    pub(crate) forgotten: Option<SocketAddr>,
    /// The browser chose another address than before.
    pub(crate) moved: bool,
}

/// The agent.
#[derive(Debug)]
pub(crate) struct Lite {
    own: Credentials,
    /// Those before a restart: they count until the browser uses the new ones.
    before: Option<Credentials>,
    addresses: SmallVec<[(SocketAddr, Instant); 2]>,
    selected: Option<SocketAddr>,
    heard: Option<Instant>,
}

impl Lite {
    pub(crate) fn new(own: Credentials) -> Self {
        Self { own, before: None, addresses: SmallVec::new(), selected: None, heard: None }
    }

    /// The names under which it is asked.
    pub(crate) fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.own).chain(&self.before).map(|credentials| credentials.ufrag.as_str())
    }

    /// Where the browser has been heard.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses.iter().map(|(address, _)| *address)
    }

    /// Begins anew with other credentials (RFC 8445 §9): sound goes on where it went until the browser chooses again.
    /// The name that no longer counts is returned.
    pub(crate) fn restart(&mut self, own: Credentials) -> Option<String> {
        if own.ufrag == self.own.ufrag {
            return None;
        }
        let before = std::mem::replace(&mut self.own, own);
        self.before.replace(before).map(|credentials| credentials.ufrag)
    }

    /// Answers a check that names this agent; `None` if its sender does not know the password.
    pub(crate) fn check(
        &mut self,
        request: &Request<'_>,
        from: SocketAddr,
        answer: &mut [u8; MAX_ANSWER],
        now: Instant,
    ) -> Option<Checked> {
        let name = request.addressee();
        let credentials = std::iter::once(&self.own).chain(&self.before).find(|c| c.ufrag == name)?;
        if !request.proves(&credentials.key) {
            return None;
        }
        let current = credentials.ufrag == self.own.ufrag;
        if request.controlled {
            let len = stun::role_conflict(answer, request.transaction(), &credentials.key);
            return Some(Checked { len, new: None, forgotten: None, moved: false });
        }
        let len = stun::success(answer, request.transaction(), from, &credentials.key);
        self.heard = Some(now);
        let (new, forgotten) = self.remember(from, now);
        // After a restart the old checks keep the old path alive, and choose nothing.
        let chosen = current && (request.use_candidate || self.selected.is_none());
        let moved = chosen && self.selected != Some(from);
        if moved {
            self.selected = Some(from);
        }
        Some(Checked { len, new, forgotten, moved })
    }

    fn remember(&mut self, from: SocketAddr, now: Instant) -> (Option<SocketAddr>, Option<SocketAddr>) {
        if let Some((_, heard)) = self.addresses.iter_mut().find(|(address, _)| *address == from) {
            *heard = now;
            return (None, None);
        }
        let mut forgotten = None;
        if self.addresses.len() == MAX_ADDRESSES {
            let others = self.addresses.iter().enumerate().filter(|(_, (address, _))| Some(*address) != self.selected);
            let oldest = others.min_by_key(|(_, (_, heard))| *heard).map(|(at, _)| at);
            forgotten = oldest.map(|at| self.addresses.swap_remove(at).0);
        }
        self.addresses.push((from, now));
        (Some(from), forgotten)
    }

    /// Where to send; `None` while the browser has chosen nothing, or its consent has run out.
    pub(crate) fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// When consent runs out, unless it is renewed before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.selected?;
        self.heard.map(|heard| heard + CONSENT)
    }

    /// Consent has run out at `now`: nothing more is sent until the next check. True if that is news.
    pub(crate) fn lapse(&mut self, now: Instant) -> bool {
        let over = self.deadline().is_some_and(|deadline| deadline <= now);
        if over {
            self.selected = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::super::stun::tests::check;
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 7], port))
    }

    fn ask(
        agent: &mut Lite,
        credentials: &Credentials,
        from: SocketAddr,
        nominate: bool,
        now: Instant,
    ) -> Option<Checked> {
        let message = check(&credentials.ufrag, &credentials.password, nominate);
        let request = Request::parse(&message).unwrap();
        agent.check(&request, from, &mut [0; MAX_ANSWER], now)
    }

    #[test]
    fn the_browser_chooses_moves_and_is_silent_when_its_consent_runs_out() {
        let (now, mut entropy) = (stdx::testing::start(), Entropy::seeded(1));
        let own = Credentials::new(&mut entropy);
        let mut agent = Lite::new(own.clone());
        assert!(ask(&mut agent, &own, at(1), false, now).unwrap().moved);
        assert!(!ask(&mut agent, &own, at(2), false, now).unwrap().moved);
        assert_eq!(agent.selected(), Some(at(1)));
        assert!(ask(&mut agent, &own, at(2), true, now + CONSENT / 2).unwrap().moved);
        assert!(!agent.lapse(now + CONSENT) && agent.lapse(now + CONSENT * 3 / 2));
        assert_eq!((agent.selected(), agent.deadline()), (None, None));
        assert!(ask(&mut agent, &own, at(2), false, now + CONSENT * 2).unwrap().moved);
    }

    #[test]
    fn who_does_not_know_the_password_changes_nothing() {
        let (now, mut entropy) = (stdx::testing::start(), Entropy::seeded(1));
        let own = Credentials::new(&mut entropy);
        let mut agent = Lite::new(own.clone());
        let forged = Credentials { ufrag: own.ufrag, ..Credentials::new(&mut entropy) };
        assert!(ask(&mut agent, &forged, at(1), true, now).is_none());
        assert_eq!((agent.selected(), agent.addresses().count()), (None, 0));
    }

    #[test]
    fn after_a_restart_the_old_name_keeps_the_path_and_only_the_new_one_chooses() {
        let (now, mut entropy) = (stdx::testing::start(), Entropy::seeded(1));
        let (old, new) = (Credentials::new(&mut entropy), Credentials::new(&mut entropy));
        let mut agent = Lite::new(old.clone());
        ask(&mut agent, &old, at(1), true, now);
        assert_eq!(agent.restart(new.clone()), None);
        assert!(!ask(&mut agent, &old, at(2), true, now).unwrap().moved);
        assert_eq!(agent.selected(), Some(at(1)));
        assert!(ask(&mut agent, &new, at(3), true, now).unwrap().moved);
        assert_eq!(agent.restart(Credentials::new(&mut entropy)), Some(old.ufrag));
        assert_eq!(agent.ufrags().count(), 2);
    }

    #[test]
    fn addresses_are_limited_and_the_one_in_use_stays() {
        let (now, mut entropy) = (stdx::testing::start(), Entropy::seeded(1));
        let own = Credentials::new(&mut entropy);
        let mut agent = Lite::new(own.clone());
        ask(&mut agent, &own, at(1), true, now);
        for port in 2..50 {
            let checked = ask(&mut agent, &own, at(port), false, now + Duration::from_millis(port.into())).unwrap();
            assert_eq!(checked.new, Some(at(port)));
            assert_eq!(checked.forgotten.is_some(), usize::from(port) > MAX_ADDRESSES);
        }
        assert_eq!(agent.addresses().count(), MAX_ADDRESSES);
        assert!(agent.addresses().any(|address| address == at(1)));
    }
}
