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

fn settings(dir: &tempfile::TempDir, min_free: u64) -> Settings {
    Settings { dir: dir.path().to_owned(), min_free, masters: None, events: api::EventBus::new(0) }
}

fn opened(path: &str) -> Opened {
    Opened { path: path.to_owned(), mixed: false, from: 0 }
}

fn inboxes() -> Arc<[Inbox]> {
    Arc::from(vec![Inbox::new().unwrap()])
}

#[test]
fn a_killed_recording_is_playable_up_to_the_last_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let (path, t0) = ("2026/11/21/a.wav", Instant::now());
    let mut file = WavFile::create(&settings(&dir, 0), &opened(path), t0).unwrap();
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
    let mut file = WavFile::create(&settings(&dir, 0), &opened("a.wav"), Instant::now()).unwrap();
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
        assert!(WavFile::create(&settings(&dir, 0), &opened(path), Instant::now()).is_err(), "{path}");
    }
    WavFile::create(&settings(&dir, 0), &opened("a.wav"), Instant::now()).unwrap().finish().unwrap();
    assert!(WavFile::create(&settings(&dir, 0), &opened("a.wav"), Instant::now()).is_err());
}

#[test]
fn a_full_disk_is_told_to_the_worker_once_and_the_thread_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    // Opening this name again is refused, as a disk would refuse it.
    std::fs::write(dir.path().join("bad.wav"), "occupied").unwrap();
    let inboxes = inboxes();
    let settings = settings(&dir, 0);
    let (recorder, handle) = start(settings, Arc::clone(&inboxes)).unwrap();
    assert!(recorder.open(key(0), opened("bad.wav")));
    assert!(recorder.page(key(0), Page::default()));
    assert!(recorder.page(key(0), Page::default()));
    let (failed, note) = wait_for(|| inboxes[0].take_failure());
    assert_eq!(failed, key(0));
    assert!(!note.is_empty());
    assert!(recorder.close(key(0)));
    assert!(recorder.open(key(0), opened("good.wav")) && recorder.close(key(0)));
    recorder.stop();
    handle.join().unwrap();
    assert!(inboxes[0].take_failure().is_none());
    assert_eq!(recorder.figures(), RecorderFigures { open: 0, backlog: 0, octets: 0, failed: 1, low: false });
    assert!(read(&dir.path().join("good.wav")).is_empty());
    // Pages come back even from recordings that failed.
    assert!(inboxes[0].take_page().is_some() && inboxes[0].take_page().is_some());
}

#[test]
fn nothing_is_recorded_while_the_disk_is_nearly_full() {
    let dir = tempfile::tempdir().unwrap();
    let inboxes = inboxes();
    let settings = settings(&dir, u64::MAX);
    let mut events = settings.events.reader();
    let (recorder, handle) = start(settings, Arc::clone(&inboxes)).unwrap();
    assert!(recorder.open(key(0), opened("a.wav")));
    assert!(wait_for(|| inboxes[0].take_failure()).1.contains("room"));
    recorder.stop();
    handle.join().unwrap();
    assert!(!dir.path().join("a.wav").exists());
    let Some(api::Next::Event(told)) = events.try_next() else { panic!("it is not told") };
    assert!(matches!(told.body, EventBody::DiskLow { low: true, .. }));
    assert!(events.try_next().is_none(), "told once");
    assert!(recorder.figures().low);
}

#[test]
fn a_mixed_recording_has_one_channel() {
    let dir = tempfile::tempdir().unwrap();
    let mut file =
        WavFile::create(&settings(&dir, 0), &Opened { mixed: true, ..opened("a.wav") }, Instant::now()).unwrap();
    assert_eq!(file.write(100, &[3; 50], Instant::now()).unwrap(), 150 * 2);
    file.finish().unwrap();
    assert_eq!(hound::WavReader::open(dir.path().join("a.wav")).unwrap().spec().channels, 1);
    assert_eq!(read(&dir.path().join("a.wav"))[99..102], [0, 3, 3]);
}

#[test]
fn a_recording_goes_on_in_another_file() {
    let dir = tempfile::tempdir().unwrap();
    let (recorder, handle) = start(settings(&dir, 0), inboxes()).unwrap();
    assert!(recorder.open(key(0), opened("a.wav")));
    assert!(recorder.open(key(0), Opened { from: 4_000, ..opened("a.2.wav") }));
    assert!(recorder.close(key(0)));
    recorder.stop();
    handle.join().unwrap();
    assert_eq!(recorder.figures().open, 0);
    let mut second =
        WavFile::create(&settings(&dir, 0), &Opened { from: 4_000, ..opened("b.wav") }, Instant::now()).unwrap();
    second.write(4_010, &[5; 20], Instant::now()).unwrap();
    second.finish().unwrap();
    assert_eq!(read(&dir.path().join("b.wav"))[19..], [&[0][..], &[5; 20]].concat());
    assert!(read(&dir.path().join("a.wav")).is_empty() && read(&dir.path().join("a.2.wav")).is_empty());
}

fn locked(dir: &tempfile::TempDir) -> Settings {
    let path = dir.path().join("master");
    std::fs::write(&path, [9; 32]).unwrap();
    let masters = seal::MasterKeys::read(&path, &[]).unwrap();
    Settings { dir: dir.path().join("recordings"), masters: Some(Arc::new(masters)), ..settings(dir, 0) }
}

/// All of a recording, as the API reads it.
async fn heard(archive: &archive::Archive, path: &str) -> Vec<u8> {
    use api::Recordings as _;
    let found = archive.find(path).await.unwrap();
    let octets = found.octets();
    let whole = Arc::clone(&found).read(0..octets).await.unwrap();
    let part = found.read(50..octets / 2).await.unwrap();
    assert!(part == whole[50..(octets / 2) as usize]);
    whole
}

#[tokio::test]
async fn an_encrypted_recording_is_heard_up_to_its_last_chunk_after_a_kill_and_whole_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let settings = locked(&dir);
    let page: Vec<i16> = (0..8000).map(|i| (i % 2000) as i16 + 1).collect();
    let write = |path: &str| {
        let mut file = WavFile::create(&settings, &opened(path), Instant::now()).unwrap();
        for at in 0..4 {
            file.write(at * 4_000, &page, Instant::now()).unwrap();
        }
        file.write(16_000, &page[..100], Instant::now()).unwrap();
        file
    };
    std::mem::forget(write("2026/killed.wav"));
    write("2026/whole.wav").finish().unwrap();
    let plain = std::fs::read(settings.dir.join("2026/whole.wav.sealed")).unwrap();
    assert!(!plain.windows(4).any(|octets| octets == b"WAVE") && !settings.dir.join("2026/whole.wav").exists());
    let archive = archive::Archive { folder: settings.dir.clone(), masters: settings.masters.clone(), objects: None };
    for (path, samples) in [("2026/killed.wav", 32_000), ("2026/whole.wav", 32_100)] {
        let wav = heard(&archive, path).await;
        let reader = hound::WavReader::new(&wav[..]).unwrap();
        let pcm: Vec<i16> = reader.into_samples::<i16>().map(Result::unwrap).collect();
        assert_eq!((pcm.len(), &pcm[8_000..16_000]), (samples, &page[..]), "{path}");
    }
    for nowhere in ["../master.wav", "2026/none.wav", "/etc/passwd", "2026/whole"] {
        use api::Recordings as _;
        assert!(matches!(archive.find(nowhere).await, Err(api::RecordingTrouble::Missing)), "{nowhere}");
    }
    for masters in [None, Some(seal::MasterKeys::read(&other_key(&dir), &[]).unwrap())] {
        use api::Recordings as _;
        let stranger = archive::Archive { masters: masters.map(Arc::new), ..archive.clone() };
        assert!(matches!(stranger.find("2026/whole.wav").await, Err(api::RecordingTrouble::NoKey)));
    }
}

fn other_key(dir: &tempfile::TempDir) -> PathBuf {
    let path = dir.path().join("other");
    std::fs::write(&path, [8; 32]).unwrap();
    path
}

#[test]
fn the_ring_is_bounded_and_says_when_it_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir, 0);
    let (recorder, handle) = start(settings, inboxes()).unwrap();
    recorder.stop();
    handle.join().unwrap();
    for _ in 0..RING {
        assert!(recorder.close(key(0)));
    }
    assert!(!recorder.close(key(0)) && !recorder.open(key(0), opened("x")) && !recorder.page(key(0), Page::default()));
    assert_eq!(recorder.figures().backlog, RING as u64);
}
