//! Against a store that checks every signature (SigV4 in the query) and refuses every other request.

use super::super::archive::Archive;
use super::super::objects;
use super::super::seal::{Kind, MasterKeys, Sealer};
use super::*;
use api::Recordings as _;
use aws_lc_rs::{digest, hmac};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG";

#[derive(Default)]
struct Shop {
    objects: Mutex<BTreeMap<String, Vec<u8>>>,
    forged: AtomicU64,
    asked: AtomicU64,
    reliable: AtomicBool,
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// As Amazon's "Authenticating Requests: Using Query Parameters" has it.
fn signature(method: &Method, path: &str, query: &[(&str, &str)], host: &str) -> String {
    let value = |name: &str| query.iter().find(|(found, _)| *found == name).map_or("", |(_, value)| *value);
    let mut signed: Vec<_> = query.iter().filter(|(name, _)| *name != "X-Amz-Signature").collect();
    signed.sort();
    let signed: Vec<_> = signed.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = format!("{method}\n{path}\n{}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD", signed.join("&"));
    let credential = value("X-Amz-Credential").replace("%2F", "/");
    let (_, scope) = credential.split_once('/').unwrap_or_default();
    let hash = hex(digest::digest(&digest::SHA256, request.as_bytes()).as_ref());
    let to_sign = format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{hash}", value("X-Amz-Date"));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in scope.split('/') {
        key = keyed(&key, part);
    }
    hex(&keyed(&key, &to_sign))
}

async fn serve(State(shop): State<Arc<Shop>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let query: Vec<_> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let host = request.headers()["host"].to_str().unwrap().to_owned();
    let told = query.iter().find(|(name, _)| *name == "X-Amz-Signature").map(|(_, value)| *value);
    if told != Some(&signature(request.method(), &path, &query, &host)[..]) {
        shop.forged.fetch_add(1, Ordering::Relaxed);
        return (StatusCode::FORBIDDEN, "<Error><Code>SignatureDoesNotMatch</Code></Error>").into_response();
    }
    let asked = shop.asked.fetch_add(1, Ordering::Relaxed);
    if asked.is_multiple_of(2) && !shop.reliable.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "<Error><Code>SlowDown</Code></Error>").into_response();
    }
    if request.method() == Method::PUT {
        let told: usize = request.headers()["content-length"].to_str().unwrap().parse().unwrap();
        let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
        assert_eq!(body.len(), told);
        shop.objects.lock().unwrap().insert(path, body.into());
        return StatusCode::OK.into_response();
    }
    let range = request.headers()["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().to_owned();
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let objects = shop.objects.lock().unwrap();
    let Some(object) = objects.get(&path) else { return StatusCode::NOT_FOUND.into_response() };
    let part = object[first..(last + 1).min(object.len())].to_vec();
    let range = format!("bytes {first}-{}/{}", first + part.len() - 1, object.len());
    Response::builder().status(206).header("content-range", range).body(Body::from(part)).unwrap()
}

async fn open() -> (Arc<Shop>, Objects) {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let shop = Arc::new(Shop::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let routes = axum::Router::new().fallback(serve).with_state(Arc::clone(&shop));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let settings = objects::Settings {
        endpoint,
        bucket: "voices".to_owned(),
        region: "cn-east-1".to_owned(),
        prefix: "pbx one/".to_owned(),
        path_style: true,
        access_key: "AKID".to_owned(),
        secret_key: SECRET.to_owned(),
    };
    (shop, Objects::new(settings).unwrap())
}

fn settings(folder: &Path, keep: bool) -> Settings {
    let every = Duration::from_millis(5);
    Settings { folder: folder.to_owned(), keep, suffix: "wav", every, quiet: Duration::ZERO, again: (every, every * 4) }
}

fn record(folder: &Path, count: usize) {
    for no in 0..count {
        let path = folder.join(format!("2026/11/{no}.wav"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, vec![no as u8; 1_000 + no]).unwrap();
    }
}

async fn until(holds: impl Fn() -> bool) {
    for _ in 0..4_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it did not happen");
}

#[tokio::test]
async fn every_recording_gets_there_though_the_store_refuses_half_and_the_switch_is_killed_between() {
    let dir = tempfile::tempdir().unwrap();
    let (shop, objects) = open().await;
    record(dir.path(), 12);
    std::fs::write(dir.path().join("notes.txt"), "no recording").unwrap();
    let stored = || shop.objects.lock().unwrap().len();
    let first = tokio::spawn(run(settings(dir.path(), false), objects.clone(), Uploads::default()));
    until(|| stored() >= 3).await;
    first.abort();
    let uploads = Uploads::default();
    let second = tokio::spawn(run(settings(dir.path(), false), objects.clone(), uploads.clone()));
    until(|| stored() == 12 && !dir.path().join("2026/11/11.wav").exists() && uploads.figures()[2] == 0).await;
    second.abort();
    assert_eq!(shop.forged.load(Ordering::Relaxed), 0);
    // How much the first had done when it was killed, is chance.
    assert!(uploads.figures()[0] > 0 && uploads.figures()[1] > 0, "{:?}", uploads.figures());
    for no in 0..12usize {
        let object = shop.objects.lock().unwrap()[&format!("/voices/pbx%20one/2026/11/{no}.wav")].clone();
        assert_eq!(object, vec![no as u8; 1_000 + no]);
        assert!(!dir.path().join(format!("2026/11/{no}.wav")).exists());
    }
    assert!(dir.path().join("notes.txt").exists());
    // They are heard from there.
    shop.reliable.store(true, Ordering::Relaxed);
    let archive = Archive { folder: dir.path().to_owned(), masters: None, objects: Some(objects) };
    let found = archive.find("2026/11/7.wav").await.unwrap();
    assert_eq!((found.octets(), found.suffix()), (1_007, "wav"));
    assert_eq!(found.read(1_000..1_007).await.unwrap(), [7; 7]);
    assert!(matches!(archive.find("2026/11/12.wav").await, Err(api::RecordingTrouble::Missing)));
    shop.reliable.store(false, Ordering::Relaxed);
    shop.asked.store(0, Ordering::Relaxed);
    let Err(api::RecordingTrouble::Unreachable(why)) = archive.find("2026/11/7.wav").await else {
        panic!("it was there")
    };
    assert!(why.contains("SlowDown") && !why.contains("Signature"), "{why}");
}

#[tokio::test]
async fn what_stays_here_is_put_there_once_and_the_store_never_sees_what_is_encrypted() {
    let dir = tempfile::tempdir().unwrap();
    let (shop, objects) = open().await;
    let key = dir.path().join("key");
    std::fs::write(&key, [1; 32]).unwrap();
    let masters = Arc::new(MasterKeys::read(&key, &[]).unwrap());
    let path = dir.path().join("a.wav.sealed");
    let mut sealer = Sealer::begin(std::fs::File::create(&path).unwrap(), &masters, Kind::Pcm(1)).unwrap();
    sealer.write(&[6; 30_000]).unwrap();
    sealer.finish().unwrap();
    let uploads = Uploads::default();
    let task = tokio::spawn(run(settings(dir.path(), true), objects.clone(), uploads.clone()));
    until(|| dir.path().join("a.wav.sealed.stored").exists() && uploads.figures()[2] == 0).await;
    task.abort();
    assert!(path.exists() && waiting(&settings(dir.path(), true), SystemTime::now()).unwrap().is_empty());
    let object = shop.objects.lock().unwrap().values().next().unwrap().clone();
    assert!(object == std::fs::read(&path).unwrap() && !object.windows(16).any(|octets| octets == [6; 16]));
    // As if this disk had been lost.
    std::fs::remove_file(&path).unwrap();
    shop.reliable.store(true, Ordering::Relaxed);
    let archive = Archive { folder: dir.path().to_owned(), masters: Some(masters), objects: Some(objects) };
    let found = archive.find("a.wav").await.unwrap();
    assert_eq!(found.octets(), 30_044);
    assert_eq!(Arc::clone(&found).read(44..30_044).await.unwrap(), [6; 30_000]);
    assert!(found.read(0..44).await.unwrap().starts_with(b"RIFF"));
}

#[test]
fn a_store_that_speaks_no_signature_of_ours_is_told_apart() {
    let query =
        [("X-Amz-Credential", "AKID%2F20260101%2Fcn-east-1%2Fs3%2Faws4_request"), ("X-Amz-Date", "20260101T000000Z")];
    let one = signature(&Method::GET, "/voices/a.wav", &query, "s3.example");
    assert_ne!(one, signature(&Method::PUT, "/voices/a.wav", &query, "s3.example"));
    assert_ne!(one, signature(&Method::GET, "/voices/b.wav", &query, "s3.example"));
}
