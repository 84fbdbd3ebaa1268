//! Prompts by the API: uploaded as they are, by those who may.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::World;
use serde_json::{Value, json};

const V1: &str = "/patchbay/v1";

#[tokio::test]
async fn an_administrator_uploads_and_deletes_and_everybody_lists() {
    let world = World::new().await;
    let (admin, ana) = (world.log_in("admin").await, world.log_in("ana").await);
    let put = async |token: &str, name: &str, data: Vec<u8>| {
        let request = Request::put(format!("{V1}/prompts/{name}")).header("x-token", token).body(Body::from(data));
        world.send(request.unwrap()).await
    };
    let kept = put(&admin, "zh%2Fwelcome", b"sound".to_vec()).await;
    assert_eq!((kept.status.as_u16(), kept.json()["name"].clone()), (200, json!("zh/welcome")));
    put(&ana, "x", b"sound".to_vec()).await.problem(403);
    put(&admin, "x", b"text".to_vec()).await.problem(422);
    put(&admin, "..%2Fx", b"sound".to_vec()).await.problem(400);
    put(&admin, "x", vec![0; 17 << 20]).await.problem(413);
    let listed = world.get(&format!("{V1}/prompts"), &ana).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(world.get(&format!("{V1}/prompts/zh%2Fwelcome"), &ana).await.body, b"sound");
    world.get(&format!("{V1}/prompts/other"), &ana).await.problem(404);
    let path = format!("{V1}/prompts/zh%2Fwelcome");
    world.call("DELETE", &path, &ana, Value::Null).await.problem(403);
    assert_eq!(world.call("DELETE", &path, &admin, Value::Null).await.status, 204);
    world.call("DELETE", &path, &admin, Value::Null).await.problem(404);
}

#[tokio::test]
async fn what_is_to_be_played_is_checked_before_the_switch_is_asked() {
    let world = World::new().await;
    let (admin, ana) = (world.log_in("admin").await, world.log_in("ana").await);
    let (own, other) = (world.live_call("100", "101"), world.live_call("102", "103"));
    let play = async |token: &str, call, body: Value| {
        world.call("POST", &format!("{V1}/calls/{call}/play"), token, body).await
    };
    assert_eq!(play(&ana, own, json!({ "prompts": ["a"] })).await.status, 204);
    play(&ana, other, json!({ "prompts": ["a"] })).await.problem(404);
    assert_eq!(
        play(&admin, other, json!({ "prompts": ["a"], "leg": 1, "times": 0, "barge_in": true })).await.status,
        204
    );
    play(&admin, own, json!({ "prompts": [] })).await.problem(400);
    play(&admin, own, json!({ "prompts": vec!["a"; 65] })).await.problem(400);
    play(&admin, own, json!({ "prompts": ["a"], "volume_db": 21.0 })).await.problem(400);
    play(&admin, own, json!({ "prompts": ["../a"] })).await.problem(404);
    let record = async |token: &str, call, body: Value| {
        world.call("POST", &format!("{V1}/calls/{call}/recording"), token, body).await
    };
    assert_eq!(record(&ana, own, json!({ "wish": "pause" })).await.status, 204);
    record(&ana, other, json!({ "wish": "pause" })).await.problem(404);
    assert_eq!(record(&admin, other, json!({ "wish": "start", "leg": 1, "mixed": true })).await.status, 204);
    for bad in [json!({ "wish": "rewind" }), json!({ "wish": "stop", "mixed": true }), json!({})] {
        record(&admin, own, bad).await.problem(400);
    }
    let say =
        json!([{ "number": 5 }, { "date": "2026-11-21", "language": "en" }, { "time": "14:05" }, { "text": "hi" }]);
    assert_eq!(play(&admin, own, json!({ "say": say })).await.status, 204);
    let slow = json!({ "text": "hi", "speed": 10 });
    let bad =
        [json!({}), json!({ "number": 1, "text": "x" }), json!({ "date": "2026-11" }), json!({ "time": "x:1" }), slow];
    for bad in bad {
        play(&admin, own, json!({ "say": [bad] })).await.problem(400);
    }
}
