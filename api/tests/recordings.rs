//! Recordings: whole, in part, and never anything else of the disk.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use axum::body::Body;
use axum::http::Request;
use common::{Got, World};
use model::CallId;

async fn ask(world: &World, token: &str, method: &str, call: CallId, headers: &[(&str, &str)]) -> Got {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("/patchbay/v1/records/{call}/recording"))
        .header("x-token", token);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    world.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_recording_is_had_whole_and_in_parts() {
    let world = World::new().await;
    let sound: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
    std::fs::create_dir(world.recordings().join("20260101")).unwrap();
    std::fs::write(world.recordings().join("20260101/x.wav"), &sound).unwrap();
    let call = world.record(10, "100", "101", Some("20260101/x.wav")).await;
    let token = world.log_in("boss").await;

    let whole = ask(&world, &token, "GET", call, &[]).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body, sound);
    assert_eq!(whole.header("content-type"), "audio/wav");
    assert_eq!(whole.header("content-length"), "100000");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("content-disposition"), format!("inline; filename=\"{call}.wav\""));
    assert_eq!(whole.header("x-content-type-options"), "nosniff");

    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=99990-", 99_990, 100_000),
        ("bytes=-5", 99_995, 100_000),
        ("bytes=99999-200000", 99_999, 100_000),
        ("bytes=0-", 0, 100_000),
    ] {
        let part = ask(&world, &token, "GET", call, &[("range", range)]).await;
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(part.body, sound[from..to], "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/100000", to - 1), "{range}");
        assert_eq!(part.header("content-length"), (to - from).to_string(), "{range}");
        assert_eq!(part.header("content-type"), "audio/wav");
    }
    for range in ["bytes=100000-", "bytes=100000-100001"] {
        let none = ask(&world, &token, "GET", call, &[("range", range)]).await;
        assert_eq!(none.problem(416), "bad_range", "{range}");
        assert_eq!(none.header("content-range"), "bytes */100000", "{range}");
    }
    // What is no range is as none (RFC 9110 §14.2).
    for range in ["bytes=5-4", "bytes=a-b", "items=0-1", "bytes=0-1,5-6", "bytes", "", "bytes=0-99999999999999999999"] {
        let got = ask(&world, &token, "GET", call, &[("range", range)]).await;
        assert_eq!((got.status.as_u16(), got.body.len()), (200, 100_000), "{range}");
    }
    let conditional = [("range", "bytes=0-1"), ("if-range", "\"another\"")];
    assert_eq!(ask(&world, &token, "GET", call, &conditional).await.status, 200);

    let head = ask(&world, &token, "HEAD", call, &[("range", "bytes=0-1")]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!((head.header("content-length"), head.header("content-type")), ("100000", "audio/wav"));
    let modified = whole.header("last-modified").to_owned();
    let unchanged = ask(&world, &token, "GET", call, &[("if-modified-since", &modified)]).await;
    assert_eq!((unchanged.status.as_u16(), unchanged.body.len()), (304, 0));
    assert_eq!(ask(&world, &token, "POST", call, &[]).await.problem(405), "wrong_method");
    assert_eq!(ask(&world, "", "GET", call, &[]).await.problem(401), "not_logged_in");
}

#[tokio::test]
async fn an_empty_file_an_mp3_and_what_is_missing_are_told_apart() {
    let world = World::new().await;
    std::fs::write(world.recordings().join("empty.wav"), b"").unwrap();
    std::fs::write(world.recordings().join("a.mp3"), b"ID3").unwrap();
    std::fs::create_dir(world.recordings().join("folder.wav")).unwrap();
    let token = world.log_in("admin").await;
    let got = async |recording: Option<&str>| {
        let call = world.record(10, "100", "101", recording).await;
        ask(&world, &token, "GET", call, &[]).await
    };
    let empty = got(Some("empty.wav")).await;
    assert_eq!((empty.status.as_u16(), empty.body.len()), (200, 0));
    assert_eq!(got(Some("a.mp3")).await.header("content-type"), "audio/mpeg");
    assert_eq!(got(None).await.problem(404), "no_recording");
    assert_eq!(got(Some("gone.wav")).await.problem(404), "recording_missing");
    assert_eq!(got(Some("empty.wav/x")).await.problem(404), "recording_missing");
    assert_eq!(got(Some("folder.wav")).await.problem(404), "recording_missing");

    let unknown = world.get("/patchbay/v1/records/00000000-0000-4000-8000-000000000000/recording", &token).await;
    assert_eq!(unknown.problem(404), "no_such_record");
    for id in ["x", "..%2F..%2Fetc%2Fpasswd", "%00", "1"] {
        let got = world.get(&format!("/patchbay/v1/records/{id}/recording"), &token).await;
        assert_eq!(got.problem(400), "bad_parameter", "{id}");
    }
}

#[tokio::test]
async fn no_path_in_a_record_leads_out_of_the_folder() {
    let world = World::new().await;
    std::fs::write(world.dir.path().join("secret.wav"), b"secret").unwrap();
    std::os::unix::fs::symlink(world.dir.path().join("secret.wav"), world.recordings().join("link.wav")).unwrap();
    std::os::unix::fs::symlink(world.dir.path(), world.recordings().join("up")).unwrap();
    let token = world.log_in("admin").await;
    let absolute = world.dir.path().join("secret.wav").display().to_string();
    for path in [
        "../secret.wav",
        "x/../../secret.wav",
        "./../secret.wav",
        "..\\secret.wav",
        &absolute,
        "//etc/passwd",
        "",
        "link.wav",
        "up/secret.wav",
        "secret.wav\0.wav",
    ] {
        let call = world.record(10, "100", "101", Some(path)).await;
        let got = ask(&world, &token, "GET", call, &[]).await;
        assert_eq!(got.problem(500), "internal", "{path:?}");
        assert!(!String::from_utf8_lossy(&got.body).contains("secret"));
    }
}

#[tokio::test]
async fn files_after_the_first_are_had_by_their_number() {
    let world = World::new().await;
    for (name, sound) in [("a.wav", "first"), ("a.2.wav", "second")] {
        std::fs::write(world.recordings().join(name), sound).unwrap();
    }
    let call = world.record(10, "100", "101", Some("a.wav")).await;
    let token = world.log_in("boss").await;
    let ask = async |query: &str| world.get(&format!("/patchbay/v1/records/{call}/recording{query}"), &token).await;
    for query in ["", "?file=1"] {
        assert_eq!(ask(query).await.body, b"first");
    }
    assert_eq!(ask("?file=2").await.body, b"second");
    assert_eq!(ask("?file=3").await.problem(404), "no_recording");
    for bad in ["?file=x", "?file=-1", "?what=1"] {
        assert_eq!(ask(bad).await.status, 400, "{bad}");
    }
    let record = world.get(&format!("/patchbay/v1/records/{call}"), &token).await.json();
    assert_eq!(record["more_recordings"][0]["path"], "a.2.wav");
}

#[tokio::test]
async fn what_is_elsewhere_is_had_whole_and_in_parts_or_the_reason_is_told() {
    let world = World::new().await;
    let token = world.log_in("boss").await;
    let call = world.record(10, "100", "101", Some("elsewhere.wav")).await;
    let sound: Vec<u8> = (0..600_000u32).map(|n| (n / 3) as u8).collect();
    let whole = ask(&world, &token, "GET", call, &[]).await;
    assert_eq!(
        (whole.status.as_u16(), whole.header("content-type"), whole.header("content-length")),
        (200, "audio/mpeg", "600000")
    );
    assert!(whole.body == sound);
    assert_eq!(whole.header("content-disposition"), format!("inline; filename=\"{call}.mp3\""));
    for (range, from, to) in [
        ("bytes=0-0", 0, 1),
        ("bytes=262140-262150", 262_140, 262_151),
        ("bytes=-5", 599_995, 600_000),
        ("bytes=599999-", 599_999, 600_000),
    ] {
        let part = ask(&world, &token, "GET", call, &[("range", range)]).await;
        assert_eq!((part.status.as_u16(), &part.body[..]), (206, &sound[from..to]), "{range}");
        assert_eq!(part.header("content-range"), format!("bytes {from}-{}/600000", to - 1));
    }
    let none = ask(&world, &token, "GET", call, &[("range", "bytes=600000-")]).await;
    assert_eq!((none.problem(416), none.header("content-range")), ("bad_range".into(), "bytes */600000"));
    for (path, status, code) in [("locked.wav", 503, "recording_locked"), ("broken.wav", 502, "recording_unreachable")]
    {
        let call = world.record(10, "100", "101", Some(path)).await;
        assert_eq!(ask(&world, &token, "GET", call, &[]).await.problem(status), code);
    }
}
