//! W2 and W3: calls at a steady rate, set up and torn down, or held with or without sound.

use std::time::Duration;

use anyhow::{Result, bail};

use super::{Start, codes_text, emit, prepare, run_id};
use crate::caller::Plan;
use crate::cli::{CallArgs, HoldArgs, PartyArgs, TargetArgs};
use crate::guard;
use crate::lab::{Lab, Setup};
use crate::media::Side;
use crate::net::{MS, Nanos};
use crate::report::{Called, Conditions, Retransmissions, Streams, Window};
use crate::samples::round;
use crate::usage::{Processes, Usage};

/// What is still on its way when a run ends.
const TAIL: Duration = Duration::from_millis(400);

/// Sets calls up and tears them down.
pub(super) fn churn(args: &CallArgs) -> Result<()> {
    let processes = prepare(&args.target)?;
    let setup = setup(&args.target, &args.party, (args.calls, args.rate), Some(args.hold * MS), args.streams)?;
    let mut lab = Lab::open(setup)?;
    lab.pace.measuring = true;
    let mut run = Run::start(&processes);
    lab.bring_up()?;
    run.all_up();
    lab.run_for(TAIL)?;
    let conditions = run.start.conditions(&lab.pace, lab.media.figures.send_errors);
    lab.run_for(Duration::from_secs(args.drain))?;
    let body = Called { mode: "churn", conditions, ..run.result(&args.party, (args.calls, args.rate), &lab) };
    finish(&args.target, &args.party, body)
}

/// Brings calls up, measures while they are held, hangs up.
pub(super) fn hold(args: &HoldArgs) -> Result<()> {
    let processes = prepare(&args.target)?;
    let streams = !args.no_streams;
    let setup = setup(&args.target, &args.party, (args.calls, args.rate), None, streams)?;
    let mut lab = match args.relay_base {
        Some(base) => Lab::open_static(setup, base)?,
        None => Lab::open(setup)?,
    };
    let mut run = Run::start(&processes);
    if args.relay_base.is_none() {
        lab.bring_up()?;
    }
    run.all_up();
    lab.run_for(Duration::from_secs(args.settle))?;

    let start = Start::now();
    let before = processes.read();
    measure(&mut lab, true);
    lab.run_for(Duration::from_secs(args.secs))?;
    measure(&mut lab, false);
    let (seconds, after) = (start.seconds(), processes.read());
    let conditions = start.conditions(&lab.pace, lab.media.figures.send_errors);

    run.held(after);
    // Packets of the window that are still on their way belong to it.
    lab.run_for(TAIL)?;
    lab.hang_up()?;
    lab.run_for(TAIL)?;

    let mut body = Called { conditions, ..run.result(&args.party, (args.calls, args.rate), &lab) };
    body.mode = "hold";
    if args.relay_base.is_some() {
        (body.mode, body.up, body.failed) = ("static", args.calls, 0);
        body.cpu_ms_per_call_setup = None;
    }
    let cpu_s = after.cpu_s - before.cpu_s;
    body.window = Some(window(seconds, cpu_s, body.up, processes.any()));
    body.streams = streams.then(|| stream_figures(&lab, seconds, cpu_s, processes.any()));
    finish(&args.target, &args.party, body)
}

fn setup(
    target: &TargetArgs,
    party: &PartyArgs,
    (calls, rate): (u64, u64),
    hold: Option<Nanos>,
    streams: bool,
) -> Result<Setup> {
    guard::check("--caller", party.caller, target.allow_remote)?;
    guard::check("--callee", party.callee, target.allow_remote)?;
    let plan = Plan {
        target: target.target,
        local: party.caller,
        dial: party.dial.clone(),
        domain: party.domain.clone().unwrap_or_else(|| target.target.to_string()),
        hold,
        codec: party.codec,
        run: run_id(),
    };
    Ok(Setup {
        plan,
        calls: calls as usize,
        rate,
        callee: (!party.no_callee).then_some(party.callee),
        ring: party.ring * MS,
        streams,
        rtp_base: party.rtp_base,
        allow_remote: target.allow_remote,
    })
}

fn measure(lab: &mut Lab, on: bool) {
    lab.media.measure(on);
    lab.pace.measuring = on;
}

/// Readings of the target along a run.
struct Run<'a> {
    processes: &'a Processes,
    start: Start,
    idle: Usage,
    up: Usage,
    setup_s: f64,
    setup_cpu_s: f64,
}

impl<'a> Run<'a> {
    fn start(processes: &'a Processes) -> Self {
        let idle = processes.read();
        Self { processes, start: Start::now(), idle, up: idle, setup_s: 0.0, setup_cpu_s: 0.0 }
    }

    /// All calls are up; or over, where they end by themselves.
    fn all_up(&mut self) {
        self.up = self.processes.read();
        self.setup_s = self.start.seconds();
        self.setup_cpu_s = self.up.cpu_s - self.idle.cpu_s;
    }

    fn held(&mut self, usage: Usage) {
        self.up = Usage { rss_kb: usage.rss_kb.max(self.up.rss_kb), ..usage };
    }

    fn result(&self, party: &PartyArgs, (calls, rate): (u64, u64), lab: &Lab) -> Called {
        let (caller, callee) = (&lab.caller.figures, &lab.callee.figures);
        let up: u64 = caller.codes.iter().filter(|(code, _)| (200..300).contains(*code)).map(|(_, n)| n).sum();
        let per_call = |figure: f64| (up > 0 && self.processes.any()).then(|| round(figure / up as f64));
        Called {
            workload: "call",
            dial: party.dial.clone(),
            calls,
            up,
            failed: calls.saturating_sub(up),
            cps: rate,
            setup_wall_s: round(self.setup_s),
            setup_cpu_s: round(self.setup_cpu_s),
            cpu_ms_per_call_setup: per_call(self.setup_cpu_s * 1e3),
            codes: caller.codes.clone(),
            inv_200_ms: caller.answer.spread(),
            inv_180_ms: caller.ringing.spread(),
            inv_to_callee_inv_ms: caller.through.spread(),
            bye_200_ms: caller.bye.spread(),
            retrans: Retransmissions {
                invite: caller.invites_again,
                ok200: callee.answers_again,
                ok200_unacknowledged: callee.answers_lost,
                bye: caller.byes_again,
                bye_timeout: caller.byes_lost,
            },
            uas_invites: callee.invites,
            server_byes: caller.ended_by_target,
            rss_idle_kb: self.idle.rss_kb,
            rss_up_kb: self.up.rss_kb,
            rss_after_kb: self.processes.read().rss_kb,
            rss_kb_per_call: per_call(self.up.rss_kb as f64 - self.idle.rss_kb as f64),
            threads_idle: self.idle.threads,
            threads_up: self.up.threads,
            window: None,
            streams: None,
            mode: "",
            conditions: Conditions::default(),
        }
    }
}

fn window(seconds: f64, cpu_s: f64, up: u64, accounted: bool) -> Window {
    let per_cent = 100.0 * cpu_s / seconds.max(1e-3);
    Window {
        window_s: round(seconds),
        cpu_s: round(cpu_s),
        cpu_pct_core: round(per_cent),
        cpu_pct_core_per_call: (up > 0 && accounted).then(|| round(per_cent / up as f64)),
    }
}

fn stream_figures(lab: &Lab, seconds: f64, cpu_s: f64, accounted: bool) -> Streams {
    let figures = &lab.media.figures;
    let (a, b) = (figures.a, figures.b);
    let ((legs_a, heard_a), (legs_b, heard_b)) = (lab.media.legs(Side::A), lab.media.legs(Side::B));
    let loss = |sent: u64, arrived: u64| {
        (sent > 0 && legs_b > 0).then(|| round(100.0 * sent.saturating_sub(arrived) as f64 / sent as f64))
    };
    let share = |received: u64, legs: usize| round(100.0 * received as f64 / (legs.max(1) as f64 * 50.0 * seconds));
    let sent = a.sent + b.sent;
    Streams {
        tx_a: a.sent,
        tx_b: b.sent,
        rx_a: a.received,
        rx_b: b.received,
        cpu_us_per_packet_in: (sent > 0 && accounted).then(|| round(cpu_s * 1e6 / sent as f64)),
        legs_a,
        legs_b,
        legs_a_with_media: heard_a,
        legs_b_with_media: heard_b,
        loss_pct_ab: loss(a.sent, b.arrived),
        loss_pct_ba: loss(b.sent, a.arrived),
        reordered: figures.reordered,
        dup: figures.duplicated,
        crossed: figures.crossed,
        non_magic: figures.foreign,
        refused_remote: figures.refused_remote,
        rx_pct_of_50pps_a: share(a.received, legs_a),
        rx_pct_of_50pps_b: share(b.received, legs_b),
        lat_ms_ab: figures.delay_ab.spread(),
        lat_ms_ba: figures.delay_ba.spread(),
        jitter_ms: figures.jitter.spread(),
    }
}

/// Writes the line; a run in which no call came up is an error that says what to look at.
fn finish(target: &TargetArgs, party: &PartyArgs, body: Called) -> Result<()> {
    let (up, codes, refused) =
        (body.up, codes_text(&body.codes), body.streams.as_ref().map_or(0, |s| s.refused_remote));
    emit(target, body)?;
    if up == 0 {
        bail!(
            "no call came up (answers: {codes}): does the target take calls from {} without authentication, and send {} to {}?",
            party.caller.ip(),
            party.dial,
            party.callee
        );
    }
    if refused > 0 {
        bail!(
            "the target wanted sound outside the loopback network {refused} times: let it use 127.0.0.1 for media, or add --allow-remote"
        );
    }
    Ok(())
}
