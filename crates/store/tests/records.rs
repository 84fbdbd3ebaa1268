//! Call records: found by what they are, a page at a time, each once.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use common::{leg, noted, record};
use model::{CallId, CallRecord, Direction, Outcome};
use patchbay_store::{Batch, Config, Filter, Hot, HotSync, Kept, RecordWriter, Store, StoreError};
use std::time::Duration;
use stdx::Entropy;
use tempfile::TempDir;

struct World {
    dir: TempDir,
    store: Store,
    hot: Hot,
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Config::new(dir.path())).await.unwrap();
        let hot = Hot::open(&dir.path().join("hot"), HotSync::default()).unwrap();
        Self { dir, store, hot }
    }

    async fn with(records: impl IntoIterator<Item = CallRecord>) -> Self {
        let world = Self::new().await;
        world.write(records).await;
        world
    }

    async fn write(&self, calls: impl IntoIterator<Item = CallRecord>) {
        let writer = RecordWriter::start(self.store.clone(), self.hot.clone(), |_| ());
        for call in calls {
            assert_eq!(writer.write(call, Batch::default()), Kept::Hot);
        }
        assert!(writer.flush(Duration::from_secs(20)).await);
    }

    async fn starts(&self, filter: Filter) -> Vec<u64> {
        let page = self.store.records(&Filter { limit: 500, ..filter }).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        assert_eq!(page.next, None);
        page.items.iter().map(|record| record.started_at).collect()
    }
}

#[tokio::test]
async fn a_record_comes_back_as_it_went_in_also_with_what_callers_make_up() {
    let mut entropy = Entropy::seeded(1);
    let odd = CallRecord {
        caller_name: "O'Hara \"x\"; DROP TABLE calls;-- 王\u{0}\u{7f}".into(),
        trunk: Some("gw".into()),
        ringing_at: None,
        outcome: Outcome::SwitchFailure,
        note: "note".into(),
        recording: None,
        more_recordings: Vec::new(),
        started_at: u64::MAX,
        legs: vec![],
        ..record(&mut entropy, 5, "%' OR 1=1 \u{0}", "")
    };
    let usual = record(&mut entropy, 6, "100", "101");
    let world = World::with([odd.clone(), usual.clone()]).await;
    assert_eq!(world.store.record(odd.id).await.unwrap(), Some(odd));
    assert_eq!(world.store.record(usual.id).await.unwrap(), Some(usual));
    assert_eq!(world.store.record(CallId::new(0, &mut entropy)).await.unwrap(), None);
}

#[tokio::test]
async fn every_filter_finds_its_own_and_all_together_what_fits_all() {
    let mut entropy = Entropy::seeded(2);
    let e = &mut entropy;
    let records = [
        record(e, 10, "100", "101"),
        CallRecord { outcome: Outcome::Busy, ..record(e, 20, "101", "102") },
        CallRecord { direction: Direction::Outbound, ..record(e, 30, "100", "0551") },
        // 103 was rung too, by a fork or a transfer.
        CallRecord { legs: vec![leg(0, "200"), leg(1, "201"), leg(2, "103")], ..record(e, 40, "200", "201") },
    ];
    let world = World::with(records).await;
    let text = |s: &str| Some(s.to_owned());

    assert_eq!(world.starts(Filter::default()).await, [40, 30, 20, 10]);
    assert_eq!(world.starts(Filter { from: Some(20), to: Some(40), ..Filter::default() }).await, [30, 20]);
    assert_eq!(world.starts(Filter { caller: text("100"), ..Filter::default() }).await, [30, 10]);
    assert_eq!(world.starts(Filter { callee: text("102"), ..Filter::default() }).await, [20]);
    assert_eq!(world.starts(Filter { number: text("101"), ..Filter::default() }).await, [20, 10]);
    assert_eq!(world.starts(Filter { number: text("103"), ..Filter::default() }).await, [40]);
    assert_eq!(world.starts(Filter { outcome: Some(Outcome::Busy), ..Filter::default() }).await, [20]);
    assert_eq!(world.starts(Filter { direction: Some(Direction::Outbound), ..Filter::default() }).await, [30]);
    let both = Filter { number: text("101"), extension: text("102"), ..Filter::default() };
    assert_eq!(world.starts(both).await, [20]);
    let all = Filter {
        from: Some(15),
        to: Some(25),
        caller: text("101"),
        callee: text("102"),
        number: text("101"),
        extension: text("102"),
        outcome: Some(Outcome::Busy),
        direction: Some(Direction::Internal),
        ..Filter::default()
    };
    assert_eq!(world.starts(all.clone()).await, [20]);
    assert_eq!(world.starts(Filter { from: Some(21), ..all }).await, [0; 0]);
    assert_eq!(world.starts(Filter { caller: text("' OR ''='"), ..Filter::default() }).await, [0; 0]);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition_though_new_records_come() {
    let mut entropy = Entropy::seeded(3);
    // Many in the same millisecond: the cursor must tell them apart.
    let records: Vec<_> = (0..25).map(|n| record(&mut entropy, 100 + n / 10, "100", "101")).collect();
    let world = World::with(records.clone()).await;
    let mut seen = Vec::new();
    let mut filter = Filter { limit: 10, ..Filter::default() };
    loop {
        let page = world.store.records(&filter).await.unwrap();
        seen.extend(page.items.iter().map(|record| record.id));
        let Some(next) = page.next else {
            assert_eq!(page.items.len(), 5);
            break;
        };
        assert_eq!(page.items.len(), 10);
        filter.cursor = Some(next);
        world.write([record(&mut entropy, 500, "100", "101")]).await;
    }
    let mut all: Vec<_> = records.iter().map(|record| record.id).collect();
    all.sort();
    seen.sort();
    assert_eq!(seen, all);

    let skipped = world.store.records(&Filter { offset: 20, limit: 10, ..Filter::default() }).await.unwrap();
    assert_eq!((skipped.items.len(), skipped.total, skipped.next), (7, 27, None));
    let one = world.store.records(&Filter { limit: 0, ..Filter::default() }).await.unwrap();
    assert_eq!(one.items.len(), 1, "a limit of 0 is taken as 1");
}

#[tokio::test]
async fn a_cursor_that_is_none_of_ours_is_refused() {
    let world = World::new().await;
    for bad in ["", "x", "1", "1.", ".x", "1.not-a-uuid", "-.00000000-0000-4000-8000-000000000000", "' OR 1"] {
        let filter = Filter { cursor: Some(bad.into()), ..Filter::default() };
        assert!(matches!(world.store.records(&filter).await, Err(StoreError::BadCursor)), "{bad}");
    }
}

#[tokio::test]
async fn the_same_call_written_twice_is_one_record_and_the_first_counts() {
    let mut entropy = Entropy::seeded(4);
    let first = noted(&mut entropy, 10, 5);
    let mut second = first.clone();
    second.callee = "999".into();
    let world = World::new().await;
    world.write([first.clone(), second.clone(), first.clone()]).await;
    world.write([second]).await;
    let page = world.store.records(&Filter { limit: 10, ..Filter::default() }).await.unwrap();
    assert_eq!(page.items, std::slice::from_ref(&first));
    assert_eq!(world.starts(Filter { number: Some("999".into()), ..Filter::default() }).await, [0; 0]);
}

#[tokio::test]
async fn a_ladder_is_found_at_once_and_after_the_store_was_opened_again() {
    let world = World::new().await;
    let call = CallId::from_bytes([7; 16]);
    assert_eq!(world.store.trace(call).await.unwrap(), None);
    world.store.ladders().keep(call, b"[]".to_vec());
    assert_eq!(world.store.trace(call).await.unwrap().as_deref(), Some(&b"[]"[..]));
    world.store.close().await;
    let again = Store::open(Config::new(world.dir.path())).await.unwrap();
    assert_eq!(again.trace(call).await.unwrap().as_deref(), Some(&b"[]"[..]));
}

#[tokio::test]
async fn records_are_there_after_the_store_was_closed_and_opened() {
    let mut entropy = Entropy::seeded(6);
    let call = noted(&mut entropy, 10, 5);
    let world = World::new().await;
    world.write([call.clone()]).await;
    world.store.close().await;
    let again = Store::open(Config::new(world.dir.path())).await.unwrap();
    assert_eq!(again.record(call.id).await.unwrap(), Some(call));
    assert!(matches!(world.store.ping().await, Err(StoreError::Sql(_))));
}

#[tokio::test]
async fn callers_of_queues_count_where_they_came_in_by_what_became_of_them() {
    const S: u64 = 1_000;
    let mut entropy = Entropy::seeded(9);
    let mut call = |entered_at: u64, answered_at: Option<u64>, left_at: u64, ended_at: u64| {
        let visit = model::QueueVisit {
            queue: "sales".to_owned(),
            entered_at,
            ringing_at: answered_at.map(|at| at - 2 * S),
            agent: "ana".to_owned(),
            answered_at,
            attempts: 1,
            left_at: Some(left_at),
        };
        CallRecord { queue: Some(visit), ended_at, ..record(&mut entropy, entered_at - S, "100", "700") }
    };
    let minute = 60 * S;
    let calls = [
        call(minute + 10 * S, Some(minute + 25 * S), minute + 25 * S, minute + 85 * S),
        call(minute + 20 * S, Some(minute + 50 * S), minute + 50 * S, minute + 60 * S),
        call(minute + 30 * S, None, minute + 33 * S, minute + 33 * S),
        call(minute + 31 * S, None, minute + 71 * S, minute + 71 * S),
        call(minute + 32 * S, None, minute + 62 * S, minute + 90 * S),
        call(minute + 70 * S, Some(minute + 72 * S), minute + 72 * S, minute + 73 * S),
    ];
    let many = (0..2_500).map(|i| call(10 * minute + i, Some(10 * minute + i + S), 10 * minute + i + S, 11 * minute));
    let mut all: Vec<CallRecord> = calls.into_iter().chain(many).collect();
    all.push(record(&mut Entropy::seeded(10), minute, "100", "101"));
    let world = World::with(all).await;
    let report = world.store.report(minute, 20 * minute, minute).await.unwrap();
    let first = patchbay_store::QueueCounts {
        entered: 5,
        answered: 2,
        in_time: 1,
        abandoned: 1,
        abandoned_at_once: 1,
        elsewhere: 1,
        waited_ms: 45 * S,
        longest_ms: 40 * S,
        talked_ms: 70 * S,
    };
    let at = |minutes: u64| ("sales".to_owned(), minutes * minute);
    assert_eq!(report.queues[&at(1)], first);
    assert_eq!((report.queues[&at(2)].answered, report.queues[&at(10)].in_time), (1, 2_500));
    assert_eq!(report.queues.len(), 3);
    let ana = patchbay_store::AgentCounts { answered: 2, rang_ms: 4 * S, talked_ms: 70 * S };
    assert_eq!(report.agents[&("ana".to_owned(), minute)], ana);
    assert_eq!(world.store.report(2 * minute, 3 * minute, minute).await.unwrap().queues.len(), 1);
}
