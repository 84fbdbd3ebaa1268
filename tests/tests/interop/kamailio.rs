//! A Kamailio as carrier: a registrar with digest, one customer (the switch) and subscribers of its own (phones).

use crate::patience::{secs, wait_for};
use crate::phone::Way;
use crate::ports;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Not where phones are: what comes from a carrier's address is the carrier's.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The customer's user and password.
pub(crate) const USER: &str = "055510";
pub(crate) const PASSWORD: &str = "let us in";

/// Subscribers' numbers begin with 2 and need no password; everybody else is the customer.
const ROUTES: &str = r#"
request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
    if (has_totag()) {
        if (loose_route()) { t_relay(); exit; }
        if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
        sl_send_reply("404", "Not here");
        exit;
    }
    t_check_trans();
    if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
    if (is_method("REGISTER")) {
        if (!($fU =~ "^2") && !pv_www_authenticate("carrier", "let us in", "0")) { www_challenge("carrier", "0"); exit; }
        save("location");
        exit;
    }
    if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    record_route();
    if ($fU =~ "^2") {
        # A subscriber dials: the customer has all other numbers, and is told by To which one it is.
        $rU = "055510";
    } else {
        if (!pv_proxy_authenticate("carrier", "let us in", "0")) { proxy_challenge("carrier", "0"); exit; }
        consume_credentials();
    }
    if (!lookup("location")) { sl_send_reply("404", "Not registered"); exit; }
    t_relay();
}
"#;

/// A running Kamailio. Dropped, it is killed.
pub(crate) struct Kamailio {
    ip: Ipv4Addr,
    port: u16,
    dir: TempDir,
    process: Option<Child>,
}

impl Kamailio {
    /// By UDP.
    pub(crate) fn start() -> Self {
        Self::start_at(ADDRESS, ports::block(2), None)
    }

    /// At this address by UDP and TCP; with a folder that has a certificate (`self-signed.pem` and `.key`), at the next port by TLS.
    pub(crate) fn start_at(ip: Ipv4Addr, port: u16, tls: Option<&Path>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let modules = ["tm", "sl", "rr", "pv", "textops", "siputils", "maxfwd", "usrloc", "registrar", "auth"];
        let modules: String = modules.iter().map(|name| format!("loadmodule \"{name}.so\"\n")).collect();
        let secured = tls.map_or_else(String::new, |own| secure(own, dir.path(), ip, port + 1));
        // Its streams come from its own address too.
        let text = format!(
            "debug=1\nlog_stderror=yes\nfork=yes\nchildren=2\ntcp_children=2\ntcp_accept_aliases=yes\ntcp_source_ipv4={ip}\n\
             auto_aliases=no\ndns=no\nrev_dns=no\nlisten=udp:{ip}:{port}\nlisten=tcp:{ip}:{port}\n{modules}{secured}\
             modparam(\"usrloc\", \"db_mode\", 0)\n{ROUTES}"
        );
        std::fs::write(dir.path().join("kamailio.cfg"), text).expect("room on the disk");
        let mut carrier = Self { ip, port, dir, process: None };
        carrier.run();
        carrier
    }

    /// Begins (again), knowing nobody.
    pub(crate) fn run(&mut self) {
        let output = std::fs::File::create(self.dir.path().join("output")).expect("its output");
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin";
        let process = Command::new("kamailio")
            .env("PATH", path)
            .arg("-DD")
            .args(["-m", "32", "-M", "4", "-f"])
            .arg(self.dir.path().join("kamailio.cfg"))
            .arg("-Y")
            .arg(self.dir.path())
            .arg("-P")
            .arg(self.dir.path().join("pid"))
            // Its children with it: one that is killed leaves them otherwise.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("its output"))
            .stderr(output)
            .spawn()
            .expect("kamailio: install it and run the cases with `make interop`");
        self.process = Some(process);
        let port = self.port;
        wait_for("kamailio", secs(10), || ports::is_listening(port).then_some(()));
    }

    /// It ends, with all its children.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        // The main process ends its children when it is asked to, and leaves them when it is killed.
        let asked = Command::new("sh").args(["-c", &format!("kill {}", process.id())]).status().is_ok();
        if !asked || crate::patience::end_of(&mut process, secs(10)).is_none() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// `kill -9`, its children too.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let kill = format!("kill -9 -- -{}", process.id());
        // The kill of other shells knows no groups.
        let done = Command::new("bash").args(["-c", &kill]).status().expect("there is a shell");
        assert!(done.success(), "kamailio is gone already");
        let _ = process.wait();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((self.ip, self.port))
    }

    /// Where it is reached so.
    pub(crate) fn address_by(&self, way: Way) -> SocketAddr {
        way.at(self.address())
    }
}

/// The part of its configuration that TLS needs.
fn secure(own: &Path, dir: &Path, ip: Ipv4Addr, port: u16) -> String {
    // It insists on files that its own configuration names.
    let [chain, key] = ["self-signed.pem", "self-signed.key"].map(|name| {
        let copy = dir.join(name);
        std::fs::copy(own.join(name), &copy).expect(name);
        copy.display().to_string()
    });
    format!(
        "enable_tls=yes\nlisten=tls:{ip}:{port}\nloadmodule \"tls.so\"\nmodparam(\"tls\", \"certificate\", \"{chain}\")\n\
         modparam(\"tls\", \"private_key\", \"{key}\")\nmodparam(\"tls\", \"tls_method\", \"TLSv1.2+\")\nmodparam(\"tls\", \"verify_certificate\", 0)\n\
         modparam(\"tls\", \"require_certificate\", 0)\n"
    )
}

impl Drop for Kamailio {
    #[expect(clippy::print_stderr, reason = "a failed case shows what it said")]
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let said = std::fs::read_to_string(self.dir.path().join("output")).unwrap_or_default();
            eprintln!("---- kamailio ----\n{said}");
        }
    }
}
