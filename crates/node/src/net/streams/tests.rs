//! Streams over real sockets; workers are inboxes that the test empties itself.

use super::*;
use crate::tls::{ClientCertificates, Settings as TlsSettings, Tls, install_provider, self_signed};
use axum::Router;
use axum::routing::any;
use futures_util::{SinkExt as _, StreamExt as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite;
use tungstenite::client::IntoClientRequest as _;

const LONG: Duration = Duration::from_secs(8);

pub(super) struct Bench {
    pub(super) streams: Streams,
    inboxes: Arc<[Inbox]>,
    address: SocketAddr,
}

impl Bench {
    pub(super) fn new(gate: GateLimits, tls: Option<Arc<Tls>>) -> Self {
        install_provider();
        let inboxes: Arc<[Inbox]> = vec![Inbox::new().unwrap(), Inbox::new().unwrap()].into();
        let settings = Settings { gate, idle: Duration::from_secs(60), locals: Locals::default() };
        let streams = Streams::new(settings, Arc::clone(&inboxes), Clients::new());
        let bound = bind(&["127.0.0.1:0".parse().unwrap()], "[sip] tcp").unwrap().remove(0);
        let address = bound.address;
        streams.serve(bound, tls);
        Self { streams, inboxes, address }
    }

    pub(super) fn open() -> Self {
        Self::new(GateLimits { total: 100, per_source: 100, unproven: 100 }, None)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The next letter to worker `to`.
    pub(super) async fn letter(&self, to: usize) -> Body {
        let next = async {
            loop {
                if let Some(envelope) = self.inboxes[to].take_envelope() {
                    return envelope.body;
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(LONG, next).await.expect("a letter")
    }

    /// The next message, and which worker got it.
    pub(super) async fn message(&self) -> (usize, Flow, Bytes) {
        let next = async {
            loop {
                for (to, inbox) in self.inboxes.iter().enumerate() {
                    if let Some(Body::Datagram { flow, data }) = inbox.take_envelope().map(|envelope| envelope.body) {
                        return (to, flow, data);
                    }
                }
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(LONG, next).await.expect("a message")
    }

    pub(super) fn count(&self, cause: Cause) -> u64 {
        self.streams.figures().causes[cause as usize]
    }
}

pub(super) fn options(call_id: &str, via: &str) -> String {
    format!(
        "OPTIONS sip:pbx SIP/2.0\r\nVia: SIP/2.0/{via};branch=z9hG4bK{call_id}\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:pbx>\r\n\
         Call-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

async fn read_some(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let count = timeout(LONG, stream.read(&mut buffer)).await.expect("something to read").unwrap_or(0);
    buffer.truncate(count);
    buffer
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
}

#[tokio::test]
async fn a_message_goes_straight_to_its_owner_the_answer_back_and_a_ping_gets_its_pong() {
    let bench = Bench::open();
    let mut phone = bench.connect().await;
    for call_id in ["a", "b", "c", "d"] {
        let text = options(call_id, "TCP phone.invalid");
        write(&mut phone, &text).await;
        let (to, flow, data) = bench.message().await;
        assert_eq!(to, usize::from(cell::owner(text.as_bytes(), 2)));
        assert_eq!(
            (flow.transport, flow.local, flow.remote),
            (Transport::Tcp, bench.address, phone.local_addr().unwrap())
        );
        assert_eq!(data, text);
        bench.streams.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n")).unwrap();
        assert_eq!(read_some(&mut phone).await, b"SIP/2.0 200 OK\r\n\r\n");
    }
    write(&mut phone, "\r\n\r\n").await;
    assert_eq!(read_some(&mut phone).await, b"\r\n");
    assert_eq!(bench.streams.figures().open, [1, 0, 0, 0]);
    drop(phone);
    for worker in 0..2 {
        assert!(matches!(bench.letter(worker).await, Body::StreamClosed { .. }));
    }
    assert_eq!(bench.streams.figures().open, [0; 4]);
}

#[tokio::test]
async fn a_stream_cut_at_every_byte_carries_the_same_messages() {
    let bench = Bench::open();
    let text = options("cut", "TCP phone.invalid");
    for at in 1..text.len() {
        let mut phone = bench.connect().await;
        phone.set_nodelay(true).unwrap();
        let (first, second) = text.split_at(at);
        write(&mut phone, first).await;
        tokio::task::yield_now().await;
        sleep(Duration::from_micros(300)).await;
        write(&mut phone, &format!("{second}{text}")).await;
        assert_eq!(bench.message().await.2, text, "cut at {at}");
        assert_eq!(bench.message().await.2, text, "cut at {at}");
    }
    assert_eq!(bench.count(Cause::Malformed), 0);
}

#[tokio::test]
async fn what_has_no_end_is_answered_and_closed_and_garbage_only_closed() {
    let bench = Bench::open();
    let mut phone = bench.connect().await;
    let text = options("bad", "TCP phone.invalid;rport").replace("Content-Length: 0\r\n", "");
    write(&mut phone, &text).await;
    let answer = String::from_utf8(read_some(&mut phone).await).unwrap();
    assert!(answer.starts_with("SIP/2.0 400 ") && answer.contains("received=127.0.0.1"), "{answer}");
    assert!(read_some(&mut phone).await.is_empty());
    let mut phone = bench.connect().await;
    write(&mut phone, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(read_some(&mut phone).await.is_empty());
    assert_eq!(bench.count(Cause::Malformed), 2);
    // A length that goes beyond every bound.
    let mut phone = bench.connect().await;
    write(&mut phone, &options("big", "TCP phone.invalid").replace("Content-Length: 0", "Content-Length: 99999999"))
        .await;
    assert!(read_some(&mut phone).await.starts_with(b"SIP/2.0 513 "));
    assert!(read_some(&mut phone).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_or_stops_in_the_middle_is_closed() {
    let bench = Bench::open();
    let mut phone = bench.connect().await;
    assert!(read_some_within(&mut phone, Duration::from_secs(11)).await.is_empty());
    assert_eq!(bench.count(Cause::Silent), 1);
    let mut phone = bench.connect().await;
    let text = options("slow", "TCP phone.invalid");
    write(&mut phone, &text).await;
    write(&mut phone, &text[..100]).await;
    bench.message().await;
    assert!(read_some_within(&mut phone, Duration::from_secs(12)).await.is_empty());
    assert_eq!((bench.count(Cause::SlowWriter), bench.count(Cause::Silent)), (1, 1));
}

async fn read_some_within(stream: &mut TcpStream, limit: Duration) -> Vec<u8> {
    let mut buffer = vec![0; 1024];
    let count = timeout(limit, stream.read(&mut buffer)).await.expect("an end").unwrap_or(0);
    buffer.truncate(count);
    buffer
}

#[tokio::test]
async fn who_does_not_read_is_closed_and_nobody_waits_for_it() {
    let bench = Bench::open();
    let mut phone = bench.connect().await;
    write(&mut phone, &options("r", "TCP phone.invalid")).await;
    let (_, flow, _) = bench.message().await;
    let piece = Bytes::from(vec![b'x'; 60_000]);
    let refused = (0..10_000).find(|_| bench.streams.send(&flow, piece.clone()).is_err());
    // What the kernel takes and what our queue holds is all that there ever is.
    assert!(refused.is_some_and(|n| n < 1_000), "{refused:?}");
    assert!(matches!(bench.letter(0).await, Body::StreamClosed { .. }));
    assert!(bench.count(Cause::SlowReader) >= 1);
}

#[tokio::test]
async fn one_source_and_all_who_say_nothing_have_bounds_and_others_stay_unharmed() {
    let bench = Bench::new(GateLimits { total: 10, per_source: 6, unproven: 3 }, None);
    let mut good = bench.connect().await;
    write(&mut good, &options("good", "TCP phone.invalid")).await;
    let (_, flow, _) = bench.message().await;
    let mut flood = Vec::new();
    for _ in 0..5 {
        flood.push(bench.connect().await);
    }
    for late in &mut flood[3..] {
        assert!(read_some(late).await.is_empty());
    }
    assert_eq!(bench.count(Cause::TooManyUnproven), 2);
    bench.streams.send(&flow, Bytes::from_static(b"hello")).unwrap();
    assert_eq!(read_some(&mut good).await, b"hello");
    for (n, stream) in flood[..3].iter_mut().enumerate() {
        write(stream, &options(&format!("f{n}"), "TCP phone.invalid")).await;
        bench.message().await;
    }
    let _more = [bench.connect().await, bench.connect().await];
    let mut late = bench.connect().await;
    assert!(read_some(&mut late).await.is_empty());
    assert_eq!(bench.count(Cause::TooManyOfSource), 1);
}

#[tokio::test]
async fn a_peer_is_connected_to_once_and_what_cannot_be_connected_fails_for_all_workers() {
    let bench = Bench::open();
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let flow = Flow {
        transport: Transport::Tcp,
        local: "127.0.0.7:5060".parse().unwrap(),
        remote: peer.local_addr().unwrap(),
    };
    bench.streams.send(&flow, Bytes::from_static(b"one ")).unwrap();
    bench.streams.send(&flow, Bytes::from_static(b"two")).unwrap();
    let (mut stream, from) = peer.accept().await.unwrap();
    // From the address that the peer is told.
    assert_eq!(from.ip(), flow.local.ip());
    let mut text = [0; 7];
    stream.read_exact(&mut text).await.unwrap();
    assert_eq!(&text, b"one two");
    write(&mut stream, &options("back", "TCP peer.invalid")).await;
    assert_eq!(bench.message().await.1, flow);
    drop((stream, peer));
    assert!(matches!(bench.letter(0).await, Body::StreamClosed { .. }));
    assert!(matches!(bench.letter(1).await, Body::StreamClosed { .. }));
    bench.streams.send(&flow, Bytes::from_static(b"three")).unwrap();
    for worker in 0..2 {
        assert!(matches!(bench.letter(worker).await, Body::SendFailed { flow: failed } if failed == flow));
    }
    let browser = Flow { transport: Transport::Ws, ..flow };
    assert_eq!(bench.streams.send(&browser, Bytes::new()), Err(Unsent));
}

#[tokio::test]
async fn an_alias_leads_back_over_the_same_stream_and_a_lost_stream_back_to_its_via() {
    let bench = Bench::open();
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let mut phone = bench.connect().await;
    write(&mut phone, &options("al", "TCP 127.0.0.1:4;alias")).await;
    let (_, flow, _) = bench.message().await;
    let named = Flow { remote: "127.0.0.1:4".parse().unwrap(), ..flow };
    bench.streams.send(&named, Bytes::from_static(b"known")).unwrap();
    assert_eq!(read_some(&mut phone).await, b"known");
    // Nobody gets the messages of another host by saying so.
    write(&mut phone, &options("no", "TCP 192.0.2.77:5060;alias")).await;
    bench.message().await;
    let stranger = "192.0.2.77:5060".parse().unwrap();
    assert!(bench.streams.0.table().find(Transport::Tcp, stranger).is_none());
    drop(phone);
    let gone = [bench.letter(0).await, bench.letter(0).await].map(|body| match body {
        Body::StreamClosed { flow } => flow.remote,
        other => panic!("{other:?}"),
    });
    assert_eq!(gone, [named.remote, flow.remote]);
    let answer = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP phone:{port};received=127.0.0.1;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n"
    );
    bench.streams.send(&flow, answer.clone().into()).unwrap();
    let (mut back, _) = timeout(LONG, elsewhere.accept()).await.unwrap().unwrap();
    assert_eq!(read_some(&mut back).await, answer.as_bytes());
}

struct Pki {
    dir: tempfile::TempDir,
    tls: Arc<Tls>,
}

fn files(dir: &std::path::Path, name: &str) -> (PathBuf, PathBuf) {
    self_signed(&dir.join(name), &[name.to_owned()]).unwrap()
}

fn pki(clients: impl FnOnce(&std::path::Path) -> ClientCertificates) -> Pki {
    install_provider();
    let dir = tempfile::tempdir().unwrap();
    let certificates = vec![files(dir.path(), "one.example"), files(dir.path(), "two.example")];
    let clients = clients(dir.path());
    let tls = Tls::load(TlsSettings { certificates, obtained: None, fallback: None, clients }).unwrap();
    Pki { dir, tls }
}

/// A TLS phone that asks for `name` and trusts only the certificate of `trusted`.
fn connector(pki: &Pki, trusted: &str, own: Option<&str>) -> TlsConnector {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let mut roots = rustls::RootCertStore::empty();
    let (chain, _) = files(pki.dir.path(), trusted);
    roots.add(CertificateDer::from_pem_file(chain).unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let (chain, key) = files(pki.dir.path(), name);
            let chain = vec![CertificateDer::from_pem_file(chain).unwrap()];
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn shake(
    bench: &Bench,
    connector: &TlsConnector,
    name: &'static str,
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = rustls::pki_types::ServerName::try_from(name).unwrap();
    connector.connect(name, bench.connect().await).await
}

#[tokio::test]
async fn tls_shows_the_certificate_that_is_asked_for_and_new_ones_without_dropping_streams() {
    let pki = pki(|_| ClientCertificates::None);
    let bench = Bench::new(GateLimits { total: 9, per_source: 9, unproven: 9 }, Some(Arc::clone(&pki.tls)));
    let mut one = shake(&bench, &connector(&pki, "one.example", None), "one.example").await.unwrap();
    shake(&bench, &connector(&pki, "two.example", None), "two.example").await.unwrap();
    assert!(shake(&bench, &connector(&pki, "two.example", None), "one.example").await.is_err());
    write(&mut one, &options("tls", "TLS phone.invalid")).await;
    let (_, flow, _) = bench.message().await;
    assert_eq!(flow.transport, Transport::Tls);
    // Another certificate for the same name takes its place.
    for file in [files(pki.dir.path(), "one.example").0, files(pki.dir.path(), "one.example").1] {
        std::fs::remove_file(file).unwrap();
    }
    assert!(pki.tls.reload().is_err());
    let old = connector(&pki, "two.example", None);
    files(pki.dir.path(), "one.example");
    pki.tls.reload().unwrap();
    shake(&bench, &connector(&pki, "one.example", None), "one.example").await.unwrap();
    assert!(shake(&bench, &old, "one.example").await.is_err());
    bench.streams.send(&flow, Bytes::from_static(b"still here")).unwrap();
    assert_eq!(read_some(&mut one).await, b"still here");
    // Garbage is no handshake.
    let mut stranger = bench.connect().await;
    write(&mut stranger, "REGISTER sip:x SIP/2.0\r\n\r\n").await;
    while !read_some(&mut stranger).await.is_empty() {}
    assert!(bench.count(Cause::Handshake) >= 1);
}

#[tokio::test]
async fn a_certificate_of_the_peer_can_be_demanded() {
    let pki = pki(|dir| ClientCertificates::Require(files(dir, "phone.example").0));
    let bench = Bench::new(GateLimits { total: 9, per_source: 9, unproven: 9 }, Some(Arc::clone(&pki.tls)));
    let greet = async |connector: TlsConnector| {
        let mut stream = shake(&bench, &connector, "one.example").await.ok()?;
        stream.write_all(options("cc", "TLS 127.0.0.1:4;alias").as_bytes()).await.ok()?;
        let mut byte = [0; 1];
        // In TLS 1.3 a client hears only afterwards that it was turned away.
        match timeout(Duration::from_millis(500), stream.read(&mut byte)).await {
            Err(_) => Some(stream),
            Ok(_) => None,
        }
    };
    assert!(greet(connector(&pki, "one.example", None)).await.is_none());
    assert!(greet(connector(&pki, "one.example", Some("two.example"))).await.is_none());
    let _stream = greet(connector(&pki, "one.example", Some("phone.example"))).await.expect("it is let in");
    bench.message().await;
    // It has proved who it is, so it may say by which address it is known.
    assert!(bench.streams.0.table().find(Transport::Tls, "127.0.0.1:4".parse().unwrap()).is_some());
}

#[tokio::test]
async fn a_tls_peer_is_verified_by_its_name_if_it_has_one() {
    let pki = pki(|_| ClientCertificates::None);
    let bench = Bench::open();
    let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::clone(&pki.tls));
    let remote = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                return read_some(&mut stream).await;
            }
        }
    });
    let flow = Flow { transport: Transport::Tls, local: "127.0.0.1:5061".parse().unwrap(), remote };
    bench.streams.tls_peer(remote, "one.example", true);
    bench.streams.send(&flow, Bytes::from_static(b"secret")).unwrap();
    assert!(matches!(bench.letter(0).await, Body::SendFailed { .. }));
    bench.streams.tls_peer(remote, "one.example", false);
    bench.streams.send(&flow, Bytes::from_static(b"hello")).unwrap();
    assert_eq!(timeout(LONG, served).await.unwrap().unwrap(), b"hello");
}

pub(super) async fn web(bench: &Bench, origins: &[&str]) -> SocketAddr {
    web_with(bench, origins, None).await
}

pub(super) async fn web_with(bench: &Bench, origins: &[&str], tokens: Option<store::Store>) -> SocketAddr {
    let bound = bind(&["127.0.0.1:0".parse().unwrap()], "[http] listen").unwrap().remove(0);
    let address = bound.address;
    let origins: Vec<String> = origins.iter().map(|origin| (*origin).to_owned()).collect();
    let sockets = WebSockets { streams: bench.streams.clone(), origins: origins.into(), tokens };
    let app = Router::new().route("/sip", any(upgrade)).with_state(sockets);
    crate::web::serve(bound, None, bench.streams.web_gate(), app);
    address
}

#[tokio::test]
async fn a_browser_speaks_sip_by_websocket() {
    let bench = Bench::open();
    let address = web(&bench, &["https://crm.example"]).await;
    let request = |origin: Option<&'static str>, protocol: Option<&'static str>| {
        let mut request = format!("ws://{address}/sip").into_client_request().unwrap();
        let headers = request.headers_mut();
        origin.map(|origin| headers.insert("Origin", origin.parse().unwrap()));
        protocol.map(|protocol| headers.insert("Sec-WebSocket-Protocol", protocol.parse().unwrap()));
        request
    };
    let status = async |request| match tokio_tungstenite::connect_async(request).await {
        Ok(_) => 101,
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(status(request(None, None)).await, 400);
    assert_eq!(status(request(Some("https://evil.example"), Some("sip"))).await, 403);
    let (mut socket, response) =
        tokio_tungstenite::connect_async(request(Some("https://crm.example"), Some("chat, sip"))).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
    let text = options("ws", "WS df7jal23ls0d.invalid");
    socket.send(tungstenite::Message::text(text.clone())).await.unwrap();
    let (_, flow, data) = bench.message().await;
    assert_eq!((flow.transport, flow.local, data), (Transport::Ws, address, Bytes::from(text)));
    bench.streams.send(&flow, Bytes::from_static(b"SIP/2.0 200 OK\r\n\r\n")).unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), tungstenite::Message::text("SIP/2.0 200 OK\r\n\r\n"));
    bench.streams.send(&flow, Bytes::from_static(b"\xc4\xe3")).unwrap();
    assert!(socket.next().await.unwrap().unwrap().is_binary());
    socket.send(tungstenite::Message::text("\r\n\r\n")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), tungstenite::Message::text("\r\n"));
    assert_eq!(bench.streams.figures().open, [0, 0, 1, 0]);
    socket.send(tungstenite::Message::text("what is this?")).await.unwrap();
    assert!(matches!(bench.letter(1).await, Body::StreamClosed { flow: closed } if closed == flow));
}

#[tokio::test]
async fn at_the_end_what_waits_is_sent_and_all_streams_are_closed() {
    let bench = Bench::open();
    let mut phone = bench.connect().await;
    write(&mut phone, &options("end", "TCP phone.invalid")).await;
    let (_, flow, _) = bench.message().await;
    bench.streams.send(&flow, Bytes::from_static(b"good-bye")).unwrap();
    bench.streams.close().await;
    assert_eq!(read_some(&mut phone).await, b"good-bye");
    assert!(read_some(&mut phone).await.is_empty());
    assert_eq!(bench.streams.figures().open, [0; 4]);
    assert_eq!(bench.streams.send(&flow, Bytes::new()), Err(Unsent));
}
