//! Routes and blocked numbers, as those who administer set them.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use model::{Command, Refusal, RouteTarget};
use serde_json::{Value, json};

const ROUTES: &str = "/patchbay/v1/routes";
const BLOCKED: &str = "/patchbay/v1/blacklist";

fn told(world: &World) -> Vec<model::Routing> {
    let commands = &world.switch.0.lock().unwrap().commands;
    let routing = |command: &Command| match command {
        Command::SetRouting(routing) => Some((**routing).clone()),
        _ => None,
    };
    commands.iter().filter_map(routing).collect()
}

#[tokio::test]
async fn a_route_is_added_changed_and_removed_and_the_switch_told_each_time() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let wish = json!({ "number": "8*", "to": { "extension": "100" }, "hours": ["Mon-Fri 09:00-18:00"] });
    let added = world.call("POST", ROUTES, &admin, wish).await;
    assert_eq!(added.status, 201, "{}", String::from_utf8_lossy(&added.body));
    let added = added.json();
    let path = format!("{ROUTES}/{}", added["id"]);
    assert_eq!(world.get(&path, &admin).await.json(), added);
    let wish = json!({ "number": "8*", "to": { "conference": "board" }, "strip": 1, "ring_seconds": 30 });
    let changed = world.call("PUT", &path, &admin, wish).await.json();
    assert_eq!(
        (&changed["to"], &changed["strip"], &changed["hours"]),
        (&json!({ "conference": "board" }), &json!(1), &json!([]))
    );
    let all = world.get(ROUTES, &world.log_in("robot").await).await.json();
    assert_eq!(all[0], changed);
    let program = json!({ "url": "http://crm.example/route", "wait_ms": 800, "otherwise": { "queue": "sales" } });
    let wish = json!({ "number": "8*", "to": { "program": program } });
    assert_eq!(world.call("PUT", &path, &admin, wish.clone()).await.json()["to"], wish["to"]);
    assert_eq!((&all[1]["number"], &all[1]["id"]), (&json!("77"), &Value::Null), "that of the configuration");
    assert_eq!(world.call("DELETE", &path, &admin, Value::Null).await.status, 204);
    assert_eq!(world.get(&path, &admin).await.problem(404), "no_such_route");
    let told: Vec<_> =
        told(&world).into_iter().map(|routing| routing.routes.into_iter().map(|r| r.to).collect::<Vec<_>>()).collect();
    assert_eq!(
        told,
        [
            vec![RouteTarget::Extension("100".into())],
            vec![RouteTarget::Conference("board".into())],
            vec![RouteTarget::Program(model::Program {
                url: "http://crm.example/route".into(),
                wait_ms: 800,
                otherwise: model::Overflow::Queue("sales".into())
            })],
            vec![]
        ]
    );
}

#[tokio::test]
async fn a_route_that_makes_no_sense_changes_nothing() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    for (wish, status, code) in [
        (json!({ "number": "8 8", "to": { "extension": "100" } }), 422, "bad_route"),
        (json!({ "number": "*8", "to": { "extension": "100" } }), 422, "bad_route"),
        (json!({ "number": "8", "to": {} }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "extension": "100", "queue": "q" } }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "extension": "999" } }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "queue": "" } }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "trunks": ["nowhere"] } }), 404, "no_such_trunk"),
        (json!({ "number": "8", "to": { "extension": "100" }, "from_trunk": "nowhere" }), 404, "no_such_trunk"),
        (json!({ "number": "8", "to": { "extension": "100" }, "prefix": "1 2" }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "extension": "100" }, "ring_seconds": 4 }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "program": { "url": "ftp://crm/" } } }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "program": { "url": "http://crm/", "wait_ms": 9000 } } }), 422, "bad_route"),
        (json!({ "number": "8", "to": { "other": "100" } }), 400, "bad_body"),
    ] {
        assert_eq!(world.call("POST", ROUTES, &admin, wish).await.problem(status), code);
    }
    let good = json!({ "number": "8", "to": { "extension": "100" } });
    world.call("POST", ROUTES, &world.log_in("boss").await, good.clone()).await.problem(403);
    world.get(ROUTES, &world.log_in("ana").await).await.problem(403);
    assert_eq!(told(&world), []);
    // The switch judges hours.
    world.switch.0.lock().unwrap().refuses_routing = true;
    assert_eq!(world.call("POST", ROUTES, &admin, good).await.problem(422), "bad_route");
    assert_eq!(world.get(ROUTES, &admin).await.json().as_array().unwrap().len(), 1);
    assert_eq!(Refusal::BadRouting.name(), "bad_routing");
}

#[tokio::test]
async fn numbers_are_blocked_and_unblocked() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    for number in ["+44*", "+44*", "123"] {
        let wish = json!({ "number": number, "side": "caller" });
        assert_eq!(world.call("POST", BLOCKED, &admin, wish).await.status, 204);
    }
    assert_eq!(
        world.call("POST", BLOCKED, &admin, json!({ "number": "a b", "side": "called" })).await.problem(422),
        "bad_route"
    );
    let all = world.get(BLOCKED, &admin).await.json();
    let one = |number: &str, side: &str, configured: bool| json!({ "number": number, "side": side, "configured": configured });
    assert_eq!(all, json!([one("+44*", "caller", false), one("123", "caller", false), one("00*", "called", true)]));
    let path = format!("{BLOCKED}/caller/%2B44*");
    assert_eq!(world.call("DELETE", &path, &admin, Value::Null).await.status, 204);
    assert_eq!(world.call("DELETE", &path, &admin, Value::Null).await.problem(404), "no_such_blocked");
    assert_eq!(
        world.call("DELETE", &format!("{BLOCKED}/x/1"), &admin, Value::Null).await.problem(400),
        "bad_parameter"
    );
    assert_eq!(told(&world).last().unwrap().black_list.callers, ["123"]);
}
