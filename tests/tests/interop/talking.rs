//! Two phones talk: each hears the other, the recording holds both, the record tells how it was.

use crate::patience::{millis, pass, secs};
use crate::phone::{Account, Phone};
use crate::server::{Server, Setup};
use crate::sound::{Sound, assert_hears_only};
use serde_json::{Value, json};
use std::time::Duration;

const TALK: Duration = secs(6);

/// A phone that is registered with `server`.
pub(crate) fn phone(server: &Server, number: &str, speaker: usize, answers: bool) -> Phone {
    let account = Account { number, server: Some((server.sip(), server.password(number))), answers, codec: "PCMA" };
    Phone::start(&account, speaker)
}

/// Two phones, the second of which answers by itself.
pub(crate) fn two_phones(server: &Server) -> (Phone, Phone) {
    (phone(server, "1001", 0, false), phone(server, "1002", 1, true))
}

/// The first phone calls the second; they talk when this returns.
pub(crate) fn connect(server: &Server, caller: &mut Phone, callee: &mut Phone, number: &str) {
    caller.dial(&server.uri(number));
    callee.expect("CALL_ESTABLISHED", secs(5));
    caller.expect("CALL_ESTABLISHED", secs(5));
}

/// Each phone heard the other for most of the call, and nothing of itself.
fn assert_heard_each_other(one: (&Sound, f32), other: (&Sound, f32), talk: Duration) {
    let most = talk - millis(500);
    assert_hears_only("the one phone", &one.0.channels[0], other.1, one.1, most);
    assert_hears_only("the other phone", &other.0.channels[0], one.1, other.1, most);
}

/// Every packet went its way: what one party sent was passed on, and the other phone heard all of it. (A phone strings together
/// what it gets, so in its own recording a lost packet is no gap.)
fn assert_nothing_missing(record: &Value, caller: &Sound, callee: &Sound) {
    let figure = |leg: usize, name: &str| record["legs"][leg]["quality"][name].as_i64().unwrap_or_default();
    let time = |name: &str| record[name].as_i64().unwrap_or_default();
    for (leg, other, sound) in [(0, 1, caller), (1, 0, callee)] {
        let (sent, received) = (figure(leg, "sent"), figure(other, "received"));
        let heard = sound.channels[0].len() as i64 / 160;
        // Two packets are 40 ms; before the answer has reached both there is nobody to pass them on to, and while the caller waits
        // it hears the switch's own ringback, a packet every 20 ms.
        assert!((sent - heard).abs() <= 2, "{sent} packets sent, {heard} heard: {record:#}");
        let rang = if leg == 0 { (time("answered_at") - time("ringing_at")) / 20 + 1 } else { 0 };
        assert!((-rang..=5).contains(&(received - sent)), "{received} packets received, {sent} passed on: {record:#}");
    }
}

/// Caller on the left, callee on the right, at the same time, for as long as they talked.
fn assert_recorded(recording: &Sound, caller_hz: f32, callee_hz: f32, record: &Value) {
    let talk = millis(record["talk_ms"].as_u64().expect("a length"));
    assert!(recording.length().abs_diff(talk) < millis(300), "{:?} recorded of {talk:?}", recording.length());
    let [left, right] = &recording.channels[..] else { panic!("{} channels", recording.channels.len()) };
    let most = talk.saturating_sub(millis(500));
    let caller = assert_hears_only("the left channel", left, caller_hz, callee_hz, most);
    let callee = assert_hears_only("the right channel", right, callee_hz, caller_hz, most);
    assert!(caller.until.abs_diff(callee.until) < millis(200), "side by side: {caller:?} {callee:?}");
}

fn assert_told(record: &Value, (caller, callee): (&str, &str), ended_by: &str) {
    let told = (&record["caller"], &record["callee"], &record["direction"], &record["outcome"], &record["ended_by"]);
    let wanted = (&json!(caller), &json!(callee), &json!("internal"), &json!("answered"), &json!(ended_by));
    assert_eq!(told, wanted, "{record:#}");
    let time = |name: &str| record[name].as_u64().unwrap_or_else(|| panic!("{name} of {record:#}"));
    let times = [time("started_at"), time("ringing_at"), time("answered_at"), time("ended_at")];
    assert!(times.is_sorted() && times[2] - times[0] < 2_000, "{record:#}");
    assert!(millis(time("talk_ms")).abs_diff(TALK) < millis(1_500), "{record:#}");
    assert_eq!((&record["cause"]["sip"], &record["cause"]["q850"]), (&json!(200), &json!(16)), "{record:#}");

    let legs = record["legs"].as_array().expect("legs");
    assert_eq!(legs.len(), 2, "{record:#}");
    for (leg, number) in legs.iter().zip([caller, callee]) {
        assert_eq!((&leg["number"], &leg["codec"]), (&json!(number), &json!("PCMA")), "{record:#}");
        assert!(leg["user_agent"].as_str().is_some_and(|agent| agent.contains("baresip")), "{record:#}");
        assert!(leg["sip_call_id"].as_str().is_some_and(|id| !id.is_empty()), "{record:#}");
        let quality = &leg["quality"];
        let figure = |name: &str| quality[name].as_f64().unwrap_or_else(|| panic!("{name} of {record:#}"));
        assert!(figure("received") > 250.0 && figure("sent") > 250.0, "fifty packets a second each way: {record:#}");
        assert_eq!(figure("lost"), 0.0, "{record:#}");
        assert!(figure("mos") > 4.0 && figure("jitter_ms") < 30.0, "{record:#}");
    }
    let recording = &record["recording"];
    assert_eq!((&recording["complete"], &recording["note"]), (&json!(true), &json!("")), "{record:#}");
}

/// If this fails, the phones themselves do not work, and no other case tells anything about the switch.
#[test]
fn phones_without_a_switch_hear_each_other() {
    let account = |number, answers| Account { number, server: None, answers, codec: "PCMA" };
    let mut one = Phone::start(&account("1001", false), 0);
    let mut other = Phone::start(&account("1002", true), 1);
    one.dial(&other.uri());
    one.expect("CALL_ESTABLISHED", secs(5));
    pass(secs(3));
    one.hang_up();
    other.expect("CALL_CLOSED", secs(5));
    let (one_hz, other_hz) = (one.hz, other.hz);
    let (one, other) = (one.quit(), other.quit());
    assert_heard_each_other((&one[0], one_hz), (&other[0], other_hz), secs(3));
}

#[test]
fn two_phones_hear_each_other_and_either_hangs_up() {
    let server = Server::start(Setup::default());
    let (mut one, mut other) = two_phones(&server);
    assert_eq!(server.api().registrations(), 2);

    connect(&server, &mut one, &mut other, "1002");
    pass(TALK);
    let calls = server.api().calls();
    assert_eq!((calls.len(), &calls[0]["recording"]), (1, &json!(true)), "{calls:?}");
    one.hang_up();
    other.expect("CALL_CLOSED", secs(3));
    server.api().wait_for_silence();
    let first = server.api().newest_of(1);
    assert_told(&first, ("1001", "1002"), "caller");
    assert_recorded(&server.api().recording(&first), one.hz, other.hz, &first);

    connect(&server, &mut one, &mut other, "1002");
    pass(TALK);
    other.hang_up();
    one.expect("CALL_CLOSED", secs(3));
    let second = server.api().newest_of(2);
    assert_told(&second, ("1001", "1002"), "callee");
    assert_recorded(&server.api().recording(&second), one.hz, other.hz, &second);

    let (one_hz, other_hz) = (one.hz, other.hz);
    let (one, other) = (one.quit(), other.quit());
    assert_eq!((one.len(), other.len()), (2, 2), "two calls were heard");
    for ((one, other), record) in one.iter().zip(&other).zip([&first, &second]) {
        assert_heard_each_other((one, one_hz), (other, other_hz), TALK);
        assert_nothing_missing(record, one, other);
    }
    server.finish();
}

#[test]
fn a_program_hangs_up() {
    let server = Server::start(Setup::default());
    let (mut one, mut other) = two_phones(&server);
    connect(&server, &mut one, &mut other, "1002");
    pass(millis(500));
    server.api().hang_up(&server.api().calls()[0]);
    one.expect("CALL_CLOSED", secs(3));
    other.expect("CALL_CLOSED", secs(3));
    let record = server.api().newest_of(1);
    assert_eq!((&record["outcome"], &record["ended_by"]), (&json!("answered"), &json!("system")), "{record:#}");
    server.finish();
}

#[test]
fn the_other_way_round_and_with_different_codecs() {
    let server = Server::start(Setup::default());
    let account = |number, codec, answers| Account {
        number,
        server: Some((server.sip(), server.password(number))),
        answers,
        codec,
    };
    let mut law_a = Phone::start(&account("1001", "PCMA", true), 0);
    let mut law_mu = Phone::start(&account("1002", "PCMU", false), 1);
    connect(&server, &mut law_mu, &mut law_a, "1001");
    pass(secs(3));
    law_mu.hang_up();
    law_a.expect("CALL_CLOSED", secs(3));
    let record = server.api().newest_of(1);
    assert_eq!(
        (&record["legs"][0]["codec"], &record["legs"][1]["codec"]),
        (&json!("PCMU"), &json!("PCMA")),
        "{record:#}"
    );
    assert_recorded(&server.api().recording(&record), law_mu.hz, law_a.hz, &record);
    let (a_hz, mu_hz) = (law_a.hz, law_mu.hz);
    assert_heard_each_other((&law_a.quit()[0], a_hz), (&law_mu.quit()[0], mu_hz), secs(3));
    server.finish();
}
