//! Streams that come to us.

use super::connection::{Peer, run};
use super::figures::{Cause, StreamFigures};
use super::{FIRST, Shared, Streams};
use crate::net::BindError;
use crate::tls::Tls;
use nix::sys::socket::{setsockopt, sockopt};
use sip_stack::endpoint::{Flow, Transport};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Connections that the kernel completes before we take them.
const BACKLOG: i32 = 1024;

/// How long the peer's host may leave what we sent unacknowledged, milliseconds: a phone that lost its network is found out by the first
/// call for it, and not a quarter of an hour later.
const UNHEARD_MILLIS: u32 = 20_000;

/// A bound listener.
#[derive(Debug)]
pub struct Bound {
    /// Its address, with its real port.
    pub address: SocketAddr,
    listener: TcpListener,
}

/// Binds stream listeners. `setting` is what the operator can correct if that fails.
pub fn bind(addresses: &[SocketAddr], setting: &'static str) -> Result<Vec<Bound>, BindError> {
    let bind = |&address: &SocketAddr| listen(address).map_err(|source| BindError::new(setting, address, source));
    addresses.iter().map(bind).collect()
}

fn listen(address: SocketAddr) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    // What a former process left in TIME_WAIT is no hindrance.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    Ok(Bound { address: listener.local_addr()?, listener })
}

impl Bound {
    /// The next connection, set up as streams should be.
    pub async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, remote)) => {
                    prepare(&stream);
                    return (stream, plain(remote));
                }
                // Most likely too many open files: others must end first.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
}

/// No waiting for more to send, and a peer that is dead is found out.
pub(super) fn prepare(stream: &TcpStream) {
    drop(stream.set_nodelay(true));
    let alive =
        TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15)).with_retries(4);
    drop(SockRef::from(stream).set_tcp_keepalive(&alive));
    let _ = setsockopt(stream, sockopt::TcpUserTimeout, &UNHEARD_MILLIS);
}

/// Without the parts of an IPv6 address that say nothing about the peer.
pub(super) fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip(), address.port())
}

impl Streams {
    /// Takes SIP streams from now on, until all streams are closed.
    pub fn serve(&self, bound: Bound, tls: Option<Arc<Tls>>) {
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let mut closing = shared.closing.subscribe();
            loop {
                let (stream, remote) = tokio::select! {
                    accepted = bound.accept() => accepted,
                    _ = closing.wait_for(|closing| *closing) => return,
                };
                let pass = match shared.gate.enter(remote.ip()) {
                    Ok(pass) => pass,
                    Err(why) => {
                        shared.refused(why);
                        continue;
                    }
                };
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    let transport = if tls.is_some() { Transport::Tls } else { Transport::Tcp };
                    let Ok(local) = stream.local_addr() else { return };
                    let local = shared.settings.locals.told(plain(local), remote.ip());
                    let flow = Flow { transport, local, remote };
                    let peer = Peer { flow, pass, came: true, guest: true, may_alias: true };
                    serve_one(&shared, stream, peer, tls.as_deref()).await;
                });
            }
        });
    }
}

async fn serve_one(shared: &Arc<Shared>, stream: TcpStream, peer: Peer, tls: Option<&Tls>) {
    match tls {
        None => begin(shared, stream, peer).await,
        Some(tls) => match timeout(FIRST, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let may_alias = stream.get_ref().1.peer_certificates().is_some();
                begin(shared, stream, Peer { may_alias, ..peer }).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(remote = %peer.flow.remote, %error, "TLS handshake");
                shared.figures.count(Cause::Handshake);
            }
            Err(_) => shared.figures.count(Cause::Handshake),
        },
    }
}

async fn begin<S>(shared: &Arc<Shared>, stream: S, peer: Peer)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send,
{
    StreamFigures::add(&shared.figures.accepted);
    let (line, outgoing) = shared.table().open(peer.flow);
    run(shared, stream, peer, line, outgoing).await;
}
