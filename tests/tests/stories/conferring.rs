//! Conferences, prompts that have a number, and supervisors who whisper and join in.

use model::{
    AudioFormat, AudioWish, CallId, Command, ConferenceMember, EventBody, Listening, Outcome, RecordingWish, Refusal,
    Reply, Route, RouteTarget, Supervision,
};
use patchbay_tests::{connect, converse, part, roughly, seeds};
use sim::{Conduct, End, Phone, Setup, Sound, World, cell, secs};

/// No phone has this pitch.
const PROMPT: Sound = Sound::Voice(900);
const MUSIC: Sound = Sound::Voice(1400);

fn setup(setup: Setup) -> Setup {
    let routed = |config: &mut cell::Config| {
        let welcome = |times| RouteTarget::Prompt { name: "welcome".to_owned(), times };
        config.routes.push(Route::new("7100", RouteTarget::Conference("board".to_owned())));
        config.routes.push(Route::new("7000", welcome(1)));
        config.routes.push(Route::new("7001", welcome(0)));
        config.routes.push(Route::new("7002", RouteTarget::Prompt { name: "missing".to_owned(), times: 1 }));
        config.sounds.music = std::sync::Arc::from([std::sync::Arc::new(sim::tone(1400, secs(1)))]);
    };
    setup.tuned(routed).prompt("welcome", 900, secs(3)).unrecorded()
}

fn there(world: &World, phone: &Phone) {
    let talks = world.run_until(secs(40), || phone.is_talking());
    assert!(talks, "seed {}: {phone:?} {:?}", world.seed(), phone.state());
}

fn members(world: &World) -> Vec<ConferenceMember> {
    world.conferences().into_iter().flat_map(|conference| conference.members).collect()
}

/// Everybody hears everybody else and not itself.
fn all_hear_each_other(world: &World, phones: &[&Phone]) {
    world.run_for(secs(3));
    let seed = world.seed();
    for listener in phones {
        for speaker in phones {
            let hears = listener.hears_among_others(speaker.voice());
            let expected = listener.address() != speaker.address();
            assert_eq!(hears, expected, "seed {seed}: {listener:?} and {speaker:?}");
        }
    }
}

#[test]
fn five_hear_each_other_while_others_come_and_go() {
    let story = |world: &World| {
        let phones: Vec<Phone> = (100..105).map(|number| world.phone(&number.to_string())).collect();
        phones[1].speak_only("G722");
        phones[3].speak_only("PCMU");
        for (at, phone) in phones.iter().enumerate() {
            phone.dial("7100");
            there(world, phone);
            if at == 0 {
                world.run_for(secs(3));
                assert!(phone.hears(MUSIC), "seed {}: alone, it hears music", world.seed());
            }
        }
        let all: Vec<&Phone> = phones.iter().collect();
        all_hear_each_other(world, &all);
        assert!(!phones[0].hears_among_others(MUSIC), "the music is over");
        assert_eq!(members(world).len(), 5);
        phones[2].hang_up();
        assert!(world.run_until(secs(40), || phones[2].is_idle() && members(world).len() == 4));
        all_hear_each_other(world, &[all[0], all[1], all[3], all[4]]);
        assert!(!phones[0].hears_among_others(phones[2].voice()));
        // One holds and comes back, the one who left comes again.
        phones[1].hold();
        assert!(world.run_until(secs(40), || phones[1].reinvite_status() == Some(200)), "seed {}", world.seed());
        phones[2].dial("7100");
        there(world, &phones[2]);
        phones[1].unhold();
        assert!(world.run_until(secs(40), || phones[1].reinvite_status() == Some(200)), "seed {}", world.seed());
        world.run_for(secs(2));
        all_hear_each_other(world, &all);
        let name = world.conferences()[0].name.clone();
        assert_eq!(name, "board");
        let end = Command::EndConference { conference: name };
        assert_eq!(world.conference_command(end), Ok(Reply::Done));
        assert!(world.run_until(secs(70), || phones.iter().all(Phone::is_idle)), "seed {}", world.seed());
        assert!(phones.iter().all(|phone| phone.end() == Some(End::LeftByThem)));
        world.run_for(secs(1));
        let records = world.records();
        assert_eq!(records.len(), 6, "seed {}: each has its own record", world.seed());
        assert!(records.iter().all(|record| record.outcome == Outcome::Answered && record.callee == "7100"));
        assert!(world.conferences().is_empty());
        let entered = |event: &&model::Event| matches!(event.body, EventBody::ConferenceEntered { .. });
        assert_eq!(world.events().iter().filter(entered).count(), 6);
    };
    let world = World::new(setup(Setup::new(7).workers(3)));
    story(&world);
    world.assert_settled();
    for seed in seeds().take(6) {
        let world = World::new(setup(Setup::new(seed).workers(1 + (seed % 4) as u16)).rough());
        story(&world);
        world.assert_settled();
    }
}

#[test]
fn each_member_has_a_record_when_the_switch_dies() {
    let world = World::new(setup(Setup::new(7).workers(2)));
    let phones: Vec<Phone> = (100..104).map(|number| world.phone(&number.to_string())).collect();
    for phone in &phones {
        phone.dial("7100");
        there(&world, phone);
    }
    world.run_for(secs(2));
    world.kill();
    world.run_for(secs(1));
    world.restart();
    world.run_for(secs(2));
    let records = world.records();
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.outcome == Outcome::SwitchFailure && record.answered_at.is_some()));
}

#[test]
fn a_call_becomes_a_conference_and_others_are_called_into_it() {
    roughly(
        |s| setup(s).workers(2),
        |world| {
            let (ana, ben, eva) = (world.phone("100"), world.phone("101"), world.phone("102"));
            ben.set_conduct(Conduct::Answer(secs(1)));
            eva.set_conduct(Conduct::Answer(secs(1)));
            ana.dial("101");
            connect(world, &ana, &ben);
            converse(world, &ana, &ben);
            let call = world.live_calls()[0].id;
            let name = call.to_string();
            assert_eq!(world.command(call, Command::Confer { call }), Ok(Reply::Conference { name: name.clone() }));
            assert_eq!(world.command(call, Command::Confer { call }), Err(Refusal::WrongState));
            all_hear_each_other(world, &[&ana, &ben]);
            let invite = Command::Invite { conference: name.clone(), extension: "102".to_owned() };
            assert!(matches!(world.conference_command(invite.clone()), Ok(Reply::Call { .. })));
            there(world, &eva);
            all_hear_each_other(world, &[&ana, &ben, &eva]);
            // Nobody hears who is muted.
            let eva_is = members(world).into_iter().find(|member| member.number == "102").expect("she is in it");
            let mute = |muted| Command::Mute { conference: name.clone(), call: eva_is.call, leg: eva_is.leg, muted };
            assert_eq!(world.conference_command(mute(true)), Ok(Reply::Done));
            world.run_for(secs(3));
            assert!(!ana.hears_among_others(eva.voice()) && eva.hears_among_others(ana.voice()));
            assert_eq!(world.conference_command(mute(false)), Ok(Reply::Done));
            // The one who began leaves; the others go on.
            ana.hang_up();
            assert!(world.run_until(secs(70), || ana.is_idle()));
            all_hear_each_other(world, &[&ben, &eva]);
            let dismiss = Command::Dismiss { conference: name.clone(), call: eva_is.call, leg: eva_is.leg };
            assert_eq!(world.conference_command(dismiss.clone()), Ok(Reply::Done));
            assert!(world.run_until(secs(70), || eva.is_idle()));
            assert_eq!(world.conference_command(dismiss), Err(Refusal::NoSuchLeg));
            ben.hang_up();
            part(world, &ana, &ben);
            world.run_for(secs(1));
            assert_eq!(world.conference_command(invite), Err(Refusal::NoSuchConference));
            let records = world.records();
            assert_eq!(records.len(), 2, "seed {}", world.seed());
            let both = records.iter().find(|record| record.id == call).expect("that of the call");
            assert_eq!((both.outcome, both.legs.len()), (Outcome::Answered, 2));
        },
    );
}

#[test]
fn a_number_plays_its_prompt_once_or_without_end() {
    roughly(setup, |world| {
        let (ana, ben) = (world.phone("100"), world.phone("101"));
        ana.speak_only("G722");
        ana.dial("7000");
        ben.dial("7001");
        there(world, &ana);
        there(world, &ben);
        assert!(world.run_until(secs(40), || ana.is_idle()), "it ends with its prompt");
        assert_eq!(ana.end(), Some(End::LeftByThem));
        assert!(ana.heard(PROMPT).total() > secs(2), "seed {}: {:?}", world.seed(), ana.heard(PROMPT));
        world.run_for(secs(8));
        assert!(ben.is_talking() && ben.hears(PROMPT) && ben.heard(PROMPT).total() > secs(7));
        ben.hang_up();
        assert!(world.run_until(secs(70), || ben.is_idle()));
        ana.dial("7002");
        assert!(world.run_until(secs(40), || ana.end() == Some(End::Refused(404))), "{:?}", ana.end());
        world.run_for(secs(1));
        let outcomes: Vec<Outcome> = world.records().iter().map(|record| record.outcome).collect();
        assert_eq!(outcomes, [Outcome::Answered, Outcome::Answered, Outcome::Unallocated]);
    });
}

fn supervise(world: &World, call: CallId, how: Supervision) -> Result<Reply, Refusal> {
    world.command(call, Command::Supervise { call, leg: 1, extension: "190".to_owned(), how })
}

#[test]
fn a_supervisor_listens_whispers_and_joins_in_by_command() {
    roughly(
        |s| setup(s).workers(3),
        |world| {
            let seed = world.seed();
            let (customer, agent, eva) = (world.phone("100"), world.phone("101"), world.phone("190"));
            agent.set_conduct(Conduct::Answer(secs(1)));
            eva.set_conduct(Conduct::Answer(secs(1)));
            customer.dial("101");
            connect(world, &customer, &agent);
            converse(world, &customer, &agent);
            let call = world.live_calls()[0].id;
            assert!(matches!(supervise(world, call, Supervision::Listen), Ok(Reply::Call { .. })));
            there(world, &eva);
            let check = |agent_hears: bool, customer_hears: bool| {
                world.run_for(secs(3));
                assert!(
                    eva.hears_among_others(customer.voice()) && eva.hears_among_others(agent.voice()),
                    "seed {seed}"
                );
                assert!(agent.hears_among_others(customer.voice()), "seed {seed}");
                assert!(customer.hears_among_others(agent.voice()), "seed {seed}");
                assert_eq!(agent.hears_among_others(eva.voice()), agent_hears, "seed {seed}: the agent");
                assert_eq!(customer.hears_among_others(eva.voice()), customer_hears, "seed {seed}: the customer");
            };
            check(false, false);
            for (how, heard) in [
                (Supervision::Whisper, (true, false)),
                (Supervision::Barge, (true, true)),
                (Supervision::Listen, (false, false)),
                (Supervision::Whisper, (true, false)),
            ] {
                assert_eq!(supervise(world, call, how), Ok(Reply::Done));
                check(heard.0, heard.1);
            }
            // The supervisor leaves, and comes again.
            eva.hang_up();
            assert!(world.run_until(secs(70), || eva.is_idle()));
            converse(world, &customer, &agent);
            assert!(matches!(supervise(world, call, Supervision::Barge), Ok(Reply::Call { .. })));
            assert!(world.run_until(secs(40), || eva.is_talking()));
            check(true, true);
            customer.hang_up();
            part(world, &customer, &agent);
            assert!(world.run_until(secs(70), || eva.is_idle()), "seed {seed}: it is over for the supervisor too");
            world.run_for(secs(1));
            assert_eq!(world.records().len(), 3, "seed {seed}");
            assert_eq!(supervise(world, call, Supervision::Listen), Err(Refusal::NoSuchCall));
        },
    );
}

#[test]
fn of_nine_supervisors_who_are_called_at_once_eight_take_part() {
    let world = World::new(setup(Setup::new(7)));
    let (customer, agent) = (world.phone("100"), world.phone("101"));
    agent.set_conduct(Conduct::Answer(secs(1)));
    customer.dial("101");
    connect(&world, &customer, &agent);
    let call = world.live_calls()[0].id;
    let called: Vec<Phone> = (110..119).map(|number| world.phone(&number.to_string())).collect();
    for (phone, number) in called.iter().zip(110..) {
        phone.set_conduct(Conduct::Answer(secs(1)));
        let wish = Command::Supervise { call, leg: 1, extension: number.to_string(), how: Supervision::Listen };
        assert!(matches!(world.command(call, wish), Ok(Reply::Call { .. })), "nobody takes part yet");
    }
    world.run_for(secs(5));
    let there: Vec<&Phone> = called.iter().filter(|phone| phone.is_talking()).collect();
    assert_eq!(there.len(), 8);
    assert!(there.iter().all(|phone| phone.hears_among_others(customer.voice())));
    converse(&world, &customer, &agent);
    customer.hang_up();
    part(&world, &customer, &agent);
    assert!(world.run_until(secs(5), || called.iter().all(Phone::is_idle)));
}

#[test]
fn a_program_hears_a_leg_and_is_heard_by_it_alone() {
    for seed in seeds().take(4) {
        let world = World::new(setup(Setup::new(seed)));
        let (customer, agent) = (world.phone("100"), world.phone("101"));
        agent.set_conduct(Conduct::Answer(secs(1)));
        customer.dial("101");
        connect(&world, &customer, &agent);
        converse(&world, &customer, &agent);
        let call = world.live_calls()[0].id;
        let open = |listening, speaks, port| {
            let wish = AudioWish { format: AudioFormat::Pcm8, listening, speaks, port };
            world.command(call, Command::OpenAudio { call, leg: 0, wish })
        };
        let Ok(Reply::Audio { id, address }) = open(Listening::Both, true, 5001) else { panic!() };
        let says = open(Listening::Says, false, 5002);
        let hears = open(Listening::Hears, false, 5003);
        assert!(says.is_ok() && hears.is_ok());
        world.run_for(secs(3));
        let level = |port: u16, phone: &Phone| {
            let Sound::Voice(hertz) = phone.voice() else { panic!() };
            let heard = world.program_heard(port);
            media::testing::level_of(&heard[heard.len() - 8_000..], hertz.into(), 8_000).0
        };
        for (port, caller, called) in [(5001, true, true), (5002, true, false), (5003, false, true)] {
            assert_eq!(level(port, &customer) > 4_000.0, caller, "seed {seed}: {port}");
            assert_eq!(level(port, &agent) > 4_000.0, called, "seed {seed}: {port}");
        }
        // It speaks to the customer, who still hears the agent.
        let tone = media::testing::tone(900.0, 160 * 20);
        for sequence in 0..150u16 {
            let mut packet = vec![0x80, 96];
            packet.extend(sequence.to_be_bytes());
            packet.extend((u32::from(sequence) * 160).to_be_bytes());
            packet.extend([0, 0, 0, 9]);
            let at = usize::from(sequence % 20) * 160;
            packet.extend(tone[at..at + 160].iter().flat_map(|sample| sample.to_be_bytes()));
            world.program_sends(5001, address.port(), &packet);
            world.run_for(sim::millis(20));
        }
        assert!(customer.hears_among_others(PROMPT), "seed {seed}");
        assert!(customer.hears_among_others(agent.voice()) && !agent.hears_among_others(PROMPT), "seed {seed}");
        let close = |id| world.command(call, Command::CloseAudio { call, id });
        assert_eq!((close(id), close(id)), (Ok(Reply::Done), Err(Refusal::NoSuchLeg)));
        converse(&world, &customer, &agent);
        customer.hang_up();
        part(&world, &customer, &agent);
        world.assert_settled();
    }
}

#[test]
fn who_cannot_be_understood_is_not_let_in() {
    let world = World::new(setup(Setup::new(7)));
    let ana = world.phone("100");
    ana.dial_describing(
        "7100",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nc=IN IP4 192.0.2.99\r\nt=0 0\r\nm=audio 5004 RTP/AVP 18\r\n",
    );
    assert!(world.run_until(secs(20), || ana.end().is_some()), "{:?}", ana.state());
    assert_eq!(ana.end(), Some(End::Refused(488)));
    assert!(world.conferences().is_empty());
    world.assert_settled();
}

/// What is in a file of a conference, and how long it is.
fn on_tape(world: &World, file: &model::RecordingFile, voices: &[Sound]) -> Vec<bool> {
    let tape = world.recording_at(&file.path).expect("its file");
    assert!(tape.closed, "seed {}", world.seed());
    let length = tape.length().as_millis().abs_diff(file.length_ms.into());
    assert!(length < 60, "seed {}: {length} ms of {file:?}", world.seed());
    voices.iter().map(|voice| tape.left.heard_among_others(*voice).total() > secs(1)).collect()
}

#[test]
fn a_conference_is_recorded_in_one_file_that_each_members_record_names() {
    let story = |world: &World| {
        let seed = world.seed();
        let phones: Vec<Phone> = (100..103).map(|number| world.phone(&number.to_string())).collect();
        phones[1].speak_only("G722");
        let record = |wish| {
            let conference = "board".to_owned();
            world.conference_command(Command::RecordConference { conference, wish })
        };
        assert_eq!(record(RecordingWish::Start), Err(Refusal::NoSuchConference));
        for phone in &phones[..2] {
            phone.dial("7100");
            there(world, phone);
        }
        // Two would be relayed to each other; what both say is in the file all the same.
        assert_eq!(record(RecordingWish::Pause), Err(Refusal::WrongState));
        assert_eq!(record(RecordingWish::Start), Ok(Reply::Done));
        assert_eq!(record(RecordingWish::Start), Err(Refusal::WrongState));
        assert!(world.conferences()[0].recording);
        world.run_for(secs(4));
        phones[0].hang_up();
        assert!(world.run_until(secs(40), || phones[0].is_idle() && members(world).len() == 1));
        phones[2].dial("7100");
        there(world, &phones[2]);
        world.run_for(secs(4));
        assert_eq!(record(RecordingWish::Stop), Ok(Reply::Done));
        phones[0].dial("7100");
        there(world, &phones[0]);
        assert_eq!(record(RecordingWish::Start), Ok(Reply::Done));
        world.run_for(secs(4));
        for phone in &phones {
            phone.hang_up();
        }
        assert!(world.run_until(secs(70), || phones.iter().all(Phone::is_idle)), "seed {seed}");
        world.run_for(secs(2));
        let records = world.records();
        let files_of = |caller: &str, first: bool| {
            let mut of = records.iter().filter(|record| record.caller == caller);
            let record = if first { of.next() } else { of.next_back() }.expect("its record");
            record.recording.iter().chain(&record.more_recordings).cloned().collect::<Vec<_>>()
        };
        let [left_early, stayed, came_late, came_again] =
            [files_of("100", true), files_of("101", true), files_of("102", true), files_of("100", false)];
        let lengths = [&left_early, &stayed, &came_late, &came_again].map(Vec::len);
        assert_eq!(lengths, [1, 2, 2, 1], "seed {seed}: {records:#?}");
        assert_eq!((&left_early[0].path, &came_late[0]), (&stayed[0].path, &stayed[0]));
        assert_eq!((&came_late[1].path, &came_again[0].path), (&stayed[1].path, &stayed[1].path));
        assert!(left_early[0].length_ms < stayed[0].length_ms, "seed {seed}: so long was it when the member left");
        assert!(stayed.iter().all(|file| file.complete && file.path.contains(".conference")), "{stayed:?}");
        let voices = [phones[0].voice(), phones[1].voice(), phones[2].voice(), MUSIC];
        assert_eq!(on_tape(world, &stayed[0], &voices), [true, true, true, false], "seed {seed}");
        let longest = [&stayed[1], &came_late[1], &came_again[0]].into_iter().max_by_key(|file| file.length_ms);
        let last = longest.expect("one");
        assert_eq!(on_tape(world, last, &voices), [true, true, true, false], "seed {seed}");
    };
    let world = World::new(setup(Setup::new(7)));
    story(&world);
    world.assert_settled();
    roughly(setup, story);
}

#[test]
fn what_is_paused_in_a_conference_is_silence_and_all_are_recorded_where_all_calls_are() {
    let recorded = |setup_: Setup| setup(setup_).tuned(|config| config.policy.record_all = true);
    let world = World::new(recorded(Setup::new(7)));
    let phones: Vec<Phone> = (100..103).map(|number| world.phone(&number.to_string())).collect();
    for phone in &phones {
        phone.dial("7100");
        there(&world, phone);
    }
    assert!(world.conferences()[0].recording);
    world.run_for(secs(2));
    let wish = |wish| world.conference_command(Command::RecordConference { conference: "board".to_owned(), wish });
    assert_eq!(wish(RecordingWish::Pause), Ok(Reply::Done));
    assert_eq!(wish(RecordingWish::Pause), Err(Refusal::WrongState));
    world.run_for(secs(4));
    assert_eq!(wish(RecordingWish::Resume), Ok(Reply::Done));
    world.run_for(secs(3));
    assert_eq!(world.conference_command(Command::EndConference { conference: "board".to_owned() }), Ok(Reply::Done));
    assert!(world.run_until(secs(70), || phones.iter().all(Phone::is_idle)));
    world.run_for(secs(2));
    let records = world.records();
    let file = records[0].recording.clone().expect("a file");
    let tape = world.recording_at(&file.path).expect("its file");
    let spells = tape.left.heard_among_others(phones[2].voice()).spells;
    assert_eq!(spells.len(), 2, "{spells:?}");
    assert!((spells[1].0 - spells[0].1).abs_diff(4 * 8_000) < 800, "{spells:?}");
    let told = world.events().into_iter().filter_map(|event| match event.body {
        EventBody::ConferenceRecording { wish, .. } => Some(wish),
        _ => None,
    });
    let told: Vec<_> = told.collect();
    use RecordingWish::{Pause, Resume, Start, Stop};
    assert_eq!(told, [Start, Pause, Resume, Stop]);
    world.assert_settled();
}
