//! Agents at their toolbars: each has a task that hears the events about its extension, obeys its page, and outlives its page's
//! connection for a while.
//!
//! One reader of the bus gives each event to those whom it is about. An agent that does not keep up (1024 letters wait) misses some,
//! and then asks for the calls that there are.

use super::calls::Known;
use super::decode::Request;
use super::session::{Account, Out, Session};
use super::{desk, encode, login};
use crate::events::{Next, Told};
use crate::state::App;
use model::{CallId, Direction, EventBody, User};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stdx::UnixMillis;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Letters that wait for one agent.
const LETTERS: usize = 1024;
/// Calls whose beginning is remembered.
const CALLS: usize = 65_536;
/// The desk says within this time what an agent does after a call.
const SETTLES: Duration = Duration::from_secs(2);

/// What an agent's task is told.
pub(super) enum Letter {
    Event(Arc<Told>, Option<Arc<Known>>),
    /// A page has connected.
    Page(Page),
    /// A page wants something.
    Request(u64, Request),
    /// A page's connection is gone.
    Gone(u64),
    /// The switch goes down.
    Closing,
}

/// What a page's connection is told.
#[derive(Debug)]
pub(super) enum Said {
    Text(String),
    Close(u16, &'static str),
}

/// A page's connection.
pub(super) struct Page {
    /// No other of this run has it.
    pub(super) id: u64,
    pub(super) token: String,
    pub(super) to: mpsc::Sender<Said>,
}

/// Who is there.
#[derive(Default)]
pub(crate) struct Bars(Arc<Mutex<Seats>>);

#[derive(Default)]
struct Seats {
    seats: BTreeMap<i64, Seat>,
    by_extension: BTreeMap<String, BTreeSet<i64>>,
    by_agent: BTreeMap<String, i64>,
    /// The bus is being read.
    is_read: bool,
    pages: u64,
}

struct Seat {
    extension: String,
    agent: String,
    to: mpsc::Sender<Letter>,
    /// It has missed something.
    missed: Arc<AtomicBool>,
}

impl Bars {
    /// A number for a connection.
    pub(super) fn number_page(&self) -> u64 {
        let mut seats = self.seats();
        seats.pages += 1;
        seats.pages
    }

    /// A page of a user has connected; where its wishes go is given back.
    pub(super) async fn attach(&self, app: &App, user: User, page: Page) -> Option<mpsc::Sender<Letter>> {
        let (to, begins) = {
            let mut seats = self.seats();
            if !std::mem::replace(&mut seats.is_read, true) {
                tokio::spawn(read(app.clone()));
            }
            // An account that has got another extension begins anew.
            let known = seats.seats.get(&user.id).filter(|seat| Some(&seat.extension) == extension_of(&user));
            match known.map(|seat| seat.to.clone()) {
                Some(to) => (to, None),
                None => {
                    seats.leave(user.id);
                    let (to, inbox) = mpsc::channel(LETTERS);
                    let missed = Arc::new(AtomicBool::new(false));
                    let extension = user.extension.clone().unwrap_or_default();
                    seats.by_extension.entry(extension.clone()).or_default().insert(user.id);
                    let seat = Seat { extension, agent: String::new(), to: to.clone(), missed: Arc::clone(&missed) };
                    seats.seats.insert(user.id, seat);
                    (to, Some((inbox, missed)))
                }
            }
        };
        if let Some((inbox, missed)) = begins {
            let token = page.token.clone();
            tokio::spawn(work(app.clone(), user, token, inbox, missed));
        }
        to.send(Letter::Page(page)).await.ok().map(|()| to)
    }

    /// An agent's task learns by what name the desk knows it.
    fn named(&self, user: i64, agent: &str) {
        let seats = &mut *self.seats();
        if let Some(seat) = seats.seats.get_mut(&user).filter(|seat| seat.agent != agent) {
            seats.by_agent.remove(&std::mem::replace(&mut seat.agent, agent.to_owned()));
            seats.by_agent.insert(agent.to_owned(), user);
        }
    }

    /// An agent's task would end: false if something has come for it.
    fn leave(&self, user: i64, missed: &Arc<AtomicBool>, inbox: &mpsc::Receiver<Letter>) -> bool {
        let mut seats = self.seats();
        if !inbox.is_empty() {
            return false;
        }
        // The seat may be another's by now, if the account has got another extension.
        if seats.seats.get(&user).is_some_and(|seat| Arc::ptr_eq(&seat.missed, missed)) {
            seats.leave(user);
        }
        true
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seats {
    fn leave(&mut self, user: i64) {
        let Some(seat) = self.seats.remove(&user) else { return };
        self.by_agent.remove(&seat.agent);
        if let Some(all) = self.by_extension.get_mut(&seat.extension) {
            all.remove(&user);
            if all.is_empty() {
                self.by_extension.remove(&seat.extension);
            }
        }
    }

    /// Gives an event to all whom it is about.
    fn deliver(&self, told: &Arc<Told>, known: Option<&Arc<Known>>) {
        let mut to: BTreeSet<i64> =
            told.concerned().filter_map(|number| self.by_extension.get(number)).flatten().copied().collect();
        if let EventBody::AgentChanged { agent, .. } | EventBody::OfferMissed { agent, .. } = &told.body {
            to.extend(self.by_agent.get(agent));
        }
        for seat in to.iter().filter_map(|user| self.seats.get(user)) {
            if seat.to.try_send(Letter::Event(Arc::clone(told), known.cloned())).is_err() {
                seat.missed.store(true, Ordering::Release);
            }
        }
    }
}

fn extension_of(user: &User) -> Option<&String> {
    static NONE: String = String::new();
    user.extension.as_ref().or(Some(&NONE))
}

/// Reads the bus for all agents.
async fn read(app: App) {
    let mut reader = app.events.reader();
    let mut calls: BTreeMap<CallId, Arc<Known>> = BTreeMap::new();
    remember_all(&app, &mut calls).await;
    while let Some(next) = reader.next().await {
        let told = match next {
            Next::Event(told) => told,
            Next::Gap(gap) => {
                tracing::warn!(?gap, "toolbars missed events: they look at the calls that there are");
                remember_all(&app, &mut calls).await;
                app.bars.seats().seats.values().for_each(|seat| seat.missed.store(true, Ordering::Release));
                continue;
            }
        };
        if let EventBody::CallStarted { call, caller, callee, direction } = &told.body
            && calls.len() < CALLS
        {
            let known = Known { caller: caller.clone(), callee: callee.clone(), direction: *direction };
            calls.insert(*call, Arc::new(known));
        }
        let known = told.body.call().and_then(|call| calls.get(&call)).cloned();
        let known = match known {
            // Where it goes is known only later, and the page asks now.
            Some(known)
                if matches!(told.body, EventBody::LegDialing { .. }) && known.direction == Direction::Unknown =>
            {
                let inside = app.store.extension(&known.callee).await.is_ok_and(|found| found.is_some());
                let direction = if inside { Direction::Internal } else { Direction::Outbound };
                let known = Arc::new(Known { direction, ..Known::clone(&known) });
                calls.extend(told.body.call().map(|call| (call, Arc::clone(&known))));
                Some(known)
            }
            known => known,
        };
        app.bars.seats().deliver(&told, known.as_ref());
        if let EventBody::CallEnded { record } = &told.body {
            calls.remove(&record.id);
        }
    }
    let all: Vec<_> = app.bars.seats().seats.values().map(|seat| seat.to.clone()).collect();
    for to in all {
        drop(to.try_send(Letter::Closing));
    }
}

async fn remember_all(app: &App, calls: &mut BTreeMap<CallId, Arc<Known>>) {
    for live in app.switch.calls().await.unwrap_or_default().into_iter().take(CALLS) {
        let known = Known { caller: live.caller, callee: live.callee, direction: live.direction };
        calls.insert(live.id, Arc::new(known));
    }
}

/// An agent's work, until it has gone home and its page too.
async fn work(app: App, user: User, token: String, mut inbox: mpsc::Receiver<Letter>, missed: Arc<AtomicBool>) {
    let id = user.id;
    let mut bar = Bar::begin(app.clone(), user, token).await;
    loop {
        let deadline = bar.deadline();
        let wakes = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            letter = inbox.recv() => match letter {
                Some(Letter::Closing) => {
                    bar.close(1001, "the switch is shutting down");
                    return;
                }
                Some(letter) => bar.take(letter).await,
                None => return,
            },
            () = wakes => bar.on_time().await,
        }
        if missed.swap(false, Ordering::AcqRel) {
            bar.look_at_calls().await;
        }
        if bar.is_done() && app.bars.leave(id, &missed, &inbox) {
            return;
        }
    }
}

struct Bar {
    app: App,
    session: Session,
    page: Option<Page>,
    sequence: u64,
    /// The page's connection was lost: until then the agent stays at work.
    grace: Option<Instant>,
    /// The desk has until then to say what the agent does after a call.
    settles: Option<Instant>,
}

impl Bar {
    async fn begin(app: App, user: User, token: String) -> Self {
        let agent = login::agent_of(&app, &user).await.ok().flatten();
        let name = agent.as_ref().map_or_else(|| login::name_for(&user), |agent| agent.name.clone());
        app.bars.named(user.id, &name);
        let account = Account { user, agent: name };
        let mut session = Session::new(account, app.ctibar.clone());
        let status = app.switch.agents().await.unwrap_or_default();
        let status = status.into_iter().find(|status| status.name == session.account.agent);
        if let Some(status) = status.filter(|status| status.extension == session.account.extension())
            && !status.extension.is_empty()
        {
            // It was at work before: the switch was started anew, or it logged in by its phone.
            let data = login::data(&app, &session.account.user, &token, agent.as_ref()).await.unwrap_or(json!({}));
            session.found(status.state, data);
        }
        let mut bar = Self { app, session, page: None, sequence: 0, grace: None, settles: None };
        bar.look_at_calls().await;
        bar
    }

    async fn take(&mut self, letter: Letter) {
        match letter {
            Letter::Event(told, known) => {
                let mut out = Vec::new();
                self.session.on_event(told.at, &told.body, known.as_deref(), &mut out);
                self.say(out).await;
            }
            Letter::Page(page) => self.welcome(page).await,
            Letter::Request(from, request) => self.obey(from, &request).await,
            Letter::Gone(page) => {
                if self.page.take_if(|known| known.id == page).is_some() {
                    self.grace = Some(Instant::now() + self.app.ctibar.grace);
                }
            }
            Letter::Closing => {}
        }
        if !self.session.owes_state() {
            self.settles = None;
        } else if self.settles.is_none() {
            self.settles = Some(Instant::now() + SETTLES);
        }
    }

    /// A page has connected: it takes the place of the one before.
    async fn welcome(&mut self, page: Page) {
        let restored = self.session.is_signed_in();
        if self.page.is_some() {
            self.tell("onKickout", &json!({ "reason": "另一处登录" }));
            self.close(4409, "the account connected elsewhere");
        }
        let id = page.id;
        (self.page, self.sequence, self.grace) = (Some(page), 0, None);
        let user = &self.session.account.user;
        let hello = json!({
            "sessionId": format!("{}-{id}", user.id), "user": user.username, "nickname": user.nickname,
            "extNo": self.session.account.extension(), "state": self.session.state().name(),
            "heartbeat": self.app.ctibar.heartbeat.as_secs(), "restored": restored,
        });
        self.tell("onConnect", &hello);
        let mut out = Vec::new();
        self.session.repeat(&mut out);
        self.say(out).await;
    }

    async fn obey(&mut self, from: u64, request: &Request) {
        // A page that was sent away commands nobody.
        let Some(token) = self.page.as_ref().filter(|page| page.id == from).map(|page| page.token.clone()) else {
            return;
        };
        let mut after = Vec::new();
        let result = desk::obey(&self.app, &mut self.session, &token, request, &mut after).await;
        if let Err(refused) = &result {
            tracing::debug!(
                user = self.session.account.user.id,
                cmd = request.cmd,
                ?refused,
                "a toolbar's command was refused"
            );
        }
        self.app.bars.named(self.session.account.user.id, &self.session.account.agent);
        self.send(encode::reply(&request.id, &request.cmd, &result, self.app.ctibar.language).to_string());
        self.say(after).await;
    }

    async fn say(&mut self, out: Vec<Out>) {
        for out in out {
            match out {
                Out::Event(name, data) => self.tell(name, &data),
                Out::Command(command) => {
                    if let Err(refusal) = self.app.switch.ask(command).await {
                        tracing::debug!(?refusal, "what a toolbar's rules want was refused");
                    }
                }
                Out::Recognise(call, leg) => drop(self.app.switch.recognise((call, leg)).await),
            }
        }
    }

    fn tell(&mut self, name: &str, data: &serde_json::Value) {
        self.sequence += 1;
        let at = (unix_ms(), self.app.ctibar.offset_minutes);
        self.send(encode::event(name, self.sequence, at, data).to_string());
    }

    /// A page that does not read is dropped, and comes back.
    fn send(&mut self, text: String) {
        let slow = self.page.as_ref().is_some_and(|page| page.to.try_send(Said::Text(text)).is_err());
        if slow {
            self.page = None;
            self.grace = Some(Instant::now() + self.app.ctibar.grace);
        }
    }

    fn close(&mut self, code: u16, why: &'static str) {
        if let Some(page) = self.page.take() {
            drop(page.to.try_send(Said::Close(code, why)));
        }
    }

    async fn look_at_calls(&mut self) {
        let Ok(calls) = self.app.switch.calls().await else { return };
        let mut out = Vec::new();
        self.session.adopt(&calls, unix_ms(), &mut out);
        self.say(out).await;
    }

    fn deadline(&self) -> Option<Instant> {
        // In a call, its end is waited for.
        let grace = self.grace.filter(|_| !self.session.is_in_call());
        grace.into_iter().chain(self.settles).min()
    }

    async fn on_time(&mut self) {
        let now = Instant::now();
        let mut out = Vec::new();
        if self.settles.take_if(|at| *at <= now).is_some() {
            self.session.settle(&mut out);
        }
        if self.grace.is_some_and(|at| at <= now) && !self.session.is_in_call() && self.session.is_signed_in() {
            let agent = self.session.account.agent.clone();
            out.push(Out::Command(model::Command::LogOutAgent { agent }));
            self.session.logged_out("timeout", &mut out);
        }
        self.say(out).await;
    }

    /// Nobody is there, and nobody is waited for.
    fn is_done(&self) -> bool {
        self.page.is_none()
            && !self.session.is_in_call()
            && (!self.session.is_signed_in() || self.grace.is_some_and(|at| at <= Instant::now()))
    }
}

/// The wall clock, Unix milliseconds.
pub(super) fn unix_ms() -> UnixMillis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
