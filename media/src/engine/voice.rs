//! A speaker's packets made into a steady flow of sound: jitter buffer, decoder, concealment.
//!
//! Nothing waits longer than it must. Playing begins with the first packet. When the next packet has not come in time,
//! sound is made up for it: if it comes late, it is played late, and from then on everything has that much more time; if
//! it never comes, the sound made up stands for it. When for some seconds packets have waited longer than they had to, a
//! period of the voice is left out. What waits beyond [`SLOTS`] packets is dropped, the oldest first.

use crate::codec::conceal::Concealer;
use crate::codec::noise::Noise;
use crate::codec::resample::Resampler;
use crate::codec::{Codec, Decoder, MAX_SAMPLES};
use crate::rtp::Header;

/// The most packets that wait.
const SLOTS: usize = 32;
/// Frames of 20 ms over which the least waiting is watched before a voice is brought nearer: 3 s.
const WATCH: u32 = 150;
/// If more than this waits through a spell of 400 ms, it is brought nearer by whole packets: in milliseconds, and frames.
const BACKLOG_MS: usize = 60;
const SPELL: u32 = 20;
/// Of its loudness a voice that falls silent loses this part in each frame.
const FADE: u32 = 18;
/// Frames that pass before another late packet asks for more time.
const PATIENCE: u32 = 10;
/// The longest frame: 20 ms at 48 kHz.
pub(super) const MAX_FRAME: usize = 960;

/// The three rates at which sound is mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rate {
    Narrow,
    Wide,
    Full,
}

impl Rate {
    pub(super) const ALL: [Self; 3] = [Rate::Narrow, Rate::Wide, Rate::Full];

    pub(super) fn of(codec: Codec) -> Self {
        match codec.rate() {
            8_000 => Rate::Narrow,
            16_000 => Rate::Wide,
            _ => Rate::Full,
        }
    }

    pub(super) const fn hz(self) -> u32 {
        match self {
            Rate::Narrow => 8_000,
            Rate::Wide => 16_000,
            Rate::Full => 48_000,
        }
    }

    /// Samples in 20 ms.
    pub(super) const fn frame(self) -> usize {
        self.hz() as usize / 50
    }
}

/// Which rates are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rates([bool; 3]);

impl Rates {
    pub(super) fn add(&mut self, rate: Rate) {
        self.0[rate as usize] = true;
    }

    pub(super) fn has(self, rate: Rate) -> bool {
        self.0[rate as usize]
    }
}

#[derive(Debug)]
pub(super) struct Voice {
    codec: Codec,
    decoder: Decoder,
    concealer: Concealer,
    /// The peer is silent and has told how its silence sounds.
    noise: Option<Noise>,
    slots: Box<[Slot]>,
    waiting: usize,
    /// The packet that plays next, and the newest that came.
    next: Option<u16>,
    newest: u16,
    epoch: u32,
    /// Decoded and not yet played.
    ready: Vec<i16>,
    scratch: Box<[i16; MAX_SAMPLES]>,
    /// Samples of the last packet.
    packet: usize,
    /// Samples made up because nothing had come.
    ahead: usize,
    /// Frames made up since the last packet.
    dry: u32,
    /// A packet came after it had been given up: what follows shall have more time.
    late: bool,
    patience: u32,
    least: usize,
    watched: u32,
    /// The same of a spell.
    spell_least: usize,
    spell: u32,
    wanted: Rates,
    frames: [Option<Frame>; 3],
    /// The present frame is there at every rate that is wanted, not only at the codec's own.
    raised: bool,
    /// How loud it is, and has been of late: it rises at once and falls by half in a quarter of a second.
    loudness: u32,
    live: bool,
}

#[derive(Debug, Default)]
struct Slot {
    used: bool,
    sequence: u16,
    /// `None` for comfort noise.
    codec: Option<Codec>,
    payload: Vec<u8>,
}

/// 20 ms of a voice at one rate.
#[derive(Debug)]
struct Frame {
    resampler: Option<Resampler>,
    pcm: Box<[i16]>,
}

/// What a step towards the next frame brought.
enum Step {
    Progress,
    Dry,
}

impl Voice {
    pub(super) fn new(codec: Codec, wanted: Rates) -> Self {
        let mut voice = Self {
            codec,
            decoder: Decoder::new(codec),
            concealer: Concealer::of(codec),
            noise: None,
            slots: (0..SLOTS).map(|_| Slot::default()).collect(),
            waiting: 0,
            next: None,
            newest: 0,
            epoch: 0,
            ready: Vec::with_capacity(MAX_SAMPLES * 2),
            scratch: Box::new([0; MAX_SAMPLES]),
            packet: 0,
            ahead: 0,
            dry: 0,
            late: false,
            patience: 0,
            least: usize::MAX,
            watched: 0,
            spell_least: usize::MAX,
            spell: 0,
            wanted,
            frames: [None, None, None],
            raised: false,
            loudness: 0,
            live: false,
        };
        voice.prepare();
        voice
    }

    /// At which rates its frames are wanted.
    pub(super) fn want(&mut self, wanted: Rates) {
        if self.wanted != wanted {
            self.wanted = wanted;
            self.prepare();
        }
    }

    fn prepare(&mut self) {
        let own = Rate::of(self.codec);
        for rate in Rate::ALL {
            let frame = &mut self.frames[rate as usize];
            if !self.wanted.has(rate) && rate != own {
                *frame = None;
            } else if frame.as_ref().is_none_or(|f| f.resampler.is_none() != (rate == own)) {
                let resampler = Resampler::new(own.hz(), rate.hz());
                *frame = Some(Frame { resampler, pcm: vec![0; rate.frame()].into() });
            }
        }
    }

    /// A packet has come. `codec` is `None` for comfort noise.
    pub(super) fn push(&mut self, header: &Header, epoch: u32, codec: Option<Codec>, payload: &[u8]) {
        if epoch != self.epoch {
            self.epoch = epoch;
            self.slots.iter_mut().for_each(|slot| slot.used = false);
            self.waiting = 0;
            self.next = None;
        }
        let mut next = *self.next.get_or_insert(header.sequence);
        let ahead = header.sequence.wrapping_sub(next).cast_signed();
        if ahead < 0 {
            self.late |= self.patience == 0;
            return;
        }
        if ahead as usize >= SLOTS {
            let first = header.sequence.wrapping_sub(SLOTS as u16 - 1);
            for slot in self.slots.iter_mut().filter(|s| s.used) {
                if slot.sequence.wrapping_sub(first).cast_signed() < 0 {
                    slot.used = false;
                    self.waiting -= 1;
                }
            }
            next = first;
            self.next = Some(next);
        }
        let slot = &mut self.slots[usize::from(header.sequence) % SLOTS];
        if slot.used {
            return;
        }
        slot.used = true;
        slot.sequence = header.sequence;
        slot.codec = codec;
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        if self.waiting == 0 || header.sequence.wrapping_sub(self.newest).cast_signed() > 0 {
            self.newest = header.sequence;
        }
        self.waiting += 1;
        self.live = true;
    }

    /// True once a packet has come.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// The present frame at a rate; `None` if nothing is heard, the rate is not wanted, or it was not raised to it.
    #[inline]
    pub(super) fn frame(&self, rate: Rate) -> Option<&[i16]> {
        let there = self.raised || rate == Rate::of(self.codec);
        if self.is_silent() || !there { None } else { self.frames[rate as usize].as_ref().map(|f| &f.pcm[..]) }
    }

    /// How loud it is now or was a moment ago; 0 for one that says nothing at all.
    pub(super) fn loudness(&self) -> u32 {
        self.loudness
    }

    /// The present frame at its codec's rate; `None` if nothing is heard, or the codec is G.711.
    pub(super) fn own_frame(&self) -> Option<&[i16]> {
        if self.is_g711() { None } else { self.frame(Rate::of(self.codec)) }
    }

    /// What is played is G.711.
    pub(super) fn is_g711(&self) -> bool {
        matches!(self.codec, Codec::G711(_))
    }

    /// The present frame is silence.
    pub(super) fn silence_frame(&mut self) {
        self.frames.iter_mut().flatten().for_each(|frame| frame.pcm.fill(0));
    }

    /// Nothing has been heard for so long that what is made up has faded.
    fn is_silent(&self) -> bool {
        !self.live || (self.noise.is_none() && self.dry > 4)
    }

    /// Moves on by 20 ms. `gain` is in 1/4096.
    pub(super) fn advance(&mut self, gain: i32) {
        if !self.live {
            return;
        }
        let len = Rate::of(self.codec).frame();
        self.patience = self.patience.saturating_sub(1);
        if std::mem::take(&mut self.late) && self.patience == 0 {
            self.patience = PATIENCE;
            self.fill(len);
        }
        while self.ready.len() < len {
            match self.step() {
                Step::Progress => {}
                Step::Dry => break,
            }
        }
        // A step may have brought another codec.
        let own = Rate::of(self.codec);
        let len = own.frame();
        if self.ready.len() < len {
            self.run_dry(len - self.ready.len());
        } else {
            self.dry = 0;
            self.draw_near(len);
        }
        let Some(mut frame) = self.frames[own as usize].take() else { return };
        frame.pcm.copy_from_slice(&self.ready[..len]);
        self.ready.drain(..len);
        if gain != 4_096 {
            frame.pcm.iter_mut().for_each(|s| *s = ((i32::from(*s) * gain) >> 12).clamp(-32_768, 32_767) as i16);
        }
        let sum: u32 = frame.pcm.iter().map(|s| u32::from(s.unsigned_abs())).sum();
        let faded = self.loudness - self.loudness.div_ceil(FADE);
        self.loudness = faded.max(sum / len as u32);
        self.raised = false;
        self.frames[own as usize] = Some(frame);
    }

    /// Makes the present frame at the other rates that are wanted, for a voice that is really heard.
    pub(super) fn raise(&mut self) {
        let own = Rate::of(self.codec);
        if std::mem::replace(&mut self.raised, true) || self.is_silent() {
            return;
        }
        let Some(frame) = self.frames[own as usize].take() else { return };
        for rate in Rate::ALL {
            if let Some(Frame { resampler: Some(resampler), pcm }) = &mut self.frames[rate as usize] {
                resampler.run(&frame.pcm, pcm);
            }
        }
        self.frames[own as usize] = Some(frame);
    }

    /// Decodes the packet that plays next, or makes up for it if later ones have come.
    fn step(&mut self) -> Step {
        let Some(next) = self.next.filter(|_| self.waiting > 0) else { return Step::Dry };
        let at = usize::from(next) % SLOTS;
        self.next = Some(next.wrapping_add(1));
        if !self.slots[at].used || self.slots[at].sequence != next {
            if self.packet > 0 && self.ahead >= self.packet {
                // It has been made up while nothing had come; now the decoder hears of it.
                self.ahead -= self.packet;
                self.decode_lost(self.packet);
            } else {
                self.make_up(self.packet);
            }
            return Step::Progress;
        }
        let mut slot = std::mem::take(&mut self.slots[at]);
        slot.used = false;
        self.waiting -= 1;
        self.ahead = 0;
        self.dry = 0;
        match slot.codec {
            Some(codec) => {
                self.noise = None;
                self.turn_to(codec);
                let decoded = self.decoder.decode(&slot.payload, &mut self.scratch[..]);
                self.packet = if decoded > 0 { decoded } else { self.packet };
                self.real(decoded);
                self.append(decoded);
            }
            None => match &mut self.noise {
                Some(noise) => noise.told(&slot.payload),
                None => self.noise = Some(Noise::new(&slot.payload)),
            },
        }
        self.slots[at] = slot;
        Step::Progress
    }

    /// So much of the scratch is what the peer said.
    fn real(&mut self, len: usize) {
        let pcm = &mut self.scratch[..len];
        if self.codec.foretells() { self.concealer.foretold(pcm) } else { self.concealer.real(pcm) }
    }

    fn append(&mut self, len: usize) {
        let room = self.ready.capacity() - self.ready.len();
        if len > room {
            // The oldest goes.
            self.ready.drain(..(len - room).min(self.ready.len()));
        }
        self.ready.extend_from_slice(&self.scratch[..len]);
    }

    /// Another codec, without another description.
    fn turn_to(&mut self, codec: Codec) {
        if self.codec == codec {
            return;
        }
        let same_rate = self.codec.rate() == codec.rate();
        self.codec = codec;
        self.decoder = Decoder::new(codec);
        self.concealer.suit(codec);
        if !same_rate {
            self.ready.clear();
            self.packet = 0;
        }
        self.prepare();
    }

    /// A packet is missing, and later ones have come.
    fn make_up(&mut self, len: usize) {
        let len = len.min(self.scratch.len());
        if self.decode_lost(len) {
            self.concealer.lost();
            self.real(len);
        } else {
            // A period repeated lasts longer than what the decoder makes up.
            self.concealer.fill(&mut self.scratch[..len]);
        }
        self.append(len);
    }

    /// The decoder hears of a loss; true if the packet after it told what it was.
    fn decode_lost(&mut self, len: usize) -> bool {
        let following = self.next.map(|next| &self.slots[usize::from(next) % SLOTS]);
        let following = following.filter(|s| s.used && s.codec == Some(self.codec)).map(|s| &s.payload[..]);
        let len = len.min(self.scratch.len());
        self.decoder.make_up(following, &mut self.scratch[..len]) && following.is_some()
    }

    /// Sound for which nothing has come yet; the decoder hears of a loss only once it is one.
    fn fill(&mut self, len: usize) {
        let len = len.min(self.scratch.len());
        self.concealer.fill(&mut self.scratch[..len]);
        self.append(len);
    }

    /// Nothing has come in time.
    fn run_dry(&mut self, missing: usize) {
        self.dry = self.dry.saturating_add(1);
        (self.least, self.spell_least) = (0, 0);
        if self.noise.is_none() && self.dry <= 4 {
            self.ahead += missing;
            return self.fill(missing);
        }
        let to = &mut self.scratch[..missing];
        match &mut self.noise {
            Some(noise) => noise.fill(to),
            None => to.fill(0),
        }
        self.append(missing);
    }

    /// Watches how long packets wait; what waits too long is brought nearer.
    fn draw_near(&mut self, len: usize) {
        let packets = match self.next {
            Some(next) if self.waiting > 0 => usize::from(self.newest.wrapping_sub(next)) + 1,
            Some(_) | None => 0,
        };
        let waits = self.ready.len() - len + packets * self.packet;
        self.least = self.least.min(waits);
        self.spell_least = self.spell_least.min(waits);
        self.watched += 1;
        self.spell += 1;
        let ms = self.codec.rate() as usize / 1_000;
        if self.spell >= SPELL {
            let least = std::mem::replace(&mut self.spell_least, usize::MAX);
            self.spell = 0;
            if least > BACKLOG_MS * ms {
                self.skip(least - 20 * ms);
                return self.watch_anew();
            }
        }
        if self.watched > WATCH {
            if self.least > 25 * ms {
                self.leave_out_a_period(len);
            }
            self.watch_anew();
        }
    }

    /// Leaves out packets that wait, up to so many samples; the decoder hears them.
    fn skip(&mut self, mut surplus: usize) {
        while surplus >= self.packet && self.packet > 0 && self.waiting > 1 {
            surplus -= self.packet;
            let before = self.ready.len();
            self.step();
            self.ready.truncate(before);
        }
    }

    fn watch_anew(&mut self) {
        self.least = usize::MAX;
        self.watched = 0;
    }

    fn leave_out_a_period(&mut self, len: usize) {
        let blend = len / 4;
        let lag = self.concealer.pitch();
        while self.ready.len() < len + blend + lag {
            if let Step::Dry = self.step() {
                return;
            }
        }
        for i in 0..blend {
            let share = i as i32 * 256 / blend as i32;
            let (here, there) = (i32::from(self.ready[i]), i32::from(self.ready[i + lag]));
            self.ready[i + lag] = ((here * (256 - share) + there * share) >> 8) as i16;
        }
        self.ready.drain(..lag);
    }
}

#[cfg(test)]
mod tests;
