//! The real program, with a data folder and ports of its own.

use crate::api::Api;
use crate::patience::{end_of, secs, wait_for};
use crate::ports;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// What differs between cases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    /// Tell callers by tone why a call failed.
    pub(crate) announce: bool,
    /// How long a shutdown waits for calls, seconds.
    pub(crate) drain_seconds: u32,
    /// Recordings have only so much room, kilobytes.
    pub(crate) disk_kb: Option<u32>,
    /// Listen on every IPv6 address too.
    pub(crate) ipv6: bool,
    /// Ask an authority at the first port for a certificate, and answer its question at the second.
    pub(crate) acme: Option<(u16, u16)>,
    /// That question comes by TLS, and the second port is one of HTTPS.
    pub(crate) acme_by_tls: bool,
    /// Streams that may be silent at one time.
    pub(crate) silent_streams: u32,
    /// A page that lost its connection keeps its registration so long, seconds.
    pub(crate) grace_seconds: u32,
    /// How many ports it has for sound.
    pub(crate) ports: u16,
    /// Lines for its own `/etc/hosts`.
    pub(crate) hosts: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            announce: false,
            drain_seconds: 1,
            disk_kb: None,
            ipv6: false,
            acme: None,
            acme_by_tls: false,
            silent_streams: 1_000,
            grace_seconds: 30,
            ports: 200,
            hosts: "",
        }
    }
}

/// A running server. Dropped, it is killed; after a failure it shows the end of its log.
pub(crate) struct Server {
    setup: Setup,
    dir: TempDir,
    sip: u16,
    http: u16,
    phones: u16,
    process: Child,
    log: Log,
    passwords: BTreeMap<String, String>,
    api: Api,
}

impl Server {
    /// Starts it for the first time and logs in as its administrator.
    pub(crate) fn start(setup: Setup) -> Self {
        Self::start_in(setup, |_| {})
    }

    /// The same with more lines in its configuration.
    pub(crate) fn start_with(setup: Setup, more: &str) -> Self {
        Self::start_as(setup, more, |_| {})
    }

    /// The same; `prepare` puts things into its folder before.
    pub(crate) fn start_in(setup: Setup, prepare: impl FnOnce(&Path)) -> Self {
        Self::start_as(setup, "", prepare)
    }

    fn start_as(setup: Setup, more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        prepare(dir.path());
        let (sip, http, phones, media) = (ports::one(), ports::one(), ports::block(10), ports::block(setup.ports));
        std::fs::create_dir(dir.path().join("recordings")).expect("room on the disk");
        std::fs::write(dir.path().join("patchbay.toml"), config(setup, sip, http, media) + more)
            .expect("room on the disk");
        let log = Log::default();
        let mut process = launch(setup, dir.path(), &log);
        let passwords = first_passwords(&mut process, &log);
        let api = connect(http, &passwords);
        Self { setup, dir, sip, http, phones, process, log, passwords, api }
    }

    /// Where phones send to.
    pub(crate) fn sip(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.sip))
    }

    /// Where phones send to by TLS.
    pub(crate) fn sips(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.sip + 1))
    }

    /// Where the API, and browsers, are served.
    pub(crate) fn http(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http))
    }

    /// Where the phone of an extension listens, for phones that come and go and are still the same.
    pub(crate) fn phone_port(&self, number: &str) -> u16 {
        self.phones + number.bytes().last().map_or(0, |digit| u16::from(digit % 10))
    }

    /// The URI of an extension.
    pub(crate) fn uri(&self, number: &str) -> String {
        format!("sip:{number}@{}", self.sip())
    }

    /// The password of a user or extension, as printed at the first start.
    pub(crate) fn password(&self, name: &str) -> &str {
        &self.passwords[name]
    }

    pub(crate) fn api(&self) -> &Api {
        &self.api
    }

    /// Its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Where it writes recordings.
    pub(crate) fn recordings(&self) -> PathBuf {
        self.dir.path().join("recordings")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("we may kill our own child");
        self.process.wait().expect("we may wait for our own child");
    }

    /// `SIGTERM`.
    pub(crate) fn terminate(&self) {
        self.signal("TERM");
    }

    /// It stands still: to others it looks as if the network were gone.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.process.id());
        let done = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(done.success(), "the server is gone already");
    }

    /// How it ended, once it has.
    pub(crate) fn end(&mut self) -> ExitStatus {
        let limit = secs(u64::from(self.setup.drain_seconds) + 10);
        end_of(&mut self.process, limit).unwrap_or_else(|| panic!("the server still runs after {limit:?}"))
    }

    /// Starts it again with the data it has.
    pub(crate) fn restart(&mut self) {
        self.process = launch(self.setup, self.dir.path(), &self.log);
        self.api = connect(self.http, &self.passwords);
    }

    /// Ends a case: it stops in peace, and nothing was its own fault.
    pub(crate) fn finish(mut self) {
        self.terminate();
        let end = self.end();
        assert!(end.success(), "the server ended with {end}");
        self.assert_no_errors();
    }

    pub(crate) fn assert_no_errors(&self) {
        let errors = self.log.lines(|line| line.contains("ERROR") || line.contains("panicked at"));
        assert!(errors.is_empty(), "the server blames itself:\n{}", errors.join("\n"));
    }

    /// How many lines of its log contain this.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log.lines(|line| line.contains(text)).len()
    }
}

impl Drop for Server {
    #[expect(clippy::print_stderr, reason = "a failed case shows the end of the log")]
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let lines = self.log.lines(|_| true);
            eprintln!("---- server ----\n{}", lines[lines.len().saturating_sub(80)..].join("\n"));
        }
    }
}

fn config(setup: Setup, sip: u16, http: u16, media: u16) -> String {
    let last = media + setup.ports - 1;
    let acme = setup.acme.map_or_else(String::new, |(directory, listen)| {
        let answer = match setup.acme_by_tls {
            true => "challenge = \"tls\"\n".to_owned(),
            false => format!("listen = \"127.0.0.1:{listen}\"\n"),
        };
        format!(
            "[acme]\ndirectory = \"https://localhost:{directory}/dir\"\ndomains = [\"localhost\"]\naccept_terms = true\n\
             {answer}authority = \"authority.pem\"\n"
        )
    });
    let https = setup.acme.filter(|_| setup.acme_by_tls);
    let https = https.map_or_else(String::new, |(_, port)| format!("tls = [\"127.0.0.1:{port}\"]\n"));
    let also = if setup.ipv6 { format!(", \"[::]:{sip}\"") } else { String::new() };
    format!(
        "data_dir = \"data\"\nworkers = 2\n[sip]\nlisten = [\"127.0.0.1:{sip}\"{also}]\ngrace_seconds = {}\n[media]\nports = \"{media}-{last}\"\n\
         [call]\nannounce = {}\nrecord = true\ndrain_seconds = {}\n\
         [recording]\ndir = \"recordings\"\nmin_free_mb = 0\n[http]\nlisten = \"127.0.0.1:{http}\"\n{https}\
         [log]\nlevel = \"info\"\n[limits]\nsilent_streams = {}\n{acme}",
        setup.grace_seconds, setup.announce, setup.drain_seconds, setup.silent_streams
    )
}

fn launch(setup: Setup, dir: &Path, log: &Log) -> Child {
    let program = program();
    let mut mounts = String::new();
    if let Some(kb) = setup.disk_kb {
        mounts += &format!("mount -t tmpfs -o size={kb}k none recordings && ");
    }
    if !setup.hosts.is_empty() {
        std::fs::write(dir.join("hosts"), format!("127.0.0.1 localhost\n{}", setup.hosts)).expect("room on the disk");
        mounts += "mount --bind hosts /etc/hosts && ";
    }
    let mut command = if mounts.is_empty() {
        Command::new(program)
    } else {
        // A small disk, or names, that only the server sees, and that go with it.
        let mut command = Command::new("unshare");
        let script = format!("{mounts}exec \"$0\"");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).arg(program);
        command
    };
    // What the environment sets belongs to the servers of whoever runs the cases, not to ours.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PATCHBAY_")) {
        command.env_remove(name);
    }
    let spawned = command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = spawned.expect("the server starts");
    log.follow(process.stdout.take().expect("it is piped"));
    log.follow(process.stderr.take().expect("it is piped"));
    process
}

/// `PATCHBAY_BIN`, or the debug build beside this test.
fn program() -> PathBuf {
    let built = || {
        let test = std::env::current_exe().expect("a test knows its own path");
        test.parent().and_then(Path::parent).expect("it lies in target/debug/deps").join("patchbay")
    };
    let program = std::env::var_os("PATCHBAY_BIN").map_or_else(built, PathBuf::from);
    assert!(program.is_file(), "{} is not there: run the cases with `make interop`", program.display());
    program
}

/// What the box of the first start tells: the administrator and the extensions.
fn first_passwords(process: &mut Child, log: &Log) -> BTreeMap<String, String> {
    wait_for("the accounts of the first start", secs(60), || {
        let end = process.try_wait().expect("we may ask for our own child");
        assert!(end.is_none(), "the server ended: {}", log.lines(|_| true).join("\n"));
        let complete = !log.lines(|line| line.starts_with('└')).is_empty();
        complete.then_some(())
    });
    let boxed =
        log.lines(|line| line.starts_with('│') && (line.contains("Administrator") || line.contains("Extension")));
    let account = |line: &String| {
        let mut words = line.trim_matches([' ', '│']).split_whitespace().rev();
        let (password, name) = (words.next()?, words.next()?);
        Some((name.to_owned(), password.to_owned()))
    };
    let passwords: BTreeMap<String, String> = boxed.iter().filter_map(account).collect();
    assert!(passwords.contains_key("admin") && passwords.contains_key("1003"), "the accounts: {boxed:?}");
    passwords
}

fn connect(http: u16, passwords: &BTreeMap<String, String>) -> Api {
    let mut api = Api::connect(http);
    api.log_in("admin", &passwords["admin"]);
    api
}

/// Everything the server said, over all its starts.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn follow(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                log.0.lock().expect("nobody panics with the log in hand").push(line);
            }
        });
    }

    fn lines(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let lines = self.0.lock().expect("nobody panics with the log in hand");
        lines.iter().filter(|line| wanted(line)).cloned().collect()
    }
}
