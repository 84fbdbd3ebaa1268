//! A leg's sound as a WebSocket: binary messages are sound, in both directions; text messages are JSON about it.

use super::line::Line;
use super::outbox::Outbox;
use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt as _, StreamExt as _};
use media::program::{Heard, Wire};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep_until, timeout};
use tracing::{debug, info};

/// A program that takes nothing for so long is gone.
const GONE: Duration = Duration::from_secs(30);

/// What a program may say in text.
#[derive(Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
enum Said {
    /// What it said and was not heard yet, shall not be heard.
    Stop,
}

/// Carries sound until either side is gone.
pub(crate) async fn converse(line: Line, mut wire: Wire, socket: WebSocket) {
    info!(call = %line.call, leg = line.leg, "a program is connected with a leg");
    let (sink, mut source) = socket.split();
    let outbox = Arc::new(Outbox::new());
    let mut writing = tokio::spawn(write(sink, Arc::clone(&outbox)));
    let mut datagram = [0; 2_048];
    let how = loop {
        let due = wire.poll_timeout();
        let wait = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            received = line.receive(&mut datagram) => {
                let Ok(len) = received else { break "the switch cannot be heard" };
                match wire.hear(&datagram[..len]) {
                    Heard::Nothing => {}
                    Heard::Sound(sound) => outbox.put(Message::Binary(sound.into())),
                    Heard::Interrupted(sound, much) => {
                        let told = json!({ "event": "interrupted", "dropped_ms": much.as_millis() as u64 });
                        outbox.put(Message::Text(told.to_string().into()));
                        outbox.put(Message::Binary(sound.into()));
                    }
                    Heard::Over => break "the leg is gone",
                }
            }
            message = source.next() => match message {
                Some(Ok(Message::Binary(sound))) => wire.say(&sound, Instant::now()),
                Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                    Ok(Said::Stop) => drop(wire.hush()),
                    Err(_) => outbox.put(Message::Text(json!({ "event": "not_understood" }).to_string().into())),
                },
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break "the program has left",
            },
            () = wait => {
                if let Some(packet) = wire.handle_timeout(Instant::now()) {
                    line.send(&packet);
                }
            }
            _ = &mut writing => break "the program takes nothing",
        }
    };
    let (unread, unsaid) = (outbox.dropped(), wire.dropped());
    info!(call = %line.call, leg = line.leg, unread, unsaid, "a program is no longer connected: {how}");
    drop(line);
    let told = json!({ "event": "ended", "unread_frames": unread, "unsaid_frames": unsaid });
    outbox.put(Message::Text(told.to_string().into()));
    outbox.put(Message::Close(None));
    outbox.close();
    if !writing.is_finished() && timeout(Duration::from_secs(2), &mut writing).await.is_err() {
        debug!("a program did not take its farewell");
        writing.abort();
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, outbox: Arc<Outbox<Message>>) {
    while let Some(message) = outbox.next().await {
        if !matches!(timeout(GONE, sink.send(message)).await, Ok(Ok(()))) {
            return;
        }
    }
}
