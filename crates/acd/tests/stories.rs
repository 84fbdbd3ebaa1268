//! A queue's day, told from the caller's and the agent's side.
#![allow(clippy::unwrap_used)]

use model::CallId;
use patchbay_acd::{
    AfterNoAnswer, AgentSettings, AgentState, Announce, Desk, Duty, Event, Failure, How, Input, Membership, OfferId,
    Output, QueueSettings, Reason, Refusal, Standing, Strategy, Wish, WrapUp,
};
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn call(number: u8) -> CallId {
    CallId::from_bytes([number; 16])
}

/// One queue, "sales", and agents who are ready at phones of their own names.
struct Office {
    desk: Desk,
    now: Instant,
    began: Instant,
}

impl Office {
    fn open(settings: QueueSettings, agents: &[&str]) -> Self {
        let now = stdx::testing::start();
        let mut desk = Desk::new(Entropy::seeded(1));
        desk.set_queue("sales", settings, now);
        let mut office = Self { desk, now, began: now };
        for agent in agents {
            office.hire(agent);
            office.tell(Input::LogIn {
                agent: (*agent).to_owned(),
                extension: format!("{agent}'s phone"),
                queues: Vec::new(),
                duty: Duty::Ready,
            });
        }
        office
    }

    fn hire(&mut self, agent: &str) {
        let queues = vec![Membership { queue: "sales".to_owned(), penalty: 0 }];
        self.desk.set_agent(agent, AgentSettings { queues, ..AgentSettings::default() }, self.now);
    }

    fn tell(&mut self, input: Input) -> Vec<Output> {
        self.desk.handle_input(input, self.now);
        self.said()
    }

    fn said(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.desk.poll_output()).collect()
    }

    /// Time passes.
    fn pass(&mut self, time: Duration) -> Vec<Output> {
        let until = self.now + time;
        let mut said = Vec::new();
        while let Some(at) = self.desk.poll_timeout().filter(|at| *at <= until) {
            self.now = at;
            self.desk.handle_timeout(at);
            said.extend(self.said());
        }
        self.now = until;
        said
    }

    fn enter(&mut self, number: u8) -> Vec<Output> {
        let wish = Wish { number: number.to_string(), ..Wish::default() };
        self.tell(Input::Enter { caller: call(number), queue: "sales".to_owned(), wish })
    }

    fn set(&mut self, agent: &str, duty: Duty) -> Vec<Output> {
        self.tell(Input::Set { agent: agent.to_owned(), duty })
    }

    fn state(&self, agent: &str) -> AgentState {
        self.desk.agent_figures(agent).unwrap().0
    }
}

/// Who is asked for whom.
fn offers(said: &[Output]) -> Vec<(OfferId, CallId, &str)> {
    let offers = said.iter().filter_map(|output| match output {
        Output::Offer { offer, caller, agent, .. } => Some((*offer, *caller, agent.as_str())),
        _ => None,
    });
    offers.collect()
}

fn left(said: &[Output]) -> Vec<(CallId, How)> {
    let left = said.iter().filter_map(|output| match output {
        Output::Event(Event::Left { caller, how, .. }) => Some((*caller, how.clone())),
        _ => None,
    });
    left.collect()
}

#[test]
fn who_comes_first_is_served_first_and_the_agent_wraps_up_in_between() {
    let settings = QueueSettings { wrap_up: WrapUp::For(secs(10)), ..QueueSettings::default() };
    let mut office = Office::open(settings, &["ann"]);
    let said = office.enter(1);
    let (offer, caller, agent) = offers(&said)[0];
    assert_eq!((caller, agent), (call(1), "ann"));
    assert_eq!(offers(&office.enter(2)), []);
    assert_eq!(office.desk.position(call(2)), Some(2));
    office.pass(secs(4));
    let said = office.tell(Input::Answered { offer });
    assert_eq!(left(&said), [(call(1), How::Served("ann".to_owned()))]);
    assert_eq!(office.desk.position(call(2)), Some(1));
    office.pass(secs(60));
    office.tell(Input::Ended { agent: "ann".to_owned() });
    assert_eq!(office.state("ann"), AgentState::WrapUp);
    assert_eq!(offers(&office.pass(secs(9))), []);
    assert_eq!(offers(&office.pass(secs(1))).len(), 1);
    let figures = office.desk.queue_figures("sales", office.now).unwrap();
    assert_eq!((figures.answered, figures.in_time, figures.waited, figures.talked), (1, 1, secs(4), secs(60)));
    assert_eq!((figures.waiting, figures.longest), (1, secs(74)));
    assert_eq!(figures.service_level_percent(), Some(100.0));
}

#[test]
fn who_does_not_answer_rests_and_is_away_after_three_times() {
    let settings = QueueSettings {
        after_no_answer: AfterNoAnswer { rest: secs(5), away_after: 3 },
        ring: secs(15),
        ..QueueSettings::default()
    };
    let mut office = Office::open(settings, &["ann"]);
    assert_eq!(offers(&office.enter(1)).len(), 1);
    for _ in 0..2 {
        let said = office.pass(secs(15));
        assert!(matches!(said[0], Output::Withdraw { .. }), "{said:?}");
        assert_eq!(office.state("ann"), AgentState::Unavailable);
        assert_eq!(offers(&office.pass(secs(5))).len(), 1);
    }
    office.pass(secs(15));
    assert_eq!(office.state("ann"), AgentState::Busy("no answer".to_owned()));
    assert_eq!(offers(&office.pass(secs(100))), []);
    assert_eq!(offers(&office.set("ann", Duty::Ready)).len(), 1);
}

#[test]
fn everybody_rings_and_the_others_stop_when_one_answers() {
    let settings = QueueSettings { strategy: Strategy::RingAll, ..QueueSettings::default() };
    let mut office = Office::open(settings, &["ann", "bob", "cid"]);
    let said = office.enter(1);
    let asked = offers(&said);
    assert_eq!(asked.len(), 3);
    let bobs = asked.iter().find(|(.., agent)| *agent == "bob").unwrap().0;
    let said = office.tell(Input::Answered { offer: bobs });
    let withdrawn = said.iter().filter(|output| matches!(output, Output::Withdraw { .. })).count();
    assert_eq!((withdrawn, office.state("ann"), office.state("bob")), (2, AgentState::Ready, AgentState::Talking));
    // Ann answered in the same moment: too late.
    let anns = asked.iter().find(|(.., agent)| *agent == "ann").unwrap().0;
    assert_eq!(office.tell(Input::Answered { offer: anns }), [Output::Withdraw { offer: anns }]);
    assert_eq!(office.state("ann"), AgentState::Ready);
}

#[test]
fn a_caller_that_hangs_up_frees_the_agent_at_that_moment() {
    let mut office = Office::open(QueueSettings::default(), &["ann"]);
    office.enter(1);
    office.enter(2);
    office.pass(secs(6));
    let said = office.tell(Input::Gone { caller: call(1), on_purpose: false });
    assert_eq!(left(&said), [(call(1), How::Abandoned)]);
    assert_eq!(offers(&said)[0].1, call(2));
    office.tell(Input::Gone { caller: call(2), on_purpose: true });
    let figures = office.desk.queue_figures("sales", office.now).unwrap();
    assert_eq!((figures.abandoned, figures.abandoned_at_once, figures.elsewhere), (1, 0, 1));
    office.enter(3);
    office.tell(Input::Gone { caller: call(3), on_purpose: false });
    assert_eq!(office.desk.queue_figures("sales", office.now).unwrap().abandoned_at_once, 1);
}

#[test]
fn callers_go_elsewhere_when_it_is_full_empty_or_takes_too_long() {
    let settings =
        QueueSettings { max_length: 2, max_wait: Some(secs(30)), leave_when_empty: true, ..QueueSettings::default() };
    let mut office = Office::open(settings, &[]);
    let why = |said: &[Output]| match said {
        [Output::Leave { why, .. }, ..] => *why,
        other => panic!("{other:?}"),
    };
    assert_eq!(why(&office.enter(1)), Reason::NoAgents);
    office.hire("ann");
    let duty = Duty::Busy("lunch".to_owned());
    office.tell(Input::LogIn { agent: "ann".into(), extension: "1001".into(), queues: Vec::new(), duty });
    office.enter(2);
    office.enter(3);
    assert_eq!(why(&office.enter(4)), Reason::Full);
    assert_eq!(why(&office.pass(secs(30))), Reason::TooLong);
    office.enter(5);
    office.desk.remove_queue("sales", office.now);
    let said = office.said();
    assert_eq!(why(&said), Reason::Closed);
    assert_eq!(left(&said), [(call(5), How::Sent(Reason::Closed))]);
    assert_eq!(why(&office.enter(6)), Reason::Closed);
}

#[test]
fn who_would_wait_too_long_is_told_so_at_once_from_what_calls_took() {
    let settings = QueueSettings { max_expected_wait: Some(secs(100)), ..QueueSettings::default() };
    let mut office = Office::open(settings, &["ann"]);
    let offer = offers(&office.enter(1))[0].0;
    office.tell(Input::Answered { offer });
    office.pass(secs(90));
    office.tell(Input::Ended { agent: "ann".into() });
    // Ninety seconds a call, one agent: the first waits 90 s at most, the second 180.
    assert_eq!(offers(&office.enter(2)).len(), 1);
    let said = office.enter(3);
    assert!(matches!(said[..], [Output::Leave { why: Reason::TooLongExpected, .. }]), "{said:?}");
}

#[test]
fn wishes_during_a_call_are_granted_after_it() {
    let mut office = Office::open(QueueSettings::default(), &["ann"]);
    let offer = offers(&office.enter(1))[0].0;
    office.tell(Input::Answered { offer });
    let said = office.set("ann", Duty::Rest("tea".to_owned()));
    let next = Some(Duty::Rest("tea".to_owned()));
    assert!(said.iter().any(|o| matches!(o, Output::Event(Event::Agent { next: n, .. }) if *n == next)), "{said:?}");
    assert_eq!(office.state("ann"), AgentState::Talking);
    office.enter(2);
    office.tell(Input::Ended { agent: "ann".into() });
    assert_eq!(office.state("ann"), AgentState::Rest("tea".to_owned()));
    office.tell(Input::LogOut { agent: "ann".into() });
    assert_eq!(office.state("ann"), AgentState::LoggedOut);
    let said = office.set("ann", Duty::Ready);
    assert_eq!(said, [Output::Refused { agent: "ann".into(), why: Refusal::NotLoggedIn }]);
}

#[test]
fn a_seat_is_for_one_and_a_phone_in_a_call_of_its_own_is_not_asked() {
    let mut office = Office::open(QueueSettings::default(), &["ann"]);
    office.hire("bob");
    let log_in = |agent: &str, extension: &str, queues: &[&str]| Input::LogIn {
        agent: agent.into(),
        extension: extension.into(),
        queues: queues.iter().map(|q| (*q).to_owned()).collect(),
        duty: Duty::Ready,
    };
    let refused = |why| vec![Output::Refused { agent: "bob".into(), why }];
    assert_eq!(office.tell(log_in("bob", "ann's phone", &[])), refused(Refusal::PhoneTaken));
    assert_eq!(office.tell(log_in("bob", "1002", &["night"])), refused(Refusal::NoSuchQueue));
    office.tell(Input::Phone { extension: "ann's phone".into(), reachable: true, occupied: true });
    assert_eq!(offers(&office.enter(1)), []);
    let said = office.tell(Input::Phone { extension: "ann's phone".into(), reachable: true, occupied: false });
    assert_eq!(offers(&said).len(), 1);
    let offer = offers(&said)[0].0;
    let said = office.tell(Input::Failed { offer, why: Failure::Unreachable });
    assert_eq!(offers(&said), [], "ann rests, and nobody else is there");
}

#[test]
fn who_comes_back_gets_the_agent_of_last_time_while_its_patience_lasts() {
    let settings = QueueSettings { sticky: Some(secs(20)), ..QueueSettings::default() };
    let mut office = Office::open(settings, &["ann", "bob"]);
    let offer = offers(&office.enter(1))[0].0;
    office.tell(Input::Answered { offer });
    office.pass(secs(5));
    office.tell(Input::Ended { agent: "ann".into() });
    // Bob has been free for longer, but Ann knows this caller.
    assert_eq!(offers(&office.enter(1))[0].2, "ann");
    office.tell(Input::Gone { caller: call(1), on_purpose: false });
    office.set("ann", Duty::Busy("lunch".to_owned()));
    assert_eq!(offers(&office.enter(1)), []);
    assert_eq!(offers(&office.pass(secs(20)))[0].2, "bob");
}

#[test]
fn callers_hear_their_place_and_may_be_called_back_in_their_turn() {
    let settings = QueueSettings {
        announce: Some(Announce { first: secs(10), every: secs(30) }),
        max_wait: Some(secs(120)),
        ..QueueSettings::default()
    };
    let mut office = Office::open(settings, &["ann"]);
    let offer = offers(&office.enter(1))[0].0;
    office.tell(Input::Answered { offer });
    office.enter(2);
    office.enter(3);
    let said = office.pass(secs(45));
    let told = said.iter().filter_map(|output| match output {
        Output::Announce { caller, position, .. } => Some((*caller, *position)),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, [(call(2), 1), (call(3), 2), (call(2), 1), (call(3), 2)]);
    office.tell(Input::CallBack { caller: call(2) });
    office.pass(secs(200));
    assert_eq!(office.desk.position(call(2)), Some(1), "it keeps its place");
    assert_eq!(office.desk.position(call(3)), None, "who stayed on the line has waited too long");
    let said = office.tell(Input::Ended { agent: "ann".into() });
    assert!(matches!(said[..], [.., Output::Offer { callback: true, .. }, _]), "{said:?}");
}

#[test]
fn after_a_restart_everybody_stands_where_it_stood() {
    let settings = QueueSettings { wrap_up: WrapUp::For(secs(30)), ..QueueSettings::default() };
    let mut office = Office::open(settings.clone(), &["ann", "bob", "cid"]);
    let offer = offers(&office.enter(1))[0].0;
    office.tell(Input::Answered { offer });
    let offer = offers(&office.enter(2))[0].0;
    office.tell(Input::Answered { offer });
    office.tell(Input::Ended { agent: "bob".into() });
    office.set("cid", Duty::Busy("lunch".to_owned()));
    for number in [3, 4, 5] {
        office.enter(number);
        office.pass(secs(1));
    }
    let wall = Wall::new(office.began, 1_000_000);
    let image = office.desk.snapshot(wall);
    let json = serde_json::to_string(&image).unwrap();

    let now = office.now + secs(2);
    let mut desk = Desk::new(Entropy::seeded(2));
    desk.set_queue("sales", settings, now);
    let mut again = Office { desk, now, began: now };
    ["ann", "bob", "cid"].into_iter().for_each(|agent| again.hire(agent));
    // The fourth call did not survive.
    let standing = |id| match id {
        id if id == call(4) => Standing::Gone,
        id if id == call(1) => Standing::Talks,
        _ => Standing::Waits,
    };
    again.desk.restore(serde_json::from_str(&json).unwrap(), wall, standing, now);
    assert_eq!(offers(&again.said()), []);
    let states = ["ann", "bob", "cid"].map(|agent| again.state(agent));
    assert_eq!(states, [AgentState::Talking, AgentState::WrapUp, AgentState::Busy("lunch".to_owned())]);
    assert_eq!([3, 4, 5].map(|caller| again.desk.position(call(caller))), [Some(1), None, Some(2)]);
    assert_eq!(again.desk.queue_figures("sales", now).unwrap().longest, secs(5));
    // Bob's work after his call ends when it would have ended.
    assert_eq!(offers(&again.pass(secs(24))), []);
    let said = again.pass(secs(1));
    assert_eq!(offers(&said)[0].1, call(3));
}

#[test]
fn who_was_to_go_home_when_the_process_died_may_come_back_and_stays() {
    let settings = QueueSettings::default();
    let mut office = Office::open(settings.clone(), &["ann"]);
    assert_eq!(offers(&office.enter(1)).len(), 1);
    // It is asked for a caller, and goes after that.
    office.tell(Input::LogOut { agent: "ann".to_owned() });
    assert_ne!(office.state("ann"), AgentState::LoggedOut);
    let wall = Wall::new(office.began, 1_000_000);
    let (image, now) = (office.desk.snapshot(wall), office.now);
    let mut desk = Desk::new(Entropy::seeded(2));
    desk.set_queue("sales", settings, now);
    let mut again = Office { desk, now, began: now };
    again.hire("ann");
    again.desk.restore(image, wall, |_| Standing::Gone, now);
    assert_eq!(again.state("ann"), AgentState::LoggedOut);
    let (agent, extension) = ("ann".to_owned(), "ann's phone".to_owned());
    again.tell(Input::LogIn { agent, extension, queues: Vec::new(), duty: Duty::Ready });
    assert_eq!(again.state("ann"), AgentState::Ready);
}
