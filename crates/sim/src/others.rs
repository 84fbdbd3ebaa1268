//! What a phone does with others beside calling and texting: it asks, is asked, and tells who subscribes to it.

use crate::phone::Phone;
use std::net::SocketAddr;

impl Phone {
    /// It speaks with the switch through this proxy.
    pub fn behind(&self, edge: SocketAddr) {
        self.act(|ua, _| ua.proxy = Some(edge));
    }

    /// It says which phone it is, and asks for addresses of its own (RFC 5627); with a number also that this is one of its flows to the
    /// switch (RFC 5626).
    pub fn identify(&self, instance: &str, flow: Option<u32>) {
        let reg_id = flow.map(|flow| format!(";reg-id={flow}")).unwrap_or_default();
        self.act(|ua, _| ua.registration.params = format!(";+sip.instance=\"<{instance}>\"{reg_id}"));
    }

    /// It begins a registration of its own, as after a restart.
    pub fn restart(&self) {
        self.act(|ua, _| ua.registration.renew_name(&mut ua.entropy));
    }

    /// A parameter of its own contact in the registrar's last answer, such as `temp-gruu`.
    pub fn contact_param(&self, name: &str) -> Option<String> {
        let contact = self.ask(|ua, _| ua.registration.contact.clone());
        let (_, rest) = contact.split_once(&format!(";{name}="))?;
        Some(rest.strip_prefix('"').map_or(rest, |rest| rest.split('"').next().unwrap_or_default()).to_owned())
    }

    /// A header of the registrar's last answer.
    pub fn registered_with(&self, name: &str) -> Option<String> {
        let answer = self.ask(|ua, _| ua.registration.answer.clone());
        answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
    }

    /// It gives this as its Contact in calls.
    pub fn show_as(&self, contact: &str) {
        self.act(|ua, _| ua.shown_as = Some(format!("<{contact}>")));
    }

    /// Calls an address.
    pub fn dial_uri(&self, uri: &str) {
        self.act(|ua, now| {
            ua.dial(uri, None, now);
        });
    }

    /// Asks a number something outside any call: `OPTIONS`, `INFO`, `NOTIFY`, `REFER`, `PUBLISH`, with these headers.
    pub fn request(&self, method: &str, number: &str, headers: &[(&str, &str)], body: &str) {
        let uri = self.ask(|ua, _| format!("sip:{number}@{}", ua.domain));
        self.request_uri(method, &uri, headers, body);
    }

    /// The same of any address.
    pub fn request_uri(&self, method: &str, uri: &str, headers: &[(&str, &str)], body: &str) {
        let method: rsip::Method = method.parse().expect("a method");
        let header = |(name, value): &(&str, &str)| rsip::Header::Other((*name).to_owned(), (*value).to_owned());
        let headers = headers.iter().map(header).collect();
        self.act(|ua, now| ua.ask(method, uri, headers, body, now));
    }

    /// Method and final status of everything that it asked; no status while that is under way.
    pub fn asked(&self) -> Vec<(String, Option<u16>)> {
        self.ask(|ua, _| ua.serving.asked.clone())
    }

    /// Requests outside dialogs that others sent it, as text.
    pub fn asked_by(&self) -> Vec<String> {
        self.ask(|ua, _| ua.serving.asked_by.clone())
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
        self.ask(|ua, _| ua.serving.told.clone())
    }
}
