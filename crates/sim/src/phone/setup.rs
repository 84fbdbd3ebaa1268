//! How a phone is set up, and what it is told to do by itself.

use super::Phone;
use crate::codec::Codec;
use crate::network::Link;
use crate::ua::Conduct;
use crate::ua::digest::Hash;

impl Phone {
    /// What it does with calls from now on.
    pub fn set_conduct(&self, conduct: Conduct) {
        self.act(|ua, _| ua.conduct = conduct);
    }

    /// Its line to the network from now on.
    pub fn set_link(&self, link: Link) {
        let mut inner = self.inner.borrow_mut();
        let ip = inner.uas[self.index].addr.ip();
        inner.network.set_link(ip, link);
    }

    /// The password it uses from now on.
    pub fn set_password(&self, password: &str) {
        self.act(|ua, _| ua.password = Some(password.to_owned()));
    }

    /// The digest algorithm it prefers.
    pub fn set_hash(&self, hash: Hash) {
        self.act(|ua, _| ua.hash = hash);
    }

    /// It remembers the last nonce and answers the challenge ahead, counting up.
    pub fn remember_nonce(&self) {
        self.act(|ua, _| ua.remembers_nonce = true);
    }

    /// It speaks only this codec: `PCMU`, `PCMA`, `G722` or `L16`.
    pub fn speak_only(&self, codec: &str) {
        let codec = Codec::named(codec).expect("PCMA, PCMU, G722 or L16");
        self.act(|ua, _| ua.codecs = vec![codec]);
    }

    /// It speaks SRTP: calls with `RTP/SAVP` only, and answers with keys where keys are offered.
    pub fn set_secure(&self) {
        self.act(|ua, _| ua.secure = true);
    }

    /// It answers re-INVITEs with this status.
    pub fn refuse_reinvites(&self, status: u16) {
        self.act(|ua, _| ua.refuses_reinvites = Some(status));
    }

    /// How many calls it takes at once; one more hears 486 from the phone. 1 unless told otherwise.
    pub fn set_max_calls(&self, calls: usize) {
        self.act(|ua, _| ua.max_lines = calls);
    }

    /// The payload type under which it offers digits; 101 unless told otherwise.
    pub fn set_event_type(&self, payload_type: u8) {
        self.act(|ua, _| ua.event = payload_type);
    }

    /// It neither offers nor takes keys by RTP.
    pub fn without_events(&self) {
        self.act(|ua, _| ua.takes_events = false);
    }

    /// In its next calls it says this (16-bit linear, 8 kHz) from the moment it is heard, and then nothing, instead of its voice.
    pub fn greet_with(&self, pcm: &[i16]) {
        self.act(|ua, _| ua.greeting = Some(pcm.into()));
    }

    /// How long it asks to be registered, seconds.
    pub fn set_expires(&self, seconds: u32) {
        self.act(|ua, _| ua.registration.expires = seconds);
    }

    /// The preference among the phones of its extension with which it registers from now on.
    pub fn set_preference(&self, q: &str) {
        self.act(|ua, _| ua.registration.q = Some(q.to_owned()));
    }

    /// It sends every call on to this number (302).
    pub fn forward_to(&self, number: &str) {
        self.act(|ua, _| ua.forward = Some(number.to_owned()));
    }

    /// It does what it is told by NOTIFY: answer, hold.
    pub fn obey(&self) {
        self.act(|ua, _| ua.obeys = true);
    }

    /// It answers by itself where Call-Info or Alert-Info ask for it.
    pub fn honour_auto_answer(&self) {
        self.act(|ua, _| ua.auto_answers = true);
    }

    /// A header of its INVITEs from now on.
    pub fn add_header(&self, name: &str, value: &str) {
        self.act(|ua, _| ua.invite_headers.push((name.to_owned(), value.to_owned())));
    }

    /// A header of its responses to INVITEs and of its BYEs from now on.
    pub fn say_with(&self, name: &str, value: &str) {
        self.act(|ua, _| ua.other_headers.push((name.to_owned(), value.to_owned())));
    }

    /// Every response to the INVITE of its latest call, and the BYE that ended it, as text.
    pub fn was_told(&self) -> Vec<String> {
        self.of_line(|line, _| line.said.clone()).unwrap_or_default()
    }

    /// Its INVITEs have no such header any more.
    pub fn clear_header(&self, name: &str) {
        self.act(|ua, _| ua.invite_headers.retain(|(known, _)| known != name));
    }

    /// It has too much to do: whoever asks for it is told to hold back so many per cent of his calls (RFC 7339), or none any more.
    pub fn wants_less(&self, percent: Option<u8>) {
        self.act(|ua, _| ua.overload = Some(percent.unwrap_or(0)));
    }

    /// It speaks by a stream from now on, and listens for one.
    pub fn speak_by(&self, stream: crate::stream::Stream) {
        self.act(|ua, _| ua.stream = Some(stream));
    }

    /// It sleeps whenever it has nothing to do, and registers so that this push service can wake it.
    pub fn sleeps(&self, provider: &str, prid: &str) {
        self.act(|ua, _| {
            ua.registration.uri_params = format!(";pn-provider={provider};pn-prid={prid}");
            ua.registration.renew = false;
        });
    }

    /// It no longer renews its registration by itself.
    pub fn forget_to_renew(&self) {
        self.act(|ua, _| ua.registration.renew = false);
    }
}
