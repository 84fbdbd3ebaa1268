//! HTTP connections, plain and over TLS, for one router: bounded in number, with a handshake that nobody can draw out.

use crate::net::streams::{Addresses, Bound, Gate, Pass};
use crate::tls::Tls;
use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::{Next, from_fn};
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connections that have shaken hands and wait to be served.
const WAITING: usize = 64;

/// Serves a router on an address.
pub fn serve(bound: Bound, tls: Option<Arc<Tls>>, gate: Gate, app: Router) -> JoinHandle<()> {
    let (ready, accepted) = mpsc::channel(WAITING);
    let secure = tls.is_some();
    let address = Addresses { local: bound.address, remote: bound.address, secure };
    tokio::spawn(accept(bound, tls, gate, ready));
    // The API knows peers by their address alone.
    let app = app.layer(from_fn(|mut request: Request, next: Next| async move {
        if let Some(ConnectInfo(ends)) = request.extensions().get::<ConnectInfo<Addresses>>().copied() {
            request.extensions_mut().insert(ConnectInfo(ends.remote));
        }
        next.run(request).await
    }));
    let app = app.into_make_service_with_connect_info::<Addresses>();
    tokio::spawn(async move {
        if let Err(e) = axum::serve(Accepted { accepted, address }, app).await {
            tracing::error!("the HTTP server ended: {e}");
        }
    })
}

/// Ends when nobody serves any more.
async fn accept(bound: Bound, tls: Option<Arc<Tls>>, gate: Gate, ready: mpsc::Sender<(Connection, Addresses)>) {
    loop {
        let (stream, remote) = tokio::select! {
            accepted = bound.accept() => accepted,
            () = ready.closed() => return,
        };
        // Whoever is not let in sees its connection closed.
        let Ok(pass) = gate.enter(remote.ip()) else { continue };
        let (tls, ready) = (tls.clone(), ready.clone());
        tokio::spawn(async move {
            let Ok(local) = stream.local_addr() else { return };
            let local = SocketAddr::new(local.ip(), local.port());
            let ends = Addresses { local, remote, secure: tls.is_some() };
            let stream = match tls {
                None => Stream::Plain(stream),
                Some(tls) => match timeout(HANDSHAKE, tls.accept_web(stream)).await {
                    Ok(Ok(stream)) => Stream::Secured(Box::new(stream)),
                    Ok(Err(_)) | Err(_) => return,
                },
            };
            drop(ready.send((Connection { stream, _pass: pass }, ends)).await);
        });
    }
}

struct Accepted {
    accepted: mpsc::Receiver<(Connection, Addresses)>,
    address: Addresses,
}

impl Listener for Accepted {
    type Io = Connection;
    type Addr = Addresses;

    async fn accept(&mut self) -> (Connection, Addresses) {
        match self.accepted.recv().await {
            Some(accepted) => accepted,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Addresses> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Accepted>> for Addresses {
    fn connect_info(stream: IncomingStream<'_, Accepted>) -> Self {
        *stream.remote_addr()
    }
}

/// A connection, counted as long as it lives.
struct Connection {
    stream: Stream,
    _pass: Pass,
}

enum Stream {
    Plain(TcpStream),
    Secured(Box<TlsStream<TcpStream>>),
}

macro_rules! forward {
    ($self:ident, $method:ident $(, $argument:ident)*) => {
        match &mut $self.get_mut().stream {
            Stream::Plain(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Secured(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_read, cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, poll_write, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_flush, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, poll_shutdown, cx)
    }
}
