//! A call with everything the cell holds for it: sessions, ports, contacts, recording, ladder.

use crate::addressee::Phone;
use crate::attest::Check;
use crate::calling_back::CallingBack;
use crate::far_end::Promise;
use crate::forwarding::Detour;
use crate::handing::Handing;
use crate::identity::Caller;
use crate::io::Contact;
use crate::mailboxes::AtMailbox;
use crate::originate::Originated;
use crate::outward::{OutLeg, Terms, Waiting};
use crate::playback::Clips;
use crate::program::Program;
use crate::queueing::Queuing;
use crate::serving::Service;
use crate::supervising::Supervisor;
use crate::trace::Ladder;
use crate::trunks::TrunkLeg;
use crate::watch::legs::Views;
use call::Call;
use media::engine::{PortId, RecordingId};
use model::{
    CallId, CallRecord, Charge, ForwardedFrom, LegId, LegNo, Outcome, Overflow, Quality, RecordingFile, SoundAlarm,
    Verification,
};
use serde::{Deserialize, Serialize};
use sip_stack::endpoint::{Flow, Headers, SessionId, SubscriptionId};
use sip_stack::message::{Message, Name, Status};
use sip_stack::seal::Seal;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use stdx::UnixMillis;

#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) call: Call,
    pub(crate) legs: BTreeMap<LegNo, LegEnd>,
    /// Whom `Effect::Dial` means by its index.
    pub(crate) contacts: Vec<Way>,
    /// It is meant for this phone of the extension alone: the `gr` of its address (RFC 5627 §3.2).
    pub(crate) phone: Option<Phone>,
    /// Legs whose phones refused a short list of codecs and get a longer one.
    pub(crate) offered_more: BTreeSet<LegNo>,
    /// Legs that wait for a way out by a trunk, with their targets.
    pub(crate) reserving: BTreeMap<LegNo, usize>,
    /// Legs that go over a trunk.
    pub(crate) trunks: BTreeMap<LegNo, TrunkLeg>,
    /// The trunk that it came in by, while that counts it.
    pub(crate) came_by: Option<String>,
    /// Extensions that count this call against their limit.
    pub(crate) occupied: Vec<String>,
    pub(crate) recording: Option<Recording>,
    /// Files that are complete: of earlier recordings, and of this one.
    pub(crate) recorded: Vec<RecordingFile>,
    pub(crate) ladder: Ladder,
    /// Every session the call ever had, for its ladder.
    pub(crate) sessions: Vec<SessionId>,
    /// Why the caller's offer cannot be used, for the Warning header.
    pub(crate) warning: Option<String>,
    /// What exactly went wrong, for the record only.
    pub(crate) note: Option<String>,
    /// Legs to trunks, and what they cost.
    pub(crate) out: BTreeMap<LegNo, OutLeg>,
    /// Stages that wait for money.
    pub(crate) waiting: Option<Waiting>,
    /// It is refused for this before anybody is looked for.
    pub(crate) refuse: Option<Outcome>,
    /// With this status, where it says more than what came of the call.
    pub(crate) refuse_with: Option<Status>,
    /// How many answers it waits for before anybody is looked for.
    pub(crate) awaited: u8,
    /// The check of the caller's number, while it waits for something.
    pub(crate) check: Option<Box<Check>>,
    /// What that check came to.
    pub(crate) verification: Option<Verification>,
    /// What the caller's INVITE says of it beyond its number.
    pub(crate) caller: Caller,
    /// How far the call may still travel (RFC 3261 §16.6 step 3): what the caller allowed, less this hop.
    pub(crate) max_forwards: u8,
    /// Who keeps failing to prove itself waits longer for each refusal.
    pub(crate) reject_after: Duration,
    /// A trunk is asked to transfer its party.
    pub(crate) handing: Option<Handing>,
    /// A trunk is asked to put its party of this call together with one of another call.
    pub(crate) promised: Option<Promise>,
    /// How it was wished, if an API placed it.
    pub(crate) originated: Option<Originated>,
    /// With what the switch itself serves it.
    pub(crate) service: Option<Service>,
    /// Its way through a queue, the last one.
    pub(crate) queue: Option<Box<Queuing>>,
    /// It calls one back who kept its place in a queue.
    pub(crate) calling_back: Option<CallingBack>,
    /// Where it goes next, for it left a queue.
    pub(crate) sent_to: Option<Overflow>,
    /// It is at a mailbox.
    pub(crate) mailbox: Option<Box<AtMailbox>>,
    /// Its caller is, or will be, asked how it was served.
    pub(crate) asking: Option<Box<crate::survey::Asking>>,
    /// How many messages it has left, or begun.
    pub(crate) messages_left: u32,
    /// The ways of the searches under way, by the leg on whose behalf.
    pub(crate) detours: BTreeMap<LegNo, Detour>,
    /// On whose behalf the home of an extension was asked last.
    pub(crate) located_by: LegNo,
    /// Who forwarded it, for its record.
    pub(crate) forwarded: Vec<ForwardedFrom>,
    /// Programs that hear a leg of it; and the id of the latest.
    pub(crate) programs: Vec<Program>,
    pub(crate) last_program: u64,
    /// Who takes part in it from a call of its own.
    pub(crate) supervisors: Vec<Supervisor>,
    /// What the dialled number led to.
    pub(crate) ring: Duration,
    pub(crate) record: bool,
    pub(crate) destination: Option<String>,
    /// What those know who watch its extensions.
    pub(crate) views: Views,
    /// What passes to who waits, of the last called phone that said something.
    pub(crate) passed_back: Headers,
    /// The parties were joined at this moment.
    pub(crate) joined_at: Option<Instant>,
    /// How long it was dead with the processes that had it before.
    pub(crate) outage_ms: Option<u64>,
    /// How often programs were asked where it leads.
    pub(crate) programs_asked: u8,
}

/// How a target is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A phone of ours, where it registered.
    Contact(Contact),
    /// Out by a trunk.
    Trunk {
        /// Its name.
        trunk: String,
        /// The number as the trunk wants it.
        number: String,
        /// Who calls, as the trunk wants it.
        caller: CallerId,
        /// Headers, codecs, price.
        terms: Terms,
    },
}

/// Who calls, as the other side is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallerId {
    /// The number; empty: anonymous.
    pub(crate) number: String,
    /// The display name; empty: none.
    pub(crate) name: String,
}

/// One leg as signalling and sound know it.
#[derive(Debug)]
pub(crate) struct LegEnd {
    pub(crate) session: Option<SessionId>,
    pub(crate) port: Option<PortId>,
    pub(crate) flow: Flow,
    pub(crate) user_agent: String,
    pub(crate) sip_call_id: String,
    pub(crate) codec: String,
    pub(crate) quality: Option<Quality>,
    /// What was heard of how the call to it proceeded, and whether it answered.
    pub(crate) heard: Vec<model::ProgressHeard>,
    pub(crate) answered: bool,
    /// Which target it is, if it was called.
    pub(crate) target: Option<usize>,
    /// The opinion scores that were told last: of its sound here, and of ours there.
    pub(crate) scores: Option<(f32, Option<f32>)>,
    /// Nothing comes from it; and what was told of that.
    pub(crate) missing: bool,
    pub(crate) alarm: Option<SoundAlarm>,
    /// The callee already agreed on sound before its answer (early media); the answer repeats it (RFC 3261 §13.2.1).
    pub(crate) agreed: bool,
    /// How it was called, if it called us and was not answered yet.
    pub(crate) asking: Option<Asking>,
    /// It goes on in another call, by this leg's port.
    pub(crate) link: Option<Link>,
    /// It asked for a transfer and is told how that goes.
    pub(crate) refer: Option<SubscriptionId>,
    /// What it said it can do.
    pub(crate) talents: Talents,
    /// It is held, or waits in a queue: it hears music unless something else is played to it.
    pub(crate) music: bool,
    /// Which, if not the usual.
    pub(crate) tune: Option<Clips>,
    /// What is played to it by command.
    pub(crate) playing: Option<u32>,
    /// Which phone it is (RFC 5626 §4.1), if it told.
    pub(crate) instance: Option<String>,
    /// It rang at a page that lost its stream, which may come back.
    pub(crate) missed: bool,
    /// It is of a former process, and its phone has not been asked whether it is still there.
    pub(crate) unasked: bool,
    /// Its port has another number than its phone knows.
    pub(crate) moved: bool,
}

/// A party that called us and waits for its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asking {
    /// It was given a session description before the answer.
    pub(crate) early_answer: bool,
    /// It called without a session description, so the first offer is ours.
    pub(crate) late: bool,
}

/// The other end of a leg that joins two calls of different cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// The call there, which names its cell.
    pub(crate) call: CallId,
}

/// What a phone said it can do.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Talents {
    /// INFO.
    pub(crate) info: bool,
    /// NOTIFY with `Event: talk`.
    pub(crate) talk: bool,
    /// NOTIFY with `Event: hold`.
    pub(crate) hold: bool,
}

impl Talents {
    /// Notes what a message of the phone says of them; a message without such headers says nothing.
    pub(crate) fn note(&mut self, message: &Message) {
        if message.header(Name::Allow).is_some() {
            self.info = message.lists(Name::Allow, "INFO");
        }
        if let Some(events) = message.header_named("Allow-Events") {
            let has =
                |name: &str| events.split(|b| *b == b',').any(|e| e.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
            self.talk = has("talk");
            self.hold = has("hold");
        }
    }
}

impl LegEnd {
    pub(crate) fn new(flow: Flow) -> Self {
        Self {
            session: None,
            port: None,
            flow,
            user_agent: String::new(),
            sip_call_id: String::new(),
            codec: String::new(),
            quality: None,
            heard: Vec::new(),
            answered: false,
            target: None,
            scores: None,
            missing: false,
            alarm: None,
            agreed: false,
            asking: None,
            link: None,
            refer: None,
            talents: Talents::default(),
            music: false,
            tune: None,
            playing: None,
            instance: None,
            missed: false,
            unasked: false,
            moved: false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Recording {
    /// Who is on the left channel, and who on the right.
    pub(crate) of: [LegNo; 2],
    pub(crate) id: RecordingId,
    pub(crate) path: String,
    pub(crate) note: String,
    pub(crate) running: bool,
    pub(crate) paused: bool,
    pub(crate) mixed: bool,
    /// Only as long as this party speaks.
    pub(crate) only: Option<LegNo>,
    /// The frame with which its last file begins, and how many there are.
    pub(crate) from: u64,
    pub(crate) frames: u64,
}

impl Recording {
    /// Its last file. While it runs this is what is true if the switch dies now.
    pub(crate) fn file(&self) -> RecordingFile {
        let note = match self.running && self.note.is_empty() {
            true => "the switch stopped while recording",
            false => &self.note,
        };
        let length_ms = self.frames.saturating_sub(self.from) / 8;
        RecordingFile { path: self.path.clone(), length_ms, complete: note.is_empty(), note: note.to_owned() }
    }
}

impl Conversation {
    pub(crate) fn new(call: Call) -> Self {
        Self {
            call,
            legs: BTreeMap::new(),
            contacts: Vec::new(),
            phone: None,
            offered_more: BTreeSet::new(),
            reserving: BTreeMap::new(),
            trunks: BTreeMap::new(),
            came_by: None,
            occupied: Vec::new(),
            recording: None,
            recorded: Vec::new(),
            ladder: Ladder::default(),
            sessions: Vec::new(),
            warning: None,
            note: None,
            out: BTreeMap::new(),
            waiting: None,
            caller: Caller::default(),
            max_forwards: 70,
            refuse: None,
            refuse_with: None,
            awaited: 0,
            check: None,
            verification: None,
            reject_after: Duration::ZERO,
            handing: None,
            promised: None,
            originated: None,
            service: None,
            mailbox: None,
            asking: None,
            messages_left: 0,
            detours: BTreeMap::new(),
            located_by: LegId::CALLER,
            forwarded: Vec::new(),
            queue: None,
            calling_back: None,
            sent_to: None,
            programs: Vec::new(),
            last_program: 0,
            supervisors: Vec::new(),
            ring: Duration::ZERO,
            record: false,
            destination: None,
            views: Views::default(),
            passed_back: Headers::new(),
            joined_at: None,
            outage_ms: None,
            programs_asked: 0,
        }
    }

    /// All contacts of an extension, or those of the one phone that the caller named.
    pub(crate) fn only_the_phone_meant(&self, number: &str, contacts: Vec<Contact>, seal: &Seal) -> Vec<Contact> {
        match &self.phone {
            Some(phone) if number == self.call.dialled() => {
                contacts.into_iter().filter(|contact| phone.is(contact, seal)).collect()
            }
            Some(_) | None => contacts,
        }
    }

    /// Whether a target is a phone that can be reached by another flow too.
    pub(crate) fn has_spare(&self, target: usize) -> bool {
        let Some(Way::Contact(contact)) = self.contacts.get(target) else { return false };
        let same = |way: &Way| matches!(way, Way::Contact(other) if other.spare && other.instance == contact.instance);
        !contact.spare && self.contacts.iter().any(same)
    }

    pub(crate) fn port(&self, leg: LegNo) -> Option<PortId> {
        self.legs.get(&leg)?.port
    }

    pub(crate) fn session(&self, leg: LegNo) -> Option<SessionId> {
        self.legs.get(&leg)?.session
    }

    /// Adds to a record what only signalling and sound know.
    pub(crate) fn complete(&self, record: &mut CallRecord) {
        for leg in &mut record.legs {
            let Some(end) = self.legs.get(&leg.no) else { continue };
            leg.remote = end.flow.remote.to_string();
            leg.user_agent.clone_from(&end.user_agent);
            leg.sip_call_id.clone_from(&end.sip_call_id);
            leg.codec.clone_from(&end.codec);
            leg.quality.clone_from(&end.quality);
            leg.heard.clone_from(&end.heard);
        }
        let mut files = self.recorded.iter().cloned().chain(self.recording.as_ref().map(Recording::file));
        record.recording = files.next();
        record.more_recordings = files.collect();
        record.charge = self.charge(record.ended_at);
        record.outage_ms = self.outage_ms;
        record.verification.clone_from(&self.verification);
        record.queue = self.queue.as_ref().map(|queuing| queuing.visit.clone());
        record.forwarded_from.clone_from(&self.forwarded);
        record.satisfaction = self.asking.as_ref().and_then(|asking| asking.score);
        if let (Some(_), Some(Status(sip)), Outcome::Forbidden) = (&self.verification, self.refuse_with, record.outcome)
        {
            record.cause.sip = sip;
        }
        if let Some(note) = self.note.as_ref().filter(|_| record.note.is_empty()) {
            record.note.clone_from(note);
        }
        if let Some(warning) = self.warning.as_ref().filter(|_| record.note.is_empty()) {
            record.note.clone_from(warning);
        }
    }

    /// What its legs to trunks cost up to this moment, by the price of the first that was answered.
    fn charge(&self, now: UnixMillis) -> Option<Charge> {
        let talked = |out: &OutLeg| Some(out.ended_at.unwrap_or(now).saturating_sub(out.answered_at?));
        let answered = || self.out.values().filter_map(|out| Some((out.terms.price, talked(out)?)));
        let (price, _) = answered().next()?;
        Some(Charge { price, cost: answered().map(|(price, talked)| price.of(talked)).fold(0, u64::saturating_add) })
    }
}
