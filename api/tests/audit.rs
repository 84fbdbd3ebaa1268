//! Who did what, as it is written down.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use serde_json::{Value, json};

const V1: &str = "/patchbay/v1";

async fn log(world: &World, query: &str) -> Vec<Value> {
    let admin = world.log_in("admin").await;
    world.get(&format!("{V1}/audit?{query}"), &admin).await.json().as_array().unwrap().clone()
}

#[tokio::test]
async fn every_change_is_written_down_with_who_and_what_and_no_secret() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let bus = world.switch.0.lock().unwrap().events.clone();
    let mut told = bus.reader();
    let new = json!({ "number": "900", "password": "very secret", "name": "old" });
    assert_eq!(world.call("POST", &format!("{V1}/extensions"), &admin, new).await.status, 201);
    let path = format!("{V1}/extensions/900");
    let change = json!({ "name": "new", "password": "more secret" });
    assert_eq!(world.call("PUT", &path, &admin, change).await.status, 200);
    let removed = world.call("DELETE", &path, &admin, Value::Null).await;
    assert_eq!(removed.status, 204, "{}", String::from_utf8_lossy(&removed.body));

    let all = log(&world, "object=extension&id=900").await;
    let [removed, changed, added] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(
        (&added["operation"], &added["username"], &added["peer"]),
        (&json!("POST /extensions"), &json!("admin"), &json!("192.0.2.1"))
    );
    assert_eq!(
        (&added["before"], &added["after"]["name"], &added["asked"]["password"]),
        (&Value::Null, &json!("old"), &json!("…"))
    );
    assert_eq!((&changed["before"], &changed["after"]), (&json!({ "name": "old" }), &json!({ "name": "new" })));
    assert_eq!(
        (&removed["before"]["name"], &removed["after"], &removed["status"]),
        (&json!("new"), &Value::Null, &json!(204))
    );
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("very secret") && !text.contains("more secret"), "{text}");

    let mut changes = Vec::new();
    while let Some(patchbay_api::Next::Event(event)) = told.try_next() {
        let model::EventBody::SettingsChanged { object, id, change } = &event.body else { panic!("{event:?}") };
        changes.push(format!("{object} {id} {change:?}"));
    }
    assert_eq!(changes, ["extension 900 Added", "extension 900 Changed", "extension 900 Removed"]);
}

#[tokio::test]
async fn commands_and_what_was_not_allowed_are_written_down_and_reading_and_failing_are_not() {
    let world = World::new().await;
    let (boss, ana) = (world.log_in("boss").await, world.log_in("ana").await);
    let call = world.live_call("100", "101");
    let transfer = format!("{V1}/calls/{call}/transfer");
    assert_eq!(world.call("POST", &transfer, &boss, json!({ "leg": 1, "to": "102" })).await.status, 204);
    world.call("POST", &format!("{V1}/messages"), &boss, json!({ "to": "100", "text": "between us" })).await;
    world.call("DELETE", &format!("{V1}/extensions/101"), &ana, Value::Null).await.problem(403);
    world.call("POST", &transfer, &boss, json!({ "leg": "x" })).await.problem(400);
    world.get(&format!("{V1}/extensions"), &ana).await;
    world.call("DELETE", &format!("{V1}/extensions/101"), "", Value::Null).await.problem(401);

    let all = log(&world, "").await;
    let [denied, message, command] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!(
        (&denied["username"], &denied["status"], &denied["object_id"]),
        (&json!("ana"), &json!(403), &json!("101"))
    );
    assert_eq!((&message["object"], &message["asked"]), (&json!("message"), &json!({ "to": "100", "text": "…" })));
    assert_eq!((&command["object"], &command["object_id"]), (&json!("call"), &json!(call)));
    assert_eq!(command["asked"], json!({ "leg": 1, "to": "102" }));
    assert_eq!(log(&world, "username=ana").await.len(), 1);
    assert_eq!(log(&world, &format!("below={}&limit=1", denied["id"])).await, std::slice::from_ref(message));
    world.get(&format!("{V1}/audit"), &boss).await.problem(403);
}
