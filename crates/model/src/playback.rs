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
