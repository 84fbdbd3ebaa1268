//! Two endpoints, what their owners do, and the network between them, all from one seed.

#![allow(clippy::needless_pass_by_value)] // events are used up here

use crate::forger::Forger;
use crate::model::{Life, Side};
use bytes::Bytes;
use patchbay_sip_stack::auth::Credentials;
use patchbay_sip_stack::endpoint::{
    CellTag, Config, Counts, Endpoint, Event, Flow, Input, Invite, Outgoing, Output, RequestId, SessionId,
};
use patchbay_sip_stack::message::{Message, Method, Name, NameAddr, Status, Uri};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use stdx::Entropy;

/// How many rounds of calls two endpoints live.
const ROUNDS: u64 = 12;
const SDP: Bytes = Bytes::from_static(b"sdp");

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    /// Messages delivered, deadlines met, things done by owners and by the forger.
    pub(crate) steps: u64,
    /// Calls begun, by forgers too, and answers that reached a caller.
    pub(crate) calls: u64,
    pub(crate) answered: u64,
    /// Messages of the forger.
    pub(crate) forged: u64,
    /// Rare things, to see that they happen: offers that met, sessions that nobody refreshed, hops that failed, challenges answered,
    /// forks hung up.
    pub(crate) rare: [u64; 5],
    /// Rounds of calls, each with silence after it.
    pub(crate) rounds: u64,
}

/// At least this many steps.
pub(crate) fn run(seed: u64, steps: u64) -> Run {
    let mut run = Run::default();
    for n in 0.. {
        if run.steps >= steps {
            break;
        }
        let one = live(seed.wrapping_mul(1_000_003).wrapping_add(n), false);
        run.steps += one.steps;
        run.calls += one.calls;
        run.answered += one.answered;
        run.forged += one.forged;
        run.rounds += one.rounds;
        run.rare.iter_mut().zip(one.rare).for_each(|(sum, more)| *sum += more);
    }
    run
}

/// One world from its seed; a loud one says every message.
pub(crate) fn live(seed: u64, loud: bool) -> Run {
    let told = Told(seed);
    let mut world = World::new(seed);
    world.loud = loud;
    for _ in 0..ROUNDS {
        world.round();
    }
    std::mem::forget(told);
    for stats in world.sides.iter().map(Endpoint::stats) {
        let rare = [stats.glares, stats.expired, stats.failovers, stats.challenges_answered, stats.second_forks];
        world.run.rare.iter_mut().zip(rare).for_each(|(sum, more)| *sum += more);
    }
    world.run
}

/// Says which world it was when a test stops in it.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        tell(self.0);
    }
}

#[allow(clippy::print_stderr, reason = "the seed of a world in which a test stopped")]
fn tell(seed: u64) {
    eprintln!("in the world of seed {seed}");
}

#[derive(Debug)]
enum Act {
    Deliver {
        to: usize,
        flow: Flow,
        data: Bytes,
    },
    SendFailed {
        side: usize,
        flow: Flow,
    },
    Call(usize),
    Ask(usize),
    Poke(usize),
    Forge,
    /// Nothing arrives any more.
    Cut,
    Answer(usize, SessionId),
    Acknowledge(usize, SessionId),
    Reanswer(usize, SessionId),
    Respond(usize, RequestId),
}

struct World {
    now: Instant,
    sides: [Endpoint; 2],
    models: [Side; 2],
    forger: Forger,
    agenda: BTreeMap<(Instant, u64), Act>,
    asked: u64,
    entropy: Entropy,
    loss: f64,
    double: f64,
    delay: u64,
    /// Owners begin nothing new.
    quiet: bool,
    loud: bool,
    began: Instant,
    run: Run,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut entropy = Entropy::seeded(seed);
        let side = |cell: u16, entropy: &mut Entropy| {
            let secs = |list: &[u64], entropy: &mut Entropy| {
                Duration::from_secs(list[entropy.below(list.len() as u64) as usize])
            };
            let expires = secs(&[0, 90, 120, 300, 1800], entropy);
            let config = Config {
                cell: CellTag(cell),
                methods: vec![
                    Method::Options,
                    Method::Register,
                    Method::Info,
                    Method::Refer,
                    Method::Notify,
                    Method::Message,
                    Method::Subscribe,
                ],
                reliable_provisionals: entropy.chance(0.5),
                session_expires: (!expires.is_zero()).then_some(expires),
                min_session_expires: secs(&[90, 200], entropy),
                timer_c: secs(&[20, 180], entropy),
                tcp: if entropy.chance(0.2) { vec![address(usize::from(cell))] } else { Vec::new() },
                max_sessions: if entropy.chance(0.1) { 3 } else { 10_000 },
                max_transactions: if entropy.chance(0.1) { 12 } else { 200_000 },
                trace: entropy.chance(0.2),
                ..Config::default()
            };
            Endpoint::new(config, entropy.fork())
        };
        Self {
            now: start(),
            sides: [side(0, &mut entropy), side(1, &mut entropy)],
            models: [Side::default(), Side::default()],
            forger: Forger::default(),
            agenda: BTreeMap::new(),
            asked: 0,
            entropy,
            loss: 0.0,
            double: 0.0,
            delay: 0,
            quiet: false,
            loud: false,
            began: start(),
            run: Run::default(),
        }
    }

    /// Some calls over a network of this round's quality, and then silence, after which nothing may be left.
    fn round(&mut self) {
        self.run.rounds += 1;
        self.quiet = false;
        (self.loss, self.double) = (self.one_of(&[0.0, 0.0, 0.1, 0.4]), self.one_of(&[0.0, 0.05, 0.3]));
        self.delay = self.one_of(&[1, 100, 800, 3000]);
        let long = self.entropy.chance(0.2);
        let span = if long { 900_000 } else { 40_000 };
        for _ in 0..1 + self.entropy.below(5) {
            let side = self.entropy.below(2) as usize;
            self.within(span / 2, Act::Call(side));
        }
        // Long calls are left alone for the most part, so that they have to be kept alive.
        for _ in 0..self.entropy.below(if long { 12 } else { 60 }) {
            let side = self.entropy.below(2) as usize;
            self.within(span, Act::Poke(side));
        }
        if long && self.entropy.chance(0.5) {
            self.within(span, Act::Cut);
        }
        for _ in 0..self.entropy.below(4) {
            let side = self.entropy.below(2) as usize;
            self.within(span, Act::Ask(side));
        }
        if self.entropy.chance(0.7) {
            for _ in 0..self.entropy.below(60) {
                self.within(span, Act::Forge);
            }
        }
        self.pass(Duration::from_millis(span));
        self.quiet = true;
        self.loss = self.one_of(&[0.0, 0.2, 1.0]);
        // Whatever is under way arrives, and what it makes is ended too.
        for _ in 0..3 {
            self.hang_up_all();
            self.pass(Duration::from_secs(10));
        }
        self.hang_up_all();
        self.pass(Duration::from_secs(200));
        for side in 0..2 {
            assert_eq!(
                self.sides[side].counts(),
                Counts::default(),
                "something is left on side {side}: {:?}",
                self.sides[side]
            );
            assert!(self.models[side].sessions.is_empty(), "a session has no end: {:?}", self.models[side].sessions);
            assert!(self.models[side].requests.is_empty(), "a request has no end");
            self.models[side].forget();
        }
        assert!(self.agenda.is_empty());
        self.forger = Forger::default();
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.entropy.below(list.len() as u64) as usize]
    }

    fn within(&mut self, millis: u64, act: Act) {
        let after = self.entropy.below(millis.max(1));
        self.after(after, act);
    }

    fn after(&mut self, millis: u64, act: Act) {
        self.asked += 1;
        self.agenda.insert((self.now + Duration::from_millis(millis), self.asked), act);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let next = self.agenda.keys().next().map(|(at, _)| *at);
            let timers = self.sides.iter().filter_map(Endpoint::poll_timeout);
            let Some(at) = timers.chain(next).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            for side in 0..2 {
                if self.sides[side].poll_timeout().is_some_and(|at| at <= self.now) {
                    self.run.steps += 1;
                    self.sides[side].handle_timeout(self.now);
                    assert!(self.sides[side].poll_timeout().is_none_or(|at| at > self.now), "a deadline is not met");
                }
            }
            self.drain();
            while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let act = entry.remove();
                self.run.steps += 1;
                self.perform(act);
                self.drain();
            }
        }
        self.now = end;
    }

    fn drain(&mut self) {
        for side in 0..2 {
            while let Some(output) = self.sides[side].poll_output() {
                match output {
                    Output::Transmit { flow, data } => self.send(side, flow, data),
                    Output::Event(event) => self.on_event(side, event),
                    Output::Trace(_) => {}
                }
            }
        }
    }

    fn send(&mut self, side: usize, flow: Flow, data: Bytes) {
        let message = Message::parse_datagram(data.clone()).expect("what we write can be read");
        self.say("says", side, &message);
        // What was malformed is answered as far as that is possible, and means nothing.
        if message.status() != Some(Status::BAD_REQUEST) && message.status() != Some(Status::MESSAGE_TOO_LARGE) {
            self.models[side].says(&message, self.now);
        }
        let to = 1 - side;
        if flow.remote != address(to) {
            if self.entropy.chance(0.3) {
                self.within(500, Act::SendFailed { side, flow });
            }
            return;
        }
        self.forger.hear(to, &data);
        let back = Flow { transport: flow.transport, local: flow.remote, remote: flow.local };
        if flow.transport.is_reliable() {
            return match self.entropy.chance(0.3) {
                true => self.within(2000, Act::SendFailed { side, flow }),
                false => self.after(1, Act::Deliver { to, flow: back, data }),
            };
        }
        let copies = if self.entropy.chance(self.loss) { 0 } else { 1 + u64::from(self.entropy.chance(self.double)) };
        for _ in 0..copies {
            self.within(self.delay, Act::Deliver { to, flow: back, data: data.clone() });
        }
    }

    #[allow(clippy::print_stderr, reason = "for whoever looks for the reason of a failure")]
    fn say(&self, verb: &str, side: usize, message: &Message) {
        if self.loud {
            let line = |name| String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned();
            let first = String::from_utf8_lossy(message.as_bytes()).split("\r\n").next().unwrap_or_default().to_owned();
            let (from, to, call_id) = (line(Name::From), line(Name::To), line(Name::CallId));
            let at = self.now.duration_since(self.began);
            let (cseq, via, rseq) = (line(Name::CSeq), line(Name::Via), line(Name::RSeq) + &line(Name::RAck));
            eprintln!("{at:.3?} {side} {verb} {first} | {cseq} | {from} | {to} | {call_id} | {via} | {rseq}");
        }
    }

    fn on_event(&mut self, side: usize, event: Event) {
        self.models[side].told(&event);
        match event {
            Event::Incoming { session, .. } => {
                self.run.calls += 1;
                for _ in 0..self.entropy.below(4) {
                    self.within(6000, Act::Answer(side, session));
                }
                if self.quiet {
                    self.leave(side, session);
                }
            }
            Event::Accepted { session, .. }
            | Event::Reanswered { session, .. }
            | Event::Provisional { session, .. } => {
                self.run.answered += 1;
                if self.entropy.chance(0.9) {
                    self.within(2000, Act::Acknowledge(side, session));
                }
                if self.quiet {
                    self.leave(side, session);
                }
            }
            Event::Reoffered { session, .. } => {
                if self.entropy.chance(0.9) {
                    self.within(3000, Act::Reanswer(side, session));
                }
            }
            Event::Request { id, .. } => self.within(3000, Act::Respond(side, id)),
            Event::Rejected { .. }
            | Event::Confirmed { .. }
            | Event::Ended { .. }
            | Event::Responded { .. }
            | Event::Subscription { .. } => {}
        }
    }

    fn perform(&mut self, act: Act) {
        let now = self.now;
        match act {
            Act::Deliver { to, flow, data } => {
                if let Ok(message) = Message::parse_datagram(data.clone()) {
                    self.say("hears", to, &message);
                    self.models[to].hears(&message);
                }
                self.sides[to].handle_input(Input::Datagram { flow, data }, now);
            }
            Act::Cut => self.loss = 1.0,
            Act::SendFailed { side, flow } => self.sides[side].handle_input(Input::SendFailed { flow }, now),
            Act::Call(side) => self.call(side),
            Act::Ask(side) => self.ask(side),
            Act::Poke(side) => self.poke(side),
            Act::Forge => {
                if let Some((to, data)) = self.forger.speak(&mut self.entropy) {
                    self.run.forged += 1;
                    let from = if self.entropy.chance(0.7) { address(1 - to) } else { address(7) };
                    self.perform(Act::Deliver { to, flow: Flow::udp(address(to), from), data });
                }
            }
            Act::Answer(side, session) => self.answer(side, session),
            Act::Acknowledge(side, session) => self.sides[side].acknowledge(session, SDP, now),
            Act::Reanswer(side, session) => {
                let answer = if self.entropy.chance(0.8) { Ok(SDP) } else { Err(Status::NOT_ACCEPTABLE_HERE) };
                self.sides[side].answer_reinvite(session, answer, now);
            }
            Act::Respond(side, id) => match self.entropy.below(4) {
                0 => self.sides[side].discard_request(id),
                1 => self.sides[side].respond_after(id, Status::OK, Vec::new(), Duration::from_secs(3), now),
                _ => self.sides[side].respond(id, Status::ACCEPTED, Vec::new(), None, now),
            },
        }
    }

    fn flows(&mut self, side: usize) -> (Flow, Vec<Flow>) {
        let flow = |to| Flow::udp(address(side), to);
        match self.entropy.below(5) {
            0 => (flow(address(8)), vec![flow(address(1 - side))]),
            1 => (flow(address(1 - side)), vec![flow(address(8)), flow(address(9))]),
            _ => (flow(address(1 - side)), Vec::new()),
        }
    }

    fn call(&mut self, side: usize) {
        let (flow, alternatives) = self.flows(side);
        let mut invite = Invite::new(flow, uri("sip:b@10.0.0.2"), addr("sip:a@pbx"), addr("sip:b@pbx"));
        invite.alternatives = alternatives;
        let size = self.one_of(&[0, 3, 3, 3, 1500]);
        invite.body = vec![b'o'; size].into();
        if self.entropy.chance(0.3) {
            invite.headers.push(("Require".to_owned(), b"100rel".to_vec()));
        }
        if self.entropy.chance(0.5) {
            invite.credentials = Some(Arc::new(Credentials::new("a", "secret")));
        }
        if let Ok(session) = self.sides[side].invite(invite, self.now) {
            self.run.calls += 1;
            self.models[side].calls(session);
        }
    }

    fn ask(&mut self, side: usize) {
        let (flow, alternatives) = self.flows(side);
        let mut outgoing =
            Outgoing::new(flow, Method::Options, uri("sip:b@10.0.0.2"), addr("sip:a@p"), addr("sip:b@p"));
        outgoing.alternatives = alternatives;
        if let Ok(id) = self.sides[side].request(outgoing, self.now) {
            self.models[side].requests.insert(id);
        }
    }

    /// What the owner of an incoming call does to it.
    fn answer(&mut self, side: usize, session: SessionId) {
        if self.models[side].sessions.get(&session) != Some(&Life::Incoming) {
            return;
        }
        let now = self.now;
        match self.entropy.below(9) {
            0..=2 => self.sides[side].provisional(session, Status::RINGING, None, now),
            3 => self.sides[side].provisional(session, Status::SESSION_PROGRESS, Some(SDP), now),
            4..=6 => {
                self.sides[side].accept(session, SDP, now);
                self.models[side].accepts(session);
            }
            7 => {
                let challenge = b"Digest realm=\"r\", nonce=\"n\", qop=\"auth\"".to_vec();
                let headers = vec![("WWW-Authenticate".to_owned(), challenge)];
                self.sides[side].reject(session, Status::UNAUTHORIZED, headers, now);
                self.models[side].leaves(session);
            }
            _ => {
                let delay = Duration::from_millis(self.entropy.below(2) * 3000);
                let status = Status(self.one_of(&[486, 503, 302]));
                self.sides[side].reject_after(session, status, Vec::new(), delay, now);
                self.models[side].leaves(session);
            }
        }
    }

    /// Anything, at any time, to any session.
    fn poke(&mut self, side: usize) {
        let sessions: Vec<_> = self.models[side].sessions.keys().copied().collect();
        if sessions.is_empty() {
            return;
        }
        let (session, now) = (self.one_of(&sessions), self.now);
        match self.entropy.below(16) {
            0..=3 => {
                let body = if self.entropy.chance(0.2) { Bytes::new() } else { SDP };
                if self.sides[side].reinvite(session, body, now) {
                    self.models[side].offers(session);
                }
            }
            4..=6 => {
                if self.sides[side].update(session, SDP, now) {
                    self.models[side].offers(session);
                }
            }
            7..=9 => {
                let method = self.one_of(&[0, 1, 2, 3]);
                let method = [Method::Info, Method::Refer, Method::Notify, Method::Message][method].clone();
                if let Some(id) = self.sides[side].request_in(session, method, Vec::new(), None, now) {
                    self.models[side].requests.insert(id);
                }
            }
            10 => self.sides[side].acknowledge(session, SDP, now),
            11 => self.sides[side].answer_reinvite(session, Ok(SDP), now),
            12 => drop(self.sides[side].snapshot(session)),
            13 => self.answer(side, session),
            _ => self.leave(side, session),
        }
    }

    fn leave(&mut self, side: usize, session: SessionId) {
        let now = self.now;
        match self.entropy.below(8) {
            0 if self.models[side].sessions.get(&session) == Some(&Life::Incoming) => {
                self.sides[side].discard(session);
            }
            _ => self.sides[side].hangup(session, Some(b"Q.850;cause=16".to_vec()), now),
        }
        self.models[side].leaves(session);
    }

    fn hang_up_all(&mut self) {
        for side in 0..2 {
            let sessions: Vec<_> = self.models[side].sessions.keys().copied().collect();
            for session in sessions {
                self.leave(side, session);
            }
        }
        self.drain();
    }
}

fn start() -> Instant {
    stdx::testing::start()
}

fn address(n: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + n as u8], 5060))
}

fn uri(text: &str) -> Uri {
    text.parse().unwrap()
}

fn addr(text: &str) -> NameAddr {
    NameAddr::new(uri(text))
}
