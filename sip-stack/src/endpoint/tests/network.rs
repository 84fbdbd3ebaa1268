//! Two endpoints over a bad network: whatever is lost, doubled or late, every session ends on both sides and nothing is left.

use std::collections::BTreeMap;

use super::*;

/// What one side's owner does with its sessions.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// After how long the called side answers; with what otherwise.
    answer: Option<Duration>,
    refuse: Option<(Duration, u16)>,
    /// When the sides hang up, counted from the call's beginning.
    caller_leaves: Duration,
    callee_leaves: Duration,
    /// When the caller offers something new.
    reoffer: Option<Duration>,
}

#[derive(Debug)]
enum Act {
    Deliver(usize, Flow, Bytes),
    Call(Plan),
    Ring(SessionId),
    Accept(SessionId),
    Refuse(SessionId, u16),
    Reoffer(SessionId),
    Leave(usize, SessionId),
}

struct World {
    now: Instant,
    sides: [Endpoint; 2],
    alive: [Vec<SessionId>; 2],
    /// What is to happen, in order of time and then of asking.
    agenda: BTreeMap<(Instant, u64), Act>,
    asked: u64,
    entropy: Entropy,
    loss: f64,
    plans: Vec<Plan>,
    ended: [usize; 2],
}

impl World {
    fn new(seed: u64, loss: f64) -> Self {
        let mut entropy = Entropy::seeded(seed);
        let side = |cell, entropy: &mut Entropy| {
            let config = Config { cell: CellTag(cell), ..Config::default() };
            Endpoint::new(config, entropy.fork())
        };
        Self {
            now: stdx::testing::start(),
            sides: [side(0, &mut entropy), side(1, &mut entropy)],
            alive: [Vec::new(), Vec::new()],
            agenda: BTreeMap::new(),
            asked: 0,
            entropy,
            loss,
            plans: Vec::new(),
            ended: [0, 0],
        }
    }

    fn address(side: usize) -> std::net::SocketAddr {
        std::net::SocketAddr::from(([10, 0, 0, 1 + side as u8], 5060))
    }

    fn at(&mut self, after: Duration, act: Act) {
        self.asked += 1;
        self.agenda.insert((self.now + after, self.asked), act);
    }

    fn random_plan(&mut self) -> Plan {
        let mut upto = |max: u64| ms(self.entropy.below(max));
        let (answer, refuse) = (upto(4000), upto(4000));
        let (caller_leaves, callee_leaves, reoffer) = (upto(12_000), upto(12_000), upto(9000));
        let kind = self.entropy.below(4);
        Plan {
            answer: (kind != 0).then_some(answer),
            refuse: (kind == 0).then_some((refuse, 486)),
            caller_leaves,
            callee_leaves,
            reoffer: self.entropy.chance(0.5).then_some(reoffer),
        }
    }

    fn drain(&mut self) {
        for side in 0..2 {
            while let Some(output) = self.sides[side].poll_output() {
                match output {
                    Output::Transmit { flow, data } => self.send(flow, &data),
                    Output::Event(event) => self.on_event(side, &event),
                    Output::Trace(_) => {}
                }
            }
        }
    }

    fn send(&mut self, flow: Flow, data: &Bytes) {
        let to = usize::from(flow.remote == Self::address(1));
        let back = Flow::udp(flow.remote, flow.local);
        let copies =
            if self.entropy.chance(self.loss) { 0 } else { 1 + usize::from(self.entropy.chance(self.loss / 2.0)) };
        for _ in 0..copies {
            let delay = ms(5 + self.entropy.below(if self.loss > 0.0 { 400 } else { 1 }));
            self.at(delay, Act::Deliver(to, back, data.clone()));
        }
    }

    fn on_event(&mut self, side: usize, event: &Event) {
        match *event {
            Event::Incoming { session, .. } => {
                self.alive[side].push(session);
                let Some(plan) = self.plans.pop() else { return };
                self.at(ms(300), Act::Ring(session));
                if let Some(after) = plan.answer {
                    self.at(after, Act::Accept(session));
                }
                if let Some((after, status)) = plan.refuse {
                    self.at(after, Act::Refuse(session, status));
                }
                self.at(plan.callee_leaves, Act::Leave(side, session));
            }
            Event::Reoffered { session, .. } => {
                let now = self.now;
                self.sides[side].answer_reinvite(session, Ok(Bytes::from_static(b"answer")), now);
            }
            Event::Rejected { session, .. } | Event::Ended { session, .. } => {
                assert!(self.alive[side].contains(&session), "no session ends twice or after its owner left it");
                self.alive[side].retain(|s| *s != session);
                self.ended[side] += 1;
            }
            Event::Provisional { session, .. }
            | Event::Accepted { session, .. }
            | Event::Confirmed { session, .. }
            | Event::Reanswered { session, .. } => {
                assert!(self.alive[side].contains(&session), "nothing is told of a session that is gone");
            }
            Event::Request { .. } | Event::Responded { .. } | Event::Subscription { .. } => panic!("nobody asked"),
        }
    }

    fn perform(&mut self, act: Act) {
        let now = self.now;
        match act {
            Act::Deliver(side, flow, data) => self.sides[side].handle_input(Input::Datagram { flow, data }, now),
            Act::Call(plan) => {
                let flow = Flow::udp(Self::address(0), Self::address(1));
                let session = self.sides[0].invite(invite_to(flow), now).unwrap();
                self.alive[0].push(session);
                self.plans.push(plan);
                if let Some(after) = plan.reoffer {
                    self.at(after, Act::Reoffer(session));
                }
                self.at(plan.caller_leaves, Act::Leave(0, session));
            }
            Act::Ring(session) => self.sides[1].provisional(session, Status::RINGING, None, now),
            Act::Accept(session) => self.sides[1].accept(session, Bytes::from_static(b"answer"), now),
            Act::Refuse(session, status) => {
                if self.alive[1].contains(&session) {
                    self.sides[1].reject(session, Status(status), Vec::new(), now);
                    // On an answered call a refusal is without effect; this one was not answered.
                    self.alive[1].retain(|s| *s != session);
                }
            }
            Act::Reoffer(session) => drop(self.sides[0].reinvite(session, Bytes::from_static(b"offer"), now)),
            Act::Leave(side, session) => {
                self.sides[side].hangup(session, None, now);
                self.alive[side].retain(|s| *s != session);
            }
        }
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.drain();
            let next = self.agenda.keys().next().map(|(at, _)| *at);
            let timers = self.sides.iter().filter_map(Endpoint::poll_timeout);
            let Some(at) = timers.chain(next).min().filter(|at| *at <= end) else { break };
            self.now = self.now.max(at);
            for side in &mut self.sides {
                side.handle_timeout(self.now);
            }
            self.drain();
            while let Some(entry) = self.agenda.first_entry().filter(|e| e.key().0 <= self.now) {
                let act = entry.remove();
                self.perform(act);
                self.drain();
            }
        }
        self.now = end;
    }

    #[track_caller]
    fn assert_over(&self, seed: u64) {
        assert_eq!(self.alive, [vec![], vec![]], "seed {seed}");
        for side in &self.sides {
            assert_eq!(side.counts(), Counts::default(), "seed {seed}");
        }
    }
}

#[test]
fn every_session_ends_on_both_sides_and_leaves_nothing_over_a_bad_network() {
    for seed in 0..60 {
        let mut world = World::new(seed, 0.2);
        for i in 0..20 {
            let plan = world.random_plan();
            world.at(ms(i * 150), Act::Call(plan));
        }
        // The last hang-up is at 15 s; a BYE or an unacknowledged 2xx lasts 32 s, what it leaves behind 32 s more.
        world.run(secs(15 + 32 + 32 + 40));
        world.assert_over(seed);
    }
}

#[test]
fn a_peer_that_vanishes_leaves_nothing_either() {
    for seed in 100..120 {
        let mut world = World::new(seed, 0.0);
        for i in 0..20 {
            let plan = world.random_plan();
            world.at(ms(i * 150), Act::Call(plan));
        }
        world.run(ms(seed * 50));
        world.loss = 1.0;
        world.run(secs(120));
        world.assert_over(seed);
    }
}

#[test]
fn over_a_good_network_nothing_is_repeated_and_everything_is_in_time() {
    let mut world = World::new(1, 0.0);
    let plan = Plan {
        answer: Some(secs(2)),
        refuse: None,
        caller_leaves: secs(10),
        callee_leaves: secs(100),
        reoffer: Some(secs(5)),
    };
    for i in 0..50 {
        world.at(ms(i * 20), Act::Call(plan));
    }
    world.entropy = Entropy::seeded(2);
    world.run(secs(200));
    world.assert_over(1);
    assert_eq!(world.ended, [0, 50], "the caller left, the called side heard of it");
    for side in &world.sides {
        assert_eq!((side.stats().resent, side.stats().refused, side.stats().stray_responses), (0, 0, 0));
    }
}
