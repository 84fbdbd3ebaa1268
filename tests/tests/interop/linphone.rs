//! A linphone that speaks with a tone and keeps what it hears: a SIP stack that shares nothing with the others.

use crate::ear::Ear;
use crate::patience::{end_of, secs, wait_for};
use crate::phone::{Way, write_voice};
use crate::ports;
use crate::server::Server;
use crate::sound::Sound;
use media::testing::speaker_hz;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// A running linphone. Dropped, it is killed; after a failure it shows what it said.
pub(crate) struct Linphone {
    number: String,
    /// Its voice.
    pub(crate) hz: f32,
    /// Samples per second of its sound: its codec's.
    pub(crate) rate: usize,
    process: Child,
    keys: ChildStdin,
    output: Arc<Mutex<String>>,
    dir: TempDir,
}

impl Linphone {
    /// Starts one and waits until it is registered.
    pub(crate) fn start(server: &Server, way: Way, number: &str, speaker: usize) -> Self {
        Self::start_with(server, way, number, speaker, "")
    }

    /// The same with more lines in its configuration.
    pub(crate) fn start_with(server: &Server, way: Way, number: &str, speaker: usize, more: &str) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let hz = speaker_hz(speaker);
        write_voice(&dir.path().join("voice.wav"), hz);
        // Without its folder it does not even open its ports.
        std::fs::create_dir_all(dir.path().join(".local/share/linphone")).expect("its folder");
        std::fs::write(dir.path().join("linphonerc"), settings(server, way, number) + more).expect("its configuration");
        let mut process = Command::new("linphonec")
            .arg("-c")
            .arg(dir.path().join("linphonerc"))
            .args(["-d", "5", "-l"])
            .arg(dir.path().join("log"))
            .env("HOME", dir.path())
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("linphonec: install it and run the cases with `make interop`");
        let output = Arc::default();
        follow(&output, process.stdout.take().expect("it is piped"));
        follow(&output, process.stderr.take().expect("it is piped"));
        let keys = process.stdin.take().expect("it is piped");
        let mut phone = Self { number: number.to_owned(), hz, rate: 8_000, process, keys, output, dir };
        wait_for("its registration", secs(15), || {
            let list = server.api().get("/registrations");
            let known = list.as_array()?.iter().any(|known| known["extension"] == number);
            known.then_some(())
        });
        phone.say("soundcard use files");
        phone
    }

    pub(crate) fn say(&mut self, command: &str) {
        writeln!(self.keys, "{command}").and_then(|()| self.keys.flush()).expect("linphone takes commands");
    }

    /// Waits until it says this.
    pub(crate) fn expect(&self, text: &str, limit: Duration) {
        let what = format!("linphone {}: {text:?}", self.number);
        wait_for(&what, limit, || self.has_said(text).then_some(()));
    }

    /// True if it has said this.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.output.lock().expect("nobody panics with it in hand").contains(text)
    }

    /// How often it has said this.
    pub(crate) fn times_said(&self, text: &str) -> usize {
        self.output.lock().expect("nobody panics with it in hand").matches(text).count()
    }

    /// Everything that its log holds: the messages that went over the wire too.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.dir.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Speaks, and keeps what it hears from now on.
    pub(crate) fn talk(&mut self) {
        let (voice, heard) = (self.dir.path().join("voice.wav"), self.dir.path().join("heard.wav"));
        self.say(&format!("record {}", heard.display()));
        self.say(&format!("play {}", voice.display()));
    }

    /// Ends it and gives back what it heard.
    pub(crate) fn quit(mut self) -> Sound {
        self.say("quit");
        assert!(end_of(&mut self.process, secs(10)).is_some(), "{}: linphone does not quit", self.number);
        heard(&std::fs::read(self.dir.path().join("heard.wav")).expect("what it heard"))
    }
}

/// Its recordings have 48000 samples a second and a header that promises more than there are.
fn heard(wav: &[u8]) -> Sound {
    let rate = u32::from_le_bytes(wav[24..28].try_into().expect("four octets"));
    assert_eq!((&wav[..4], rate % 8_000), (&b"RIFF"[..], 0), "a WAV file of {rate} Hz");
    let samples = wav[44..].chunks_exact(2).map(|sample| i16::from_le_bytes([sample[0], sample[1]]));
    Sound { channels: vec![samples.step_by(rate as usize / 8_000).collect()] }
}

impl Ear for Linphone {
    fn name(&self) -> &str {
        &self.number
    }

    fn voice(&self) -> f32 {
        self.hz
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.dir.path().join("heard.wav")]
    }

    fn raw(&self) -> Option<(usize, usize)> {
        Some((1, self.rate))
    }
}

impl Drop for Linphone {
    #[expect(clippy::print_stderr, reason = "a failed case shows what its phones said")]
    fn drop(&mut self) {
        // It may have quit already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            let said = self.output.lock().expect("nobody panics with it in hand");
            let lines: Vec<&str> = said.lines().collect();
            eprintln!("---- linphone {} ----\n{}", self.number, lines[lines.len().saturating_sub(40)..].join("\n"));
        }
    }
}

fn follow(output: &Arc<Mutex<String>>, from: impl Read + Send + 'static) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut output = output.lock().expect("nobody panics with it in hand");
            output.push_str(&line);
            output.push('\n');
        }
    });
}

fn settings(server: &Server, way: Way, number: &str) -> String {
    let (at, transport, password) = (way.at(server.sip()), way.name(), server.password(number));
    let (own, rtp) = (ports::block(4), ports::block(20));
    let tls = own + 1;
    format!(
        "[sip]\nsip_port={own}\nsip_tcp_port={own}\nsip_tls_port={tls}\ndefault_proxy=0\nverify_server_certs=0\nverify_server_cn=0\nguess_hostname=0\n\
         contact=sip:{number}@127.0.0.1\nregister_only_when_network_is_up=0\nauto_net_state_mon=0\nuse_ipv6=0\n\
         [net]\nfirewall_policy=0\n[rtp]\naudio_rtp_port={rtp}\n[sound]\nechocancellation=0\n\
         [proxy_0]\nreg_proxy=<sip:{at};transport={transport}>\nreg_route=<sip:{at};transport={transport}>\n\
         reg_identity=sip:{number}@{at}\nreg_expires=600\nreg_sendregister=1\npublish=0\n\
         [auth_info_0]\nusername={number}\npasswd={password}\n"
    )
}
