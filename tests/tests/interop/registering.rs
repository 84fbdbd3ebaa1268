//! Phones make themselves known.

use crate::server::{Server, Setup};
use crate::sipp::Sipp;

#[test]
fn a_phone_registers_again_and_again_and_leaves() {
    let server = Server::start(Setup::default());
    Sipp::new("register_cycle", server.sip()).number("1001").user("1001", server.password("1001")).run();
    assert_eq!(server.api().registrations(), 0, "it has left");
    Sipp::new("register", server.sip()).number("1001").user("1001", server.password("1001")).run();
    assert_eq!(server.api().registrations(), 1, "it is back");
    let list = server.api().get("/registrations");
    assert_eq!((list[0]["extension"].as_str(), list[0]["user_agent"].as_str()), (Some("1001"), Some("SIPp")), "{list}");
    server.finish();
}

#[test]
fn a_wrong_password_and_a_stranger_are_refused_alike() {
    let server = Server::start(Setup::default());
    Sipp::new("register_refused", server.sip()).number("1001").user("1001", "not-the-password").run();
    Sipp::new("register_refused", server.sip()).number("4711").user("4711", "no-such-extension").run();
    // Nobody registers another's number, however well he knows his own password.
    Sipp::new("register_refused", server.sip()).number("1002").user("1001", server.password("1001")).run();
    assert_eq!(server.api().registrations(), 0);
    Sipp::new("register", server.sip()).number("1001").user("1001", server.password("1001")).run();
    assert_eq!(server.api().registrations(), 1, "the right password still counts");
    server.finish();
}
