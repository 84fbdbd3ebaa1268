//! Calls that wait in queues: what they hear, who is called for them, and where they go in the end.
//!
//! The desk ([`crate::front_desk`]) decides who is asked to take whom; here its decisions are carried out, in the caller's cell.

use crate::cell::Cell;
use crate::conversation::Way;
use crate::front_desk::DESK;
use crate::io::{Body, Contact, Envelope, FromDesk, ToDesk};
use crate::serving::Service;
use crate::survey::Asking;
use acd::Wish;
use call::{Input, Party, PartyKind, Target};
use model::{CallId, Item, LeaveReason, LegNo, OfferFailure, Outcome, Overflow, Queue, QueueVisit, Spoken};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// How often a call may be sent on from queue to queue; then it is hung up.
const MAX_HOPS: u8 = 16;

/// A call's way through a queue.
#[derive(Clone, Debug)]
pub(crate) struct Queuing {
    queue: Arc<Queue>,
    pub(crate) visit: QueueVisit,
    /// Who waits, once it does and the desk knows.
    leg: Option<LegNo>,
    /// Who is asked now: the agent and the extension.
    offers: BTreeMap<u64, (String, String)>,
    /// Homes that were asked where an extension is, for which offer.
    locating: Vec<(u64, String)>,
    /// Who took it: offer, leg, agent.
    serving: Option<(u64, LegNo, String)>,
    hops: u8,
}

impl Queuing {
    /// A way through a queue that goes on in another process: who waits in it, or which agent took it by which leg.
    pub(crate) fn restored(
        queue: Arc<Queue>,
        visit: QueueVisit,
        leg: Option<LegNo>,
        serving: Option<(LegNo, String)>,
    ) -> Self {
        // Offers are counted from 1, so none that is to come is taken for the one that was answered.
        let serving = serving.map(|(leg, agent)| (0, leg, agent));
        Self { queue, visit, leg, offers: BTreeMap::new(), locating: Vec::new(), serving, hops: 0 }
    }

    /// Which agent took it, by which leg.
    pub(crate) fn served_by(&self) -> Option<(LegNo, String)> {
        self.serving.as_ref().map(|(_, leg, agent)| (*leg, agent.clone()))
    }

    /// It waits here no longer, though the desk may still know it.
    pub(crate) fn let_go(&mut self, at: stdx::UnixMillis) {
        self.leg = None;
        self.visit.left_at.get_or_insert(at);
        self.offers.clear();
    }
}

impl Cell {
    /// A letter to the desk, which may be beside this cell.
    pub(crate) fn write_desk(&mut self, letter: ToDesk) {
        if self.config.cell == DESK {
            self.to_desk.push_back(letter);
        } else {
            self.send(DESK, Body::ToDesk(letter));
        }
    }

    /// A call has reached a queue.
    pub(crate) fn reach_queue(&mut self, id: CallId, name: &str, now: Instant) {
        let Some(queue) = self.directory.queue(name) else {
            return self.serve_not(id, Outcome::Unallocated, "there is no such queue");
        };
        let at = self.config.wall.at(now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let visit = QueueVisit { queue: queue.name.clone(), entered_at: at, ..QueueVisit::default() };
        let hops = conversation.queue.as_ref().map_or(0, |before| before.hops);
        let (locating, serving) = match conversation.queue.take() {
            // The agent who sends it on is in the call until it has been taken in here.
            Some(before) => (before.locating, before.serving),
            None => (Vec::new(), None),
        };
        let offers = BTreeMap::new();
        let queuing = Queuing { queue, visit, leg: None, offers, locating, serving, hops };
        conversation.queue = Some(Box::new(queuing));
        conversation.service = Some(Service::Queue);
        self.facts.push_back((id, Input::Queued));
    }

    /// Carries out [`call::Effect::Wait`].
    pub(crate) fn wait_in_queue(&mut self, id: CallId, leg: LegNo, now: Instant) {
        self.hush(id, leg, now);
        if !self.answer_served(id, leg, now) {
            info!(call = %id, "the switch speaks none of the caller's codecs");
            return self.facts.push_back((id, Input::Incompatible));
        }
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.joined_at = Some(now);
        conversation.service = Some(Service::Queue);
        let wish = wish_of(conversation);
        let Some(queuing) = &mut conversation.queue else { return };
        let (name, music) = (queuing.queue.name.clone(), queuing.queue.music.clone());
        let first = queuing.leg.replace(leg).is_none();
        let port = conversation.port(leg);
        if let Some(port) = port {
            self.media.unbridge(port, now);
        }
        self.play_queue_music(id, leg, music, now);
        if first {
            info!(call = %id, queue = name, "a caller waits in a queue");
            self.write_desk(ToDesk::Enter { call: id, queue: name, wish });
        }
    }

    /// A call of a former process waits here still.
    pub(crate) fn stay_in_queue(&mut self, id: CallId) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let Some(queuing) = conversation.queue.as_ref().filter(|queuing| queuing.leg.is_some()) else { return };
        let (queue, wish) = (queuing.queue.name.clone(), wish_of(conversation));
        self.write_desk(ToDesk::Stays { call: id, queue, wish });
    }

    /// The desk has decided something about a call of this cell.
    pub(crate) fn on_desk(&mut self, letter: FromDesk, now: Instant) {
        match letter {
            FromDesk::Offer { call, offer, agent, extension, .. } => self.on_offer(call, offer, agent, extension, now),
            FromDesk::CallBack { offer, agent, extension, number, queue, ring } => {
                self.call_back((offer, agent), &extension, (&number, queue), ring, now);
            }
            FromDesk::WithdrawCallBack { offer } => self.withdraw_call_back(offer),
            FromDesk::Withdraw { call, offer } => self.on_withdraw(call, offer),
            FromDesk::Obeyed { call, done } => self.obeyed(call, done, now),
            FromDesk::Announce { call, position, wait } => self.announce_place(call, position, wait),
            FromDesk::Leave { call, why } => self.leave_queue(call, why, now),
        }
    }

    fn on_offer(&mut self, id: CallId, offer: u64, agent: String, extension: String, now: Instant) {
        let Some(conversation) = self.conversations.get_mut(&id) else {
            // It is over, and the desk will have heard of that; a call of another life never told.
            return self.write_desk(ToDesk::Gone { call: id, on_purpose: false });
        };
        let worn_out = conversation.call.is_worn_out();
        let Some(queuing) = conversation.queue.as_mut().filter(|q| q.leg.is_some()) else { return };
        if worn_out {
            self.write_desk(ToDesk::Gone { call: id, on_purpose: true });
            return self.leave_queue(id, LeaveReason::TooLong, now);
        }
        queuing.visit.attempts += 1;
        queuing.visit.agent.clone_from(&agent);
        queuing.offers.insert(offer, (agent, extension.clone()));
        queuing.locating.push((offer, extension.clone()));
        self.send_home(&extension.clone(), Body::Locate { call: id, number: extension }, now);
    }

    /// The home of an extension has answered; false if no offer asked.
    pub(crate) fn offer_located(
        &mut self,
        id: CallId,
        number: &str,
        found: &Result<Vec<Contact>, Outcome>,
        now: Instant,
    ) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let Some(queuing) = &mut conversation.queue else { return false };
        let Some(at) = queuing.locating.iter().position(|(_, asked)| asked == number) else { return false };
        let (offer, extension) = queuing.locating.remove(at);
        let alive = queuing.offers.contains_key(&offer);
        let again = queuing.locating.iter().any(|(_, asked)| asked == number);
        let record = queuing.queue.record;
        match found {
            Ok(contacts) if alive => {
                let record = record
                    || self.config.policy.record_all
                    || self.directory.extension(number).is_some_and(|extension| extension.record);
                if !conversation.occupied.contains(&extension) {
                    conversation.occupied.push(extension.clone());
                }
                let party = Party { number: extension, name: String::new(), kind: PartyKind::Extension };
                let ways: Vec<Way> =
                    contacts.iter().filter(|contact| !contact.spare).cloned().map(Way::Contact).collect();
                let targets = vec![Target { party, record }; ways.len()];
                conversation.contacts.extend(ways);
                self.facts.push_back((id, Input::Offered { offer, targets }));
            }
            Ok(_) => {
                if !again && !conversation.occupied.contains(&extension) {
                    self.send_home(number, Body::Vacate { call: id, number: extension }, now);
                }
            }
            Err(outcome) if alive => self.offer_failed(id, offer, *outcome),
            Err(_) => {}
        }
        true
    }

    /// Carries out [`call::Effect::OfferFailed`].
    pub(crate) fn offer_failed(&mut self, id: CallId, offer: u64, outcome: Outcome) {
        let queuing = self.conversations.get_mut(&id).and_then(|c| c.queue.as_mut());
        if queuing.is_some_and(|queuing| queuing.offers.remove(&offer).is_some()) {
            self.write_desk(ToDesk::Failed { offer, why: failure(outcome) });
        }
    }

    /// Carries out [`call::Effect::OfferTaken`].
    pub(crate) fn offer_taken(&mut self, id: CallId, offer: u64, leg: LegNo, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(queuing) = &mut conversation.queue else { return };
        let Some((agent, _)) = queuing.offers.remove(&offer) else { return };
        queuing.offers.clear();
        queuing.visit.agent.clone_from(&agent);
        (queuing.visit.answered_at, queuing.visit.left_at) = (Some(at), Some(at));
        let survey = queuing.queue.survey.clone();
        let asking = survey.map(|survey| Box::new(Asking::new(survey, &queuing.queue.name, &agent)));
        conversation.call.stay_after(queuing.leg.filter(|_| asking.is_some()));
        conversation.asking = asking;
        queuing.serving = Some((offer, leg, agent));
        conversation.service = None;
        info!(call = %id, "an agent answered");
        self.write_desk(ToDesk::Answered { offer });
    }

    fn on_withdraw(&mut self, id: CallId, offer: u64) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let Some(queuing) = &mut conversation.queue else { return };
        queuing.offers.remove(&offer);
        if queuing.serving.take_if(|(taken, ..)| *taken == offer).is_some() {
            // Its answer was too late by a moment: the caller waits on.
            (queuing.visit.answered_at, queuing.visit.left_at) = (None, None);
        }
        self.facts.push_back((id, Input::Withdrawn { offer, cause: Outcome::NoAnswer.cause() }));
    }

    /// The phone of an agent rings.
    pub(crate) fn agent_rings(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let offered = conversation.call.origin_of(leg) == Some(model::LegOrigin::Offered);
        if let Some(queuing) = conversation.queue.as_mut().filter(|_| offered) {
            queuing.visit.ringing_at = Some(at);
        }
    }

    /// A leg of a call that is or was in a queue is gone.
    pub(crate) fn left_queue(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(queuing) = self.conversations.get_mut(&id).and_then(|c| c.queue.as_mut()) else { return };
        if let Some((_, _, agent)) = queuing.serving.take_if(|(_, taken, _)| *taken == leg) {
            self.write_desk(ToDesk::Ended { agent });
        } else if queuing.leg == Some(leg) && queuing.visit.left_at.is_none() {
            queuing.visit.left_at = Some(at);
            queuing.leg = None;
            self.write_desk(ToDesk::Gone { call: id, on_purpose: false });
        }
    }

    /// A key pressed by who waits.
    pub(crate) fn key_in_queue(&mut self, id: CallId, leg: LegNo, digit: char, now: Instant) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let Some(queuing) = conversation.queue.as_ref().filter(|_| conversation.call.queued() == Some(leg)) else {
            return;
        };
        if queuing.queue.callback_key == Some(digit) {
            self.keep_place(id, leg, now);
        } else if queuing.queue.leave_key == Some(digit) {
            self.write_desk(ToDesk::Gone { call: id, on_purpose: true });
            self.leave_queue(id, LeaveReason::Key, now);
        }
    }

    /// Who waits goes where the queue sends those who leave it for this reason.
    fn leave_queue(&mut self, id: CallId, why: LeaveReason, now: Instant) {
        let at = self.config.wall.at(now);
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let (Some(leg), Some(queuing)) = (conversation.call.queued(), &mut conversation.queue) else { return };
        queuing.leg = None;
        queuing.visit.left_at.get_or_insert(at);
        queuing.offers.clear();
        queuing.hops += 1;
        let to = if queuing.hops > MAX_HOPS { Overflow::HangUp } else { queuing.queue.overflow_of(why).clone() };
        info!(call = %id, ?why, "a caller leaves its queue");
        conversation.service = None;
        let number = match &to {
            Overflow::HangUp => return self.facts.push_back((id, Input::Dismissed { leg })),
            to => to.whom().to_owned(),
        };
        conversation.sent_to = Some(to);
        self.facts.push_back((id, Input::SentOn { number }));
    }

    /// A call that left a queue is looked up: where that queue sends it. False: it goes by its number, as any.
    pub(crate) fn find_overflow(&mut self, id: CallId, now: Instant) -> bool {
        let Some(conversation) = self.conversations.get_mut(&id) else { return false };
        let (to, by) = (conversation.sent_to.take(), conversation.call.waiting());
        match to {
            Some(Overflow::Queue(name)) => self.reach_queue(id, &name, now),
            Some(Overflow::Extension(number)) => self.locate_extension(id, by, &number, false, now),
            Some(Overflow::Prompt(name)) => self.fetch_service(id, name, 1),
            Some(Overflow::Mailbox(name)) => self.reach_mailbox(id, &name),
            Some(Overflow::RingGroup(name)) => self.reach_ring_group(id, by, &name, false, now),
            Some(Overflow::Number(_) | Overflow::HangUp) | None => return false,
        }
        true
    }

    /// Tells a caller its place, if the queue has prompts for that.
    fn announce_place(&mut self, id: CallId, position: usize, wait: Option<Duration>) {
        let Some(conversation) = self.conversations.get(&id) else { return };
        let (Some(leg), Some(queuing)) = (conversation.call.queued(), &conversation.queue) else { return };
        let items = place_in_words(&queuing.queue, position, wait);
        if !items.is_empty() {
            self.fetch_announcement(id, leg, &items);
        }
    }

    /// As home of an extension at which an agent sits: tells the desk how its phone is.
    pub(crate) fn tell_phone_facts(&mut self, number: &str, now: Instant) {
        if self.seats.contains(number) {
            let undisturbed = self.directory.extension(number).is_some_and(|extension| extension.do_not_disturb);
            let reachable = self.is_registered(number, now) && !undisturbed;
            let occupied = self.occupied.contains_key(number);
            self.write_desk(ToDesk::Phone { extension: number.to_owned(), reachable, occupied });
        }
    }

    /// The desk wants to know how the phone of an extension is, from now on or no longer.
    pub(crate) fn watch_phone(&mut self, extension: &str, on: bool, now: Instant) {
        if on {
            self.seats.insert(extension.to_owned());
            self.tell_phone_facts(extension, now);
        } else {
            self.seats.remove(extension);
        }
    }

    /// A letter of the desk beside this cell.
    pub(crate) fn take_letter(&mut self, body: Body, now: Instant) {
        let to = self.config.cell;
        self.on_envelope(Envelope { from: to, to, body }, now);
        self.settle(now);
    }
}

/// Who a caller is, and what it wants of its agent.
fn wish_of(conversation: &crate::conversation::Conversation) -> Wish {
    let call = &conversation.call;
    let number = call.queued().and_then(|leg| call.number_of(leg)).unwrap_or_default().to_owned();
    let variables = call.variables();
    let needs = variables.get("queue_skills").map(String::as_str).unwrap_or_default();
    let need = |part: &str| {
        let (skill, level) = part.split_once(':').unwrap_or((part, "1"));
        Some((skill.trim().to_owned(), level.trim().parse().ok()?)).filter(|(skill, _)| !skill.is_empty())
    };
    Wish {
        number,
        priority: variables.get("queue_priority").and_then(|priority| priority.parse().ok()).unwrap_or_default(),
        needs: needs.split(',').filter_map(need).collect(),
        callback: false,
    }
}

pub(crate) fn failure(outcome: Outcome) -> OfferFailure {
    match outcome {
        Outcome::NoAnswer => OfferFailure::NoAnswer,
        Outcome::Busy => OfferFailure::Busy,
        Outcome::Rejected | Outcome::Forbidden | Outcome::Cancelled | Outcome::Answered => OfferFailure::Rejected,
        Outcome::Unreachable
        | Outcome::Unallocated
        | Outcome::Incompatible
        | Outcome::Congestion
        | Outcome::MediaTimeout
        | Outcome::SwitchFailure => OfferFailure::Unreachable,
    }
}

/// What a caller hears of its place: the prompts that the queue has for it, and the numbers.
fn place_in_words(queue: &Queue, position: usize, wait: Option<Duration>) -> Vec<Item> {
    let said = &queue.announcement;
    let language = if said.language.is_empty() { "zh".to_owned() } else { said.language.clone() };
    let number = |value: u64| Item::Spoken { what: Spoken::Number(value as i64), language: language.clone() };
    let prompt = |name: &str| (!name.is_empty()).then(|| Item::Prompt(name.to_owned()));
    let mut items = Vec::new();
    if !said.before_place.is_empty() || !said.after_place.is_empty() {
        items.extend(prompt(&said.before_place));
        items.push(number(position as u64));
        items.extend(prompt(&said.after_place));
    }
    if let Some(wait) = wait.filter(|_| !said.before_wait.is_empty()) {
        items.extend(prompt(&said.before_wait));
        items.push(number(wait.as_secs().div_ceil(60).max(1)));
        items.extend(prompt(&said.after_wait));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Announcement;

    #[test]
    fn a_place_is_told_with_the_prompts_that_there_are() {
        let announcement =
            Announcement { before_place: "you".to_owned(), before_wait: "wait".to_owned(), ..Announcement::default() };
        let queue = Queue { announcement, ..Queue::new("sales") };
        let minutes = |n| Some(Duration::from_secs(n));
        assert_eq!(place_in_words(&Queue::new("sales"), 3, minutes(5)), []);
        let number = |value| Item::Spoken { what: Spoken::Number(value), language: "zh".to_owned() };
        let prompt = |name: &str| Item::Prompt(name.to_owned());
        assert_eq!(place_in_words(&queue, 3, None), [prompt("you"), number(3)]);
        assert_eq!(place_in_words(&queue, 1, minutes(61)), [prompt("you"), number(1), prompt("wait"), number(2)]);
    }
}
