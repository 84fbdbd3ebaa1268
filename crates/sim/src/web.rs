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
    programs: BTreeMap<String, (Duration, String)>,
    questions: Vec<String>,
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

    /// A program at an address says this whenever it is asked, after so long.
    pub fn put_program(&mut self, url: &str, after: Duration, answer: &str) {
        self.programs.insert(url.to_owned(), (after, answer.to_owned()));
    }

    /// What programs were told, JSON.
    pub fn questions(&self) -> &[String] {
        &self.questions
    }

    /// How long a program takes, and what it says; it is given up after `wait`.
    pub(crate) fn ask(&mut self, url: &str, wait: Duration, question: &str) -> (Duration, Option<String>) {
        self.questions.push(question.to_owned());
        match self.programs.get(url).filter(|_| !self.silent) {
            Some((after, answer)) if *after <= wait => (*after, Some(answer.clone())),
            Some(_) | None => (wait, None),
        }
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
