//! What sound is set to: ports, tones, ways for pages, recognisers.

use super::{PortRange, words};
use media::tones::Country;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `[media]`: sound.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Media {
    /// Ports for RTP and RTCP; each leg takes two.
    pub ports: PortRange,
    /// A call without any sound for so long is given up.
    #[serde(rename = "timeout_seconds", deserialize_with = "words::seconds")]
    pub timeout: Duration,
    /// Whether the sound of phones is encrypted.
    pub srtp: model::Srtp,
    /// Events tell when parties begin and cease to speak.
    pub voice_events: bool,
    /// The file of libbcg729, which lets the switch speak G.729 itself.
    pub g729: Option<PathBuf>,
    /// Whose tones callers hear.
    #[serde(deserialize_with = "words::country")]
    pub country: Country,
    /// What parties hear that are held.
    #[serde(deserialize_with = "words::music")]
    pub music: Music,
    /// How much louder than it is that is played, in decibels.
    #[serde(deserialize_with = "words::decibels")]
    pub music_volume: f32,
    /// Where prompts are; by default `prompts` below `data_dir`.
    pub prompts: Option<PathBuf>,
    /// A speech engine that is asked by HTTP; otherwise `espeak-ng` speaks.
    pub speech_url: Option<String>,
    /// Addresses at which pages find the ports for sound, beside our own and the advertised one.
    pub candidates: Vec<IpAddr>,
}

impl Media {
    /// Who speaks texts.
    pub fn speech(&self) -> crate::speech::Engine {
        self.speech_url.clone().map_or_else(Default::default, crate::speech::Engine::Http)
    }
}

impl Default for Media {
    fn default() -> Self {
        let ports = PortRange { first: 20_000, last: 39_999 };
        Self {
            ports,
            timeout: Duration::from_secs(60),
            srtp: model::Srtp::Off,
            voice_events: false,
            g729: None,
            country: Country::Cn,
            music: Music::Melody,
            music_volume: 0.0,
            prompts: None,
            speech_url: None,
            candidates: Vec::new(),
        }
    }
}

/// What parties hear that are held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Music {
    /// A melody that is built in.
    #[default]
    Melody,
    /// Nothing.
    None,
    /// Sound files, and those of folders, one after the other.
    Files(Vec<PathBuf>),
}

/// `[webrtc]`: how pages find a way to us where UDP does not pass.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebRtc {
    /// Their sound may come by TCP to the ports of sound.
    pub tcp: bool,
    /// `stun:…`, `turn:…`, `turns:…`, as pages are told them.
    #[serde(deserialize_with = "words::strings")]
    pub ice_servers: Vec<String>,
    /// What the TURN servers and we know, and nobody else (coturn: `static-auth-secret`).
    pub turn_secret: Option<String>,
    /// How long the credentials that pages get are good.
    #[serde(rename = "turn_seconds", deserialize_with = "words::seconds")]
    pub turn: Duration,
}

impl Default for WebRtc {
    fn default() -> Self {
        Self { tcp: true, ice_servers: Vec::new(), turn_secret: None, turn: Duration::from_secs(12 * 3600) }
    }
}

/// `[asr]`: recognition of speech.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asr {
    /// A recogniser that speaks as the Vosk server does, `ws://…`; without it speech is not recognised.
    pub url: Option<String>,
}
