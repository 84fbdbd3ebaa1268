//! Calls on hold: nobody's voice is heard, and then they are again.

use crate::ear::{expect_each_other, expect_hearing, expect_silence};
use crate::linphone::Linphone;
use crate::patience::{millis, pass, secs};
use crate::phone::{Phone, Way};
use crate::server::{Server, Setup};
use crate::talking::{connect, phone, two_phones};

/// A baresip that takes a call back hears again, but keeps nothing of it; so only the other one is asked.
fn hold_and_resume(holder: &mut Phone, other: &Phone) {
    holder.command("hold", "");
    expect_hearing("on hold", &[(holder, &[]), (other, &[])]);
    holder.command("resume", "");
    expect_hearing("taken back", &[(other, &[holder])]);
}

#[test]
fn baresip_holds_a_call_and_takes_it_back() {
    let server = Server::start(Setup::default());
    let (mut one, mut other) = two_phones(&server);
    connect(&server, &mut one, &mut other, "1002");
    expect_each_other("before", &one, &other);
    hold_and_resume(&mut one, &other);
    hold_and_resume(&mut one, &other);
    one.hang_up();
    other.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    assert_eq!(record["outcome"], "answered", "{record:#}");
    assert_eq!(record["recording"]["complete"], true, "{record:#}");
    server.finish();
}

/// Both speak, and keep what they hear.
fn talk(one: &mut Linphone, other: &mut Linphone) {
    pass(millis(500));
    one.talk();
    other.talk();
}

#[test]
fn either_of_two_linphones_pauses_a_call_and_takes_it_back() {
    let server = Server::start(Setup::default());
    let mut one = Linphone::start(&server, Way::Udp, "1001", 0);
    let mut other = Linphone::start(&server, Way::Udp, "1002", 1);
    // They speak Opus.
    (one.rate, other.rate) = (48_000, 48_000);
    one.say("call 1002");
    other.expect("Receiving new incoming call", secs(10));
    other.say("answer");
    one.expect("connected", secs(10));
    talk(&mut one, &mut other);
    expect_each_other("before", &one, &other);
    for _ in 0..2 {
        one.say("pause");
        one.expect("is now paused", secs(10));
        expect_silence("paused", &one, &other);
        one.say("resume");
        expect_each_other("resumed", &one, &other);
        std::mem::swap(&mut one, &mut other);
    }
    one.say("terminate");
    server.api().wait_for_silence();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}

#[test]
fn linphone_pauses_a_call_and_is_paused_by_baresip() {
    let server = Server::start(Setup::default());
    let mut one = Linphone::start(&server, Way::Udp, "1001", 0);
    let mut other = phone(&server, "1002", 1, true);
    one.say("call 1002");
    other.expect("CALL_ESTABLISHED", secs(10));
    one.expect("connected", secs(10));
    pass(millis(500));
    one.talk();
    expect_each_other("before", &one, &other);
    one.say("pause");
    one.expect("is now paused", secs(10));
    expect_silence("paused", &one, &other);
    one.say("resume");
    expect_each_other("resumed", &one, &other);
    other.command("hold", "");
    expect_hearing("paused by the other", &[(&one, &[]), (&other, &[])]);
    other.command("resume", "");
    expect_hearing("resumed by the other", &[(&one, &[&other])]);
    one.say("terminate");
    other.expect("CALL_CLOSED", secs(5));
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}
