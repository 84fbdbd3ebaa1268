//! Mailboxes, and the messages that callers leave in them.

use crate::CallId;
use serde::{Deserialize, Serialize};
use stdx::UnixMillis;

/// The most mailboxes of a switch.
pub const MAX_MAILBOXES: usize = 10_000;

/// Owners of one.
pub const MAX_MAILBOX_OWNERS: usize = 50;

/// A message whose last sound comes sooner is none, milliseconds.
pub const MIN_VOICEMAIL_MS: u64 = 2_000;

/// A mailbox. One that belongs to a single extension is private, others are shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mailbox {
    /// Its name, as routes and forwards know it: 1 to 32 of what numbers are made of, so that it can be dialled.
    pub name: String,
    /// The extensions that it belongs to: their message lamps show it, and their phones hear it without a PIN.
    pub extensions: Vec<String>,
    /// With these digits any extension may hear it; empty: its owners alone.
    pub pin: String,
    /// The prompt that callers hear; empty: a spoken sentence.
    pub greeting: String,
    /// In which language it speaks: `zh` or `en`.
    pub language: String,
    /// The longest message, seconds.
    pub max_seconds: u16,
    /// So many messages find room.
    pub max_messages: u16,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            name: String::new(),
            extensions: Vec::new(),
            pin: String::new(),
            greeting: String::new(),
            language: "zh".to_owned(),
            max_seconds: 120,
            max_messages: 100,
        }
    }
}

impl Mailbox {
    /// What is wrong with it.
    ///
    /// # Errors
    ///
    /// In words for whoever sets it.
    pub fn check(&self) -> Result<(), String> {
        let fits = |text: &str| {
            (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+*#-".contains(&b))
        };
        if !fits(&self.name) || self.name.bytes().all(|b| b == b'.') {
            return Err("a mailbox's name has 1 to 32 of 0-9 a-z A-Z . _ + * # -".to_owned());
        }
        if self.extensions.len() > MAX_MAILBOX_OWNERS || !self.extensions.iter().all(|number| fits(number)) {
            return Err(format!("a mailbox belongs to at most {MAX_MAILBOX_OWNERS} extensions"));
        }
        if !self.pin.is_empty()
            && (!(4..=12).contains(&self.pin.len()) || !self.pin.bytes().all(|b| b.is_ascii_digit()))
        {
            return Err("pin has 4 to 12 digits, or none".to_owned());
        }
        if !self.greeting.is_empty() && !crate::is_prompt_name(&self.greeting) {
            return Err(format!("\"{}\" is no name of a prompt", self.greeting));
        }
        if !["zh", "en"].contains(&self.language.as_str()) {
            return Err("language is zh or en".to_owned());
        }
        if !(10..=600).contains(&self.max_seconds) {
            return Err("max_seconds is from 10 to 600".to_owned());
        }
        if !(1..=1000).contains(&self.max_messages) {
            return Err("max_messages is from 1 to 1000".to_owned());
        }
        Ok(())
    }

    /// Whether it belongs to this extension.
    pub fn is_of(&self, extension: &str) -> bool {
        self.extensions.iter().any(|owner| owner == extension)
    }
}

/// A message in a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voicemail {
    /// Its number; 0 before it is stored.
    pub id: i64,
    /// In which mailbox.
    pub mailbox: String,
    /// The call by which it was left.
    pub call: CallId,
    /// Who left it; empty if that is not known.
    pub from: String,
    /// When it was begun.
    pub at: UnixMillis,
    /// Its length, milliseconds.
    pub length_ms: u64,
    /// Its file, below the recordings' folder.
    pub path: String,
    /// Somebody has heard it.
    pub heard: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_can_be_dialled_and_names_no_folder() {
        let right = Mailbox { name: "101".into(), extensions: vec!["101".into()], ..Mailbox::default() };
        assert_eq!(right.check(), Ok(()));
        for wrong in [
            Mailbox { name: String::new(), ..right.clone() },
            Mailbox { name: "..".into(), ..right.clone() },
            Mailbox { name: "a/b".into(), ..right.clone() },
            Mailbox { pin: "12".into(), ..right.clone() },
            Mailbox { pin: "12a4".into(), ..right.clone() },
            Mailbox { greeting: "../x".into(), ..right.clone() },
            Mailbox { language: "fr".into(), ..right.clone() },
            Mailbox { max_seconds: 5, ..right.clone() },
            Mailbox { max_messages: 0, ..right.clone() },
            Mailbox { extensions: vec!["a b".into()], ..right },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
