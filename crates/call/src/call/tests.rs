//! The story of a call, told in facts and wishes.

use super::*;
use crate::effect::{GoOn, Progress, Stage};
use model::Refusal;
use stdx::Entropy;

struct Story {
    call: Call,
    now: Instant,
    said: Vec<Effect>,
}

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn extension(number: &str) -> Party {
    Party { number: number.into(), name: String::new(), kind: PartyKind::Extension }
}

fn target(number: &str) -> Target {
    Target { party: extension(number), record: true }
}

fn stage(targets: &[&str], go_on: GoOn) -> Stage {
    Stage { targets: targets.iter().map(|n| target(n)).collect(), ring: secs(30), go_on }
}

impl Story {
    fn of(caller: Party) -> Self {
        let now = stdx::testing::start();
        let id = CallId::new(3, &mut Entropy::seeded(1));
        let setup = Setup {
            id,
            caller,
            dialled: "101".into(),
            wall: Wall::new(now, 1_000_000),
            policy: Policy::default(),
            variables: BTreeMap::new(),
        };
        let mut story = Self { call: Call::start(setup, now), now, said: Vec::new() };
        story.listen();
        story
    }

    fn from_phone() -> Self {
        Self::of(extension("100"))
    }

    fn listen(&mut self) {
        self.said.clear();
        while let Some(effect) = self.call.poll_output() {
            if !matches!(effect, Effect::Tell(_) | Effect::Keep) {
                self.said.push(effect);
            }
        }
    }

    fn hear(&mut self, input: Input) -> &[Effect] {
        self.call.handle_input(input, self.now);
        self.listen();
        &self.said
    }

    fn wait(&mut self, duration: Duration) -> &[Effect] {
        self.now += duration;
        self.call.handle_timeout(self.now);
        self.listen();
        &self.said
    }

    fn ringing(targets: &[&str]) -> Self {
        let mut story = Self::from_phone();
        story.hear(Input::Located(vec![stage(targets, GoOn::Never)]));
        for leg in 1..=targets.len() {
            story.hear(Input::Ringing { leg: leg as LegNo, early_media: false });
        }
        story
    }

    fn talking() -> Self {
        let mut story = Self::ringing(&["101"]);
        story.wait(secs(2));
        story.hear(Input::Answered { leg: 1 });
        story
    }

    fn finished(&self) -> &CallRecord {
        match self.said.last() {
            Some(Effect::Finished(record)) => record,
            other => panic!("not finished: {other:?}"),
        }
    }
}

#[test]
fn a_call_rings_is_answered_recorded_and_hung_up() {
    let mut story = Story::from_phone();
    assert_eq!(story.said, [Effect::Locate { number: "101".into(), by: 0 }]);
    assert_eq!(story.hear(Input::Located(vec![stage(&["101"], GoOn::Never)])), [Effect::Dial { leg: 1, target: 0 }]);
    assert_eq!(story.hear(Input::Ringing { leg: 1, early_media: false }), [Effect::Ring { to: 0, early_media: None }]);
    story.wait(secs(3));
    assert_eq!(
        story.hear(Input::Answered { leg: 1 }),
        [Effect::Join { a: 0, b: 1 }, Effect::Record { left: 0, right: 1, choice: model::RecordingChoice::default() }]
    );
    story.wait(secs(10));
    story.hear(Input::HungUp { leg: 1, cause: None });
    assert_eq!(story.said[0], Effect::HangUp { leg: 0, cause: Cause { sip: 200, q850: 16 } });
    let record = story.finished();
    assert_eq!((record.outcome, record.ended_by, record.talk_ms()), (Outcome::Answered, Side::Callee, 10_000));
    assert_eq!((record.started_at, record.ringing_at), (1_000_000, Some(1_000_000)));
    assert_eq!((record.direction, record.legs.len()), (Direction::Internal, 2));
}

#[test]
fn an_extension_hears_why_and_then_is_refused() {
    let mut story = Story::ringing(&["101"]);
    let cause = Cause { sip: 486, q850: 17 };
    assert_eq!(
        story.hear(Input::Failed { leg: 1, outcome: Outcome::Busy, cause }),
        [Effect::Announce { to: 0, outcome: Outcome::Busy }]
    );
    assert_eq!(story.hear(Input::Announced)[0], Effect::HangUp { leg: 0, cause });
    assert_eq!(story.finished().outcome, Outcome::Busy);
}

#[test]
fn a_trunk_is_refused_at_once() {
    let mut story = Story::of(Party { kind: PartyKind::Trunk("t".into()), ..extension("555") });
    story.hear(Input::Nowhere(Outcome::Unallocated));
    assert_eq!(story.said[0], Effect::HangUp { leg: 0, cause: Cause { sip: 404, q850: 1 } });
    assert_eq!(story.finished().trunk.as_deref(), Some("t"));
}

#[test]
fn nobody_answers_in_time() {
    let mut story = Story::ringing(&["101", "101"]);
    story.wait(secs(29));
    assert!(story.said.is_empty());
    story.wait(secs(1));
    assert_eq!(story.said.len(), 3, "two phones stop ringing, the caller hears why: {:?}", story.said);
    assert_eq!(story.said[2], Effect::Announce { to: 0, outcome: Outcome::NoAnswer });
    story.wait(secs(60));
    assert_eq!(story.finished().outcome, Outcome::NoAnswer);
}

#[test]
fn the_first_answer_wins_and_a_late_one_is_hung_up() {
    let mut story = Story::ringing(&["101", "101"]);
    story.hear(Input::Answered { leg: 2 });
    assert_eq!(story.said[0], Effect::HangUp { leg: 1, cause: Cause { sip: 200, q850: 26 } });
    assert_eq!(story.said[1], Effect::Join { a: 0, b: 2 });
    assert!(matches!(story.hear(Input::Answered { leg: 1 }), [Effect::HangUp { leg: 1, .. }]));
}

#[test]
fn of_two_refusals_the_caller_hears_the_one_that_says_more() {
    let mut story = Story::ringing(&["101", "101"]);
    story.hear(Input::Failed { leg: 1, outcome: Outcome::Busy, cause: Outcome::Busy.cause() });
    let gone = Outcome::Unreachable;
    assert_eq!(
        story.hear(Input::Failed { leg: 2, outcome: gone, cause: gone.cause() }),
        [Effect::Announce { to: 0, outcome: Outcome::Busy }]
    );
}

#[test]
fn the_caller_gives_up_and_the_answer_that_crossed_is_hung_up() {
    let mut story = Story::ringing(&["101"]);
    story.hear(Input::HungUp { leg: 0, cause: None });
    assert!(matches!(story.said[0], Effect::HangUp { leg: 1, .. }));
    assert_eq!((story.finished().outcome, story.finished().ended_by), (Outcome::Cancelled, Side::Caller));
    assert!(matches!(story.hear(Input::Answered { leg: 1 }), [Effect::HangUp { leg: 1, .. }]));
    assert!(story.call.is_over());
}

#[test]
fn silence_and_a_missing_confirmation_end_a_call() {
    let mut story = Story::talking();
    story.hear(Input::Silent { leg: 1 });
    assert_eq!(story.finished().outcome, Outcome::MediaTimeout);
    let mut story = Story::talking();
    story.hear(Input::Unconfirmed { leg: 0 });
    assert!(story.finished().note.contains("no ACK"));
}

#[test]
fn a_command_ends_a_call_in_every_state_and_each_leaves_one_record() {
    for mut story in [Story::from_phone(), Story::ringing(&["101"]), Story::talking()] {
        story.hear(Input::HangUp);
        assert_eq!(story.finished().ended_by, Side::System);
        assert!(story.hear(Input::HangUp).is_empty());
        assert!(story.wait(secs(100_000)).is_empty());
    }
}

#[test]
fn early_media_of_the_first_phone_that_has_some_is_heard() {
    let mut story = Story::from_phone();
    story.hear(Input::Located(vec![stage(&["101", "102"], GoOn::Never)]));
    assert_eq!(story.hear(Input::Ringing { leg: 1, early_media: false }), [Effect::Ring { to: 0, early_media: None }]);
    assert_eq!(
        story.hear(Input::Ringing { leg: 2, early_media: true }),
        [Effect::Ring { to: 0, early_media: Some(2) }]
    );
    assert!(story.hear(Input::Ringing { leg: 1, early_media: true }).is_empty());
}

#[test]
fn the_snapshot_is_the_record_of_a_switch_that_died() {
    let story = Story::talking();
    let record = story.call.snapshot(story.now + secs(5));
    assert_eq!((record.outcome, record.talk_ms()), (Outcome::SwitchFailure, 5_000));
}

#[test]
fn a_global_refusal_speaks_for_all_phones_and_a_busy_one_for_those_that_never_answer() {
    let mut story = Story::ringing(&["101", "101"]);
    let cause = Cause { sip: 603, q850: 21 };
    story.hear(Input::Failed { leg: 1, outcome: Outcome::Rejected, cause });
    assert_eq!(story.said.len(), 2, "the other phone stops ringing: {:?}", story.said);
    assert_eq!(story.said[1], Effect::Announce { to: 0, outcome: Outcome::Rejected });
    let mut story = Story::ringing(&["101", "101"]);
    story.hear(Input::Failed { leg: 1, outcome: Outcome::Busy, cause: Outcome::Busy.cause() });
    story.wait(secs(31));
    assert_eq!(story.said.last(), Some(&Effect::Announce { to: 0, outcome: Outcome::Busy }));
}

fn failed(leg: LegNo, outcome: Outcome) -> Input {
    Input::Failed { leg, outcome, cause: outcome.cause() }
}

#[test]
fn the_next_stage_is_tried_when_the_first_fails_and_the_ringback_goes_on() {
    let mut story = Story::from_phone();
    story.hear(Input::Located(vec![stage(&["101", "102"], GoOn::Always), stage(&["103"], GoOn::Always)]));
    assert_eq!(story.said, [Effect::Dial { leg: 1, target: 0 }, Effect::Dial { leg: 2, target: 1 }]);
    story.hear(Input::Ringing { leg: 1, early_media: false });
    assert!(story.hear(failed(1, Outcome::Busy)).is_empty());
    assert_eq!(story.hear(failed(2, Outcome::Unreachable)), [Effect::Dial { leg: 3, target: 2 }]);
    assert!(story.hear(Input::Ringing { leg: 3, early_media: false }).is_empty());
    assert_eq!(story.wait(secs(30)).last(), Some(&Effect::Announce { to: 0, outcome: Outcome::NoAnswer }));
    assert!(matches!(story.hear(Input::Answered { leg: 3 }), [Effect::HangUp { leg: 3, .. }]));
}

#[test]
fn a_stage_that_rings_too_long_is_followed_by_the_next() {
    let mut story = Story::from_phone();
    story.hear(Input::Located(vec![stage(&["101"], GoOn::Always), stage(&["102"], GoOn::Never)]));
    story.hear(Input::Ringing { leg: 1, early_media: false });
    story.wait(secs(30));
    assert!(matches!(story.said[..], [Effect::HangUp { leg: 1, .. }, Effect::Dial { leg: 2, target: 1 }]));
    assert_eq!(
        story.hear(Input::Answered { leg: 2 }),
        [Effect::Join { a: 0, b: 2 }, Effect::Record { left: 0, right: 2, choice: model::RecordingChoice::default() }]
    );
    assert!(matches!(story.hear(Input::Answered { leg: 1 }), [Effect::HangUp { leg: 1, .. }]));
}

#[test]
fn what_a_stage_says_decides_whether_the_next_is_tried() {
    for (go_on, outcome, tried) in [
        (GoOn::Never, Outcome::Congestion, false),
        (GoOn::On([Outcome::Congestion].into()), Outcome::Congestion, true),
        (GoOn::On([Outcome::Congestion].into()), Outcome::Busy, false),
        (GoOn::Always, Outcome::Busy, true),
        // A 603 is meant for every phone.
        (GoOn::Always, Outcome::Rejected, false),
        (GoOn::On([Outcome::Rejected].into()), Outcome::Rejected, true),
    ] {
        let mut story = Story::from_phone();
        story.hear(Input::Located(vec![stage(&["101"], go_on.clone()), stage(&["102"], GoOn::Never)]));
        story.hear(failed(1, outcome));
        let expected = if tried { Effect::Dial { leg: 2, target: 1 } } else { Effect::Announce { to: 0, outcome } };
        assert_eq!(story.said, [expected], "{go_on:?} {outcome:?}");
    }
}

#[test]
fn when_the_phone_with_early_media_is_gone_the_caller_hears_the_ringback_of_the_others() {
    let mut story = Story::from_phone();
    story.hear(Input::Located(vec![stage(&["101", "102"], GoOn::Never)]));
    story.hear(Input::Ringing { leg: 1, early_media: true });
    story.hear(Input::Ringing { leg: 2, early_media: false });
    assert_eq!(story.hear(failed(1, Outcome::Busy)), [Effect::Ring { to: 0, early_media: None }]);
}

#[test]
fn a_redirected_call_is_followed_once_and_not_in_a_circle() {
    let mut story = Story::from_phone();
    story.hear(Input::Located(vec![stage(&["101", "101"], GoOn::Never)]));
    let moved =
        |leg, number: &str| Input::Redirected { leg, number: number.into(), cause: Cause { sip: 302, q850: 31 } };
    assert_eq!(story.hear(moved(1, "102")), [Effect::Locate { number: "102".into(), by: 1 }]);
    assert_eq!(story.hear(Input::Located(vec![stage(&["102"], GoOn::Never)])), [Effect::Dial { leg: 3, target: 2 }]);
    // The other phone knows no other place: who rings there already is not called again.
    assert!(story.hear(moved(2, "102")).is_empty());
    assert_eq!(story.hear(moved(3, "101")), [Effect::Announce { to: 0, outcome: Outcome::Unreachable }]);
    story.hear(Input::Announced);
    assert_eq!(story.finished().legs[3].origin, LegOrigin::Diverted { from: 1 });
}

#[test]
fn a_redirection_to_nobody_fails_as_its_number_does() {
    let mut story = Story::ringing(&["101"]);
    story.hear(Input::Redirected { leg: 1, number: "999".into(), cause: Cause { sip: 302, q850: 31 } });
    assert_eq!(
        story.hear(Input::Nowhere(Outcome::Unallocated)),
        [Effect::Announce { to: 0, outcome: Outcome::Unallocated }]
    );
}

fn transferring(by: LegNo) -> Story {
    let mut story = Story::talking();
    story.call.transfer(by, "102", story.now).unwrap();
    story.listen();
    assert!(matches!(story.said[..], [Effect::Part { .. }, Effect::Locate { .. }]));
    assert_eq!(story.hear(Input::Located(vec![stage(&["102"], GoOn::Never)])), [Effect::Dial { leg: 2, target: 1 }]);
    story
}

#[test]
fn the_caller_transfers_and_is_let_go_when_the_new_party_answers() {
    let mut story = transferring(0);
    assert_eq!(
        story.hear(Input::Ringing { leg: 2, early_media: false }),
        [Effect::Ring { to: 1, early_media: None }, Effect::Progress { leg: 0, how: Progress::Ringing }]
    );
    story.hear(Input::Answered { leg: 2 });
    let gone = Effect::HangUp { leg: 0, cause: Cause { sip: 200, q850: 16 } };
    assert_eq!(story.said[0], Effect::Join { a: 2, b: 1 });
    assert_eq!(story.said[1..], [Effect::Progress { leg: 0, how: Progress::Done }, gone]);
    story.wait(secs(5));
    story.hear(Input::HungUp { leg: 2, cause: None });
    let record = story.finished();
    assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::Caller));
    assert_eq!(record.legs[2].origin, LegOrigin::Transferred { by: 0 });
    assert!(record.legs[0].ended_at < record.legs[2].ended_at);
}

#[test]
fn a_transfer_that_fails_brings_the_party_back() {
    let mut story = transferring(1);
    let busy = Outcome::Busy.cause();
    assert_eq!(
        story.hear(failed(2, Outcome::Busy)),
        [Effect::Join { a: 0, b: 1 }, Effect::Progress { leg: 1, how: Progress::Failed(busy) }]
    );
    story.hear(Input::HungUp { leg: 0, cause: None });
    assert_eq!(story.finished().outcome, Outcome::Answered);
}

#[test]
fn who_transferred_and_left_is_called_back_when_nobody_answers() {
    let mut story = transferring(1);
    assert!(story.hear(Input::HungUp { leg: 1, cause: None }).is_empty());
    assert_eq!(story.hear(failed(2, Outcome::Busy)), [Effect::Locate { number: "101".into(), by: 1 }]);
    story.hear(Input::Located(vec![stage(&["101"], GoOn::Never)]));
    assert_eq!(story.said, [Effect::Dial { leg: 3, target: 2 }]);
    assert_eq!(story.hear(failed(3, Outcome::Busy)), [Effect::Announce { to: 0, outcome: Outcome::Busy }]);
    story.hear(Input::Announced);
    assert_eq!(story.finished().outcome, Outcome::Answered);
}

#[test]
fn the_transferred_party_leaves_while_it_rings() {
    let mut story = transferring(0);
    story.hear(Input::HungUp { leg: 1, cause: None });
    let gone: Vec<_> = story.said.iter().filter(|e| matches!(e, Effect::HangUp { .. })).collect();
    assert_eq!(gone.len(), 2, "{:?}", story.said);
    assert_eq!(story.finished().ended_by, Side::Callee);
}

#[test]
fn a_transfer_to_oneself_or_without_a_conversation_is_refused() {
    let mut story = Story::talking();
    let now = story.now;
    for to in ["100", "101", ""] {
        assert_eq!(story.call.transfer(0, to, now), Err(Refusal::WrongState));
    }
    assert_eq!(story.call.transfer(7, "102", now), Err(Refusal::WrongState));
    let mut story = Story::ringing(&["101"]);
    assert_eq!(story.call.transfer(0, "102", now), Err(Refusal::WrongState));
}

#[test]
fn a_ringing_call_is_picked_up_and_a_talking_party_replaced() {
    let mut story = Story::ringing(&["101", "101"]);
    let now = story.now;
    assert_eq!(story.call.replace(1, &extension("103"), Replacing::Invited, now), Ok(3));
    story.listen();
    assert_eq!(story.said.iter().filter(|e| matches!(e, Effect::HangUp { leg: 1 | 2, .. })).count(), 2);
    assert!(story.said.contains(&Effect::Join { a: 0, b: 3 }));
    assert_eq!(story.call.replace(0, &extension("104"), Replacing::Invited, now), Ok(4));
    story.listen();
    assert_eq!(story.said[0], Effect::Join { a: 4, b: 3 });
    assert!(matches!(story.said[1], Effect::HangUp { leg: 0, .. }));
    assert_eq!(story.call.replace(1, &extension("105"), Replacing::Invited, now), Err(Refusal::NoSuchLeg));
    story.hear(Input::HangUp);
    assert_eq!(story.finished().legs[3].origin, LegOrigin::PickedUp { of: 1 });
}

#[test]
fn a_party_goes_on_in_another_call_while_it_still_rings_there() {
    let mut story = Story::talking();
    let now = story.now;
    let other = CallId::new(0, &mut Entropy::seeded(9));
    story.call.take_away(1, other, now).unwrap();
    story.listen();
    assert!(matches!(story.said[0], Effect::HangUp { leg: 0, .. }));
    assert!(story.finished().note.contains(&other.to_string()));
    let mut story = Story::ringing(&["102"]);
    story.call.replace(0, &extension("101"), Replacing::Transferred(other), now).unwrap();
    story.listen();
    assert!(matches!(story.said[..], [Effect::HangUp { leg: 0, .. }, Effect::Ring { to: 2, early_media: None }]));
    assert_eq!(story.hear(Input::Answered { leg: 1 })[0], Effect::Join { a: 2, b: 1 });
}

#[test]
fn the_latest_early_media_is_heard_where_the_operator_wants_it() {
    let mut story = Story::from_phone();
    story.call.setup.policy.latest_early_media = true;
    story.hear(Input::Located(vec![stage(&["101", "102"], GoOn::Never)]));
    story.hear(Input::Ringing { leg: 2, early_media: true });
    let early = Some(1);
    assert_eq!(story.hear(Input::Ringing { leg: 1, early_media: true }), [Effect::Ring { to: 0, early_media: early }]);
    assert!(story.hear(Input::Ringing { leg: 1, early_media: false }).is_empty());
    assert_eq!(story.hear(failed(1, Outcome::Busy)), [Effect::Ring { to: 0, early_media: Some(2) }]);
}

#[test]
fn a_call_is_placed_for_a_phone_that_is_called_first() {
    let now = stdx::testing::start();
    let id = CallId::new(3, &mut Entropy::seeded(1));
    let setup = || Setup {
        id,
        caller: extension("100"),
        dialled: "101".into(),
        wall: Wall::new(now, 1_000_000),
        policy: Policy::default(),
        variables: BTreeMap::from([("key".to_owned(), "7".to_owned())]),
    };
    let begin = || {
        let mut story = Story { call: Call::originate(setup(), now), now, said: Vec::new() };
        story.listen();
        assert_eq!(story.said, [Effect::Summon { number: "100".into() }]);
        story.hear(Input::Located(vec![stage(&["100", "100"], GoOn::Never)]));
        assert_eq!(story.said, [Effect::Dial { leg: 0, target: 0 }, Effect::Dial { leg: 1, target: 1 }]);
        assert_eq!(story.hear(Input::Ringing { leg: 1, early_media: true }), []);
        story
    };
    // The other of its two phones answers; the number is busy.
    let mut story = begin();
    assert_eq!(
        story.hear(Input::Answered { leg: 1 }),
        [
            Effect::HangUp { leg: 0, cause: Cause { sip: 200, q850: 26 } },
            Effect::Locate { number: "101".into(), by: 1 }
        ]
    );
    assert_eq!((story.call.caller_leg(), story.call.waiting(), story.call.is_summoning()), (1, 1, false));
    let located = Input::Located(vec![stage(&["101"], GoOn::Never)]);
    assert_eq!(story.hear(located.clone()), [Effect::Dial { leg: 2, target: 2 }]);
    let busy = Cause { sip: 486, q850: 17 };
    assert_eq!(
        story.hear(Input::Failed { leg: 2, outcome: Outcome::Busy, cause: busy }),
        [Effect::Announce { to: 1, outcome: Outcome::Busy }]
    );
    story.hear(Input::Announced);
    let record = story.finished();
    assert_eq!((record.outcome, record.answered_at, record.legs.len()), (Outcome::Busy, None, 3));
    assert_eq!(record.variables["key"], "7");
    // Nobody at the caller's own phones.
    let mut story = begin();
    story.wait(secs(30));
    assert_eq!(story.said.len(), 3, "{:?}", story.said);
    let record = story.finished();
    assert_eq!((record.outcome, record.direction), (Outcome::NoAnswer, Direction::Unknown));
    // They talk, and the caller leaves.
    let mut story = begin();
    story.hear(Input::Answered { leg: 0 });
    story.hear(located);
    assert_eq!(story.hear(Input::Ringing { leg: 2, early_media: false }), [Effect::Ring { to: 0, early_media: None }]);
    let joined =
        [Effect::Join { a: 0, b: 2 }, Effect::Record { left: 0, right: 2, choice: model::RecordingChoice::default() }];
    assert_eq!(story.hear(Input::Answered { leg: 2 }), joined);
    story.hear(Input::HungUp { leg: 0, cause: None });
    let record = story.finished();
    assert_eq!(
        (record.outcome, record.ended_by, record.direction),
        (Outcome::Answered, Side::Caller, Direction::Internal)
    );
    assert_eq!(record.legs[0].origin, LegOrigin::Summoned);
    // It hangs up while the number rings.
    let mut story = begin();
    story.hear(Input::Answered { leg: 0 });
    story.hear(Input::Located(vec![stage(&["101"], GoOn::Never)]));
    story.hear(Input::HungUp { leg: 0, cause: None });
    assert_eq!(story.finished().outcome, Outcome::Cancelled);
}

#[test]
fn a_trunk_takes_the_transferred_party_over() {
    let mut story = Story::talking();
    story.call.transfer(1, "95551", story.now).unwrap();
    story.listen();
    assert_eq!(story.said.last(), Some(&Effect::Locate { number: "95551".into(), by: 1 }));
    story.hear(Input::HandingOver);
    story.wait(secs(30));
    assert!(!story.call.is_over(), "it may ring there for a while");
    story.hear(Input::HandedOver);
    let normal = Cause { sip: 200, q850: 16 };
    assert_eq!(
        story.said[..3],
        [
            Effect::Progress { leg: 1, how: Progress::Done },
            Effect::HangUp { leg: 1, cause: normal },
            Effect::HangUp { leg: 0, cause: normal }
        ]
    );
    let record = story.finished();
    assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::Callee));
    assert!(record.note.contains("transferred"), "{}", record.note);
}

#[test]
fn a_trunk_puts_a_party_that_speaks_together_with_another() {
    let mut story = Story::talking();
    story.hear(Input::PutTogether { leg: 9, with: "0222".into() });
    assert!(!story.call.is_over(), "nobody speaks there");
    story.hear(Input::PutTogether { leg: 1, with: "0222".into() });
    let normal = Cause { sip: 200, q850: 16 };
    assert_eq!(
        story.said[..3],
        [
            Effect::Progress { leg: 0, how: Progress::Done },
            Effect::HangUp { leg: 0, cause: normal },
            Effect::HangUp { leg: 1, cause: normal }
        ]
    );
    let record = story.finished();
    assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::Caller));
    assert_eq!(record.note, "transferred: the trunk took the party to 0222");
}

#[test]
fn where_nobody_answers_the_owner_may_know_somewhere_else() {
    let mut story = Story::from_phone();
    story.hear(Input::Elsewhere([Outcome::Busy].into()));
    story.hear(Input::Located(vec![stage(&["101"], GoOn::Never)]));
    let busy = |leg| Input::Failed { leg, outcome: Outcome::Busy, cause: Outcome::Busy.cause() };
    story.hear(busy(1));
    assert!(story.said.contains(&Effect::Elsewhere { by: 0, outcome: Outcome::Busy }), "{:?}", story.said);
    // There it is busy as well, and nothing else is known: the caller is told.
    story.hear(Input::Located(vec![stage(&["102"], GoOn::Never)]));
    story.hear(busy(2));
    assert!(story.said.contains(&Effect::Announce { to: 0, outcome: Outcome::Busy }), "{:?}", story.said);
}
