//! `kill -9`, and the calls that go on after it.

use model::{Agent, AgentState, Member, Outcome, Queue, Route, RouteTarget, Srtp, Strategy};
use patchbay_tests::{connect, converse, part, seeds};
use sim::{Conduct, End, Phone, Setup, Sound, Stream, World, millis, secs};

/// What nobody may be without sound for longer than.
const MOST: std::time::Duration = secs(3);

/// What those hear who wait: no voice has this pitch.
const MUSIC: Sound = Sound::Voice(1400);

fn with_music(config: &mut sim::cell::Config) {
    config.sounds.music = std::sync::Arc::from([std::sync::Arc::new(sim::tone(1400, secs(1)))]);
}

fn speaking(world: &World, phone: &Phone, other: &Phone) {
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial(&other.number());
    connect(world, phone, other);
    converse(world, phone, other);
}

/// The switch is dead for a second.
fn die(world: &World) {
    world.kill();
    world.run_for(secs(1));
    world.restart();
}

/// They speak as before, and whatever was lost was short.
fn go_on(world: &World, phone: &Phone, other: &Phone) {
    world.run_for(secs(2));
    converse(world, phone, other);
    let gaps = [phone.longest_gap(), other.longest_gap()];
    assert!(gaps.iter().all(|gap| *gap <= MOST), "seed {}: {gaps:?}", world.seed());
    assert_eq!(world.records(), [], "seed {}", world.seed());
}

/// They part, and there is one record of an answered call that was dead for a second.
fn end(world: &World, phone: &Phone, other: &Phone) {
    let record = ended(world, phone, other);
    let outage = record.outage_ms.expect("it was dead for a moment");
    // The last process said every second that it lived.
    assert!((950..=2100).contains(&outage), "seed {}: {outage}", world.seed());
}

fn ended(world: &World, phone: &Phone, other: &Phone) -> model::CallRecord {
    phone.hang_up();
    part(world, phone, other);
    world.assert_settled();
    let record = world.record();
    assert_eq!(record.outcome, Outcome::Answered, "seed {}: {record:#?}", world.seed());
    record
}

#[test]
fn two_phones_speak_on_after_the_switch_was_killed() {
    for seed in seeds() {
        let setup = Setup::new(seed).workers(1 + (seed % 3) as u16);
        let world = World::new(if seed % 2 == 0 { setup } else { setup.rough() });
        let (phone, other) = (world.phone("100"), world.phone("101"));
        speaking(&world, &phone, &other);
        let answered = world.live_calls()[0].answered_at;
        die(&world);
        go_on(&world, &phone, &other);
        assert!(!world.setup().is_clean() || phone.longest_gap() <= millis(1100), "{:?}", phone.longest_gap());
        let live = world.live_calls();
        assert_eq!((live.len(), live[0].answered_at), (1, answered), "seed {seed}");
        end(&world, &phone, &other);
        let record = world.record();
        assert_eq!(record.answered_at, answered, "seed {seed}");
        // The first file ends with the first process; what came after is in another.
        let files: Vec<_> = record.recording.iter().chain(&record.more_recordings).collect();
        assert_eq!(files.iter().map(|file| file.complete).collect::<Vec<_>>(), [false, true], "seed {seed}: {files:?}");
        for file in files {
            let recording = world.recording_at(&file.path).expect("the file is there");
            assert!(recording.left.has(phone.voice()) && recording.right.has(other.voice()), "seed {seed}: {file:?}");
        }
        // And they can call again.
        speaking(&world, &phone, &other);
        phone.hang_up();
        part(&world, &phone, &other);
    }
}

#[test]
fn a_call_survives_two_kills_and_one_in_the_middle_of_coming_back() {
    for after in [0, 3, 6, 9, 12, 40, 700] {
        let world = World::new(Setup::new(after).workers(2));
        let (phone, other) = (world.phone("100"), world.phone("101"));
        speaking(&world, &phone, &other);
        world.kill();
        world.run_for(millis(400));
        world.restart();
        world.run_for(millis(after));
        world.kill();
        world.run_for(millis(600));
        world.restart();
        go_on(&world, &phone, &other);
        let outage = ended(&world, &phone, &other).outage_ms.unwrap();
        assert!((950..=3100).contains(&outage), "{after}: {outage}");
    }
}

#[test]
fn phones_that_share_no_codec_and_phones_that_encrypt_speak_on() {
    fn offered(config: &mut sim::cell::Config) {
        config.policy.srtp = Srtp::Offered;
    }
    for secure in [false, true] {
        let world = World::new(Setup::new(7).tuned(offered));
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.speak_only("G722");
        other.speak_only("PCMA");
        if secure {
            phone.set_secure();
            other.set_secure();
        }
        speaking(&world, &phone, &other);
        die(&world);
        go_on(&world, &phone, &other);
        assert_eq!(phone.is_sealed(), secure);
        end(&world, &phone, &other);
    }
}

#[test]
fn who_is_held_hears_music_again_and_is_taken_back() {
    let world = World::new(Setup::new(7).tuned(with_music));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    speaking(&world, &phone, &other);
    other.hold();
    world.run_for(secs(2));
    assert!(phone.hears(MUSIC));
    die(&world);
    world.run_for(secs(2));
    assert!(phone.hears(MUSIC) && !phone.hears(other.voice()));
    other.unhold();
    world.run_for(secs(1));
    converse(&world, &phone, &other);
    assert!(!phone.hears(MUSIC));
    end(&world, &phone, &other);
}

#[test]
fn who_hung_up_meanwhile_is_heard_and_who_is_gone_is_missed() {
    // Its BYE is repeated until somebody is there.
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    speaking(&world, &phone, &other);
    world.kill();
    phone.hang_up();
    world.run_for(secs(1));
    world.restart();
    part(&world, &phone, &other);
    assert_eq!((other.end(), world.record().outcome), (Some(End::LeftByThem), Outcome::Answered));
    world.assert_settled();
    // It was switched off, and knows nothing of a call; or it says nothing at all.
    for off in [false, true] {
        let world = World::seeded(7);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        speaking(&world, &phone, &other);
        world.kill();
        if off {
            phone.vanish();
        } else {
            phone.forget_calls();
        }
        world.restart();
        assert!(world.run_until(secs(if off { 70 } else { 2 }), || other.is_idle()), "{off}");
        assert_eq!(other.end(), Some(End::LeftByThem));
        world.run_for(secs(40));
        assert_eq!(world.record().outcome, Outcome::Answered);
        world.assert_settled();
    }
}

#[test]
fn who_refuses_the_question_goes_on_as_before() {
    for status in [488, 500, 491] {
        let world = World::seeded(7);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        other.refuse_reinvites(status);
        speaking(&world, &phone, &other);
        die(&world);
        go_on(&world, &phone, &other);
        end(&world, &phone, &other);
    }
}

#[test]
fn calls_by_trunks_go_on_and_are_counted() {
    for inbound in [false, true] {
        let world = World::new(Setup::new(7).workers(3).trunk("pstn", "0*"));
        let (trunk, phone) = (world.trunk("pstn"), world.phone("100"));
        let parties = if inbound { [&trunk, &phone] } else { [&phone, &trunk] };
        parties[1].set_conduct(Conduct::AnswerAtOnce);
        parties[0].dial(if inbound { "100" } else { "057112345678" });
        connect(&world, parties[0], parties[1]);
        converse(&world, parties[0], parties[1]);
        assert_eq!(world.trunk_status("pstn").calls, 1);
        die(&world);
        go_on(&world, parties[0], parties[1]);
        assert_eq!(world.trunk_status("pstn").calls, 1);
        end(&world, parties[0], parties[1]);
        assert_eq!(world.trunk_status("pstn").calls, 0);
        assert_eq!(world.record().trunk.as_deref(), Some("pstn"));
    }
}

#[test]
fn a_phone_by_a_stream_speaks_on_and_hangs_up_by_another() {
    for stream in [Stream::Tcp, Stream::Tls] {
        for caller_leaves in [false, true] {
            let world = World::new(Setup::new(7).workers(2));
            let (phone, other) = (world.phone_by(stream, "100"), world.phone("101"));
            speaking(&world, &phone, &other);
            die(&world);
            go_on(&world, &phone, &other);
            world.run_for(secs(5));
            let (first, second) = if caller_leaves { (&phone, &other) } else { (&other, &phone) };
            end(&world, first, second);
        }
    }
}

#[test]
fn who_was_served_by_the_switch_is_told_that_it_is_over() {
    fn rooms(config: &mut sim::cell::Config) {
        config.routes.push(Route::new("800", RouteTarget::Conference("room".to_owned())));
    }
    let world = World::new(Setup::new(7).tuned(rooms));
    let (phone, other) = (world.phone("100"), world.phone("101"));
    for one in [&phone, &other] {
        one.dial("800");
        assert!(world.run_until(secs(5), || one.is_talking() && one.is_confirmed()));
    }
    world.run_for(secs(1));
    die(&world);
    assert!(world.run_until(secs(2), || phone.is_idle() && other.is_idle()));
    world.run_for(secs(40));
    world.assert_settled();
    let outcomes: Vec<Outcome> = world.records().iter().map(|record| record.outcome).collect();
    assert_eq!(outcomes, [Outcome::SwitchFailure; 2]);
}

#[test]
fn a_call_is_kept_when_it_turns_and_not_in_between() {
    let world = World::new(Setup::new(7).unrecorded());
    let (phone, other) = (world.phone("100"), world.phone("101"));
    speaking(&world, &phone, &other);
    let answered = world.kept("call/");
    world.run_for(secs(600));
    assert_eq!(world.kept("call/"), answered, "nothing happened meanwhile");
    let most = answered.iter().max().unwrap();
    assert!(*most < 4_000, "{answered:?}");
    // When it came, when it rang, when it was answered.
    assert!(answered.len() <= 3, "{answered:?}");
    other.hold();
    world.run_for(secs(1));
    other.unhold();
    world.run_for(secs(1));
    assert_eq!(world.kept("call/").len(), answered.len() + 2);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
}

fn sales() -> Queue {
    let strategy = Strategy::LongestIdle;
    Queue { number: "700".to_owned(), ring_seconds: 10, strategy, ..Queue::new("sales") }
}

fn agent(world: &World, name: &str, extension: &str) -> Phone {
    let phone = world.phone(extension);
    let queues = vec![Member { queue: "sales".to_owned(), penalty: 0 }];
    world.put_agent(Agent { name: name.to_owned(), extension: extension.to_owned(), queues, ..Agent::default() });
    world.log_in(name, "").expect("the agent is known");
    world.run_for(millis(50));
    phone
}

#[test]
fn callers_in_a_queue_keep_their_places_and_agents_their_callers() {
    for workers in [1, 3] {
        let world = World::new(Setup::new(7).workers(workers).tuned(with_music));
        world.put_queue(sales());
        let (ana, ben) = (agent(&world, "ana", "101"), agent(&world, "ben", "102"));
        let callers: Vec<Phone> = (110..114).map(|number| world.phone(&number.to_string())).collect();
        for (caller, agent) in callers.iter().zip([&ana, &ben]) {
            agent.set_conduct(Conduct::Answer(secs(1)));
            caller.dial("700");
            connect(&world, caller, agent);
        }
        for caller in &callers[2..] {
            caller.dial("700");
            assert!(world.run_until(secs(5), || caller.is_talking() && caller.is_confirmed()));
            world.run_for(secs(1));
        }
        let waiting = || world.queue_status("sales").callers.iter().map(|c| (c.number.clone(), c.since)).collect();
        let before: Vec<_> = waiting();
        assert_eq!(before.iter().map(|c| &c.0[..]).collect::<Vec<_>>(), ["112", "113"]);
        let figures = world.queue_status("sales");
        die(&world);
        world.run_for(secs(1));
        let now: Vec<_> = waiting();
        assert_eq!(now, before, "{workers}: who waits, and since when");
        let after = world.queue_status("sales");
        assert_eq!((after.entered, after.answered, after.abandoned), (figures.entered, figures.answered, 0));
        for (name, caller, agent) in [("ana", &callers[0], &ana), ("ben", &callers[1], &ben)] {
            assert_eq!(world.agent_status(name).state, AgentState::Talking, "{workers}");
            converse(&world, caller, agent);
            assert!(caller.longest_gap() <= MOST && agent.longest_gap() <= MOST);
        }
        for caller in &callers[2..] {
            assert!(caller.hears(MUSIC), "{workers}");
            assert!(caller.longest_gap() <= MOST, "{workers}: {:?}", caller.longest_gap());
        }
        // The first to be free has the first in line.
        callers[1].hang_up();
        connect(&world, &callers[2], &ben);
        converse(&world, &callers[2], &ben);
        callers[0].hang_up();
        connect(&world, &callers[3], &ana);
        converse(&world, &callers[3], &ana);
        callers[2..].iter().for_each(Phone::hang_up);
        assert!(world.run_until(secs(60), || callers.iter().chain([&ana, &ben]).all(Phone::is_idle)));
        world.run_for(secs(1));
        world.assert_settled();
        assert!(["ana", "ben"].iter().all(|name| world.agent_status(name).state == AgentState::Ready));
        let records = world.records();
        assert_eq!(records.len(), 4);
        for record in records {
            let visit = record.queue.expect("it came through the queue");
            assert!(record.outcome == Outcome::Answered && visit.answered_at.is_some() && record.outage_ms.is_some());
        }
        let waited = world.queue_status("sales");
        assert_eq!((waited.entered, waited.answered, waited.abandoned), (4, 4, 0), "{workers}");
    }
}

#[test]
fn who_was_rung_for_a_caller_in_a_queue_is_rung_anew() {
    // Before the phone rings, while it rings, and when it is answered at that moment.
    for after in [0, 5, 10, 15, 20, 500, 3_000] {
        let world = World::new(Setup::new(after).workers(2).tuned(with_music));
        world.put_queue(sales());
        let ana = agent(&world, "ana", "101");
        let caller = world.phone("100");
        caller.dial("700");
        assert!(world.run_until(secs(5), || caller.is_talking() && caller.is_confirmed()));
        world.run_for(millis(after));
        world.kill();
        if after == 3_000 {
            // Its answer meets nobody.
            ana.answer();
        }
        world.run_for(millis(300));
        world.restart();
        assert!(world.run_until(secs(40), || ana.is_ringing() || after == 3_000), "{after}");
        if after < 3_000 {
            world.run_for(secs(2));
            assert!(ana.is_ringing() && caller.hears(MUSIC), "{after}");
        }
        assert!(world.run_until(secs(40), || ana.is_ringing()), "{after}");
        ana.answer();
        connect(&world, &caller, &ana);
        converse(&world, &caller, &ana);
        caller.hang_up();
        part(&world, &caller, &ana);
        world.run_for(secs(40));
        world.assert_settled();
        let record = world.record();
        assert_eq!((record.outcome, record.queue.unwrap().agent), (Outcome::Answered, "ana".to_owned()));
    }
}
