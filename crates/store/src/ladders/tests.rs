use super::*;
use std::fs;
use std::path::Path;

const SOON: Duration = Duration::from_secs(20);

fn call(n: u32) -> CallId {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    CallId::from_bytes(id)
}

fn ladder(n: u32) -> Vec<u8> {
    format!("[{n}]").into_bytes()
}

fn get(ladders: &Ladders, n: u32) -> Option<Vec<u8>> {
    ladders.0.0.get(call(n)).unwrap()
}

async fn keep(ladders: &Ladders, which: impl Iterator<Item = u32>) {
    for n in which {
        ladders.keep(call(n), ladder(n));
    }
    assert!(ladders.flush(SOON).await);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_ladder_is_found_while_it_waits_when_it_is_written_and_by_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("ladders");
    let ladders = Ladders::new(dir.clone(), 100);
    assert_eq!(get(&ladders, 1), None);
    assert!(!dir.exists(), "who only looks makes nothing");
    ladders.keep(call(1), ladder(1));
    assert_eq!(get(&ladders, 1), Some(ladder(1)));
    keep(&ladders, 2..50).await;
    for n in [1, 2, 49] {
        assert_eq!(get(&ladders, n), Some(ladder(n)));
    }
    ladders.keep(call(50), ladder(50));
    // The end waits for what waits.
    drop(ladders);
    let again = Ladders::new(dir, 100);
    for n in [1, 49, 50] {
        assert_eq!(get(&again, n), Some(ladder(n)));
    }
    assert_eq!((get(&again, 51), again.dropped()), (None, 0));
}

#[tokio::test]
async fn the_oldest_files_go_once_the_others_have_enough_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let ladders = Ladders::new(dir.path().into(), 16);
    for first in (0..100).step_by(4) {
        keep(&ladders, first..first + 4).await;
    }
    assert_eq!(files(dir.path()).len(), 4);
    for n in 0..100 {
        assert_eq!(get(&ladders, n), (n >= 84).then(|| ladder(n)), "{n}");
    }
    drop(ladders);
    let fewer = Ladders::new(dir.path().into(), 5);
    assert_eq!((get(&fewer, 91), get(&fewer, 92)), (None, Some(ladder(92))));
    assert_eq!(files(dir.path()).len(), 2);
    let none = Ladders::new(dir.path().into(), 0);
    none.keep(call(200), ladder(200));
    assert_eq!((get(&none, 99), get(&none, 200), none.dropped()), (None, None, 0));
    assert_eq!(files(dir.path()).len(), 0);
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_good_up_to_there_and_nothing_follows_it() {
    let dir = tempfile::tempdir().unwrap();
    keep(&Ladders::new(dir.path().into(), 100), 0..10).await;
    let file = files(dir.path()).remove(0);
    let length = fs::metadata(&file).unwrap().len();
    for cut in [1, 3, 10, 22] {
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length - cut).unwrap();
        let ladders = Ladders::new(dir.path().into(), 100);
        assert_eq!((get(&ladders, 8), get(&ladders, 9)), (Some(ladder(8)), None), "{cut} bytes less");
    }
    // A power cut may also leave zeros.
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length + 4096).unwrap();
    fs::write(dir.path().join("0000000002.ladders"), b"something else").unwrap();
    let ladders = Ladders::new(dir.path().into(), 100);
    keep(&ladders, 10..12).await;
    assert_eq!((get(&ladders, 8), get(&ladders, 9), get(&ladders, 11)), (Some(ladder(8)), None, Some(ladder(11))));
    assert_eq!(fs::metadata(&file).unwrap().len(), length + 4096);
    assert_eq!(files(dir.path()).len(), 3);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_counted_and_the_next_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("ladders");
    fs::write(&folder, b"no folder").unwrap();
    let ladders = Ladders::new(folder.clone(), 100);
    keep(&ladders, 0..10).await;
    assert_eq!(ladders.dropped(), 10);
    fs::remove_file(&folder).unwrap();
    keep(&ladders, 10..12).await;
    assert_eq!((ladders.dropped(), get(&ladders, 11)), (10, Some(ladder(11))));
    // Whoever deletes the files loses what was in them, and nothing else.
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(get(&ladders, 11), None);
}

#[tokio::test]
async fn too_long_ones_and_too_many_at_once_are_counted_and_memory_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let ladders = Ladders::new(dir.path().into(), 100_000);
    ladders.keep(call(0), vec![b'x'; MAX + 1]);
    assert_eq!(ladders.dropped(), 1);
    // The disk holds the thread up.
    let files = ladders.0.0.files();
    for n in 0..20 {
        ladders.keep(call(n), vec![b'x'; MAX]);
    }
    assert_eq!(ladders.dropped(), 1 + 20 - 8);
    drop(files);
    assert!(ladders.flush(SOON).await);
    let files = ladders.0.0.files();
    for n in 100..100 + ROOM.0 as u32 + 5 {
        ladders.keep(call(n), ladder(n));
    }
    assert_eq!(ladders.dropped(), 1 + 20 - 8 + 5);
    drop(files);
    assert!(ladders.flush(SOON).await);
    assert_eq!(get(&ladders, 7).map(|ladder| ladder.len()), Some(MAX));
    assert_eq!(get(&ladders, 100 + 8191), Some(ladder(100 + 8191)));
}
