//! What the cell of a call tells the homes of extensions that are watched: each leg, whenever it changes.
//!
//! The home asks for it ([`crate::io::Body::Watch`]) when a call that it knows of concerns an extension that somebody watches. A call
//! that nobody watches costs one look at an empty set.

use crate::cell::Cell;
use crate::conversation::Conversation;
use crate::io::{Body, LegView};
use model::{CallId, CallRecord, EventBody, LegNo, LegOrigin, LegState, LiveCall, LiveLeg, Outcome};
use sip_stack::endpoint::Endpoint;
use sip_stack::message::Message;
use sip_stack::packages::{Dialog, DialogState, Identity};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Of one call: who watches it, and what they know.
#[derive(Debug, Default)]
pub(crate) struct Views {
    numbers: BTreeSet<String>,
    told: BTreeMap<LegNo, LegView>,
    /// How legs ended.
    ended: BTreeMap<LegNo, Outcome>,
    /// The tags of phones that ring.
    tags: BTreeMap<LegNo, String>,
}

impl Views {
    /// A called phone rings: its tag is known before it answers.
    pub(crate) fn note_tag(&mut self, leg: LegNo, response: &Message) {
        if let Some(tag) = response.to().ok().as_ref().and_then(|to| to.tag()) {
            self.tags.insert(leg, String::from_utf8_lossy(tag).into_owned());
        }
    }

    /// A call tells the world: how a leg ended is in it.
    pub(crate) fn note_event(&mut self, event: &EventBody) {
        if let EventBody::LegEnded { leg, outcome, .. } = event
            && !self.numbers.is_empty()
        {
            self.ended.insert(*leg, *outcome);
        }
    }
}

impl Cell {
    /// The home of an extension wants to know what its legs in this call do, from now on.
    pub(crate) fn show_legs_of(&mut self, call: CallId, number: &str, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&call) else { return };
        conversation.views.numbers.insert(number.to_owned());
        conversation.views.told.retain(|_, view| view.number != number);
        self.show_legs(call, now);
    }

    /// Tells the homes of watched extensions what is new about their legs.
    pub(crate) fn show_legs(&mut self, id: CallId, now: Instant) {
        let Some(conversation) = self.conversations.get(&id).filter(|c| !c.views.numbers.is_empty()) else { return };
        let live = conversation.call.live();
        let watched = live.legs.iter().filter(|leg| conversation.views.numbers.contains(&leg.number));
        let views = watched.filter_map(|leg| view(&self.sip, conversation, &live, leg));
        let news: Vec<LegView> = views.filter(|view| conversation.views.told.get(&view.leg) != Some(view)).collect();
        for view in news {
            if let Some(conversation) = self.conversations.get_mut(&id) {
                conversation.views.told.insert(view.leg, view.clone());
            }
            self.send_home(&view.number.clone(), Body::LegState(Box::new(view)), now);
        }
    }

    /// The call is over, and with it every leg that somebody was told of.
    pub(crate) fn end_views(&mut self, conversation: &Conversation, record: &CallRecord, now: Instant) {
        for (leg, told) in conversation.views.told.iter().filter(|(_, told)| told.over.is_none()) {
            let outcome =
                record.legs.iter().find(|known| known.no == *leg).map_or(record.outcome, |known| known.outcome);
            let view = LegView { state: LegState::Ending, over: Some(outcome), ..told.clone() };
            self.send_home(&view.number.clone(), Body::LegState(Box::new(view)), now);
        }
    }
}

/// What there is to know of a leg; `None` for one that was over before anybody asked.
fn view(sip: &Endpoint, conversation: &Conversation, live: &LiveCall, leg: &LiveLeg) -> Option<LegView> {
    let told = conversation.views.told.get(&leg.no);
    let over = (leg.state == LegState::Ending)
        .then(|| conversation.views.ended.get(&leg.no).copied().unwrap_or(Outcome::Cancelled));
    if over.is_some() && told.is_none() {
        return None;
    }
    let session = conversation.legs.get(&leg.no).and_then(|end| end.session);
    let [call_id, ours, theirs] = match session.and_then(|session| sip.dialog_names(session)) {
        Some([call_id, ours, theirs]) if theirs.is_empty() => {
            [call_id, ours, conversation.views.tags.get(&leg.no).cloned().unwrap_or_default()]
        }
        Some(names) => names,
        None => told.map(|told| [told.call_id.clone(), told.remote_tag.clone(), told.local_tag.clone()])?,
    };
    let calls = leg.no == conversation.call.caller_leg();
    let initiator = calls && conversation.call.origin_of(leg.no) == Some(LegOrigin::Caller);
    let caller = conversation.call.caller();
    let (remote, remote_name) =
        if calls { (live.callee.clone(), String::new()) } else { (caller.number.clone(), caller.name.clone()) };
    Some(LegView {
        call: live.id,
        leg: leg.no,
        number: leg.number.clone(),
        state: leg.state,
        over,
        initiator,
        call_id,
        local_tag: theirs,
        remote_tag: ours,
        remote,
        remote_name,
    })
}

/// A leg as a lamp is told of it.
pub(super) fn dialog(view: &LegView, entity: &str, host: &str) -> Dialog {
    let state = match (view.over, view.state) {
        (Some(outcome), _) => DialogState::Terminated(reason(outcome)),
        (None, LegState::Dialing) => DialogState::Trying,
        (None, LegState::Ringing) => DialogState::Early,
        (
            None,
            LegState::Queued | LegState::Talking | LegState::Held | LegState::Listening | LegState::Announcement,
        ) => DialogState::Confirmed,
        (None, LegState::Ending) => DialogState::Terminated("error"),
    };
    let user = if view.remote.is_empty() { "anonymous" } else { &view.remote };
    Dialog {
        id: format!("{}-{}", view.call, view.leg),
        call_id: view.call_id.clone(),
        local_tag: view.local_tag.clone(),
        remote_tag: view.remote_tag.clone(),
        initiator: view.initiator,
        state,
        local: Identity { uri: entity.to_owned(), display: String::new() },
        remote: Identity { uri: format!("sip:{user}@{host}"), display: view.remote_name.clone() },
    }
}

/// Why a leg ended, in the words of RFC 4235 §3.7.1.
fn reason(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered => "remote-bye",
        Outcome::Cancelled => "cancelled",
        Outcome::Busy | Outcome::Rejected | Outcome::Forbidden | Outcome::Unallocated | Outcome::Incompatible => {
            "rejected"
        }
        Outcome::NoAnswer | Outcome::MediaTimeout => "timeout",
        Outcome::Unreachable | Outcome::Congestion | Outcome::SwitchFailure => "error",
    }
}
