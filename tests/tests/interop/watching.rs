//! Lamps, presence, message lamps and registrations, as real clients watch them, also over a crash; and a call that is picked up.

use crate::ear::expect_hearing;
use crate::patience::{secs, wait_for};
use crate::phone::{Account, Extras, Phone, Way};
use crate::server::{Server, Setup};
use crate::sipp::{Running, Sipp};
use crate::talking::{connect, phone};
use serde_json::json;

/// Extension 1003 watches another by this package.
fn watch(server: &Server, number: &str, event: &str) -> Running {
    Sipp::new("watcher", server.sip()).number(number).user("1003", server.password("1003")).key("event", event).start()
}

/// The bodies of the NOTIFYs so far.
fn notices(watcher: &Running) -> Vec<String> {
    let mut all = watcher.received("NOTIFY");
    all.retain(|message| message.contains("Subscription-State: active"));
    all
}

/// Waits until the last NOTIFY says this.
fn expect(watcher: &Running, what: &str) -> String {
    let says = |message: &String| message.contains(what);
    wait_for(&format!("a NOTIFY with {what}"), secs(10), || notices(watcher).pop().filter(says))
}

#[test]
fn a_lamp_flashes_burns_and_goes_out_also_over_a_crash() {
    let mut server = Server::start(Setup::default());
    let watcher = watch(&server, "1002", "dialog");
    expect(&watcher, "<dialog-info");
    let (mut ana, mut ben) = (phone(&server, "1001", 0, false), phone(&server, "1002", 1, false));
    ana.dial(&server.uri("1002"));
    ben.expect("CALL_INCOMING", secs(10));
    let ringing = expect(&watcher, "<state>early</state>");
    for part in ["entity=\"sip:1002@", "direction=\"recipient\"", "sip:1001@", "call-id=\"", "remote-tag=\""] {
        assert!(ringing.contains(part), "{part} in {ringing}");
    }
    ben.command("accept", "");
    ana.expect("CALL_ESTABLISHED", secs(10));
    expect(&watcher, "<state>confirmed</state>");
    ana.hang_up();
    ben.expect("CALL_CLOSED", secs(5));
    expect(&watcher, ">terminated</state>");

    // The call outlives the server, and whoever watches is told so though nobody has subscribed anew.
    connect_by_hand(&server, &mut ana, &mut ben);
    expect(&watcher, "<state>confirmed</state>");
    server.kill();
    let told = notices(&watcher).len();
    server.restart();
    wait_for("a NOTIFY after the restart", secs(15), || {
        let notices = notices(&watcher);
        let burns = notices.last()?.contains("<state>confirmed</state>");
        (notices.len() > told && burns).then_some(())
    });
    ana.hang_up();
    ben.expect("CALL_CLOSED", secs(10));
    expect(&watcher, ">terminated</state>");
    connect_by_hand(&server, &mut ana, &mut ben);
    expect(&watcher, "<state>confirmed</state>");
    ana.hang_up();
    ben.expect("CALL_CLOSED", secs(5));
    expect(&watcher, ">terminated</state>");
    server.finish();
}

/// 1001 calls 1002, which is answered by hand.
fn connect_by_hand(server: &Server, ana: &mut Phone, ben: &mut Phone) {
    ana.dial(&server.uri("1002"));
    ben.expect("CALL_INCOMING", secs(10));
    ben.command("accept", "");
    ben.expect("CALL_ESTABLISHED", secs(10));
    ana.expect("CALL_ESTABLISHED", secs(10));
}

/// What stands in this attribute.
fn attribute<'a>(document: &'a str, name: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {document}"));
    rest.split('"').next().unwrap_or_default()
}

#[test]
fn a_key_that_watches_a_phone_picks_up_what_rings_there() {
    let server = Server::start(Setup::default());
    let watcher = watch(&server, "1002", "dialog");
    let (mut ana, mut ben) = (phone(&server, "1001", 0, false), phone(&server, "1002", 1, false));
    ana.dial(&server.uri("1002"));
    ben.expect("CALL_INCOMING", secs(10));
    let ringing = expect(&watcher, "<state>early</state>");
    let named = |name| attribute(&ringing, name);
    let replaces = format!("{};to-tag={};from-tag={}", named("call-id"), named("remote-tag"), named("local-tag"));
    let picking = Sipp::new("caller_replaces", server.sip())
        .number("1002")
        .user("1003", server.password("1003"))
        .key("replaces", &replaces)
        .talk(secs(8))
        .echo()
        .start();
    ana.expect("CALL_ESTABLISHED", secs(10));
    ben.expect("CALL_CLOSED", secs(10));
    // What 1003 hears comes back: both directions are there.
    expect_hearing("picked up", &[(&ana, &[&ana]), (&ben, &[])]);
    expect(&watcher, ">terminated</state>");
    picking.finish();
    ana.expect("CALL_CLOSED", secs(5));
    let record = server.api().newest_of(1);
    let (leg, outcome) = (&record["legs"][2], &record["outcome"]);
    assert_eq!((&leg["origin"], &leg["origin_leg"], outcome), (&json!("picked_up"), &json!(1), &json!("answered")));
    server.finish();
}

#[test]
fn the_message_lamp_burns_while_messages_wait_also_after_a_crash() {
    let mut server = Server::start(Setup::default());
    let account = Account {
        number: "1001",
        server: Some((server.sip(), server.password("1001"))),
        answers: false,
        codec: "PCMA",
    };
    let extras = Extras { modules: &["mwi"], account: ";mwi=yes", ..Extras::default() };
    let lamp = Phone::start_with(Way::Tls, &account, &extras, 0);
    let watcher = Sipp::new("watcher", server.sip())
        .number("1001")
        .user("1001", server.password("1001"))
        .key("event", "message-summary")
        .start();
    expect(&watcher, "Messages-Waiting: no");
    let says = |what: &str| {
        wait_for(what, secs(15), || {
            let said = lamp.output();
            said.rsplit("----- MWI for").next().filter(|last| last.contains(what)).map(|_| ())
        });
    };
    says("Messages-Waiting: no");
    server.api().set_voice_messages("1001", 2, 1);
    says("Voice-Message: 2/1");
    expect(&watcher, "Voice-Message: 2/1");
    server.kill();
    server.restart();
    server.api().set_voice_messages("1001", 3, 1);
    // The stream by which baresip came is gone, and until it speaks again it cannot be reached.
    expect(&watcher, "Voice-Message: 3/1");
    server.api().set_voice_messages("1001", 0, 0);
    expect(&watcher, "Messages-Waiting: no");
    server.finish();
}

#[test]
fn a_phone_hears_of_the_contacts_of_its_extension() {
    let server = Server::start(Setup::default());
    let watcher = watch(&server, "1003", "reg");
    expect(&watcher, "<reginfo");
    let desk = phone(&server, "1003", 0, false);
    let body = expect(&watcher, "event=\"registered\"");
    assert!(body.contains("application/reginfo+xml") && body.contains("aor=\"sip:1003@"), "{body}");
    drop(desk.quit());
    expect(&watcher, "event=\"unregistered\"");
    server.finish();
}

#[test]
fn presence_is_made_of_registration_calls_and_what_the_phone_publishes_also_after_a_crash() {
    let mut server = Server::start(Setup::default());
    let account = |number, answers| Account {
        number,
        server: Some((server.sip(), server.password(number))),
        answers,
        codec: "PCMA",
    };
    let book = format!("\"Ben\" <sip:1002@{}>;presence=p2p\n", server.sip());
    let friend = Extras { modules: &["presence"], contacts: &book, traced: true, ..Extras::default() };
    let friend = Phone::start_with(Way::Udp, &account("1001", false), &friend, 0);
    let watcher = watch(&server, "1002", "presence");
    expect(&watcher, "<basic>closed</basic>");
    wait_for("the first NOTIFY", secs(15), || friend.output().contains("<basic>closed</basic>").then_some(()));
    let says = |status: &str| {
        wait_for(&format!("presence {status}"), secs(15), || {
            let said = friend.output();
            let last = said.lines().rfind(|line| line.contains("changed status from"))?;
            last.rsplit(" to ").next().filter(|now| now.contains(status)).map(|_| ())
        });
    };
    let publishes = Extras { modules: &["presence"], account: ";pubint=600", ..Extras::default() };
    let (ben_account, eva_account) = (account("1002", false), account("1003", true));
    let mut ben = Phone::start_with(Way::Udp, &ben_account, &publishes, 1);
    let mut eva = Phone::start(&eva_account, 2);
    says("Online");
    expect(&watcher, "<basic>open</basic>");
    connect(&server, &mut ben, &mut eva, "1003");
    says("Busy");
    ben.hang_up();
    eva.expect("CALL_CLOSED", secs(5));
    says("Online");
    ben.command("presence_offline", "");
    says("Offline");
    ben.command("presence_online", "");
    says("Online");
    server.kill();
    server.restart();
    connect(&server, &mut ben, &mut eva, "1003");
    says("Busy");
    ben.hang_up();
    eva.expect("CALL_CLOSED", secs(5));
    says("Online");
    server.finish();
}
