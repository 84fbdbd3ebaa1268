//! What a phone does with others beside calling and texting: it asks, is asked, and tells who subscribes to it.

use crate::phone::Phone;

impl Phone {
    /// Asks a number something outside any call: `OPTIONS`, `INFO`, `NOTIFY`, `REFER`, `PUBLISH`, with these headers.
    pub fn ask(&self, method: &str, number: &str, headers: &[(&str, &str)], body: &str) {
        let uri = self.question(|ua, _| format!("sip:{number}@{}", ua.domain));
        self.ask_uri(method, &uri, headers, body);
    }

    /// The same of any address.
    pub fn ask_uri(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) {
        let method: rsip::Method = method.parse().expect("a method");
        let header = |(name, value): &(&str, &str)| rsip::Header::Other((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(header).collect();
        self.act(|ua, now| ua.ask(method, uri, headers, body, now));
    }

    /// Method and final status of everything that it asked; no status while that is under way.
    pub fn asked(&self) -> Vec<(String, Option<u16>)> {
        self.question(|ua, _| ua.serving.asked.clone())
    }

    /// Requests outside dialogs that others sent it, as text.
    pub fn asked_by(&self) -> Vec<String> {
        self.question(|ua, _| ua.serving.asked_by.clone())
    }

    /// What it says to whoever asks it something; 200 unless told otherwise.
    pub fn answer_others_with(&self, status: u16) {
        self.act(|ua, _| ua.serving.answer = Some(status));
    }

    /// It does not say anything to whoever asks it something.
    pub fn ignore_others(&self) {
        self.act(|ua, _| ua.serving.deaf = true);
    }

    /// Tells everybody who has subscribed to it.
    pub fn tell_subscribers(&self, body: &str) {
        self.act(|ua, now| ua.tell_subscribers(body, now));
    }

    /// What those said to that, one status for each NOTIFY.
    pub fn told(&self) -> Vec<u16> {
        self.question(|ua, _| ua.serving.told.clone())
    }
}
