//! Streams that say nothing, by TCP and by TLS, beside calls that go well.

use crate::failing::{callee, caller};
use crate::patience::{secs, wait_for};
use crate::server::{Server, Setup};
use std::io::Write as _;
use std::net::TcpStream;
use std::time::Instant;

/// The first bytes of a TLS handshake that never goes on.
const HALF_A_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00];

/// One figure of `/metrics`.
fn figure(server: &Server, name: &str) -> u64 {
    let page = ureq::get(format!("http://{}/metrics", server.http())).call().expect("the server answers");
    let page = page.into_body().read_to_string().expect("a whole page");
    let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name} in\n{page}"));
    line.trim().parse().unwrap_or_else(|error| panic!("{name}{line}: {error}"))
}

#[test]
fn half_open_streams_are_bounded_and_calls_beside_them_go_well() {
    let server = Server::start(Setup { silent_streams: 100, ..Setup::default() });
    let phone = callee(&server, "1002", "callee").start();
    let begun = Instant::now();
    let mut flood = Vec::new();
    for n in 0..400 {
        let at = if n % 2 == 0 { server.sip() } else { server.sips() };
        let mut stream = TcpStream::connect(at).expect("the kernel takes it");
        // Whoever was not let in does not hear this.
        let _ = stream.write_all(if n % 2 == 0 { b"REGISTER sip:x SIP/2.0\r\nVia: " } else { HALF_A_HELLO });
        flood.push(stream);
    }
    wait_for("the bound", secs(5), || {
        let refused = figure(&server, "patchbay_sip_streams_ended_badly_total{cause=\"too_many_silent\"}");
        (refused >= 300).then_some(())
    });
    assert!(figure(&server, "patchbay_sip_streams_silent") <= 100);
    caller(&server, "caller").run();
    phone.finish();
    assert_eq!(server.api().newest_of(1)["outcome"], "answered");
    // The silent ones are gone in time, and then streams are let in again.
    wait_for("the end of the silent ones", secs(15), || {
        (figure(&server, "patchbay_sip_streams_silent") == 0).then_some(())
    });
    assert!(begun.elapsed() < secs(40), "{:?}", begun.elapsed());
    let phone = callee(&server, "1002", "callee").start();
    caller(&server, "caller").transport("t1").run();
    phone.finish();
    assert_eq!(server.api().newest_of(2)["outcome"], "answered");
    let warnings = server.logged("WARN");
    assert!(warnings < 10, "{warnings} warnings for one flood");
    drop(flood);
    server.finish();
}
