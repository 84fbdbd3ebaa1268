//! `application/dialog-info+xml`: the calls of an extension, as lamps show them and pick-up keys use them (RFC 4235).

use super::Escaped;
use std::fmt::Write;

/// The calls of one extension, whole: a document that names no call says that there is none.
#[derive(Clone, Debug)]
pub struct DialogInfo<'a> {
    /// Whose: the URI that was subscribed to.
    pub entity: &'a str,
    /// Counts up with each document of a subscription, from 0 (§4.1.1).
    pub version: u32,
    /// Its calls, those that have just ended included.
    pub dialogs: &'a [Dialog],
}

/// One call of the extension, from its phone's side (§4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    /// Its name among the extension's calls.
    pub id: String,
    /// Call-ID and both tags as the phone knows them, for Replaces; a tag is empty while it is not known.
    pub call_id: String,
    /// The phone's own tag.
    pub local_tag: String,
    /// The other side's tag: ours.
    pub remote_tag: String,
    /// The extension called, rather than was called.
    pub initiator: bool,
    /// Where it stands.
    pub state: DialogState,
    /// The extension.
    pub local: Identity,
    /// The other party.
    pub remote: Identity,
}

/// A party, as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Its URI.
    pub uri: String,
    /// Its name; may be empty.
    pub display: String,
}

/// Where a call stands (§3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogState {
    /// Nothing is heard yet.
    Trying,
    /// It rings.
    Early,
    /// The parties speak.
    Confirmed,
    /// It is over, for this reason: `cancelled`, `rejected`, `replaced`, `local-bye`, `remote-bye`, `error`, `timeout`.
    Terminated(&'static str),
}

impl DialogInfo<'_> {
    /// The content type.
    pub const TYPE: &'static str = "application/dialog-info+xml";

    /// The document.
    pub fn to_xml(&self) -> String {
        let mut out = String::with_capacity(256 + 640 * self.dialogs.len());
        let entity = Escaped(self.entity);
        let _ = write!(
            out,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" \
             version=\"{}\" state=\"full\" entity=\"{entity}\">\n",
            self.version
        );
        for dialog in self.dialogs {
            dialog.write(&mut out);
        }
        // Many phones let the lamp burn when the list is empty: they are told of a call that is over.
        if self.dialogs.is_empty() {
            out.push_str("<dialog id=\"none\"><state>terminated</state></dialog>\n");
        }
        out.push_str("</dialog-info>\n");
        out
    }
}

impl Dialog {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "<dialog id=\"{}\"", Escaped(&self.id));
        for (name, value) in
            [("call-id", &self.call_id), ("local-tag", &self.local_tag), ("remote-tag", &self.remote_tag)]
        {
            if !value.is_empty() {
                let _ = write!(out, " {name}=\"{}\"", Escaped(value));
            }
        }
        let direction = if self.initiator { "initiator" } else { "recipient" };
        let _ = write!(out, " direction=\"{direction}\">\n<state");
        let state = match self.state {
            DialogState::Trying => "trying",
            DialogState::Early => "early",
            DialogState::Confirmed => "confirmed",
            DialogState::Terminated(event) => {
                let _ = write!(out, " event=\"{event}\"");
                "terminated"
            }
        };
        let _ = writeln!(out, ">{state}</state>");
        for (side, party) in [("local", &self.local), ("remote", &self.remote)] {
            let uri = Escaped(&party.uri);
            let _ = write!(out, "<{side}><identity");
            if !party.display.is_empty() {
                let _ = write!(out, " display=\"{}\"", Escaped(&party.display));
            }
            let _ = writeln!(out, ">{uri}</identity><target uri=\"{uri}\"/></{side}>");
        }
        out.push_str("</dialog>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ringing_call_names_what_replaces_needs() {
        let party = |user: &str, display: &str| Identity { uri: format!("sip:{user}@pbx"), display: display.into() };
        let dialog = Dialog {
            id: "1".into(),
            call_id: "c<1>".into(),
            local_tag: "phone".into(),
            remote_tag: "pb0000x".into(),
            initiator: false,
            state: DialogState::Early,
            local: party("101", ""),
            remote: party("100", "A & B"),
        };
        let over = Dialog { state: DialogState::Terminated("cancelled"), local_tag: String::new(), ..dialog.clone() };
        let xml = DialogInfo { entity: "sip:101@pbx", version: 3, dialogs: &[dialog, over] }.to_xml();
        assert_eq!(
            xml,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"3\" state=\"full\" entity=\"sip:101@pbx\">\n\
             <dialog id=\"1\" call-id=\"c&lt;1&gt;\" local-tag=\"phone\" remote-tag=\"pb0000x\" direction=\"recipient\">\n\
             <state>early</state>\n\
             <local><identity>sip:101@pbx</identity><target uri=\"sip:101@pbx\"/></local>\n\
             <remote><identity display=\"A &amp; B\">sip:100@pbx</identity><target uri=\"sip:100@pbx\"/></remote>\n\
             </dialog>\n\
             <dialog id=\"1\" call-id=\"c&lt;1&gt;\" remote-tag=\"pb0000x\" direction=\"recipient\">\n\
             <state event=\"cancelled\">terminated</state>\n\
             <local><identity>sip:101@pbx</identity><target uri=\"sip:101@pbx\"/></local>\n\
             <remote><identity display=\"A &amp; B\">sip:100@pbx</identity><target uri=\"sip:100@pbx\"/></remote>\n\
             </dialog>\n</dialog-info>\n"
        );
        let idle = DialogInfo { entity: "sip:101@pbx", version: 0, dialogs: &[] }.to_xml();
        assert!(idle.contains("<state>terminated</state>"), "{idle}");
    }
}
