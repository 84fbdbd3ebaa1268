//! What is left after `kill -9` in the middle of writing, and after the disk was full for a while.
//!
//! The victim is this program itself, started again with its task in the environment; so there is no test harness.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::noted;
use patchbay_store::{Batch, Config, Filter, Hot, HotError, HotSync, Kept, RecordWriter, Store};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use stdx::Entropy;

const TASK: &str = "PATCHBAY_STORE_CRASH_TASK";
const SOON: Duration = Duration::from_secs(60);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    match std::env::var(TASK) {
        Ok(task) => {
            let (task, dir) = task.split_once('=').unwrap();
            match task {
                "write" => runtime.block_on(write_until_killed(Path::new(dir))),
                "fill" => runtime.block_on(fill_the_disk(Path::new(dir))),
                other => panic!("no task {other}"),
            }
        }
        Err(_) => {
            runtime.block_on(kill_in_the_middle_of_writing());
            runtime.block_on(a_full_disk_costs_nothing());
        }
    }
}

async fn open(dir: &Path) -> (Store, Hot) {
    let config = Config { busy_timeout: Duration::from_millis(100), ..Config::new(dir) };
    (Store::open(config).await.unwrap(), Hot::open(&dir.join("hot"), HotSync::default()).unwrap())
}

async fn all_records(store: &Store) -> Vec<String> {
    let mut filter = Filter { limit: 500, ..Filter::default() };
    let mut all = Vec::new();
    loop {
        let page = store.records(&filter).await.unwrap();
        all.extend(page.items.iter().map(|record| record.id.to_string()));
        match page.next {
            Some(next) => filter.cursor = Some(next),
            None => return all,
        }
    }
}

/// A victim, and what it says.
fn start(command: &mut Command, task: &str, dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = command.env(TASK, format!("{task}={}", dir.display())).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(child.stdout.take().unwrap());
    (child, said)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// The victim: promises a registration or a finished call only after the commit, and says so.
async fn write_until_killed(dir: &Path) {
    let (store, hot) = open(dir).await;
    let writer = RecordWriter::start(store, hot.clone(), |_| ());
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    let mut entropy = Entropy::from_seed(seed);
    tokio::task::spawn_blocking(move || {
        for n in 0u64.. {
            let name = entropy.token(12);
            hot.keep(format!("reg/{name}").as_bytes(), &[1; 200]).unwrap();
            let call = noted(&mut entropy, n, 3000);
            let id = call.id;
            assert_eq!(writer.write(call, Batch::default()), Kept::Hot);
            hot.commit().unwrap();
            say(&format!("reg {name}"));
            say(&format!("call {id}"));
            if n % 20 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    })
    .await
    .unwrap();
}

async fn kill_in_the_middle_of_writing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut registrations, mut calls) = (BTreeSet::new(), BTreeSet::new());
    for round in 0..4 {
        let me = std::env::current_exe().unwrap();
        let (mut child, mut said) = start(&mut Command::new(me), "write", dir.path());
        let mut text = String::new();
        for _ in 0..400 + 700 * round {
            assert!(said.read_line(&mut text).unwrap() > 0, "the victim ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        // The last line may be cut off.
        let whole = text.rsplit_once('\n').unwrap().0;
        for line in whole.lines() {
            match line.split_once(' ').unwrap() {
                ("reg", name) => assert!(registrations.insert(name.to_owned())),
                ("call", id) => assert!(calls.insert(id.to_owned())),
                other => panic!("{other:?}"),
            }
        }
    }

    let (store, hot) = open(dir.path()).await;
    let kept: BTreeSet<String> = hot
        .scan(b"reg/")
        .unwrap()
        .into_iter()
        .map(|(key, _)| String::from_utf8(key).unwrap().trim_start_matches("reg/").to_owned())
        .collect();
    let missing: Vec<_> = registrations.difference(&kept).collect();
    assert!(missing.is_empty(), "of {} registrations promised are missing: {missing:?}", registrations.len());

    let writer = RecordWriter::start(store.clone(), hot.clone(), |_| ());
    assert!(writer.flush(SOON).await, "{:?}", writer.figures());
    let stored = all_records(&store).await;
    let distinct: BTreeSet<_> = stored.iter().cloned().collect();
    assert_eq!(stored.len(), distinct.len(), "a record is there twice");
    let missing: Vec<_> = calls.difference(&distinct).collect();
    assert!(missing.is_empty(), "of {} calls promised are missing: {missing:?}", calls.len());
    assert_eq!(hot.scan(b"record/").unwrap(), []);
    say(&format!("kill -9: {} registrations and {} calls, none missing or twice", kept.len(), stored.len()));
}

/// The victim of the other test: writes until neither hot state nor the database take more, and a while longer.
async fn fill_the_disk(dir: &Path) {
    let (store, hot) = open(dir).await;
    let writer = RecordWriter::start(store, hot.clone(), |_| ());
    let mut entropy = Entropy::seeded(9);
    let (mut written, mut refused) = (0u64, false);
    let begun = Instant::now();
    while !(refused && writer.figures().retries > 0) {
        assert!(begun.elapsed() < SOON, "the disk never gets full: {:?}", writer.figures());
        assert_eq!(writer.write(noted(&mut entropy, written, 20_000), Batch::default()), Kept::Hot);
        refused |= matches!(hot.commit(), Err(HotError::Waiting(_)));
        written += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    for _ in 0..50 {
        assert_eq!(writer.write(noted(&mut entropy, written, 20_000), Batch::default()), Kept::Hot);
        assert!(matches!(hot.commit(), Err(HotError::Waiting(_))), "it is still full");
        written += 1;
    }
    say(&format!("full {written}"));
    while hot.commit().is_err() {
        assert!(begun.elapsed() < SOON, "hot state does not recover");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(writer.flush(SOON).await, "{:?}", writer.figures());
    assert_eq!(writer.figures().lost, 0);
    say("recovered");
}

async fn a_full_disk_costs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // Made before, because logs are allocated in one piece.
    drop(open(dir.path()).await);
    // No file may grow beyond 2 MB; the signal is ignored, so writing fails as on a full disk.
    let mut shell = Command::new("sh");
    shell.arg("-c").arg("trap '' XFSZ; ulimit -S -f 4096; exec \"$0\"").arg(std::env::current_exe().unwrap());
    let (mut child, mut said) = start(&mut shell, "fill", dir.path());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let written: u64 = line.trim().strip_prefix("full ").expect("the victim met a full disk").parse().unwrap();

    let pid = child.id().to_string();
    let freed = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:unlimited"]).status().unwrap();
    assert!(freed.success());
    line.clear();
    said.read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "recovered");
    assert!(child.wait().unwrap().success());

    let (store, hot) = open(dir.path()).await;
    let stored = all_records(&store).await;
    assert_eq!(stored.len() as u64, written);
    assert_eq!(hot.scan(b"record/").unwrap(), []);
    say(&format!("full disk: {written} calls, none missing"));
}
