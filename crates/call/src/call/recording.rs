//! What becomes of a call's recording: begun by rule or on demand, interrupted, ended, begun again.

use super::{Call, State};
use crate::effect::Effect;
use model::{EventBody, LegNo, RecordingChoice, RecordingWish, Refusal};
use serde::{Deserialize, Serialize};

/// How far the recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Taping {
    Never,
    Running,
    Paused,
    Over,
}

impl Call {
    /// Somebody with the right to do so wants something of the recording.
    ///
    /// # Errors
    ///
    /// [`Refusal::WrongState`] if nobody speaks, or it is not what the recording can do now: there is one at a time.
    /// [`Refusal::NoSuchLeg`] if the party that is to be recorded does not speak.
    pub fn record_by_command(&mut self, wish: RecordingWish, choice: RecordingChoice) -> Result<(), Refusal> {
        let State::Talking { a, b } = self.state else { return Err(Refusal::WrongState) };
        let next = match (wish, self.recording) {
            (RecordingWish::Start, Taping::Never | Taping::Over) | (RecordingWish::Resume, Taping::Paused) => {
                Taping::Running
            }
            (RecordingWish::Pause, Taping::Running) => Taping::Paused,
            (RecordingWish::Stop, Taping::Running | Taping::Paused) => Taping::Over,
            (_, Taping::Never | Taping::Running | Taping::Paused | Taping::Over) => return Err(Refusal::WrongState),
        };
        if choice.leg.is_some_and(|leg| leg != a && leg != b) {
            return Err(Refusal::NoSuchLeg);
        }
        if wish == RecordingWish::Start {
            self.begin_recording([a, b], choice);
        } else {
            self.recording = next;
            self.out.push_back(Effect::Recording(wish));
            // Nothing is recorded after a crash that was not to be.
            self.out.push_back(Effect::Keep);
            self.tell(EventBody::RecordingChanged { call: self.setup.id, wish });
        }
        Ok(())
    }

    pub(super) fn begin_recording(&mut self, [left, right]: [LegNo; 2], choice: RecordingChoice) {
        self.recording = Taping::Running;
        self.out.push_back(Effect::Record { left, right, choice });
        self.tell(EventBody::RecordingChanged { call: self.setup.id, wish: RecordingWish::Start });
    }

    /// Its recording came to an end by itself: it could not be written, or whom it was about has left.
    pub fn recording_ended(&mut self) {
        self.recording = Taping::Over;
    }
}
