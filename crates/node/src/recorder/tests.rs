use super::*;
use cell::RecordingKey;

fn key(cell: u16) -> RecordingKey {
    RecordingKey { cell, id: media::engine::RecordingId::default() }
}

fn read(path: &Path) -> Vec<i16> {
    hound::WavReader::open(path).unwrap().into_samples::<i16>().map(Result::unwrap).collect()
}

fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < until, "it did not happen");
        std::thread::yield_now();
    }
}

fn inboxes() -> Arc<[Inbox]> {
    Arc::from(vec![Inbox::new().unwrap()])
}

#[test]
fn a_killed_recording_is_playable_up_to_the_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (path, t0) = ("2026/11/21/a.wav", Instant::now());
    let mut file = WavFile::create(dir.path(), path, t0).unwrap();
    // Playable from its first moment.
    assert!(read(&dir.path().join(path)).is_empty());
    let page: Vec<i16> = (0..8000).map(|i| (i % 2000) as i16).collect();
    for half_seconds in 1..=20u64 {
        let at = (half_seconds - 1) * 4000;
        file.write(at, &page, t0 + Duration::from_millis(500 * half_seconds)).unwrap();
        // What a kill would leave: the file as it is on the disk, without any farewell.
        let frames = read(&dir.path().join(path)).len() as u64 / 2;
        assert!(half_seconds * 4000 - frames <= 4000 * 2, "{frames} of {}", half_seconds * 4000);
    }
    std::mem::forget(file);
    let left = read(&dir.path().join(path));
    assert!(left.len() >= 9 * 16_000 && left[..8000] == page[..] && left[8000..16_000] == page[..]);
    let spec = hound::WavReader::open(dir.path().join(path)).unwrap().spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (2, 8000, 16));
}

#[test]
fn what_was_lost_between_pages_is_silence_so_that_the_rest_stays_in_time() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = WavFile::create(dir.path(), "a.wav", Instant::now()).unwrap();
    file.write(0, &[1; 100], Instant::now()).unwrap();
    assert_eq!(file.write(20_000, &[2; 100], Instant::now()).unwrap(), (20_000 - 50 + 50) * 4);
    file.finish().unwrap();
    let samples = read(&dir.path().join("a.wav"));
    assert_eq!(samples.len(), 40_100);
    assert!(samples[100..40_000].iter().all(|s| *s == 0) && samples[40_000] == 2);
}

#[test]
fn a_recording_neither_leaves_its_folder_nor_overwrites_another() {
    let dir = tempfile::tempdir().unwrap();
    for path in ["../a.wav", "/tmp/a.wav", "x/../../a.wav"] {
        assert!(WavFile::create(dir.path(), path, Instant::now()).is_err(), "{path}");
    }
    WavFile::create(dir.path(), "a.wav", Instant::now()).unwrap().finish().unwrap();
    assert!(WavFile::create(dir.path(), "a.wav", Instant::now()).is_err());
}

#[test]
fn a_full_disk_is_told_to_the_worker_once_and_the_thread_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    // Opening this name again is refused, as a disk would refuse it.
    std::fs::write(dir.path().join("bad.wav"), "occupied").unwrap();
    let inboxes = inboxes();
    let settings = Settings { dir: dir.path().to_owned(), min_free: 0 };
    let (recorder, handle) = start(settings, Arc::clone(&inboxes)).unwrap();
    assert!(recorder.open(key(0), "bad.wav".to_owned()));
    assert!(recorder.page(key(0), Page::default()));
    assert!(recorder.page(key(0), Page::default()));
    let (failed, note) = wait_for(|| inboxes[0].take_failure());
    assert_eq!(failed, key(0));
    assert!(!note.is_empty());
    assert!(recorder.close(key(0)));
    assert!(recorder.open(key(0), "good.wav".to_owned()) && recorder.close(key(0)));
    recorder.stop();
    handle.join().unwrap();
    assert!(inboxes[0].take_failure().is_none());
    assert_eq!(recorder.figures(), RecorderFigures { open: 0, backlog: 0, octets: 0, failed: 1 });
    assert!(read(&dir.path().join("good.wav")).is_empty());
    // Pages come back even from recordings that failed.
    assert!(inboxes[0].take_page().is_some() && inboxes[0].take_page().is_some());
}

#[test]
fn nothing_is_recorded_while_the_disk_is_nearly_full() {
    let dir = tempfile::tempdir().unwrap();
    let inboxes = inboxes();
    let settings = Settings { dir: dir.path().to_owned(), min_free: u64::MAX };
    let (recorder, handle) = start(settings, Arc::clone(&inboxes)).unwrap();
    assert!(recorder.open(key(0), "a.wav".to_owned()));
    assert!(wait_for(|| inboxes[0].take_failure()).1.contains("room"));
    recorder.stop();
    handle.join().unwrap();
    assert!(!dir.path().join("a.wav").exists());
}

#[test]
fn the_ring_is_bounded_and_says_when_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { dir: dir.path().to_owned(), min_free: 0 };
    let (recorder, handle) = start(settings, inboxes()).unwrap();
    recorder.stop();
    handle.join().unwrap();
    for _ in 0..RING {
        assert!(recorder.close(key(0)));
    }
    assert!(
        !recorder.close(key(0)) && !recorder.open(key(0), String::new()) && !recorder.page(key(0), Page::default())
    );
    assert_eq!(recorder.figures().backlog, RING as u64);
}
