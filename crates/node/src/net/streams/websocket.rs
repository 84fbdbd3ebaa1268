//! SIP over WebSocket (RFC 7118): an HTTP upgrade first, then one SIP message per WebSocket message.

use super::figures::{Cause, StreamFigures};
use super::gate::Pass;
use super::line::{Line, Outgoing};
use super::{FIRST, Shared, Streams, WHOLE};
use axum::extract::ws::{Message as Frame, WebSocket, WebSocketUpgrade};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use cell::Body;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use sip_stack::endpoint::{Flow, Transport};
use sip_stack::message::{Limits, Message, ParseErrorKind};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

/// The subprotocol (RFC 7118 §4).
const PROTOCOL: &str = "sip";

/// How often a browser is asked whether it is still there: proxies on the way forget what is silent for a minute.
const PING: Duration = Duration::from_secs(25);

/// A browser that has not answered for so long is gone.
const GONE: Duration = Duration::from_secs(90);

/// Both ends of an HTTP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Ours, with the address that was asked for.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
    /// Over TLS.
    pub secure: bool,
}

/// Where WebSockets lead, and whose pages may open them.
#[derive(Clone)]
pub struct WebSockets {
    /// All streams.
    pub streams: Streams,
    /// Origins besides our own; `*` for all.
    pub origins: Arc<[String]>,
    /// Who knows whose tokens count; `None`: nobody's do.
    pub tokens: Option<store::Store>,
}

impl std::fmt::Debug for WebSockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebSockets").field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// Turns an HTTP connection into a SIP stream.
pub async fn upgrade(
    State(sockets): State<WebSockets>,
    ConnectInfo(ends): ConnectInfo<Addresses>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    socket: WebSocketUpgrade,
) -> Response {
    let shared = Arc::clone(&sockets.streams.0);
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if !is_welcome(text(header::ORIGIN), text(header::HOST), &sockets.origins) {
        shared.figures.count(Cause::Origin);
        return (StatusCode::FORBIDDEN, "this page may not open SIP connections here; see [sip] origins")
            .into_response();
    }
    let socket = socket.protocols([PROTOCOL]);
    if socket.selected_protocol().is_none() {
        shared.figures.count(Cause::Handshake);
        return (StatusCode::BAD_REQUEST, "the WebSocket subprotocol \"sip\" is spoken here (RFC 7118)")
            .into_response();
    }
    let pass = match shared.gate.enter(ends.remote.ip()) {
        Ok(pass) => pass,
        Err(why) => {
            shared.refused(why);
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let token = token_of(text(header::AUTHORIZATION), query.as_deref());
    let extension = match (token, &sockets.tokens) {
        (None, _) => None,
        (Some(token), Some(store)) => match api::extension_of(store, token).await {
            Some(extension) => Some(extension),
            None => return refuse_token(&shared),
        },
        (Some(_), None) => return refuse_token(&shared),
    };
    let transport = if ends.secure { Transport::Wss } else { Transport::Ws };
    let local = shared.settings.locals.told(ends.local, ends.remote.ip());
    let flow = Flow { transport, local, remote: ends.remote };
    let largest = Limits::default().max_message;
    let socket = socket.max_message_size(largest).max_frame_size(largest);
    socket.on_upgrade(move |socket| async move {
        if let Some(extension) = extension {
            // Before its first message, which goes the same way.
            shared.tell(Body::TokenShown { flow, extension }).await;
        }
        run(&shared, socket, flow, pass).await;
    })
}

fn refuse_token(shared: &Shared) -> Response {
    shared.figures.count(Cause::Handshake);
    (StatusCode::UNAUTHORIZED, "this token does not count, or its user has no extension").into_response()
}

/// The token with which a page opens its connection: `Authorization: Bearer …`, or `?token=…`, for browsers let no page set a header.
fn token_of<'a>(authorization: Option<&'a str>, query: Option<&'a str>) -> Option<&'a str> {
    let bearer = authorization.and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    bearer.or_else(|| query?.split('&').find_map(|pair| pair.strip_prefix("token=")))
}

/// A program that is no browser sends no origin. A page of this host, or of one on the list, may.
fn is_welcome(origin: Option<&str>, host: Option<&str>, allowed: &[String]) -> bool {
    let Some(origin) = origin else { return true };
    let of_this_host = || origin.split_once("://").is_some_and(|(_, rest)| Some(rest) == host);
    allowed.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin)) || of_this_host()
}

async fn run(shared: &Arc<Shared>, socket: WebSocket, flow: Flow, pass: Pass) {
    StreamFigures::add(&shared.figures.accepted);
    let (line, outgoing) = shared.table().open(flow);
    let (sink, stream) = socket.split();
    let mut closing = shared.closing.subscribe();
    let mut writing = pin!(write(sink, outgoing));
    let cause = tokio::select! {
        cause = read(shared, stream, flow, &line, pass) => cause,
        cause = &mut writing => cause,
        () = line.stopped() => None,
        _ = closing.wait_for(|closing| *closing) => None,
    };
    debug!(transport = %flow.transport, remote = %flow.remote, ?cause, "stream over");
    if let Some(cause) = cause {
        shared.figures.count(cause);
    }
    shared.ended(flow, &line).await;
    drop(line);
    if !matches!(cause, Some(Cause::SlowReader)) {
        drop(timeout(Duration::from_secs(1), writing).await);
    }
}

async fn read(
    shared: &Arc<Shared>,
    mut stream: SplitStream<WebSocket>,
    flow: Flow,
    line: &Line,
    mut pass: Pass,
) -> Option<Cause> {
    let opened = Instant::now();
    let mut guest = true;
    loop {
        let (until, cause) =
            if guest { (opened + 3 * FIRST, Cause::Silent) } else { (Instant::now() + GONE, Cause::Idle) };
        let data = match timeout_at(until, stream.next()).await {
            Err(_) => return Some(cause),
            Ok(None | Some(Err(_)) | Some(Ok(Frame::Close(_)))) => return None,
            Ok(Some(Ok(Frame::Text(text)))) => Bytes::from(text),
            Ok(Some(Ok(Frame::Binary(data)))) => data,
            Ok(Some(Ok(Frame::Ping(_) | Frame::Pong(_)))) => continue,
        };
        match what(&data) {
            What::Sip => {
                guest = false;
                pass.prove();
                shared.deliver(flow, data).await;
            }
            What::KeepAlive => {
                StreamFigures::add(&shared.figures.pings);
                if !line.put(Bytes::from_static(b"\r\n")) {
                    return Some(Cause::SlowReader);
                }
            }
            What::Garbage => return Some(Cause::Malformed),
        }
    }
}

enum What {
    Sip,
    KeepAlive,
    Garbage,
}

fn what(data: &Bytes) -> What {
    if data.iter().all(|b| matches!(b, b'\r' | b'\n')) {
        return What::KeepAlive;
    }
    match Message::parse_datagram(data.clone()) {
        Err(error) if error.kind() == ParseErrorKind::NotSip => What::Garbage,
        // Whatever else is wrong, its owner answers.
        Ok(_) | Err(_) => What::Sip,
    }
}

async fn write(mut sink: SplitSink<WebSocket, Frame>, mut outgoing: Outgoing) -> Option<Cause> {
    loop {
        let frame = match timeout(PING, outgoing.message()).await {
            Ok(None) => break,
            Ok(Some(data)) => match String::from_utf8(data.to_vec()) {
                Ok(text) => Frame::text(text),
                Err(_) => Frame::Binary(data),
            },
            Err(_) => Frame::Ping(Bytes::new()),
        };
        match timeout(WHOLE, sink.send(frame)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some(Cause::SlowReader),
        }
    }
    drop(timeout(Duration::from_secs(1), sink.close()).await);
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_by_header_or_query() {
        assert_eq!(token_of(Some("Bearer abc"), None), Some("abc"));
        assert_eq!(token_of(Some("Basic abc"), Some("a=b&token=x.y-z_")), Some("x.y-z_"));
        assert_eq!((token_of(None, Some("tokens=x")), token_of(None, None)), (None, None));
    }

    #[test]
    fn pages_of_this_host_and_of_the_list_are_welcome_and_programs_too() {
        let list = ["https://crm.example".to_owned()];
        let ask = |origin, list: &[String]| is_welcome(origin, Some("pbx.example:9443"), list);
        assert!(ask(None, &[]));
        assert!(ask(Some("https://pbx.example:9443"), &[]));
        assert!(ask(Some("https://CRM.example"), &list));
        assert!(!ask(Some("https://crm.example"), &[]));
        assert!(!ask(Some("https://crm.example.evil.example"), &list));
        assert!(!ask(Some("null"), &list) && ask(Some("null"), &["*".to_owned()]));
    }
}
