//! Two to four workers: every message finds the one that owns it, and calls cross between homes.

use model::Outcome;
use patchbay_tests::{assert_recorded, connect, converse, part, refusal, seeds};
use sim::{Conduct, Phone, Setup, World, secs};

/// Phones whose extensions have their homes on every worker.
fn phones(world: &World, workers: u16) -> Vec<Phone> {
    let mut phones = Vec::new();
    for home in 0..workers {
        let number = (100..200).map(|n| n.to_string()).find(|n| world.home(n) == home).expect("the hash spreads");
        phones.push(world.phone(&number));
    }
    phones
}

fn call(world: &World, caller: &Phone, called: &Phone) {
    let before = world.records().len();
    caller.dial(&called.number());
    connect(world, caller, called);
    converse(world, caller, called);
    caller.hang_up();
    part(world, caller, called);
    let records = world.records();
    assert_eq!(records.len(), before + 1, "seed {}", world.seed());
    assert_recorded(world, &records[before], caller, called);
}

#[test]
fn calls_between_extensions_of_all_homes() {
    for workers in 2..=4 {
        let world = World::new(Setup::new(7).workers(workers));
        let phones = phones(&world, workers);
        for (a, caller) in phones.iter().enumerate() {
            caller.set_conduct(Conduct::Answer(secs(1)));
            for (b, called) in phones.iter().enumerate() {
                if a != b {
                    called.set_conduct(Conduct::Answer(secs(1)));
                    call(&world, caller, called);
                }
            }
        }
        assert!(world.forwarded() > 0, "every datagram happened to meet its owner");
        world.assert_settled();
    }
}

#[test]
fn the_same_over_rough_lines() {
    for seed in seeds() {
        let workers = 2 + (seed % 3) as u16;
        let world = World::new(Setup::new(seed).workers(workers).rough());
        let phones = phones(&world, workers);
        let (caller, called) = (&phones[0], &phones[1]);
        called.set_conduct(Conduct::Answer(secs(1)));
        call(&world, caller, called);
        // Cancelled while it rings.
        called.set_conduct(Conduct::Ring);
        caller.dial(&called.number());
        assert!(world.run_until(secs(19), || called.is_ringing()), "seed {seed}");
        caller.hang_up();
        part(&world, caller, called);
        // Nobody of that number.
        caller.dial("999");
        assert_eq!(refusal(&world, caller), 404, "seed {seed}");
        world.assert_settled();
        let outcomes: Vec<Outcome> = world.records().iter().map(|record| record.outcome).collect();
        assert_eq!(outcomes, [Outcome::Answered, Outcome::Cancelled, Outcome::Unallocated], "seed {seed}");
    }
}

#[test]
fn the_limit_of_calls_holds_across_workers() {
    let world = World::new(Setup::new(7).workers(4).max_calls(1));
    let phones = phones(&world, 4);
    phones[1].set_conduct(Conduct::AnswerAtOnce);
    phones[1].set_max_calls(9);
    phones[0].dial(&phones[1].number());
    connect(&world, &phones[0], &phones[1]);
    for caller in [&phones[2], &phones[3]] {
        caller.dial(&phones[1].number());
        assert_eq!(refusal(&world, caller), 486);
    }
    phones[0].hang_up();
    world.run_for(secs(2));
    phones[2].dial(&phones[1].number());
    connect(&world, &phones[2], &phones[1]);
    phones[2].hang_up();
    part(&world, &phones[2], &phones[1]);
    world.assert_settled();
}

#[test]
fn many_calls_at_once_over_all_workers() {
    let world = World::new(Setup::new(7).workers(4));
    let pairs: Vec<(Phone, Phone)> =
        (0..10).map(|n| (world.phone(&(200 + n).to_string()), world.phone(&(300 + n).to_string()))).collect();
    for (caller, called) in &pairs {
        called.set_conduct(Conduct::Answer(secs(1)));
        caller.dial(&called.number());
    }
    for (caller, called) in &pairs {
        connect(&world, caller, called);
    }
    assert_eq!((world.live_calls().len(), world.counts().calls), (10, 10));
    for (caller, called) in &pairs {
        converse(&world, caller, called);
    }
    for (n, (caller, called)) in pairs.iter().enumerate() {
        if n % 2 == 0 { caller.hang_up() } else { called.hang_up() }
    }
    for (caller, called) in &pairs {
        part(&world, caller, called);
    }
    world.assert_settled();
    assert_eq!(world.records().len(), 10);
}
