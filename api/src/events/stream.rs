//! One client that follows by WebSocket.
//!
//! Text messages, JSON, from the switch only: first `{"ready":{"next":…}}`, then events, and `{"gap":{"from":…,"to":…}}` where some
//! are gone. What a client says is not listened to, but that it is there.

use super::bus::{EventReader, Next, Seat};
use super::filter::Filter;
use super::ring::Gap;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::json;
use std::future::Future;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// Why a client was cut off, as close codes (RFC 6455 §7.4.2).
const GOING_AWAY: (u16, &str) = (1001, "the switch is shutting down");
const TOO_SLOW: (u16, &str) = (4001, "events come faster than they are read: connect again with from=");
const SILENT: (u16, &str) = (4002, "no answer to pings");
const LOGGED_OUT: (u16, &str) = (4003, "the login does not count any more");

/// How patient one is with a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// It takes a message within this time, or is cut off.
    pub(crate) patience: Duration,
    /// Pinged at this distance; with each ping it is checked that the login still counts.
    pub(crate) ping: Duration,
    /// It says nothing for so long, not even by pong: it is gone.
    pub(crate) silence: Duration,
    /// Who is cut off may still read why.
    pub(crate) farewell: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(10),
            ping: Duration::from_secs(20),
            silence: Duration::from_secs(60),
            farewell: Duration::from_secs(30),
        }
    }
}

/// Tells a client what fits, until either side is gone. `counts` asks whether its login still does.
pub(crate) async fn serve<F: Future<Output = bool>>(
    mut socket: WebSocket,
    mut reader: EventReader,
    filter: Filter,
    _seat: Seat,
    pace: Pace,
    counts: impl Fn() -> F,
) {
    let why = follow(&mut socket, &mut reader, &filter, pace, counts).await;
    if let Some(why) = why {
        part(&mut socket, why, pace).await;
    }
}

/// Cuts a client off. One that reads again in time hears why.
async fn part(socket: &mut WebSocket, (code, reason): (u16, &str), pace: Pace) {
    tracing::info!(code, reason, "a client that followed events was cut off");
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let farewell = async {
        if socket.send(close).await.is_ok() {
            // What it said meanwhile must be read, or the connection is reset before it hears why.
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    drop(timeout(pace.farewell, farewell).await);
}

/// `None`: it has left.
async fn follow<F: Future<Output = bool>>(
    socket: &mut WebSocket,
    reader: &mut EventReader,
    filter: &Filter,
    pace: Pace,
    counts: impl Fn() -> F,
) -> Option<(u16, &'static str)> {
    let mut pings = interval_at(Instant::now() + pace.ping, pace.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    let mut message = Some(Message::Text(json!({ "ready": { "next": reader.position() } }).to_string().into()));
    loop {
        if let Some(message) = message.take() {
            match timeout(pace.patience, socket.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(TOO_SLOW),
            }
        }
        tokio::select! {
            next = reader.next() => match next {
                Some(Next::Event(told)) if filter.fits(&told) => message = Some(Message::Text(told.line())),
                Some(Next::Event(_)) => {}
                Some(Next::Gap(gap)) => message = Some(Message::Text(gap_line(gap).into())),
                None => return Some(GOING_AWAY),
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => heard_at = Instant::now(),
            },
            _ = pings.tick() => {
                if heard_at.elapsed() >= pace.silence {
                    return Some(SILENT);
                }
                if !counts().await {
                    return Some(LOGGED_OUT);
                }
                message = Some(Message::Ping(axum::body::Bytes::new()));
            }
        }
    }
}

fn gap_line(Gap { from, to }: Gap) -> String {
    json!({ "gap": { "from": from, "to": to } }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Scope;
    use crate::events::EventBus;
    use axum::extract::ws::WebSocketUpgrade;
    use axum::routing::get;
    use futures_util::StreamExt as _;
    use model::{Event, EventBody};
    use std::sync::Arc;
    use tokio::sync::Notify;
    use tokio_tungstenite::tungstenite::Message as Heard;

    fn everything() -> Filter {
        Filter { scope: Scope::All, kinds: None, extension: None, call: None, queue: None }
    }

    fn text(octets: usize) -> Event {
        let message = model::TextMessage {
            id: "m".into(),
            from: "1".into(),
            to: "2".into(),
            via: None,
            content_type: "text/plain".into(),
            body: vec![b'x'; octets],
            at: 0,
            expires_at: 0,
            state: model::MessageState::Waiting,
            status: 0,
        };
        Event { at: 0, body: EventBody::MessageReceived { message: Box::new(message) } }
    }

    /// A client of a bus whose login counts as often as `counts` says; `cut` is told when it was cut off.
    async fn client(
        bus: &EventBus,
        pace: Pace,
        counts: bool,
        cut: &Arc<Notify>,
    ) -> tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>> {
        let (bus, cut) = (bus.clone(), Arc::clone(cut));
        let handler = move |upgrade: WebSocketUpgrade| async move {
            upgrade.on_upgrade(move |mut socket| async move {
                let mut reader = bus.reader();
                let why = follow(&mut socket, &mut reader, &everything(), pace, async || counts).await;
                cut.notify_one();
                part(&mut socket, why.unwrap_or((1000, "it left")), pace).await;
            })
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("its address");
        tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/", get(handler))).await });
        let (socket, _) = tokio_tungstenite::connect_async(format!("ws://{at}/")).await.expect("a socket");
        socket
    }

    async fn code(
        client: &mut tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
    ) -> u16 {
        loop {
            match client.next().await {
                Some(Ok(Heard::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn one_that_never_reads_is_cut_off_and_hears_why_when_it_does() {
        let (bus, cut) = (EventBus::new(0), Arc::new(Notify::new()));
        let minute = Duration::from_secs(60);
        let pace = Pace { patience: Duration::from_millis(200), ping: minute, silence: minute, farewell: minute };
        let mut asleep = client(&bus, pace, true, &cut).await;
        let flood = bus.clone();
        let flooding = tokio::spawn(async move {
            loop {
                flood.put(text(64 << 10));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        cut.notified().await;
        flooding.abort();
        assert_eq!(code(&mut asleep).await, TOO_SLOW.0);
    }

    #[tokio::test]
    async fn one_whose_login_ends_and_one_that_is_silent_are_cut_off() {
        let (bus, cut) = (EventBus::new(0), Arc::new(Notify::new()));
        let (soon, minute) = (Duration::from_millis(20), Duration::from_secs(60));
        let pace = Pace { patience: minute, ping: soon, silence: minute, farewell: minute };
        assert_eq!(code(&mut client(&bus, pace, false, &cut).await).await, LOGGED_OUT.0);
        // Its pings are answered only when it reads, which it does not.
        let mut silent = client(&bus, Pace { silence: soon * 2, ..pace }, true, &cut).await;
        cut.notified().await;
        cut.notified().await;
        assert_eq!(code(&mut silent).await, SILENT.0);
    }
}
