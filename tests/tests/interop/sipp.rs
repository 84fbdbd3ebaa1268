//! SIPp: one scenario, one call.

use crate::patience::{end_of, secs, wait_for};
use crate::ports;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A scenario of `scenarios/`, and with what to play it.
pub(crate) struct Sipp {
    scenario: &'static str,
    server: SocketAddr,
    port: u16,
    status: u16,
    user: String,
    password: String,
    service: String,
    talk: Duration,
    literal: bool,
    transport: &'static str,
    keys: Vec<(&'static str, String)>,
    echo: bool,
    calls: u32,
    patience: Duration,
}

impl Sipp {
    /// Plays `scenario` against this server.
    pub(crate) fn new(scenario: &'static str, server: SocketAddr) -> Self {
        Self {
            scenario,
            server,
            port: ports::one(),
            status: 0,
            user: String::new(),
            password: String::new(),
            service: String::new(),
            talk: Duration::from_millis(500),
            literal: false,
            transport: "u1",
            keys: Vec::new(),
            echo: false,
            calls: 1,
            patience: secs(45),
        }
    }

    /// From this port.
    pub(crate) fn port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// As this extension.
    pub(crate) fn user(self, number: &str, password: &str) -> Self {
        Self { user: number.to_owned(), password: password.to_owned(), ..self }
    }

    /// The number that is called, or that registers.
    pub(crate) fn number(self, number: &str) -> Self {
        Self { service: number.to_owned(), ..self }
    }

    /// The status that the scenario sends or waits for.
    pub(crate) fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// How long its pauses are.
    pub(crate) fn talk(self, talk: Duration) -> Self {
        Self { talk, ..self }
    }

    /// Repeats nothing by itself, and takes what is repeated for a message like any other.
    pub(crate) fn literal(self) -> Self {
        Self { literal: true, ..self }
    }

    /// By this transport, in SIPp's words: `t1` is TCP with one stream, `tn` with one per call.
    pub(crate) fn transport(self, transport: &'static str) -> Self {
        Self { transport, ..self }
    }

    /// What stands for `[name]` in the scenario.
    pub(crate) fn key(mut self, name: &'static str, value: &str) -> Self {
        self.keys.push((name, value.to_owned()));
        self
    }

    /// How long it may take.
    pub(crate) fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Plays it so often, all at the same time.
    pub(crate) fn calls(self, calls: u32) -> Self {
        Self { calls, ..self }
    }

    /// Sends back every packet of sound.
    pub(crate) fn echo(self) -> Self {
        Self { echo: true, ..self }
    }

    /// Plays it to the end, which must be good.
    pub(crate) fn run(self) -> Trace {
        self.start().finish()
    }

    /// Begins; a callee listens when this returns.
    pub(crate) fn start(self) -> Running {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/interop/scenarios/{}.xml", self.scenario));
        let scenario = std::fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        let file = dir.path().join("scenario.xml");
        // A second of soft noise, in A-law.
        let voice = dir.path().join("voice.alaw");
        let noise: Vec<u8> = (0..8_000_u32).map(|at| 0xd5 ^ (at * at % 16) as u8).collect();
        std::fs::write(&voice, noise).expect("room on the disk");
        let scenario = scenario.replace("@status@", &self.status.to_string());
        std::fs::write(&file, scenario.replace("@voice@", &voice.to_string_lossy())).expect("room on the disk");
        let calls = self.calls.to_string();
        let output = std::fs::File::create(dir.path().join("output")).expect("its output");
        let process = Command::new("sipp")
            .arg(self.server.to_string())
            .arg("-sf")
            .arg(&file)
            // Its own idea of how many streams one call may need is above what a process may open.
            .args(["-t", self.transport, "-max_socket", "1000"])
            .args([
                "-i",
                if self.server.is_ipv4() { "127.0.0.1" } else { "[::1]" },
                "-p",
                &self.port.to_string(),
                "-mp",
                &ports::block(4 * self.calls as u16).to_string(),
            ])
            .args(["-au", &self.user, "-ap", &self.password, "-s", &self.service, "-key", "caller", &self.user])
            .args(["-d", &self.talk.as_millis().to_string()])
            .args(self.literal.then_some("-nr"))
            .args(self.echo.then_some("-rtp_echo"))
            .args(self.keys.iter().flat_map(|(name, value)| ["-key", name, value]))
            .args(["-m", &calls, "-l", &calls, "-r", "25", "-nostdin", "-trace_err", "-error_file"])
            .arg(dir.path().join("errors"))
            .args(["-trace_msg", "-message_file"])
            .arg(dir.path().join("messages"))
            // It draws a screen even where nobody looks.
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("its output"))
            .stderr(output)
            .spawn()
            .expect("sipp: install it and run the cases with `make interop`");
        let mut running = Running { scenario: self.scenario, process, dir, patience: self.patience };
        wait_for("SIPp's port", secs(5), || {
            let ended = running.process.try_wait().expect("we may ask for our own child").is_some();
            // One that calls by TCP listens nowhere.
            let calls = self.transport != "u1" && !self.scenario.starts_with("callee");
            (ended || calls || ports::is_listening(self.port)).then_some(())
        });
        running
    }
}

/// A scenario that is being played. Dropped, it is killed; after a failure it shows its messages.
pub(crate) struct Running {
    scenario: &'static str,
    process: Child,
    dir: TempDir,
    patience: Duration,
}

impl Running {
    /// Waits for the end, which must be good.
    pub(crate) fn finish(mut self) -> Trace {
        let limit = self.patience;
        let Some(end) = end_of(&mut self.process, limit) else {
            panic!("{}: still running after {limit:?}", self.scenario)
        };
        assert!(end.success(), "{}: the scenario failed: {end}", self.scenario);
        Trace { messages: self.read("messages") }
    }

    /// The messages that it has received so far whose first line begins so.
    pub(crate) fn received(&self, start: &str) -> Vec<String> {
        let trace = Trace { messages: self.read("messages") };
        trace.all_received().filter(|message| message.starts_with(start)).collect()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read(self.dir.path().join(name)).map(|f| String::from_utf8_lossy(&f).into_owned()).unwrap_or_default()
    }
}

impl Drop for Running {
    #[expect(clippy::print_stderr, reason = "a failed case shows what went over the wire")]
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("---- sipp {} ----\n{}\n{}", self.scenario, self.read("messages"), self.read("errors"));
        }
    }
}

/// Every message that went over the wire, repetitions too.
pub(crate) struct Trace {
    messages: String,
}

impl Trace {
    /// How many messages were received whose first line begins with `start` and whose CSeq names `method`.
    pub(crate) fn received(&self, start: &str, method: &str) -> usize {
        let of = |message: &String| message.lines().any(|l| l.starts_with("CSeq:") && l.trim_end().ends_with(method));
        self.all_received().filter(|message| message.starts_with(start)).filter(of).count()
    }

    fn all_received(&self) -> impl Iterator<Item = String> {
        let entries = self.messages.split("-----------------------------------------------");
        let message = |entry: &str| entry.split_once("message received").map(|(_, message)| message.to_owned());
        let text = |message: String| message.split_once("\n\n").map(|(_, text)| text.trim_start().to_owned());
        entries.filter_map(message).filter_map(text)
    }
}
