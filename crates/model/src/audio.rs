//! A leg's sound for programs.

use serde::{Deserialize, Serialize};

/// In which form sound is exchanged with a program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioFormat {
    /// 16-bit samples, 8000 in a second.
    #[default]
    Pcm8,
    /// 16-bit samples, 16000 in a second.
    Pcm16,
    /// Opus, 20 ms in a packet.
    Opus,
}

/// What of a leg a program hears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Listening {
    /// What its party says.
    #[default]
    Says,
    /// What other parties say to it; sounds of the switch are not among that.
    Hears,
    /// Both together.
    Both,
}

/// A program that wants to be connected with a leg's sound: by RTP on this machine, which the shell turns into what the program
/// speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioWish {
    /// In which form.
    pub format: AudioFormat,
    /// What it hears.
    pub listening: Listening,
    /// The leg's party hears it, beside whomever it hears.
    pub speaks: bool,
    /// The UDP port at 127.0.0.1 where the shell listens for it.
    pub port: u16,
}
