//! W1: users register with digest at a steady rate.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Start, codes_text, emit, prepare, run_id};
use crate::cli::RegisterArgs;
use crate::guard;
use crate::net::{Udp, wall};
use crate::pace::{Pace, Wake};
use crate::registrations::{Plan, Registrations};
use crate::report::Registered;
use crate::samples::round;
use crate::sip::text::Message;
use crate::usage::Usage;

/// Longest life of a transaction, after the last one was started.
const TAIL: Duration = Duration::from_secs(40);
const DEAF: Duration = Duration::from_secs(5);

/// Registers, writes the result, and says whether the target kept up with the rate.
pub(super) fn run(args: &RegisterArgs) -> Result<bool> {
    let processes = prepare(&args.target)?;
    guard::check("--local", args.local, args.target.allow_remote)?;
    let socket = Udp::bind_signalling("the registering users", args.local)?;
    let mut users = Registrations::new(plan(args));
    let mut pace = Pace::default();
    pace.measuring = true;

    let (start, before) = (Start::now(), processes.read());
    drive(args, &socket, &mut users, &mut pace)?;
    let (seconds, after) = (start.seconds(), processes.read());

    let mut body = result(args, &users, (before, after), seconds);
    body.conditions = start.conditions(&pace, 0);
    if !processes.any() {
        body.cpu_us_per_reg = None;
    }
    let held = body.held.unwrap_or(false);
    if args.target.label != "W1max" {
        body.held = None;
    }
    let (ok, codes) = (body.ok, body.codes.clone());
    emit(&args.target, body)?;
    if ok == 0 {
        bail!(
            "no user could register ({}): does the target know the users {} to {} with the passwords {}{} and so on, \
             and has it room for one more contact of each?",
            codes_text(&codes),
            args.first,
            args.first + args.users - 1,
            args.password,
            args.first
        );
    }
    Ok(held)
}

fn plan(args: &RegisterArgs) -> Plan {
    Plan {
        target: args.target.target,
        domain: args.domain.clone().unwrap_or_else(|| args.target.target.ip().to_string()),
        local: args.local,
        first: args.first,
        users: args.users,
        password: args.password.clone(),
        expires: args.expires,
        algorithm: args.algorithm.only(),
        run: run_id(),
    }
}

fn drive(args: &RegisterArgs, socket: &Udp, users: &mut Registrations, pace: &mut Pace) -> Result<()> {
    let started = Instant::now();
    let limit = Duration::from_secs(args.count / args.rate) + TAIL;
    while started.elapsed() < limit {
        let due = started.elapsed().as_micros() as u64 * args.rate / 1_000_000 + 1;
        while (users.started() as u64) < due.min(args.count) {
            users.register(wall());
        }
        if users.started() as u64 == args.count && users.open() == 0 {
            break;
        }
        send(args, socket, users);
        match pace.wait(&[socket]) {
            Wake::Signalling | Wake::Ticks(_) => receive(socket, users),
        }
        users.handle_timeout(wall());
        if users.figures.heard == 0 && started.elapsed() > DEAF {
            bail!("nothing came back from {} in {DEAF:?}: is the target running there?", args.target.target);
        }
    }
    Ok(())
}

fn send(args: &RegisterArgs, socket: &Udp, users: &mut Registrations) {
    while let Some(text) = users.poll_send() {
        // What the kernel does not take is lost, and sent again like anything lost.
        socket.send(args.target.target, text.as_bytes());
    }
}

fn receive(socket: &Udp, users: &mut Registrations) {
    let mut buf = [0u8; 8192];
    while let Some(got) = socket.receive(&mut buf) {
        if let Some(message) = Message::parse(&buf[..got.len]) {
            users.handle_message(&message, got.at);
        }
    }
}

fn result(args: &RegisterArgs, users: &Registrations, (before, after): (Usage, Usage), seconds: f64) -> Registered {
    let figures = &users.figures;
    let cpu_s = after.cpu_s - before.cpu_s;
    let achieved = figures.ok as f64 / seconds.max(1e-3);
    let held = figures.ok == args.count && figures.again * 100 <= args.count && achieved > 0.85 * args.rate as f64;
    Registered {
        workload: "W1",
        rate: args.rate,
        count: args.count,
        users: args.users,
        ok: figures.ok,
        failed: args.count - figures.ok,
        codes: figures.codes.clone(),
        retrans: figures.again,
        achieved_per_s: round(achieved),
        held: Some(held),
        cpu_us_per_reg: (figures.ok > 0).then(|| round(cpu_s * 1e6 / figures.ok as f64)),
        rtt_ms: figures.whole.spread(),
        wall_s: round(seconds),
        server_cpu_s: round(cpu_s),
        rss_before_kb: before.rss_kb,
        rss_after_kb: after.rss_kb,
        threads: after.threads,
        ..Registered::default()
    }
}
