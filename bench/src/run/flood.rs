//! A flood of strangers: OPTIONS, REGISTERs with wrong passwords, INVITEs and garbage, as fast as told, for a while.
//!
//! It measures nothing but itself: what the flood costs others shows in a `call` beside it.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Start, emit, prepare, run_id};
use crate::cli::FloodArgs;
use crate::guard;
use crate::net::{Udp, wall};
use crate::pace::{Pace, Wake};
use crate::report::Flooded;
use crate::samples::round;
use crate::sip::digest::{Challenge, Credentials};
use crate::sip::text::Message;

/// Messages sent in one go; more than a tick's are a driver that was held up.
const MOST_AT_ONCE: u64 = 2_000;
/// Datagrams read from one socket before the next is looked at.
const BATCH: usize = 500;

/// Floods, and writes what was sent.
pub(super) fn run(args: &FloodArgs) -> Result<()> {
    let processes = prepare(&args.target)?;
    guard::check("--local", args.local, args.target.allow_remote)?;
    let mut sockets = Vec::new();
    for n in 0..args.sources {
        let ip = Ipv4Addr::from_bits(args.local.ip().to_bits() + u32::from(n));
        let local = SocketAddrV4::new(ip, args.local.port());
        guard::check("--local", local, args.target.allow_remote)?;
        sockets.push(Stranger { socket: Udp::bind_signalling("a stranger", local)?, local, challenge: None });
    }
    let mut pace = Pace::default();
    pace.measuring = true;
    let (start, before) = (Start::now(), processes.read());
    let mut flood = Flood { args, run: run_id(), sent: 0, unsent: 0, heard: 0, most_kb: before.rss_kb };
    let started = Instant::now();
    let time = Duration::from_secs(args.secs);
    let mut next_look = Duration::ZERO;
    while started.elapsed() < time {
        let due = started.elapsed().as_micros() as u64 * args.rate / 1_000_000;
        for _ in 0..due.saturating_sub(flood.sent + flood.unsent).min(MOST_AT_ONCE) {
            let n = flood.sent + flood.unsent;
            flood.send(&sockets[n as usize % sockets.len()], n);
        }
        for stranger in &mut sockets {
            flood.receive(stranger);
        }
        if started.elapsed() >= next_look {
            next_look += Duration::from_millis(250);
            flood.most_kb = flood.most_kb.max(processes.read().rss_kb);
        }
        // Wakes each millisecond; what arrived meanwhile is read then.
        while !matches!(pace.wait(&[]), Wake::Ticks(_)) {}
    }
    let (seconds, after) = (start.seconds(), processes.read());
    let (sent, unsent, heard) = (flood.sent, flood.unsent, flood.heard);
    let body = Flooded {
        workload: "flood",
        rate: args.rate,
        sources: args.sources.into(),
        sent,
        unsent,
        achieved_per_s: round(sent as f64 / seconds.max(1e-3)),
        answers: heard,
        wall_s: round(seconds),
        server_cpu_s: round(after.cpu_s - before.cpu_s),
        rss_before_kb: before.rss_kb,
        rss_most_kb: flood.most_kb.max(after.rss_kb),
        rss_after_kb: after.rss_kb,
        conditions: start.conditions(&pace, unsent),
    };
    emit(&args.target, body)?;
    if sent < args.rate * args.secs * 8 / 10 {
        bail!("only {sent} of {} messages could be sent: the machine is too busy for this rate", args.rate * args.secs);
    }
    Ok(())
}

/// One source of the flood.
struct Stranger {
    socket: Udp,
    local: SocketAddrV4,
    /// The last challenge it got: its guesses answer a real one.
    challenge: Option<Challenge>,
}

struct Flood<'a> {
    args: &'a FloodArgs,
    run: String,
    sent: u64,
    unsent: u64,
    heard: u64,
    most_kb: u64,
}

impl Flood<'_> {
    fn send(&mut self, stranger: &Stranger, n: u64) {
        let text = message(n, &self.run, self.args.target.target, stranger.local, stranger.challenge.as_ref());
        if stranger.socket.send(self.args.target.target, text.as_bytes()) {
            self.sent += 1;
        } else {
            self.unsent += 1;
        }
    }

    fn receive(&mut self, stranger: &mut Stranger) {
        let mut buf = [0u8; 8192];
        for _ in 0..BATCH {
            let Some(got) = stranger.socket.receive(&mut buf) else { return };
            self.heard += 1;
            let Some(message) = Message::parse(&buf[..got.len]) else { continue };
            if message.code() == Some(401) {
                stranger.challenge = Challenge::choose(message.headers("WWW-Authenticate"), None);
            }
        }
    }
}

/// The `n`th message: two in ten are OPTIONS, four REGISTERs, three INVITEs, one is garbage.
fn message(n: u64, run: &str, target: SocketAddrV4, local: SocketAddrV4, challenge: Option<&Challenge>) -> String {
    let user = 1000 + n % 997;
    let (method, uri) = match n % 10 {
        0 | 5 => ("OPTIONS", format!("sip:{target}")),
        1 | 3 | 6 | 8 => ("REGISTER", format!("sip:{target}")),
        2 | 4 | 7 => ("INVITE", format!("sip:9000@{target}")),
        _ => return format!("\u{1b}garbage {n} {}", "x".repeat((n % 300) as usize)),
    };
    let to = if method == "REGISTER" { user.to_string() } else { "9000".to_owned() };
    let proof = match challenge {
        Some(challenge) if method == "REGISTER" => {
            let who = Credentials { user: &user.to_string(), password: "a guess" };
            format!("Authorization: {}\r\n", challenge.answer(&who, method, &uri, &format!("{run}{n}")))
        }
        _ => String::new(),
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{run}f{n};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@{target}>;tag=f{n}\r\nTo: <sip:{to}@{target}>\r\nCall-ID: {run}-f{n}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:{user}@{local}>\r\n{proof}User-Agent: stranger {at}\r\nContent-Length: 0\r\n\r\n",
        at = wall() % 1000,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_as_told_and_all_but_the_garbage_can_be_read() {
        let at: SocketAddrV4 = "127.0.0.1:5060".parse().unwrap();
        let mut kinds = std::collections::BTreeMap::<String, u32>::new();
        for n in 0..1000 {
            let text = message(n, "r", at, at, None);
            let kind = text.split(' ').next().unwrap().to_owned();
            if !kind.contains("garbage") {
                assert!(Message::parse(text.as_bytes()).is_some(), "{text}");
            }
            *kinds.entry(kind).or_default() += 1;
        }
        assert_eq!(kinds.into_values().collect::<Vec<_>>(), [100, 300, 200, 400]);
    }
}
