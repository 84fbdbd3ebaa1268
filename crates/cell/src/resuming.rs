//! Calls that outlive their process: what of them is kept, and how another process goes on with them.
//!
//! Beside the record that stands if the switch dies stands the call's [`Life`]: the dialogs of its answered legs, and where two speak or one
//! waits in a queue all that is needed to go on. The next process reads it before it has a socket. With its first RTP ports it opens the
//! same numbers again, so that sound flows before anybody was asked; then every phone gets a re-INVITE with the session as it was
//! (RFC 3261 §14.1), which tells whether it is still there and brings new keys. A phone that spoke by a stream is asked once it has
//! registered by another. What cannot go on ends with a BYE to whoever is there and a CANCEL to whoever rings, and has its record.

use crate::cell::{Cell, Timer};
use crate::conversation::{Conversation, LegEnd, Talents};
use crate::hot;
use crate::identity::Caller;
use crate::io::{Body, ToDesk};
use crate::outward::OutLeg;
use crate::queueing::Queuing;
use crate::serving::Service;
use crate::trunks::TrunkLeg;
use acd::Standing;
use call::{Call, Input, Party};
use media::engine::PortId;
use model::{CallId, CallRecord, Cause, LegId, LegNo, Outcome, Queue, RecordingChoice};
use serde::{Deserialize, Serialize};
use sip_stack::auth::Credentials;
use sip_stack::endpoint::{Flow, SessionId};
use sip_stack::message::{Message, Status};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// So many phones are asked at a time, and the pause before the next: their answers have to be read, too.
const ASKED_AT_ONCE: usize = 32;
const PAUSE: Duration = Duration::from_millis(20);

/// Of more phones that ring for one call, those beyond ring on after a crash until their users do something.
const MAX_RINGING: usize = 8;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What another process needs of a call. Some 2 kB where two speak.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Life {
    /// Which version of the program wrote this: another one's form may be another.
    version: String,
    /// Ids of calls and tags of dialogs name their cell: with another number of cells they lead elsewhere.
    cells: u16,
    legs: Vec<LegLife>,
    /// [`sip_stack::endpoint::Endpoint::snapshot_calling`] of phones that ring.
    ringing: Vec<Vec<u8>>,
    /// None in states that end with their process.
    going: Option<Going>,
}

/// An answered leg.
#[derive(Debug, Serialize, Deserialize)]
struct LegLife {
    no: LegNo,
    /// [`sip_stack::endpoint::Endpoint::snapshot`].
    session: Vec<u8>,
    /// [`media::engine::Engine::snapshot`]; None for a browser's.
    port: Option<Vec<u8>>,
    instance: Option<String>,
    talents: Talents,
}

/// What goes on.
#[derive(Debug, Serialize, Deserialize)]
struct Going {
    call: call::Image,
    caller: Caller,
    came_by: Option<String>,
    occupied: Vec<String>,
    out: BTreeMap<LegNo, OutLeg>,
    max_forwards: u8,
    record: bool,
    destination: Option<String>,
    recording: RecordingChoice,
    /// The agent who took it out of a queue, and by which leg.
    served_by: Option<(LegNo, String)>,
}

/// Calls of the last process on their way back.
#[derive(Debug, Default)]
pub(crate) struct Returning {
    calls: Vec<(CallRecord, Life)>,
    /// Legs whose phones are to be asked.
    legs: VecDeque<(CallId, LegNo)>,
}

/// What a pair of the hot store says of a call that goes on; None if it is no such pair.
pub(crate) fn standing(key: &[u8], value: &[u8], cells: u16) -> Option<(CallId, Standing)> {
    let Some(hot::Key::Call(id)) = hot::Key::parse(key) else { return None };
    let (_, life) = hot::living_call(value)?;
    let going = life.going.filter(|_| life.version == VERSION && life.cells == cells)?;
    Some((id, if going.call.is_queued() { Standing::Waits } else { Standing::Talks }))
}

impl Cell {
    /// What has to be kept of a call to go on with it; None before somebody is answered.
    pub(crate) fn life_of(&self, conversation: &Conversation) -> Option<Life> {
        let kept = |(no, end): (&LegNo, &LegEnd)| {
            let session = self.sip.snapshot(end.session?)?;
            let port = end.port.and_then(|port| self.media.snapshot(port));
            Some(LegLife { no: *no, session, port, instance: end.instance.clone(), talents: end.talents })
        };
        let legs: Vec<LegLife> = conversation.legs.iter().filter_map(kept).collect();
        let cells = self.config.cells;
        let going = going(conversation, &legs);
        let sessions = conversation.legs.values().filter_map(|end| end.session);
        let ringing: Vec<_> = sessions.filter_map(|id| self.sip.snapshot_calling(id)).take(MAX_RINGING).collect();
        let version = VERSION.to_owned();
        (!legs.is_empty() || !ringing.is_empty()).then_some(Life { version, cells, legs, ringing, going })
    }

    /// A call of the last process: true if something may be done for it.
    pub(crate) fn expect_call(&mut self, value: &[u8]) -> bool {
        let Some((record, life)) = hot::living_call(value) else { return false };
        let known = life.version == VERSION && life.cells == self.config.cells;
        if known {
            self.returning.calls.push((record, life));
        }
        known
    }

    /// The numbers of ports that calls of the last process had.
    pub(crate) fn ports_before(&self) -> Vec<u16> {
        let legs =
            self.returning.calls.iter().filter(|(_, life)| life.going.is_some()).flat_map(|(_, life)| &life.legs);
        legs.filter_map(|leg| media::engine::number_of(leg.port.as_deref()?)).collect()
    }

    /// Everything that was kept is known, and there are ports: calls of the last process go on.
    pub(crate) fn resume_calls(&mut self, now: Instant) {
        let calls = std::mem::take(&mut self.returning.calls);
        if calls.is_empty() {
            return;
        }
        let (mut resumed, all) = (0, calls.len());
        for (record, life) in calls {
            resumed += usize::from(self.resume_call(record, life, now));
        }
        info!(resumed, ended = all - resumed, "calls of the last process");
        self.settle(now);
        self.ask_phones(now);
    }

    fn resume_call(&mut self, record: CallRecord, Life { legs, ringing, going, .. }: Life, now: Instant) -> bool {
        let failure = crate::signalling::reason_value(Outcome::SwitchFailure.cause());
        for invite in ringing {
            // Who is still wanted is asked anew.
            self.sip.cancel_former(&invite, Some(failure.clone()), now);
        }
        let sessions: Vec<(LegNo, SessionId)> =
            legs.iter().filter_map(|leg| Some((leg.no, self.sip.restore(&leg.session)?))).collect();
        let ports = going.as_ref().and_then(|going| self.resume_ports(going, &legs, &sessions, now));
        let Some(ports) = ports else {
            for (_, session) in sessions {
                self.sip.hangup(session, Some(failure.clone()), now);
            }
            self.bury(&hot::call(record.id), &hot::call_value(&record));
            self.forsake(record.id, going.as_ref());
            return false;
        };
        let Some(going) = going else { return false };
        for (_, session) in sessions.iter().filter(|(no, _)| !ports.contains_key(no)) {
            // Who listened, or was asked to take a caller at that moment.
            self.sip.hangup(*session, None, now);
        }
        let id = record.id;
        let choice = going.recording;
        let conversation = self.conversation_of(record, going, &legs, &sessions, &ports, now);
        self.conversations.insert(id, conversation);
        for (no, session) in sessions {
            let Some(port) = ports.get(&no) else { continue };
            self.sessions.insert(session, (id, no));
            self.traced.insert(session, id);
            self.ports.insert(*port, (id, no));
            self.prove_to_trunk(id, no, session);
            self.returning.legs.push_back((id, no));
        }
        self.live(now);
        self.count_again(id, now);
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.call.resume(choice);
        }
        self.carry_out(id, now);
        self.stay_in_queue(id);
        info!(call = %id, "a call goes on");
        true
    }

    /// The desk counts on a call that cannot go on.
    fn forsake(&mut self, id: CallId, going: Option<&Going>) {
        let Some(going) = going else { return };
        if going.call.is_queued() {
            self.write_desk(ToDesk::Gone { call: id, on_purpose: false });
        }
        if let Some((_, agent)) = &going.served_by {
            self.write_desk(ToDesk::Ended { agent: agent.clone() });
        }
    }

    /// Ports for all legs that go on; none if one of them cannot.
    fn resume_ports(
        &mut self,
        going: &Going,
        legs: &[LegLife],
        sessions: &[(LegNo, SessionId)],
        now: Instant,
    ) -> Option<BTreeMap<LegNo, PortId>> {
        let mut ports = BTreeMap::new();
        for no in going.call.there() {
            let Some(port) = self.resume_port(going, no, legs, sessions, now) else {
                for port in ports.into_values() {
                    self.media.close(port, now);
                }
                return None;
            };
            ports.insert(no, port);
        }
        Some(ports)
    }

    fn resume_port(
        &mut self,
        going: &Going,
        no: LegNo,
        legs: &[LegLife],
        sessions: &[(LegNo, SessionId)],
        now: Instant,
    ) -> Option<PortId> {
        let leg = legs.iter().find(|leg| leg.no == no)?;
        let flow = self.sip.flow(sessions.iter().find(|session| session.0 == no)?.1)?;
        let snapshot = leg.port.as_deref()?;
        let party: Party = going.call.party_of(no)?;
        let opened = self.media.open_at(media::engine::number_of(snapshot)?, flow.local.ip(), now);
        let Ok(port) = opened else {
            warn!("no media port is free for a call that was to go on");
            return None;
        };
        self.media.hint_source(port, flow.remote.ip());
        self.prepare_port(port, &party, now);
        if let Some(out) = going.out.get(&no) {
            self.media.allow(port, &out.terms.codecs);
        }
        self.media.takes_keys_by_signalling(port, leg.talents.info, now);
        if !self.media.resume(port, snapshot, now) {
            warn!("what was agreed of sound in a call cannot be read");
            self.media.close(port, now);
            return None;
        }
        Some(port)
    }

    fn conversation_of(
        &self,
        record: CallRecord,
        going: Going,
        legs: &[LegLife],
        sessions: &[(LegNo, SessionId)],
        ports: &BTreeMap<LegNo, PortId>,
        now: Instant,
    ) -> Conversation {
        let wall = self.config.wall;
        let dead = wall.at(now).saturating_sub(record.ended_at.max(self.died_at));
        let waits = going.call.is_queued().then(|| going.call.there().next()).flatten();
        let mut conversation = Conversation::new(Call::restore(going.call, wall, self.call_policy(), now));
        conversation.outage_ms = Some(record.outage_ms.unwrap_or_default() + dead);
        for known in &record.legs {
            let mut end = match ports.get(&known.no).zip(sessions.iter().find(|session| session.0 == known.no)) {
                Some((port, (_, session))) => self.living_leg(*port, *session, legs.iter().find(|l| l.no == known.no)),
                None => LegEnd { codec: known.codec.clone(), ..LegEnd::new(nowhere(&known.remote)) },
            };
            end.user_agent.clone_from(&known.user_agent);
            end.sip_call_id.clone_from(&known.sip_call_id);
            end.quality.clone_from(&known.quality);
            end.heard.clone_from(&known.heard);
            conversation.legs.insert(known.no, end);
        }
        let at = |no: &LegNo| conversation.legs.get(no).map(|end| end.flow);
        conversation.trunks = going
            .out
            .iter()
            .filter(|(_, out)| out.ended_at.is_none())
            .filter_map(|(no, out)| Some((*no, TrunkLeg::restored(&out.trunk, at(no)?))))
            .collect();
        conversation.sessions = sessions.iter().map(|(_, session)| *session).collect();
        (conversation.out, conversation.came_by, conversation.occupied) = (going.out, going.came_by, going.occupied);
        (conversation.caller, conversation.max_forwards) = (going.caller, going.max_forwards);
        (conversation.record, conversation.destination) = (going.record, going.destination);
        (conversation.verification, conversation.forwarded) = (record.verification, record.forwarded_from);
        conversation.recorded = record.recording.into_iter().chain(record.more_recordings).collect();
        conversation.queue = record.queue.map(|visit| {
            let queue = self.directory.queue(&visit.queue).unwrap_or_else(|| Arc::new(Queue::new(&visit.queue)));
            Box::new(Queuing::restored(queue, visit, waits, going.served_by))
        });
        conversation.service = waits.map(|_| Service::Queue);
        conversation
    }

    fn living_leg(&self, port: PortId, session: SessionId, leg: Option<&LegLife>) -> LegEnd {
        let flow = self.sip.flow(session).unwrap_or_else(|| nowhere(""));
        let before = leg.and_then(|leg| media::engine::number_of(leg.port.as_deref()?));
        LegEnd {
            session: Some(session),
            port: Some(port),
            answered: true,
            agreed: true,
            unasked: true,
            moved: before != Some(self.media.local_port(port)),
            instance: leg.and_then(|leg| leg.instance.clone()),
            talents: leg.map(|leg| leg.talents).unwrap_or_default(),
            ..LegEnd::new(flow)
        }
    }

    /// A trunk may ask who we are.
    fn prove_to_trunk(&mut self, id: CallId, leg: LegNo, session: SessionId) {
        let name = self.conversations.get(&id).and_then(|conversation| conversation.call.trunk_of(leg));
        let account = name.and_then(|name| self.directory.trunk(name)?.account.as_ref());
        if let Some(account) = account {
            let user = account.auth_username.as_ref().unwrap_or(&account.username);
            let credentials = Arc::new(Credentials::new(user, &account.password));
            self.sip.set_credentials(session, credentials);
        }
    }

    /// Whoever counts this call counts it again: extensions, trunks, and those who pay for it.
    fn count_again(&mut self, id: CallId, now: Instant) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let numbers = conversation.occupied.clone();
        let out = conversation.trunks.values().map(|leg| leg.trunk.clone());
        let trunks: Vec<String> = conversation.came_by.iter().cloned().chain(out).collect();
        let costs = conversation.out.iter().filter(|(_, out)| out.ended_at.is_none() && !out.terms.emergency);
        let costs: Vec<_> = costs
            .filter_map(|(no, out)| Some((*no, out.terms.price, out.terms.billed.clone(), out.answered_at?)))
            .collect();
        for number in numbers {
            self.send_home(&number.clone(), Body::Occupy { call: id, number }, now);
        }
        for trunk in trunks {
            // It has its place already, whatever the limit.
            self.send_home(&trunk.clone(), Body::OccupyTrunk { call: id, trunk, urgent: true }, now);
        }
        for (no, price, billed, at) in costs {
            for whose in self.payers(billed.as_deref()) {
                let leg = LegId { call: id, no };
                self.send_payer(&whose.clone(), Body::Spend { leg, whose, price, at }, now);
            }
        }
    }

    /// Asks the next phones whether they are still there.
    pub(crate) fn ask_phones(&mut self, now: Instant) {
        for _ in 0..ASKED_AT_ONCE {
            let Some((id, leg)) = self.returning.legs.pop_front() else { return };
            // A phone's stream is gone with the process; it comes back by another, which no address of ours leads to.
            let conversation = self.conversations.get(&id);
            let end = conversation.and_then(|conversation| conversation.legs.get(&leg));
            let is_phone = conversation.is_some_and(|conversation| conversation.call.trunk_of(leg).is_none());
            if end.is_some_and(|end| end.unasked && !(is_phone && end.flow.transport.is_reliable())) {
                self.ask_phone(id, leg, now);
            }
        }
        self.timers.set(Timer::Asking, now + PAUSE);
    }

    /// Asks a phone whether it is still there, by the session as it was.
    pub(crate) fn ask_phone(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(end) = self.conversations.get_mut(&id).and_then(|c| c.legs.get_mut(&leg)) else { return };
        let (Some(session), Some(port)) = (end.session, end.port) else { return };
        end.unasked = false;
        let offer = self.media.make_offer(port, None, now);
        if !self.sip.reinvite(session, offer, now) {
            // It has just said something itself, so it is there.
            self.media.withdraw_offer(port, now);
        }
    }

    /// A phone has said whether it is still there.
    pub(crate) fn on_reanswered(
        &mut self,
        session: SessionId,
        status: Status,
        message: Option<&Message>,
        now: Instant,
    ) {
        let Some((id, leg)) = self.sessions.get(session).copied() else { return };
        let Some(port) = self.conversations.get(&id).and_then(|c| c.port(leg)) else { return };
        let answer = message.filter(|_| status.is_success()).map(Message::body);
        if answer.is_some_and(|body| self.media.set_remote_answer(port, body, now).is_ok()) {
            return self.agreed_anew(session, now);
        }
        self.media.withdraw_offer(port, now);
        if matches!(status, Status::REQUEST_TIMEOUT | Status::CALL_OR_TRANSACTION_DOES_NOT_EXIST) {
            // The end of the session follows.
            return;
        }
        // Who refuses goes on as before (RFC 3261 §14.1), if that is still possible.
        let moved = self.conversations.get(&id).and_then(|c| c.legs.get(&leg)).is_some_and(|end| end.moved);
        if message.is_none() || moved || self.media.is_secure(port) {
            let cause = Cause::of_status(status.0);
            info!(call = %id, leg, status = status.0, "a phone cannot go on with its call");
            self.hang_up_leg(id, leg, cause, now);
            self.facts.push_back((id, Input::HungUp { leg, cause: Some(cause) }));
        }
    }
}

/// What is kept of a call that can go on.
fn going(conversation: &Conversation, legs: &[LegLife]) -> Option<Going> {
    let call = conversation.call.image()?;
    let whole = |no: LegNo| legs.iter().any(|leg| leg.no == no && leg.port.is_some());
    let linked = conversation.legs.values().any(|end| end.link.is_some());
    if linked || conversation.handing.is_some() || !call.there().all(whole) {
        return None;
    }
    let recording = conversation.recording.as_ref();
    // Whose phones only ring is free afterwards.
    let stays =
        |number: &&String| call.there().any(|leg| call.party_of(leg).is_some_and(|party| party.number == **number));
    let occupied = conversation.occupied.iter().filter(stays).cloned().collect();
    Some(Going {
        caller: conversation.caller.clone(),
        came_by: conversation.came_by.clone(),
        occupied,
        out: conversation.out.clone(),
        max_forwards: conversation.max_forwards,
        record: conversation.record,
        destination: conversation.destination.clone(),
        recording: recording
            .map(|recording| RecordingChoice { leg: recording.only, mixed: Some(recording.mixed) })
            .unwrap_or_default(),
        served_by: conversation.queue.as_ref().and_then(|queuing| queuing.served_by()),
        call,
    })
}

/// Where a leg was that is over, for the record.
fn nowhere(remote: &str) -> Flow {
    let unknown = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    Flow::udp(unknown, remote.parse().unwrap_or(unknown))
}
