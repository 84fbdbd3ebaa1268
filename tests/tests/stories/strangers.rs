//! People who belong to no call and send what they like.

use model::Outcome;
use patchbay_tests::{assert_recorded, connect, converse, part, seeds};
use sim::{Conduct, Setup, World, millis, secs};

#[test]
fn a_stranger_neither_moves_the_stream_nor_gets_in() {
    for seed in seeds() {
        let world = World::new(if seed % 2 == 0 { Setup::new(seed) } else { Setup::new(seed).rough() });
        let (phone, other) = (world.phone("100"), world.phone("101"));
        let stranger = world.stranger();
        other.set_conduct(Conduct::Answer(secs(2)));
        phone.dial("101");
        connect(&world, &phone, &other);
        converse(&world, &phone, &other);
        for victim in [&phone, &other] {
            let port = victim.sound_goes_to().expect("the switch named a port");
            stranger.speak(port, secs(4));
            stranger.babble(port, 100, secs(4));
            let reports = std::net::SocketAddr::new(port.ip(), port.port() + 1);
            stranger.babble(reports, 100, secs(4));
        }
        world.run_for(secs(2));
        converse(&world, &phone, &other);
        world.run_for(secs(1));
        for phone in [&phone, &other] {
            assert!(!phone.has_heard(stranger.voice()), "seed {seed}");
            assert_eq!(phone.strangers_packets(), 0, "seed {seed}");
        }
        if seed % 2 == 0 {
            assert_eq!(other.longest_gap(), millis(0), "seed {seed}: the stream was disturbed");
        }
        phone.hang_up();
        part(&world, &phone, &other);
        world.assert_settled();
        let record = world.record();
        assert_recorded(&world, &record, &phone, &other);
        let recording = world.recording(&record).unwrap();
        assert!(!recording.left.has(stranger.voice()) && !recording.right.has(stranger.voice()), "seed {seed}");
    }
}

#[test]
fn a_stranger_who_speaks_first_does_not_get_the_call() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    let stranger = world.stranger();
    phone.dial("101");
    assert!(world.run_until(secs(5), || other.is_ringing()));
    // The called phone has sent nothing yet: its port is open to whoever comes first.
    stranger.speak(other.sound_goes_to().unwrap(), secs(8));
    world.run_for(secs(3));
    other.answer();
    connect(&world, &phone, &other);
    world.run_for(secs(2));
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
    assert_eq!(world.record().outcome, Outcome::Answered);
    assert!(!other.has_heard(stranger.voice()));
}

#[test]
fn noise_on_the_signalling_port_disturbs_nobody() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    let stranger = world.stranger();
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    for line in [
        "INVITE sip:101@192.0.2.1 SIP/2.0\r\n\r\n",
        "INVITE sip:101@192.0.2.1 SIP/2.0\r\nVia: x\r\nContent-Length: 99999999999\r\n\r\n",
        "BYE sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: none\r\nCSeq: 1 BYE\r\n\r\n",
        "CANCEL sip:100@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKy\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: none\r\nCSeq: 1 CANCEL\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKnobody\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: none\r\nCSeq: 1 INVITE\r\n\r\n",
        "\r\n\r\n",
        "\0\0\0\0",
        "REGISTER",
    ] {
        stranger.send_sip(line);
    }
    for _ in 0..200 {
        let to = std::net::SocketAddr::new("192.0.2.1".parse().unwrap(), 5060);
        stranger.babble(to, 2, millis(10));
        world.run_for(millis(10));
    }
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
    assert_recorded(&world, &world.record(), &phone, &other);
    assert!(world.ladder().contains("481"), "requests outside of any dialog are told so");
}

/// Somebody who knows Call-ID and tags but not the flow cannot do more than the phone could; somebody who guesses cannot do anything.
#[test]
fn a_forged_bye_with_guessed_tags_ends_no_call() {
    let world = World::seeded(7);
    let (phone, other) = (world.phone("100"), world.phone("101"));
    let stranger = world.stranger();
    other.set_conduct(Conduct::AnswerAtOnce);
    phone.dial("101");
    connect(&world, &phone, &other);
    let call_id = phone.call_id();
    for tag in ["", ";tag=pb0000", ";tag=guess"] {
        stranger.send_sip(format!(
            "BYE sip:101@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{}\r\nFrom: <sip:100@192.0.2.1>;tag=x\r\n\
             To: <sip:101@192.0.2.1>{tag}\r\nCall-ID: {call_id}\r\nCSeq: 99 BYE\r\nContent-Length: 0\r\n\r\n",
            stranger.address(),
            tag.len(),
        ));
    }
    world.run_for(secs(1));
    converse(&world, &phone, &other);
    phone.hang_up();
    part(&world, &phone, &other);
    world.assert_settled();
}
