//! `application/pidf+xml`: whether somebody can be reached and what he is doing (RFC 3863, RFC 4480).

use super::Escaped;
use std::fmt::Write;

/// The longest note that is passed on, in characters.
const MAX_NOTE: usize = 128;

/// What somebody is doing, of what RFC 4480 §3.2 lists those that phones show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// In a call.
    OnThePhone,
    /// Does not want to be disturbed.
    Busy,
    /// Not at the desk.
    Away,
}

/// Somebody's presence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// Can be reached.
    pub open: bool,
    /// What he is doing.
    pub activity: Option<Activity>,
    /// In his own words; may be empty.
    pub note: String,
}

impl Activity {
    fn element(self) -> &'static str {
        match self {
            Self::OnThePhone => "on-the-phone",
            Self::Busy => "busy",
            Self::Away => "away",
        }
    }

    /// Words that phones show which know nothing of RFC 4480.
    fn note(self) -> &'static str {
        match self {
            Self::OnThePhone => "On the phone",
            Self::Busy => "Busy",
            Self::Away => "Away",
        }
    }

    fn of_element(name: &str) -> Option<Self> {
        match name {
            "on-the-phone" => Some(Self::OnThePhone),
            "busy" | "meeting" | "appointment" | "performance" | "presentation" | "in-transit" => Some(Self::Busy),
            "away" | "vacation" | "holiday" | "meal" | "permanent-absence" | "sleeping" | "travel" => Some(Self::Away),
            _ => None,
        }
    }
}

impl Presence {
    /// The content type.
    pub const TYPE: &'static str = "application/pidf+xml";

    /// The document about this entity, a URI; `id` names its tuple.
    pub fn to_xml(&self, entity: &str, id: &str) -> String {
        let (entity, id) = (Escaped(entity), Escaped(id));
        let mut out = String::with_capacity(768);
        out.push_str(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
             xmlns:dm=\"urn:ietf:params:xml:ns:pidf:data-model\" xmlns:rpid=\"urn:ietf:params:xml:ns:pidf:rpid\"",
        );
        let basic = if self.open { "open" } else { "closed" };
        let _ = writeln!(out, " entity=\"{entity}\">\n<tuple id=\"{id}\"><status><basic>{basic}</basic></status>");
        let _ = writeln!(out, "<contact>{entity}</contact>");
        let note = match self.activity {
            _ if !self.note.is_empty() => &self.note,
            Some(activity) => activity.note(),
            None if self.open => "Online",
            None => "Offline",
        };
        let _ = writeln!(out, "<note>{}</note></tuple>", Escaped(note));
        if let Some(activity) = self.activity {
            let element = activity.element();
            let _ = writeln!(
                out,
                "<dm:person id=\"p{id}\"><rpid:activities><rpid:{element}/></rpid:activities></dm:person>"
            );
        }
        out.push_str("</presence>\n");
        out
    }

    /// What a phone published. `None` if it is no PIDF. Namespaces and order are taken as they come: phones differ.
    pub fn from_xml(document: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(document).ok()?;
        let document = roxmltree::Document::parse(text).ok()?;
        let root = document.root_element();
        if root.tag_name().name() != "presence" {
            return None;
        }
        let mut presence = Self::default();
        let mut said = false;
        for node in root.descendants().filter(roxmltree::Node::is_element) {
            let value = node.text().unwrap_or_default().trim();
            match node.tag_name().name() {
                "basic" => {
                    said = true;
                    presence.open |= value.eq_ignore_ascii_case("open");
                }
                "note" if presence.note.is_empty() => presence.note = value.chars().take(MAX_NOTE).collect(),
                "activities" => {
                    let known = |child: roxmltree::Node<'_, '_>| Activity::of_element(child.tag_name().name());
                    presence.activity = presence.activity.or_else(|| node.children().find_map(known));
                }
                _ => {}
            }
        }
        // A document without any status says nothing bad.
        presence.open |= !said;
        Some(presence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        for presence in [
            Presence { open: true, activity: None, note: "在 <三> 楼".into() },
            Presence { open: false, activity: Some(Activity::Away), note: "x".into() },
            Presence { open: true, activity: Some(Activity::OnThePhone), note: "On the phone".into() },
        ] {
            let xml = presence.to_xml("sip:100@pbx", "t1");
            assert_eq!(Presence::from_xml(xml.as_bytes()), Some(presence), "{xml}");
        }
    }

    #[test]
    fn what_phones_publish_is_understood() {
        let linphone = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" \
            entity=\"sip:100@pbx\" xmlns:p1=\"urn:ietf:params:xml:ns:pidf:data-model\" \
            xmlns:pidfonline=\"urn:ietf:params:xml:ns:pidf:rpid\"><tuple id=\"x\"><status><basic>open</basic></status>\
            <contact priority=\"0.8\">sip:100@pbx</contact></tuple><p1:person id=\"y\"><pidfonline:activities>\
            <pidfonline:vacation/></pidfonline:activities></p1:person></presence>";
        let read = Presence::from_xml(linphone).unwrap();
        assert_eq!((read.open, read.activity), (true, Some(Activity::Away)));
        let closed =
            Presence::from_xml(b"<presence><tuple><status><basic> Closed </basic></status></tuple></presence>");
        assert!(!closed.unwrap().open);
        let long = format!("<presence><note>{}</note></presence>", "y".repeat(4000));
        assert_eq!(Presence::from_xml(long.as_bytes()).unwrap().note.len(), MAX_NOTE);
        for bad in [&b""[..], b"open", b"<x/>", b"\xff", b"<!DOCTYPE a [<!ENTITY b \"c\">]><presence>&b;</presence>"] {
            assert_eq!(Presence::from_xml(bad), None);
        }
    }
}
