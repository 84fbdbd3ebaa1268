//! `application/reginfo+xml`: from where an extension is registered (RFC 3680).

use super::Escaped;
use std::fmt::Write;

/// The registrations of one extension, whole.
#[derive(Clone, Debug)]
pub struct RegInfo<'a> {
    /// Whose: the URI that was subscribed to.
    pub aor: &'a str,
    /// Counts up with each document of a subscription, from 0 (§5.1).
    pub version: u32,
    /// Its contacts, those that have just gone included.
    pub contacts: &'a [Contact],
}

/// One contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Its name among the extension's contacts.
    pub id: String,
    /// Its URI.
    pub uri: String,
    /// How it came to be as it is.
    pub event: ContactEvent,
    /// Seconds until it lapses.
    pub expires: u64,
}

/// What happened to a contact last (§5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactEvent {
    /// The phone registered.
    Registered,
    /// The phone took it back.
    Unregistered,
    /// The phone did not renew it.
    Expired,
    /// We took it away: the phone may register again at once.
    Deactivated,
}

impl ContactEvent {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Registered => ("active", "registered"),
            Self::Unregistered => ("terminated", "unregistered"),
            Self::Expired => ("terminated", "expired"),
            Self::Deactivated => ("terminated", "deactivated"),
        }
    }
}

impl RegInfo<'_> {
    /// The content type.
    pub const TYPE: &'static str = "application/reginfo+xml";

    /// The document.
    pub fn to_xml(&self) -> String {
        let mut out = String::with_capacity(256 + 256 * self.contacts.len());
        let active = self.contacts.iter().any(|contact| contact.event == ContactEvent::Registered);
        let state = match (active, self.contacts.is_empty()) {
            (true, _) => "active",
            (false, true) => "init",
            (false, false) => "terminated",
        };
        let aor = Escaped(self.aor);
        let _ = write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<reginfo xmlns=\"urn:ietf:params:xml:ns:reginfo\" version=\"{}\" \
             state=\"full\">\n<registration aor=\"{aor}\" id=\"r\" state=\"{state}\">\n",
            self.version
        );
        for contact in self.contacts {
            let (state, event) = contact.event.words();
            let (id, uri) = (Escaped(&contact.id), Escaped(&contact.uri));
            let _ = write!(out, "<contact id=\"{id}\" state=\"{state}\" event=\"{event}\"");
            if contact.event == ContactEvent::Registered {
                let _ = write!(out, " expires=\"{}\"", contact.expires);
            }
            let _ = writeln!(out, "><uri>{uri}</uri></contact>");
        }
        out.push_str("</registration>\n</reginfo>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_active_while_one_contact_is() {
        let contact = |id: &str, event| Contact { id: id.into(), uri: format!("sip:100@{id}"), event, expires: 60 };
        let all = [contact("a", ContactEvent::Registered), contact("b", ContactEvent::Expired)];
        let xml = |contacts: &[Contact]| RegInfo { aor: "sip:100@pbx", version: 1, contacts }.to_xml();
        let text = xml(&all);
        assert!(text.contains("<registration aor=\"sip:100@pbx\" id=\"r\" state=\"active\">"), "{text}");
        assert!(
            text.contains(
                "<contact id=\"a\" state=\"active\" event=\"registered\" expires=\"60\"><uri>sip:100@a</uri>"
            )
        );
        assert!(text.contains("<contact id=\"b\" state=\"terminated\" event=\"expired\"><uri>"));
        assert!(xml(&all[1..]).contains("state=\"terminated\">"));
        assert!(xml(&[]).contains("state=\"init\">"));
    }
}
