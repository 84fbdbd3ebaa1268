//! What is played to the parties of a call.

use serde::{Deserialize, Serialize};

/// Prompts in one list; more is refused.
pub const MAX_ITEMS: usize = 64;

/// What is to be played, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Playback {
    /// One after the other, at most [`MAX_ITEMS`].
    pub items: Vec<Item>,
    /// How often; 0: until it is stopped.
    pub times: u32,
    /// How much louder, in decibels from -40 to 20.
    pub volume_db: f32,
    /// A key that the party presses ends it.
    pub barge_in: bool,
}

/// One piece of what is played.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Item {
    /// A prompt, by its name.
    Prompt(String),
    /// A text, spoken by the speech engine.
    Text {
        /// At most [`MAX_TEXT`] octets.
        text: String,
        /// The engine's name of a voice; empty: its own choice.
        voice: String,
        /// How fast, percent of the usual: [`MIN_SPEED`] to [`MAX_SPEED`].
        speed: u16,
    },
    /// What is said with the clips of a language, `zh` or `en`.
    Spoken {
        /// What.
        what: Spoken,
        /// In which language.
        language: String,
    },
}

/// The longest text that is spoken, octets.
pub const MAX_TEXT: usize = 4_000;
/// The slowest speech, percent.
pub const MIN_SPEED: u16 = 50;
/// The fastest.
pub const MAX_SPEED: u16 = 200;

/// What can be said with clips of single words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spoken {
    /// A whole number, as one counts.
    Number(i64),
    /// Digits one by one, as a telephone number is read; at most 64.
    Digits(String),
    /// An amount of yuan, in fen.
    Yuan(i64),
    /// An amount of dollars, in cents.
    Dollars(i64),
    /// A day: year, month, day of the month.
    Date(u16, u8, u8),
    /// A time of the day: hour (0 to 23) and minute.
    Time(u8, u8),
}

/// How a playback ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaybackEnd {
    /// It came to its end.
    Finished,
    /// A key ended it.
    Key,
    /// A command, something else that was played, or the end of the call did.
    Stopped,
}

/// Whether this can be the name of a prompt: parts of `a-z A-Z 0-9 _ -` and dots, with `/` between, at most 128 octets. No
/// part begins with a dot.
pub fn is_prompt_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    name.len() <= 128 && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["welcome", "zh/digits/1", "a.b-c_D9"] {
            assert!(is_prompt_name(good), "{good}");
        }
        for bad in ["", "/", "a/", "/a", "..", "a/../b", ".hidden", "a//b", "a b", "a\\b", "\u{4f60}", &"a".repeat(129)]
        {
            assert!(!is_prompt_name(bad), "{bad}");
        }
    }
}
