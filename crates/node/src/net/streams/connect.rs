//! Streams that we open.

use super::accept::prepare;
use super::connection::{Peer, run};
use super::figures::{Cause, StreamFigures};
use super::gate::Pass;
use super::line::{Line, Outgoing};
use super::{CONNECT, FIRST, Shared};
use cell::Body;
use sip_stack::endpoint::{Flow, Transport};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tracing::debug;

/// Connects to the peer of `flow` at `reached`, and carries messages from then on; if it cannot be done, every worker hears that nothing
/// is sent by this flow.
pub(super) async fn connect(shared: Arc<Shared>, flow: Flow, reached: Flow, line: Line, outgoing: Outgoing) {
    match open(&shared, reached).await {
        Ok((opened, pass)) => {
            let peer = Peer { flow: reached, pass, came: false, guest: false, may_alias: false };
            match opened {
                Opened::Plain(stream) => run(&shared, stream, peer, line, outgoing).await,
                Opened::Secured(stream) => run(&shared, *stream, peer, line, outgoing).await,
            }
        }
        Err(error) => {
            debug!(transport = %flow.transport, remote = %reached.remote, %error, "no stream");
            shared.figures.count(Cause::Connect);
            shared.table().close(reached, &line);
            shared.tell(Body::SendFailed { flow }).await;
            if reached != flow {
                shared.tell(Body::SendFailed { flow: reached }).await;
            }
        }
    }
}

enum Opened {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

async fn open(shared: &Arc<Shared>, flow: Flow) -> io::Result<(Opened, Pass)> {
    let busy = || io::Error::new(io::ErrorKind::WouldBlock, "too many connections come about at the same time");
    let _permit = Arc::clone(&shared.connecting).try_acquire_owned().map_err(|_| busy())?;
    let mut pass = shared.gate.enter(flow.remote.ip()).map_err(|why| {
        shared.refused(why);
        busy()
    })?;
    let stream = timeout(CONNECT, reach(shared, flow)).await.map_err(|_| io::ErrorKind::TimedOut)??;
    prepare(&stream);
    pass.prove();
    let opened = if flow.transport == Transport::Tls {
        let secured = shared.clients.connect(flow.remote, stream);
        Opened::Secured(Box::new(timeout(FIRST, secured).await.map_err(|_| io::ErrorKind::TimedOut)??))
    } else {
        Opened::Plain(stream)
    };
    StreamFigures::add(&shared.figures.connected);
    Ok((opened, pass))
}

/// From the address that the peer is told, if it is one of this host's own.
async fn reach(shared: &Shared, flow: Flow) -> io::Result<TcpStream> {
    let socket = if flow.remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    let ip = flow.local.ip();
    if !ip.is_unspecified() && shared.settings.locals.advertised != Some(ip) {
        socket.bind(SocketAddr::new(ip, 0))?;
    }
    socket.connect(flow.remote).await
}
