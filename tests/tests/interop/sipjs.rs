//! Pages of the other library that browsers speak SIP with.

use crate::chromium::{Library, Page};
use crate::patience::{pass, secs};
use crate::phone::Phone;
use crate::server::{Server, Setup};
use crate::sound::Sound;
use crate::talking::phone;
use std::time::Duration;

/// How long a handshake may take on a busy machine.
const SOON: Duration = secs(20);

fn page(server: &Server, number: &str, speaker: usize) -> Page {
    let mut page = Page::open_with(Library::SipJs, server.http(), speaker);
    page.register(server, number);
    page
}

fn assert_heard(what: &str, phone: Phone, hz: f32) {
    let hears = |sound: &Sound| media::testing::hears(&sound.channels[0], hz).is_some();
    assert!(phone.quit().iter().any(hears), "{what}: nothing of {hz} Hz");
}

#[test]
fn a_sip_js_page_calls_a_phone_holds_it_and_keys_pass_both_ways() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut page = page(&server, "1001", 0);
    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    desk.expect("CALL_ESTABLISHED", SOON);
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);

    page.ask("phone.press(0, '5')");
    assert_eq!(desk.expect("CALL_DTMF_START", SOON)["param"], "5");
    desk.command("sndcode", "7");
    page.expect("0 key 7", SOON);

    page.ask("phone.hold(0)");
    page.expect("0 hold", SOON);
    page.expect_silence(0, SOON);
    page.ask("phone.unhold(0)");
    page.expect("0 unhold", SOON);
    page.expect_voice(0, desk.hz, SOON);
    page.ask("phone.hangUp(0)");
    desk.expect("CALL_CLOSED", SOON);
    assert_heard("the phone", desk, page.hz);
    page.close();
    server.finish();
}

#[test]
fn a_sip_js_page_is_called_and_sends_the_caller_on() {
    let server = Server::start(Setup::default());
    let mut caller = phone(&server, "1002", 1, false);
    let mut third = phone(&server, "1003", 2, true);
    let mut page = page(&server, "1001", 0);
    caller.dial(&server.uri("1001"));
    page.expect("0 called by 1002", SOON);
    page.ask("phone.answer(0)");
    caller.expect("CALL_ESTABLISHED", SOON);
    page.expect_voice(0, caller.hz, SOON);
    pass(secs(1));
    page.ask(&format!("phone.transfer(0, '{}')", server.uri("1003")));
    third.expect("CALL_ESTABLISHED", SOON);
    page.expect("0 ended: Terminated", SOON);
    pass(secs(2));
    caller.hang_up();
    third.expect("CALL_CLOSED", SOON);
    let (caller_hz, page_hz) = (caller.hz, page.hz);
    assert_heard("who was called by the page", third, caller_hz);
    assert_heard("the caller", caller, page_hz);
    page.close();
    server.finish();
}

#[test]
fn a_sip_js_page_puts_two_phones_together() {
    let server = Server::start(Setup::default());
    let mut desk = phone(&server, "1002", 1, true);
    let mut third = phone(&server, "1003", 2, true);
    let mut page = page(&server, "1001", 0);
    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    page.ask("phone.hold(0)");
    page.expect("0 hold", SOON);
    page.ask(&format!("phone.call('{}')", server.uri("1003")));
    page.expect("1 confirmed", SOON);
    page.expect_voice(1, third.hz, SOON);
    page.ask("phone.join(0, 1)");
    page.expect("1 ended: Terminated", SOON);
    pass(secs(3));
    desk.hang_up();
    third.expect("CALL_CLOSED", SOON);
    let (desk_hz, third_hz) = (desk.hz, third.hz);
    assert_heard("the one phone", desk, third_hz);
    assert_heard("the other phone", third, desk_hz);
    page.close();
    server.finish();
}
