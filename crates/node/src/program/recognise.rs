//! Recognition of speech: a leg's sound goes to a recogniser by the WebSocket protocol of the Vosk server, and what it understood
//! comes back as events.
//!
//! The protocol: `{"config":{"sample_rate":8000}}`, then binary messages of 16-bit samples; the recogniser answers with
//! `{"partial":"…"}` while somebody speaks and `{"text":"…"}` at the end of a phrase; `{"eof":1}` asks for the rest. A recogniser
//! that is not there, or goes, is asked again after a pause that grows. Nothing else depends on it.

use super::line::{Line, codec_of};
use super::outbox::Outbox;
use crate::switch::NodeSwitch;
use futures_util::{SinkExt as _, StreamExt as _};
use media::program::{Heard, Wire};
use model::{AudioFormat, CallId, EventBody, LegNo, Listening, Refusal};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tracing::{info, warn};

/// How long the recogniser may take to answer when it is called, and to say its last words.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first pause before it is called again; each failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest text of one result, in characters; what is beyond it is left out.
const MAX_TEXT: usize = 4_096;

/// What a recogniser says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Result {
    partial: Option<String>,
    text: Option<String>,
}

/// Has the party of a leg listened to, until the leg is gone. Refused at once if the leg cannot be heard.
pub(crate) async fn recognise(
    switch: &NodeSwitch,
    (call, leg): (CallId, LegNo),
    url: Arc<str>,
) -> std::result::Result<(), Refusal> {
    let line = Line::open(switch, (call, leg), (AudioFormat::Pcm8, Listening::Says, false)).await?;
    let switch = switch.clone();
    tokio::spawn(async move {
        let heard = Arc::new(Outbox::new());
        let hearing = tokio::spawn(hear(line, Arc::clone(&heard)));
        follow(&switch, (call, leg), &url, &heard).await;
        hearing.abort();
        info!(call = %call, leg, unheard = heard.dropped(), "a leg is no longer listened to by the recogniser");
    });
    Ok(())
}

/// Sound waits for the recogniser a second at most.
async fn hear(line: Line, heard: Arc<Outbox<Vec<u8>>>) {
    let mut wire = Wire::new(codec_of(AudioFormat::Pcm8), false, 0);
    let mut datagram = [0; 2_048];
    while let Ok(len) = line.receive(&mut datagram).await {
        match wire.hear(&datagram[..len]) {
            Heard::Sound(sound) | Heard::Interrupted(sound, _) => heard.put(sound),
            Heard::Nothing => {}
            Heard::Over => break,
        }
    }
    heard.close();
}

/// Calls the recogniser as often as it takes.
async fn follow(switch: &NodeSwitch, at: (CallId, LegNo), url: &str, heard: &Arc<Outbox<Vec<u8>>>) {
    let mut pause = FIRST_PAUSE;
    let mut told = false;
    loop {
        match session(switch, at, url, heard).await {
            Ok(()) => return,
            Err(Fault { why, spoke }) => {
                if spoke {
                    (pause, told) = (FIRST_PAUSE, false);
                }
                if !std::mem::replace(&mut told, true) {
                    warn!(call = %at.0, "the recogniser of [asr] failed and will be called again: {why}");
                    switch.announce(EventBody::AsrFailed { call: at.0, leg: at.1 });
                }
            }
        }
        tokio::select! {
            () = sleep(pause) => {}
            () = heard.closed() => return,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Why a session with the recogniser ended before the leg did.
struct Fault {
    why: String,
    /// It had answered something.
    spoke: bool,
}

async fn session(
    switch: &NodeSwitch,
    (call, leg): (CallId, LegNo),
    url: &str,
    heard: &Outbox<Vec<u8>>,
) -> std::result::Result<(), Fault> {
    let mut spoke = false;
    let fault = |why: String, spoke: bool| Fault { why, spoke };
    let connected = timeout(PATIENCE, tokio_tungstenite::connect_async(url)).await;
    let (socket, _) = connected
        .map_err(|_| fault("it does not answer".to_owned(), spoke))?
        .map_err(|e| fault(e.to_string(), spoke))?;
    let (mut sink, mut source) = socket.split();
    let config = json!({ "config": { "sample_rate": 8_000 } }).to_string();
    let mut next = Message::Text(config.into());
    let mut over = false;
    loop {
        match timeout(PATIENCE, sink.send(next)).await {
            Ok(Ok(())) => {}
            Ok(Err(e)) => return Err(fault(e.to_string(), spoke)),
            Err(_) => return Err(fault("it takes nothing".to_owned(), spoke)),
        }
        if over {
            break;
        }
        next = loop {
            tokio::select! {
                sound = heard.next() => match sound {
                    Some(sound) => break Message::Binary(sound.into()),
                    None => {
                        over = true;
                        break Message::Text(json!({ "eof": 1 }).to_string().into());
                    }
                },
                said = source.next() => match said {
                    Some(Ok(Message::Text(text))) => {
                        spoke = true;
                        tell(switch, (call, leg), &text);
                    }
                    Some(Ok(Message::Close(_))) | None => return Err(fault("it has left".to_owned(), spoke)),
                    Some(Ok(_)) => {}
                    Some(Err(e)) => return Err(fault(e.to_string(), spoke)),
                },
            }
        };
    }
    // Its last words.
    while let Ok(Some(Ok(message))) = timeout(PATIENCE, source.next()).await {
        match message {
            Message::Text(text) => tell(switch, (call, leg), &text),
            Message::Close(_) => break,
            _ => {}
        }
    }
    Ok(())
}

/// What the recogniser understood is told; silence and garbage are not.
fn tell(switch: &NodeSwitch, (call, leg): (CallId, LegNo), said: &str) {
    let Ok(result) = serde_json::from_str::<Result>(said) else { return };
    let (text, complete) = match result {
        Result { text: Some(text), .. } => (text, true),
        Result { partial: Some(text), .. } => (text, false),
        Result { .. } => return,
    };
    if !text.is_empty() {
        let text = text.chars().take(MAX_TEXT).collect();
        switch.announce(EventBody::AsrResult { call, leg, text, complete });
    }
}
