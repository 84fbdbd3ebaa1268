//! Text to speech: by `espeak-ng` as a child process, or by an engine that is asked by HTTP.

use media::clip::{Clip, ClipError, Kind};
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// An engine that has not spoken by then will not be waited for.
const PATIENCE: Duration = Duration::from_millis(1_700);

/// espeak-ng's usual speed.
const WORDS_PER_MINUTE: u16 = 175;

/// The longest answer of an engine, octets.
const MAX_ANSWER: usize = 32 << 20;

/// Who speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// `espeak-ng`, if it is installed.
    #[default]
    Espeak,
    /// A server: `POST` of `{"text": …, "voice": …, "speed": …}` is answered with a WAV or MP3 file.
    Http(String),
}

impl Engine {
    /// Speaks. Takes its time; not for threads that must not wait.
    ///
    /// # Errors
    ///
    /// If there is no engine, it takes too long, or what it says is no sound.
    pub fn speak(&self, text: &str, voice: &str, speed: u16, runtime: &tokio::runtime::Handle) -> io::Result<Clip> {
        let data = match self {
            Self::Espeak => espeak(text, voice, speed)?,
            Self::Http(url) => runtime.block_on(ask(url, text, voice, speed))?,
        };
        let kind = Kind::sniff(&data).ok_or_else(|| io::Error::other("the speech engine answers with no sound"))?;
        Clip::decode(kind, &data).map_err(|e: ClipError| io::Error::other(e))
    }
}

/// A text as a WAV file.
///
/// # Errors
///
/// If `espeak-ng` is not installed, knows no such voice, or takes too long.
pub fn espeak(text: &str, voice: &str, speed: u16) -> io::Result<Vec<u8>> {
    // By file, not by argument: a text may begin with a dash.
    let mut command = Command::new("espeak-ng");
    command.args(["-b", "1", "--stdin", "--stdout", "-s"]).arg((WORDS_PER_MINUTE * speed / 100).to_string());
    if !voice.is_empty() {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_+".contains(c);
        if voice.starts_with('-') || !voice.chars().all(plain) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not the name of a voice"));
        }
        command.args(["-v", voice]);
    }
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|e| io::Error::new(e.kind(), format!("starting espeak-ng: {e}")))?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let text = text.to_owned();
    let reader = std::thread::spawn(move || {
        let mut data = Vec::new();
        if let Some(mut input) = input {
            io::Write::write_all(&mut input, text.as_bytes())?;
        }
        if let Some(output) = output {
            io::Read::read_to_end(&mut io::Read::take(output, MAX_ANSWER as u64), &mut data)?;
        }
        Ok::<_, io::Error>(data)
    });
    let until = Instant::now() + PATIENCE;
    while !reader.is_finished() {
        if Instant::now() >= until {
            // Its end ends the reader too.
            child.kill()?;
            break;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let data = reader.join().map_err(|_| io::Error::other("reading from espeak-ng failed"))??;
    if child.wait()?.success() { Ok(data) } else { Err(io::Error::other("espeak-ng could not say it")) }
}

async fn ask(url: &str, text: &str, voice: &str, speed: u16) -> io::Result<Vec<u8>> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(io::Error::other)?;
    let wish = serde_json::json!({ "text": text, "voice": voice, "speed": speed }).to_string();
    let asked = client.post(url).header("content-type", "application/json").body(wish).send().await;
    let mut answer = asked.and_then(reqwest::Response::error_for_status).map_err(io::Error::other)?;
    let mut data = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(io::Error::other)? {
        if data.len() + chunk.len() > MAX_ANSWER {
            return Err(io::Error::other("the speech engine answers with too much"));
        }
        data.extend_from_slice(&chunk);
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn espeak_speaks_where_it_is_installed_and_never_takes_a_text_for_an_option() {
        assert!(espeak("hello", "--path=/etc", 100).is_err() && espeak("hello", "a b", 100).is_err());
        if Command::new("espeak-ng").arg("--version").stdout(Stdio::null()).status().is_err() {
            return;
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let said = Engine::Espeak.speak("--version", "en", 100, runtime.handle()).unwrap();
        assert!(said.duration() > Duration::from_millis(300) && said.pcm().iter().any(|s| s.unsigned_abs() > 3_000));
        let more = Engine::Espeak.speak("您好，您拨打的号码是空号。", "cmn", 100, runtime.handle()).unwrap();
        assert!(more.duration() > Duration::from_millis(800), "{more:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_engine_is_asked_by_http_and_believed_only_with_sound() {
        let router = axum::Router::new().route(
            "/speak",
            axum::routing::post(|axum::Json(wish): axum::Json<serde_json::Value>| async move {
                match wish["text"].as_str() {
                    Some("hello") => include_bytes!("../prompts/en/busy.wav").to_vec(),
                    _ => b"I cannot say that".to_vec(),
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/speak", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        crate::tls::install_provider();
        let handle = tokio::runtime::Handle::current();
        let spoken = tokio::task::spawn_blocking(move || {
            let engine = Engine::Http(url);
            let nobody = Engine::Http("http://127.0.0.1:9/".to_owned());
            [(&engine, "hello"), (&engine, "other"), (&nobody, "hello")]
                .map(|(e, text)| e.speak(text, "", 100, &handle).is_ok())
        });
        assert_eq!(spoken.await.unwrap(), [true, false, false]);
    }
}
