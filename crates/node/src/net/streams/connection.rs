//! The life of one byte stream.

use super::figures::{Cause, StreamFigures};
use super::gate::Pass;
use super::line::{Line, Outgoing};
use super::{FIRST, Shared, WHOLE};
use bytes::Bytes;
use sip_stack::endpoint::Flow;
use sip_stack::message::{Frame, Message, ParseError, ParseErrorKind, StreamFramer};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

/// After the end: what still waits may be sent for so long.
const FLUSH: Duration = Duration::from_secs(1);

/// Octets that are left over between messages without one having begun: half a keep-alive.
const BETWEEN: usize = 3;

/// Who is at the other end.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) flow: Flow,
    /// Its place among all streams.
    pub(super) pass: Pass,
    /// It came to us.
    pub(super) came: bool,
    /// It has to say something soon.
    pub(super) guest: bool,
    /// What it says about other addresses of its own is believed (RFC 5923): over TLS it has proved who it is.
    pub(super) may_alias: bool,
}

/// Carries messages in both directions until one side has enough.
pub(super) async fn run<S>(shared: &Arc<Shared>, io: S, mut peer: Peer, line: Line, outgoing: Outgoing)
where
    S: AsyncRead + AsyncWrite + Send,
{
    let flow = peer.flow;
    let (reader, writer) = tokio::io::split(io);
    let mut closing = shared.closing.subscribe();
    let mut writing = pin!(write(writer, outgoing));
    let cause = tokio::select! {
        cause = read(shared, reader, &mut peer, &line) => cause,
        cause = &mut writing => cause,
        () = line.stopped() => None,
        _ = closing.wait_for(|closing| *closing) => None,
    };
    debug!(transport = %flow.transport, remote = %flow.remote, ?cause, "stream over");
    if let Some(cause) = cause {
        shared.figures.count(cause);
    }
    if peer.came {
        shared.table().note_gone(flow);
    }
    shared.ended(flow, &line).await;
    // Nobody can put anything into the queue any more, so the writer ends when it is empty.
    drop(line);
    if !matches!(cause, Some(Cause::SlowReader)) {
        drop(timeout(FLUSH, writing).await);
    }
}

async fn read<R: AsyncRead + Unpin>(
    shared: &Arc<Shared>,
    mut reader: R,
    peer: &mut Peer,
    line: &Line,
) -> Option<Cause> {
    let mut framer = StreamFramer::default();
    let mut buffer = vec![0; 4096];
    let opened = Instant::now();
    let mut began = opened;
    loop {
        let (until, cause) = if peer.guest {
            (opened + FIRST, Cause::Silent)
        } else if framer.buffered() > BETWEEN {
            (began + WHOLE, Cause::SlowWriter)
        } else {
            (Instant::now() + shared.settings.idle, Cause::Idle)
        };
        let count = match timeout_at(until, reader.read(&mut buffer)).await {
            Err(_) => return Some(cause),
            Ok(Ok(0) | Err(_)) => return None,
            Ok(Ok(count)) => count,
        };
        if framer.buffered() <= BETWEEN {
            began = Instant::now();
        }
        framer.push(&buffer[..count]);
        while let Some(frame) = framer.pop() {
            // What follows a whole message has begun by now.
            began = Instant::now();
            match frame {
                Ok(Frame::Message(message)) => {
                    peer.guest = false;
                    peer.pass.prove();
                    note_alias(shared, peer, line, &message);
                    shared.deliver(peer.flow, message.as_bytes().clone()).await;
                }
                Ok(Frame::Ping) => {
                    StreamFigures::add(&shared.figures.pings);
                    if !line.put(Bytes::from_static(b"\r\n")) {
                        return Some(Cause::SlowReader);
                    }
                }
                Err(error) => malformed(shared, peer, line, &error),
            }
        }
        if framer.is_closed() {
            return None;
        }
    }
}

/// Answers what is no message, if it can be answered.
fn malformed(shared: &Shared, peer: &Peer, line: &Line, error: &ParseError) {
    shared.figures.count(Cause::Malformed);
    debug!(remote = %peer.flow.remote, kind = error.kind().phrase(), "malformed message on a stream");
    if error.kind() != ParseErrorKind::NotSip
        && let Some(reply) = error.reply_to(peer.flow.remote)
    {
        StreamFigures::add(&shared.figures.sent);
        line.put(reply);
    }
}

/// A peer that says `alias` can be sent to by this stream under the port of its Via too (RFC 5923 §6).
fn note_alias(shared: &Shared, peer: &Peer, line: &Line, message: &Message) {
    if !peer.may_alias || !message.is_request() {
        return;
    }
    let Ok(via) = message.via() else { return };
    if via.params.has("alias") && via.host().ip() == Some(peer.flow.remote.ip()) {
        let port = via.port().unwrap_or(peer.flow.transport.default_port());
        shared.table().alias(peer.flow, line, SocketAddr::new(peer.flow.remote.ip(), port));
    }
}

async fn write<W: AsyncWrite + Unpin>(mut writer: W, mut outgoing: Outgoing) -> Option<Cause> {
    let mut piece = Vec::new();
    while outgoing.next(&mut piece).await.is_some() {
        let sent = async {
            writer.write_all(&piece).await?;
            writer.flush().await
        };
        match timeout(WHOLE, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return None,
            Err(_) => return Some(Cause::SlowReader),
        }
        // An idle stream keeps no memory for what it once sent.
        piece.shrink_to(4096);
    }
    drop(timeout(FLUSH, writer.shutdown()).await);
    None
}
