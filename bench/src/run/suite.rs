//! Workloads with fixed sizes, in order, under the labels of the project's records.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use super::{calls, register};
use crate::cli::{self, Cli, SuiteArgs, TargetArgs};

/// Rates of W1max, until one does not hold.
const RISING: [u64; 9] = [250, 500, 1000, 1500, 2000, 3000, 4000, 6000, 8000];
/// What the target gets between two runs.
const PAUSE: Duration = Duration::from_secs(1);
const FLOOR_BASE: u16 = 42_000;

/// Runs each named workload as often as asked.
pub(super) fn run(args: &SuiteArgs) -> Result<()> {
    for name in &args.workloads {
        if !["W1", "W1max", "W2", "W2max", "W2held", "W3", "floor"].contains(&name.as_str()) {
            bail!("there is no workload {name:?}: choose among W1 W1max W2 W2max W2held W3 floor");
        }
    }
    for name in &args.workloads {
        for _ in 0..args.repeat {
            workload(args, name).with_context(|| format!("workload {name}"))?;
            sleep(PAUSE);
        }
    }
    Ok(())
}

fn workload(args: &SuiteArgs, name: &str) -> Result<()> {
    match name {
        "W1" => registrations(args, "W1", 250, 4000).map(|_| ()),
        "W1max" => {
            for rate in RISING {
                if !registrations(args, "W1max", rate, (rate * 4).min(20_000))? {
                    break;
                }
                sleep(PAUSE);
            }
            Ok(())
        }
        "W2" => churn(args, 50, 1000),
        "W2max" => args.rates.iter().try_for_each(|&rate| churn(args, rate, rate * 8)),
        "W2held" => hold(&args.target, "W2-held-1000", &["--calls=1000", "--no-streams", "--secs=5"]),
        "W3" => args.calls.iter().try_for_each(|&calls| {
            let sizes = [format!("--calls={calls}"), format!("--secs={}", args.secs)];
            hold(&args.target, &format!("W3-{calls}"), &sizes.each_ref().map(String::as_str))
        }),
        _ => args.calls.iter().try_for_each(|&calls| floor(args, calls)),
    }
}

/// The sub-command's own defaults, with the suite's target.
fn defaults(command: &str, options: &[&str]) -> Result<cli::Command> {
    let words = ["patchbay-bench", command].into_iter().chain(options.iter().copied());
    Ok(Cli::try_parse_from(words).context("options of a workload")?.command)
}

fn labelled(target: &TargetArgs, label: &str) -> TargetArgs {
    TargetArgs { label: label.to_owned(), ..target.clone() }
}

fn registrations(args: &SuiteArgs, label: &str, rate: u64, count: u64) -> Result<bool> {
    let cli::Command::Register(mut register) = defaults("register", &[])? else { return Ok(false) };
    (register.rate, register.count) = (rate, count);
    register.target = labelled(&args.target, label);
    register::run(&register)
}

fn churn(args: &SuiteArgs, rate: u64, count: u64) -> Result<()> {
    let cli::Command::Call(mut call) = defaults("call", &[])? else { return Ok(()) };
    (call.rate, call.calls) = (rate, count);
    call.target = labelled(&args.target, &format!("W2-churn-{rate}cps"));
    calls::churn(&call)
}

fn hold(target: &TargetArgs, label: &str, options: &[&str]) -> Result<()> {
    let cli::Command::Hold(mut hold) = defaults("hold", options)? else { return Ok(()) };
    hold.target = labelled(target, label);
    calls::hold(&hold)
}

/// The bare relay as the target, in a process of its own.
fn floor(args: &SuiteArgs, calls: u64) -> Result<()> {
    let secs = (args.secs + 15).to_string();
    let pairs = calls.to_string();
    let program = std::env::current_exe().context("finding this program")?;
    let relay = Command::new(program)
        .args(["floor", "--pairs", &pairs, "--base", &FLOOR_BASE.to_string(), "--secs", &secs])
        .stdin(Stdio::null())
        .spawn()
        .context("starting the bare relay")?;
    let relay = Ended(relay);
    sleep(PAUSE);
    let target = TargetArgs {
        peer: "floor".to_owned(),
        target: SocketAddrV4::new(Ipv4Addr::LOCALHOST, FLOOR_BASE),
        pid: vec![relay.0.id() as i32],
        pidfile: None,
        tree: false,
        ..args.target.clone()
    };
    let options = [format!("--calls={calls}"), format!("--secs={}", args.secs), format!("--relay-base={FLOOR_BASE}")];
    hold(&target, &format!("floor-epoll-{calls}"), &options.each_ref().map(String::as_str))
}

/// A child that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It ends by itself as well; a failure here means that it has.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
