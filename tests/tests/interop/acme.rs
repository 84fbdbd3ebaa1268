//! A certificate from an ACME authority: pebble, which checks by HTTP and by TLS as the public ones do.

use crate::patience::{end_of, secs, wait_for};
use crate::ports;
use crate::server::{Server, Setup};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The authority. Dropped, it is killed.
struct Pebble(Child);

impl Pebble {
    /// With its files in `dir`; its own certificate is there already.
    fn start(dir: &Path, port: u16, http: u16, tls: u16) -> Self {
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{}", ports::one()),
            "certificate": dir.join("authority.pem"),
            "privateKey": dir.join("authority.key"),
            "httpPort": http,
            "tlsPort": tls,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
        }});
        let file = dir.join("pebble.json");
        std::fs::write(&file, config.to_string()).expect("room on the disk");
        let log = std::fs::File::create(dir.join("pebble.log")).expect("its output");
        let process = Command::new("pebble")
            .arg("-config")
            .arg(&file)
            .env("PEBBLE_VA_NOSLEEP", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("its output"))
            .stderr(log)
            .spawn()
            .expect("pebble: install it and run the cases with `make interop`");
        wait_for("the authority", secs(10), || TcpStream::connect(("127.0.0.1", port)).ok());
        Self(process)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = end_of(&mut self.0, secs(2));
    }
}

#[test]
fn a_certificate_is_asked_for_shown_and_kept() {
    asked_for_shown_and_kept(false);
}

/// TLS-ALPN-01 (RFC 8737): nothing listens for HTTP.
#[test]
fn a_certificate_is_asked_for_by_tls_too() {
    asked_for_shown_and_kept(true);
}

fn asked_for_shown_and_kept(by_tls: bool) {
    // What a switch makes for itself serves the authority as its own certificate.
    let other = Server::start(Setup::default());
    let own = other.data().join("tls");
    let [chain, key] = ["self-signed.pem", "self-signed.key"].map(|name| std::fs::read(own.join(name)).expect(name));
    other.finish();

    let (directory, listen, nobody) = (ports::one(), ports::one(), ports::one());
    let mut pebble = None;
    let setup = Setup { acme: Some((directory, listen)), acme_by_tls: by_tls, ..Setup::default() };
    let mut server = Server::start_in(setup, |dir| {
        std::fs::write(dir.join("authority.pem"), &chain).expect("room on the disk");
        std::fs::write(dir.join("authority.key"), &key).expect("room on the disk");
        let (http, tls) = if by_tls { (nobody, listen) } else { (listen, nobody) };
        pebble = Some(Pebble::start(dir, directory, http, tls));
    });
    wait_for("the certificate", secs(60), || (server.logged("new certificate by ACME") > 0).then_some(()));
    wait_for("its use", secs(10), || (server.logged("certificates loaded anew") > 0).then_some(()));
    let shown = shown(server.sips());
    assert!(shown.contains("Pebble Intermediate"), "{shown}");
    // The next start uses what it has.
    server.terminate();
    assert!(server.end().success());
    drop(pebble);
    server.restart();
    assert_eq!(server.logged("new certificate by ACME"), 1);
    server.finish();
}

/// What openssl sees of a TLS server.
fn shown(at: std::net::SocketAddr) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-servername", "localhost", "-connect", &at.to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("openssl");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
