//! Texts between phones, and those that wait until a phone is there.

use crate::linphone::Linphone;
use crate::patience::{pass, secs, wait_for};
use crate::phone::{Account, Extras, Phone, Way};
use crate::server::{Server, Setup};
use serde_json::Value;

/// A phone whose address book holds `friend`; `message` goes there.
fn phone(server: &Server, number: &str, friend: &str, speaker: usize) -> Phone {
    let account =
        Account { number, server: Some((server.sip(), server.password(number))), answers: false, codec: "PCMA" };
    let book = format!("\"Friend\" <{}>\n", server.uri(friend));
    let extras = Extras { contacts: &book, traced: true, ..Extras::default() };
    Phone::start_with(Way::Udp, &account, &extras, speaker)
}

fn shows(phone: &Phone, text: &str) {
    wait_for(&format!("{text:?} on the display"), secs(15), || phone.output().contains(text).then_some(()));
}

/// The states of all messages, in the order of their texts.
fn states(server: &Server) -> Vec<(String, String)> {
    let list = server.api().get("/messages");
    let word = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let all = list.as_array().expect("a list of messages");
    let mut states: Vec<_> = all.iter().map(|message| (word(message, "text"), word(message, "state"))).collect();
    states.sort();
    states
}

fn expect_states(server: &Server, wanted: &[(&str, &str)]) {
    let is = |states: &Vec<(String, String)>| {
        states.iter().map(|(text, state)| (text.as_str(), state.as_str())).eq(wanted.iter().copied())
    };
    wait_for(&format!("{wanted:?}"), secs(10), || Some(states(server)).filter(is));
}

#[test]
fn baresip_and_linphone_write_to_each_other() {
    let server = Server::start(Setup::default());
    let mut one = phone(&server, "1001", "1002", 0);
    let mut other = Linphone::start(&server, Way::Tcp, "1002", 1);
    one.command("message", "is the meeting at ten?");
    other.expect("is the meeting at ten?", secs(15));
    other.say(&format!("chat {} no, at eleven", server.uri("1001")));
    shows(&one, "no, at eleven");
    expect_states(&server, &[("is the meeting at ten?", "delivered"), ("no, at eleven", "delivered")]);
    pass(secs(1));
    assert_eq!(other.times_said("is the meeting at ten?"), 1, "it came once");
    server.finish();
}

#[test]
fn texts_wait_for_a_phone_that_is_not_there_also_over_a_crash() {
    let mut server = Server::start(Setup::default());
    let mut one = phone(&server, "1001", "1002", 0);
    one.command("message", "call me back");
    expect_states(&server, &[("call me back", "waiting")]);
    server.kill();
    server.restart();
    one.command("message", "please");
    expect_states(&server, &[("call me back", "waiting"), ("please", "waiting")]);
    let other = phone(&server, "1002", "1001", 1);
    shows(&other, "call me back");
    shows(&other, "please");
    expect_states(&server, &[("call me back", "delivered"), ("please", "delivered")]);
    // To one that answers, and is gone without leaving: it has to come back first.
    drop(other);
    one.command("message", "are you there?");
    expect_states(&server, &[("are you there?", "waiting"), ("call me back", "delivered"), ("please", "delivered")]);
    let back = phone(&server, "1002", "1001", 1);
    shows(&back, "are you there?");
    server.finish();
}
