//! Messages that cross each other on the way.

use model::Outcome;
use patchbay_tests::{part, seeds};
use sim::{End, Link, World, millis, secs};

/// The caller gives up within a hair's breadth of the answer. Whoever wins, both phones are idle in the end, nobody is
/// left talking to nobody, and there is one record.
#[test]
fn cancel_and_200_cross_in_every_way() {
    let mut outcomes = std::collections::BTreeSet::new();
    for offset in 0..40 {
        let world = World::seeded(offset);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.dial("101");
        assert!(world.run_until(secs(5), || other.is_ringing()));
        world.run_for(secs(1));
        // The answer leaves 20 ms after the first CANCEL could, and the last CANCEL 20 ms after the answer.
        if offset < 20 {
            phone.hang_up();
            world.run_for(millis(20 - offset));
            if other.is_ringing() {
                other.answer();
            }
        } else {
            other.answer();
            world.run_for(millis(offset - 20));
            phone.hang_up();
        }
        part(&world, &phone, &other);
        world.assert_settled();
        let record = world.record();
        assert!(matches!(record.outcome, Outcome::Answered | Outcome::Cancelled), "offset {offset}: {record:#?}");
        if record.outcome == Outcome::Cancelled {
            assert_eq!(phone.end(), Some(End::Refused(487)), "offset {offset}");
        } else {
            assert_eq!(phone.end(), Some(End::LeftByUs), "offset {offset}");
        }
        outcomes.insert((record.outcome, other.end().map(|end| format!("{end:?}"))));
    }
    // The sweep must have met: cancelled in time, cancelled while the 200 was on its way, answered before the CANCEL.
    assert!(outcomes.len() >= 3, "{outcomes:?}");
}

#[test]
fn cancel_and_200_cross_over_rough_lines() {
    for seed in seeds() {
        let world = World::seeded(seed);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        world.set_links(Link::rough());
        phone.dial("101");
        assert!(world.run_until(secs(19), || other.is_ringing()), "seed {seed}");
        world.run_for(millis(100));
        phone.hang_up();
        world.run_for(millis(seed % 40));
        if other.is_ringing() {
            other.answer();
        }
        part(&world, &phone, &other);
        world.assert_settled();
        assert_eq!(world.records().len(), 1, "seed {seed}");
    }
}

/// The called party refuses in the moment the caller gives up.
#[test]
fn cancel_and_refusal_cross() {
    for offset in 0..20 {
        let world = World::seeded(offset);
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.dial("101");
        assert!(world.run_until(secs(5), || other.is_ringing()));
        world.run_for(secs(1));
        other.refuse(603);
        world.run_for(millis(offset));
        phone.hang_up();
        part(&world, &phone, &other);
        world.assert_settled();
        assert_eq!(world.records().len(), 1, "offset {offset}");
    }
}

/// Two phones call each other at the same time: each is engaged by its own call.
#[test]
fn two_phones_call_each_other_at_once() {
    for seed in seeds() {
        let world = World::seeded(seed);
        if seed % 2 == 1 {
            world.set_links(Link::rough());
        }
        let (phone, other) = (world.phone("100"), world.phone("101"));
        phone.dial("101");
        other.dial("100");
        part(&world, &phone, &other);
        world.assert_settled();
        let records = world.records();
        assert_eq!(records.len(), 2, "seed {seed}");
        assert!(records.iter().all(|record| record.outcome == Outcome::Busy), "seed {seed}: {records:#?}");
    }
}
