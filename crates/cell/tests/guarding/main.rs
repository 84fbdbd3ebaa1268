//! A worker among strangers: who is told what, where answers go, and what is read first when everything comes at once.

#![allow(clippy::unwrap_used)] // helpers of tests

mod answers;
mod overload;

use md5::{Digest, Md5};
use model::{Command, Extension, Ha1, Trunk};
use patchbay_cell::{Config, Input, Output, Worker};
use sip_stack::endpoint::Flow;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use stdx::{Entropy, Wall};

const REALM: &str = "test";
const PASSWORD: &str = "correct horse";
const SWITCH: &str = "192.0.2.1:5060";
const TRUNK: &str = "198.51.100.1:5060";

/// A lone worker with the extensions 100 and 101 and a trunk, and the time.
struct World {
    worker: Worker,
    now: Instant,
    start: Instant,
    branches: u64,
}

/// What left the worker.
struct Sent {
    after: Duration,
    to: SocketAddr,
    text: String,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let now = stdx::testing::start();
        let mut config = Config::new(REALM, Wall::new(now, 1_795_219_200_000));
        let addresses = vec![TRUNK.parse::<SocketAddr>().unwrap().ip()];
        config.trunks.push(Trunk { addresses: addresses.into_iter().map(Into::into).collect(), ..Trunk::new("trunk") });
        change(&mut config);
        let mut worker = Worker::new(config, Entropy::seeded(1), now);
        for number in ["100", "101"] {
            let command = Command::PutExtension(Box::new(extension(number)));
            worker.handle_input(Input::Command { ticket: 0, command }, now);
        }
        worker.handle_input(Input::Ports((0..2000).map(|n| 40_000 + 2 * n).collect()), now);
        let mut world = Self { worker, now, start: now, branches: 0 };
        world.sent();
        world
    }

    /// A datagram arrives and is read.
    fn receive(&mut self, from: &str, text: impl Into<String>) -> Vec<Sent> {
        let data = text.into().into_bytes().into();
        self.worker.handle_input(Input::Datagram { flow: flow(from), data }, self.now);
        self.sent()
    }

    fn sent(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some(output) = self.worker.poll_output() {
            if let Output::Transmit { flow, data } = output {
                let text = String::from_utf8_lossy(&data).into_owned();
                sent.push(Sent { after: self.now - self.start, to: flow.remote, text });
            }
        }
        sent
    }

    /// Lets time pass, with all that is due.
    fn run_for(&mut self, time: Duration) -> Vec<Sent> {
        let until = self.now + time;
        let mut sent = Vec::new();
        while let Some(at) = self.worker.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.worker.handle_timeout(self.now);
            sent.extend(self.sent());
        }
        self.now = until;
        sent
    }

    /// A request of a user outside any dialog.
    fn request(&mut self, method: &str, user: &str, more: &str) -> String {
        self.branches += 1;
        let n = self.branches;
        let target = if method == "REGISTER" { "sip:192.0.2.1".to_owned() } else { "sip:101@192.0.2.1".to_owned() };
        let to = if method == "REGISTER" { user } else { "101" };
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9:5060;branch=z9hG4bK{n:08};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@192.0.2.1>;tag=f{n:08}\r\nTo: <sip:{to}@192.0.2.1>\r\nCall-ID: c{n:08}\r\nCSeq: 1 {method}\r\n\
             {more}Content-Length: 0\r\n\r\n"
        )
    }

    /// Registers an extension with this Contact over a flow, and gives the last answer.
    fn register(&mut self, user: &str, from: &str, contact: &str) -> String {
        let contact = format!("Contact: {contact}\r\nExpires: 600\r\n");
        let request = self.request("REGISTER", user, &contact);
        let challenge = self.receive(from, request).remove(0).text;
        let proof = proof(user, PASSWORD, "REGISTER", "sip:192.0.2.1", &challenge);
        let request = self.request("REGISTER", user, &format!("{contact}{proof}"));
        self.receive(from, request).remove(0).text
    }
}

fn flow(from: &str) -> Flow {
    Flow::udp(SWITCH.parse().unwrap(), from.parse().unwrap())
}

fn extension(number: &str) -> Extension {
    let Ha1 { md5, sha256, sha512_256 } = ha1(number);
    Extension {
        number: number.to_owned(),
        name: String::new(),
        ha1: Ha1 { md5, sha256, sha512_256 },
        enabled: true,
        record: false,
        ring_seconds: 20,
        max_calls: 5000,
        rights: None,
        outside_number: String::new(),
        allow: Vec::new(),
        monitor: false,
        intercom: false,
        auto_answer: model::AutoAnswer::default(),
        srtp: None,
        inband_dtmf: model::InbandDtmf::default(),
        codecs: Vec::new(),
        media: model::MediaKind::Auto,
        contacts: 0,
        watched_by: model::WatchedBy::default(),
        forward: model::Forwards::default(),
        do_not_disturb: false,
        call_waiting: true,
    }
}

fn ha1(number: &str) -> Ha1 {
    let ha1 = sip_stack::auth::Ha1::new(number, REALM, PASSWORD);
    Ha1 { md5: ha1.md5, sha256: ha1.sha256, sha512_256: ha1.sha512_256 }
}

/// An Authorization line that answers a challenge with MD5.
fn proof(user: &str, password: &str, method: &str, uri: &str, challenge: &str) -> String {
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
    let hash = |text: String| Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let (ha1, ha2) = (hash(format!("{user}:{REALM}:{password}")), hash(format!("{method}:{uri}")));
    let response = hash(format!("{ha1}:{nonce}:00000001:c0:auth:{ha2}"));
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"c0\"\r\n"
    )
}
