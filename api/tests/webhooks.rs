//! Webhooks, as those who administer see them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use serde_json::{Value, json};

const HOOKS: &str = "/patchbay/v1/webhooks";

#[tokio::test]
async fn a_webhook_is_added_changed_and_removed_and_its_secret_is_told_once() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let wish = json!({ "name": "CRM", "url": "https://crm.example/x", "kinds": ["call_ended"] });
    let added = world.call("POST", HOOKS, &admin, wish).await;
    assert_eq!(added.status, 201);
    let added = added.json();
    assert_eq!(added["secret"].as_str().unwrap().len(), 64);
    let path = format!("{HOOKS}/{}", added["id"]);
    let got = world.get(&path, &admin).await.json();
    assert_eq!(
        (&got["url"], &got["active"], &got["secret"]),
        (&json!("https://crm.example/x"), &json!(true), &Value::Null)
    );
    let changed = world.call("PUT", &path, &admin, json!({ "active": false, "kinds": [] })).await.json();
    assert_eq!((&changed["active"], &changed["name"], &changed["kinds"]), (&json!(false), &json!("CRM"), &json!([])));
    assert_eq!(world.get(HOOKS, &admin).await.json().as_array().unwrap().len(), 1);
    assert_eq!(world.call("DELETE", &path, &admin, Value::Null).await.status, 204);
    assert_eq!(world.get(&path, &admin).await.problem(404), "no_such_webhook");
    assert_eq!(world.call("DELETE", &path, &admin, Value::Null).await.problem(404), "no_such_webhook");
}

#[tokio::test]
async fn what_cannot_be_told_is_refused_and_only_administrators_decide() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    for (wish, status, code) in [
        (json!({ "url": "ftp://x/" }), 422, "bad_url"),
        (json!({ "url": "/x" }), 422, "bad_url"),
        (json!({ "url": "http://user:secret@x/" }), 422, "bad_url"),
        (json!({ "url": format!("http://x/{}", "x".repeat(2_000)) }), 422, "bad_url"),
        (json!({ "url": "http://x/", "secret": "short" }), 422, "bad_secret"),
        (json!({ "url": "http://x/", "name": "x\n" }), 422, "bad_name"),
        (json!({ "url": "http://x/", "kinds": ["nonsense"] }), 400, "bad_body"),
        (json!({ "url": "http://x/", "more": 1 }), 400, "bad_body"),
    ] {
        assert_eq!(world.call("POST", HOOKS, &admin, wish).await.problem(status), code);
    }
    for user in ["boss", "ana", "robot"] {
        let token = world.log_in(user).await;
        assert_eq!(world.call("POST", HOOKS, &token, json!({ "url": "http://x/" })).await.problem(403), "forbidden");
        assert_eq!(world.get(HOOKS, &token).await.problem(403), "forbidden");
    }
    assert_eq!(world.get(HOOKS, &admin).await.json(), json!([]));
}

#[tokio::test]
async fn what_was_given_up_is_listed_and_sent_again() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let hook = world.call("POST", HOOKS, &admin, json!({ "url": "http://x/" })).await.json()["id"].as_i64().unwrap();
    let record = world.record(10, "100", "101", None).await;
    // That one waits.
    let waiting = world.store.due_deliveries(hook, 0, 9).await.unwrap();
    assert_eq!(waiting[0].record.as_ref().unwrap().0, record);
    world.store.settle_deliveries(&[(waiting[0].id, store::Tried::Taken)]).await.unwrap();
    world.give_up(hook, record).await;
    let path = format!("{HOOKS}/{hook}");
    let got = world.get(&path, &admin).await.json();
    assert_eq!((&got["waiting"], &got["dead"]), (&json!(0), &json!(2)));
    let dead = world.get(&format!("{path}/dead"), &admin).await.json();
    assert_eq!((&dead[0]["kind"], &dead[0]["body"]["record"]["id"]), (&json!("call_ended"), &dead[0]["call"]));
    assert_eq!((&dead[0]["body"]["delivery"], &dead[0]["tries"]), (&dead[0]["id"], &json!(1)));
    assert_eq!((&dead[1]["body"]["event"], &dead[1]["last"]), (&json!("dtmf"), &json!("HTTP 410")));
    let older = world.get(&format!("{path}/dead?below={}&limit=1", dead[0]["id"]), &admin).await.json();
    assert_eq!(older, json!([dead[1]]));
    let one = json!({ "delivery": dead[1]["id"] });
    assert_eq!(world.call("POST", &format!("{path}/resend"), &admin, one.clone()).await.json(), json!({ "resent": 1 }));
    assert_eq!(world.call("POST", &format!("{path}/resend"), &admin, one).await.problem(404), "no_such_delivery");
    assert_eq!(world.call("POST", &format!("{path}/resend"), &admin, json!({})).await.json(), json!({ "resent": 1 }));
    assert_eq!(world.get(&path, &admin).await.json()["waiting"], 2);
}
