//! What parties hear from the switch while they are in conversation: prompts by command, music while they are held.
//!
//! Prompts are files, so the cell asks its shell for them ([`Output::Load`]) and plays them when they are there. A party that
//! is held hears music whenever nothing else is played to it.

use crate::cell::Cell;
use crate::io::{LoadFailure, MAX_LOADS, Output};
use crate::serving::Service;
use media::clip::Clip;
use media::engine::{Play, PortId};
use media::spoken::{self, Currency, Day, Language};
use model::{
    CallId, EventBody, Item, LegNo, MAX_ITEMS, MAX_SPEED, MAX_TEXT, MIN_SPEED, Outcome, Playback, PlaybackEnd, Refusal,
    Reply, Spoken,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Clips, one after the other.
pub type Clips = Arc<[Arc<Clip>]>;

/// Playbacks whose prompts are on their way.
#[derive(Debug, Default)]
pub(crate) struct Playbacks {
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Tells playbacks apart in what the engine says of them; 0 is the call's own.
    tag: u32,
}

#[derive(Debug)]
enum Waiting {
    /// A command, which has this ticket.
    Command { ticket: u64, call: CallId, legs: Vec<LegNo>, play: Playback },
    /// A call that is to be served with it, so often.
    Service { call: CallId, times: u32 },
    /// The music of one who waits in a queue.
    Tune { call: CallId, leg: LegNo },
    /// What one who waits in a queue is told.
    Announcement { call: CallId, leg: LegNo },
    /// What is said to a call at a mailbox, in this turn.
    Mailbox { call: CallId, turn: u32 },
    /// What a customer is asked.
    Survey { call: CallId },
}

impl Cell {
    /// Prompts for one party or for both that speak. The answer is given when they are there.
    pub(crate) fn play_by_command(
        &mut self,
        ticket: u64,
        call: CallId,
        leg: Option<LegNo>,
        play: Playback,
    ) -> Result<(), Refusal> {
        let legs = self.listeners(call, leg)?;
        if play.items.is_empty() || play.items.len() > MAX_ITEMS {
            return Err(Refusal::WrongState);
        }
        let items = in_words(&play.items).ok_or(Refusal::NoSuchPrompt)?;
        self.load(items, Waiting::Command { ticket, call, legs, play })
    }

    /// A call has reached a prompt's number.
    pub(crate) fn fetch_service(&mut self, call: CallId, name: String, times: u32) {
        if self.load(vec![Item::Prompt(name)], Waiting::Service { call, times }).is_err() {
            self.serve_not(call, Outcome::Congestion, "too many prompts are being loaded");
        }
    }

    /// One who waits in a queue hears its music, or the usual where the queue has none or it cannot be had.
    pub(crate) fn play_queue_music(&mut self, call: CallId, leg: LegNo, music: String, now: Instant) {
        let wanted = !music.is_empty();
        if !wanted || self.load(vec![Item::Prompt(music)], Waiting::Tune { call, leg }).is_err() {
            self.hold_music(call, leg, true, now);
        }
    }

    /// One who waits in a queue is told something between its music.
    pub(crate) fn fetch_announcement(&mut self, call: CallId, leg: LegNo, items: &[Item]) {
        let Some(items) = in_words(items) else { return };
        // With too much being loaded, the next time will do.
        let _ = self.load(items, Waiting::Announcement { call, leg });
    }

    /// A call at a mailbox is told something; false if that cannot be had now.
    pub(crate) fn fetch_for_mailbox(&mut self, call: CallId, turn: u32, items: Vec<Item>) -> bool {
        self.load(items, Waiting::Mailbox { call, turn }).is_ok()
    }

    /// The prompts of a survey; false if they cannot be had now.
    pub(crate) fn fetch_survey(&mut self, call: CallId, prompts: Vec<String>) -> bool {
        self.load(prompts.into_iter().map(Item::Prompt).collect(), Waiting::Survey { call }).is_ok()
    }

    fn tune_in(&mut self, call: CallId, leg: LegNo, tune: Option<Clips>, now: Instant) {
        if self.conversations.get(&call).is_none_or(|known| known.call.queued() != Some(leg)) {
            return;
        }
        if tune.is_none() {
            tracing::warn!(call = %call, "the music of a queue cannot be had; the usual is played");
        }
        if let Some(end) = self.leg_mut(call, leg) {
            end.tune = tune;
        }
        self.hold_music(call, leg, true, now);
    }

    fn tell_place(&mut self, call: CallId, leg: LegNo, clips: Clips, now: Instant) {
        if self.conversations.get(&call).is_some_and(|known| known.call.queued() == Some(leg)) {
            self.play_to(call, leg, &Play::once(clips), now);
        }
    }

    fn load(&mut self, items: Vec<Item>, waiting: Waiting) -> Result<(), Refusal> {
        if self.playbacks.waiting.len() >= MAX_LOADS {
            return Err(Refusal::Overloaded);
        }
        self.playbacks.last += 1;
        let load = self.playbacks.last;
        self.out.push_back(Output::Load { ticket: load, items });
        self.playbacks.waiting.insert(load, waiting);
        Ok(())
    }

    /// The legs meant: one that was answered, or both that speak with each other.
    fn listeners(&self, call: CallId, leg: Option<LegNo>) -> Result<Vec<LegNo>, Refusal> {
        let conversation = self.conversations.get(&call).ok_or(Refusal::NoSuchCall)?;
        let hears = |leg: &LegNo| {
            let end = conversation.legs.get(leg);
            end.is_some_and(|end| end.port.is_some() && end.asking.is_none() && conversation.call.has_spoken(*leg))
        };
        match leg {
            Some(leg) if !conversation.legs.contains_key(&leg) => Err(Refusal::NoSuchLeg),
            Some(leg) => Some(vec![leg]).filter(|_| hears(&leg)).ok_or(Refusal::WrongState),
            None => {
                let both = conversation.legs.keys().copied();
                let both: Vec<LegNo> =
                    both.filter(|leg| conversation.call.partner_of(*leg).is_some() && hears(leg)).collect();
                if both.is_empty() { Err(Refusal::WrongState) } else { Ok(both) }
            }
        }
    }

    /// What was asked for by [`Output::Load`] is there, or will not be.
    pub(crate) fn on_loaded(&mut self, load: u64, loaded: Result<Clips, LoadFailure>, now: Instant) {
        let Some(waiting) = self.playbacks.waiting.remove(&load) else { return };
        let (ticket, call, legs, play) = match (waiting, &loaded) {
            (Waiting::Command { ticket, call, legs, play }, _) => (ticket, call, legs, play),
            (Waiting::Service { call, times }, Ok(clips)) => {
                return self.serve_with(call, Service::Prompt { clips: Arc::clone(clips), times, waits: false });
            }
            (Waiting::Survey { call }, _) => return self.survey_ready(call, loaded.ok()),
            (Waiting::Mailbox { call, turn }, _) => return self.mailbox_speaks(call, turn, loaded.ok(), now),
            (Waiting::Tune { call, leg }, _) => return self.tune_in(call, leg, loaded.ok(), now),
            (Waiting::Announcement { call, leg }, Ok(clips)) => {
                return self.tell_place(call, leg, Arc::clone(clips), now);
            }
            (Waiting::Announcement { call, .. }, Err(_)) => {
                return tracing::warn!(call = %call, "a prompt that tells callers their place cannot be had");
            }
            (Waiting::Service { call, .. }, Err(_)) => {
                return self.serve_not(call, Outcome::Unallocated, "there is no such prompt");
            }
        };
        let result = loaded.map_err(Refusal::from).and_then(|clips| {
            let play = Play {
                times: (play.times > 0).then_some(play.times),
                volume_db: play.volume_db,
                barge_in: play.barge_in,
                ..Play::once(clips)
            };
            let mut heard = false;
            for leg in legs {
                heard |= self.play_to(call, leg, &play, now);
            }
            if heard { Ok(Reply::Done) } else { Err(Refusal::WrongState) }
        });
        self.out.push_back(Output::Reply { ticket, result });
    }

    fn play_to(&mut self, call: CallId, leg: LegNo, play: &Play, now: Instant) -> bool {
        // It may have left, or been sent elsewhere, while the prompts were fetched.
        if self.listeners(call, Some(leg)).is_err() {
            return false;
        }
        self.playbacks.tag = self.playbacks.tag.wrapping_add(1).max(1);
        let tag = self.playbacks.tag;
        self.end_playback(call, leg, PlaybackEnd::Stopped, now);
        let Some(end) = self.leg_mut(call, leg) else { return false };
        let Some(port) = end.port else { return false };
        end.playing = Some(tag);
        if !self.media.play_list(port, &Play { tag, ..play.clone() }, now) {
            self.leg_mut(call, leg).into_iter().for_each(|end| end.playing = None);
            return false;
        }
        self.tell(EventBody::PlaybackStarted { call, leg }, now);
        true
    }

    /// What was begun by command ends by command.
    pub(crate) fn stop_by_command(&mut self, call: CallId, leg: Option<LegNo>, now: Instant) -> Result<Reply, Refusal> {
        let conversation = self.conversations.get(&call).ok_or(Refusal::NoSuchCall)?;
        if leg.is_some_and(|leg| !conversation.legs.contains_key(&leg)) {
            return Err(Refusal::NoSuchLeg);
        }
        let meant =
            conversation.legs.iter().filter(|(no, end)| leg.is_none_or(|leg| leg == **no) && end.playing.is_some());
        let legs: Vec<LegNo> = meant.map(|(no, _)| *no).collect();
        for leg in &legs {
            self.end_playback(call, *leg, PlaybackEnd::Stopped, now);
            self.resume_music(call, *leg, now);
        }
        if legs.is_empty() { Err(Refusal::WrongState) } else { Ok(Reply::Done) }
    }

    /// The engine says that something it played is over; false if it was no playback.
    pub(crate) fn played(
        &mut self,
        (call, leg): (CallId, LegNo),
        (tag, played): (u32, Duration),
        by_key: bool,
        now: Instant,
    ) -> bool {
        let how = if by_key { PlaybackEnd::Key } else { PlaybackEnd::Finished };
        let Some(end) = self.leg_mut(call, leg).filter(|end| end.playing == Some(tag)) else { return tag != 0 };
        end.playing = None;
        self.tell_ended(call, leg, played, how, now);
        self.resume_music(call, leg, now);
        true
    }

    /// A party is held and hears music, or no longer.
    pub(crate) fn hold_music(&mut self, call: CallId, leg: LegNo, on: bool, now: Instant) {
        let Some(end) = self.leg_mut(call, leg) else { return };
        end.music = on;
        if end.playing.is_some() {
            return;
        }
        if on {
            self.resume_music(call, leg, now);
        } else if let Some(port) = end.port {
            self.media.stop(port);
        }
    }

    fn resume_music(&mut self, call: CallId, leg: LegNo, now: Instant) {
        let Some(end) = self.leg_mut(call, leg).filter(|end| end.music) else { return };
        let (Some(port), tune) = (end.port, end.tune.clone()) else { return };
        let music = tune.unwrap_or_else(|| Arc::clone(&self.config.sounds.music));
        if !music.is_empty() {
            self.media.play_list(port, &Play::forever(music), now);
        }
    }

    /// Something else happens to a party: neither music nor a playback goes on.
    pub(crate) fn hush(&mut self, call: CallId, leg: LegNo, now: Instant) {
        self.end_playback(call, leg, PlaybackEnd::Stopped, now);
        let Some(end) = self.leg_mut(call, leg) else { return };
        end.music = false;
        end.tune = None;
        if let Some(port) = end.port {
            self.media.stop(port);
        }
    }

    /// A leg's port is about to be closed.
    pub(crate) fn end_playback(&mut self, call: CallId, leg: LegNo, how: PlaybackEnd, now: Instant) {
        let Some(end) = self.leg_mut(call, leg) else { return };
        let (Some(_), Some(port)) = (end.playing.take(), end.port) else { return };
        let played = self.stop_port(port);
        self.tell_ended(call, leg, played, how, now);
    }

    fn stop_port(&mut self, port: PortId) -> Duration {
        self.media.stop(port).unwrap_or_default()
    }

    fn tell_ended(&mut self, call: CallId, leg: LegNo, played: Duration, how: PlaybackEnd, now: Instant) {
        let played_ms = played.as_millis().try_into().unwrap_or(u32::MAX);
        self.tell(EventBody::PlaybackEnded { call, leg, played_ms, how }, now);
    }

    fn leg_mut(&mut self, call: CallId, leg: LegNo) -> Option<&mut crate::conversation::LegEnd> {
        self.conversations.get_mut(&call)?.legs.get_mut(&leg)
    }
}

/// Numbers, amounts, dates and times as the clips of their words, `zh/spoken/…`; `None` if one cannot be said.
fn in_words(items: &[Item]) -> Option<Vec<Item>> {
    let mut all = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Item::Prompt(_) => all.push(item.clone()),
            Item::Text { text, speed, .. } => {
                if text.is_empty() || text.len() > MAX_TEXT || !(MIN_SPEED..=MAX_SPEED).contains(speed) {
                    return None;
                }
                all.push(item.clone());
            }
            Item::Spoken { what, language } => {
                let language = Language::named(language)?;
                let words = words(what, language);
                if words.is_empty() {
                    return None;
                }
                all.extend(words.iter().map(|word| Item::Prompt(format!("{}/spoken/{word}", language.code()))));
            }
        }
    }
    Some(all)
}

fn words(what: &Spoken, language: Language) -> Vec<spoken::Word> {
    match what {
        Spoken::Number(value) => spoken::number(*value, language),
        Spoken::Digits(digits) if digits.len() > MAX_ITEMS => Vec::new(),
        Spoken::Digits(digits) => spoken::digits(digits, language),
        Spoken::Yuan(fen) => spoken::money(*fen, Currency::Cny, language),
        Spoken::Dollars(cents) => spoken::money(*cents, Currency::Usd, language),
        Spoken::Date(year, month, day) => spoken::day(Day { year: *year, month: *month, day: *day }, language),
        Spoken::Time(hour, minute) => spoken::time(*hour, *minute, language),
    }
}

impl From<LoadFailure> for Refusal {
    fn from(failure: LoadFailure) -> Self {
        match failure {
            LoadFailure::NoSuchPrompt => Refusal::NoSuchPrompt,
            LoadFailure::Busy => Refusal::Overloaded,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_in_words_becomes_their_clips() {
        let said = |what| in_words(&[Item::Spoken { what, language: "zh".to_owned() }]);
        let clip = |name: &&str| Item::Prompt(format!("zh/spoken/{name}"));
        let clips = |names: &[&str]| Some(names.iter().map(clip).collect::<Vec<_>>());
        assert_eq!(said(Spoken::Number(10_005)), clips(&["1", "wan", "0", "5"]));
        assert_eq!(said(Spoken::Digits("110".to_owned())), clips(&["yao", "yao", "0"]));
        assert_eq!(said(Spoken::Yuan(200)), clips(&["liang", "yuan"]));
        assert_eq!(said(Spoken::Time(14, 0)), clips(&["10", "4", "hour", "sharp"]));
        assert_eq!(said(Spoken::Date(2026, 13, 1)), None);
        assert_eq!(said(Spoken::Digits("1".repeat(65))), None);
        let elsewhere = Item::Spoken { what: Spoken::Number(1), language: "../x".to_owned() };
        assert_eq!(in_words(&[Item::Prompt("a".to_owned()), elsewhere]), None);
        for (length, speed) in [(MAX_TEXT + 1, 100), (0, 100), (5, 10), (5, 900)] {
            let text = Item::Text { text: "x".repeat(length), voice: String::new(), speed };
            assert_eq!(in_words(&[text]), None, "{length} {speed}");
        }
    }
}
