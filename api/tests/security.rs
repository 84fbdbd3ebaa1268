//! Bans and messages over the API.

#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use model::{Ban, BanReason, Command, Seen};
use serde_json::{Value, json};

const V1: &str = "/patchbay/v1";

#[tokio::test]
async fn bans_are_shown_made_and_lifted_by_administrators_only() {
    let world = World::new().await;
    let (admin, ana) = (world.log_in("admin").await, world.log_in("ana").await);
    let source = "203.0.113.9".parse().unwrap();
    let ban = Ban { source, reason: BanReason::ManyUsers, since: 1, until: 2, times: 3, dropped: 4 };
    world.switch.0.lock().unwrap().bans = vec![ban];
    let send =
        async |method: &str, path: &str, who: &str| world.call(method, &format!("{V1}{path}"), who, Value::Null).await;
    let wanted = json!([{
        "source": "203.0.113.9", "reason": "many_users", "since": 1, "until": 2, "times": 3, "dropped": 4,
    }]);
    assert_eq!(send("GET", "/bans", &admin).await.json(), wanted);
    assert_eq!(send("GET", "/bans", &ana).await.problem(403), "forbidden");
    assert_eq!(send("DELETE", "/bans/203.0.113.9", &ana).await.problem(403), "forbidden");
    assert_eq!(send("DELETE", "/bans/203.0.113.10", &admin).await.problem(404), "no_such_ban");
    assert_eq!(send("DELETE", "/bans/x", &admin).await.problem(400), "bad_parameter");
    assert_eq!(send("DELETE", "/bans/203.0.113.9", &admin).await.status, 204);
    assert_eq!(send("PUT", "/bans/2001:db8::1", &admin).await.status, 204);
    let commands = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    let other = "2001:db8::1".parse().unwrap();
    assert_eq!(commands, [Command::Unban { source }, Command::Ban { source: other }]);
}

#[tokio::test]
async fn messages_are_given_as_json_lines_with_filters() {
    let world = World::new().await;
    let (boss, ana) = (world.log_in("boss").await, world.log_in("ana").await);
    let seen = |at: u64, number: &str| Seen {
        at,
        sent: false,
        transport: "udp".to_owned(),
        local: "192.0.2.1:5060".parse().unwrap(),
        remote: format!("192.0.2.{at}:5060").parse().unwrap(),
        text: format!("OPTIONS sip:{number}@pbx SIP/2.0\r\nCall-ID: c{at}\r\n\r\n"),
    };
    world.switch.0.lock().unwrap().seen = vec![seen(2, "100"), seen(3, "101"), seen(4, "100")];
    let ask = async |query: &str, who: &str| world.call("GET", &format!("{V1}/trace{query}"), who, Value::Null).await;
    for (query, expected) in [
        ("", &[2u64, 3, 4][..]),
        ("?number=100", &[2, 4]),
        ("?number=100&address=192.0.2.4", &[4]),
        ("?call_id=c3", &[3]),
        ("?number=100&follow=true", &[2, 4]),
    ] {
        let got = ask(query, &boss).await;
        assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "application/x-ndjson"));
        let lines: Vec<Value> =
            String::from_utf8(got.body).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.iter().map(|line| line["at"].as_u64().unwrap()).collect::<Vec<_>>(), expected, "{query}");
    }
    assert_eq!(ask("", &ana).await.problem(403), "forbidden");
    assert_eq!(ask("?address=x", &boss).await.problem(400), "bad_parameter");
}
