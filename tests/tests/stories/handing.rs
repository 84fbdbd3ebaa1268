//! Transfers that a trunk does itself, because it is asked to (REFER).

use expect_test::expect_file;
use model::{EventBody, Outcome, Transfers};
use patchbay_tests::{connect, converse, everywhere, part, roughly};
use sim::{Conduct, End, Phone, Referred, Setup, World, secs};

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
