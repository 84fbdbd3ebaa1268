//! Signers' certificates by the addresses that their signatures name: asked for once, kept for a while, and so is a failure.

use crate::io::{Fetched, MAX_FETCHES};
use model::CallId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stir::Chain;

/// Addresses that are remembered. Beyond it the one that lapses first is forgotten.
const KNOWN: usize = 512;

/// However long or short its server says that a certificate may be kept.
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A certificate that could not be had is not asked for again within this.
const FAILED_FOR: Duration = Duration::from_secs(30);

/// The longest address that is asked.
const LONGEST_ADDRESS: usize = 512;

#[derive(Debug)]
struct Known {
    /// `None`: it could not be had.
    chain: Option<Arc<Chain>>,
    until: Instant,
}

/// A question to the shell.
#[derive(Debug)]
struct Asked {
    url: String,
    /// Calls that wait; those that have gone meanwhile are among them.
    calls: Vec<CallId>,
}

/// What there is at an address.
#[derive(Debug)]
pub(crate) enum Found {
    /// This.
    Chain(Arc<Chain>),
    /// Nothing that can be had now.
    Nothing,
    /// Somebody has asked already; the call will hear.
    Waiting,
    /// The shell has to be asked, with this ticket; the call will hear.
    Ask(u64),
}

#[derive(Debug, Default)]
pub(crate) struct Certificates {
    known: BTreeMap<String, Known>,
    asked: BTreeMap<u64, Asked>,
    tickets: u64,
}

impl Certificates {
    /// The certificate at an address, for a call.
    pub(crate) fn find(&mut self, url: &str, call: CallId, now: Instant) -> Found {
        if let Some(known) = self.known.get(url).filter(|known| now < known.until) {
            return known.chain.clone().map_or(Found::Nothing, Found::Chain);
        }
        if let Some(asked) = self.asked.values_mut().find(|asked| asked.url == url) {
            asked.calls.push(call);
            return Found::Waiting;
        }
        if url.len() > LONGEST_ADDRESS || self.asked.len() >= MAX_FETCHES {
            return Found::Nothing;
        }
        self.tickets += 1;
        self.asked.insert(self.tickets, Asked { url: url.to_owned(), calls: vec![call] });
        Found::Ask(self.tickets)
    }

    /// The shell has answered: the calls that waited, and what they get.
    pub(crate) fn fetched(
        &mut self,
        ticket: u64,
        result: Option<Fetched>,
        now: Instant,
    ) -> (Vec<CallId>, Option<Arc<Chain>>) {
        let Some(Asked { url, calls }) = self.asked.remove(&ticket) else { return (Vec::new(), None) };
        let read = result.and_then(|Fetched { body, keep }| Some((Arc::new(Chain::read(&body).ok()?), keep)));
        let until = now + read.as_ref().map_or(FAILED_FOR, |(_, keep)| (*keep).clamp(SHORTEST, LONGEST));
        let chain = read.map(|(chain, _)| chain);
        if self.known.len() >= KNOWN && !self.known.contains_key(&url) {
            let first = self.known.iter().min_by_key(|(_, known)| known.until).map(|(url, _)| url.clone());
            first.map(|url| self.known.remove(&url));
        }
        self.known.insert(url, Known { chain: chain.clone(), until });
        (calls, chain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_few_failures_are_remembered_for_a_while_and_addresses_are_bounded() {
        let (mut certificates, now) = (Certificates::default(), stdx::testing::start());
        let call = |n: u8| CallId::from_bytes([n; 16]);
        assert!(matches!(certificates.find("https://a", call(1), now), Found::Ask(1)));
        assert!(matches!(certificates.find("https://a", call(2), now), Found::Waiting));
        for n in 2..=MAX_FETCHES {
            assert!(matches!(certificates.find(&format!("https://{n}"), call(3), now), Found::Ask(_)));
        }
        assert!(matches!(certificates.find("https://z", call(3), now), Found::Nothing), "too many at once");
        let (calls, chain) = certificates.fetched(1, None, now);
        assert_eq!((calls, chain), (vec![call(1), call(2)], None));
        assert_eq!(certificates.fetched(1, None, now), (Vec::new(), None), "answered twice");
        assert!(matches!(certificates.find("https://a", call(1), now + Duration::from_secs(29)), Found::Nothing));
        let later = now + Duration::from_secs(31);
        assert!(matches!(certificates.find("https://a", call(1), later), Found::Ask(_)));
        for n in 0..2 * KNOWN as u64 {
            let Found::Ask(ticket) = certificates.find(&format!("https://b{n}"), call(4), later) else {
                // Those of the beginning are still open.
                certificates.asked.clear();
                continue;
            };
            let junk = Fetched { body: b"junk".as_slice().into(), keep: Duration::from_secs(3600) };
            assert_eq!(certificates.fetched(ticket, Some(junk), later).1, None);
        }
        assert!(certificates.known.len() <= KNOWN);
        assert!(matches!(certificates.find(&"x".repeat(600), call(1), later), Found::Nothing));
    }
}
