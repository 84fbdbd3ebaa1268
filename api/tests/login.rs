//! Who gets in: contract A's login, the native one, and every token that must not count.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use common::{Got, PASSWORD, World};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use model::Command;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};
use store::{NewUser, md5_hex};

const AUTH: &str = "/api/v1/base/auth";

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

async fn auth(world: &World, body: Value) -> Value {
    let got = world.call("POST", AUTH, "", body).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), "application/json");
    got.json()
}

fn failure(msg: &str) -> Value {
    json!({ "code": 7, "data": {}, "msg": msg })
}

/// Claims of user `id`, with some of them changed.
fn claims(id: i64, username: &str, change: &Value) -> Value {
    let mut claims = json!({
        "ID": id, "Username": username, "AuthorityId": 1,
        "exp": now() + 43_200, "nbf": now() - 1000, "iss": "ipt-server",
    });
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn sign(claims: &Value, key: &[u8], algorithm: Algorithm) -> String {
    jsonwebtoken::encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).unwrap()
}

#[tokio::test]
async fn contract_a_logs_in_with_the_md5_and_gives_the_claims_the_contract_shows() {
    let world = World::new().await;
    let md5 = md5_hex(PASSWORD);
    for (username, password, ext) in [("ana", md5.clone(), "100"), ("admin", md5.to_uppercase(), "")] {
        let body = auth(&world, json!({ "username": username, "password": password, "unknown": 1 })).await;
        assert_eq!((&body["code"], &body["msg"]), (&json!(0), &json!("登录成功")));
        let data = &body["data"];
        let token = data["token"].as_str().unwrap();
        let expires_at = data["expiresAt"].as_u64().unwrap();
        let wanted = json!({
            "user": username, "nickname": format!("The {username}"), "extNo": ext, "token": token,
            "expiresAt": expires_at,
        });
        assert_eq!(data, &wanted);
        assert!(expires_at.abs_diff(now() + 43_200) <= 2);

        assert_eq!(jsonwebtoken::decode_header(token).unwrap(), Header::new(Algorithm::HS256));
        let key = DecodingKey::from_secret(world.store.jwt_key());
        let said = jsonwebtoken::decode::<Value>(token, &key, &Validation::new(Algorithm::HS256)).unwrap().claims;
        let user = world.store.user_named(username).await.unwrap().unwrap().user;
        let authority = if username == "admin" { 1 } else { 3 };
        let wanted = json!({
            "ID": user.id, "Username": username, "AuthorityId": authority, "exp": expires_at,
            "nbf": expires_at - 44_200, "iss": "ipt-server",
        });
        assert_eq!(said, wanted);
        let me = world.get("/patchbay/v1/session", token).await;
        assert_eq!(me.json()["username"], username);
    }
}

#[tokio::test]
async fn contract_a_tells_every_failure_in_its_own_words_with_status_200() {
    let world = World::new().await;
    let md5 = md5_hex(PASSWORD);
    let wrong = failure("用户名不存在或者密码错误");
    assert_eq!(auth(&world, json!({ "username": "admin", "password": md5_hex("x") })).await, wrong);
    assert_eq!(auth(&world, json!({ "username": "nobody", "password": md5 })).await, wrong);
    assert_eq!(auth(&world, json!({ "username": "admin", "password": PASSWORD })).await, wrong);

    let bad = failure("参数错误");
    for body in [
        json!({}),
        json!({ "username": "admin" }),
        json!({ "username": "", "password": md5 }),
        json!({ "username": "admin", "password": "" }),
        json!({ "username": "admin", "password": 5 }),
        json!({ "username": null, "password": md5 }),
        json!([]),
        json!("text"),
    ] {
        assert_eq!(auth(&world, body).await, bad);
    }
    for text in ["", "{", "{\"username\":", "\u{0}", "username=admin&password=x"] {
        let got = world.send(Request::post(AUTH).body(Body::from(text)).unwrap()).await;
        assert_eq!((got.status.as_u16(), got.json()), (200, bad.clone()), "{text:?}");
    }
    let got = world.send(Request::post(AUTH).body(Body::from(vec![0xff, 0xfe])).unwrap()).await;
    assert_eq!(got.json(), bad);
    let large = format!("{{\"username\":\"{}\",\"password\":\"x\"}}", "x".repeat(70_000));
    assert_eq!(world.send(Request::post(AUTH).body(Body::from(large)).unwrap()).await.status, 413);
    assert_eq!(world.get(AUTH, "").await.status, 405);
    assert_eq!(world.get("/api/v1/base/none", "").await.status, 404);

    world
        .store
        .add_user(NewUser {
            username: "gone".into(),
            nickname: String::new(),
            role: model::Role::Agent,
            extension: None,
            enabled: false,
            password_md5: md5.clone(),
        })
        .await
        .unwrap();
    let disabled = auth(&world, json!({ "username": "gone", "password": md5 })).await;
    assert_eq!(disabled, failure("用户被禁止登录"));
}

#[tokio::test]
async fn pages_of_any_origin_may_log_in() {
    let world = World::new().await;
    let preflight = Request::options(AUTH).header("origin", "null").header("access-control-request-method", "POST");
    let got = world.send(preflight.body(Body::empty()).unwrap()).await;
    assert!(got.status.is_success());
    let check = |got: &Got, origin: &str| {
        assert_eq!(got.header("access-control-allow-origin"), origin);
        assert_eq!(got.header("access-control-allow-methods"), "GET,POST,OPTIONS");
        assert_eq!(got.header("access-control-allow-headers"), "content-type,x-token");
        assert_eq!(got.header("vary"), "origin");
    };
    check(&got, "null");
    let post = Request::post(AUTH).header("origin", "http://shop.example:81").body(Body::from("{}")).unwrap();
    check(&world.send(post).await, "http://shop.example:81");
    let without = world.send(Request::post(AUTH).body(Body::from("{}")).unwrap()).await;
    assert_eq!(without.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn five_failures_close_both_logins_for_that_user_and_address() {
    let world = World::new().await;
    let from = |path: &str, address: [u8; 4], body: Value| {
        let mut request =
            Request::post(path).header("content-type", "application/json").body(Body::from(body.to_string())).unwrap();
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from((address, 1))));
        request
    };
    let native = "/patchbay/v1/session";
    for n in 0..5 {
        let path = if n % 2 == 0 { AUTH } else { native };
        let got = world.send(from(path, [10, 0, 0, 1], json!({ "username": "admin", "password": "guess" }))).await;
        if path == native {
            assert_eq!(got.problem(401), "wrong_login");
        }
    }
    let right = json!({ "username": "admin", "password": PASSWORD });
    let got = world.send(from(native, [10, 0, 0, 1], right.clone())).await;
    assert_eq!(got.problem(429), "too_many_logins");
    let wait: u64 = got.header("retry-after").parse().unwrap();
    assert!((590..=600).contains(&wait));
    let md5 = json!({ "username": "admin", "password": md5_hex(PASSWORD) });
    let got = world.send(from(AUTH, [10, 0, 0, 1], md5)).await;
    assert_eq!(got.json(), failure("登录失败次数过多，请稍后再试"));
    assert_eq!(world.send(from(native, [10, 0, 0, 2], right)).await.status, 200);
}

#[tokio::test]
async fn the_native_login_takes_the_clear_password_and_tells_problems() {
    let world = World::new().await;
    let post = async |body: Value| world.call("POST", "/patchbay/v1/session", "", body).await;
    let got = post(json!({ "username": "ana", "password": PASSWORD })).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.json()["user"]["extension"], "100");
    assert_eq!(got.json()["user"]["role"], "agent");

    assert_eq!(post(json!({ "username": "ana", "password": "wrong" })).await.problem(401), "wrong_login");
    assert_eq!(post(json!({ "username": "ana", "password": md5_hex(PASSWORD) })).await.problem(401), "wrong_login");
    assert_eq!(post(json!({ "username": "ana" })).await.problem(400), "bad_body");
    assert_eq!(post(json!({ "username": 1, "password": "x" })).await.problem(400), "bad_body");
    assert_eq!(post(json!({ "username": "ana", "password": "x", "pass": 1 })).await.problem(400), "bad_body");
    let plain = Request::post("/patchbay/v1/session").body(Body::from("{}")).unwrap();
    assert_eq!(world.send(plain).await.problem(415), "not_json");
    let broken = Request::post("/patchbay/v1/session").header("content-type", "application/json");
    assert_eq!(world.send(broken.body(Body::from("{")).unwrap()).await.problem(400), "bad_body");
}

#[tokio::test]
async fn a_token_counts_in_either_header_and_nowhere_else() {
    let world = World::new().await;
    let token = world.log_in("admin").await;
    let ask = async |name: &str, value: String| {
        world.send(Request::get("/patchbay/v1/session").header(name, value).body(Body::empty()).unwrap()).await
    };
    assert_eq!(ask("authorization", format!("Bearer {token}")).await.status, 200);
    assert_eq!(ask("authorization", format!("bearer {token}")).await.status, 200);
    assert_eq!(ask("x-token", token.clone()).await.status, 200);
    for (name, value) in [
        ("authorization", format!("Basic {token}")),
        ("authorization", token.clone()),
        ("authorization", "Bearer ".into()),
        ("x-token", String::new()),
        ("x-token", format!("Bearer {token}")),
        ("cookie", format!("x-token={token}")),
    ] {
        let got = ask(name, value).await;
        assert_eq!(got.problem(401), "not_logged_in");
        assert_eq!(got.header("www-authenticate"), "Bearer");
    }
    assert_eq!(world.get("/patchbay/v1/session", "").await.problem(401), "not_logged_in");
}

#[tokio::test]
async fn forged_and_expired_tokens_are_refused() {
    let world = World::new().await;
    let admin = world.store.user_named("admin").await.unwrap().unwrap().user;
    let key = *world.store.jwt_key();
    let ours = |change: Value| sign(&claims(admin.id, "admin", &change), &key, Algorithm::HS256);
    let ask = async |token: String| world.get("/patchbay/v1/session", &token).await;

    assert_eq!(ask(ours(json!({}))).await.status, 200, "the test signs as the switch does");
    assert_eq!(ask(ours(json!({ "exp": now() - 1 }))).await.problem(401), "token_expired");
    assert_eq!(ask(ours(json!({ "exp": now() + 3, "nbf": now() - 1000 }))).await.status, 200);

    let good = ours(json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let claims_of_good = head.split_once('.').unwrap().1;
    let forged = [
        ours(json!({ "nbf": now() + 100 })),
        ours(json!({ "Username": "boss" })),
        ours(json!({ "ID": 999 })),
        ours(json!({ "ID": -1 })),
        ours(json!({ "ID": "1" })),
        ours(json!({ "exp": "soon" })),
        ours(json!({ "exp": null })),
        ours(json!({ "nbf": null })),
        sign(&claims(admin.id, "admin", &json!({})), &[0; 32], Algorithm::HS256),
        sign(&claims(admin.id, "admin", &json!({})), b"", Algorithm::HS256),
        sign(&claims(admin.id, "admin", &json!({})), &key, Algorithm::HS512),
        format!("{none}.{claims_of_good}."),
        format!("{none}.{claims_of_good}.{signature}"),
        format!("{head}."),
        head.to_owned(),
        format!("{head}.AAAA"),
        "x".into(),
        "..".into(),
        "x".repeat(7000),
    ];
    for token in forged {
        assert_eq!(ask(token.clone()).await.problem(401), "not_logged_in", "{token}");
    }
}

#[tokio::test]
async fn tokens_of_disabled_removed_and_rekeyed_users_no_longer_count() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    for (username, what) in [("ana", "disabled"), ("boss", "removed"), ("robot", "renamed")] {
        let token = world.log_in(username).await;
        assert_eq!(world.get("/patchbay/v1/session", &token).await.status, 200);
        let user = world.store.user_named(username).await.unwrap().unwrap().user;
        let path = format!("/patchbay/v1/users/{}", user.id);
        let mut body = world.get(&path, &admin).await.json();
        body.as_object_mut().unwrap().remove("id");
        let got = match what {
            "disabled" => {
                body["enabled"] = json!(false);
                world.call("PUT", &path, &admin, body).await
            }
            "renamed" => {
                body["username"] = json!("robot2");
                world.call("PUT", &path, &admin, body).await
            }
            _ => world.call("DELETE", &path, &admin, Value::Null).await,
        };
        assert!(got.status.is_success(), "{got:?}");
        assert_eq!(world.get("/patchbay/v1/session", &token).await.problem(401), "not_logged_in", "{what}");
    }

    // A token from before the password was set; the clock has seconds only, so this one is signed two seconds early.
    let user = world.store.user_named("loner").await.unwrap().unwrap().user;
    let early = claims(user.id, "loner", &json!({ "nbf": now() - 1002 }));
    let early = sign(&early, world.store.jwt_key(), Algorithm::HS256);
    assert!(world.store.change_user(&user, Some(&md5_hex("another one"))).await.unwrap());
    assert_eq!(world.get("/patchbay/v1/session", &early).await.problem(401), "not_logged_in");
}

#[tokio::test]
async fn a_token_is_told_to_the_switch_as_a_sip_password_and_withdrawn_with_its_user() {
    let world = World::new().await;
    let known = || std::mem::take(&mut world.switch.0.lock().unwrap().tokens);
    let told = || std::mem::take(&mut world.switch.0.lock().unwrap().commands);
    for (path, body) in [
        (AUTH, json!({ "username": "ana", "password": md5_hex(PASSWORD) })),
        ("/patchbay/v1/session", json!({ "username": "ana", "password": PASSWORD })),
    ] {
        let answer = world.call("POST", path, "", body).await.json();
        let token = answer["token"].as_str().or(answer["data"]["token"].as_str()).unwrap();
        let ana = world.store.user_named("ana").await.unwrap().unwrap().user;
        let commands = known();
        let [Command::KnowToken { extension, user, ha1, until }] = &commands[..] else { panic!("{commands:?}") };
        assert_eq!((extension.as_str(), *user), ("100", ana.id));
        assert_eq!(*ha1, store::ha1("100", world.store.realm(), token));
        assert!(until.abs_diff((now() + 43_200) * 1000) <= 3_000);
    }
    // Who has no extension has nothing to register.
    let admin = world.log_in("admin").await;
    assert!(known().is_empty() && told().is_empty());
    let ana = world.store.user_named("ana").await.unwrap().unwrap().user;
    let path = format!("/patchbay/v1/users/{}", ana.id);
    let mut body =
        json!({ "username": "ana", "nickname": "Ana", "role": "agent", "extension": "100", "enabled": true });
    assert_eq!(world.call("PUT", &path, &admin, body.clone()).await.status, 200);
    assert!(told().is_empty(), "another name to show changes nothing");
    body["password"] = json!("another long secret");
    assert_eq!(world.call("PUT", &path, &admin, body).await.status, 200);
    let withdrawn = Command::ForgetTokens { extension: "100".to_owned(), user: ana.id };
    assert_eq!(told(), std::slice::from_ref(&withdrawn));
    assert_eq!(world.call("DELETE", &path, &admin, json!({})).await.status, 204);
    assert_eq!(told(), [withdrawn]);
}

#[tokio::test]
async fn a_page_is_told_what_its_phone_needs_and_who_has_no_extension_has_no_phone() {
    let world = World::new().await;
    let ana = world.log_in("ana").await;
    let got = world.get("/patchbay/v1/session/phone", &ana).await;
    assert_eq!((got.status.as_u16(), got.header("cache-control")), (200, "no-store"));
    let phone = got.json();
    let username = phone["ice_servers"][1]["username"].as_str().unwrap();
    let (until, user) = username.split_once(':').unwrap();
    assert!(until.parse::<u64>().unwrap().abs_diff(now() + 60) <= 2 && user == "100");
    let wanted = json!({
        "extension": "100", "name": "Phone 100", "realm": world.store.realm(), "websocket": "/sip", "media": "auto",
        "ice_servers": [
            { "urls": ["stun:turn.test"] },
            { "urls": ["turn:turn.test", "turns:turn.test"], "username": username, "credential": "secret" },
        ],
    });
    assert_eq!(phone, wanted);
    let loner = world.log_in("loner").await;
    assert_eq!(world.get("/patchbay/v1/session/phone", &loner).await.problem(404), "no_such_extension");
    assert_eq!(world.get("/patchbay/v1/session/phone", "").await.problem(401), "not_logged_in");
}
