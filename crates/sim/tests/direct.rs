//! Two phones that call each other without any switch: the world's own instruments, proved on each other.

use patchbay_sim::{Conduct, End, Link, Setup, Sound, World, millis, secs};

fn world(seed: u64) -> World {
    World::new(Setup::new(seed).without_switch())
}

#[test]
fn two_phones_talk_and_hear_each_other() {
    let world = world(1);
    let (a, b) = (world.lone_phone("100"), world.lone_phone("101"));
    b.set_conduct(Conduct::Answer(secs(1)));
    a.dial_directly(&b);
    world.run_for(millis(500));
    assert!(b.is_ringing() && !a.is_talking());
    world.run_for(secs(4));
    assert!(a.is_talking() && b.is_talking() && b.is_confirmed());
    assert!(a.hears(b.voice()) && b.hears(a.voice()));
    assert!(!a.hears(a.voice()) && !b.hears(Sound::Ringback));
    assert_eq!((a.longest_gap(), b.longest_gap()), (millis(0), millis(0)));
    a.press("12#");
    world.run_for(secs(1));
    assert_eq!(b.digits(), "12#");
    a.hang_up();
    world.run_for(secs(1));
    assert_eq!((a.end(), b.end()), (Some(End::LeftByUs), Some(End::LeftByThem)));
    assert_eq!(a.bye_status(), Some(200));
    world.run_for(secs(60));
    assert_eq!(world.phones_busy_with(), 0);
    assert_eq!(
        world.ladder(),
        "  0.000  100 → 101  INVITE 101\n  \
           0.020  101 → 100  180\n  \
           1.020  101 → 100  200\n  \
           1.030  100 → 101  ACK\n  \
           5.500  100 → 101  BYE\n  \
           5.510  101 → 100  200\n"
    );
}

#[test]
fn over_rough_lines_they_still_find_and_hear_each_other() {
    for seed in 0..20 {
        let world = world(seed);
        world.set_links(Link::rough());
        let (a, b) = (world.lone_phone("100"), world.lone_phone("101"));
        b.set_conduct(Conduct::Answer(secs(1)));
        a.dial_directly(&b);
        assert!(world.run_until(secs(60), || a.is_talking() && b.is_confirmed()), "seed {seed}");
        world.run_for(secs(3));
        assert!(a.hears(b.voice()) && b.hears(a.voice()), "seed {seed}");
        assert!(a.longest_gap() > millis(0), "seed {seed}: a rough line loses nothing");
        b.hang_up();
        assert!(world.run_until(secs(60), || a.is_idle() && b.is_idle()), "seed {seed}");
        world.run_for(secs(60));
        assert_eq!(world.phones_busy_with(), 0, "seed {seed}");
    }
}

#[test]
fn cancel_refusal_silence_and_vanishing_end_as_they_should() {
    let world = world(3);
    let (a, b) = (world.lone_phone("100"), world.lone_phone("101"));
    a.dial_directly(&b);
    world.run_for(secs(1));
    a.hang_up();
    world.run_for(secs(1));
    assert_eq!((a.end(), b.end()), (Some(End::Refused(487)), Some(End::NotTaken(487))));

    b.set_conduct(Conduct::Refuse(603));
    a.dial_directly(&b);
    world.run_for(secs(1));
    assert_eq!(a.end(), Some(End::Refused(603)));

    b.set_conduct(Conduct::Mute);
    a.dial_directly(&b);
    world.run_for(secs(40));
    assert_eq!(a.end(), Some(End::Refused(408)));

    b.set_conduct(Conduct::AnswerAtOnce);
    a.dial_directly(&b);
    world.run_for(secs(2));
    assert!(a.hears(b.voice()));
    b.vanish();
    world.run_for(millis(1200));
    assert!(!a.hears(b.voice()));
}

#[test]
fn a_lost_ack_is_asked_for_again_and_hold_silences() {
    let world = world(4);
    let (a, b) = (world.lone_phone("100"), world.lone_phone("101"));
    world.lose(2, "100", "ACK");
    b.set_conduct(Conduct::AnswerAtOnce);
    a.dial_directly(&b);
    world.run_for(millis(1000));
    assert!(!b.is_confirmed());
    world.run_for(secs(3));
    assert!(b.is_confirmed());
    a.hold();
    world.run_for(secs(2));
    assert_eq!(a.reinvite_status(), Some(200));
    assert!(!b.hears(a.voice()) && !a.hears(b.voice()));
    a.unhold();
    world.run_for(secs(2));
    assert!(b.hears(a.voice()) && a.hears(b.voice()));
}

#[test]
fn early_media_is_heard_before_the_answer() {
    let world = world(5);
    let (a, b) = (world.lone_phone("100"), world.lone_phone("101"));
    b.set_conduct(Conduct::EarlyMedia(Some(secs(2))));
    a.dial_directly(&b);
    world.run_for(secs(1));
    assert!(!a.is_talking() && a.hears(b.voice()));
    world.run_for(secs(3));
    assert!(a.is_talking() && a.hears(b.voice()) && b.hears(a.voice()));
    assert_eq!(a.longest_gap(), millis(0));
}

#[test]
fn a_stranger_is_not_heard() {
    let world = world(6);
    let (a, b) = (world.lone_phone("100"), world.lone_phone("101"));
    b.set_conduct(Conduct::AnswerAtOnce);
    a.dial_directly(&b);
    world.run_for(secs(1));
    let stranger = world.stranger();
    stranger.speak(a.sound_comes_to().unwrap(), secs(2));
    world.run_for(secs(2));
    assert!(a.hears(b.voice()) && !a.has_heard(stranger.voice()));
    assert!(a.strangers_packets() > 90);
}

#[test]
#[should_panic(expected = "something logged")]
fn an_error_in_the_log_fails_the_test() {
    let world = world(7);
    tracing::error!("we were wrong");
    world.run_for(millis(1));
}
