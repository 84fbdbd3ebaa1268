//! What a day's calls may cost: prices in records, caps that end calls, and counts that survive.

use model::{EventBody, Outcome, Price, Side};
use patchbay_tests::{connect, part, refusal};
use sim::{Conduct, Phone, Setup, World, millis, secs};

/// A trunk at 0.10 a minute, charged by the minute.
fn priced(setup: Setup) -> Setup {
    setup.trunk("a", "0*").tuned(|config| {
        config.trunks[0].dialling.price = Price { per_minute: 100_000, step_seconds: 60 };
    })
}

fn parties(world: &World) -> (Phone, Phone) {
    let (phone, trunk) = (world.phone("100"), world.trunk("a"));
    trunk.set_conduct(Conduct::AnswerAtOnce);
    (phone, trunk)
}

fn alerts(world: &World) -> Vec<(Option<String>, u8, u64)> {
    let alert = |event: &model::Event| match &event.body {
        EventBody::SpendingAlert { extension, percent, spent } => Some((extension.clone(), *percent, spent.cost)),
        _ => None,
    };
    world.events().iter().filter_map(alert).collect()
}

#[test]
fn a_record_says_what_the_call_cost() {
    let world = World::new(priced(Setup::new(7)));
    let (phone, trunk) = parties(&world);
    phone.dial("01062345678");
    connect(&world, &phone, &trunk);
    world.run_for(secs(61));
    phone.hang_up();
    part(&world, &phone, &trunk);
    let charge = world.record().charge.unwrap();
    assert_eq!((charge.cost, charge.price.per_minute), (200_000, 100_000));
    trunk.set_conduct(Conduct::Busy);
    phone.dial("01062345678");
    refusal(&world, &phone);
    assert_eq!(world.records().last().unwrap().charge, None);
    assert!(alerts(&world).is_empty());
    world.assert_settled();
}

#[test]
fn a_call_ends_where_its_extension_has_no_more_to_spend() {
    for (workers, seeds, rough) in [(1, 0..1, false), (3, 0..1, false), (3, 1..3, true)] {
        for seed in seeds {
            // Five steps of twelve seconds are a minute.
            let mut setup = priced(Setup::new(seed)).workers(workers).tuned(|config| {
                config.trunks[0].dialling.price = Price { per_minute: 500_000, step_seconds: 12 };
                config.extension_cap.cost = Some(500_000);
            });
            if rough {
                setup = setup.rough();
            }
            let world = World::new(setup);
            let (phone, trunk) = parties(&world);
            phone.dial("01062345678");
            connect(&world, &phone, &trunk);
            world.run_for(secs(50));
            assert!(phone.is_talking());
            let now = world.spending();
            let [own] = now.as_slice() else { panic!("{now:?}") };
            assert_eq!(
                (own.extension.as_deref(), own.day.as_str(), own.spent.cost),
                (Some("100"), "2026-11-21", 500_000)
            );
            assert!(own.spent.talked_ms.abs_diff(50_000) < 5_000);
            part(&world, &phone, &trunk);
            let record = world.record();
            assert_eq!((record.outcome, record.ended_by), (Outcome::Answered, Side::System));
            assert_eq!(record.note, "the daily spending cap is reached");
            assert_eq!(record.charge.unwrap().cost, 500_000);
            assert!(record.talk_ms().abs_diff(60_000) < 10, "{}", record.talk_ms());
            let ana = || Some("100".to_owned());
            assert_eq!(alerts(&world), [(ana(), 80, 400_000), (ana(), 100, 500_000)]);
            phone.dial("01062345678");
            assert_eq!(refusal(&world, &phone), 403);
            assert_eq!(world.records().last().unwrap().note, "the daily spending cap is reached");
            let other = world.phone("101");
            other.dial("01062345678");
            connect(&world, &other, &trunk);
            other.hang_up();
            part(&world, &other, &trunk);
            assert_eq!(world.stats().iter().map(|stats| stats.spending_alerts).sum::<u64>(), 2);
            world.assert_settled();
        }
    }
}

#[test]
fn the_switch_has_a_cap_of_minutes_that_all_share() {
    let setup = priced(Setup::new(7)).workers(3).tuned(|config| config.total_cap.minutes = Some(4));
    let world = World::new(setup);
    let (phone, trunk) = parties(&world);
    trunk.set_max_calls(9);
    let other = world.phone("101");
    phone.dial("01062345678");
    other.dial("01062345678");
    assert!(world.run_until(secs(5), || phone.is_talking() && other.is_talking()));
    world.run_for(secs(115));
    assert!(phone.is_talking() && other.is_talking());
    assert!(world.run_until(secs(10), || phone.is_idle() && other.is_idle()));
    world.run_for(millis(500));
    let talked: u64 = world.records().iter().map(model::CallRecord::talk_ms).sum();
    assert!((240_000..240_100).contains(&talked), "{talked}");
    assert_eq!(
        alerts(&world).iter().map(|(whose, percent, _)| (whose.clone(), *percent)).collect::<Vec<_>>(),
        [(None, 80), (None, 100)]
    );
    other.dial("01062345678");
    assert_eq!(refusal(&world, &other), 403);
    // The next day everybody may call again.
    world.run_for(secs(16 * 3600));
    other.dial("01062345678");
    connect(&world, &other, &trunk);
    other.hang_up();
    part(&world, &other, &trunk);
    world.assert_settled();
}

#[test]
fn what_was_spent_is_not_forgotten_by_a_killed_switch() {
    let setup = priced(Setup::new(7)).workers(2).tuned(|config| config.extension_cap.cost = Some(500_000));
    let world = World::new(setup);
    let (phone, trunk) = parties(&world);
    // Two minutes are on the books, and three more are begun when it dies.
    for talk in [secs(90), secs(130)] {
        phone.dial("01062345678");
        connect(&world, &phone, &trunk);
        world.run_for(talk);
        if talk == secs(90) {
            phone.hang_up();
            part(&world, &phone, &trunk);
            world.run_for(secs(1));
        }
    }
    world.kill();
    world.run_for(secs(1));
    world.restart();
    phone.hang_up();
    trunk.hang_up();
    world.run_for(secs(60));
    let record = world.records().last().unwrap().clone();
    assert_eq!((record.outcome, record.charge.unwrap().cost), (Outcome::Answered, 300_000));
    phone.dial("01062345678");
    assert_eq!(refusal(&world, &phone), 403, "nothing is left of five minutes");
    // And once more, with everything on the books.
    world.kill();
    world.restart();
    world.run_for(secs(5));
    phone.dial("01062345678");
    assert_eq!(refusal(&world, &phone), 403);
}
