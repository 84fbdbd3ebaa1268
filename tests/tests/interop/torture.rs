//! The messages of RFC 4475 and RFC 5118 by TCP, TLS and WebSocket, whole and cut at every byte; and TLS itself misused.

use crate::patience::{millis, secs};
use crate::server::{Server, Setup};
use crate::tls;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

/// Every message that the torture tests of the SIP layer know.
fn messages() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sip-stack/tests/torture");
    let mut all = Vec::new();
    for rfc in ["rfc4475", "rfc5118"] {
        for entry in std::fs::read_dir(folder.join(rfc)).expect("the messages") {
            let path = entry.expect("its entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            all.push((name, std::fs::read(&path).expect("a message")));
        }
    }
    all.sort();
    all
}

/// A stream, and how long it is listened to.
trait Line: Read + Write {
    fn patience(&self, time: Duration);
}

impl Line for TcpStream {
    fn patience(&self, time: Duration) {
        self.set_read_timeout(Some(time)).expect("a limit above zero");
    }
}

impl Line for tls::Stream {
    fn patience(&self, time: Duration) {
        self.sock.patience(time);
    }
}

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_nodelay(true).expect("a socket takes that");
    stream.set_read_timeout(Some(millis(40))).expect("a limit above zero");
    stream
}

/// What comes until nothing more does.
fn answers(stream: &mut impl Line) -> String {
    let (mut all, mut buffer) = (Vec::new(), [0; 65_536]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn options(branch: &str) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn every_torture_message_by_tcp_gets_an_answer_of_the_protocol_or_an_end() {
    let server = Server::start(Setup::default());
    torture(|| connect(server.sip()));
    server.finish();
}

#[test]
fn every_torture_message_by_tls_gets_an_answer_of_the_protocol_or_an_end() {
    let server = Server::start(Setup::default());
    torture(|| tls::connect(server.sips()));
    server.finish();
}

fn torture<L: Line>(connect: impl Fn() -> L) {
    let (mut answered, all) = (0, messages());
    assert!(all.len() > 70, "{} messages", all.len());
    for (name, data) in &all {
        let mut stream = connect();
        stream.patience(millis(40));
        stream.write_all(data).expect("loopback takes it");
        let said = answers(&mut stream);
        assert!(said.is_empty() || said.starts_with("SIP/2.0 "), "{name}: {said}");
        answered += usize::from(!said.is_empty());
        let mut stream = connect();
        stream.write_all(options(name).as_bytes()).expect("loopback takes it");
        stream.patience(secs(5));
        let mut start = [0; 11];
        stream.read_exact(&mut start).unwrap_or_else(|error| panic!("after {name}: {error}"));
        assert_eq!(&start, b"SIP/2.0 200", "after {name}");
    }
    assert!(answered > all.len() / 2, "only {answered} of {} were answered", all.len());
}

fn page(server: &Server) -> WebSocket<TcpStream> {
    let at = server.http();
    let mut request = format!("ws://{at}/sip").into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().expect("a header"));
    tungstenite::client(request, connect_patiently(at)).expect("the server takes WebSockets").0
}

fn connect_patiently(at: SocketAddr) -> TcpStream {
    let stream = connect(at);
    stream.patience(secs(5));
    stream
}

#[test]
fn every_torture_message_by_websocket_gets_an_answer_of_the_protocol_or_an_end() {
    let server = Server::start(Setup::default());
    let (mut answered, all) = (0, messages());
    for (name, data) in &all {
        let mut page = page(&server);
        page.send(Message::binary(data.clone())).expect("loopback takes it");
        page.get_ref().patience(millis(40));
        while let Ok(message) = page.read() {
            if let Message::Text(_) | Message::Binary(_) = message {
                let text = String::from_utf8_lossy(&message.into_data()).into_owned();
                assert!(text.starts_with("SIP/2.0 "), "{name}: {text}");
                answered += 1;
            }
        }
        let mut other = self::page(&server);
        other.send(Message::text(options(name).replace("SIP/2.0/TCP", "SIP/2.0/WS"))).expect("loopback takes it");
        let heard = other.read().unwrap_or_else(|error| panic!("after {name}: {error}")).into_data();
        assert!(heard.starts_with(b"SIP/2.0 200"), "after {name}: {}", String::from_utf8_lossy(&heard));
    }
    assert!(answered > all.len() / 2, "only {answered} of {} were answered", all.len());
    server.finish();
}

fn asks_by_tls(server: &Server, branch: &str) {
    let mut stream = tls::connect(server.sips());
    stream.patience(secs(10));
    stream.write_all(options(branch).as_bytes()).expect("loopback takes it");
    let mut start = [0; 11];
    stream.read_exact(&mut start).expect("an answer");
    assert_eq!(&start, b"SIP/2.0 200");
}

/// Who wants to renegotiate (which TLS 1.3 no longer has, and we never do) is told no, or loses its stream.
#[test]
fn renegotiation_harms_nobody() {
    let server = Server::start(Setup::default());
    for _ in 0..5 {
        let mut client = Command::new("openssl")
            .args(["s_client", "-tls1_2", "-connect", &server.sips().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl");
        let mut input = client.stdin.take().expect("it is piped");
        for _ in 0..20 {
            // The program may have ended already.
            let _ = input.write_all(b"R\n");
            std::thread::sleep(millis(20));
        }
        drop(input);
        let output = client.wait_with_output().expect("its end");
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("RENEGOTIATING"), "{said}");
        assert!(said.contains("no renegotiation") || said.contains("error"), "{said}");
        asks_by_tls(&server, "after-renegotiation");
    }
    server.finish();
}

#[test]
fn a_stream_cut_at_every_byte_says_the_same() {
    let server = Server::start(Setup::default());
    let length = options("cut000").len();
    let mut stream = connect(server.sip());
    stream.set_read_timeout(Some(secs(2))).expect("a limit above zero");
    for cut in 1..length {
        let text = options(&format!("cut{cut:03}"));
        let (first, second) = text.split_at(cut);
        stream.write_all(first.as_bytes()).expect("loopback takes it");
        std::thread::sleep(millis(1));
        stream.write_all(second.as_bytes()).expect("loopback takes it");
        let mut answer = Vec::new();
        let mut byte = [0; 1];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
            answer.push(byte[0]);
        }
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.starts_with("SIP/2.0 200") && answer.contains(&format!("cut{cut:03}")),
            "cut at {cut}: {answer}"
        );
    }
    server.finish();
}
