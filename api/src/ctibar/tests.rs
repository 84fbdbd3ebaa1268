//! Pairs of both sides: what the switch says and what the page is told, what the page says and what the switch is asked.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use super::CtibarSettings;
use super::calls::Known;
use super::decode::{Wish, wish};
use super::session::{Account, Out, Session};
use model::{Command, EventBody, Role, User};
use serde_json::{Value, json};
use std::path::Path;

/// Agent ana at 1001, signed in.
fn session() -> Session {
    let user = User {
        id: 7,
        username: "ana".into(),
        nickname: "Ana".into(),
        role: Role::Agent,
        extension: Some("1001".into()),
        enabled: true,
    };
    let mut session = Session::new(Account { user, agent: "ana".into() }, CtibarSettings::default());
    let login = json!({ "extNo": "1001", "queues": [{ "acdId": 700, "acdName": "sales" }] });
    let mut out = Vec::new();
    session.logged_in(login.clone(), &mut out);
    let told = json!({ "extNo": "1001", "queues": login["queues"], "state": "BUSY" });
    assert_eq!(out, [Out::Event("onLogin", told)]);
    session
}

fn told(out: &[Out]) -> Vec<Value> {
    out.iter()
        .filter_map(|out| match out {
            Out::Event(name, data) => Some(json!([name, data])),
            Out::Command(_) | Out::Recognise(..) => None,
        })
        .collect()
}

fn commands(out: &[Out]) -> Vec<Value> {
    out.iter()
        .filter_map(|out| match out {
            Out::Command(command) => Some(serde_json::to_value(command).unwrap()),
            Out::Event(..) | Out::Recognise(..) => None,
        })
        .collect()
}

fn hears(session: &mut Session, step: &Value, place: &str) {
    let body: EventBody = serde_json::from_value(step["event"].clone()).unwrap_or_else(|e| panic!("{place}: {e}"));
    let text = |name: &str| step["known"][name].as_str().unwrap_or_default().to_owned();
    let known = step.get("known").map(|known| Known {
        caller: text("caller"),
        callee: text("callee"),
        direction: serde_json::from_value(known["direction"].clone()).unwrap(),
    });
    let mut out = Vec::new();
    session.on_event(step["at"].as_u64().unwrap(), &body, known.as_ref(), &mut out);
    assert_eq!(Value::from(told(&out)), step["told"], "{place}");
    assert_eq!(Value::from(commands(&out)), step.get("commands").cloned().unwrap_or(json!([])), "{place}");
}

fn says(session: &Session, step: &Value, place: &str) {
    let data = step.get("data").cloned().unwrap_or(json!({}));
    let command = |command: Command| json!({ "switch": command });
    let got = match wish(step["cmd"].as_str().unwrap(), &data, session) {
        Err(refused) => json!({ "refused": refused.reason() }),
        Ok(Wish::Do(_, wanted) | Wish::Offhook(_, wanted) | Wish::State(_, wanted) | Wish::LogOut(wanted)) => {
            command(wanted)
        }
        Ok(Wish::LogIn) => json!({ "wish": "login" }),
        Ok(Wish::Already(_)) => json!({ "wish": "already" }),
        Ok(Wish::Call(to)) => json!({ "wish": format!("call {to}") }),
        Ok(Wish::ToQueue(_, _, to)) => json!({ "wish": format!("to_queue {to}") }),
        Ok(Wish::ToPhone { to, consults, .. }) => {
            json!({ "wish": format!("{} {to}", if consults { "consult" } else { "to_phone" }) })
        }
    };
    for name in ["switch", "refused", "wish"] {
        assert_eq!(got.get(name), step.get(name), "{place}");
    }
}

#[test]
fn both_sides_of_every_pair_agree() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ctibar");
    let mut pairs = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut session = session();
        for (number, step) in fixture["steps"].as_array().unwrap().iter().enumerate() {
            let place = format!("{} step {number}: {step}", path.display());
            if step.get("cmd").is_some() {
                says(&session, step, &place);
            } else {
                hears(&mut session, step, &place);
            }
            pairs += 1;
        }
    }
    assert!(pairs > 60, "{pairs}");
}

#[test]
fn a_page_that_comes_back_hears_where_it_was() {
    let mut session = session();
    let call = "f684f271-6d6a-4821-9245-fff6cc5c5ea3";
    let known = Known { caller: "1001".into(), callee: "1002".into(), direction: model::Direction::Internal };
    let mut out = Vec::new();
    for body in [
        json!({ "event": "leg_dialing", "call": call, "leg": 0, "number": "1001" }),
        json!({ "event": "leg_ringing", "call": call, "leg": 0, "early_media": false }),
        json!({ "event": "caller_answered", "call": call, "leg": 0 }),
        json!({ "event": "call_answered", "call": call, "leg": 1 }),
    ] {
        session.on_event(1, &serde_json::from_value(body).unwrap(), Some(&known), &mut out);
    }
    out.clear();
    session.repeat(&mut out);
    let names: Vec<Value> = told(&out).iter().map(|told| told[0].clone()).collect();
    assert_eq!(names, ["onLogin", "onBusy", "onAnswer", "onCalleeAnswer"]);
    assert!(told(&out).iter().all(|told| told[1]["restored"] == true));
    // The call is gone when it looks again.
    out.clear();
    session.adopt(&[], 9, &mut out);
    assert_eq!(told(&out)[0][0], "onHangup");
    assert!(!session.is_in_call());
}
