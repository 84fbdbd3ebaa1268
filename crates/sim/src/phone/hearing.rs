//! What a phone hears.

use super::Phone;
use crate::sound::{Hearing, Sound};
use std::time::Duration;

impl Phone {
    /// Does it hear the sound now, that is: in the last second for a voice, in the last period for a tone?
    pub fn hears(&self, sound: Sound) -> bool {
        self.of_line(|line, now| line.ear.hears(sound, now)).unwrap_or(false)
    }

    /// Does it hear this voice now, perhaps among others that speak at the same time?
    pub fn hears_among_others(&self, voice: Sound) -> bool {
        let Sound::Voice(hertz) = voice else { panic!("{voice:?} is no voice") };
        self.of_line(|line, now| line.ear.hears_among(hertz, now)).unwrap_or(false)
    }

    /// Everything its latest call brought of a sound so far.
    pub fn heard(&self, sound: Sound) -> Hearing {
        self.of_line(|line, now| line.ear.find(sound, now)).unwrap_or_default()
    }

    /// Everything its latest call brought so far of a voice, perhaps among others that spoke at the same time.
    pub fn heard_among_others(&self, voice: Sound) -> Hearing {
        let Sound::Voice(hertz) = voice else { panic!("{voice:?} is no voice") };
        self.of_line(|line, now| line.ear.find_among(hertz, now)).unwrap_or_default()
    }

    /// Did its latest call bring this sound at all?
    pub fn has_heard(&self, sound: Sound) -> bool {
        !self.heard(sound).spells.is_empty()
    }

    /// The longest hole in what came, between the first and the last packet of the latest call, to 10 ms.
    pub fn longest_gap(&self) -> Duration {
        self.of_line(|line, _| line.ear.longest_gap()).unwrap_or_default()
    }

    /// How many RTP streams (SSRCs, one after the other) its latest call brought.
    pub fn streams_heard(&self) -> u64 {
        self.of_line(|line, _| line.ear.streams).unwrap_or(0)
    }

    /// How many voice packets its latest call brought.
    pub fn packets_heard(&self) -> u64 {
        self.of_line(|line, _| line.ear.packets).unwrap_or(0)
    }
}
