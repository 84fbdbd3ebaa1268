//! Webhooks between `kill -9` and receivers that fail.
//!
//! The victim is this program itself, started again with its task in the environment; so there is no test harness.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

use api::EventBus;
use model::{CallId, CallRecord, Cause, Direction, Event, EventBody, Outcome, Side};
use patchbay_node::webhooks::{Settings, start};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stdx::Entropy;
use store::{Batch, Config, Hot, HotSync, Kept, RecordWriter, Store, Webhook};

const TASK: &str = "PATCHBAY_WEBHOOKS_TASK";
const SECRET: &str = "a secret of some length";
/// Nothing here takes so long unless it is broken.
const LONG: Duration = Duration::from_secs(120);

fn main() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var(TASK) {
        Ok(task) => {
            let (dir, calls) = task.split_once('=').unwrap();
            runtime.block_on(victim(Path::new(dir), calls.parse().unwrap()));
        }
        Err(_) => {
            runtime.block_on(every_record_arrives_though_the_receiver_fails_and_the_switch_is_killed());
            runtime.block_on(who_takes_nothing_harms_nobody_and_what_it_did_not_take_is_kept());
        }
    }
}

fn settings(give_up: Duration) -> Settings {
    Settings { private: true, patience: Duration::from_secs(2), give_up, retry: Duration::from_millis(50) }
}

async fn open(dir: &Path) -> (Store, Hot) {
    (Store::open(Config::new(dir)).await.unwrap(), Hot::open(&dir.join("hot"), HotSync::default()).unwrap())
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

fn record(entropy: &mut Entropy) -> CallRecord {
    CallRecord {
        id: CallId::new(0, entropy),
        caller: "100".into(),
        caller_name: String::new(),
        callee: "101".into(),
        direction: Direction::Internal,
        trunk: None,
        started_at: 1,
        ringing_at: None,
        answered_at: None,
        ended_at: unix_ms(),
        outcome: Outcome::Busy,
        ended_by: Side::Callee,
        cause: Cause { sip: 486, q850: 17 },
        note: String::new(),
        legs: Vec::new(),
        recording: None,
        more_recordings: Vec::new(),
        charge: None,
        variables: BTreeMap::new(),
        verification: None,
        queue: None,
        forwarded_from: Vec::new(),
        satisfaction: None,
        outage_ms: None,
    }
}

fn unix_ms() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Ends calls, says which, and tells webhooks of them until it is killed.
async fn victim(dir: &Path, calls: u32) {
    let (store, hot) = open(dir).await;
    start(store.clone(), &EventBus::new(0), settings(Duration::from_secs(3600))).unwrap();
    let writer = RecordWriter::start(store, hot.clone(), |_| ());
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    let mut entropy = Entropy::from_seed(seed);
    for n in 0..calls {
        let record = record(&mut entropy);
        let id = record.id;
        assert_eq!(writer.write(record, Batch::default()), Kept::Hot);
        hot.commit().unwrap();
        say(&id.to_string());
        if n % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    std::future::pending::<()>().await;
}

/// What a receiver was told: the delivery's number, and the call whose record it was.
type Told = Arc<Mutex<Vec<(u64, String)>>>;

/// A receiver that answers with the statuses in turn, and takes what it answers with 200. Everything must be signed.
fn receiver(statuses: &'static [&'static str]) -> (String, Told, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (told, asked) = (Told::default(), Arc::new(Mutex::new(0)));
    let (to, count) = (Arc::clone(&told), Arc::clone(&asked));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (to, count) = (Arc::clone(&to), Arc::clone(&count));
            std::thread::spawn(move || serve(stream.unwrap(), statuses, &to, &count));
        }
    });
    (url, told, asked)
}

fn serve(stream: TcpStream, statuses: &[&str], told: &Told, asked: &Mutex<usize>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut headers = BTreeMap::new();
        let mut line = String::new();
        // A sender that was killed ends anywhere.
        while reader.read_line(&mut line).is_ok_and(|n| n > 0) && line != "\r\n" {
            if let Some((name, value)) = line.trim_end().split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
            line.clear();
        }
        let Some(length) = headers.get("content-length") else { return };
        let mut body = vec![0; length.parse().unwrap()];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let turn = {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            *asked
        };
        let body = String::from_utf8(body).unwrap();
        check_signature(&headers["patchbay-signature"], &body);
        let status = statuses[turn % statuses.len()];
        if status.starts_with("200") {
            let json: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(json["delivery"].to_string(), headers["patchbay-delivery"]);
            let call = json["record"]["id"].as_str().unwrap_or("none").to_owned();
            told.lock().unwrap().push((json["delivery"].as_u64().unwrap(), call));
        }
        if write!(stream, "HTTP/1.1 {status}\r\nLocation: /hook\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn check_signature(header: &str, body: &str) {
    use hmac::{Hmac, KeyInit, Mac};
    let (at, signature) = header.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let age = (unix_ms() / 1000).abs_diff(at.parse().unwrap());
    assert!(age < 300, "a signature of {age} s ago");
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, expected);
}

fn hook(url: &str, kinds: &[&str]) -> Webhook {
    let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
    Webhook { id: 0, name: String::new(), url: url.to_owned(), kinds, secret: SECRET.to_owned(), active: true }
}

fn start_victim(dir: &Path, calls: u32) -> (Child, BufReader<ChildStdout>) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.env(TASK, format!("{}={calls}", dir.display())).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

async fn until(what: &str, done: impl AsyncFn() -> bool) {
    let all = async {
        while !done().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(LONG, all).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn every_record_arrives_though_the_receiver_fails_and_the_switch_is_killed() {
    let (url, told, asked) = receiver(&["200 OK", "500 Oh", "200 OK", "302 Found"]);
    let dir = tempfile::tempdir().unwrap();
    {
        let (store, _hot) = open(dir.path()).await;
        store.add_webhook(hook(&url, &["call_ended"])).await.unwrap();
        store.close().await;
    }
    let mut calls = BTreeSet::new();
    for promised in [120, 200] {
        let (mut child, mut said) = start_victim(dir.path(), 100_000);
        let mut text = String::new();
        for _ in 0..promised {
            assert!(said.read_line(&mut text).unwrap() > 0, "the victim ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        // The last line may be cut off.
        calls.extend(text.rsplit_once('\n').unwrap().0.lines().map(str::to_owned));
    }
    let (mut child, _said) = start_victim(dir.path(), 0);
    let arrived = || -> BTreeSet<String> { told.lock().unwrap().iter().map(|(_, call)| call.clone()).collect() };
    until("every record arrives", async || arrived().is_superset(&calls)).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let told = told.lock().unwrap();
    let mut numbers: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for (delivery, call) in told.iter() {
        numbers.entry(call).or_default().insert(*delivery);
    }
    assert!(numbers.values().all(|all| all.len() == 1), "a record keeps its number over every try");
    let asked = *asked.lock().unwrap();
    assert!(asked > told.len(), "some were refused");
    say(&format!("killed twice: {} records, {asked} requests, none missing", calls.len()));
}

async fn who_takes_nothing_harms_nobody_and_what_it_did_not_take_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _hot) = open(dir.path()).await;
    let bus = EventBus::new(1);
    // It accepts connections and never answers; it sends everybody round in circles; it wants no more; and a good one.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("http://{}/", silent.local_addr().unwrap());
    let (circle_url, circle, _) = receiver(&["302 Found"]);
    let (gone_url, gone, _) = receiver(&["410 Gone"]);
    let (good_url, good, _) = receiver(&["200 OK"]);
    let mut hooks = Vec::new();
    for url in [silent_url, circle_url, gone_url, good_url] {
        hooks.push(store.add_webhook(hook(&url, &["dtmf", "webhook_failed"])).await.unwrap().id);
    }
    start(store.clone(), &bus, settings(Duration::from_millis(1))).unwrap();
    // The tasks know of the webhooks from when the first event arrives.
    let call = CallId::new(0, &mut Entropy::seeded(1));
    let press =
        || bus.put(Event { at: unix_ms(), body: EventBody::Dtmf { call, leg: 0, digit: '1', duration_ms: 100 } });
    until("the good one is told", async || {
        press();
        tokio::time::sleep(Duration::from_millis(100)).await;
        !good.lock().unwrap().is_empty()
    })
    .await;
    for bad in &hooks[..3] {
        until("a bad one is given up", async || store.count_deliveries(*bad).await.unwrap().1 > 0).await;
    }
    assert!(circle.lock().unwrap().is_empty() && gone.lock().unwrap().is_empty());
    let dead = store.dead_deliveries(hooks[1], None, 1).await.unwrap();
    assert!(dead[0].last.starts_with("HTTP 302"), "{dead:?}");
    let dead = store.dead_deliveries(hooks[2], None, 1).await.unwrap();
    assert!(dead[0].last.starts_with("HTTP 410"), "{dead:?}");
    let before = good.lock().unwrap().len();
    press();
    until("the good one is told as ever", async || good.lock().unwrap().len() > before).await;
    say("receivers that take nothing: theirs is kept, the others are told");
}
