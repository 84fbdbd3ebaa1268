//! A call that somebody at an API wants placed.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A call on behalf of an extension: its own phone is called first, then the number, by its rights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Originate {
    /// The extension whose phone is called first.
    pub extension: String,
    /// The number that is called once it has answered.
    pub to: String,
    /// How long its phone may ring, seconds; `None`: as long as for any call.
    pub ring_seconds: Option<u16>,
    /// The number that the called party is shown; `None`: as for a call from the phone.
    pub shown: Option<String>,
    /// By this trunk and no other, if it goes out by a trunk.
    pub trunk: Option<String>,
    /// Refuse it at once if the number leads nowhere by now, rather than when its phone has answered.
    #[serde(default)]
    pub only_routed: bool,
    /// Its phone is asked to answer by itself.
    pub auto_answer: bool,
    /// What the called network and party say with tones and voices is told, whether a person or a machine answers too.
    pub call_progress: bool,
    /// Kept with the record: whatever the client wants to find there.
    pub variables: BTreeMap<String, String>,
}

impl Originate {
    /// The most variables of a call.
    pub const MAX_VARIABLES: usize = 32;
    /// The longest name or value of one, characters.
    pub const MAX_VARIABLE: usize = 256;

    /// A call of this extension to that number, and nothing special about it.
    pub fn new(extension: &str, to: &str) -> Self {
        Self { extension: extension.to_owned(), to: to.to_owned(), ..Self::default() }
    }
}
