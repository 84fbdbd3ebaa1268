//! One run, one line of JSON. Names and units of the fields stay as they are: files of results are kept and compared.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::samples::Spread;

/// What every line says.
#[derive(Debug, Serialize)]
pub struct Line<Body> {
    /// This program.
    pub tool: &'static str,
    /// Name of the target.
    pub peer: String,
    /// Name of the run.
    pub label: String,
    /// End of the run, UTC.
    pub when: String,
    /// The workload's figures.
    #[serde(flatten)]
    pub body: Body,
}

/// Registrations.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Registered {
    pub workload: &'static str,
    pub rate: u64,
    pub count: u64,
    pub users: u64,
    pub ok: u64,
    pub failed: u64,
    pub codes: BTreeMap<u16, u64>,
    pub retrans: u64,
    pub achieved_per_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<bool>,
    pub cpu_us_per_reg: Option<f64>,
    pub rtt_ms: Option<Spread>,
    pub wall_s: f64,
    pub server_cpu_s: f64,
    pub rss_before_kb: u64,
    pub rss_after_kb: u64,
    pub threads: u64,
    #[serde(flatten)]
    pub conditions: Conditions,
}

/// A flood.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Flooded {
    pub workload: &'static str,
    pub rate: u64,
    pub sources: u64,
    pub sent: u64,
    pub unsent: u64,
    pub achieved_per_s: f64,
    pub answers: u64,
    pub wall_s: f64,
    pub server_cpu_s: f64,
    pub rss_before_kb: u64,
    pub rss_most_kb: u64,
    pub rss_after_kb: u64,
    #[serde(flatten)]
    pub conditions: Conditions,
}

/// Calls, set up and torn down, or held.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Called {
    pub workload: &'static str,
    pub mode: &'static str,
    pub dial: String,
    pub calls: u64,
    pub up: u64,
    pub failed: u64,
    pub cps: u64,
    pub setup_wall_s: f64,
    pub setup_cpu_s: f64,
    pub cpu_ms_per_call_setup: Option<f64>,
    pub codes: BTreeMap<u16, u64>,
    pub inv_200_ms: Option<Spread>,
    pub inv_180_ms: Option<Spread>,
    pub inv_to_callee_inv_ms: Option<Spread>,
    pub bye_200_ms: Option<Spread>,
    pub retrans: Retransmissions,
    pub uas_invites: u64,
    pub server_byes: u64,
    pub rss_idle_kb: u64,
    pub rss_up_kb: u64,
    pub rss_after_kb: u64,
    pub rss_kb_per_call: Option<f64>,
    pub threads_idle: u64,
    pub threads_up: u64,
    #[serde(flatten)]
    pub window: Option<Window>,
    #[serde(flatten)]
    pub streams: Option<Streams>,
    #[serde(flatten)]
    pub conditions: Conditions,
}

/// What was sent more than once.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Retransmissions {
    pub invite: u64,
    pub ok200: u64,
    pub ok200_unacknowledged: u64,
    pub bye: u64,
    pub bye_timeout: u64,
}

/// The target's cost while all calls are held.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Window {
    pub window_s: f64,
    pub cpu_s: f64,
    pub cpu_pct_core: f64,
    pub cpu_pct_core_per_call: Option<f64>,
}

/// The sound in the window.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Streams {
    pub tx_a: u64,
    pub tx_b: u64,
    pub rx_a: u64,
    pub rx_b: u64,
    pub cpu_us_per_packet_in: Option<f64>,
    pub legs_a: usize,
    pub legs_b: usize,
    pub legs_a_with_media: usize,
    pub legs_b_with_media: usize,
    pub loss_pct_ab: Option<f64>,
    pub loss_pct_ba: Option<f64>,
    pub reordered: u64,
    pub dup: u64,
    pub crossed: u64,
    pub non_magic: u64,
    pub refused_remote: u64,
    pub rx_pct_of_50pps_a: f64,
    pub rx_pct_of_50pps_b: f64,
    pub lat_ms_ab: Option<Spread>,
    pub lat_ms_ba: Option<Spread>,
    pub jitter_ms: Option<Spread>,
}

/// What the machine and the driver were doing meanwhile.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Conditions {
    pub r#gen: Driver,
    pub host_busy_pct: f64,
    pub host_steal_pct: f64,
    pub load_start: f64,
    pub load_end: f64,
}

/// The driver itself: if `skipped_ms` is not 0 it was starved, and latency and loss of the run say nothing.
#[derive(Debug, Default, Serialize)]
#[allow(missing_docs, reason = "the names are the units; bench/README.md explains them")]
pub struct Driver {
    pub cpu_pct_core: f64,
    pub tick_late_ms_p99: f64,
    pub tick_late_ms_max: f64,
    pub send_err: u64,
    pub skipped_ms: u64,
}

/// Prints a line, and appends it to the file of results.
#[allow(clippy::print_stdout, reason = "the line on standard output is what the command is for")]
pub fn emit<Body: Serialize>(line: &Line<Body>, out: Option<&Path>) -> Result<()> {
    let text = serde_json::to_string(line).context("writing a result as JSON")?;
    println!("{text}");
    let Some(path) = out else { return Ok(()) };
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("opening --out {}", path.display()))?;
    writeln!(file, "{text}").with_context(|| format!("writing to {}", path.display()))
}

/// The present second, UTC.
#[must_use]
pub fn now_utc() -> String {
    utc(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()))
}

/// Civil date from a count of days: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
fn utc(unix_s: u64) -> String {
    let (days, second) = (unix_s / 86_400 + 719_468, unix_s % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_civil() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_735_689_599), "2024-12-31T23:59:59Z");
    }

    #[test]
    fn a_line_is_one_flat_object() {
        let body = Called { window: Some(Window { window_s: 1.5, ..Window::default() }), ..Called::default() };
        let line = Line { tool: "t", peer: "p".into(), label: "l".into(), when: now_utc(), body };
        let value = serde_json::to_value(&line).unwrap();
        assert_eq!(value["window_s"], 1.5);
        assert!(value.get("tx_a").is_none() && value["gen"]["skipped_ms"] == 0);
    }
}
