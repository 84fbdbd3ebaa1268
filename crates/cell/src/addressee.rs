//! Whom a request is for: an extension, or one phone of it (RFC 5627).

use crate::cell::Cell;
use crate::io::Contact;
use crate::signalling::{MAX_NUMBER, text};
use sip_stack::message::{Message, Uri};
use sip_stack::seal::{PhoneMark, Seal};

/// One phone among those of an extension.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Phone {
    /// By its instance: a public address of it.
    Instance(String),
    /// By its instance and registration: a temporary address of it, which tells nobody whose it is.
    Marked(PhoneMark),
}

/// Whom a request is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Addressee {
    pub(crate) number: String,
    /// All phones, if none is named.
    pub(crate) phone: Option<Phone>,
}

impl Phone {
    /// Whether a contact is this phone.
    pub(crate) fn is(&self, contact: &Contact, seal: &Seal) -> bool {
        let Some(instance) = &contact.instance else { return false };
        match self {
            Self::Instance(wanted) => instance.trim_start_matches('<').trim_end_matches('>') == wanted,
            // Its temporary addresses end with its registration (RFC 5627 §3.2).
            Self::Marked(wanted) => seal.phone(instance, &contact.call_id) == *wanted,
        }
    }
}

impl Cell {
    /// Whom the Request-URI names; `None` if it is nobody who could exist.
    pub(crate) fn addressee(&self, request: &Message) -> Option<Addressee> {
        let uri = Uri::from_slice(request.request_uri()).ok()?;
        let gr = uri.param("gr");
        if gr.as_ref().is_some_and(Vec::is_empty)
            && let Some((number, mark)) = uri.user().and_then(|user| self.seal.owner_of(user))
        {
            return Some(Addressee { number, phone: Some(Phone::Marked(mark)) });
        }
        let number = crate::authorize::number_of(&uri);
        let phone = gr.filter(|value| !value.is_empty()).map(|value| Phone::Instance(text(&value)));
        (!number.is_empty() && number.len() <= MAX_NUMBER).then_some(Addressee { number, phone })
    }
}
