//! What is no SIP, or bad SIP, costs only itself.

use crate::failing::{callee, caller};
use crate::patience::{millis, secs};
use crate::server::{Server, Setup};
use std::net::UdpSocket;

/// A request with one thing wrong.
fn request(change: impl Fn(String) -> String) -> Vec<u8> {
    let good = "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-bad;rport\r\nMax-Forwards: 70\r\n\
                From: <sip:x@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: bad@127.0.0.1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
    change(good.to_owned()).into_bytes()
}

/// The status of the answer; `None` if none comes.
fn answer(socket: &UdpSocket, data: &[u8]) -> Option<u16> {
    socket.send(data).expect("loopback takes it");
    let mut buffer = [0; 65_535];
    let n = socket.recv(&mut buffer).ok()?;
    let answer = String::from_utf8_lossy(&buffer[..n]).into_owned();
    let status = answer.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    Some(status.unwrap_or_else(|| panic!("no answer at all: {answer}")))
}

#[test]
fn bad_messages_get_the_answer_the_rfc_names_or_none_and_calls_go_on() {
    let server = Server::start(Setup::default());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.connect(server.sip()).expect("loopback");
    socket.set_read_timeout(Some(millis(300))).expect("a limit above zero");
    assert_eq!(answer(&socket, &request(|r| r)), Some(200), "the request that all others are changed from");

    let cases: [(&str, Vec<u8>, Option<u16>); 10] = [
        ("nothing", b"".to_vec(), None),
        ("a keep-alive", b"\r\n\r\n".to_vec(), None),
        ("no text", (0..=255).cycle().take(1_200).collect(), None),
        ("a line of nonsense", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), None),
        ("no Via", request(|r| r.replace("Via:", "X-Via:")), None),
        ("no CSeq", request(|r| r.replace("CSeq: 1 OPTIONS\r\n", "")), Some(400)),
        ("a CSeq of another method", request(|r| r.replace("1 OPTIONS", "1 INVITE")), Some(400)),
        ("a version of the future", request(|r| r.replacen("SIP/2.0", "SIP/7.0", 1)), Some(505)),
        ("shorter than it says", request(|r| r.replace("Content-Length: 0", "Content-Length: 900")), Some(400)),
        ("an unknown method", request(|r| r.replace("OPTIONS", "NEWMETHOD")), Some(501)),
    ];
    for (number, (what, data, status)) in cases.into_iter().enumerate() {
        let text = String::from_utf8_lossy(&data).replace("z9hG4bK-bad", &format!("z9hG4bK-bad{number}"));
        let data = if data.is_ascii() { text.into_bytes() } else { data };
        assert_eq!(answer(&socket, &data), status, "{what}");
    }

    // A flood of it, cut off at every length.
    let whole = request(|r| r);
    for round in 0..20 {
        for cut in (1..whole.len()).step_by(3) {
            socket.send(&whole[..cut]).expect("loopback takes it");
        }
        socket.send(&vec![b'A' + round; 60_000]).expect("loopback takes it");
    }
    let warnings = server.logged("WARN");
    assert!(warnings < 50, "{warnings} warnings for one flood");

    let phone = callee(&server, "1002", "callee").start();
    caller(&server, "caller").talk(secs(1)).run();
    phone.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    server.finish();
}
