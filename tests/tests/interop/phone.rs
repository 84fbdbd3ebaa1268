//! A baresip that speaks with a tone and keeps what it hears.

use crate::ear::Ear;
use crate::patience::{end_of, look_for, secs, wait_for};
use crate::ports;
use crate::sound::Sound;
use media::testing::{speaker_hz, tone};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const MODULES: &str = "/usr/lib/baresip/modules";

/// Who a phone is.
pub(crate) struct Account<'a> {
    pub(crate) number: &'a str,
    /// Where it registers and with what password; `None`: it only talks to other phones.
    pub(crate) server: Option<(SocketAddr, &'a str)>,
    /// Takes each call at once.
    pub(crate) answers: bool,
    /// `PCMA`, `PCMU`, `G722` or `opus`.
    pub(crate) codec: &'a str,
}

/// What only some phones have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras<'a> {
    /// More of baresip's modules.
    pub(crate) modules: &'a [&'a str],
    /// More parameters of its account, each after a semicolon.
    pub(crate) account: &'a str,
    /// Its address book, an address in each line.
    pub(crate) contacts: &'a str,
    /// It lives at `::1`.
    pub(crate) ipv6: bool,
    /// Whether its output shows the SIP messages too: texts are nowhere else.
    pub(crate) traced: bool,
}

/// How it reaches its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
        }
    }

    /// The port by TLS is the next one.
    pub(crate) fn at(self, server: SocketAddr) -> SocketAddr {
        SocketAddr::new(server.ip(), server.port() + u16::from(self == Self::Tls))
    }
}

/// A running phone. Dropped, it is killed; after a failure it shows what it said.
pub(crate) struct Phone {
    number: String,
    /// Its voice.
    pub(crate) hz: f32,
    sip: SocketAddr,
    process: Child,
    control: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
    dir: TempDir,
}

impl Phone {
    /// Starts a phone with voice number `speaker`, and waits until it is registered if it has a server.
    pub(crate) fn start(account: &Account<'_>, speaker: usize) -> Self {
        Self::start_by(Way::Udp, account, speaker)
    }

    /// The same by another transport.
    pub(crate) fn start_by(way: Way, account: &Account<'_>, speaker: usize) -> Self {
        Self::start_with(way, account, &Extras::default(), speaker)
    }

    /// The same with things that other phones do not have.
    pub(crate) fn start_with(way: Way, account: &Account<'_>, extras: &Extras<'_>, speaker: usize) -> Self {
        let (sip, control, rtp) = (ports::block(2), ports::one(), ports::block(20));
        let own = if extras.ipv6 { IpAddr::from(Ipv6Addr::LOCALHOST) } else { Ipv4Addr::LOCALHOST.into() };
        let sip = SocketAddr::new(own, sip);
        let dir = tempfile::tempdir().expect("a temporary folder");
        let hz = speaker_hz(speaker);
        write_voice(&dir.path().join("voice.wav"), hz);
        std::fs::write(dir.path().join("config"), config(dir.path(), sip, control, rtp, account.codec, extras))
            .expect("its configuration");
        std::fs::write(dir.path().join("accounts"), line_of(way, account, extras)).expect("its account");
        std::fs::write(dir.path().join("contacts"), extras.contacts).expect("its contacts");
        let output = std::fs::File::create(dir.path().join("output")).expect("its output");
        // Without it the phone's words come in blocks of 4 kB.
        let process = Command::new("stdbuf")
            .args(["-oL", "baresip"])
            .args([Path::new("-v"), Path::new("-f"), dir.path()])
            .args(extras.traced.then_some("-s"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("its output"))
            .stderr(output)
            .spawn()
            .expect("baresip: install it and run the cases with `make interop`");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, control));
        let control = wait_for("baresip's control port", secs(5), || TcpStream::connect(address).ok());
        control.set_nonblocking(true).expect("a socket that does not block");
        let number = account.number.to_owned();
        let phone = Self { number, hz, sip, process, control, unread: Vec::new(), events: Vec::new(), dir };
        if account.server.is_some() {
            wait_for("the phone's registration", secs(5), || (phone.registrations() > 0).then_some(()));
        }
        phone
    }

    /// Where other phones reach it without a server.
    pub(crate) fn uri(&self) -> String {
        format!("sip:{}@{}", self.number, self.sip)
    }

    pub(crate) fn dial(&mut self, uri: &str) {
        self.command("dial", uri);
    }

    pub(crate) fn hang_up(&mut self) {
        self.command("hangup", "");
    }

    /// Waits until an event of this type comes, and forgets all up to it.
    pub(crate) fn expect(&mut self, event: &str, limit: Duration) -> Value {
        let found = look_for(limit, || {
            self.read_events();
            self.events.iter().position(|e| e["type"] == event)
        });
        let Some(at) = found else { panic!("{}: no {event} within {limit:?}, but {:?}", self.number, self.events) };
        self.events.drain(..=at).next_back().expect("the one that was found")
    }

    /// True if an event of this type has come that nobody has expected yet.
    pub(crate) fn has_seen(&mut self, event: &str) -> bool {
        self.read_events();
        self.events.iter().any(|e| e["type"] == event)
    }

    /// Ends the phone and gives back what it heard in its calls, the first call first.
    pub(crate) fn quit(mut self) -> Vec<Sound> {
        self.command("quit", "");
        let end = end_of(&mut self.process, secs(5));
        assert!(end.is_some(), "{}: baresip does not quit", self.number);
        self.files().iter().map(|path| Sound::read(path)).collect()
    }

    /// How often it has registered.
    pub(crate) fn registrations(&self) -> usize {
        self.output().matches("200 OK (").count()
    }

    /// Everything it said.
    pub(crate) fn output(&self) -> String {
        std::fs::read(self.dir.path().join("output"))
            .map(|o| String::from_utf8_lossy(&o).into_owned())
            .unwrap_or_default()
    }

    /// One of the commands of its menu.
    pub(crate) fn command(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params, "token": "interop" }).to_string();
        self.control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("baresip takes commands");
    }

    /// Netstrings of JSON: events, and the answers to our commands.
    fn read_events(&mut self) {
        let mut chunk = [0; 4096];
        while let Ok(n @ 1..) = self.control.read(&mut chunk) {
            self.unread.extend_from_slice(&chunk[..n]);
        }
        while let Some((event, used)) = netstring(&self.unread) {
            let event: Value = serde_json::from_slice(event).expect("baresip speaks JSON");
            if event["event"] == true {
                self.events.push(event);
            }
            self.unread.drain(..used);
        }
    }
}

impl Ear for Phone {
    fn name(&self) -> &str {
        &self.number
    }

    fn voice(&self) -> f32 {
        self.hz
    }

    /// One for each call, the first call first.
    fn files(&self) -> Vec<PathBuf> {
        let mut heard: Vec<PathBuf> = std::fs::read_dir(self.dir.path())
            .expect("the phone's folder")
            .map(|entry| entry.expect("its entry").path())
            .filter(|path| path.to_string_lossy().ends_with("-dec.wav"))
            .collect();
        heard.sort();
        heard
    }
}

impl Drop for Phone {
    #[expect(clippy::print_stderr, reason = "a failed case shows what its phones said")]
    fn drop(&mut self) {
        // It may have quit already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let said: Vec<String> =
                self.output().lines().map(|l| l.rsplit('\r').next().unwrap_or(l).to_owned()).collect();
            eprintln!("---- phone {} ----\n{}", self.number, said[said.len().saturating_sub(40)..].join("\n"));
        }
    }
}

/// The payload of the first whole netstring, and its length with everything.
fn netstring(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let colon = bytes.iter().position(|b| *b == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let end = colon + 1 + length;
    (bytes.len() > end).then(|| (&bytes[colon + 1..end], end + 1))
}

fn line_of(way: Way, account: &Account<'_>, extras: &Extras<'_>) -> String {
    let mut line = format!("<sip:{}@", account.number);
    match account.server {
        // One hour: nobody registers again within a case.
        Some((server, password)) => {
            let (at, way) = (way.at(server), way.name());
            let proxy = format!("outbound=\"sip:{at};transport={way}\"");
            write!(line, "{at};transport={way}>;auth_user={};auth_pass={password};regint=3600;{proxy}", account.number)
        }
        None if extras.ipv6 => write!(line, "[::1]>;regint=0"),
        None => write!(line, "127.0.0.1>;regint=0"),
    }
    .expect("a string takes everything");
    let mode = if account.answers { "auto" } else { "manual" };
    let codec = match account.codec {
        "G722" => "G722/16000/1".to_owned(),
        "opus" => "opus/48000/2".to_owned(),
        law => format!("{law}/8000/1"),
    };
    writeln!(line, ";answermode={mode};audio_codecs={codec}{}", extras.account).expect("a string takes everything");
    line
}

fn config(dir: &Path, sip: SocketAddr, control: u16, rtp: u16, codec: &str, extras: &Extras<'_>) -> String {
    let more: String = extras.modules.iter().map(|name| format!("module_app {name}.so\n")).collect();
    // Keys have to be known before accounts are.
    let keys = if extras.account.contains("mediaenc=") { "module srtp.so\n" } else { "" };
    let sound = match codec {
        "G722" | "opus" => format!(
            "audio_srate 8000-48000\naudio_channels 1-2\nausrc_srate 8000\nausrc_channels 1\nmodule {}.so\n",
            codec.to_lowercase()
        ),
        _ => "audio_srate 8000-8000\naudio_channels 1\n".to_owned(),
    };
    let (dir, last, own) = (dir.display(), rtp + 19, sip.ip());
    format!(
        "poll_method epoll\njitter_buffer_delay 1-20\nnet_interface {own}\nsip_listen {sip}\n\
         ctrl_tcp_listen 127.0.0.1:{control}\nrtp_ports {rtp}-{last}\n\
         audio_source aufile,{dir}/voice.wav\nsnd_path {dir}\n\
         {sound}ausrc_format s16\nauplay_format s16\nauenc_format s16\naudec_format s16\n\
         module_path {MODULES}\n{keys}module g711.so\nmodule aufile.so\nmodule sndfile.so\n\
         module_app account.so\nmodule_app contact.so\nmodule_app menu.so\n{more}module_app ctrl_tcp.so\n"
    )
}

/// A minute of its voice.
pub(crate) fn write_voice(path: &Path, hz: f32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(path, spec).expect("a new file");
    for sample in tone(hz, 60 * 8_000) {
        wav.write_sample(sample).expect("room on the disk");
    }
    wav.finalize().expect("room on the disk");
}
