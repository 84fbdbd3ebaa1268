//! What goes into the engine and what comes out.

use super::quality::Moment;
use super::recorder::Page;
use crate::browser::Settings;
use crate::clip::Clip;
use crate::progress::Signal;
use crate::tones::{Country, Tone};
use smallvec::SmallVec;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stdx::Wall;

slotmap::new_key_type! {
    /// A leg's media end.
    pub struct PortId;
    /// A recording of two ports.
    pub struct RecordingId;
}

/// How an engine behaves. All of its ports share it.
#[derive(Clone, Debug)]
pub struct Config {
    /// For the NTP time in sender reports.
    pub wall: Wall,
    /// No RTP and no RTCP for so long is [`Event::Silent`]. 60 s.
    pub media_timeout: Duration,
    /// The same while the peer has said that it sends nothing or holds us. 1 h.
    pub held_timeout: Duration,
    /// The least mean interval between RTCP reports of a port (RFC 3550 §6.2: 5 s).
    pub rtcp_interval: Duration,
    /// Whose tones to play.
    pub country: Country,
    /// Tell when peers begin and cease to speak: [`Event::Speaking`]. False.
    pub tell_speech: bool,
    /// What browser legs share; `None`: there are none, and a browser's offer is refused.
    pub browsers: Option<Settings>,
}

impl Config {
    /// The defaults.
    pub fn new(wall: Wall) -> Self {
        Self {
            wall,
            media_timeout: Duration::from_secs(60),
            held_timeout: Duration::from_secs(3600),
            rtcp_interval: Duration::from_secs(5),
            country: Country::default(),
            tell_speech: false,
            browsers: None,
        }
    }
}

/// Which of a port's two sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// The even number.
    Rtp,
    /// The odd number above it.
    Rtcp,
}

/// Send the packet you just gave the engine, as it now is, from this port to that address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The local RTP port number; its RTCP socket is this and one.
    pub port: u16,
    /// Which of its two sockets.
    pub channel: Channel,
    /// Where to.
    pub to: SocketAddr,
}

/// How to answer the peer's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What the switch itself can play: every G.711 of the offer, and telephone-event.
    Early,
    /// What has been agreed with that port, in this offer's payload numbers.
    Joined(PortId),
    /// Whatever of the offer the switch can turn into sound, as the peer prefers it: for those it serves itself.
    Own,
}

impl From<Clip> for Sound {
    fn from(clip: Clip) -> Self {
        Sound::Clips(crate::clip::alone(clip))
    }
}

/// A sound to play.
#[derive(Clone, Debug)]
pub enum Sound {
    /// A tone of the configured country; one period of its cadence if not repeated.
    Tone(Tone),
    /// Clips, one after the other.
    Clips(Arc<[Arc<Clip>]>),
}

/// The octets of a datagram the engine made: no allocation up to 256.
pub type Datagram = SmallVec<[u8; 256]>;

/// What the engine wants done or known. Drain it after every call.
#[derive(Debug)]
// A frame of sound is the common case and lies in the queue without a box.
#[expect(clippy::large_enum_variant)]
pub enum Output {
    /// Send this: tones, prompts, RTCP reports.
    Transmit {
        /// The local RTP port number; its RTCP socket is this and one.
        port: u16,
        /// Which of its two sockets.
        channel: Channel,
        /// Where to.
        to: SocketAddr,
        /// What.
        data: Datagram,
    },
    /// Something happened on a port.
    Event(Event),
    /// Up to half a second of a recording. Give it back with [`Engine::give_back`](super::Engine::give_back).
    Page {
        /// Of which recording.
        recording: RecordingId,
        /// Interleaved stereo or one channel, and its place in the recording.
        page: Page,
    },
    /// No more pages will come.
    RecordingEnded {
        /// Which recording.
        recording: RecordingId,
        /// Its whole length in frames (1/8000 s), missing ones included.
        samples: u64,
        /// Frames that were recorded but never handed out, because too many pages had not been given back.
        missing: u64,
        /// Why.
        reason: EndReason,
    },
    /// This RTP port number is free; the shell gives it back with `stock` after a quarantine.
    Released(u16),
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// It was stopped, or both its ports were closed.
    Stopped,
    /// A port sent audio that is not G.711, which cannot be recorded yet.
    UnsupportedCodec,
}

/// Whether keys are listened for in a peer's sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InbandDtmf {
    /// If the peer has no RTP events (RFC 4733).
    #[default]
    Auto,
    /// In any case: a gateway may have agreed to events and send tones.
    Always,
    /// Not at all.
    Never,
}

/// What is wrong with the sound that a peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Nothing comes from it, though it has agreed to speak.
    Missing,
    /// Packets come, but for half a minute there was no voice in them.
    Silent,
}

/// Something that happened on a port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The first valid packet of the peer arrived.
    Started {
        /// Where.
        port: PortId,
    },
    /// Neither RTP nor RTCP came for the configured time; said again each time that time has passed once more.
    Silent {
        /// Where.
        port: PortId,
        /// How long it has been silent.
        silence: Duration,
    },
    /// Something is wrong with the peer's sound, or no longer. Looked at with each RTCP report.
    Alarm {
        /// Where.
        port: PortId,
        /// What.
        alarm: Alarm,
        /// True if it is so now.
        on: bool,
    },
    /// How the peer's sound came, and ours reached it, since the last time; with each RTCP report.
    Quality {
        /// Where.
        port: PortId,
        /// How.
        moment: Moment,
    },
    /// The peer begins or ceases to speak; told only if [`Config::tell_speech`] says so, and only of sound that is
    /// G.711 or decoded.
    Speaking {
        /// Who.
        port: PortId,
        /// True if it speaks now.
        speaking: bool,
        /// The level of its speech in dB below full scale.
        level_dbov: i8,
    },
    /// Something was heard of how a call proceeds; each signal once. Only where it is listened for
    /// ([`Engine::listen_for_progress`](super::Engine::listen_for_progress)).
    Progress {
        /// Where.
        port: PortId,
        /// What.
        signal: Signal,
        /// How sure it is, from 0 to 1.
        confidence: f32,
        /// Since listening began.
        at: Duration,
    },
    /// The handshake with a browser failed, or its certificate is not the one it described: there will be no sound.
    Insecure {
        /// Where.
        port: PortId,
    },
    /// A sound that was played to a port is over: it came to its end, or a key ended it.
    Played {
        /// To whom.
        port: PortId,
        /// As it was given with [`Play`](super::Play).
        tag: u32,
        /// How long it was played, pauses left out.
        played: Duration,
        /// The key that ended it.
        digit: Option<char>,
    },
    /// A key was pressed, as RTP events (RFC 4733) or as tones: once per press, however many packets tell of it, told when
    /// it ends.
    Dtmf {
        /// By whom.
        port: PortId,
        /// `0`–`9`, `*`, `#`, `A`–`D`, `!` for a hook flash.
        digit: char,
        /// For how long.
        duration: Duration,
        /// It was heard in the sound. Who hears the port and takes keys in no other way has heard the tone.
        in_band: bool,
    },
}

/// No RTP port number is in stock: answer 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPorts;

impl std::fmt::Display for NoPorts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no RTP port is free")
    }
}

impl std::error::Error for NoPorts {}

/// A session description that cannot be accepted: answer 488 with this as its Warning (RFC 3261 §20.43).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdpRefusal {
    /// The warn-code.
    pub code: u16,
    /// The warn-text: printable ASCII without quotes.
    pub text: &'static str,
}

impl SdpRefusal {
    pub(crate) const fn new(code: u16, text: &'static str) -> Self {
        Self { code, text }
    }

    /// The value of a Warning header: `305 host "text"`.
    pub fn warning(&self, host: &str) -> String {
        format!("{} {host} \"{}\"", self.code, self.text)
    }
}

impl std::fmt::Display for SdpRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

impl std::error::Error for SdpRefusal {}
