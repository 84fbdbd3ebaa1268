//! Calls at mailboxes: how they get there, what is said to them, and what their keys do.
//!
//! What is to be said is fetched by [`crate::io::Output::Load`]; where it cannot be had, it is as if it had been said, so that a switch
//! without a speech engine still takes messages after its beep.

use crate::cell::{Cell, Timer};
use crate::errands::Purpose;
use crate::io::Errand;
use crate::playback::Clips;
use crate::recording::beep;
use crate::serving::Service;
use call::Input;
use media::engine::Play;
use model::{CallId, Item, LegNo, Mailbox, Outcome, Voicemail};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// How long somebody may think before a key.
const THINK: Duration = Duration::from_secs(8);
/// Wrong PINs of one call.
const PINS: u8 = 3;

/// A call at a mailbox.
#[derive(Debug)]
pub(crate) struct AtMailbox {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) doing: Doing,
    /// What can be heard, and which of it is.
    messages: Vec<Voicemail>,
    at: usize,
    /// Counts what was asked for: what comes for an earlier turn comes too late.
    turn: u32,
    pub(crate) waits: bool,
    /// Who is there, once it is.
    leg: Option<LegNo>,
}

/// What goes on there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// The caller hears the greeting.
    Greeting,
    /// What it says is being written.
    Taking,
    /// It has to say who it is.
    Pin { typed: String, wrong: u8 },
    /// It is told how many messages there are.
    Count,
    /// It is told of a message.
    Intro,
    /// It hears the message.
    Message,
    /// It may press a key.
    Choosing,
    /// It hears good-bye.
    Leaving,
}

impl Cell {
    /// A call has reached a mailbox, to leave a message.
    pub(crate) fn reach_mailbox(&mut self, id: CallId, name: &str) {
        let Some(mailbox) = self.directory.mailbox(name) else {
            return self.serve_not(id, Outcome::Unallocated, "there is no such mailbox");
        };
        self.go_to_mailbox(id, mailbox, Doing::Greeting);
    }

    /// A phone wants to hear messages: those of its own mailbox, or of the one it names.
    pub(crate) fn open_mailbox(&mut self, id: CallId, name: Option<&str>) {
        let caller = self.conversations.get(&id).map(|conversation| conversation.call.caller().number.clone());
        let caller = caller.unwrap_or_default();
        let mailbox = match name {
            Some(name) => self.directory.mailbox(name),
            None => self.directory.mailbox_of(&caller),
        };
        let Some(mailbox) = mailbox else {
            return self.serve_not(id, Outcome::Unallocated, "there is no such mailbox");
        };
        let doing = match mailbox.is_of(&caller) {
            true => Doing::Count,
            false if mailbox.pin.is_empty() => {
                return self.serve_not(id, Outcome::Forbidden, "the mailbox belongs to others");
            }
            false => Doing::Pin { typed: String::new(), wrong: 0 },
        };
        self.go_to_mailbox(id, mailbox, doing);
    }

    fn go_to_mailbox(&mut self, id: CallId, mailbox: Arc<Mailbox>, doing: Doing) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        let errand = Errand::Messages { mailbox: mailbox.name.clone() };
        let there = AtMailbox { mailbox, doing, messages: Vec::new(), at: 0, turn: 0, waits: false, leg: None };
        conversation.mailbox = Some(Box::new(there));
        if !self.send_for(errand, Purpose::Messages(id)) {
            self.serve_not(id, Outcome::Congestion, "too much waits for the database");
        }
    }

    /// What is in the mailbox: the call can be answered.
    pub(crate) fn on_messages(&mut self, id: CallId, messages: Option<Vec<Voicemail>>) {
        let there = self.conversations.get_mut(&id).and_then(|conversation| conversation.mailbox.as_mut());
        let Some(there) = there else { return };
        let Some(messages) = messages else {
            return self.serve_not(id, Outcome::SwitchFailure, "the mailbox cannot be read");
        };
        if there.doing == Doing::Greeting && messages.len() >= usize::from(there.mailbox.max_messages) {
            return self.serve_not(id, Outcome::Busy, "the mailbox is full");
        }
        there.messages = messages;
        self.serve_with(id, Service::Mailbox);
    }

    /// The call is answered. `asked`: it has not acknowledged that yet.
    pub(crate) fn at_mailbox(&mut self, id: CallId, leg: LegNo, asked: bool, now: Instant) {
        let there = self.conversations.get_mut(&id).and_then(|conversation| conversation.mailbox.as_mut());
        let Some(there) = there else { return };
        there.waits = asked;
        there.leg = Some(leg);
        if !asked {
            self.mailbox_begins(id, leg, now);
        }
    }

    /// It can hear now.
    pub(crate) fn mailbox_begins(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let Some(there) = self.there(id) else { return };
        there.waits = false;
        let english = there.mailbox.language == "en";
        let said = match &there.doing {
            Doing::Greeting if !there.mailbox.greeting.is_empty() => Item::Prompt(there.mailbox.greeting.clone()),
            Doing::Greeting => text(
                english,
                "请在提示音后留言，按井号键结束。",
                "Please leave a message after the tone. Press the hash key to end.",
            ),
            Doing::Pin { .. } => {
                text(english, "请输入密码，按井号键结束。", "Please enter your PIN, and the hash key.")
            }
            _ => self.count_in_words(id),
        };
        self.say(id, leg, vec![said], now);
    }

    fn there(&mut self, id: CallId) -> Option<&mut AtMailbox> {
        self.conversations.get_mut(&id)?.mailbox.as_deref_mut()
    }

    fn count_in_words(&mut self, id: CallId) -> Item {
        let Some(there) = self.there(id) else { return text(true, "", "") };
        let new = there.messages.iter().filter(|message| !message.heard).count();
        let old = there.messages.len() - new;
        let english = there.mailbox.language == "en";
        text(
            english,
            &format!("您有{new}条新留言，{old}条旧留言。"),
            &format!("You have {new} new and {old} old messages."),
        )
    }

    /// Has something said to the call; [`Cell::mailbox_said`] follows.
    fn say(&mut self, id: CallId, leg: LegNo, items: Vec<Item>, now: Instant) {
        let Some(there) = self.there(id) else { return };
        there.turn = there.turn.wrapping_add(1);
        let turn = there.turn;
        if !self.fetch_for_mailbox(id, turn, items) {
            self.mailbox_said(id, leg, now);
        }
    }

    /// What is to be said is there, or cannot be had.
    pub(crate) fn mailbox_speaks(&mut self, id: CallId, turn: u32, clips: Option<Clips>, now: Instant) {
        let Some(leg) = self.conversations.get(&id).and_then(|c| c.call.served().first().copied()) else { return };
        let Some(there) = self.there(id).filter(|there| there.turn == turn) else { return };
        let greets = there.doing == Doing::Greeting;
        let mut clips: Vec<_> = clips.map(|clips| clips.to_vec()).unwrap_or_default();
        if greets {
            clips.extend(self.beep.get_or_insert_with(beep).iter().cloned());
        }
        let port = self.conversations.get(&id).and_then(|c| c.port(leg));
        let heard = port
            .is_some_and(|port| !clips.is_empty() && self.media.play_list(port, &Play::once(Arc::from(clips)), now));
        if !heard {
            self.mailbox_said(id, leg, now);
        }
    }

    /// What was said to the call has been heard; false if it is at no mailbox.
    pub(crate) fn mailbox_said(&mut self, id: CallId, leg: LegNo, now: Instant) -> bool {
        let Some(there) = self.there(id) else { return false };
        match there.doing.clone() {
            Doing::Greeting => self.take_message(id, leg, now),
            Doing::Count => self.introduce(id, leg, now),
            Doing::Intro => self.fetch_message(id),
            Doing::Message => {
                self.mark_heard(id);
                if let Some(there) = self.there(id) {
                    there.doing = Doing::Choosing;
                }
                self.timers.set(Timer::Mailbox(id), now + THINK);
            }
            Doing::Pin { .. } => self.timers.set(Timer::Mailbox(id), now + THINK),
            Doing::Taking | Doing::Choosing => {}
            Doing::Leaving => self.facts.push_back((id, Input::Announced)),
        }
        true
    }

    /// Nobody pressed a key in time, or the message is as long as it may be.
    pub(crate) fn mailbox_timeout(&mut self, id: CallId, now: Instant) {
        if self.message_over(id, now) {
            return;
        }
        let Some(leg) = self.conversations.get(&id).and_then(|c| c.call.served().first().copied()) else { return };
        match self.there(id).map(|there| there.doing.clone()) {
            Some(Doing::Choosing) => self.next_message(id, leg, now),
            Some(Doing::Pin { .. }) => self.facts.push_back((id, Input::Announced)),
            _ => {}
        }
    }

    /// Tells of the message whose turn it is, or that there is none left.
    fn introduce(&mut self, id: CallId, leg: LegNo, now: Instant) {
        let zone = self.directory.router().calendar();
        let Some(there) = self.conversations.get_mut(&id).and_then(|c| c.mailbox.as_deref_mut()) else { return };
        let english = there.mailbox.language == "en";
        let said = match there.messages.get(there.at) {
            Some(message) => {
                // `2026-11-21 13:04:05`
                let time = zone.date_time(message.at);
                let part =
                    |from: usize, to: usize| time.get(from..to).unwrap_or_default().trim_start_matches('0').to_owned();
                let (month, day, clock) = (part(5, 7), part(8, 10), time.get(11..16).unwrap_or_default());
                there.doing = Doing::Intro;
                text(english, &format!("{month}月{day}日{clock}。"), &format!("{day}.{month}., {clock}."))
            }
            None => {
                there.doing = Doing::Leaving;
                text(english, "没有更多留言。", "There are no more messages.")
            }
        };
        self.say(id, leg, vec![said], now);
    }

    fn fetch_message(&mut self, id: CallId) {
        let Some(there) = self.there(id) else { return };
        let Some(message) = there.messages.get(there.at) else { return };
        there.turn = there.turn.wrapping_add(1);
        let (errand, turn) = (Errand::HearVoicemail { path: message.path.clone() }, there.turn);
        there.doing = Doing::Message;
        if !self.send_for(errand, Purpose::Sound(id, turn)) {
            self.facts.push_back((id, Input::Announced));
        }
    }

    /// The file of a message is not to be had: the next one.
    pub(crate) fn message_missing(&mut self, id: CallId, turn: u32, now: Instant) {
        let leg = self.there(id).filter(|there| there.turn == turn).and_then(|there| there.leg);
        if let Some(leg) = leg {
            tracing::warn!(call = %id, "a message cannot be played: its file is not there");
            self.next_message(id, leg, now);
        }
    }

    fn mark_heard(&mut self, id: CallId) {
        let Some(there) = self.there(id) else { return };
        let Some(message) = there.messages.get_mut(there.at).filter(|message| !message.heard) else { return };
        message.heard = true;
        let errand = Errand::MarkVoicemail { mailbox: message.mailbox.clone(), id: message.id };
        self.send_for(errand, Purpose::Nothing);
    }

    fn next_message(&mut self, id: CallId, leg: LegNo, now: Instant) {
        if let Some(there) = self.there(id) {
            there.at += 1;
        }
        self.introduce(id, leg, now);
    }

    /// A key of a call that may be at a mailbox.
    pub(crate) fn key_at_mailbox(&mut self, id: CallId, leg: LegNo, digit: char, now: Instant) {
        let Some(there) = self.there(id).filter(|there| !there.waits) else { return };
        match (&mut there.doing, digit) {
            (Doing::Taking, '#') => {
                self.message_over(id, now);
            }
            (Doing::Pin { .. }, '#') => self.check_pin(id, leg, now),
            (Doing::Pin { typed, .. }, '0'..='9') if typed.len() < 16 => typed.push(digit),
            (Doing::Intro | Doing::Message | Doing::Choosing, '1' | '7' | '9' | '#') => {
                self.choose(id, leg, digit, now);
            }
            _ => {}
        }
    }

    fn choose(&mut self, id: CallId, leg: LegNo, digit: char, now: Instant) {
        self.timers.cancel(&Timer::Mailbox(id));
        if let Some(port) = self.conversations.get(&id).and_then(|c| c.port(leg)) {
            self.media.stop(port);
        }
        match digit {
            '1' => return self.introduce(id, leg, now),
            '7' => {
                let Some(there) = self.there(id) else { return };
                if let Some(message) = there.messages.get(there.at) {
                    let errand = Errand::RemoveVoicemail { mailbox: message.mailbox.clone(), id: message.id };
                    info!(call = %id, "a message was removed");
                    self.send_for(errand, Purpose::Nothing);
                }
            }
            _ => self.mark_heard(id),
        }
        self.next_message(id, leg, now);
    }

    fn check_pin(&mut self, id: CallId, leg: LegNo, now: Instant) {
        self.timers.cancel(&Timer::Mailbox(id));
        if let Some(port) = self.conversations.get(&id).and_then(|c| c.port(leg)) {
            self.media.stop(port);
        }
        let Some(there) = self.there(id) else { return };
        let Doing::Pin { typed, wrong } = &mut there.doing else { return };
        if *typed == there.mailbox.pin {
            there.doing = Doing::Count;
        } else {
            typed.clear();
            *wrong += 1;
            if *wrong >= PINS {
                info!(call = %id, "no right PIN for a mailbox");
                return self.facts.push_back((id, Input::Announced));
            }
        }
        self.mailbox_begins(id, leg, now);
    }

    /// The message is in the mailbox, or was too short.
    pub(crate) fn end_message(&mut self, id: CallId, leg: LegNo, kept: bool, now: Instant) {
        if self.conversations.get(&id).is_none_or(|c| !c.call.served().contains(&leg)) {
            return;
        }
        let Some(there) = self.there(id) else { return };
        there.doing = Doing::Leaving;
        let english = there.mailbox.language == "en";
        let said = match kept {
            true => text(english, "留言已保存，再见。", "Your message was saved. Good-bye."),
            false => text(english, "没有留言，再见。", "There was no message. Good-bye."),
        };
        self.say(id, leg, vec![said], now);
    }

    /// A call is at the mailbox no longer.
    pub(crate) fn leave_mailbox(&mut self, id: CallId, leg: LegNo, now: Instant) {
        if self.there(id).is_none_or(|there| there.leg != Some(leg)) {
            return;
        }
        self.message_over(id, now);
        self.timers.cancel(&Timer::Mailbox(id));
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.mailbox = None;
        }
    }
}

fn text(english: bool, zh: &str, en: &str) -> Item {
    let (text, voice) = if english { (en, "en") } else { (zh, "cmn") };
    Item::Text { text: text.to_owned(), voice: voice.to_owned(), speed: 100 }
}
