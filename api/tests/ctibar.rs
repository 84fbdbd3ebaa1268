//! The toolbar's interface over real sockets: contract A, sections 3 and 4.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::World;
use futures_util::{SinkExt, StreamExt};
use model::{AgentState, Command, Event, EventBody, Refusal};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

struct Bar(WebSocketStream<MaybeTlsStream<TcpStream>>, u32);

impl Bar {
    async fn open(at: SocketAddr, token: &str) -> Self {
        let url = format!("ws://{at}/ws?x=1&token={token}&v=1");
        Self(tokio_tungstenite::connect_async(url).await.unwrap().0, 0)
    }

    /// Connected, and greeted.
    async fn connect(at: SocketAddr, token: &str) -> (Self, Value) {
        let mut bar = Self::open(at, token).await;
        let hello = bar.event("onConnect").await;
        (bar, hello)
    }

    async fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
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

    async fn code(&mut self) -> u16 {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Close(frame) => return frame.unwrap().code.into(),
                Message::Text(_) | Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next frame, which is this event: its data.
    async fn event(&mut self, name: &str) -> Value {
        let frame = self.next().await;
        assert_eq!((&frame["type"], &frame["event"]), (&json!("event"), &json!(name)), "{frame}");
        assert!(frame["time"].as_str().unwrap().ends_with("+08:00"));
        frame["data"].clone()
    }

    /// A command and its reply, which comes before any event that it causes.
    async fn ask(&mut self, cmd: &str, data: Value) -> Value {
        self.1 += 1;
        let id = self.1.to_string();
        self.say(&json!({ "id": id, "cmd": cmd, "data": data }).to_string()).await;
        let reply = self.next().await;
        assert_eq!(
            (&reply["type"], &reply["id"], &reply["cmd"]),
            (&json!("reply"), &json!(id), &json!(cmd)),
            "{reply}"
        );
        reply
    }

    async fn reason(&mut self, cmd: &str, data: Value) -> String {
        let reply = self.ask(cmd, data).await;
        assert_eq!((&reply["code"], &reply["data"]), (&json!(7), &json!({})));
        reply["reason"].as_str().unwrap().to_owned()
    }
}

async fn serve(world: &World) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let app = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    at
}

fn tell(world: &World, body: EventBody) {
    let bus = world.switch.0.lock().unwrap().events.clone();
    bus.put(Event { at: 5, body });
}

fn changed(state: AgentState) -> EventBody {
    EventBody::AgentChanged { agent: "ana".into(), extension: "100".into(), state, next: None }
}

fn registered(world: &World, extension: &str) {
    world.switch.0.lock().unwrap().registrations.push(model::Registration {
        extension: extension.into(),
        contact: "sip:x".into(),
        remote: "192.0.2.1:5060".into(),
        transport: "udp".into(),
        user_agent: String::new(),
        expires_at: 9,
    });
}

async fn click(world: &World, token: &str, body: &str) -> Value {
    let request = Request::post("/api/v1/thirdparty/makecall").header("x-token", token).header("origin", "null");
    let got = world.send(request.body(Body::from(body.to_owned())).unwrap()).await;
    assert_eq!((got.status.as_u16(), got.header("access-control-allow-origin")), (200, "null"));
    got.json()
}

#[tokio::test]
async fn click_to_dial_says_what_the_contract_says() {
    let world = World::new().await;
    let token = world.log_in("ana").await;
    let good = r#"{"callee":"136-0625 4580"}"#;
    let reload = |msg: &str| json!({ "code": 7, "data": { "reload": true }, "msg": msg });
    let no = |reason: &str, msg: &str| json!({ "code": 7, "data": { "reason": reason }, "msg": msg });
    assert_eq!(click(&world, "", good).await, reload("未登录或非法访问"));
    assert_eq!(click(&world, "x.y.z", good).await, reload("未登录或非法访问"));
    for bad in ["", "{}", "[]", r#"{"callee":""}"#, r#"{"callee":"abc"}"#, r#"{"callee":5}"#] {
        assert_eq!(click(&world, &token, bad).await, no("BAD_PARAM", "参数错误"), "{bad}");
    }
    let loner = world.log_in("loner").await;
    assert_eq!(click(&world, &loner, good).await, no("NO_EXTENSION", "账号未绑定分机"));
    assert_eq!(click(&world, &token, good).await, no("EXT_OFFLINE", "分机未注册"));
    registered(&world, "100");
    let answer = click(&world, &token, good).await;
    assert_eq!((&answer["code"], &answer["msg"]), (&json!(0), &json!("操作成功")));
    let id = answer["data"]["callId"].as_str().unwrap();
    assert!(id.parse::<model::CallId>().is_ok() && id == id.to_lowercase() && id.as_bytes()[14] == b'4');
    let wanted = model::Originate { only_routed: true, ..model::Originate::new("100", "13606254580") };
    assert_eq!(world.switch.0.lock().unwrap().commands, [Command::Originate(Box::new(wanted))]);
    world.live_call("101", "100");
    assert_eq!(click(&world, &token, good).await, no("EXT_BUSY", "分机忙"));
}

#[tokio::test]
async fn an_agent_signs_in_works_and_goes_home() {
    let world = World::new().await;
    let at = serve(&world).await;
    let token = world.log_in("ana").await;
    let (mut bar, hello) = Bar::connect(at, &token).await;
    let wanted = ["ana", "The ana", "100", "LOGOUT"].map(Value::from);
    assert_eq!(["user", "nickname", "extNo", "state"].map(|name| hello[name].clone()), wanted);
    assert_eq!((&hello["heartbeat"], &hello["restored"]), (&json!(20), &json!(false)));
    bar.say(r#"{"cmd":"ping"}"#).await;
    assert_eq!(bar.next().await["type"], "pong");
    assert_eq!(bar.reason("ready", json!({})).await, "NOT_LOGGED_IN");
    assert_eq!(bar.reason("sing", json!({})).await, "UNKNOWN_CMD");
    bar.say(r#"{"cmd":"busy"}"#).await;
    assert_eq!(bar.next().await["reason"], "BAD_FRAME");

    let reply = bar.ask("login", json!({})).await;
    assert_eq!(
        (&reply["code"], &reply["data"]["state"], &reply["data"]["extNo"]),
        (&json!(0), &json!("BUSY"), &json!("100"))
    );
    let data = bar.event("onLogin").await;
    assert_eq!(data, reply["data"]);
    assert_eq!((&data["webrtc"]["authUser"], &data["webrtc"]["password"]), (&json!("100"), &json!(token)));
    tell(&world, changed(AgentState::Busy(String::new())));
    assert_eq!(bar.reason("ready", json!({})).await, "EXT_OFFLINE");
    registered(&world, "100");
    assert_eq!(bar.ask("ready", json!({})).await["data"], json!({ "state": "READY" }));
    tell(&world, changed(AgentState::Ready));
    assert_eq!(bar.event("onReady").await, json!({ "state": "READY", "reason": "client" }));
    // It is so already, and said all the same.
    bar.ask("ready", json!({})).await;
    bar.event("onReady").await;
    bar.ask("rest", json!({})).await;
    tell(&world, changed(AgentState::Rest(String::new())));
    bar.event("onRest").await;

    let call = bar.ask("makecall", json!({ "to": "101" })).await["data"]["callId"].as_str().unwrap().to_owned();
    let id = call.parse().unwrap();
    let direction = model::Direction::Unknown;
    tell(&world, EventBody::CallStarted { call: id, caller: "100".into(), callee: "101".into(), direction });
    tell(&world, EventBody::LegDialing { call: id, leg: 0, number: "100".into() });
    tell(&world, EventBody::LegRinging { call: id, leg: 0, early_media: false });
    let ring = bar.event("onRing").await;
    assert_eq!(
        (&ring["direction"], &ring["popScreenNo"], &ring["callId"]),
        (&json!("INTERNAL"), &json!("101"), &json!(call))
    );
    assert_eq!(bar.reason("logout", json!({})).await, "IN_CALL");
    tell(&world, EventBody::CallerAnswered { call: id, leg: 0 });
    bar.event("onAnswer").await;
    assert_eq!(bar.reason("consult", json!({ "to": "999" })).await, "NO_TARGET");
    assert_eq!(bar.reason("consult", json!({ "to": "101" })).await, "EXT_OFFLINE");
    registered(&world, "101");
    assert_eq!(bar.ask("consult", json!({ "to": "101" })).await["data"]["consultCallId"], json!(call));
    assert_eq!(bar.reason("transfer", json!({ "to": "7", "type": "to_queue" })).await, "NO_TARGET");
    assert_eq!(bar.ask("hangup", json!({})).await["code"], 0);
    let cause = model::Cause { sip: 200, q850: 16 };
    tell(&world, EventBody::LegEnded { call: id, leg: 0, outcome: model::Outcome::Cancelled, cause });
    assert_eq!(bar.event("onHangup").await["reason"], "cancel");
    assert_eq!(bar.event("onRest").await["reason"], "callend");
    assert_eq!(bar.ask("logout", json!({})).await["code"], 0);
    bar.event("onLogout").await;

    let commands = std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    assert!(matches!(&commands[0], Command::PutAgent(agent) if agent.name == "ana" && agent.extension == "100"));
    assert!(matches!(&commands[1], Command::LogInAgent { agent, .. } if agent == "ana"));
    assert!(commands.contains(&Command::Consult { call: id, leg: 0, to: "101".into() }));
    assert!(commands.contains(&Command::Release { call: id, leg: 0 }));
    assert_eq!(commands.last(), Some(&Command::LogOutAgent { agent: "ana".into() }));
}

#[tokio::test]
async fn a_second_page_takes_the_place_of_the_first_and_one_that_comes_back_goes_on() {
    let world = World::new().await;
    let at = serve(&world).await;
    let token = world.log_in("ana").await;
    let (mut one, _) = Bar::connect(at, &token).await;
    one.ask("login", json!({})).await;
    one.event("onLogin").await;
    let (mut two, hello) = Bar::connect(at, &token).await;
    assert_eq!(hello["restored"], true);
    assert_eq!(one.event("onKickout").await["reason"], "另一处登录");
    assert_eq!(one.code().await, 4409);
    assert_eq!(two.event("onLogin").await["restored"], true);
    assert_eq!(two.event("onBusy").await["restored"], true);
    drop(two);
    // Within the grace time nothing is lost.
    let (mut back, hello) = Bar::connect(at, &token).await;
    assert_eq!((&hello["restored"], &hello["state"]), (&json!(true), &json!("BUSY")));
    back.event("onLogin").await;
    world.switch.0.lock().unwrap().events.close();
    assert_eq!(back.code().await, 1001);
}

#[tokio::test]
async fn what_is_no_protocol_ends_the_connection() {
    let world = World::new().await;
    let at = serve(&world).await;
    for token in ["", "nonsense"] {
        let mut bar = Bar::open(at, token).await;
        let error = bar.next().await;
        assert_eq!(error, json!({ "type": "error", "code": 7, "msg": "未登录或非法访问", "reason": "TOKEN_INVALID" }));
        assert_eq!(bar.code().await, 4401);
    }
    let token = world.log_in("ana").await;
    let many = vec![r#"{"cmd":"ping"}"#.to_owned(); 200];
    for frames in [vec!["{".to_owned()], vec!["[]".to_owned()], vec!["x".repeat(70_000)], many] {
        let (mut bar, _) = Bar::connect(at, &token).await;
        for frame in &frames {
            if bar.0.send(Message::text(frame.clone())).await.is_err() {
                break;
            }
        }
        assert_eq!(bar.code().await, 4400, "{:.20}", frames[0]);
    }
    let (mut bar, _) = Bar::connect(at, &token).await;
    bar.0.send(Message::binary(vec![1])).await.unwrap();
    assert_eq!(bar.code().await, 4400);
    // A switch that is overloaded, and a user without an extension, are no reason to part.
    let loner = world.log_in("loner").await;
    let (mut bar, _) = Bar::connect(at, &loner).await;
    assert_eq!(bar.reason("login", json!({})).await, "NO_EXTENSION");
    let (mut bar, _) = Bar::connect(at, &token).await;
    world.switch.0.lock().unwrap().refuses = Some(Refusal::Overloaded);
    assert_eq!(bar.reason("login", json!({})).await, "INTERNAL");
}
