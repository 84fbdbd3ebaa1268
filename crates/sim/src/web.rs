//! The web of a world: pages at `https:` addresses.

use bytes::Bytes;
use cell::Fetched;
use std::collections::BTreeMap;
use std::time::Duration;

/// A page comes after this long.
const FETCHING: Duration = Duration::from_millis(60);
/// A shell gives up after this long.
const GIVEN_UP: Duration = Duration::from_secs(8);

/// What is at which address. Addresses that nothing was said about have nothing.
#[derive(Clone, Debug, Default)]
pub struct Web {
    pages: BTreeMap<String, Vec<u8>>,
    silent: bool,
    fetched: u64,
}

impl Web {
    /// Puts a page at an address.
    pub fn put(&mut self, url: &str, body: impl Into<Vec<u8>>) {
        self.pages.insert(url.to_owned(), body.into());
    }

    /// Takes a page away.
    pub fn remove(&mut self, url: &str) {
        self.pages.remove(url);
    }

    /// Nobody answers from now on, or again.
    pub fn set_silent(&mut self, silent: bool) {
        self.silent = silent;
    }

    /// How many pages were asked for.
    pub fn fetched(&self) -> u64 {
        self.fetched
    }

    /// What comes of a fetch, and when.
    pub(crate) fn fetch(&mut self, url: &str) -> (Duration, Option<Fetched>) {
        self.fetched += 1;
        if self.silent {
            return (GIVEN_UP, None);
        }
        let keep = Duration::from_secs(600);
        let page = self.pages.get(url).map(|body| Fetched { body: Bytes::copy_from_slice(body), keep });
        (FETCHING, page)
    }
}
