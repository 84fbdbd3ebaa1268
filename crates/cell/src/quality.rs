//! How calls sound, told while they last.

use crate::cell::Cell;
use media::engine::{Alarm, Moment, PortId};
use model::{EventBody, QualityMoment, SoundAlarm};
use std::time::Instant;

/// A change of so much opinion score is worth telling.
const NOTABLE: f32 = 0.3;
/// What nobody complains about: from here on the first change is counted.
const GOOD: f32 = 4.3;

impl Cell {
    /// A port's report was due.
    pub(crate) fn on_quality(&mut self, port: PortId, now_is: &Moment, now: Instant) {
        let Some((call, leg)) = self.ports.get(port).copied() else { return };
        let Some(end) = self.conversations.get_mut(&call).and_then(|c| c.legs.get_mut(&leg)) else { return };
        let (here, there) = end.scores.unwrap_or((GOOD, None));
        let moved = |told: f32, is: f32| (told - is).abs() >= NOTABLE;
        let notable = moved(here, now_is.mos) || now_is.remote_mos.is_some_and(|is| moved(there.unwrap_or(GOOD), is));
        if notable {
            end.scores = Some((now_is.mos, now_is.remote_mos));
            self.tell(EventBody::QualityChanged { call, leg, quality: moment(now_is) }, now);
        }
    }

    /// Something is wrong with the sound that comes to a port, or no longer.
    pub(crate) fn on_sound_alarm(&mut self, port: PortId, alarm: Alarm, on: bool, now: Instant) {
        let Some((call, leg)) = self.ports.get(port).copied() else { return };
        let Some(conversation) = self.conversations.get_mut(&call) else { return };
        let partner = conversation.call.partner_of(leg).and_then(|other| conversation.legs.get(&other));
        let other_missing = partner.is_some_and(|other| other.missing);
        // While it rings, nobody need speak.
        let talking = partner.is_some() && conversation.joined_at.is_some();
        let Some(end) = conversation.legs.get_mut(&leg) else { return };
        let told = match (alarm, on) {
            (Alarm::Silent, _) if talking => Some(SoundAlarm::Silent),
            (Alarm::Silent, _) => None,
            (Alarm::Missing, true) => {
                end.missing = true;
                end.alarm = match (talking, other_missing) {
                    (false, _) => None,
                    (true, false) => Some(SoundAlarm::OneWay),
                    (true, true) => Some(SoundAlarm::NoSound),
                };
                end.alarm
            }
            (Alarm::Missing, false) => {
                end.missing = false;
                end.alarm.take()
            }
        };
        if let Some(alarm) = told {
            self.tell(EventBody::SoundAlarm { call, leg, alarm, on }, now);
        }
    }
}

/// In the record's form.
pub(crate) fn moment(moment: &Moment) -> QualityMoment {
    let Moment { at, loss_percent, jitter_ms, rtt_ms, mos, remote_mos } = *moment;
    QualityMoment { at_ms: at.as_millis() as u64, loss_percent, jitter_ms, rtt_ms, mos, remote_mos }
}
