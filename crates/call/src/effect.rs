//! What a call is told and what it wishes.

use model::{CallRecord, Cause, EventBody, LegNo, Outcome};
use std::time::Duration;

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// The number.
    pub number: String,
    /// Display name; empty if none.
    pub name: String,
    /// What kind of party.
    pub kind: PartyKind,
}

/// What kind of party somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartyKind {
    /// One of our extensions.
    Extension,
    /// Somebody beyond the trunk of this name.
    Trunk(String),
}

/// Somebody who can be called: one contact of an extension, or a number beyond a trunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who.
    pub party: Party,
    /// How long it may ring.
    pub ring: Duration,
    /// Record the call once it answers.
    pub record: bool,
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// These can be called for the dialled number; the first has index 0. All ring at once.
    Located(Vec<Target>),
    /// Nobody can be called, and why.
    Nowhere(Outcome),
    /// A called phone rings, perhaps with sound of its own.
    Ringing {
        /// Which leg.
        leg: LegNo,
        /// It sends sound before the answer.
        early_media: bool,
    },
    /// A called phone answered.
    Answered {
        /// Which leg.
        leg: LegNo,
    },
    /// A called phone will not answer.
    Failed {
        /// Which leg.
        leg: LegNo,
        /// What came of it.
        outcome: Outcome,
        /// As the far end said it.
        cause: Cause,
    },
    /// A party hung up; the caller before an answer too (it cancelled).
    HungUp {
        /// Which leg.
        leg: LegNo,
        /// The cause it gave, if it gave one.
        cause: Option<Cause>,
    },
    /// An answer could not be completed: the phone never confirmed it.
    Unconfirmed {
        /// Which leg.
        leg: LegNo,
    },
    /// No sound and no sign of life came from a party for too long.
    Silent {
        /// Which leg.
        leg: LegNo,
    },
    /// The announcement to the caller came to its end, or could not be given.
    Announced,
    /// The caller and the one who answered cannot understand each other's sound.
    Incompatible,
    /// Somebody with the right to do so wants the call to end.
    HangUp,
}

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Find out who can be called for this number; the answer is `Located` or `Nowhere`.
    Locate(String),
    /// Call a target.
    Dial {
        /// The new leg.
        leg: LegNo,
        /// Index into what `Located` gave.
        target: usize,
    },
    /// Let the caller hear that it rings: the far end's own sound if it has some, else a ringback tone.
    Ring {
        /// The leg whose early sound the caller hears.
        early_media: Option<LegNo>,
    },
    /// Let the caller hear why nobody will answer; `Announced` follows.
    Announce(Outcome),
    /// Answer the caller, who from now on speaks with this leg.
    Answer {
        /// The called leg.
        with: LegNo,
    },
    /// Record the caller (left) and this leg (right).
    Record {
        /// The called leg.
        with: LegNo,
    },
    /// Refuse the caller, who was not answered yet.
    Reject(Cause),
    /// End a leg: cancel it, refuse it or hang it up, as its state demands.
    HangUp {
        /// Which leg.
        leg: LegNo,
        /// Why.
        cause: Cause,
    },
    /// Tell the world.
    Tell(EventBody),
    /// The call changed in a way that must survive a crash.
    Keep,
    /// It is over. The record lacks only what signalling and sound know.
    Finished(Box<CallRecord>),
}
