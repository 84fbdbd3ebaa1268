//! Pages in a real browser: they call and are called, with sound both ways.

use crate::chromium::Page;
use crate::patience::{pass, secs};
use crate::phone::{Account, Phone};
use crate::server::{Server, Setup};
use crate::sound::assert_hears_only;
use crate::talking::phone;
use serde_json::json;

/// How long a handshake may take on a busy machine.
const SOON: std::time::Duration = secs(20);

#[test]
fn a_page_calls_a_phone_holds_presses_keys_and_both_are_recorded() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut page = Page::open(server.http(), 0);
    page.register(&server, "1001");

    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    desk.expect("CALL_ESTABLISHED", SOON);
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    // What both speak passes as it is.
    assert_eq!(page.ask("phone.codec(0)"), json!("audio/PCMA"));
    pass(secs(3));

    for way in ["RFC2833", "INFO"] {
        page.ask(&format!("phone.press(0, '5', '{way}')"));
        desk.expect("CALL_DTMF_START", SOON);
        pass(secs(1));
    }

    page.ask("phone.hold(0)");
    page.expect("0 hold", SOON);
    page.expect_silence(0, SOON);
    page.ask("phone.unhold(0)");
    page.expect("0 unhold", SOON);
    page.expect_voice(0, desk.hz, SOON);
    pass(secs(2));

    page.ask("phone.hangUp(0)");
    desk.expect("CALL_CLOSED", SOON);
    server.api().wait_for_silence();
    let record = server.api().newest_of(1);
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("caller")), "{record:#}");
    let recording = server.api().recording(&record);
    let [left, right] = &recording.channels[..] else { panic!("{} channels", recording.channels.len()) };
    let heard = media::testing::hears(left, page.hz).expect("the page is heard in its recording");
    assert!(heard.until - heard.from > secs(4), "{heard:?}");
    assert!(media::testing::hears(right, desk.hz).is_some(), "the phone is heard in the recording");
    let (page_hz, desk_hz) = (page.hz, desk.hz);
    page.close();
    let sound = desk.quit();
    assert!(media::testing::hears(&sound[0].channels[0], page_hz).is_some(), "the phone hears the page");
    assert_eq!(media::testing::hears(&sound[0].channels[0], desk_hz), None, "an echo");
    server.finish();
}

#[test]
fn a_page_is_called_by_a_phone() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, false);
    let mut page = Page::open(server.http(), 0);
    page.register(&server, "1001");
    desk.dial(&server.uri("1001"));
    page.expect("0 called by 1002", SOON);
    page.ask("phone.answer(0)");
    desk.expect("CALL_ESTABLISHED", SOON);
    page.expect_voice(0, desk.hz, SOON);
    pass(secs(4));
    desk.hang_up();
    page.expect("0 ended: Terminated", SOON);
    let hz = (page.hz, desk.hz);
    page.close();
    let sound = desk.quit();
    assert_hears_only("the phone", &sound[0].channels[0], hz.0, hz.1, secs(3));
    server.finish();
}

#[test]
fn two_pages_talk_in_opus_and_one_is_transferred_to_a_phone() {
    let server = Server::start(Setup::default());
    let mut one = Page::open(server.http(), 0);
    let mut other = Page::open(server.http(), 1);
    one.register(&server, "1001");
    other.register(&server, "1002");
    one.ask(&format!("phone.call('{}')", server.uri("1002")));
    other.expect("0 called by 1001", SOON);
    other.ask("phone.answer(0)");
    one.expect("0 confirmed", SOON);
    let (one_hz, other_hz) = (one.hz, other.hz);
    one.expect_voice(0, other_hz, SOON);
    other.expect_voice(0, one_hz, SOON);
    assert_eq!(one.ask("phone.codec(0)"), json!("audio/opus"));

    let account =
        Account { number: "1003", server: Some((server.sip(), server.password("1003"))), answers: true, codec: "PCMU" };
    let mut desk = Phone::start(&account, 2);
    other.ask(&format!("phone.transfer(0, '{}')", server.uri("1003")));
    desk.expect("CALL_ESTABLISHED", SOON);
    other.expect("0 ended: Terminated", SOON);
    one.expect_voice(0, desk.hz, SOON);
    pass(secs(3));
    one.ask("phone.hangUp(0)");
    desk.expect("CALL_CLOSED", SOON);
    one.close();
    other.close();
    let sound = desk.quit();
    assert!(media::testing::hears(&sound[0].channels[0], one_hz).is_some(), "the phone hears the page");
    server.finish();
}

#[test]
fn a_page_puts_two_phones_together_after_it_asked_one_of_them() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut third = phone(&server, "1003", 2, true);
    let mut page = Page::open(server.http(), 0);
    page.register(&server, "1001");
    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    page.ask("phone.hold(0)");
    page.expect("0 hold", SOON);
    page.ask(&format!("phone.call('{}')", server.uri("1003")));
    page.expect("1 confirmed", SOON);
    page.expect_voice(1, third.hz, SOON);
    page.ask(&format!("phone.join(0, 1, '{}')", server.uri("1003")));
    page.expect("1 ended: Terminated", SOON);
    pass(secs(4));
    desk.hang_up();
    third.expect("CALL_CLOSED", SOON);
    page.close();
    let (desk_hz, third_hz) = (desk.hz, third.hz);
    let (desk, third) = (desk.quit(), third.quit());
    let hears =
        |sounds: &[crate::sound::Sound], hz| sounds.iter().any(|s| media::testing::hears(&s.channels[0], hz).is_some());
    assert!(hears(&desk, third_hz) && hears(&third, desk_hz), "the two phones hear each other");
    server.finish();
}

#[test]
fn a_call_survives_an_ice_restart_of_its_page() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut page = Page::open(server.http(), 0);
    page.register(&server, "1001");
    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    let description = "phone.calls[0].connection.remoteDescription.sdp.match(/ice-ufrag:(.*)/)[1].trim()";
    let before = page.ask(description);
    page.ask("phone.restartIce(0)");
    // The switch has answered with other credentials, and the page has found its way by them.
    page.expect_that(
        &format!("{description} !== {before} && ['connected', 'completed'].includes(phone.calls[0].connection.iceConnectionState)"),
        SOON,
    );
    page.expect_voice(0, desk.hz, SOON);
    pass(secs(2));
    page.expect_voice(0, desk.hz, SOON);
    page.ask("phone.hangUp(0)");
    desk.expect("CALL_CLOSED", SOON);
    page.close();
    server.finish();
}

#[test]
fn a_page_that_is_loaded_anew_takes_its_call_back() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut page = Page::open(server.http(), 0);
    page.register(&server, "1001");
    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    // What a page keeps of a call, to find it again.
    let kept = page.ask("phone.nameOf(0)");
    let kept = kept.as_str().expect("the name of a dialog").to_owned();
    page.vanish(server.http());
    page.register(&server, "1001");
    page.ask(&format!("phone.take('{}', '{kept}')", server.uri("1002")));
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    pass(secs(2));
    assert!(!desk.has_seen("CALL_CLOSED"), "the other party noticed nothing but a gap");
    page.ask("phone.hangUp(0)");
    desk.expect("CALL_CLOSED", SOON);
    server.api().wait_for_silence();
    let page_hz = page.hz;
    page.close();
    assert!(media::testing::hears(&desk.quit()[0].channels[0], page_hz).is_some(), "the phone hears the page");
    server.finish();
}

#[test]
fn the_demo_page_of_the_softphone_calls_by_clicks() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut page = Page::open(server.http(), 0);
    page.visit(server.http(), "/sdk/demo.html");
    page.ask(&format!(
        "document.getElementById('number').value = '1001'; document.getElementById('password').value = '{}';\
         document.querySelector('#login button').click()",
        server.password("1001")
    ));
    page.expect_that("document.getElementById('state').textContent.includes('registered')", SOON);
    page.ask("document.getElementById('target').value = '1002'; document.querySelector('#dial button').click()");
    desk.expect("CALL_ESTABLISHED", SOON);
    page.expect_that("document.getElementById('state').textContent.includes('talking with 1002')", SOON);
    page.expect_that(
        "!document.getElementById('remote').paused && document.getElementById('remote').currentTime > 2",
        SOON,
    );
    page.ask("document.getElementById('hangup').click()");
    desk.expect("CALL_CLOSED", SOON);
    page.expect_that("document.getElementById('state').textContent.includes('ended')", SOON);
    let page_hz = page.hz;
    assert!(media::testing::hears(&desk.quit()[0].channels[0], page_hz).is_some(), "the phone hears the page");
    page.close();
    server.finish();
}
