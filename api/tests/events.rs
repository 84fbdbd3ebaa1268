//! The stream of events, as clients see it: over a real socket.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use futures_util::{SinkExt, StreamExt};
use model::{CallId, Direction, Event, EventBody, LegNo};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

const EVENTS: &str = "/patchbay/v1/events";

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// Connected and told that it may begin; what it was told, too.
    async fn connect(at: SocketAddr, token: &str, query: &str) -> (Self, u64) {
        let mut request = format!("ws://{at}{EVENTS}?{query}").into_client_request().unwrap();
        request.headers_mut().insert("x-token", token.parse().unwrap());
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let mut client = Self(socket);
        let next = client.next().await["ready"]["next"].as_u64().unwrap();
        (client, next)
    }

    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which it is cut off.
    async fn code(&mut self) -> u16 {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Close(frame) => return frame.unwrap().code.into(),
                Message::Text(_) | Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

async fn serve(world: &World) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    at
}

fn put(world: &World, body: EventBody) {
    world.switch.0.lock().unwrap().events.put(Event { at: 9, body });
}

fn call(n: u64) -> CallId {
    CallId::new(0, &mut stdx::Entropy::seeded(n))
}

fn started(call: CallId, caller: &str, callee: &str) -> EventBody {
    EventBody::CallStarted { call, caller: caller.into(), callee: callee.into(), direction: Direction::Internal }
}

fn answered(call: CallId, leg: LegNo) -> EventBody {
    EventBody::CallAnswered { call, leg }
}

#[tokio::test]
async fn a_client_hears_what_happens_and_misses_nothing_over_a_short_break() {
    let world = World::new().await;
    let (at, token) = (serve(&world).await, world.log_in("boss").await);
    let (mut client, next) = Client::connect(at, &token, "").await;
    put(&world, started(call(1), "100", "101"));
    let event = client.next().await;
    assert_eq!(event["sequence"], next);
    assert_eq!(event["event"], "call_started");
    assert_eq!((&event["caller"], &event["at"]), (&json!("100"), &json!(9)));
    drop(client);
    put(&world, answered(call(1), 1));
    put(&world, answered(call(2), 1));
    let (mut again, _) = Client::connect(at, &token, &format!("from={}", next + 1)).await;
    for sequence in next + 1..next + 3 {
        assert_eq!(again.next().await["sequence"], sequence);
    }
    // What is not kept any more, here from before the switch was started, is said.
    let (mut late, _) = Client::connect(at, &token, "from=7").await;
    assert_eq!(late.next().await, json!({ "gap": { "from": 7, "to": next - 1 } }));
    assert_eq!(late.next().await["sequence"], next);
}

#[tokio::test]
async fn filters_and_rights_choose_what_is_told() {
    let world = World::new().await;
    let at = serve(&world).await;
    let (boss, ana) = (world.log_in("boss").await, world.log_in("ana").await);
    let one = call(1);
    let (mut by_kind, _) = Client::connect(at, &boss, "kinds=call_answered,dtmf").await;
    let (mut by_call, _) = Client::connect(at, &boss, &format!("call={}", call(2))).await;
    let (mut by_extension, _) = Client::connect(at, &boss, "extension=103").await;
    let (mut own, _) = Client::connect(at, &ana, "").await;
    put(&world, started(one, "100", "101"));
    put(&world, started(call(2), "102", "103"));
    put(&world, answered(one, 1));
    put(&world, answered(call(2), 1));
    put(
        &world,
        EventBody::RegistrationChanged {
            extension: "100".into(),
            change: model::RegistrationChange::Added,
            contact: "sip:100@x".into(),
            remote: "192.0.2.1:5060".into(),
        },
    );
    for of in [one, call(2)] {
        let event = by_kind.next().await;
        assert_eq!((&event["event"], &event["call"]), (&json!("call_answered"), &json!(of)));
    }
    for (client, events) in [
        (&mut by_call, ["call_started", "call_answered"].as_slice()),
        (&mut by_extension, ["call_started", "call_answered"].as_slice()),
        (&mut own, ["call_started", "call_answered", "registration_changed"].as_slice()),
    ] {
        for event in events {
            let heard = client.next().await;
            assert_eq!(heard["event"], *event);
        }
    }
}

#[tokio::test]
async fn who_may_not_is_refused_and_who_may_no_longer_is_cut_off() {
    let world = World::new().await;
    let (at, token) = (serve(&world).await, world.log_in("boss").await);
    world.get(EVENTS, "").await.problem(401);
    assert_eq!(world.get(&format!("{EVENTS}?kinds=nonsense"), &token).await.problem(400), "bad_parameter");
    assert_eq!(world.get(&format!("{EVENTS}?call=x"), &token).await.problem(400), "bad_parameter");
    assert_eq!(world.get(&format!("{EVENTS}?from=1000000"), &token).await.problem(400), "bad_parameter");
    // A token in the address counts for a WebSocket only: addresses are written down in many places.
    world.get(&format!("{EVENTS}?token={token}"), "").await.problem(401);
    let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{at}{EVENTS}?token={token}")).await.unwrap();
    let mut client = Client(socket);
    assert!(client.next().await["ready"].is_object());
    client.0.send(Message::text("is anybody there?")).await.unwrap();
    put(&world, started(call(1), "100", "101"));
    assert_eq!(client.next().await["event"], "call_started");
    world.switch.0.lock().unwrap().events.close();
    assert_eq!(client.code().await, 1001);
}

#[tokio::test]
async fn a_page_tells_what_is_kept() {
    let world = World::new().await;
    let token = world.log_in("boss").await;
    for n in 0..1_500 {
        put(&world, started(call(n), "100", "101"));
    }
    let page = world.get(&format!("{EVENTS}?from=3"), &token).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1_000);
    assert_eq!(page["gap"], json!({ "from": 3, "to": 999 }));
    let rest = world.get(&format!("{EVENTS}?from={}", page["next"]), &token).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 500);
    assert_eq!((&rest["gap"], &rest["next"]), (&Value::Null, &json!(2_500)));
    let own = world.get(EVENTS, &world.log_in("loner").await).await.json();
    assert_eq!(own["items"], json!([]));
}
