//! What a test does with a phone, and what it asks of it.

mod hearing;
mod setup;

use crate::sound::Sound;
use crate::ua::line::{End, LineState};
use crate::ua::{Referred, Ua};
use crate::world::Inner;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

/// A phone in a world, or the peer at the far end of a trunk. Clones are the same phone.
///
/// What a test asks is about the phone's latest call.
#[derive(Clone)]
pub struct Phone {
    pub(crate) inner: Rc<RefCell<Inner>>,
    pub(crate) index: usize,
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Phone({})", self.name())
    }
}

impl Phone {
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Ua, Instant) -> T) -> T {
        let inner = self.inner.borrow();
        question(&inner.uas[self.index], inner.now)
    }

    pub(crate) fn act<T>(&self, action: impl FnOnce(&mut Ua, Instant) -> T) -> T {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        let result = action(&mut inner.uas[self.index], now);
        inner.flush_ua(self.index);
        result
    }

    fn on_line(&self, action: impl FnOnce(&mut Ua, usize, Instant)) {
        self.act(|ua, now| match ua.lines.len().checked_sub(1) {
            Some(line) => action(ua, line, now),
            None => panic!("phone {} has no call", ua.name),
        });
    }

    fn of_line<T>(&self, question: impl FnOnce(&crate::ua::line::Line, Instant) -> T) -> Option<T> {
        self.ask(|ua, now| ua.lines.last().map(|line| question(line, now)))
    }

    // Who it is.

    /// Its name on ladders.
    pub fn name(&self) -> String {
        self.ask(|ua, _| ua.name.clone())
    }

    /// Its number.
    pub fn number(&self) -> String {
        self.ask(|ua, _| ua.number.clone())
    }

    /// Its voice: what the other side hears when it speaks.
    pub fn voice(&self) -> Sound {
        self.ask(|ua, _| ua.voice)
    }

    /// Its own address; behind a NAT box a private one.
    pub fn address(&self) -> SocketAddr {
        self.ask(|ua, _| ua.addr)
    }

    // What its owner does.

    /// Sends REGISTER.
    pub fn register(&self) {
        self.act(Ua::register);
    }

    /// Takes its registration back.
    pub fn unregister(&self) {
        self.act(Ua::unregister);
    }

    /// Sends OPTIONS to the switch.
    pub fn ping(&self) {
        self.act(Ua::options);
    }

    /// Subscribes to an event of a number for so many seconds: `dialog`, `presence`, `message-summary`, `reg`. It renews by itself.
    pub fn subscribe(&self, number: &str, event: &str, seconds: u32) {
        self.act(|ua, now| ua.subscribe(number, event, seconds, now));
    }

    /// Renews its subscription to an event of a number now, or with 0 takes it back.
    pub fn resubscribe(&self, number: &str, event: &str, seconds: u32) {
        self.act(|ua, now| {
            let index = ua.events.subscriptions.iter().rposition(|s| s.number == number && s.event == event);
            ua.resubscribe(index.unwrap_or_else(|| panic!("{} watches no {event} of {number}", ua.name)), seconds, now);
        });
    }

    /// The final status of its last SUBSCRIBE to an event of a number.
    pub fn subscribe_status(&self, number: &str, event: &str) -> Option<u16> {
        self.of_subscription(number, event, |subscription| subscription.status).flatten()
    }

    /// Subscription-State and body of every NOTIFY of its latest subscription to an event of a number.
    pub fn notices(&self, number: &str, event: &str) -> Vec<(String, String)> {
        self.of_subscription(number, event, |subscription| subscription.notices.clone()).unwrap_or_default()
    }

    fn of_subscription<T>(
        &self,
        number: &str,
        event: &str,
        question: impl FnOnce(&crate::ua::events::Subscription) -> T,
    ) -> Option<T> {
        self.ask(|ua, _| {
            let mut all = ua.events.subscriptions.iter().rev();
            all.find(|s| s.number == number && s.event == event).map(question)
        })
    }

    /// The lamp of a number that it watches: `off`, `trying`, `ringing` or `on`; `None` while nothing was told.
    pub fn lamp(&self, number: &str) -> Option<&'static str> {
        let (_, body) = self.notices(number, "dialog").pop()?;
        Some(match () {
            () if body.contains(">confirmed<") => "on",
            () if body.contains(">early<") => "ringing",
            () if body.contains(">trying<") => "trying",
            () => "off",
        })
    }

    /// Publishes its presence, `open` or `closed`, with a note; without a note it takes the publication back.
    pub fn publish(&self, basic: &str, note: Option<&str>) {
        self.act(|ua, now| ua.publish(basic, note, now));
    }

    /// The final status of its last PUBLISH.
    pub fn publish_status(&self) -> Option<u16> {
        self.ask(|ua, _| ua.events.published)
    }

    /// Sends a text to a number.
    pub fn text(&self, number: &str, text: &str) {
        self.act(|ua, now| ua.send_text(number, text, None, now));
    }

    /// Sends a text that is worth nothing after so many seconds.
    pub fn text_for(&self, number: &str, text: &str, seconds: u32) {
        self.act(|ua, now| ua.send_text(number, text, Some(seconds), now));
    }

    /// The final status of every text it sent; none for one under way.
    pub fn text_statuses(&self) -> Vec<Option<u16>> {
        self.ask(|ua, _| ua.events.sent.clone())
    }

    /// What it says to texts from now on; 200 unless told otherwise.
    pub fn answer_texts_with(&self, status: u16) {
        self.act(|ua, _| ua.events.answer = Some(status));
    }

    /// The texts that came in: from whom, and what.
    pub fn texts(&self) -> Vec<(String, String)> {
        self.ask(|ua, _| ua.events.messages.clone())
    }

    /// Calls a number through the switch.
    pub fn dial(&self, number: &str) {
        self.act(|ua, now| {
            let uri = format!("sip:{number}@{}", ua.domain);
            ua.dial(&uri, None, now);
        });
    }

    /// Calls a number with this session description instead of its own; an empty one is none at all.
    pub fn dial_describing(&self, number: &str, description: &str) {
        self.act(|ua, now| {
            let uri = format!("sip:{number}@{}", ua.domain);
            ua.dial(&uri, Some(description.as_bytes().to_vec()), now);
        });
    }

    /// Calls another phone without any switch between.
    pub fn dial_directly(&self, other: &Phone) {
        let uri = format!("sip:{}@{}", other.number(), other.address());
        self.act(|ua, now| {
            ua.dial(&uri, None, now);
        });
    }

    /// How many reliable provisional responses its calls have acknowledged.
    pub fn ringing_acknowledged(&self) -> usize {
        self.of_line(|line, _| line.pracked.len()).unwrap_or(0)
    }

    /// Answers the call that rings.
    pub fn answer(&self) {
        self.on_line(|ua, line, now| ua.pick_up(line, now));
    }

    /// Refuses the call that rings, with this status.
    pub fn refuse(&self, status: u16) {
        self.on_line(|ua, line, now| ua.refuse(line, status, now));
    }

    /// Ends the latest call, whatever state it is in: CANCEL, 603 or BYE.
    pub fn hang_up(&self) {
        self.on_line(Ua::hang_up);
    }

    /// Sends BYE even if the call is not answered yet, as RFC 3261 §15 allows a caller.
    pub fn bye(&self) {
        self.on_line(Ua::bye);
    }

    /// Puts the call on hold by a re-INVITE with `sendonly`.
    pub fn hold(&self) {
        self.on_line(|ua, line, now| ua.reinvite(line, "sendonly", now));
    }

    /// Takes the call back from hold.
    pub fn unhold(&self) {
        self.on_line(|ua, line, now| ua.reinvite(line, "sendrecv", now));
    }

    /// Offers another codec in its call (re-INVITE): `PCMA`, `PCMU`, `G722` or `L16`.
    pub fn change_codec(&self, codec: &str) {
        self.speak_only(codec);
        self.unhold();
    }

    /// A page begins ICE anew in its call, as after a change of network.
    pub fn restart_ice(&self) {
        self.on_line(|ua, line, now| {
            ua.lines[line].media.restarts = true;
            ua.reinvite(line, "sendrecv", now);
        });
    }

    /// Asks the other side for an offer in its call: a re-INVITE without a description.
    pub fn ask_for_offer(&self) {
        self.on_line(Ua::reinvite_late);
    }

    /// Presses keys, one after the other (RFC 4733).
    pub fn press(&self, keys: &str) {
        self.on_line(|ua, line, _| ua.lines[line].media.press(keys));
    }

    /// Presses keys as tones in its voice, one after the other.
    pub fn press_as_tones(&self, keys: &str) {
        let pcm: Vec<i16> = keys.chars().flat_map(crate::sound::key_tones).collect();
        self.say(&pcm);
    }

    /// Says this (16-bit linear, 8 kHz) in its latest call; then its voice goes on.
    pub fn say(&self, pcm: &[i16]) {
        self.on_line(|ua, line, _| ua.lines[line].media.say(pcm));
    }

    /// Presses a key that travels by INFO.
    pub fn press_by_info(&self, key: char) {
        self.on_line(|ua, line, now| ua.send_key(line, key, now));
    }

    /// Transfers the latest call to a number (REFER).
    pub fn transfer(&self, number: &str) {
        self.on_line(|ua, line, now| ua.refer(line, number, now));
    }

    /// Joins the other parties of its two latest calls: the earlier one is transferred into the latest (REFER with Replaces).
    pub fn join_calls(&self) {
        self.on_line(|ua, line, now| ua.refer_into(line - 1, line, now));
    }

    /// Takes the place of another phone in its latest call, or the call that rings there (INVITE with Replaces).
    pub fn take_over(&self, other: &Phone) {
        let dialog = other.ask(|ua, _| ua.lines.len().checked_sub(1).map(|line| ua.names(line)));
        let dialog = dialog.unwrap_or_else(|| panic!("{other:?} has no call"));
        self.act(|ua, now| ua.dial_naming("Replaces", dialog.replaces(), now));
    }

    /// Listens to another phone's latest call (INVITE with Join).
    pub fn listen_to(&self, other: &Phone) {
        let dialog = other.ask(|ua, _| ua.lines.len().checked_sub(1).map(|line| ua.names(line)));
        let dialog = dialog.unwrap_or_else(|| panic!("{other:?} has no call"));
        self.act(|ua, now| ua.dial_naming("Join", dialog.replaces(), now));
    }

    /// Takes the call that rings at a number whose lamp it has, as its lamp key does: by the ids of the last document that named
    /// one (RFC 4235), which it puts into Replaces. False if the lamp shows no ringing call.
    pub fn pick_up(&self, number: &str) -> bool {
        let Some(value) = self.ringing_dialog(number) else { return false };
        self.act(|ua, now| ua.dial_naming("Replaces", value, now));
        true
    }

    fn ringing_dialog(&self, number: &str) -> Option<String> {
        let (_, body) = self.notices(number, "dialog").pop()?;
        let dialog = body.split("<dialog ").find(|dialog| dialog.contains(">early<"))?;
        let of = |name: &str| dialog.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split('"').next());
        let (id, local, remote) = (of("call-id")?, of("local-tag")?, of("remote-tag")?);
        // The watched phone is the local side of the document and the called side of its dialog: to-tag is its own tag (RFC 3891 §3).
        Some(format!("{id};to-tag={local};from-tag={remote}"))
    }

    /// Its microphone breaks: no RTP and no RTCP any more, signalling works.
    pub fn fall_silent(&self) {
        self.act(|ua, _| ua.silent = true);
    }

    /// Somebody pulls the plug: nothing in, nothing out, and nobody is told.
    pub fn vanish(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.uas[self.index].on = false;
        let ip = inner.uas[self.index].addr.ip();
        inner.network.set_dark(ip, true);
    }

    /// It was switched off for a moment: it knows of no call any more.
    pub fn forget_calls(&self) {
        self.act(|ua, _| ua.forget_calls());
    }

    /// Its stream breaks: both ends hear of it.
    pub fn break_stream(&self) {
        let mut inner = self.inner.borrow_mut();
        let now = inner.now;
        inner.streams.break_of(self.index, now);
    }

    /// It forgets its stream and does not connect again: the switch hears of it when it sends.
    pub fn forget_stream(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.uas[self.index].reconnects = false;
        inner.streams.forget_of(self.index);
    }

    /// It does not come back when its stream ends.
    pub fn stay_away(&self) {
        self.act(|ua, _| ua.reconnects = false);
    }

    /// It sends a keep-alive each 25 s.
    pub fn keep_alive(&self) {
        self.act(Ua::keep_alive);
    }

    /// Keep-alives that were answered.
    pub fn pongs(&self) -> u64 {
        self.ask(|ua, _| ua.pongs)
    }

    /// Streams of it that ended.
    pub fn streams_lost(&self) -> u64 {
        self.ask(|ua, _| ua.streams_lost)
    }

    /// The phone's line is cut or mended; the phone itself does not notice.
    pub fn set_cut_off(&self, cut: bool) {
        let mut inner = self.inner.borrow_mut();
        let ip = inner.uas[self.index].addr.ip();
        inner.network.set_dark(ip, cut);
    }

    /// Its line is mended after [`Phone::vanish`], and it begins again with what it knew.
    pub fn come_back(&self) {
        let mut inner = self.inner.borrow_mut();
        inner.uas[self.index].on = true;
        let ip = inner.uas[self.index].addr.ip();
        inner.network.set_dark(ip, false);
    }

    // As the far end of a trunk that one registers with.

    /// It has one customer from now on, who has to prove himself for whatever he wants.
    pub fn be_carrier(&self, user: &str, password: &str) {
        self.act(|ua, _| ua.become_carrier(user, password));
    }

    /// It grants registrations of at most so many seconds.
    pub fn carrier_grants(&self, seconds: u32) {
        self.act(|ua, _| ua.carrier.as_mut().expect("a carrier").grants = seconds);
    }

    /// It refuses registrations of fewer seconds with 423.
    pub fn carrier_wants(&self, seconds: u32) {
        self.act(|ua, _| ua.carrier.as_mut().expect("a carrier").least = seconds);
    }

    /// It answers every REGISTER with this status, or as usual again.
    pub fn carrier_refuses(&self, status: Option<u16>) {
        self.act(|ua, _| ua.carrier.as_mut().expect("a carrier").refuses = status);
    }

    /// The contact that its customer has registered, while that holds.
    pub fn customer(&self) -> Option<String> {
        self.ask(|ua, now| ua.customer_at(now))
    }

    /// REGISTERs that it let in.
    pub fn carrier_registers(&self) -> u64 {
        self.ask(|ua, _| ua.carrier.as_ref().map_or(0, |carrier| carrier.registers))
    }

    /// What it does from now on when it is asked to take itself to another number (REFER); 501 unless told.
    pub fn take_refer(&self, how: Referred) {
        self.act(|ua, _| ua.takes_refer = Some(how));
    }

    /// Whom it was asked to call (Refer-To).
    pub fn referred_to(&self) -> Vec<String> {
        self.ask(|ua, _| ua.referred_to.clone())
    }

    /// Tells in its first call how it gets on with a REFER, whether or not there is one.
    pub fn tell_of_refer(&self, status: u16) {
        self.act(|ua, now| ua.tell_status(0, status, true, now));
    }

    /// What the switch said to its NOTIFYs about that.
    pub fn notify_statuses(&self) -> Vec<u16> {
        self.ask(|ua, _| ua.notify_statuses.clone())
    }

    // What it knows.

    /// Is it registered, as far as it knows?
    pub fn is_registered(&self) -> bool {
        self.ask(|ua, _| ua.registration.registered)
    }

    /// The final status of its last REGISTER.
    pub fn register_status(&self) -> Option<u16> {
        self.ask(|ua, _| ua.registration.status)
    }

    /// How many contacts the registrar named in its last answer.
    pub fn registered_contacts(&self) -> usize {
        self.ask(|ua, _| ua.registration.contacts)
    }

    /// The final status of its last OPTIONS.
    pub fn ping_status(&self) -> Option<u16> {
        self.ask(|ua, _| ua.registration.options_status)
    }

    /// Where its latest call stands; `None` if it never had one.
    pub fn state(&self) -> Option<LineState> {
        self.of_line(|line, _| line.state)
    }

    /// It is in conversation.
    pub fn is_talking(&self) -> bool {
        self.state() == Some(LineState::Talking)
    }

    /// It rings: somebody calls.
    pub fn is_ringing(&self) -> bool {
        self.state() == Some(LineState::Incoming)
    }

    /// Nothing goes on, and it never had a call that is not over.
    pub fn is_idle(&self) -> bool {
        self.ask(|ua, _| ua.lines.iter().all(crate::ua::line::Line::is_over))
    }

    /// How its latest call ended; `None` while it lasts.
    pub fn end(&self) -> Option<End> {
        match self.state()? {
            LineState::Over(end) => Some(end),
            LineState::Dialing
            | LineState::Ringing
            | LineState::EarlyMedia
            | LineState::Incoming
            | LineState::Talking => None,
        }
    }

    /// Every status it saw on its latest INVITE, in order.
    pub fn statuses(&self) -> Vec<u16> {
        self.of_line(|line, _| line.statuses.clone()).unwrap_or_default()
    }

    /// The final status of its last re-INVITE.
    pub fn reinvite_status(&self) -> Option<u16> {
        self.of_line(|line, _| line.reinvite_status).flatten()
    }

    /// The final status of its REFER in its latest call that had one.
    pub fn refer_status(&self) -> Option<u16> {
        self.ask(|ua, _| ua.lines.iter().rev().find_map(|line| line.refer_status))
    }

    /// What it was told of its transfers: the first lines of the messages in NOTIFY.
    pub fn progress(&self) -> Vec<String> {
        self.ask(|ua, _| ua.lines.iter().flat_map(|line| line.progress.clone()).collect())
    }

    /// Keys that came by INFO in its latest call.
    pub fn keys_by_info(&self) -> String {
        self.of_line(|line, _| line.keys_by_info.clone()).unwrap_or_default()
    }

    /// The final status of its BYE.
    pub fn bye_status(&self) -> Option<u16> {
        self.of_line(|line, _| line.bye_status).flatten()
    }

    /// The Reason header of what ended its latest call.
    pub fn reason(&self) -> Option<String> {
        self.of_line(|line, _| line.reason.clone()).flatten()
    }

    /// Its 200 was acknowledged, or it acknowledged one.
    pub fn is_confirmed(&self) -> bool {
        self.of_line(|line, _| line.confirmed).unwrap_or(false)
    }

    /// The Call-ID of its latest call.
    pub fn call_id(&self) -> String {
        self.of_line(|line, _| line.call_id.clone()).unwrap_or_default()
    }

    /// The last INVITE that reached it, as text; empty before the first.
    pub fn invite(&self) -> String {
        self.ask(|ua, _| ua.last_invite.clone())
    }

    /// A header of the last INVITE that reached it.
    pub fn invited_with(&self, name: &str) -> Option<String> {
        self.invite().lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// How many calls came in, refused ones included.
    pub fn calls_received(&self) -> u64 {
        self.ask(|ua, _| ua.invites_received)
    }

    /// Where the other side wants its sound to go.
    pub fn sound_goes_to(&self) -> Option<SocketAddr> {
        self.of_line(|line, _| line.media.remote_address()).flatten()
    }

    /// Where it wants sound itself.
    pub fn sound_comes_to(&self) -> Option<SocketAddr> {
        let ip = self.address().ip();
        self.of_line(|line, _| SocketAddr::new(ip, line.media.local_port()))
    }

    /// The payload types that the other side described, in its order.
    pub fn offered_payload_types(&self) -> Vec<u8> {
        self.of_line(|line, _| line.media.remote_payload_types()).unwrap_or_default()
    }

    /// Digits it heard in its latest call.
    pub fn digits(&self) -> String {
        self.of_line(|line, _| line.media.digits.clone()).unwrap_or_default()
    }

    /// The sound of its latest call is encrypted, both ways.
    pub fn is_sealed(&self) -> bool {
        self.of_line(|line, _| line.media.is_sealed()).unwrap_or(false)
    }

    /// RTCP reports it got in its latest call.
    pub fn reports(&self) -> u64 {
        self.of_line(|line, _| line.media.reports).unwrap_or(0)
    }

    /// RTP packets that came from elsewhere than the other side of the call.
    pub fn strangers_packets(&self) -> u64 {
        self.ask(|ua, _| ua.strangers_packets)
    }
}
