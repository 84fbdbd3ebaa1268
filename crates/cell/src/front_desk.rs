//! The desk of the switch, beside one of its cells: what queues and agents decide, said in letters to the cells of the callers.
//!
//! There is one in the whole switch, at worker [`DESK`]. It never touches a call: it says `Offer`, hears how that went, and decides
//! again. Its bounds are those of what it is about: callers are calls, agents are settings.

use crate::home::home;
use crate::io::{Body, FromDesk, Output, ToDesk};
use acd::{AgentImage, Desk, OfferId, Standing};
use model::{
    Agent, AgentStatus, Answer, CallId, Command, EventBody, Query, Queue, QueueStatus, Refusal, Reply, WaitingCaller,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};
use stdx::{Entropy, UnixMillis, Wall};

/// The worker whose desk it is.
pub const DESK: u16 = 0;

/// What happened at the desk is in the hot store at the latest after this time. What a `kill -9` within it may take: the newest places
/// and figures. Agents' states are kept before they are told.
const SAVE: Duration = Duration::from_millis(100);

/// The key of the desk's image in the hot store.
pub(crate) const IMAGE: &[u8] = b"desk/image";

/// Before the name of an agent: what is known of it since the image was written. A command is answered when this is kept.
pub(crate) const AGENT: &[u8] = b"desk/agent/";

/// What the desk has to say.
#[derive(Debug)]
pub(crate) enum Said {
    /// To a cell, which may be the one beside it.
    Letter { to: u16, body: Body },
    /// To those who watch.
    Event(EventBody),
    /// To the shell.
    Wish(Output),
}

/// What the last process kept of the desk.
#[derive(Debug, Default)]
struct Kept {
    image: acd::Image,
    agents: Vec<AgentImage>,
    /// Calls that go on.
    calls: BTreeMap<CallId, Standing>,
}

#[derive(Debug)]
pub(crate) struct FrontDesk {
    desk: Desk,
    cells: u16,
    wall: Wall,
    queues: BTreeMap<String, Queue>,
    agents: BTreeMap<String, Agent>,
    /// Offers under way, and for whose call.
    offers: BTreeMap<OfferId, CallId>,
    /// Offers under way for those who are called back, and the cells that call the agents.
    calling_back: BTreeMap<OfferId, u16>,
    /// Where agents sit, as the homes of these extensions know it.
    seats: BTreeMap<String, String>,
    /// When what has changed is kept.
    save_at: Option<Instant>,
    /// Agents of whom something newer than the image is kept.
    newer: BTreeSet<String>,
    /// What the last process kept, until the first calls may come.
    kept: Option<Kept>,
    out: VecDeque<Said>,
}

impl FrontDesk {
    pub(crate) fn new(config: &crate::Config, entropy: Entropy, now: Instant) -> Self {
        let mut desk = Self {
            desk: Desk::new(entropy),
            cells: config.cells.max(1),
            wall: config.wall,
            queues: BTreeMap::new(),
            agents: BTreeMap::new(),
            offers: BTreeMap::new(),
            calling_back: BTreeMap::new(),
            seats: BTreeMap::new(),
            save_at: None,
            newer: BTreeSet::new(),
            kept: None,
            out: VecDeque::new(),
        };
        for queue in &config.queues {
            desk.put_queue(queue.clone(), now);
        }
        for agent in &config.agents {
            desk.put_agent(agent.clone(), now);
        }
        desk
    }

    /// A pair that the last process kept; false if it is not the desk's.
    pub(crate) fn restore(&mut self, key: &[u8], value: &[u8]) -> bool {
        if key == IMAGE {
            match postcard::from_bytes(value) {
                Ok(image) => self.kept.get_or_insert_default().image = image,
                Err(_) => tracing::error!("what was kept of queues and agents cannot be read; they begin anew"),
            }
        } else if key.starts_with(AGENT) {
            match postcard::from_bytes::<AgentImage>(value) {
                Ok(agent) => self.kept.get_or_insert_default().agents.push(agent),
                Err(_) => tracing::error!("what was kept of an agent cannot be read; what was known before holds"),
            }
            self.newer.extend(key.strip_prefix(AGENT).and_then(|name| String::from_utf8(name.to_vec()).ok()));
        } else {
            return false;
        }
        true
    }

    /// A call of the last process goes on.
    pub(crate) fn note_call(&mut self, call: CallId, standing: Standing) {
        self.kept.get_or_insert_default().calls.insert(call, standing);
    }

    /// Everything that was kept is known: the desk goes on.
    pub(crate) fn resume(&mut self, now: Instant) {
        let Some(Kept { mut image, agents, calls }) = self.kept.take() else { return };
        agents.into_iter().for_each(|agent| image.put_agent(agent));
        let standing = |call| calls.get(&call).copied().unwrap_or(Standing::Gone);
        self.desk.restore(image, self.wall, standing, now);
        self.changed(now);
        let at_work: Vec<String> = self.agents.keys().cloned().collect();
        at_work.iter().for_each(|agent| self.seat(agent));
    }

    fn put_queue(&mut self, queue: Queue, now: Instant) {
        self.desk.set_queue(&queue.name, (&queue).into(), now);
        self.queues.insert(queue.name.clone(), queue);
        self.settle();
    }

    fn put_agent(&mut self, agent: Agent, now: Instant) {
        self.desk.set_agent(&agent.name, (&agent).into(), now);
        self.agents.insert(agent.name.clone(), agent);
        self.settle();
    }

    /// A letter from a cell.
    pub(crate) fn hear(&mut self, letter: ToDesk, now: Instant) {
        let input = match letter {
            ToDesk::Dialled { call, extension, comes } => {
                let done = self.dialled(extension, comes, now);
                return self.write(call, FromDesk::Obeyed { call, done });
            }
            ToDesk::Stays { call, queue, .. } if self.desk.queue_of(call) == Some(&queue) => return,
            ToDesk::Enter { call, queue, wish } | ToDesk::Stays { call, queue, wish } => {
                acd::Input::Enter { caller: call, queue, wish }
            }
            ToDesk::Gone { call, on_purpose } => acd::Input::Gone { caller: call, on_purpose },
            ToDesk::CallBack { call } => acd::Input::CallBack { caller: call },
            ToDesk::Answered { offer } => {
                self.forget_offer(OfferId(offer));
                acd::Input::Answered { offer: OfferId(offer) }
            }
            ToDesk::Failed { offer, why } => {
                self.forget_offer(OfferId(offer));
                acd::Input::Failed { offer: OfferId(offer), why }
            }
            ToDesk::Ended { agent } => acd::Input::Ended { agent },
            ToDesk::Phone { extension, reachable, occupied } => acd::Input::Phone { extension, reachable, occupied },
        };
        self.desk.handle_input(input, now);
        self.changed(now);
    }

    /// The agent of an extension comes to work there, or goes home; false if it cannot.
    fn dialled(&mut self, extension: String, comes: bool, now: Instant) -> bool {
        let usual = || self.agents.values().find(|agent| agent.extension == extension).map(|agent| agent.name.clone());
        let sits = self.desk.agent_at(&extension).map(str::to_owned);
        let Some(agent) = (if comes { sits.or_else(usual) } else { sits }) else { return false };
        let duty = model::Duty::Ready;
        let command = match comes {
            true => Command::LogInAgent { agent, extension, queues: Vec::new(), duty },
            false => Command::LogOutAgent { agent },
        };
        self.command(&command, now).is_ok()
    }

    /// A command about queues or agents: settings, which every cell has too, and what agents do.
    pub(crate) fn command(&mut self, command: &Command, now: Instant) -> Result<Reply, Refusal> {
        let input = match command.clone() {
            Command::PutQueue(queue) => {
                self.put_queue(*queue, now);
                return Ok(Reply::Done);
            }
            Command::RemoveQueue { name } => {
                self.queues.remove(&name);
                self.desk.remove_queue(&name, now);
                self.changed(now);
                return Ok(Reply::Done);
            }
            Command::PutAgent(agent) => {
                self.put_agent(*agent, now);
                return Ok(Reply::Done);
            }
            Command::RemoveAgent { name } => {
                self.agents.remove(&name);
                self.desk.remove_agent(&name, now);
                self.changed(now);
                self.seat(&name);
                return Ok(Reply::Done);
            }
            Command::LogInAgent { agent, extension, queues, duty } => {
                acd::Input::LogIn { agent, extension, queues, duty }
            }
            Command::LogOutAgent { agent } => acd::Input::LogOut { agent },
            Command::SetAgent { agent, duty } => acd::Input::Set { agent, duty },
            _ => return Err(Refusal::WrongState),
        };
        self.desk.handle_input(input, now);
        let refused = self.changed(now);
        if let Command::LogInAgent { agent, .. } = command {
            self.seat(agent);
        }
        if let Some(why) = refused {
            return Err(why);
        }
        if let Command::LogInAgent { agent, .. } | Command::LogOutAgent { agent } | Command::SetAgent { agent, .. } =
            command
        {
            self.keep_agent(agent);
        }
        Ok(Reply::Done)
    }

    /// An agent's state has been, or is about to be, told: it must survive from now on. Some 100 to 200 octets.
    fn keep_agent(&mut self, name: &str) {
        let Some(image) = self.desk.snapshot_agent(name, self.wall) else { return };
        match postcard::to_allocvec(&image) {
            Ok(value) => {
                self.newer.insert(name.to_owned());
                self.out.push_back(Said::Wish(Output::Keep { key: [AGENT, name.as_bytes()].concat(), value }));
            }
            Err(cause) => tracing::error!(%cause, "an agent cannot be kept"),
        }
    }

    /// Everything as it is now. What was newer than the last image is in it.
    fn keep_image(&mut self) {
        match postcard::to_allocvec(&self.desk.snapshot(self.wall)) {
            Ok(value) => self.out.push_back(Said::Wish(Output::Keep { key: IMAGE.to_vec(), value })),
            Err(cause) => return tracing::error!(%cause, "queues and agents cannot be kept"),
        }
        for name in std::mem::take(&mut self.newer) {
            self.out.push_back(Said::Wish(Output::Forget { key: [AGENT, name.as_bytes()].concat() }));
        }
    }

    /// The extension at which an agent logs in that names none.
    pub(crate) fn usual_extension(&self, agent: &str) -> Option<&str> {
        self.agents.get(agent).map(|agent| &agent.extension[..]).filter(|extension| !extension.is_empty())
    }

    pub(crate) fn answer(&self, query: &Query, now: Instant) -> Option<Answer> {
        match query {
            Query::Queues => {
                Some(Answer::Queues(self.queues.keys().map(|name| self.queue_status(name, now)).collect()))
            }
            Query::Agents => Some(Answer::Agents(self.agents.keys().map(|name| self.agent_status(name)).collect())),
            _ => None,
        }
    }

    fn queue_status(&self, name: &str, now: Instant) -> QueueStatus {
        let figures = self.desk.queue_figures(name, now).unwrap_or_default();
        let waiting = self.desk.waiting(name).into_iter();
        QueueStatus {
            name: name.to_owned(),
            callers: waiting
                .map(|(call, number, since)| WaitingCaller {
                    call,
                    number: number.to_owned(),
                    since: self.wall.at(since),
                })
                .collect(),
            longest_ms: millis(figures.longest),
            agents: figures.agents,
            free: figures.free,
            entered: figures.entered,
            answered: figures.answered,
            in_time: figures.in_time,
            abandoned: figures.abandoned,
            abandoned_at_once: figures.abandoned_at_once,
            elsewhere: figures.elsewhere,
            service_level_percent: figures.service_level_percent().map(|percent| percent.round() as u8),
            average_wait_ms: figures.average_wait().map(millis),
            talked_ms: millis(figures.talked),
            missed: figures.missed,
        }
    }

    fn agent_status(&self, name: &str) -> AgentStatus {
        let (state, figures) = self.desk.agent_figures(name).unwrap_or_default();
        let (extension, call) = self.desk.agent_now(name);
        AgentStatus {
            name: name.to_owned(),
            state,
            extension: extension.unwrap_or_default().to_owned(),
            call,
            offered: figures.offered,
            answered: figures.answered,
            missed: figures.missed,
            talked_ms: millis(figures.talked),
            wrapped_up_ms: millis(figures.wrapped_up),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.desk.poll_timeout().is_some_and(|at| at <= now) {
            self.desk.handle_timeout(now);
            self.changed(now);
        }
        if self.save_at.is_some_and(|at| at <= now) {
            self.save_at = None;
            self.keep_image();
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.desk.poll_timeout(), self.save_at].into_iter().flatten().min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Said> {
        self.out.pop_front()
    }

    fn forget_offer(&mut self, offer: OfferId) {
        self.offers.remove(&offer);
        self.calling_back.remove(&offer);
    }

    /// An agent is asked to call somebody back.
    fn call_back(
        &mut self,
        offer: OfferId,
        call: CallId,
        queue: String,
        agent: String,
        extension: String,
        ring: Duration,
    ) {
        let waiting = self.desk.waiting(&queue).into_iter().find(|waiting| waiting.0 == call);
        let number = waiting.map(|waiting| waiting.1.to_owned()).unwrap_or_default();
        let to = home(&extension, self.cells);
        self.calling_back.insert(offer, to);
        let letter = FromDesk::CallBack { offer: offer.0, agent, extension, number, queue, ring };
        self.out.push_back(Said::Letter { to, body: Body::FromDesk(letter) });
    }

    fn changed(&mut self, now: Instant) -> Option<Refusal> {
        self.save_at.get_or_insert(now + SAVE);
        self.settle()
    }

    /// Passes on what the desk decided; its refusal, if it refused something.
    fn settle(&mut self) -> Option<Refusal> {
        let mut refused = None;
        while let Some(output) = self.desk.poll_output() {
            match output {
                acd::Output::Offer { offer, caller: call, queue, agent, extension, ring, callback } => {
                    self.offers.insert(offer, call);
                    let offered = EventBody::AgentOffered {
                        queue: queue.clone(),
                        call,
                        agent: agent.clone(),
                        extension: extension.clone(),
                    };
                    self.out.push_back(Said::Event(offered));
                    if callback {
                        self.call_back(offer, call, queue, agent, extension, ring);
                        continue;
                    }
                    self.write(call, FromDesk::Offer { call, offer: offer.0, queue, agent, extension, ring });
                }
                acd::Output::Withdraw { offer } => {
                    if let Some(to) = self.calling_back.remove(&offer) {
                        self.offers.remove(&offer);
                        let body = Body::FromDesk(FromDesk::WithdrawCallBack { offer: offer.0 });
                        self.out.push_back(Said::Letter { to, body });
                    } else if let Some(call) = self.offers.remove(&offer) {
                        self.write(call, FromDesk::Withdraw { call, offer: offer.0 });
                    }
                }
                acd::Output::Announce { caller: call, position, wait } => {
                    self.write(call, FromDesk::Announce { call, position, wait });
                }
                acd::Output::Leave { caller: call, queue: _, why } => self.write(call, FromDesk::Leave { call, why }),
                acd::Output::Refused { why, .. } => refused = Some(refusal(why)),
                acd::Output::Event(event) => self.tell(event),
            }
        }
        refused
    }

    fn write(&mut self, call: CallId, letter: FromDesk) {
        self.out.push_back(Said::Letter { to: call.cell() % self.cells, body: Body::FromDesk(letter) });
    }

    fn tell(&mut self, event: acd::Event) {
        let mut sits = None;
        let event = match event {
            acd::Event::Entered { caller: call, queue, position } => EventBody::QueueEntered { queue, call, position },
            acd::Event::Left { caller: call, queue, waited, how } => {
                EventBody::QueueLeft { queue, call, waited_ms: millis(waited), how }
            }
            acd::Event::Missed { caller: call, queue, agent, why } => {
                EventBody::OfferMissed { queue, call, agent, why }
            }
            acd::Event::Agent { agent, extension, state, next } => {
                // Offers are made anew by the next process; all else it must know before anybody is told.
                if state != model::AgentState::Offered {
                    self.keep_agent(&agent);
                }
                sits = Some(agent.clone());
                EventBody::AgentChanged { agent, extension, state, next }
            }
        };
        self.out.push_back(Said::Event(event));
        if let Some(agent) = sits {
            self.seat(&agent);
        }
    }

    /// An agent may sit elsewhere than before: the homes of the extensions are told whose phones matter here.
    fn seat(&mut self, agent: &str) {
        let now_at = self.desk.agent_now(agent).0.map(str::to_owned);
        let before = match &now_at {
            Some(extension) => self.seats.insert(agent.to_owned(), extension.clone()),
            None => self.seats.remove(agent),
        };
        if before == now_at {
            return;
        }
        // Somebody else may sit there by now.
        let left = before.filter(|extension| self.desk.agent_at(extension).is_none());
        for (extension, on) in left.map(|e| (e, false)).into_iter().chain(now_at.map(|e| (e, true))) {
            let to = home(&extension, self.cells);
            self.out.push_back(Said::Letter { to, body: Body::WatchPhone { extension, on } });
        }
    }
}

fn refusal(why: acd::Refusal) -> Refusal {
    match why {
        acd::Refusal::NoSuchAgent => Refusal::NoSuchAgent,
        acd::Refusal::NotLoggedIn => Refusal::NotLoggedIn,
        acd::Refusal::PhoneTaken => Refusal::PhoneTaken,
        acd::Refusal::NoSuchQueue => Refusal::NoSuchQueue,
    }
}

fn millis(time: Duration) -> UnixMillis {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}
