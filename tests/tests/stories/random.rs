//! A driver that presses whatever buttons it likes. Whatever it does: every call that reached the switch has exactly one
//! record, nothing is left alive, nothing is logged as an error, and no phone finds a broken rule.

use model::Outcome;
use patchbay_tests::{connect, converse, part, seeds};
use sim::{Conduct, Link, Phone, Setup, World, millis, secs};
use stdx::Entropy;

const NUMBERS: [&str; 7] = ["100", "101", "102", "103", "104", "999", "0571"];

fn conduct(chance: &mut Entropy) -> Conduct {
    match chance.below(9) {
        0 => Conduct::Ring,
        1 | 2 => Conduct::Answer(millis(chance.below(4000))),
        3 => Conduct::AnswerAtOnce,
        4 => Conduct::EarlyMedia(Some(millis(chance.below(3000)))),
        5 => Conduct::EarlyMedia(None),
        6 => Conduct::Busy,
        7 => Conduct::Refuse([404, 408, 480, 488, 500, 503, 600, 603][chance.below(8) as usize]),
        _ => Conduct::TryingOnly,
    }
}

fn act(phone: &Phone, chance: &mut Entropy) {
    match chance.below(16) {
        0..=4 if phone.is_idle() => phone.dial(NUMBERS[chance.below(NUMBERS.len() as u64) as usize]),
        5 | 6 if phone.state().is_some() => phone.hang_up(),
        7 if phone.is_ringing() => phone.answer(),
        8 if phone.is_ringing() => phone.refuse(486),
        9 if phone.is_talking() => phone.hold(),
        10 if phone.is_talking() => phone.unhold(),
        11 if phone.is_talking() => phone.press("1"),
        12 => phone.set_conduct(conduct(chance)),
        13 if phone.is_talking() => {
            phone.answer();
            phone.hang_up();
        }
        14 => phone.ping(),
        _ => {}
    }
}

fn random_world(seed: u64) -> World {
    let setup =
        Setup::new(seed).workers(1 + (seed % 4) as u16).trunk("pstn", "0*").ring_seconds(12).media_timeout(secs(15));
    World::new(if seed.is_multiple_of(3) { setup } else { setup.rough() })
}

#[test]
fn whatever_the_phones_do_the_books_are_right() {
    for seed in seeds() {
        let world = random_world(seed);
        let mut chance = Entropy::seeded(1000 + seed);
        let mut phones: Vec<Phone> = ["100", "101", "102"].map(|number| world.phone(number)).to_vec();
        phones.push(world.phone_behind_nat("103"));
        phones.push(world.phone("101"));
        phones.push(world.trunk("pstn"));
        world.extension("104");
        for _ in 0..150 {
            let phone = &phones[chance.below(phones.len() as u64) as usize];
            act(phone, &mut chance);
            world.run_for(millis(chance.below(600)));
            if chance.chance(0.01) {
                phones[2].set_cut_off(true);
                world.run_for(secs(3));
                phones[2].set_cut_off(false);
            }
        }
        // Everybody goes home; the lines are mended so that what was begun can end.
        world.set_links(Link::clean());
        for _ in 0..3 {
            for phone in &phones {
                phone.set_conduct(Conduct::Busy);
                if phone.state().is_some() {
                    phone.hang_up();
                }
            }
            world.run_for(secs(40));
        }
        world.assert_settled();

        // And it still works.
        phones[1].set_conduct(Conduct::AnswerAtOnce);
        phones[0].dial("101");
        connect(&world, &phones[0], &phones[1]);
        converse(&world, &phones[0], &phones[1]);
        phones[0].hang_up();
        part(&world, &phones[0], &phones[1]);
        world.assert_settled();
        assert_eq!(world.records().last().map(|record| record.outcome), Some(Outcome::Answered), "seed {seed}");
    }
}

/// The same with a switch that is killed every now and then: a call may be begun anew by a repeated INVITE, but none is without a record.
#[test]
fn whatever_the_phones_do_while_the_switch_dies_no_call_is_forgotten() {
    for seed in seeds() {
        let world = random_world(seed);
        let mut chance = Entropy::seeded(2000 + seed);
        let phones: Vec<Phone> = ["100", "101", "102", "103"].map(|number| world.phone(number)).to_vec();
        for _ in 0..100 {
            act(&phones[chance.below(4) as usize], &mut chance);
            world.run_for(millis(chance.below(600)));
            if chance.chance(0.05) {
                world.kill();
                world.run_for(millis(chance.below(3000)));
                world.restart_with(1 + chance.below(4) as u16);
            }
        }
        world.set_links(Link::clean());
        for _ in 0..3 {
            for phone in &phones {
                phone.set_conduct(Conduct::Busy);
                if phone.state().is_some() {
                    phone.hang_up();
                }
            }
            world.run_for(secs(40));
        }
        world.assert_nothing_left();
        for (call_id, records) in world.records_of_calls() {
            assert!(records >= 1, "seed {seed}: the call {call_id} has no record");
        }
        for phone in &phones {
            assert_eq!(world.registrations(&phone.number()).len(), 1, "seed {seed}: {phone:?}");
        }
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let tell = |seed| {
        let world = random_world(seed);
        let mut chance = Entropy::seeded(seed);
        let phones = ["100", "101", "102"].map(|number| world.phone(number));
        for _ in 0..60 {
            act(&phones[chance.below(3) as usize], &mut chance);
            world.run_for(millis(chance.below(600)));
        }
        (world.ladder(), world.records())
    };
    for seed in 0..4 {
        assert_eq!(tell(seed), tell(seed), "seed {seed}");
    }
}
