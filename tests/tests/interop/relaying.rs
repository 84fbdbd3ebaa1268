//! Pages whose UDP is shut: their sound comes by TCP, or through a TURN server.

use crate::chromium::Page;
use crate::patience::{end_of, secs, wait_for};
use crate::ports;
use crate::server::{Server, Setup};
use crate::talking::phone;
use serde_json::json;
use std::process::{Child, Command, Stdio};

/// How long a handshake may take on a busy machine.
const SOON: std::time::Duration = secs(20);

/// What coturn and the switch know, and nobody else.
const SECRET: &str = "a secret of two servers";

/// A coturn. Dropped, it is killed.
struct Coturn {
    process: Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Coturn {
    fn start() -> Self {
        let (port, relays) = (ports::one(), ports::block(20));
        let dir = tempfile::tempdir().expect("a temporary folder");
        let process = Command::new("turnserver")
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--no-multicast-peers", "--realm=patchbay.test"])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"])
            .arg(format!("--listening-port={port}"))
            .args([format!("--min-port={relays}"), format!("--max-port={}", relays + 19)])
            .args(["--use-auth-secret", &format!("--static-auth-secret={SECRET}")])
            // Here the switch itself is at such an address; nowhere else.
            .arg("--allow-loopback-peers")
            .arg(format!("--pidfile={}", dir.path().join("pid").display()))
            .arg(format!("--log-file={}", dir.path().join("log").display()))
            .arg(format!("--userdb={}", dir.path().join("db").display()))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("coturn: install it and run the cases with `make interop`");
        wait_for("coturn", secs(20), || ports::is_listening(port).then_some(()));
        Self { process, port, _dir: dir }
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = end_of(&mut self.process, secs(5));
    }
}

/// The page calls the desk phone, and both hear each other; how the page's sound goes.
fn converse(server: &Server, page: &mut Page) -> String {
    let mut desk = phone(server, "1002", 1, true);
    page.register(server, "1001");
    page.ask(&format!("phone.call('{}')", server.uri("1002")));
    desk.expect("CALL_ESTABLISHED", SOON);
    page.expect("0 confirmed", SOON);
    page.expect_voice(0, desk.hz, SOON);
    let way = page.ask("phone.way(0)");
    // Until the recording has enough of both.
    page.expect_that("phone.hears(0).db > -60 && phone.calls[0].start_time < Date.now() - 3000", SOON);
    page.ask("phone.hangUp(0)");
    desk.expect("CALL_CLOSED", SOON);
    let page_hz = page.hz;
    assert!(media::testing::hears(&desk.quit()[0].channels[0], page_hz).is_some(), "the phone hears the page");
    way.as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_page_without_udp_speaks_by_tcp_with_the_switch() {
    let server = Server::start(Setup::default());
    let mut page = Page::open(server.http(), 0);
    page.ask("phone.withoutUdp()");
    let way = converse(&server, &mut page);
    // Who connects has a port that it did not know before.
    assert!(way.ends_with(" tcp"), "{way}");
    page.close();
    server.finish();
}

#[test]
fn a_page_speaks_through_a_turn_server_with_credentials_of_the_switch() {
    let coturn = Coturn::start();
    let turn = format!("turn:127.0.0.1:{}?transport=udp", coturn.port);
    let server = Server::start_with(
        Setup::default(),
        &format!("\n[webrtc]\nice_servers = [\"{turn}\"]\nturn_secret = \"{SECRET}\"\n"),
    );
    let mut page = Page::open(server.http(), 0);
    let login = json!({ "username": "1001", "password": server.password("1001") });
    // As the agent's page gets them.
    page.ask(&format!(
        "(async () => {{ const headers = {{ 'content-type': 'application/json' }}; \
         const session = await fetch('/patchbay/v1/session', {{ method: 'POST', headers, body: JSON.stringify({login}) }}); \
         const {{ token }} = await session.json(); \
         const told = await fetch('/patchbay/v1/session/phone', {{ headers: {{ authorization: `Bearer ${{token}}` }} }}); \
         phone.relayedBy((await told.json()).ice_servers); return 0; }})()"
    ));
    assert_eq!(page.ask("phone.relays()"), json!([turn]));
    assert_eq!(converse(&server, &mut page), "relay udp");
    page.close();
    server.finish();
}
