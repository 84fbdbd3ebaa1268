//! Texts that espeak-ng speaks are heard in a call, and spoken once for all.

use crate::patience::{millis, pass, secs};
use crate::server::{Server, Setup};
use crate::talking::{connect, two_phones};
use media::testing::{bursts, speaker_hz};
use serde_json::json;
use std::process::Command;
use std::time::Duration;

const TEXT: &str = "Your parcel will be there tomorrow before noon";

/// How long espeak-ng speaks the text.
fn spoken_for() -> Duration {
    let output =
        Command::new("espeak-ng").args(["-v", "en", "-s", "175", "--stdout", TEXT]).output().expect("espeak-ng");
    let reader = hound::WavReader::new(std::io::Cursor::new(&output.stdout)).expect("a WAV file");
    // Its header promises more than it holds.
    let samples = (output.stdout.len() as u64 - 44) / 2;
    Duration::from_millis(samples * 1_000 / u64::from(reader.spec().sample_rate))
}

#[test]
fn a_text_is_heard_in_a_call_and_spoken_once_for_all_who_hear_it() {
    let server = Server::start(Setup::default());
    let (mut one, mut other) = two_phones(&server);
    connect(&server, &mut one, &mut other, "1002");
    pass(secs(2));
    let call = server.api().calls().remove(0);
    let length = spoken_for();
    for _ in 0..2 {
        let wish = json!({ "leg": 1, "say": [{ "text": TEXT, "voice": "en" }] });
        server.api().play(&call, &wish);
        pass(length + secs(2));
    }
    assert_eq!(server.logged("a text was spoken"), 1, "the second time it is there");
    one.hang_up();
    other.expect("CALL_CLOSED", secs(5));
    pass(millis(500));
    let heard = other.quit().remove(0);
    let pcm = &heard.channels[0];
    // The caller's voice is heard before, between and after; in its gaps the switch speaks.
    let voice = bursts(pcm, speaker_hz(0));
    let gaps: Vec<_> =
        voice.windows(2).map(|pair| pair[0].end..pair[1].start).filter(|gap| gap.end - gap.start > secs(1)).collect();
    assert_eq!(gaps.len(), 2, "{voice:?}");
    for gap in gaps {
        // A phone leaves out some of the silence around a text while it brings its buffer into line with another stream.
        assert!((gap.end - gap.start).abs_diff(length) < millis(450), "{gap:?} for {length:?}");
        let at = |time: Duration| (time.as_millis() * 8) as usize;
        let sound = &pcm[at(gap.start)..at(gap.end)];
        let loud = sound.chunks(160).filter(|frame| frame.iter().any(|s| s.unsigned_abs() > 1_000)).count();
        assert!(loud * 2 > sound.len() / 160, "{loud} loud frames of {}", sound.len() / 160);
    }
    server.finish();
}
