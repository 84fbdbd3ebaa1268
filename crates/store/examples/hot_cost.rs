//! What hot state and the record writer cost: CPU per change and per call, memory, time to open.
//!
//! `cargo run --release -p patchbay-store --example hot_cost -- [registrations] [calls]`
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program for whoever sits before it")]

use model::{CallId, CallRecord, Cause, Direction, LegRecord, Outcome, Quality, Side};
use patchbay_store::{Batch, Config, Filter, Hot, HotSync, RecordWriter, Store};
use std::time::{Duration, Instant};
use stdx::Entropy;

/// A usual ladder, bytes.
const LADDER: usize = 8000;

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>().unwrap());
    let (registrations, calls) = (arguments.next().unwrap_or(100_000), arguments.next().unwrap_or(5_000));
    let dir = std::env::temp_dir().join(format!("patchbay-hot-cost-{}", std::process::id()));

    let before = memory_kb();
    let hot = Hot::open(&dir.join("hot"), HotSync::default()).unwrap();
    println!("open: {} kB more", memory_kb() - before);
    for round in 0..3 {
        let (cpu, mut worst, mut slow) = (cpu(), Duration::ZERO, 0);
        for n in 0..registrations {
            let begun = Instant::now();
            hot.keep(format!("reg/{n:08}").as_bytes(), &[7; 200]).unwrap();
            while hot.commit().is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
            let took = begun.elapsed();
            worst = worst.max(took);
            slow += u32::from(took > Duration::from_millis(5));
        }
        report("keep + commit of 200 B", self::cpu() - cpu, registrations);
        println!("  round {round}: worst {worst:?}, {slow} over 5 ms, {} kB more than at first", memory_kb() - before);
    }
    let begun = Instant::now();
    drop(hot);
    let hot = Hot::open(&dir.join("hot"), HotSync::default()).unwrap();
    let found = hot.scan(b"reg/").unwrap().len();
    println!("close, open and scan {found}: {:?}", begun.elapsed());

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(write_calls(&dir, hot, calls));
    println!("in all {} kB more than at first", memory_kb() - before);
    std::fs::remove_dir_all(dir).unwrap();
}

async fn write_calls(dir: &std::path::Path, hot: Hot, calls: u64) {
    let store = Store::open(Config::new(dir)).await.unwrap();
    let writer = RecordWriter::start(store.clone(), hot.clone(), |_| ());
    let mut entropy = Entropy::seeded(1);
    let cpu = cpu();
    for n in 0..calls {
        let record = record(&mut entropy, n);
        store.ladders().keep(record.id, vec![b' '; LADDER]);
        let kept = writer.write(record, Batch::default());
        assert_eq!(kept, patchbay_store::Kept::Hot);
        hot.commit().unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(writer.flush(Duration::from_secs(60)).await);
    report("a finished call into SQL and its ladder into a file, at most 1000 a second", self::cpu() - cpu, calls);
    let begun = Instant::now();
    let page = store.records(&Filter { number: Some("101".into()), limit: 50, ..Filter::default() }).await.unwrap();
    println!("a page of 50 of {}: {:?}", page.total, begun.elapsed());
}

fn record(entropy: &mut Entropy, n: u64) -> CallRecord {
    let leg = |no, number: &str| LegRecord {
        no,
        number: number.into(),
        remote: "192.0.2.1:5060".into(),
        user_agent: "phone/1".into(),
        sip_call_id: "0123456789abcdef@192.0.2.1".into(),
        outcome: Outcome::Answered,
        cause: Cause { sip: 200, q850: 16 },
        codec: "PCMA".into(),
        quality: Some(Quality::default()),
        origin: model::LegOrigin::Dialled,
        answered_at: Some(1_000),
        ended_at: 2_000,
        heard: Vec::new(),
    };
    CallRecord {
        id: CallId::new(0, entropy),
        caller: "100".into(),
        caller_name: "Ana".into(),
        callee: "101".into(),
        direction: Direction::Internal,
        trunk: None,
        started_at: n,
        ringing_at: Some(n),
        answered_at: Some(n),
        ended_at: n,
        outcome: Outcome::Answered,
        ended_by: Side::Caller,
        cause: Cause { sip: 200, q850: 16 },
        note: String::new(),
        legs: vec![leg(0, "100"), leg(1, "101")],
        recording: None,
        more_recordings: Vec::new(),
        charge: None,
        variables: std::collections::BTreeMap::new(),
        verification: None,
        queue: None,
        forwarded_from: Vec::new(),
        satisfaction: None,
        outage_ms: None,
    }
}

fn report(what: &str, cpu: Duration, times: u64) {
    println!("{what}: {:.1} µs CPU", cpu.as_secs_f64() * 1e6 / times as f64);
}

/// CPU time of this process, user and system, of all threads (proc_pid_stat(5)); in hundredths of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Memory in use (VmRSS), kB.
fn memory_kb() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
