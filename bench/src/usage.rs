//! What the target's processes use: CPU time, memory, threads; and how busy the machine is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The processes to account, perhaps with all their descendants.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    roots: Vec<i32>,
    descendants: bool,
}

/// One reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time of all threads, user and system, in seconds.
    pub cpu_s: f64,
    /// Resident memory.
    pub rss_kb: u64,
    /// Threads.
    pub threads: u64,
}

impl Processes {
    /// Finds the processes; without any, nothing is accounted.
    pub fn find(pids: &[i32], pid_file: Option<&Path>, descendants: bool) -> Result<Self> {
        let mut roots = pids.to_vec();
        if let Some(path) = pid_file {
            let text = fs::read_to_string(path)
                .with_context(|| format!("reading --pidfile {}: is the target running?", path.display()))?;
            for word in text.split_whitespace() {
                roots.push(word.parse().with_context(|| format!("{word} in {} is no pid", path.display()))?);
            }
        }
        for pid in &roots {
            if !Path::new(&format!("/proc/{pid}")).exists() {
                bail!("there is no process {pid}: the target is not running, or its pid file is stale");
            }
        }
        Ok(Self { roots, descendants })
    }

    /// Whether there is anything to account.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.roots.is_empty()
    }

    /// Pids of all accounted processes at this moment.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        if !self.descendants {
            return self.roots.clone();
        }
        let children = children_of_all();
        let mut all = self.roots.clone();
        let mut next = 0;
        while let Some(parent) = all.get(next).copied() {
            for child in children.get(&parent).into_iter().flatten() {
                if !all.contains(child) {
                    all.push(*child);
                }
            }
            next += 1;
        }
        all
    }

    /// Reads them all. A process that is gone counts nothing.
    #[must_use]
    pub fn read(&self) -> Usage {
        self.pids().into_iter().fold(Usage::default(), |sum, pid| {
            let (rss_kb, threads) = memory(pid).unwrap_or_default();
            Usage { cpu_s: sum.cpu_s + cpu(pid), rss_kb: sum.rss_kb + rss_kb, threads: sum.threads + threads }
        })
    }
}

/// The process's own clock: to the nanosecond, where `/proc/PID/stat` has ticks of 10 ms.
fn cpu(pid: i32) -> f64 {
    clock_getcpuclockid(Pid::from_raw(pid))
        .and_then(clock_gettime)
        .map_or(0.0, |time| Duration::from(time).as_secs_f64())
}

fn memory(pid: i32) -> Option<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Some((field("VmRSS:")?, field("Threads:")?))
}

fn children_of_all() -> BTreeMap<i32, Vec<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok()) {
        if let Some(parent) = parent(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may contain anything.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

/// How busy the whole machine was: ticks since it started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host {
    busy: u64,
    stolen: u64,
    all: u64,
}

impl Host {
    /// Reads the machine's counters.
    #[must_use]
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let mut ticks = [0u64; 8];
        let words = stat.lines().next().unwrap_or_default().split_whitespace().skip(1);
        for (slot, word) in ticks.iter_mut().zip(words) {
            *slot = word.parse().unwrap_or(0);
        }
        let [user, nice, system, idle, wait, irq, soft_irq, stolen] = ticks;
        let busy = user + nice + system + irq + soft_irq;
        Self { busy, stolen, all: busy + idle + wait + stolen }
    }

    /// Per cent of the machine that was busy, and stolen by its host, since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> (f64, f64) {
        let all = self.all.saturating_sub(earlier.all).max(1) as f64;
        let share = |now: u64, then: u64| 100.0 * now.saturating_sub(then) as f64 / all;
        (share(self.busy, earlier.busy), share(self.stolen, earlier.stolen))
    }
}

/// The load average of the last minute.
#[must_use]
pub fn load_average() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// CPU seconds the driver itself has used.
#[must_use]
pub fn own_cpu_s() -> f64 {
    let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
    getrusage(UsageWho::RUSAGE_SELF).map_or(0.0, |u| seconds(u.user_time()) + seconds(u.system_time()))
}

/// Gives the driver's session and the target's more of a shared machine, where the kernel groups tasks by session.
pub fn favour(processes: &Processes, nice: i32) -> Result<()> {
    let own = std::process::id() as i32;
    for pid in processes.pids().into_iter().chain([own]) {
        let path = format!("/proc/{pid}/autogroup");
        fs::write(&path, nice.to_string()).with_context(|| format!("writing {path}: --favour needs root"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_this_very_process() {
        let own = Processes::find(&[std::process::id() as i32], None, true).unwrap();
        let before = own.read();
        let mut sum = 0u64;
        for i in 0..20_000_000u64 {
            sum = std::hint::black_box(sum ^ i);
        }
        let after = own.read();
        assert!(after.cpu_s > before.cpu_s && after.rss_kb > 0 && after.threads > 0, "{after:?}");
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error() {
        let missing = Processes::find(&[i32::MAX], None, false).unwrap_err();
        assert!(missing.to_string().contains("not running"));
    }

    #[test]
    fn the_machine_s_share_is_of_the_time_between() {
        let earlier = Host { busy: 100, stolen: 0, all: 1_000 };
        let later = Host { busy: 150, stolen: 10, all: 1_100 };
        assert_eq!(later.since(&earlier), (50.0, 10.0));
    }
}
