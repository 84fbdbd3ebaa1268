//! The WebSocket of a page: `/ws` (section 4.1 to 4.3).
//!
//! Limits: a frame has at most 64 KiB (close code 4400); 50 frames at once and 20 a second (4400); 4096 pages at one time, more are
//! answered 503; a page that does not take a frame within ten seconds, or has 256 waiting, is cut off (4408) and comes back.

use super::bars::{Letter, Page, Said, unix_ms};
use super::decode::Frame;
use super::encode;
use super::names::Refused;
use crate::state::App;
use crate::token::{self, Invalid};
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use model::User;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

/// The longest frame.
const MAX_FRAME: usize = 64 << 10;
/// Pages at one time.
const MAX_PAGES: usize = 4096;
/// Frames that wait for a page.
const WAITING: usize = 256;
/// A page takes a frame within this.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pinged at this distance, and gone after so long without a word.
const PING: Duration = Duration::from_secs(30);
const SILENCE: Duration = Duration::from_secs(60);
/// Frames at once, and in a second.
const BURST: f64 = 50.0;
const RATE: f64 = 20.0;

static PAGES: AtomicUsize = AtomicUsize::new(0);

/// One of the pages there may be.
struct Counted;

impl Counted {
    fn enter() -> Option<Self> {
        let entered = PAGES.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < MAX_PAGES).then_some(n + 1));
        entered.ok().map(|_| Self)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        PAGES.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Opens the socket. A token that does not count is told so on it, for pages cannot read the status of a refusal.
pub(crate) async fn connect(
    State(app): State<App>,
    headers: HeaderMap,
    uri: Uri,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Ok(socket) = socket else { return StatusCode::BAD_REQUEST.into_response() };
    let Some(counted) = Counted::enter() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let token = token_of(&headers, &uri);
    let user = match token::check(&app, &token).await {
        Ok(user) => Ok(user),
        Err(Invalid::Expired) => Err(Refused::TokenExpired),
        Err(Invalid::Refused) => Err(Refused::TokenInvalid),
        Err(Invalid::Unknown(_)) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let socket = socket.max_message_size(MAX_FRAME).max_frame_size(MAX_FRAME);
    socket.on_upgrade(move |socket| async move {
        let _counted = counted;
        match user {
            Ok(user) => serve(app, user, token, socket).await,
            Err(refused) => refuse(&app, refused, socket).await,
        }
    })
}

fn token_of(headers: &HeaderMap, uri: &Uri) -> String {
    let header = headers.get("x-token").and_then(|value| value.to_str().ok()).filter(|token| !token.is_empty());
    let query = || uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="));
    header.or_else(query).unwrap_or_default().to_owned()
}

async fn refuse(app: &App, refused: Refused, mut socket: WebSocket) {
    let text = encode::error(refused, app.ctibar.language).to_string();
    let told = async {
        if socket.send(Message::Text(text.into())).await.is_ok() {
            part(&mut socket, 4401, "log in again").await;
        }
    };
    drop(timeout(PATIENCE, told).await);
}

/// Says good-bye, and waits a moment for the other side's.
async fn part(socket: &mut WebSocket, code: u16, reason: &'static str) {
    let farewell = async {
        if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    drop(timeout(PATIENCE, farewell).await);
}

async fn serve(app: App, user: User, token: String, mut socket: WebSocket) {
    let id = app.bars.number_page();
    let (to, said) = mpsc::channel(WAITING);
    let name = user.id;
    let Some(bar) = app.bars.attach(&app, user, Page { id, token, to }).await else { return };
    tracing::info!(user = name, page = id, "a toolbar connected");
    let why = follow(&app, &mut socket, said, &bar, id).await;
    tracing::info!(user = name, page = id, why = why.map(|(code, _)| code), "a toolbar's connection ended");
    drop(bar.send(Letter::Gone(id)).await);
    if let Some((code, reason)) = why {
        part(&mut socket, code, reason).await;
    }
}

/// Carries frames to and fro. `None`: the page has left.
async fn follow(
    app: &App,
    socket: &mut WebSocket,
    mut said: mpsc::Receiver<Said>,
    bar: &mpsc::Sender<Letter>,
    id: u64,
) -> Option<(u16, &'static str)> {
    let mut pings = interval_at(Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard_at = Instant::now();
    let mut allowance = Allowance { left: BURST, since: heard_at };
    loop {
        let message = tokio::select! {
            said = said.recv() => match said {
                Some(Said::Text(text)) => Message::Text(text.into()),
                Some(Said::Close(code, why)) => return Some((code, why)),
                None => return Some((4408, "frames come faster than they are read")),
            },
            heard = socket.recv() => {
                heard_at = Instant::now();
                let text = match heard {
                    Some(Ok(Message::Text(text))) => text,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Binary(_))) => return Some((4400, "frames are text")),
                    Some(Ok(Message::Close(_))) | None => return None,
                    // Too large, no UTF-8, or the connection is gone: then nobody hears it.
                    Some(Err(_)) => return Some((4400, "a frame that cannot be read")),
                };
                if !allowance.take(heard_at) {
                    return Some((4400, "too many frames"));
                }
                match Frame::of(&text) {
                    Frame::Ping => encode::pong(unix_ms(), app.ctibar.offset_minutes).to_string().into(),
                    Frame::Bad => encode::error(Refused::BadFrame, app.ctibar.language).to_string().into(),
                    Frame::Nonsense => return Some((4400, "a frame is a JSON object")),
                    Frame::Request(request) => {
                        bar.send(Letter::Request(id, request)).await.ok()?;
                        continue;
                    }
                }
            }
            _ = pings.tick() => {
                if heard_at.elapsed() >= SILENCE {
                    return Some((4408, "nothing was heard for a minute"));
                }
                Message::Ping(Bytes::new())
            }
        };
        match timeout(PATIENCE, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some((4408, "a frame was not taken in time")),
        }
    }
}

/// Frames that a page may still send.
struct Allowance {
    left: f64,
    since: Instant,
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_secs_f64() * RATE;
        self.left = (self.left + earned).min(BURST) - 1.0;
        self.since = now;
        self.left >= 0.0
    }
}
