//! Who may do and see what; and what is sent to the switch.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use model::{Command, Refusal, Registration};
use serde_json::{Value, json};

const V1: &str = "/patchbay/v1";

fn numbers(list: &Value, field: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn only_an_administrator_touches_users_and_settings() {
    let world = World::new().await;
    let id = world.store.user_named("ana").await.unwrap().unwrap().user.id;
    let user = json!({ "username": "eve", "password": "good enough", "role": "admin" });
    let change = json!({ "username": "ana", "nickname": "", "role": "admin", "extension": null, "enabled": true });
    let extension = json!({ "number": "900", "password": "good enough" });
    let operations = [
        ("GET", format!("{V1}/users"), Value::Null),
        ("POST", format!("{V1}/users"), user),
        ("GET", format!("{V1}/users/{id}"), Value::Null),
        ("PUT", format!("{V1}/users/{id}"), change),
        ("DELETE", format!("{V1}/users/{id}"), Value::Null),
        ("POST", format!("{V1}/extensions"), extension.clone()),
        ("PUT", format!("{V1}/extensions/100"), json!({ "record": true })),
        ("DELETE", format!("{V1}/extensions/100"), Value::Null),
        ("POST", format!("{V1}/extensions/import"), json!({ "extensions": [extension] })),
    ];
    for name in ["boss", "ana", "loner", "robot"] {
        let token = world.log_in(name).await;
        for (method, path, body) in &operations {
            let got = world.call(method, path, &token, body.clone()).await;
            assert_eq!(got.problem(403), "forbidden", "{name}: {method} {path}");
        }
    }
    assert_eq!(world.store.extensions().await.unwrap().len(), 2);
    assert_eq!(world.store.users().await.unwrap().len(), 5);
    assert!(world.switch.0.lock().unwrap().commands.is_empty());
}

#[tokio::test]
async fn only_who_answers_for_people_supervises_and_agents_moderate_no_conference() {
    let world = World::new().await;
    let call = world.live_call("100", "101");
    let supervise = json!({ "extension": "100", "leg": 1, "mode": "barge" });
    let member = json!({ "call": call.to_string(), "leg": 1 });
    for (who, what, body, allowed) in [
        ("boss", format!("/calls/{call}/supervise"), &supervise, true),
        ("robot", format!("/calls/{call}/supervise"), &supervise, false),
        ("ana", format!("/calls/{call}/supervise"), &supervise, false),
        ("robot", "/conferences/board/dismiss".to_owned(), &member, true),
        ("ana", "/conferences/board/dismiss".to_owned(), &member, false),
    ] {
        let token = world.log_in(who).await;
        let got = world.call("POST", &format!("{V1}{what}"), &token, body.clone()).await;
        assert_eq!(got.status != 403, allowed, "{who}: {what}");
    }
    // An agent may make a conference of its own call, and of no other.
    let others = world.live_call("101", "102");
    let token = world.log_in("ana").await;
    for (call, status) in [(call, 201), (others, 404)] {
        let got = world.call("POST", &format!("{V1}/calls/{call}/conference"), &token, Value::Null).await;
        assert_eq!(got.status, status);
    }
}

#[tokio::test]
async fn an_agent_sees_and_ends_only_what_its_own_extension_has_a_part_in() {
    let world = World::new().await;
    let own = world.live_call("100", "101");
    let others = world.live_call("101", "102");
    let registration = |extension: &str| Registration {
        extension: extension.into(),
        contact: format!("sip:{extension}@192.0.2.1"),
        remote: "192.0.2.1:5060".into(),
        transport: "udp".into(),
        user_agent: String::new(),
        expires_at: 1,
    };
    world.switch.0.lock().unwrap().registrations = vec![registration("100"), registration("101")];
    std::fs::write(world.recordings().join("x.wav"), b"RIFF").unwrap();
    let own_record = world.record(10, "102", "100", Some("x.wav")).await;
    let others_record = world.record(20, "101", "102", Some("x.wav")).await;
    let (ana, loner, boss) = (world.log_in("ana").await, world.log_in("loner").await, world.log_in("boss").await);
    let list = async |path: &str, token: &str| world.get(&format!("{V1}{path}"), token).await.json();

    for (path, field, hers, all) in [
        ("/extensions", "number", vec!["100"], vec!["100", "101"]),
        ("/registrations", "extension", vec!["100"], vec!["100", "101"]),
        ("/calls", "caller", vec!["100"], vec!["100", "101"]),
    ] {
        assert_eq!(numbers(&list(path, &ana).await, field), hers);
        assert_eq!(numbers(&list(path, &boss).await, field), all);
        assert_eq!(list(path, &loner).await, json!([]));
    }
    assert_eq!(list("/registrations?extension=101", &ana).await, json!([]));
    assert_eq!(numbers(&list("/registrations?extension=101", &boss).await, "extension"), ["101"]);
    assert_eq!(numbers(&list("/registrations?extension=100", &ana).await, "extension"), ["100"]);

    let records = async |token: &str, query: &str| {
        let page = list(&format!("/records{query}"), token).await;
        assert_eq!(page["total"], page["items"].as_array().unwrap().len());
        numbers(&page["items"], "id")
    };
    assert_eq!(records(&ana, "").await, [own_record.to_string()]);
    assert_eq!(records(&ana, "?number=101").await, [""; 0]);
    assert_eq!(records(&loner, "").await, [""; 0]);
    assert_eq!(records(&boss, "").await, [others_record.to_string(), own_record.to_string()]);

    let code = async |method: &str, path: String, token: &str| {
        let got = world.call(method, &path, token, Value::Null).await;
        if got.status.is_success() { got.status.to_string() } else { got.problem(got.status.as_u16()) }
    };
    assert_eq!(code("GET", format!("{V1}/extensions/100"), &ana).await, "200 OK");
    assert_eq!(code("GET", format!("{V1}/extensions/101"), &ana).await, "no_such_extension");
    let set = async |number: &str, body: Value| {
        world.call("PUT", &format!("{V1}/extensions/{number}"), &ana, body).await.status.as_u16()
    };
    let away = json!({ "do_not_disturb": true, "forward": { "busy": { "extension": "101" } } });
    assert_eq!(set("100", away.clone()).await, 200);
    let mine = world.store.extension("100").await.unwrap().unwrap();
    assert!(mine.do_not_disturb && mine.forward.busy == Some(model::Overflow::Extension("101".to_owned())));
    assert_eq!(set("101", away).await, 403);
    assert_eq!(set("100", json!({ "do_not_disturb": false, "max_calls": 9 })).await, 403);
    assert_eq!(set("100", json!({ "password": "good enough" })).await, 403);
    assert_eq!(set("100", json!({ "forward": { "always": { "extension": "100" } } })).await, 400);
    let told = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    assert!(matches!(&told[..], [model::Command::PutExtension(_)]), "{told:?}");
    for (id, wanted) in [(own_record, "200 OK"), (others_record, "no_such_record")] {
        assert_eq!(code("GET", format!("{V1}/records/{id}"), &ana).await, wanted);
        assert_eq!(code("GET", format!("{V1}/records/{id}/recording"), &ana).await, wanted);
        assert_eq!(code("GET", format!("{V1}/records/{id}/trace"), &ana).await, "forbidden");
        assert_eq!(code("GET", format!("{V1}/records/{id}"), &boss).await, "200 OK");
        assert_eq!(code("GET", format!("{V1}/records/{id}/trace"), &boss).await, "200 OK");
    }
    assert_eq!(code("GET", format!("{V1}/calls/{others}"), &ana).await, "no_such_call");
    assert_eq!(code("DELETE", format!("{V1}/calls/{others}"), &ana).await, "no_such_call");
    assert_eq!(code("DELETE", format!("{V1}/calls/{own}"), &loner).await, "no_such_call");
    // Nobody commands a phone that is not its own.
    for (call, leg, user) in [(others, 0, &ana), (own, 1, &ana), (own, 0, &loner)] {
        let path = format!("{V1}/calls/{call}/transfer");
        let got = world.call("POST", &path, user, json!({ "leg": leg, "to": "199" })).await;
        assert_eq!(got.status, 404);
    }
    assert!(world.switch.0.lock().unwrap().commands.is_empty());
    let path = format!("{V1}/calls/{own}/transfer");
    let got = world.call("POST", &path, &ana, json!({ "leg": 0, "to": "199" })).await;
    assert_eq!(got.status, 204);
    let commands = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    assert_eq!(commands, [Command::Transfer { call: own, leg: 0, to: "199".into() }]);
    assert_eq!(code("DELETE", format!("{V1}/calls/{own}"), &ana).await, "204 No Content");
    assert_eq!(code("DELETE", format!("{V1}/calls/{others}"), &boss).await, "204 No Content");
    assert_eq!(code("DELETE", format!("{V1}/calls/{others}"), &boss).await, "no_such_call");
    let commands = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    assert_eq!(commands, [Command::Hangup { call: own }, Command::Hangup { call: others }]);
}

#[tokio::test]
async fn what_is_changed_is_stored_and_told_to_the_switch() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let send =
        async |method: &str, path: &str, body: Value| world.call(method, &format!("{V1}{path}"), &admin, body).await;
    let got = send("POST", "/extensions", json!({ "number": "a+1", "password": "good enough", "name": "前台" })).await;
    assert_eq!(got.status, 201);
    let wanted = json!({
        "number": "a+1", "name": "前台", "enabled": true, "record": false, "ring_seconds": 30, "max_calls": 2,
        "rights": "default", "outside_number": "", "allow": [], "monitor": false, "intercom": false,
        "auto_answer": "usual", "srtp": "default", "codecs": [], "inband_dtmf": "auto", "media": "auto",
        "auto_answer": "usual", "contacts": 0, "watched_by": "default",
        "forward": { "always": null, "busy": null, "no_answer": null, "offline": null, "no_answer_seconds": 0 },
        "do_not_disturb": false, "call_waiting": true,
    });
    assert_eq!(got.json(), wanted);
    let stored = world.store.extension("a+1").await.unwrap().unwrap();
    assert_eq!(stored.ha1, store::ha1("a+1", world.store.realm(), "good enough"));

    let got = send("PUT", "/extensions/a+1", json!({ "enabled": false, "ring_seconds": 60 })).await;
    assert_eq!((got.status.as_u16(), &got.json()["ring_seconds"]), (200, &json!(60)));
    let changed = world.store.extension("a+1").await.unwrap().unwrap();
    assert_eq!((changed.enabled, changed.ring_seconds, &changed.name), (false, 60, &stored.name));
    assert_eq!(changed.ha1, stored.ha1, "the password stays");
    send("PUT", "/extensions/a+1", json!({ "password": "another one" })).await;
    let rekeyed = world.store.extension("a+1").await.unwrap().unwrap();
    assert_ne!(rekeyed.ha1, stored.ha1);

    let list = json!({ "extensions": [
        { "number": "100", "password": "new secret", "name": "Lobby" },
        { "number": "102", "password": "new secret" },
    ]});
    let got = send("POST", "/extensions/import", list).await;
    assert_eq!(got.json(), json!({ "added": 1, "changed": 1 }));
    assert_eq!(send("DELETE", "/extensions/102", Value::Null).await.status, 204);
    assert_eq!(send("DELETE", "/extensions/102", Value::Null).await.problem(404), "no_such_extension");

    let lobby = world.store.extension("100").await.unwrap().unwrap();
    let commands = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    let [put, put_changed, put_rekeyed, put_lobby, _, remove] = commands.try_into().unwrap();
    assert_eq!(put, Command::PutExtension(Box::new(stored)));
    assert_eq!(put_changed, Command::PutExtension(Box::new(changed)));
    assert_eq!(put_rekeyed, Command::PutExtension(Box::new(rekeyed)));
    assert_eq!(put_lobby, Command::PutExtension(Box::new(lobby)));
    assert_eq!(remove, Command::RemoveExtension { number: "102".into() });
}

#[tokio::test]
async fn a_switch_that_refuses_is_told_as_what_it_is() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let call = world.live_call("100", "101");
    for (refusal, status, code) in [
        (Refusal::NoSuchCall, 404, "no_such_call"),
        (Refusal::NoSuchLeg, 404, "no_such_call"),
        (Refusal::WrongState, 409, "wrong_state"),
        (Refusal::Overloaded, 503, "overloaded"),
        (Refusal::ShuttingDown, 503, "shutting_down"),
    ] {
        world.switch.0.lock().unwrap().refuses = Some(refusal);
        let got = world.call("DELETE", &format!("{V1}/calls/{call}"), &admin, Value::Null).await;
        assert_eq!(got.problem(status), code);
        assert_eq!(got.header("retry-after"), if code == "overloaded" { "1" } else { "" });
    }
    // Refused, so it must still be there for a second try.
    let got = world.call("DELETE", &format!("{V1}/extensions/100"), &admin, Value::Null).await;
    assert_eq!(got.problem(503), "shutting_down");
    assert!(world.store.extension("100").await.unwrap().is_some());
    // Stored though the switch did not hear of it: the same PUT again mends it.
    world.switch.0.lock().unwrap().refuses = Some(Refusal::Overloaded);
    let put = async || world.call("PUT", &format!("{V1}/extensions/100"), &admin, json!({ "record": true })).await;
    assert_eq!(put().await.problem(503), "overloaded");
    world.switch.0.lock().unwrap().refuses = None;
    assert_eq!(put().await.status, 200);
    assert_eq!(world.switch.0.lock().unwrap().commands.len(), 1);
}

#[tokio::test]
async fn impossible_extensions_and_users_are_refused_with_a_code_of_their_own() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let send = async |method: &str, path: &str, body: Value| {
        let got = world.call(method, &format!("{V1}{path}"), &admin, body).await;
        got.problem(got.status.as_u16())
    };
    let good = "good enough";
    for (body, code) in [
        (json!({ "number": "9 0", "password": good }), "bad_number"),
        (json!({ "number": "", "password": good }), "bad_number"),
        (json!({ "number": "900", "password": "short" }), "bad_password"),
        (json!({ "number": "900", "password": good, "name": "a\r\nVia: x" }), "bad_name"),
        (json!({ "number": "100", "password": good }), "extension_exists"),
        (json!({ "number": "900" }), "bad_body"),
        (json!({ "number": 900, "password": good }), "bad_body"),
        (json!({ "number": "900", "password": good, "ring_seconds": 1 }), "bad_body"),
        (json!({ "number": "900", "password": good, "ring_seconds": 70_000 }), "bad_body"),
        (json!({ "number": "900", "password": good, "max_calls": 0 }), "bad_body"),
        (json!({ "number": "900", "password": good, "recrod": true }), "bad_body"),
    ] {
        assert_eq!(send("POST", "/extensions", body.clone()).await, code, "{body}");
    }
    assert_eq!(send("PUT", "/extensions/100", json!({ "nmae": "x" })).await, "bad_body");
    assert_eq!(send("PUT", "/extensions/100", json!({ "password": "short" })).await, "bad_password");
    assert_eq!(send("PUT", "/extensions/900", json!({})).await, "no_such_extension");

    let user = |change: Value| {
        let mut user = json!({ "username": "eve", "password": good, "role": "agent" });
        user.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        user
    };
    for (change, code) in [
        (json!({ "username": "" }), "bad_user"),
        (json!({ "username": "admin" }), "user_exists"),
        (json!({ "nickname": "\u{7}" }), "bad_user"),
        (json!({ "password": "eve" }), "bad_password"),
        (json!({ "role": "god" }), "bad_body"),
        (json!({ "extension": "999" }), "unknown_extension"),
        (json!({ "id": 1 }), "bad_body"),
    ] {
        assert_eq!(send("POST", "/users", user(change.clone())).await, code, "{change}");
    }
    let id = world.store.user_named("admin").await.unwrap().unwrap().user.id;
    let demoted = json!({ "username": "admin", "nickname": "", "role": "agent", "extension": null, "enabled": true });
    assert_eq!(send("PUT", &format!("/users/{id}"), demoted.clone()).await, "last_admin");
    assert_eq!(send("DELETE", &format!("/users/{id}"), Value::Null).await, "last_admin");
    assert_eq!(send("DELETE", "/users/999", Value::Null).await, "no_such_user");
    assert_eq!(send("GET", "/users/999", Value::Null).await, "no_such_user");
    assert_eq!(send("GET", "/users/abc", Value::Null).await, "bad_parameter");
    assert_eq!(send("PUT", "/users/999", demoted).await, "no_such_user");

    let many = |n: usize| {
        let item = json!({ "number": "900", "password": good });
        json!({ "extensions": vec![item; n] })
    };
    assert_eq!(send("POST", "/extensions/import", many(10_001)).await, "too_many_items");
    let large = json!({ "extensions": [{ "number": "900", "password": good, "name": "x".repeat(5 << 20) }] });
    assert_eq!(send("POST", "/extensions/import", large).await, "too_large");
    let large = json!({ "number": "900", "password": good, "name": "x".repeat(70_000) });
    assert_eq!(send("POST", "/extensions", large).await, "too_large");
    let one_bad = json!({ "extensions": [
        { "number": "900", "password": good }, { "number": "901", "password": "901" },
    ]});
    assert_eq!(send("POST", "/extensions/import", one_bad).await, "bad_password");
    assert_eq!(world.store.extensions().await.unwrap().len(), 2);
    assert!(world.switch.0.lock().unwrap().commands.is_empty());
}

#[tokio::test]
async fn a_fault_in_one_request_costs_only_that_request() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    world.switch.0.lock().unwrap().panics = true;
    let got = world.get(&format!("{V1}/calls"), &admin).await;
    assert_eq!(got.problem(500), "internal");
    assert!(!String::from_utf8_lossy(&got.body).contains("fault of the switch"), "what broke is not told outside");
    world.switch.0.lock().unwrap().panics = false;
    assert_eq!(world.get(&format!("{V1}/calls"), &admin).await.status, 200);
}

#[tokio::test]
async fn calls_are_placed_for_whom_one_may_and_in_the_words_of_the_switch() {
    let world = World::new().await;
    let (boss, ana) = (world.log_in("boss").await, world.log_in("ana").await);
    let place = async |who: &str, body: Value| world.call("POST", &format!("{V1}/calls"), who, body).await;
    let got = place(&ana, json!({ "extension": "100", "to": "101", "auto_answer": true })).await;
    assert_eq!(got.status, 201);
    assert!(got.json()["id"].as_str().is_some_and(|id| id.parse::<model::CallId>().is_ok()));
    for more in ["trunk", "shown_number"] {
        let mut body = json!({ "extension": "100", "to": "101" });
        body[more] = "1".into();
        assert_eq!(place(&ana, body.clone()).await.problem(403), "forbidden", "{more}");
        assert_eq!(place(&boss, body).await.status, 201);
    }
    assert_eq!(place(&ana, json!({ "extension": "101", "to": "100" })).await.problem(403), "forbidden");
    let long = json!({ "extension": "100", "to": "1", "variables": { "a": "x".repeat(257) } });
    for body in [json!({ "extension": "100", "to": "1", "ring_seconds": 4 }), long, json!({ "extension": "100" })] {
        assert_eq!(place(&boss, body).await.problem(400), "bad_body");
    }
    let commands = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    let first = model::Originate {
        extension: "100".to_owned(),
        to: "101".to_owned(),
        auto_answer: true,
        ..model::Originate::default()
    };
    assert_eq!((&commands[0], commands.len()), (&Command::Originate(Box::new(first)), 3));
    for (refusal, status, code) in [
        (model::Refusal::NotRegistered, 409, "not_registered"),
        (model::Refusal::BadNumber, 422, "bad_destination"),
        (model::Refusal::NoSuchTrunk, 404, "no_such_trunk"),
    ] {
        world.switch.0.lock().unwrap().refuses = Some(refusal);
        assert_eq!(place(&boss, json!({ "extension": "100", "to": "1" })).await.problem(status), code);
    }
}

#[tokio::test]
async fn an_agent_speaks_for_the_agent_of_its_own_extension() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    for (name, extension) in [("ana", "100"), ("ben", "101")] {
        let got = world.call("PUT", &format!("{V1}/agents/{name}"), &admin, json!({ "extension": extension })).await;
        assert_eq!(got.status, 200);
    }
    assert_eq!(
        world.call("PUT", &format!("{V1}/queues/sales"), &admin, json!({ "ring_seconds": 1 })).await.problem(400),
        "bad_body"
    );
    let ana = world.log_in("ana").await;
    let list = world.get(&format!("{V1}/agents"), &ana).await.json();
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!((&list[0]["settings"]["name"], &list[0]["now"]["state"]), (&json!("ana"), &json!("logged_out")));
    world.switch.0.lock().unwrap().commands.clear();
    let to = |name: &str, what: &str| format!("{V1}/agents/{name}/{what}");
    assert_eq!(world.call("POST", &to("ben", "login"), &ana, json!({})).await.problem(404), "no_such_agent");
    assert_eq!(
        world.call("POST", &to("ana", "login"), &ana, json!({ "extension": "101" })).await.problem(403),
        "forbidden"
    );
    assert_eq!(
        world.call("POST", &to("ana", "login"), &ana, json!({ "duty": "rest", "reason": "new" })).await.status,
        204
    );
    assert_eq!(world.call("POST", &to("ana", "duty"), &ana, json!({ "duty": "ready" })).await.status, 204);
    assert_eq!(world.get(&format!("{V1}/queues"), &ana).await.problem(403), "forbidden");
    let agent = "ana".to_owned();
    let login = Command::LogInAgent {
        agent: agent.clone(),
        extension: String::new(),
        queues: Vec::new(),
        duty: model::Duty::Rest("new".to_owned()),
    };
    let ready = Command::SetAgent { agent, duty: model::Duty::Ready };
    assert_eq!(world.switch.0.lock().unwrap().commands, [login, ready]);
    world.switch.0.lock().unwrap().refuses = Some(Refusal::NotLoggedIn);
    assert_eq!(world.call("POST", &to("ana", "logout"), &ana, Value::Null).await.problem(409), "agent_not_logged_in");
}
