//! Call progress by ear: what a called network or party says with tones and voices, each finding with a confidence.
//!
//! A [`Detector`] is given 20 ms of sound at a time. Tones are told by pitch and cadence, as the country's plan has them
//! (see [`crate::tones`]); special information tones, fax tones, and whether a voice is a person's greeting or a machine's,
//! are the same everywhere.

use crate::tones::{Country, Stretch, Tone};
use std::time::Duration;

/// Samples of a frame: 20 ms at 8 kHz.
pub const FRAME: usize = 160;
const FRAME_MS: u32 = 20;
const HALF: usize = FRAME / 2;

/// Quieter than this (about −46 dBm0) is silence.
const AUDIBLE: f32 = 100.0;
/// What of a frame's power its tones must have.
const PURE: f32 = 0.75;
/// From this confidence on a finding is sure; after so many frames one that is not counts again.
pub const SURE: f32 = 0.8;
const AGAIN: u32 = 100;
/// Frames of voice that are a word.
const WORD: u32 = 10;
/// Runs that are remembered.
const RUNS: usize = 12;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// It rings.
    Ringback,
    /// The party is busy.
    Busy,
    /// The network is.
    Congestion,
    /// The number does not exist, or cannot be reached.
    Unobtainable,
    /// A fax machine calls: CNG (ITU-T T.30 §4.1).
    FaxCalling,
    /// A fax machine or modem answers: CED, ANS (T.30 §4.1, V.25).
    FaxAnswering,
    /// A person answers: a short greeting, then waiting.
    Human,
    /// A machine answers: a long greeting, or the tone after which one shall speak.
    Machine,
    /// A voice before the answer: the network says something.
    Announcement,
}

/// A signal, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Finding {
    /// What.
    pub signal: Signal,
    /// From 0 to 1.
    pub confidence: f32,
    /// Since the detector began to listen.
    pub at: Duration,
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Silence,
    /// A tone or a pair of the country's plan, by its place among the pitches.
    Tone(usize),
    /// 950, 1400, 1800 Hz: the three of the special information tone.
    Sit(usize),
    Cng,
    Ced,
    /// Another single tone.
    Beep,
    Voice,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    kind: Kind,
    frames: u32,
}

impl Run {
    fn ms(self) -> u32 {
        self.frames * FRAME_MS
    }
}

/// Listens to one party.
#[derive(Debug)]
pub struct Detector {
    pitches: Vec<(u16, u16)>,
    cadences: [(Signal, &'static [Stretch]); 4],
    runs: Vec<Run>,
    /// A kind that may be beginning: a run begins with its second frame, so that a click is none.
    doubtful: Option<Kind>,
    frames: u32,
    /// Frames of voice since the last long silence, with the short ones between.
    speech: u32,
    /// Frames of voice in all: a word at least before a tone is the end of a greeting.
    spoken: u32,
    answered: bool,
    /// What was told, how sure it was, and when.
    told: Vec<(Signal, f32, u32)>,
}

impl Detector {
    /// For the network of a country.
    pub fn new(country: Country) -> Self {
        let cadences = [
            (Signal::Unobtainable, Tone::Unobtainable.cadence(country)),
            (Signal::Busy, Tone::Busy.cadence(country)),
            (Signal::Congestion, Tone::Congestion.cadence(country)),
            (Signal::Ringback, Tone::Ringback.cadence(country)),
        ];
        let mut pitches: Vec<(u16, u16)> =
            cadences.iter().flat_map(|(_, c)| c.iter()).filter(|s| s.0 > 0).map(|s| (s.0, s.1)).collect();
        pitches.sort_unstable();
        pitches.dedup();
        // Of pitches that nothing tells apart one is enough, or a tone would waver between them.
        let middle = |pitch: (u16, u16)| beating(pitch).map_or(pitch, |middle| (middle, 0));
        pitches.sort_by_key(|pitch| beating(*pitch).is_none());
        let all = pitches.clone();
        let same = |a: (u16, u16), b: (u16, u16)| middle(a).0.abs_diff(middle(b).0) <= 10 && middle(a).1 == middle(b).1;
        let mut at = 0;
        pitches.retain(|pitch| {
            at += 1;
            !all[..at - 1].iter().any(|before| same(*before, *pitch))
        });
        // Those of the special information tone are listened to anyway.
        pitches.retain(|pitch| ![(950, 0), (1400, 0), (1800, 0)].contains(pitch));
        Self {
            pitches,
            cadences,
            runs: Vec::with_capacity(RUNS),
            doubtful: None,
            frames: 0,
            speech: 0,
            spoken: 0,
            answered: false,
            told: Vec::new(),
        }
    }

    /// The next 20 ms. Each signal is told once, and once more if it was doubtful and has been heard again.
    pub fn push(&mut self, frame: &[i16; FRAME]) -> Option<Finding> {
        self.frames += 1;
        let kind = self.kind_of(frame);
        let ended = self.extend(kind);
        let (signal, confidence) = self.judge(ended)?;
        let confidence = match self.told.iter_mut().find(|told| told.0 == signal) {
            None => {
                self.told.push((signal, confidence, self.frames));
                confidence
            }
            Some((_, known, at)) if *known < SURE && self.frames - *at >= AGAIN => {
                *known = 1.0 - (1.0 - *known) * (1.0 - confidence);
                *at = self.frames;
                (*known >= SURE).then_some(*known)?
            }
            Some(_) => return None,
        };
        Some(Finding { signal, confidence, at: Duration::from_millis(u64::from(self.frames * FRAME_MS)) })
    }

    /// The party has answered: what was heard before says nothing about who it is.
    pub fn answered(&mut self) {
        self.runs.clear();
        self.doubtful = None;
        self.speech = 0;
        self.spoken = 0;
        self.answered = true;
    }

    fn has_told(&self, signal: Signal) -> bool {
        self.told.iter().any(|told| told.0 == signal)
    }

    fn kind_of(&self, frame: &[i16; FRAME]) -> Kind {
        let power = frame.iter().map(|s| f32::from(*s) * f32::from(*s)).sum::<f32>() / FRAME as f32;
        if power < AUDIBLE * AUDIBLE {
            return Kind::Silence;
        }
        let share = |hz: u16| if hz == 0 { 0.0 } else { goertzel(frame, f32::from(hz)) / power };
        let pure = |hz: u16| share(hz) > PURE;
        if let Some(at) = [950, 1400, 1800].into_iter().position(pure) {
            return Kind::Sit(at);
        }
        if pure(1100) {
            return Kind::Cng;
        }
        if pure(2100) {
            return Kind::Ced;
        }
        // 20 ms cannot tell 425 from 450 Hz, and need not: the cadence does. Of several the strongest.
        let strength = |&pitch: &(u16, u16)| match beating(pitch) {
            // Its phase turns when it is quietest: by halves that matters less.
            Some(middle) => {
                let halves = frame.as_chunks::<HALF>().0;
                halves.iter().map(|half| goertzel(half, f32::from(middle)) / power / halves.len() as f32).sum()
            }
            None => share(pitch.0) + share(pitch.1),
        };
        let best = self.pitches.iter().enumerate().map(|(at, pitch)| (at, strength(pitch)));
        if let Some((at, strength)) = best.max_by(|a, b| a.1.total_cmp(&b.1))
            && strength > PURE
        {
            return Kind::Tone(at);
        }
        if is_single_tone(frame, power) { Kind::Beep } else { Kind::Voice }
    }

    /// Adds a frame; gives the run that it ended.
    fn extend(&mut self, kind: Kind) -> Option<Run> {
        if kind == Kind::Voice {
            self.speech += 1;
            self.spoken += 1;
        }
        match self.runs.last_mut() {
            Some(run) if run.kind == kind => {
                run.frames += 1;
                if self.doubtful.take().is_some() {
                    run.frames += 1;
                }
                None
            }
            Some(_) if self.doubtful != Some(kind) => {
                // It may be a click, or the edge of a tone.
                if self.doubtful.replace(kind).is_some()
                    && let Some(run) = self.runs.last_mut()
                {
                    run.frames += 1;
                }
                None
            }
            last => {
                let ended = last.copied();
                self.doubtful = None;
                if self.runs.len() == RUNS {
                    self.runs.remove(0);
                }
                let frames = if ended.is_some() { 2 } else { 1 };
                self.runs.push(Run { kind, frames });
                ended
            }
        }
    }

    fn judge(&mut self, ended: Option<Run>) -> Option<(Signal, f32)> {
        let run = *self.runs.last()?;
        // Long signals are told while they last.
        if run.kind == Kind::Ced && run.ms() >= 500 {
            return Some((Signal::FaxAnswering, 0.95));
        }
        if let Kind::Sit(2) = run.kind
            && run.ms() >= 160
            && self.sit_before()
        {
            return Some((Signal::Unobtainable, 0.98));
        }
        if let Some(ended) = ended {
            if ended.kind == Kind::Cng && (400..=600).contains(&ended.ms()) {
                return Some((Signal::FaxCalling, 0.9));
            }
            let beep = matches!(ended.kind, Kind::Beep | Kind::Sit(_) | Kind::Cng);
            if beep
                && self.answered
                && self.spoken >= WORD
                && (120..=2_000).contains(&ended.ms())
                && run.kind == Kind::Silence
            {
                return Some((Signal::Machine, 0.95));
            }
        }
        self.by_cadence().or_else(|| self.by_voice(run))
    }

    /// The first two of the special information tone were the runs before.
    fn sit_before(&self) -> bool {
        let mut before = self.runs.iter().rev().skip(1).filter(|run| run.kind != Kind::Silence || run.ms() > 60);
        let next = |kind, run: Option<&Run>| run.is_some_and(|r| r.kind == kind && (200..=460).contains(&r.ms()));
        next(Kind::Sit(1), before.next()) && next(Kind::Sit(0), before.next())
    }

    /// A tone whose cadence has been heard often enough.
    fn by_cadence(&self) -> Option<(Signal, f32)> {
        for (signal, cadence) in self.cadences {
            if cadence.len() < 2 || cadence.iter().any(|s| s.0 == 950) {
                continue;
            }
            // Of a long period one is enough; a short one could be an accident.
            let period: u32 = cadence.iter().map(|s| u32::from(s.2)).sum();
            let wanted = match cadence.len() {
                len if period >= 3_000 => len,
                // For so long others begin alike.
                2 => 2 * 1_600u32.div_ceil(period).max(2) as usize,
                len => len + 2,
            };
            if let Some(exact) = self.matches(cadence, wanted) {
                return Some((signal, exact));
            }
        }
        None
    }

    /// How well the last runs follow a cadence, if they do.
    fn matches(&self, cadence: &[Stretch], wanted: usize) -> Option<f32> {
        if self.runs.len() < wanted {
            return None;
        }
        let runs = &self.runs[self.runs.len() - wanted..];
        // How long a tone is, is known only once it has ended.
        if runs.last().is_none_or(|run| run.kind != Kind::Silence) {
            return None;
        }
        (0..cadence.len()).find_map(|shift| {
            let mut worst: f32 = 0.0;
            for (n, run) in runs.iter().enumerate() {
                let (low, high, ms) = cadence[(n + shift) % cadence.len()];
                let fits = match run.kind {
                    Kind::Silence => low == 0,
                    Kind::Tone(at) => self.pitches.get(at).is_some_and(|p| sounds_like(*p, (low, high))),
                    Kind::Sit(_) | Kind::Cng | Kind::Ced | Kind::Beep | Kind::Voice => false,
                };
                let (is, want) = (run.ms() as f32, f32::from(ms));
                let last = n + 1 == wanted;
                let first = n == 0;
                // Of the first the beginning may have been missed, and a pause needs not be heard to its end.
                let off = (is - want).abs();
                let enough = last && low == 0 && is >= (want * 0.7).min(1_500.0) && is <= want * 1.15;
                let close =
                    off <= (want * 0.12).max(45.0) || enough || (first && wanted > 2 && is < want && n < wanted - 2);
                if !fits || !close {
                    return None;
                }
                if !last && !first {
                    worst = worst.max(off / want);
                }
            }
            Some((0.97 - worst).max(0.6))
        })
    }

    /// Who speaks: before the answer the network; after it a person says a word and waits, a machine goes on.
    fn by_voice(&mut self, run: Run) -> Option<(Signal, f32)> {
        let spoken_ms = self.speech * FRAME_MS;
        if !self.answered {
            return (spoken_ms >= 2_500).then_some((Signal::Announcement, 0.8));
        }
        if run.kind == Kind::Silence && run.ms() >= 1_000 {
            let greeting = std::mem::take(&mut self.speech) * FRAME_MS;
            return match greeting {
                0..160 => None,
                160..1_000 => Some((Signal::Human, 0.9)),
                1_000..1_900 => Some((Signal::Human, 0.75)),
                _ => None,
            };
        }
        if spoken_ms >= 2_600 && !self.has_told(Signal::Human) && !self.has_told(Signal::Machine) {
            return Some((Signal::Machine, 0.8));
        }
        None
    }
}

/// Two tones within 50 Hz are one that beats: its pitch.
fn beating((low, high): (u16, u16)) -> Option<u16> {
    (high > 0 && high - low <= 50).then(|| low.midpoint(high))
}

/// So near that 20 ms cannot tell them apart.
fn sounds_like(a: (u16, u16), b: (u16, u16)) -> bool {
    let single = |pitch: (u16, u16)| beating(pitch).map_or(pitch, |middle| (middle, 0));
    let ((a, a2), (b, b2)) = (single(a), single(b));
    a > 0 && b > 0 && a.abs_diff(b) <= 30 && a2.abs_diff(b2) <= 30
}

/// Power of one pitch in a frame, in the unit of the frame's own mean power.
fn goertzel(frame: &[i16], hz: f32) -> f32 {
    let coefficient = 2.0 * (std::f32::consts::TAU * hz / 8_000.0).cos();
    let (mut s1, mut s2) = (0.0f32, 0.0f32);
    for sample in frame {
        let s0 = f32::from(*sample) + coefficient * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    2.0 * (s1 * s1 + s2 * s2 - coefficient * s1 * s2) / (frame.len() * frame.len()) as f32
}

/// Whether a frame is one steady tone of some pitch from 600 to 2200 Hz: its neighbours in time foretell it.
fn is_single_tone(frame: &[i16; FRAME], power: f32) -> bool {
    // A sine obeys x[n+1] + x[n-1] = c·x[n].
    let (mut num, mut den) = (0.0f32, 0.0f32);
    for w in frame.windows(3) {
        let [a, b, c] = [f32::from(w[0]), f32::from(w[1]), f32::from(w[2])];
        num += (a + c) * b;
        den += b * b;
    }
    let c = num / den.max(1.0);
    let hz = (c / 2.0).clamp(-1.0, 1.0).acos() * 8_000.0 / std::f32::consts::TAU;
    let error: f32 = frame
        .windows(3)
        .map(|w| {
            let foretold = c * f32::from(w[1]) - f32::from(w[0]);
            (f32::from(w[2]) - foretold).powi(2)
        })
        .sum::<f32>()
        / FRAME as f32;
    (600.0..2_200.0).contains(&hz) && error < 0.02 * power
}

#[cfg(test)]
mod tests;
