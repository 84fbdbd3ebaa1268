//! What the switch itself says to a peer: sound encoded, in packets of the length the peer wishes.

use super::player::Frame;
use super::voice::Rate;
use crate::codec::resample::Resampler;
use crate::codec::{Codec, Encoder, MAX_PAYLOAD};

/// Encodes for one peer.
#[derive(Debug)]
pub(super) struct Mouth {
    codec: Codec,
    pub(super) payload_type: u8,
    encoder: Encoder,
    /// Samples in a packet, and its ticks.
    packet: usize,
    ticks: u32,
    packet_time: u16,
    waiting: Vec<i16>,
    /// From 8 kHz, for sounds.
    rise: Option<Resampler>,
    octets: Box<[u8; MAX_PAYLOAD]>,
    /// The last packet was a prepared one.
    follows: bool,
    /// Nobody whom the peer hears says anything above 4 kHz.
    narrow: bool,
    /// How many of a hundred packets are lost on their way to the peer.
    loss: u8,
    /// What it says is encoded for others as well.
    shared: bool,
}

/// A packet to be sent.
pub(super) struct Utterance<'a> {
    pub(super) payload: &'a [u8],
    /// Ticks it lasts.
    pub(super) ticks: u32,
}

impl Mouth {
    pub(super) fn new(codec: Codec, payload_type: u8, wished_ms: u16) -> Self {
        let packet_time = codec.packet_time(wished_ms);
        let packet = codec.rate() as usize / 1_000 * usize::from(packet_time);
        Self {
            codec,
            payload_type,
            encoder: Encoder::new(codec),
            packet,
            ticks: codec.clock() / 1_000 * u32::from(packet_time),
            packet_time,
            waiting: Vec::with_capacity(packet + Rate::of(codec).frame()),
            rise: Resampler::new(8_000, codec.rate()),
            octets: Box::new([0; MAX_PAYLOAD]),
            follows: false,
            narrow: false,
            loss: 0,
            shared: false,
        }
    }

    /// One that speaks in the same way, from the beginning.
    pub(super) fn twin(&self) -> Self {
        let mut twin = Self::new(self.codec, self.payload_type, self.packet_time);
        twin.narrow(self.narrow);
        twin.expect_loss(self.loss);
        twin
    }

    /// True if both make the same packets of the same sound.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (self.codec, self.packet_time, self.narrow, self.loss)
            == (other.codec, other.packet_time, other.narrow, other.loss)
    }

    /// What it says may be encoded once for many: each frame makes a packet at most.
    pub(super) fn is_shareable(&self) -> bool {
        self.packet_time >= 20
    }

    /// What it says next is shared with others, or its own. True if that interrupts a packet that was begun.
    pub(super) fn shares(&mut self, shared: bool) -> bool {
        let changed = std::mem::replace(&mut self.shared, shared) != shared;
        if changed {
            self.waiting.clear();
        }
        changed && self.packet_time > 20
    }

    /// The payload of the last packet, which has so many octets.
    pub(super) fn last(&self, len: usize) -> &[u8] {
        &self.octets[..len]
    }

    /// True if it speaks so already.
    pub(super) fn is(&self, codec: Codec, payload_type: u8, wished_ms: u16) -> bool {
        self.codec == codec && self.payload_type == payload_type && self.packet_time == codec.packet_time(wished_ms)
    }

    pub(super) fn rate(&self) -> Rate {
        Rate::of(self.codec)
    }

    /// Whether those whom the peer hears may say anything above 4 kHz.
    pub(super) fn narrow(&mut self, narrow: bool) {
        self.narrow = narrow;
        self.encoder.narrow(narrow);
    }

    /// How many of a hundred packets are lost on their way, by [`Reports::loss`](super::report::Reports::loss).
    pub(super) fn expect_loss(&mut self, percent: u8) {
        if std::mem::replace(&mut self.loss, percent) != percent {
            self.encoder.expect_loss(percent);
        }
    }

    /// Ticks in 10 ms.
    pub(super) fn clock(&self) -> u16 {
        (self.codec.clock() / 100) as u16
    }

    /// Ticks in 20 ms.
    pub(super) fn frame_ticks(&self) -> u32 {
        self.codec.clock() / 50
    }

    /// 20 ms at [`Mouth::rate`] are to be said.
    pub(super) fn say(&mut self, pcm: &[i16]) {
        self.waiting.extend_from_slice(pcm);
    }

    /// 20 ms of a player are to be said.
    pub(super) fn say_frame(&mut self, frame: &Frame) {
        let mut risen = [0; super::voice::MAX_FRAME];
        if self.narrow && frame.wide.is_some() {
            self.narrow(false);
        }
        let len = self.at_own_rate(frame, &mut risen);
        self.waiting.extend_from_slice(&risen[..len]);
    }

    /// The packet of a frame whose clip has been prepared, with its ticks; `None` for what has to be said by
    /// [`Mouth::say_frame`].
    pub(super) fn prepared<'a>(&mut self, frame: &'a Frame) -> Option<(&'a [u8], u32)> {
        let packet = frame.whole.as_ref().filter(|_| self.waiting.is_empty() && self.packet_time == 20);
        let packet = packet.and_then(|whole| {
            // A codec that remembers cannot be joined in the middle of a clip.
            let joins = self.follows || whole.at == 0 || matches!(self.codec, Codec::G711(_));
            whole.clip.packet(self.codec, whole.again, whole.at).filter(|_| joins)
        });
        self.follows = packet.is_some();
        Some((packet?, self.ticks))
    }

    /// 20 ms at the rate of its codec; returns how many samples.
    fn at_own_rate(&mut self, frame: &Frame, pcm: &mut [i16; super::voice::MAX_FRAME]) -> usize {
        match (&mut self.rise, &frame.wide) {
            (None, _) => {
                pcm[..frame.narrow.len()].copy_from_slice(&frame.narrow);
                frame.narrow.len()
            }
            (Some(_), Some(wide)) if Rate::of(self.codec) == Rate::Wide => {
                pcm[..wide.len()].copy_from_slice(wide);
                wide.len()
            }
            (Some(rise), _) => rise.run(&frame.narrow, pcm),
        }
    }

    /// The next packet, when there is sound enough for it.
    pub(super) fn next(&mut self) -> Option<Utterance<'_>> {
        if self.waiting.len() < self.packet {
            return None;
        }
        let len = self.encoder.encode(&self.waiting[..self.packet], &mut self.octets[..]);
        self.waiting.drain(..self.packet);
        Some(Utterance { payload: &self.octets[..len], ticks: self.ticks })
    }

    /// Forgets what was not enough for a packet.
    pub(super) fn hush(&mut self) {
        self.waiting.clear();
    }
}
