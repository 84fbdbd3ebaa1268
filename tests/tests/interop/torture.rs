//! The messages of RFC 4475 and RFC 5118 by TCP, whole and cut at every byte.

use crate::patience::{millis, secs};
use crate::server::{Server, Setup};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

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

fn connect(server: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(server).expect("the server listens");
    stream.set_nodelay(true).expect("a socket takes that");
    stream.set_read_timeout(Some(millis(40))).expect("a limit above zero");
    stream
}

/// What comes until nothing more does.
fn answers(stream: &mut TcpStream) -> String {
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
    let (mut answered, all) = (0, messages());
    assert!(all.len() > 70, "{} messages", all.len());
    for (name, data) in &all {
        let mut stream = connect(server.sip());
        stream.write_all(data).expect("loopback takes it");
        let said = answers(&mut stream);
        assert!(said.is_empty() || said.starts_with("SIP/2.0 "), "{name}: {said}");
        answered += usize::from(!said.is_empty());
        let mut stream = connect(server.sip());
        stream.write_all(options(name).as_bytes()).expect("loopback takes it");
        stream.set_read_timeout(Some(secs(2))).expect("a limit above zero");
        let mut start = [0; 11];
        stream.read_exact(&mut start).unwrap_or_else(|error| panic!("after {name}: {error}"));
        assert_eq!(&start, b"SIP/2.0 200", "after {name}");
    }
    assert!(answered > all.len() / 2, "only {answered} of {} were answered", all.len());
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
