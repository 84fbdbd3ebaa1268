//! Transfers that a trunk does itself, because it is asked to (REFER).

use expect_test::expect_file;
use model::{EventBody, Outcome, Transfers};
use patchbay_tests::{connect, converse, everywhere, part, roughly};
use sim::{Conduct, End, Phone, Referred, Setup, World, secs};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

fn referring(setup: Setup) -> Setup {
    setup.trunk("pstn", "0*").tuned(|config| config.trunks[0].transfers = Transfers::Refer)
}

/// 100 speaks with somebody beyond the trunk, who can be transferred in this way.
fn outside(world: &World, how: Referred) -> (Phone, Phone) {
    let (ana, pstn) = (world.phone("100"), world.trunk("pstn"));
    world.restart_ladder();
    pstn.take_refer(how);
    pstn.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("0111");
    connect(world, &ana, &pstn);
    converse(world, &ana, &pstn);
    (ana, pstn)
}

/// Both legs end, and the record says why.
fn handed_over(world: &World, ana: &Phone, pstn: &Phone) {
    let seed = world.seed();
    assert!(world.run_until(secs(90), || ana.is_idle() && pstn.is_idle()), "seed {seed}: {:?}", ana.progress());
    world.run_for(secs(1));
    let record = world.record();
    assert_eq!((record.outcome, record.legs.len()), (Outcome::Answered, 2), "seed {seed}");
    assert_eq!(record.note, "transferred: the trunk took the party to 0222", "seed {seed}");
    assert_eq!(pstn.calls_received(), 1, "seed {seed}");
    let told = |body: &EventBody| matches!(body, EventBody::HandedOver { by: 0, leg: 1, to, .. } if to == "0222");
    assert_eq!(world.events().iter().filter(|event| told(&event.body)).count(), 1, "seed {seed}");
}

#[test]
fn the_trunk_takes_its_party_to_another_number() {
    everywhere(
        |setup| referring(setup.workers(2)),
        &expect_file!["../../ladders/handed_over.txt"],
        |world| {
            let (ana, pstn) = outside(world, Referred::Told(200));
            ana.transfer("0222");
            handed_over(world, &ana, &pstn);
            assert_eq!((ana.end(), pstn.end()), (Some(End::LeftByThem), Some(End::LeftByThem)));
            assert!(pstn.referred_to()[0].contains("sip:0222@"), "{:?}", pstn.referred_to());
            if world.setup().is_clean() {
                assert_eq!(ana.progress(), ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]);
                assert_eq!(pstn.notify_statuses(), [200, 200, 200]);
            }
        },
    );
}

#[test]
fn a_trunk_that_tells_nothing_says_by_its_bye_that_it_is_done() {
    roughly(referring, |world| {
        let (ana, pstn) = outside(world, Referred::Silently);
        ana.transfer("0222");
        handed_over(world, &ana, &pstn);
    });
}

#[test]
fn what_the_trunk_will_not_do_is_done_from_here() {
    for how in [Referred::Refused(501), Referred::Told(486), Referred::Forgotten] {
        let world = World::new(referring(Setup::new(7)));
        let (ana, pstn) = outside(&world, how);
        ana.transfer("0222");
        assert!(world.run_until(secs(60), || pstn.calls_received() == 2 && ana.is_idle()), "{how:?}");
        world.run_for(secs(2));
        let record = &world.live_calls()[0];
        assert_eq!(record.legs.len(), 3, "{how:?}");
        pstn.hang_up();
        assert!(world.run_until(secs(5), || pstn.is_idle()), "{how:?}");
        world.assert_settled();
        assert_eq!(world.record().outcome, Outcome::Answered);
    }
}

#[test]
fn other_transfers_are_done_from_here() {
    // To an extension, and by a trunk that does not take REFER.
    let world = World::new(referring(Setup::new(7)));
    let (ana, pstn) = outside(&world, Referred::Told(200));
    let ben = world.phone("101");
    ben.set_conduct(Conduct::AnswerAtOnce);
    ana.transfer("101");
    assert!(world.run_until(secs(5), || ben.is_talking() && ana.is_idle()));
    converse(&world, &pstn, &ben);
    assert!(pstn.referred_to().is_empty());
    ben.hang_up();
    part(&world, &ben, &pstn);
    world.assert_settled();
    let world = World::new(Setup::new(7).trunk("pstn", "0*"));
    let (ana, pstn) = outside(&world, Referred::Told(200));
    ana.transfer("0222");
    assert!(world.run_until(secs(20), || pstn.calls_received() == 2 && ana.is_idle()));
    assert!(pstn.referred_to().is_empty());
    world.hang_up_all();
    assert!(world.run_until(secs(5), || pstn.is_idle()));
    world.assert_settled();
}

#[test]
fn the_party_leaves_or_the_call_is_ended_while_the_trunk_is_asked() {
    let world = World::new(referring(Setup::new(7)));
    let (ana, pstn) = outside(&world, Referred::Told(200));
    ana.transfer("0222");
    world.run_for(secs(1));
    pstn.hang_up();
    part(&world, &ana, &pstn);
    world.assert_settled();
    assert_eq!((world.record().outcome, &world.record().note[..]), (Outcome::Answered, ""));
    let (ana, pstn) = {
        let world = World::new(referring(Setup::new(8)));
        let (ana, pstn) = outside(&world, Referred::Told(200));
        ana.transfer("0222");
        world.run_for(secs(1));
        world.hang_up_all();
        part(&world, &ana, &pstn);
        world.assert_settled();
        (ana, pstn)
    };
    assert!(ana.is_idle() && pstn.is_idle());
}

#[test]
fn what_is_told_of_a_transfer_that_is_over_is_not_listened_to() {
    let world = World::new(referring(Setup::new(7)));
    let (ana, pstn) = outside(&world, Referred::Told(486));
    pstn.tell_of_refer(200);
    assert!(world.run_until(secs(5), || pstn.notify_statuses() == [481]), "nobody asked it yet");
    ana.transfer("0222");
    assert!(world.run_until(secs(60), || pstn.calls_received() == 2 && ana.is_idle()));
    assert_eq!(pstn.notify_statuses(), [481, 200, 200, 200]);
    pstn.tell_of_refer(200);
    assert!(world.run_until(secs(5), || pstn.notify_statuses().len() == 5));
    assert_eq!(pstn.notify_statuses()[4], 481);
    world.run_for(secs(2));
    assert_eq!(world.live_calls()[0].legs.len(), 3, "it changes nothing");
    pstn.hang_up();
    assert!(world.run_until(secs(5), || pstn.is_idle()));
    world.assert_settled();
}

/// The trunk has two far ends, `pstn` and `spare`.
fn with_two_ends(setup: Setup) -> Setup {
    referring(setup).peer("spare").tuned(|config| {
        config.trunks[0].addresses.push(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 150)).into());
    })
}

/// 100 called somebody at one far end and is called from the other: it speaks with both, one after the other.
fn two_outside(world: &World, how: Referred) -> (Phone, Phone, Phone) {
    let (ana, pstn) = outside(world, how);
    let spare = world.trunk("spare");
    ana.hold();
    assert!(world.run_until(secs(40), || ana.reinvite_status() == Some(200)), "seed {}", world.seed());
    ana.set_conduct(Conduct::Answer(secs(1)));
    ana.set_max_calls(2);
    spare.dial("100");
    connect(world, &spare, &ana);
    converse(world, &spare, &ana);
    (ana, pstn, spare)
}

fn hear_each_other(world: &World, one: &Phone, other: &Phone) {
    let seed = world.seed();
    world.run_for(secs(3));
    assert!(one.hears(other.voice()), "seed {seed}: {one:?} does not hear {other:?}");
    assert!(other.hears(one.voice()), "seed {seed}: {other:?} does not hear {one:?}");
}

fn notes(world: &World) -> Vec<String> {
    let mut notes: Vec<String> = world.records().iter().map(|record| record.note.clone()).collect();
    notes.sort();
    notes
}

#[test]
fn the_trunk_puts_two_of_its_parties_together() {
    everywhere(
        |setup| with_two_ends(setup.workers(2)),
        &expect_file!["../../ladders/put_together.txt"],
        |world| {
            let seed = world.seed();
            let (ana, pstn, spare) = two_outside(world, Referred::Told(200));
            ana.join_calls();
            assert!(world.run_until(secs(90), || ana.is_idle()), "seed {seed}: {:?}", ana.progress());
            assert!(world.run_until(secs(60), || world.live_calls().is_empty()), "seed {seed}");
            hear_each_other(world, &pstn, &spare);
            assert_eq!(
                notes(world),
                ["transferred: the trunk took the party to 0111", "transferred: the trunk took the party to spare"],
                "seed {seed}"
            );
            assert!(world.records().iter().all(|r| r.outcome == Outcome::Answered && r.legs.len() == 2));
            let to = &pstn.referred_to()[0];
            assert!(to.contains("198.51.100.150") && to.contains("?Replaces=") && to.contains("%3Bto-tag%3D"), "{to}");
            if world.setup().is_clean() {
                assert_eq!(ana.progress().last().map(String::as_str), Some("SIP/2.0 200 OK"));
                assert_eq!(pstn.notify_statuses(), [200, 200]);
            }
            pstn.hang_up();
            part(world, &pstn, &spare);
        },
    );
}

#[test]
fn parties_that_the_trunk_will_not_put_together_are_joined_here() {
    for how in [Referred::Refused(501), Referred::Told(486), Referred::Forgotten] {
        let mut apart = 0;
        for (seed, workers) in [(7, 1), (7, 2), (8, 2), (9, 2), (10, 2)] {
            let world = World::new(with_two_ends(Setup::new(seed)).workers(workers));
            let (ana, pstn, spare) = two_outside(&world, how);
            ana.join_calls();
            assert!(world.run_until(secs(30), || ana.is_idle()), "{how:?} {seed}: {:?}", ana.progress());
            assert_eq!(pstn.referred_to().len(), 1, "{how:?} {seed}");
            hear_each_other(&world, &pstn, &spare);
            world.run_for(secs(30));
            hear_each_other(&world, &pstn, &spare);
            spare.hang_up();
            part(&world, &pstn, &spare);
            world.assert_settled();
            assert!(notes(&world).iter().all(|note| !note.contains("the trunk took")), "{:?}", notes(&world));
            let cells: BTreeSet<u16> = world.records().iter().map(|record| record.id.cell() % workers).collect();
            apart += cells.len() - 1;
        }
        assert!((1..=4).contains(&apart), "two calls in one worker, and in two: {apart}");
    }
}

#[test]
fn parties_of_different_trunks_are_joined_here() {
    let setup = Setup::new(7).trunk("pstn", "0*").trunk("other", "5*").tuned(|config| {
        for trunk in &mut config.trunks {
            trunk.transfers = Transfers::Refer;
        }
    });
    let world = World::new(setup);
    let (ana, pstn) = outside(&world, Referred::Told(200));
    let other = world.trunk("other");
    other.set_conduct(Conduct::Answer(secs(1)));
    ana.dial("5111");
    connect(&world, &ana, &other);
    ana.join_calls();
    assert!(world.run_until(secs(5), || ana.is_idle()));
    hear_each_other(&world, &pstn, &other);
    assert!(pstn.referred_to().is_empty());
    pstn.hang_up();
    part(&world, &pstn, &other);
    world.assert_settled();
}

#[test]
fn a_party_leaves_while_the_trunk_is_asked_to_put_it_together_with_another() {
    for seed in 7..11 {
        // The first: the other call goes on as if nothing had been asked.
        let world = World::new(with_two_ends(Setup::new(seed)).workers(2));
        let (ana, pstn, spare) = two_outside(&world, Referred::Forgotten);
        ana.join_calls();
        world.run_for(secs(2));
        pstn.hang_up();
        assert!(world.run_until(secs(5), || pstn.is_idle()));
        world.run_for(secs(20));
        hear_each_other(&world, &ana, &spare);
        spare.hang_up();
        part(&world, &ana, &spare);
        world.assert_settled();
        assert_eq!(notes(&world), ["", ""], "seed {seed}");
        // The phone leaves the second: there is nothing to be joined.
        let world = World::new(with_two_ends(Setup::new(seed)).workers(2));
        let (ana, pstn, spare) = two_outside(&world, Referred::Forgotten);
        ana.join_calls();
        world.run_for(secs(2));
        ana.hang_up();
        assert!(world.run_until(secs(5), || spare.is_idle()));
        world.run_for(secs(20));
        assert_eq!((world.live_calls().len(), pstn.is_idle()), (1, false), "seed {seed}");
        pstn.hang_up();
        part(&world, &pstn, &ana);
        world.assert_settled();
        assert_eq!(notes(&world), ["", ""], "seed {seed}");
    }
}

#[test]
fn a_bye_says_that_two_parties_were_put_together_where_no_more_is_told() {
    for seed in 7..10 {
        let world = World::new(with_two_ends(Setup::new(seed)).workers(2));
        let (ana, pstn, spare) = two_outside(&world, Referred::Silently);
        ana.join_calls();
        assert!(world.run_until(secs(10), || ana.is_idle() && pstn.is_idle() && spare.is_idle()), "seed {seed}");
        world.run_for(secs(1));
        world.assert_settled();
        assert!(notes(&world).iter().all(|note| note.contains("the trunk took the party to")), "{:?}", notes(&world));
    }
}
