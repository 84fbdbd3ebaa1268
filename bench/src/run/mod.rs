//! The workloads: each prepares its parties, runs them, and writes one line of result.

mod calls;
mod flood;
mod floor;
mod register;
mod suite;

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;

use crate::cli::{Cli, Command, TargetArgs};
use crate::guard;
use crate::net::wall;
use crate::pace::Pace;
use crate::report::{self, Conditions, Driver, Line};
use crate::samples::round;
use crate::table;
use crate::usage::{Host, Processes, favour, load_average, own_cpu_s};

/// Does what the command line says.
pub fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Flood(args) => flood::run(&args),
        Command::Register(args) => register::run(&args).map(|_| ()),
        Command::Call(args) => calls::churn(&args),
        Command::Hold(args) => calls::hold(&args),
        Command::Suite(args) => suite::run(&args),
        Command::Table(args) => table::print(&args.files),
        Command::Floor(args) => floor::relay(&args),
    }
}

/// Checks the target and finds its processes.
fn prepare(args: &TargetArgs) -> Result<Processes> {
    guard::check("--target", args.target, args.allow_remote)?;
    let processes = Processes::find(&args.pid, args.pidfile.as_deref(), args.tree)?;
    if let Some(nice) = args.favour {
        favour(&processes, nice)?;
    }
    Ok(processes)
}

/// Writes the line of a run.
fn emit<Body: Serialize>(args: &TargetArgs, body: Body) -> Result<()> {
    let (peer, label) = (args.peer.clone(), args.label.clone());
    report::emit(&Line { tool: "patchbay-bench", peer, label, when: report::now_utc(), body }, args.out.as_deref())
}

/// The machine and the driver at the start of a measurement.
struct Start {
    host: Host,
    load: f64,
    own_cpu_s: f64,
    at: u64,
}

impl Start {
    fn now() -> Self {
        Self { host: Host::read(), load: load_average(), own_cpu_s: own_cpu_s(), at: wall() }
    }

    fn seconds(&self) -> f64 {
        wall().saturating_sub(self.at) as f64 / 1e9
    }

    fn conditions(&self, pace: &Pace, send_err: u64) -> Conditions {
        let (busy, stolen) = Host::read().since(&self.host);
        let late = pace.late.spread();
        Conditions {
            r#gen: Driver {
                cpu_pct_core: round(100.0 * (own_cpu_s() - self.own_cpu_s) / self.seconds().max(1e-3)),
                tick_late_ms_p99: late.map_or(0.0, |l| l.p99),
                tick_late_ms_max: late.map_or(0.0, |l| l.max),
                send_err,
                skipped_ms: pace.skipped_ms,
            },
            host_busy_pct: round(busy),
            host_steal_pct: round(stolen),
            load_start: self.load,
            load_end: load_average(),
        }
    }
}

/// A name for this run that no earlier run has.
fn run_id() -> String {
    format!("{:x}{:x}", wall() / 1000, std::process::id())
}

/// Codes and their counts, for an error message.
fn codes_text(codes: &BTreeMap<u16, u64>) -> String {
    codes.iter().map(|(code, n)| format!("{n} × {code}")).collect::<Vec<_>>().join(", ")
}
