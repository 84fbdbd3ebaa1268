//! Finished calls reach SQL exactly once, though the database is locked, memory full or a run ended early.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::noted;
use model::CallRecord;
use patchbay_store::{Batch, Config, Filter, Hot, HotSync, Kept, RecordWriter, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stdx::Entropy;

const SOON: Duration = Duration::from_secs(20);

async fn open(dir: &Path) -> (Store, Hot) {
    let config = Config { busy_timeout: Duration::from_millis(50), ..Config::new(dir) };
    (Store::open(config).await.unwrap(), Hot::open(&dir.join("hot"), HotSync::default()).unwrap())
}

async fn total(store: &Store) -> u64 {
    store.records(&Filter { limit: 1, ..Filter::default() }).await.unwrap().total
}

async fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn threads_that_know_no_runtime_write_and_who_waits_is_told_after_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let (store, hot) = open(dir.path()).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let writer = RecordWriter::start(store.clone(), hot.clone(), {
        let told = Arc::clone(&told);
        move |calls| told.lock().unwrap().extend_from_slice(calls)
    });
    hot.keep(b"call/0", b"a snapshot").unwrap();
    hot.commit().unwrap();
    let threads: Vec<_> = (0..4)
        .map(|n| {
            let (writer, hot) = (writer.clone(), hot.clone());
            std::thread::spawn(move || {
                let mut entropy = Entropy::seeded(n);
                for at in 0..100 {
                    let mut also = Batch::default();
                    also.forget(b"call/0");
                    assert_eq!(writer.write(noted(&mut entropy, at, 100), also), Kept::Hot);
                    hot.commit().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert!(writer.flush(SOON).await);
    assert_eq!(total(&store).await, 400);
    assert_eq!(told.lock().unwrap().len(), 400);
    assert_eq!(hot.scan(b"").unwrap(), [], "hot state forgot the records and the snapshot");
    let figures = writer.figures();
    assert_eq!((figures.stored, figures.waiting, figures.lost, figures.behind), (400, 0, 0, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_locked_calls_wait_in_memory_then_in_hot_state_and_none_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (store, hot) = open(dir.path()).await;
    let writer = RecordWriter::start(store.clone(), hot.clone(), |_| ());
    assert!(writer.flush(SOON).await);

    let other = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(dir.path().join("patchbay.db")))
        .await
        .unwrap();
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let mut entropy = Entropy::seeded(1);
    for at in 0..3000 {
        assert_eq!(writer.write(noted(&mut entropy, at, 10), Batch::default()), Kept::Hot);
    }
    hot.commit().unwrap();
    until("a transaction fails and is tried again", || writer.figures().retries >= 2).await;
    let figures = writer.figures();
    assert!(figures.behind && figures.waiting <= 1024 + 256, "memory is bounded: {figures:?}");
    assert_eq!(total(&store).await, 0, "readers are not held up");
    assert!(!writer.flush(Duration::from_millis(20)).await);

    lock.rollback().await.unwrap();
    assert!(writer.flush(SOON).await, "{:?}", writer.figures());
    assert_eq!(total(&store).await, 3000);
    assert_eq!(writer.figures().stored, 3000);
    assert_eq!(hot.scan(b"").unwrap(), []);
}

#[tokio::test]
async fn a_record_waits_a_quarter_of_a_second_for_others_and_not_with_a_hundred_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, hot) = open(dir.path()).await;
    let writer = RecordWriter::start(store.clone(), hot, |_| ());
    assert!(writer.flush(SOON).await);
    let mut entropy = Entropy::seeded(1);
    // A word left from flushing ends the first wait.
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(writer.write(noted(&mut entropy, 1, 0), Batch::default()), Kept::Hot);
        let stored = writer.figures().stored;
        until("it is stored without anybody's asking", || writer.figures().stored > stored).await;
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let begun = Instant::now();
    assert_eq!(writer.write(noted(&mut entropy, 2, 0), Batch::default()), Kept::Hot);
    until("it is stored", || writer.figures().stored == 3).await;
    assert!(begun.elapsed() >= Duration::from_millis(240), "it waited for others");
    for at in 0..100 {
        assert_eq!(writer.write(noted(&mut entropy, at, 0), Batch::default()), Kept::Hot);
    }
    until("all are stored", || writer.figures().stored == 103).await;
    assert_eq!(total(&store).await, 103);
}

#[tokio::test]
async fn what_an_earlier_run_left_in_hot_state_is_stored_first_and_damage_is_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let (store, hot) = open(dir.path()).await;
    let mut entropy = Entropy::seeded(1);
    let calls: Vec<CallRecord> = (0..600).map(|at| noted(&mut entropy, at, 10)).collect();
    {
        // A runtime that ends before the writer had a turn, as a killed program does.
        let (store, hot, calls) = (store.clone(), hot.clone(), calls.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = runtime.enter();
            let writer = RecordWriter::start(store, hot, |_| ());
            for call in calls {
                assert_eq!(writer.write(call, Batch::default()), Kept::Hot);
            }
        })
        .join()
        .unwrap();
    }
    assert_eq!(total(&store).await, 0);
    hot.keep(b"record/damaged", b"\x00\x00\x00\x02{}").unwrap();
    hot.keep(b"record/short", b"\x00").unwrap();
    hot.commit().unwrap();

    let writer = RecordWriter::start(store.clone(), hot.clone(), |_| ());
    assert!(writer.flush(SOON).await);
    assert_eq!(total(&store).await, 600);
    assert_eq!(store.record(calls[0].id).await.unwrap(), Some(calls[0].clone()));
    let left: Vec<_> = hot.scan(b"").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [b"broken/record/damaged".to_vec(), b"broken/record/short".to_vec()]);
}

#[tokio::test]
async fn after_the_last_writer_is_dropped_the_task_stores_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let (store, hot) = open(dir.path()).await;
    let writer = RecordWriter::start(store.clone(), hot.clone(), |_| ());
    let call = noted(&mut Entropy::seeded(1), 1, 0);
    assert_eq!(writer.write(call, Batch::default()), Kept::Hot);
    drop(writer);
    let begun = Instant::now();
    while total(&store).await == 0 {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
