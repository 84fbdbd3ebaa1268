//! Calls whose session somebody promised to keep alive (RFC 4028).

use model::Outcome;
use patchbay_tests::{connect, converse, part};
use sim::{Conduct, End, World, secs};

#[test]
fn a_caller_that_does_not_refresh_as_it_promised_is_hung_up_and_the_other_too() {
    let world = World::seeded(3);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    phone.add_header("Supported", "timer");
    phone.add_header("Session-Expires", "90;refresher=uac");
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    converse(&world, &phone, &other);
    // RFC 4028 §10: a third of the interval before its end.
    world.run_for(secs(50));
    assert!(phone.is_talking() && other.is_talking());
    world.run_for(secs(15));
    part(&world, &phone, &other);
    assert_eq!((phone.end(), other.end()), (Some(End::LeftByThem), Some(End::LeftByThem)));
    let record = world.record();
    assert_eq!(record.outcome, Outcome::Answered);
    assert!((55_000..70_000).contains(&record.talk_ms()), "{}", record.talk_ms());
}

#[test]
fn an_interval_that_is_too_short_is_refused() {
    let world = World::seeded(4);
    let (phone, _other) = (world.phone("100"), world.phone("101"));
    phone.add_header("Supported", "timer");
    phone.add_header("Session-Expires", "20");
    phone.dial("101");
    assert_eq!(patchbay_tests::refusal(&world, &phone), 422);
}
