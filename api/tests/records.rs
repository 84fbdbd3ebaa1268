//! Call records over HTTP, and everything that is asked wrongly.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::World;
use serde_json::{Value, json};

const V1: &str = "/patchbay/v1";

#[tokio::test]
async fn records_are_paged_filtered_and_complete() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let (caller, callee) = if n % 2 == 0 { ("100", "101") } else { ("101", "102") };
        ids.push(world.record(1000 + n, caller, callee, None).await.to_string());
    }
    ids.reverse();
    let token = world.log_in("robot").await;
    let page = async |query: &str| world.get(&format!("{V1}/records{query}"), &token).await.json();
    let found = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().into()).collect()
    };

    let mut seen = Vec::new();
    let mut query = "?limit=3".to_owned();
    loop {
        let got = page(&query).await;
        assert_eq!(got["total"], 7);
        seen.extend(found(&got));
        let Some(next) = got["next"].as_str() else { break };
        query = format!("?limit=3&cursor={next}");
    }
    assert_eq!(seen, ids);
    assert_eq!(found(&page("?limit=3&offset=5").await), ids[5..]);
    assert_eq!(page("?caller=100").await["total"], 4);
    assert_eq!(page("?callee=102&from=1002&to=1004").await["total"], 1);
    assert_eq!(page("?number=102").await["total"], 3);
    assert_eq!(page("?outcome=answered&direction=internal").await["total"], 7);
    assert_eq!(page("?outcome=busy").await, json!({ "items": [], "total": 0, "next": null }));

    let one = world.get(&format!("{V1}/records/{}", ids[0]), &token).await.json();
    assert_eq!(one, page("?limit=1").await["items"][0]);
    let expected = json!({ "caller": "100", "callee": "101", "setup_ms": 50, "talk_ms": 4000, "ended_by": "caller" });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&one[name], value);
    }
    assert_eq!(one["cause"], json!({ "sip": 200, "q850": 16 }));
    assert_eq!(one["legs"][1]["quality"]["received"], 200);
    let trace = world.get(&format!("{V1}/records/{}/trace", ids[0]), &token).await;
    assert_eq!(trace.header("content-type"), "application/json");
    assert_eq!(trace.json(), json!([{ "at": 0, "line": "INVITE" }]));
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_so() {
    let world = World::new().await;
    let token = world.log_in("admin").await;
    for (query, code) in [
        ("limit=0", "bad_parameter"),
        ("limit=501", "bad_parameter"),
        ("limit=-1", "bad_parameter"),
        ("limit=x", "bad_parameter"),
        ("offset=100001", "bad_parameter"),
        ("offset=99999999999", "bad_parameter"),
        ("from=yesterday", "bad_parameter"),
        ("from=-5", "bad_parameter"),
        ("outcome=great", "bad_parameter"),
        ("direction=up", "bad_parameter"),
        ("calller=1", "bad_parameter"),
        ("caller=1&caller=2", "bad_parameter"),
        ("cursor=x", "bad_cursor"),
        ("cursor=", "bad_cursor"),
    ] {
        let got = world.get(&format!("{V1}/records?{query}"), &token).await;
        assert_eq!(got.problem(400), code, "{query}");
    }
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (path, status, code) in [
        (format!("records/{unknown}"), 404, "no_such_record"),
        (format!("records/{unknown}/trace"), 404, "no_trace"),
        (format!("calls/{unknown}"), 404, "no_such_call"),
        ("records/1".into(), 400, "bad_parameter"),
        ("calls/x".into(), 400, "bad_parameter"),
        ("records/%FF".into(), 400, "bad_parameter"),
        ("extensions/999".into(), 404, "no_such_extension"),
        ("nothing".into(), 404, "no_such_path"),
        ("records/1/2/3".into(), 404, "no_such_path"),
        ("registrations?extensoin=1".into(), 400, "bad_parameter"),
    ] {
        assert_eq!(world.get(&format!("{V1}/{path}"), &token).await.problem(status), code, "{path}");
    }
    let wrong = world.call("PATCH", &format!("{V1}/extensions/100"), &token, json!({})).await;
    assert_eq!(wrong.problem(405), "wrong_method");
    assert!(wrong.header("allow").contains("PUT"), "{wrong:?}");
}

#[tokio::test]
async fn problems_speak_the_readers_language() {
    let world = World::new().await;
    let ask = async |language: &str| {
        let request = Request::get(format!("{V1}/calls")).header("accept-language", language);
        let got = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(got.problem(401), "not_logged_in");
        assert_eq!(got.header("vary"), "accept-language");
        (got.header("content-language").to_owned(), got.json()["title"].as_str().unwrap().to_owned())
    };
    assert_eq!(ask("zh-CN,zh;q=0.9,en;q=0.8").await, ("zh-CN".into(), "未登录".into()));
    assert_eq!(ask("en-GB").await, ("en".into(), "Not logged in".into()));
    assert_eq!(ask("").await, ("en".into(), "Not logged in".into()));
}

#[tokio::test]
async fn a_database_that_is_gone_is_a_problem_and_no_panic() {
    let world = World::new().await;
    let token = world.log_in("admin").await;
    world.store.close().await;
    let got = world.get(&format!("{V1}/records"), &token).await;
    assert_eq!(got.problem(503), "store_unavailable");
    assert_eq!(got.header("retry-after"), "1");
    let auth = world.call("POST", "/api/v1/base/auth", "", json!({ "username": "a", "password": "b" })).await;
    assert_eq!(auth.json()["code"], 7);
}
