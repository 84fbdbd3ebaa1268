//! What a call is told and what it wishes.

use model::{CallRecord, Cause, EventBody, LegNo, Outcome, RecordingChoice, RecordingWish};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Who takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// The number.
    pub number: String,
    /// Display name; empty if none.
    pub name: String,
    /// What kind of party.
    pub kind: PartyKind,
}

/// What kind of party somebody is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Record the call once it answers.
    pub record: bool,
}

/// Those who are called at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// They ring in parallel; the first to answer wins.
    pub targets: Vec<Target>,
    /// How long they may ring.
    pub ring: Duration,
    /// Whether the next stage is tried when nobody of this one will answer.
    pub go_on: GoOn,
}

/// When a call goes on to its next stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GoOn {
    /// What this stage says is what the caller is told.
    Never,
    /// Whatever the best reason of this stage is, unless somebody refused for all (6xx, RFC 3261 §16.7 step 5).
    Always,
    /// If the best reason of this stage is one of these.
    On(BTreeSet<Outcome>),
}

impl GoOn {
    pub(crate) fn after(&self, outcome: Outcome, everywhere: bool) -> bool {
        match self {
            Self::Never => false,
            Self::Always => !everywhere,
            Self::On(outcomes) => outcomes.contains(&outcome),
        }
    }
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// These can be called for the number that was to be located, stage after stage.
    Located(Vec<Stage>),
    /// If nobody of those who are located next will answer, for one of these reasons, the owner knows somewhere else.
    Elsewhere(BTreeSet<Outcome>),
    /// Nobody can be called, and why.
    Nowhere(Outcome),
    /// The switch itself is what was to be located: it serves who waits.
    Served,
    /// What was to be located is a queue: who waits is answered, and waits on until somebody takes it.
    Queued,
    /// Who waits in a queue is offered to somebody: these are called, all at once.
    Offered {
        /// Under this number.
        offer: u64,
        /// Whom to call.
        targets: Vec<Target>,
    },
    /// An offer is off: whoever is called for it is called no longer, and who just answered it goes.
    Withdrawn {
        /// Which.
        offer: u64,
        /// Why, as the phones are told.
        cause: Cause,
    },
    /// Who waits in a queue goes on to a number.
    SentOn {
        /// Where to.
        number: String,
    },
    /// A party that is served shall go.
    Dismissed {
        /// Which leg.
        leg: LegNo,
    },
    /// A trunk is asked to take the party that waits to the number; what becomes of it comes later.
    HandingOver,
    /// The trunk has done so: nobody has to stay here.
    HandedOver,
    /// The trunk of a party that speaks has put it together with another of its parties: nobody has to stay here.
    PutTogether {
        /// The leg whose party went.
        leg: LegNo,
        /// The number it speaks with now.
        with: String,
    },
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
    /// A called phone says that it is to be called elsewhere (3xx), and the operator lets that happen.
    Redirected {
        /// Which leg.
        leg: LegNo,
        /// The number to call instead.
        number: String,
        /// As the far end said it.
        cause: Cause,
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
    /// A party put the call on hold, or took it back.
    Held {
        /// Which leg.
        leg: LegNo,
        /// On hold.
        held: bool,
    },
    /// No sound and no sign of life came from a party for too long.
    Silent {
        /// Which leg.
        leg: LegNo,
    },
    /// The announcement came to its end, or could not be given; or what the switch served with is over.
    Announced,
    /// The caller and the one who answered cannot understand each other's sound.
    Incompatible,
    /// Somebody with the right to do so wants the call to end.
    HangUp,
    /// There is no money left for this call today.
    CapReached,
}

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Find out who can be called for this number; the answer is `Located` or `Nowhere`.
    Locate {
        /// The number.
        number: String,
        /// The leg on whose behalf it is called, so whose rights count.
        by: LegNo,
    },
    /// Who spoke with this leg has hung up, and it stays: the owner has something for it, which is `Served`.
    Alone {
        /// Who stays.
        leg: LegNo,
    },
    /// Nobody of those who were located will answer: find out who else can be called, as [`Input::Elsewhere`] promised; the answer is
    /// `Located` or `Nowhere`.
    Elsewhere {
        /// The leg on whose behalf.
        by: LegNo,
        /// What came of those.
        outcome: Outcome,
    },
    /// Find out where the caller's own phones are, which are called first; the answer is `Located` or `Nowhere`.
    Summon {
        /// The caller's number.
        number: String,
    },
    /// Call a target.
    Dial {
        /// The new leg.
        leg: LegNo,
        /// Its place among all targets that `Located` gave to this call, through all stages; the first is 0.
        target: usize,
    },
    /// Let the party who waits hear that it rings: the far end's own sound if it has some, else a ringback tone. Said
    /// again when that changes.
    Ring {
        /// Who waits; the caller, unless somebody was transferred.
        to: LegNo,
        /// The leg whose early sound it hears.
        early_media: Option<LegNo>,
    },
    /// Let the party who waits hear why nobody will answer; `Announced` follows.
    Announce {
        /// Who waits.
        to: LegNo,
        /// Why.
        outcome: Outcome,
    },
    /// These two hear each other from now on; whoever of them was not answered yet, is answered.
    Join {
        /// On the caller's side.
        a: LegNo,
        /// On the called side.
        b: LegNo,
    },
    /// The switch itself serves this party from now on; if it was not answered yet, it is answered.
    Serve {
        /// Who.
        leg: LegNo,
    },
    /// Who waits in a queue is there; if it was not answered yet, it is answered.
    Wait {
        /// Who.
        leg: LegNo,
    },
    /// Nobody of an offer will answer.
    OfferFailed {
        /// Which.
        offer: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// An offer was answered: the two are joined next.
    OfferTaken {
        /// Which.
        offer: u64,
        /// Who answered.
        leg: LegNo,
    },
    /// These two no longer hear each other; neither has left.
    Part {
        /// One.
        a: LegNo,
        /// The other.
        b: LegNo,
    },
    /// Let a party that was put on hold hear music, or no longer.
    Music {
        /// Who is held.
        to: LegNo,
        /// It is held.
        on: bool,
    },
    /// Tell a leg that asked for a transfer how it goes.
    Progress {
        /// Who asked.
        leg: LegNo,
        /// What became of it.
        how: Progress,
    },
    /// Record these two.
    Record {
        /// On the left channel: the caller's side.
        left: LegNo,
        /// On the right.
        right: LegNo,
        /// How.
        choice: RecordingChoice,
    },
    /// Interrupt the recording, let it go on, or end it.
    Recording(RecordingWish),
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

/// How a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The new party rings.
    Ringing,
    /// It is done; the leg that asked for it is hung up next.
    Done,
    /// It failed for this reason.
    Failed(Cause),
}
