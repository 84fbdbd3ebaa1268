//! The API's description is complete and true: every operation in it is called, and every answer is what it says.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::World;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

const V1: &str = "/patchbay/v1";

/// Does a value fit a schema? Says where it does not. Properties that the schema does not name are a misfit too.
fn misfit(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}"));
        return misfit(root, target, value, at);
    }
    for key in ["oneOf", "anyOf"] {
        if let Some(any) = schema[key].as_array() {
            let misfits: Vec<_> = any.iter().filter_map(|schema| misfit(root, schema, value, at)).collect();
            return (misfits.len() == any.len()).then(|| misfits.join(" or "));
        }
    }
    if let Some(names) = schema["enum"].as_array() {
        return (!names.contains(value)).then(|| format!("{at}: {value} is none of {names:?}"));
    }
    let types: Vec<_> = match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => return None,
    };
    let fits = types.iter().any(|kind| match *kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other}"),
    });
    if !fits {
        return Some(format!("{at}: {value} is no {types:?}"));
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| misfit(root, &schema["items"], item, &format!("{at}[]"))),
        // An object without a description of its fields may hold anything.
        Value::Object(_) if schema["properties"].is_null() => None,
        Value::Object(fields) => {
            let empty = Map::new();
            let known = schema["properties"].as_object().unwrap_or(&empty);
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let missing = required.iter().filter_map(Value::as_str).find(|name| !fields.contains_key(*name));
            if let Some(name) = missing {
                return Some(format!("{at}.{name} is missing"));
            }
            fields.iter().find_map(|(name, field)| match known.get(name) {
                Some(schema) => misfit(root, schema, field, &format!("{at}.{name}")),
                None => Some(format!("{at}.{name} is not described")),
            })
        }
        _ => None,
    }
}

#[test]
fn the_check_of_answers_finds_what_does_not_fit() {
    let root = json!({ "a": { "type": "object", "required": ["n"], "properties": {
        "n": { "type": ["integer", "null"] }, "s": { "type": "string", "enum": ["x"] },
        "l": { "type": "array", "items": { "$ref": "#/a" } },
    }}});
    let fits = |value: Value| misfit(&root, &json!({ "$ref": "#/a" }), &value, "").is_none();
    assert!(fits(json!({ "n": null, "s": "x", "l": [{ "n": 1 }] })));
    for bad in [
        json!({}),
        json!({ "n": "1" }),
        json!({ "n": 1.5 }),
        json!({ "n": 1, "s": "y" }),
        json!({ "n": 1, "l": [{}] }),
        json!({ "n": 1, "more": 1 }),
        json!([]),
    ] {
        assert!(!fits(bad.clone()), "{bad}");
    }
}

#[tokio::test]
async fn every_operation_of_the_description_does_what_it_says() {
    let world = World::new().await;
    let admin = world.log_in("admin").await;
    let api = world.get("/patchbay/v1/openapi.json", "").await.json();
    assert_eq!(api["info"]["version"], "9.8.7");
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));

    std::fs::write(world.recordings().join("x.wav"), b"RIFF").unwrap();
    world.keep_prompt("b");
    let message = model::Voicemail {
        id: 0,
        mailbox: "101".to_owned(),
        call: model::CallId::from_bytes([7; 16]),
        from: "100".to_owned(),
        at: 1,
        length_ms: 3_000,
        path: "x.wav".to_owned(),
        heard: false,
    };
    world.store.keep_voicemail(&message).await.unwrap();
    let record = world.record(10, "100", "101", Some("x.wav")).await;
    let call = world.live_call("100", "101");
    let source = "203.0.113.9".parse().unwrap();
    let ban = model::Ban { source, reason: model::BanReason::Scanner, since: 1, until: 2, times: 1, dropped: 0 };
    world.switch.0.lock().unwrap().bans.push(ban);
    world.tell_of_everything(call, record).await;
    let ana = world.store.user_named("ana").await.unwrap().unwrap().user.id;
    let credentials = json!({ "username": "ana", "password": common::PASSWORD });
    let bar = json!({ "username": "ana", "password": store::md5_hex(common::PASSWORD) });
    let user = json!({ "username": "eve", "password": "good enough", "role": "agent" });
    let change = json!({ "username": "eva", "nickname": "", "role": "agent", "extension": null, "enabled": true });
    let extension = json!({ "number": "900", "password": "good enough", "record": true });
    let import = json!({ "extensions": [{ "number": "901", "password": "good enough" }] });
    let nothing = Value::Null;
    let secret = "a secret of some length";
    let hook = store::Webhook {
        id: 0,
        name: "x".into(),
        url: "http://x/".into(),
        kinds: Vec::new(),
        secret: secret.into(),
        active: true,
    };
    let hook = world.store.add_webhook(hook).await.unwrap().id;
    world.give_up(hook, record).await;

    // Operation, path as called, body, status.
    let calls = [
        ("post /api/v1/base/auth", "/api/v1/base/auth".to_owned(), bar, 200),
        ("post /api/v1/thirdparty/makecall", "/api/v1/thirdparty/makecall".to_owned(), json!({ "callee": "101" }), 200),
        ("post /session", format!("{V1}/session"), credentials, 200),
        ("get /session", format!("{V1}/session"), nothing.clone(), 200),
        // The administrator has no extension, and so no phone.
        ("get /session/phone", format!("{V1}/session/phone"), nothing.clone(), 404),
        ("get /users", format!("{V1}/users"), nothing.clone(), 200),
        ("post /users", format!("{V1}/users"), user, 201),
        ("get /users/{id}", format!("{V1}/users/{ana}"), nothing.clone(), 200),
        ("put /users/{id}", format!("{V1}/users/{ana}"), change, 200),
        ("delete /users/{id}", format!("{V1}/users/{ana}"), nothing.clone(), 204),
        ("get /extensions", format!("{V1}/extensions"), nothing.clone(), 200),
        ("post /extensions", format!("{V1}/extensions"), extension, 201),
        ("post /extensions/import", format!("{V1}/extensions/import"), import, 200),
        ("get /extensions/{number}", format!("{V1}/extensions/900"), nothing.clone(), 200),
        ("put /extensions/{number}", format!("{V1}/extensions/900"), json!({ "name": "x" }), 200),
        (
            "put /extensions/{number}/voice-messages",
            format!("{V1}/extensions/900/voice-messages"),
            json!({ "new": 1 }),
            204,
        ),
        ("get /messages", format!("{V1}/messages"), nothing.clone(), 200),
        ("post /messages", format!("{V1}/messages"), json!({ "to": "900", "text": "hello" }), 202),
        ("delete /extensions/{number}", format!("{V1}/extensions/900"), nothing.clone(), 204),
        ("get /registrations", format!("{V1}/registrations"), nothing.clone(), 200),
        ("get /spending", format!("{V1}/spending"), nothing.clone(), 200),
        (
            "put /queues/{name}",
            format!("{V1}/queues/sales"),
            json!({ "number": "700", "strategy": "ring_all", "after_call": { "seconds": 5 }, "overflow": { "queue": "b" } }),
            200,
        ),
        (
            "put /ring-groups/{name}",
            format!("{V1}/ring-groups/door"),
            json!({ "number": "600", "members": ["100", "101"], "strategy": "in_order", "then": { "queue": "sales" } }),
            200,
        ),
        ("get /ring-groups", format!("{V1}/ring-groups"), nothing.clone(), 200),
        ("get /ring-groups/{name}", format!("{V1}/ring-groups/door"), nothing.clone(), 200),
        ("delete /ring-groups/{name}", format!("{V1}/ring-groups/door"), nothing.clone(), 204),
        (
            "put /voicemail/{mailbox}",
            format!("{V1}/voicemail/101"),
            json!({ "extensions": ["101"], "pin": "4711", "language": "en" }),
            200,
        ),
        ("get /voicemail", format!("{V1}/voicemail"), nothing.clone(), 200),
        ("get /voicemail/{mailbox}", format!("{V1}/voicemail/101"), nothing.clone(), 200),
        ("get /voicemail/{mailbox}/messages", format!("{V1}/voicemail/101/messages"), nothing.clone(), 200),
        (
            "get /voicemail/{mailbox}/messages/{id}/audio",
            format!("{V1}/voicemail/101/messages/1/audio"),
            nothing.clone(),
            200,
        ),
        (
            "put /voicemail/{mailbox}/messages/{id}",
            format!("{V1}/voicemail/101/messages/1"),
            json!({ "heard": true }),
            204,
        ),
        ("delete /voicemail/{mailbox}/messages/{id}", format!("{V1}/voicemail/101/messages/1"), nothing.clone(), 204),
        ("delete /voicemail/{mailbox}", format!("{V1}/voicemail/101"), nothing.clone(), 204),
        ("get /queues", format!("{V1}/queues"), nothing.clone(), 200),
        ("get /queues/{name}", format!("{V1}/queues/sales"), nothing.clone(), 200),
        ("put /agents/{name}", format!("{V1}/agents/ana"), json!({ "queues": [{ "queue": "sales" }] }), 200),
        ("get /agents", format!("{V1}/agents"), nothing.clone(), 200),
        ("get /agents/{name}", format!("{V1}/agents/ana"), nothing.clone(), 200),
        ("post /agents/{name}/login", format!("{V1}/agents/ana/login"), json!({ "extension": "100" }), 204),
        ("post /agents/{name}/duty", format!("{V1}/agents/ana/duty"), json!({ "duty": "busy", "reason": "tea" }), 204),
        ("post /agents/{name}/logout", format!("{V1}/agents/ana/logout"), nothing.clone(), 204),
        ("delete /agents/{name}", format!("{V1}/agents/ana"), nothing.clone(), 204),
        ("delete /queues/{name}", format!("{V1}/queues/sales"), nothing.clone(), 204),
        ("get /trunks", format!("{V1}/trunks"), nothing.clone(), 200),
        ("get /trace", format!("{V1}/trace"), nothing.clone(), 200),
        ("get /bans", format!("{V1}/bans"), nothing.clone(), 200),
        ("put /bans/{source}", format!("{V1}/bans/203.0.113.9"), nothing.clone(), 204),
        ("delete /bans/{source}", format!("{V1}/bans/203.0.113.9"), nothing.clone(), 204),
        ("get /events", format!("{V1}/events"), nothing.clone(), 200),
        ("get /routes", format!("{V1}/routes"), nothing.clone(), 200),
        ("post /routes", format!("{V1}/routes"), json!({ "number": "8*", "to": { "extension": "100" } }), 201),
        ("get /routes/{id}", format!("{V1}/routes/1"), nothing.clone(), 200),
        ("put /routes/{id}", format!("{V1}/routes/1"), json!({ "number": "8*", "to": { "extension": "101" } }), 200),
        ("delete /routes/{id}", format!("{V1}/routes/1"), nothing.clone(), 204),
        ("get /blacklist", format!("{V1}/blacklist"), nothing.clone(), 200),
        ("post /blacklist", format!("{V1}/blacklist"), json!({ "number": "123", "side": "caller" }), 204),
        ("delete /blacklist/{side}/{number}", format!("{V1}/blacklist/caller/123"), nothing.clone(), 204),
        ("get /audit", format!("{V1}/audit"), nothing.clone(), 200),
        ("get /webhooks", format!("{V1}/webhooks"), nothing.clone(), 200),
        ("post /webhooks", format!("{V1}/webhooks"), json!({ "url": "https://crm.example/x" }), 201),
        ("get /webhooks/{id}", format!("{V1}/webhooks/{hook}"), nothing.clone(), 200),
        ("put /webhooks/{id}", format!("{V1}/webhooks/{hook}"), json!({ "kinds": ["call_ended"] }), 200),
        ("get /webhooks/{id}/dead", format!("{V1}/webhooks/{hook}/dead"), nothing.clone(), 200),
        ("post /webhooks/{id}/resend", format!("{V1}/webhooks/{hook}/resend"), json!({}), 200),
        ("delete /webhooks/{id}", format!("{V1}/webhooks/{hook}"), nothing.clone(), 204),
        ("get /calls", format!("{V1}/calls"), nothing.clone(), 200),
        ("post /calls", format!("{V1}/calls"), json!({ "extension": "100", "to": "101" }), 201),
        ("get /calls/{id}", format!("{V1}/calls/{call}"), nothing.clone(), 200),
        ("post /calls/{id}/answer", format!("{V1}/calls/{call}/answer"), json!({ "leg": 1 }), 204),
        ("post /calls/{id}/hold", format!("{V1}/calls/{call}/hold"), json!({ "leg": 1 }), 204),
        ("post /calls/{id}/retrieve", format!("{V1}/calls/{call}/retrieve"), json!({ "leg": 1 }), 204),
        ("post /calls/{id}/transfer", format!("{V1}/calls/{call}/transfer"), json!({ "leg": 1, "to": "102" }), 204),
        ("post /calls/{id}/play", format!("{V1}/calls/{call}/play"), json!({ "prompts": ["a"] }), 204),
        ("post /calls/{id}/recording", format!("{V1}/calls/{call}/recording"), json!({ "wish": "start" }), 204),
        ("post /calls/{id}/conference", format!("{V1}/calls/{call}/conference"), nothing.clone(), 201),
        (
            "post /calls/{id}/supervise",
            format!("{V1}/calls/{call}/supervise"),
            json!({ "extension": "100", "leg": 1, "mode": "whisper" }),
            202,
        ),
        // Nobody opens a WebSocket here.
        ("get /calls/{id}/legs/{no}/audio", format!("{V1}/calls/{call}/legs/1/audio"), nothing.clone(), 400),
        ("post /calls/{id}/recognise", format!("{V1}/calls/{call}/recognise"), json!({ "leg": 1 }), 204),
        ("get /conferences", format!("{V1}/conferences"), nothing.clone(), 200),
        ("delete /conferences/{name}", format!("{V1}/conferences/board"), nothing.clone(), 204),
        (
            "post /conferences/{name}/members",
            format!("{V1}/conferences/board/members"),
            json!({ "extension": "100" }),
            202,
        ),
        (
            "post /conferences/{name}/dismiss",
            format!("{V1}/conferences/board/dismiss"),
            json!({ "call": call, "leg": 1 }),
            204,
        ),
        (
            "post /conferences/{name}/mute",
            format!("{V1}/conferences/board/mute"),
            json!({ "call": call, "leg": 1, "muted": true }),
            204,
        ),
        (
            "post /conferences/{name}/recording",
            format!("{V1}/conferences/board/recording"),
            json!({ "wish": "start" }),
            204,
        ),
        ("post /calls/{id}/stop", format!("{V1}/calls/{call}/stop"), json!({}), 204),
        ("get /prompts", format!("{V1}/prompts"), nothing.clone(), 200),
        ("put /prompts/{name}", format!("{V1}/prompts/a"), nothing.clone(), 422),
        ("get /prompts/{name}", format!("{V1}/prompts/b"), nothing.clone(), 200),
        ("delete /prompts/{name}", format!("{V1}/prompts/b"), nothing.clone(), 204),
        ("delete /calls/{id}", format!("{V1}/calls/{call}"), nothing.clone(), 204),
        ("get /records", format!("{V1}/records"), nothing.clone(), 200),
        ("get /reports/queues", format!("{V1}/reports/queues?from=0&to=86400000"), nothing.clone(), 200),
        ("get /reports/agents", format!("{V1}/reports/agents?from=0&to=86400000&minutes=60"), nothing.clone(), 200),
        ("get /records/{id}", format!("{V1}/records/{record}"), nothing.clone(), 200),
        ("get /records/{id}/recording", format!("{V1}/records/{record}/recording"), nothing.clone(), 200),
        ("get /records/{id}/trace", format!("{V1}/records/{record}/trace"), nothing.clone(), 200),
    ];
    let mut described: BTreeSet<String> = BTreeSet::new();
    for (path, operations) in api["paths"].as_object().unwrap() {
        let path = path.strip_prefix(V1).unwrap_or(path);
        for method in operations.as_object().unwrap().keys() {
            described.insert(format!("{method} {path}"));
        }
    }
    let called: BTreeSet<String> = calls.iter().map(|(operation, ..)| (*operation).to_owned()).collect();
    assert_eq!(described, called, "described and called");

    let answer = |operation: &str, status: u16, kind: &str| {
        let (method, path) = operation.split_once(' ').unwrap();
        let path = if path.starts_with("/api") { path.to_owned() } else { format!("{V1}{path}") };
        let described = &api["paths"][&path][method];
        assert!(described["summary"].is_string(), "{operation} has no summary");
        let response = &described["responses"][status.to_string()];
        assert!(response.is_object(), "{operation} answers {status}, which is not described");
        response["content"][kind]["schema"].clone()
    };
    for (operation, path, body, status) in calls {
        // Without a login where one is needed, first: that answer is described too.
        // Contract A answers 200 whatever is wrong.
        if operation != "post /session" && !operation.starts_with("post /api/v1/") {
            let method = operation.split_once(' ').unwrap().0.to_uppercase();
            let refused = world.call(&method, &path, "", body.clone()).await;
            refused.problem(401);
            let schema = answer(operation, 401, "application/problem+json");
            assert!(schema.is_object(), "{operation}");
            assert_eq!(misfit(&api, &schema, &refused.json(), operation), None);
        }
        let method = operation.split_once(' ').unwrap().0.to_uppercase();
        let got = world.call(&method, &path, &admin, body).await;
        assert_eq!(got.status, status, "{operation}: {}", String::from_utf8_lossy(&got.body));
        let kind = got.header("content-type");
        let schema = answer(operation, status, kind);
        if status == 204 {
            assert!(got.body.is_empty());
            continue;
        }
        assert!(schema.is_object(), "{operation} answers {kind}, which is not described");
        if kind == "application/json" {
            assert_eq!(misfit(&api, &schema, &got.json(), operation), None);
        }
        if operation == "get /events" {
            let items = got.json()["items"].as_array().unwrap().clone();
            let told: BTreeSet<_> = items.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect();
            assert_eq!(
                told,
                model::EventBody::KINDS.map(str::to_owned).into(),
                "each kind of event was told and described"
            );
        }
    }
}

#[tokio::test]
async fn the_description_hides_no_secret_and_names_both_ways_to_send_a_token() {
    let world = World::new().await;
    let got = world.get("/patchbay/v1/openapi.json", "").await;
    let api = got.json();
    assert_eq!(api["security"], json!([{ "bearer": [] }, { "x-token": [] }]));
    assert_eq!(api["components"]["securitySchemes"]["x-token"]["name"], "x-token");
    assert!(api["components"]["schemas"]["ExtensionOut"]["properties"]["ha1"].is_null());
    let extensions = world.get("/patchbay/v1/extensions", &world.log_in("admin").await).await;
    assert!(!String::from_utf8_lossy(&extensions.body).contains("ha1"));
}

#[tokio::test]
async fn the_page_to_try_it_is_served_with_everything_it_needs() {
    let world = World::new().await;
    let start = world.get("/patchbay/v1/docs", "").await;
    assert!(start.status.is_redirection(), "{start:?}");
    assert_eq!(start.header("location"), "/patchbay/v1/docs/");
    let page = world.get("/patchbay/v1/docs/", "").await;
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.body).unwrap();
    assert!(!html.contains("://"), "nothing from elsewhere");
    let wanted: Vec<_> =
        html.split(['"', '\'']).filter(|text| text.ends_with(".js") || text.ends_with(".css")).collect();
    assert!(wanted.len() >= 3, "{html}");
    for file in wanted {
        let got = world.get(&format!("/patchbay/v1/docs/{}", file.trim_start_matches("./")), "").await;
        assert_eq!(got.status, 200, "{file}");
        assert!(!got.body.is_empty());
    }
    let config = world.get("/patchbay/v1/docs/swagger-initializer.js", "").await;
    assert!(String::from_utf8_lossy(&config.body).contains("/patchbay/v1/openapi.json"));
    assert_eq!(world.get("/patchbay/v1/docs/..%2F..%2Fetc%2Fpasswd", "").await.status, 404);
}

#[tokio::test]
async fn the_client_has_a_method_for_every_operation_and_a_type_for_every_schema() {
    let world = World::new().await;
    let api = world.get("/patchbay/v1/openapi.json", "").await.json();
    let got = world.get("/sdk/client.ts", "").await;
    assert_eq!((got.status.as_u16(), got.header("content-type")), (200, "text/typescript"));
    let client = String::from_utf8(got.body).unwrap();
    let operations: usize =
        api["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
    let names: BTreeSet<_> =
        client.lines().filter_map(|line| line.strip_prefix("  async ")?.split('(').next()).collect();
    // And `logIn`.
    assert_eq!(names.len(), operations + 1, "{names:?}");
    for name in api["components"]["schemas"].as_object().unwrap().keys() {
        assert!(client.contains(&format!("\nexport type {name} = ")), "{name}");
    }
    assert!(!client.contains(" = unknown;"), "every schema has a type");
}
