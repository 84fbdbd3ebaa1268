use super::*;
use std::collections::BTreeSet;

fn every(ms: u64) -> HotSync {
    HotSync::Every(Duration::from_millis(ms))
}

fn keys(hot: &Hot, prefix: &[u8]) -> Vec<String> {
    hot.scan(prefix).unwrap().into_iter().map(|(key, _)| String::from_utf8(key).unwrap()).collect()
}

/// Waits for the thread to have done something that only it can do.
fn until(what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_was_kept_is_there_after_reopening_and_what_was_forgotten_is_not() {
    for sync in [every(10), HotSync::EveryCommit] {
        let dir = tempfile::tempdir().unwrap();
        let hot = Hot::open(dir.path(), sync).unwrap();
        hot.keep(b"reg/100", b"old").unwrap();
        hot.keep(b"reg/100", b"new").unwrap();
        hot.keep(b"reg/101", b"x").unwrap();
        hot.keep(b"call/1", b"y").unwrap();
        hot.commit().unwrap();
        hot.forget(b"reg/101").unwrap();
        hot.forget(b"never/there").unwrap();
        hot.commit().unwrap();
        hot.commit().unwrap();
        drop(hot);

        let hot = Hot::open(dir.path(), sync).unwrap();
        assert_eq!(hot.scan(b"reg/").unwrap(), [(b"reg/100".to_vec(), b"new".to_vec())]);
        assert_eq!(hot.get(b"call/1").unwrap().as_deref(), Some(b"y".as_slice()));
        assert_eq!(hot.get(b"reg/101").unwrap(), None);
        assert_eq!(keys(&hot, b""), ["call/1", "reg/100"]);
    }
}

#[test]
fn reading_sees_what_is_not_committed_yet() {
    let dir = tempfile::tempdir().unwrap();
    // An interval so long that the thread does not commit in between.
    let hot = Hot::open(dir.path(), every(60_000)).unwrap();
    hot.keep(b"a/1", b"1").unwrap();
    hot.keep(b"a/2", b"2").unwrap();
    hot.commit().unwrap();
    hot.forget(b"a/1").unwrap();
    hot.keep(b"a/3", b"3").unwrap();
    hot.keep(b"b/1", b"no").unwrap();
    assert_eq!(keys(&hot, b"a/"), ["a/2", "a/3"]);
    assert_eq!(hot.get(b"a/1").unwrap(), None);
    assert_eq!(hot.scan_some(b"a/", 1).unwrap().len(), 1);
    assert_eq!(hot.scan_some(b"a/", 1).unwrap()[0].0, b"a/2");
}

#[test]
fn a_batch_with_one_impossible_change_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let hot = Hot::open(dir.path(), every(10)).unwrap();
    let mut batch = Batch::default();
    batch.keep(b"fine", b"1").keep(&[7; MAX_KEY + 1], b"2");
    assert_eq!(hot.apply(batch), Err(HotError::TooLarge));
    assert_eq!(hot.keep(b"", b"no key"), Err(HotError::TooLarge));
    assert_eq!(hot.keep(b"k", &vec![0; MAX_VALUE + 1]), Err(HotError::TooLarge));
    assert_eq!(hot.scan(b"").unwrap(), []);
}

#[test]
fn while_the_disk_takes_nothing_changes_wait_in_memory_up_to_a_limit_and_are_written_when_it_does() {
    let dir = tempfile::tempdir().unwrap();
    let hot = Hot::open(dir.path(), every(5)).unwrap();
    hot.keep(b"before", b"1").unwrap();
    hot.commit().unwrap();
    hot.break_disk();

    hot.keep(b"during", b"2").unwrap();
    assert_eq!(hot.commit(), Err(HotError::Waiting("no space left on device".into())));
    hot.forget(b"before").unwrap();
    // The same key again takes no more room.
    for _ in 0..100 {
        hot.keep(b"big", &vec![1; MAX_VALUE]).unwrap();
    }
    let mut n = 0u32;
    let refused = loop {
        n += 1;
        if let Err(refusal) = hot.keep(&n.to_be_bytes(), &vec![0; 1 << 20]) {
            break refusal;
        }
        assert!(n < 100, "memory has a limit");
    };
    assert_eq!(refused, HotError::Full);

    hot.mend_disk();
    until("the thread writes what waits", || hot.commit().is_ok());
    drop(hot);
    let hot = Hot::open(dir.path(), every(5)).unwrap();
    assert_eq!(hot.get(b"during").unwrap().as_deref(), Some(b"2".as_slice()));
    assert_eq!(hot.get(b"before").unwrap(), None);
    assert_eq!(hot.scan(b"").unwrap().len(), n as usize + 1);
}

#[test]
fn the_thread_brings_what_was_committed_to_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let hot = Hot::open(dir.path(), every(5)).unwrap();
    hot.keep(b"a", b"1").unwrap();
    hot.commit().unwrap();
    until("the log is synced", || !hot.0.shared.lock().unsynced);
    let mut log = NewestLog::default();
    assert_eq!(log.sync(dir.path()), Ok(()));
    assert!(log.sync(&dir.path().join("none")).is_err());
    assert_eq!(log.sync(dir.path()), Ok(()));
}

#[test]
fn a_second_process_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _hot = Hot::open(dir.path(), every(10)).unwrap();
    assert_eq!(Hot::open(dir.path(), every(10)).err(), Some(HotError::Open("another process has it open".into())));
}

#[test]
fn many_threads_keep_at_once_and_overwritten_values_do_not_pile_up() {
    let dir = tempfile::tempdir().unwrap();
    let hot = Hot::open(dir.path(), every(20)).unwrap();
    thread::scope(|scope| {
        for worker in 0..4u8 {
            let hot = hot.clone();
            scope.spawn(move || {
                for round in 0..200u32 {
                    for key in 0..20u8 {
                        hot.keep(&[worker, key], &[round.to_be_bytes().as_slice(), &[0; 1500]].concat()).unwrap();
                    }
                    until("the disk keeps up", || hot.commit().is_ok());
                }
            });
        }
    });
    let all = hot.scan(b"").unwrap();
    assert_eq!(all.iter().map(|(key, _)| key.clone()).collect::<BTreeSet<_>>().len(), 80);
    assert!(all.iter().all(|(_, value)| value.starts_with(&199u32.to_be_bytes())));
}

#[test]
fn it_goes_on_however_much_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let hot = Hot::open(dir.path(), every(20)).unwrap();
    for round in 0..40u32 {
        for key in 0..1000u32 {
            let value = [round.to_be_bytes().as_slice(), &[0; 2000]].concat();
            hot.keep(&key.to_be_bytes(), &value).unwrap();
            if key % 10 == 0 {
                until("the disk keeps up", || hot.commit().is_ok());
            }
        }
    }
    until("the disk keeps up", || hot.commit().is_ok());
    let all = hot.scan(b"").unwrap();
    assert_eq!(all.len(), 1000);
    assert!(all.iter().all(|(_, value)| value.starts_with(&39u32.to_be_bytes())));
}

#[test]
fn the_newest_log_is_looked_for_again_when_the_folder_changed() {
    let dir = tempfile::tempdir().unwrap();
    let make = |name: &str| std::fs::write(dir.path().join(name), name).unwrap();
    let mut log = NewestLog::default();
    let length = |log: &mut NewestLog| log.find(dir.path()).map(|file| file.metadata().unwrap().len()).ok();
    make("9.jnl");
    make("other");
    assert_eq!(length(&mut log), Some(5));
    make("10.jnl");
    assert_eq!(length(&mut log), Some(6), "in the same tick");
    // Long ago, so that it is believed.
    let set = |seconds| {
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        std::fs::File::open(dir.path()).unwrap().set_modified(time).unwrap();
    };
    set(1000);
    assert_eq!(length(&mut log), Some(6));
    make("100.jnl");
    set(1000);
    assert_eq!(length(&mut log), Some(6), "no look is taken while the time is the same");
    set(1001);
    assert_eq!(length(&mut log), Some(7));
}
