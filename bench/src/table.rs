//! Files of result lines as one table: a row per target and workload, repeated runs side by side.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

const HEADER: [&str; 8] =
    ["peer", "workload", "ok", "cost", "latency ms p50, p99", "loss, retransmissions", "memory", "conditions"];

/// Prints the table of some files.
#[allow(clippy::print_stdout, reason = "the table on standard output is what the command is for")]
pub fn print(files: &[PathBuf]) -> Result<()> {
    let mut text = String::new();
    for file in files {
        text += &fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    }
    print!("{}", table(&text)?);
    Ok(())
}

/// The table of some lines, in Markdown with aligned columns.
pub fn table(lines: &str) -> Result<String> {
    let mut groups: BTreeMap<(String, String), Vec<Value>> = BTreeMap::new();
    for (number, line) in lines.lines().enumerate().filter(|(_, l)| l.starts_with('{')) {
        let run: Value = serde_json::from_str(line).with_context(|| format!("line {} is no result", number + 1))?;
        groups.entry((text(&run, "peer"), label(&run))).or_default().push(run);
    }
    let mut rows = vec![HEADER.map(String::from), HEADER.map(|_| "---".to_owned())];
    for ((peer, label), runs) in &groups {
        let each = |cell: fn(&Value) -> String| runs.iter().map(cell).collect::<Vec<_>>().join(" / ");
        rows.push([
            peer.clone(),
            label.clone(),
            each(ok),
            each(cost),
            each(latency),
            each(loss),
            each(memory),
            each(conditions),
        ]);
    }
    Ok(aligned(&rows))
}

fn label(run: &Value) -> String {
    let label = text(run, "label");
    let shown = if label.is_empty() { text(run, "workload") } else { label };
    // Rising rates share a label and are no repetitions of each other.
    if shown == "W1max" { format!("{shown}@{}", text(run, "rate")) } else { shown }
}

fn ok(run: &Value) -> String {
    if run.get("rtt_ms").is_some() {
        format!("{}/{}", text(run, "ok"), text(run, "count"))
    } else {
        format!("{}/{}", text(run, "up"), text(run, "calls"))
    }
}

fn cost(run: &Value) -> String {
    if run.get("rtt_ms").is_some() {
        return format!("{} µs/reg", figure(run, "cpu_us_per_reg", 0));
    }
    if run.get("window_s").is_none() {
        return format!("{} ms/call", figure(run, "cpu_ms_per_call_setup", 3));
    }
    let mut cost = format!("{} %core/call", figure(run, "cpu_pct_core_per_call", 4));
    if run.get("cpu_us_per_packet_in").is_some() {
        let _ = write!(cost, ", {} µs/packet", figure(run, "cpu_us_per_packet_in", 2));
    }
    cost
}

fn latency(run: &Value) -> String {
    for (name, field) in [("REGISTER", "rtt_ms"), ("added", "lat_ms_ab")] {
        if let Some(spread) = spread(run, field) {
            return format!("{name} {spread}");
        }
    }
    let parts = [("INVITE-200", "inv_200_ms"), ("-callee", "inv_to_callee_inv_ms"), ("BYE", "bye_200_ms")];
    let parts = parts.iter().filter_map(|(name, field)| Some(format!("{name} {}", spread(run, field)?)));
    parts.collect::<Vec<_>>().join("; ")
}

fn loss(run: &Value) -> String {
    let mut words = Vec::new();
    if run.get("loss_pct_ab").is_some() {
        words.push(format!("loss {},{} %", figure(run, "loss_pct_ab", 3), figure(run, "loss_pct_ba", 3)));
    }
    for (name, field) in [("reordered", "reordered"), ("dup", "dup"), ("crossed", "crossed"), ("foreign", "non_magic")]
    {
        if run.get(field).and_then(Value::as_u64).is_some_and(|n| n > 0) {
            words.push(format!("{name} {}", text(run, field)));
        }
    }
    let again = match run.get("retrans") {
        Some(Value::Object(kinds)) => kinds.values().filter_map(Value::as_u64).sum(),
        Some(count) => count.as_u64().unwrap_or(0),
        None => 0,
    };
    words.push(format!("retrans {again}"));
    words.join(", ")
}

fn memory(run: &Value) -> String {
    let mb =
        |field: &str| run.get(field).and_then(Value::as_f64).map_or("-".to_owned(), |kb| format!("{:.1}", kb / 1024.0));
    if run.get("rss_before_kb").is_some() {
        return format!("{}→{} MB", mb("rss_before_kb"), mb("rss_after_kb"));
    }
    let up = format!("{}→{}→{} MB", mb("rss_idle_kb"), mb("rss_up_kb"), mb("rss_after_kb"));
    format!("{up}, {} kB/call, {} thr", figure(run, "rss_kb_per_call", 1), text(run, "threads_up"))
}

fn conditions(run: &Value) -> String {
    let mut words = format!("busy {} %, load {}", figure(run, "host_busy_pct", 0), figure(run, "load_end", 1));
    if run.pointer("/gen/skipped_ms").and_then(Value::as_u64).is_some_and(|ms| ms > 0) {
        words += ", DRIVER STARVED";
    }
    words
}

fn spread(run: &Value, field: &str) -> Option<String> {
    let spread = run.get(field)?;
    let (p50, p99) = (spread.get("p50")?.as_f64()?, spread.get("p99")?.as_f64()?);
    (p50 >= 0.0).then(|| format!("{p50:.2}, {p99:.2}"))
}

fn figure(run: &Value, field: &str, decimals: usize) -> String {
    run.get(field).and_then(Value::as_f64).map_or("-".to_owned(), |v| format!("{v:.decimals$}"))
}

fn text(run: &Value, field: &str) -> String {
    match run.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    rows.iter().fold(String::new(), |mut out, row| {
        for (cell, width) in row.iter().zip(widths) {
            let _ = write!(out, "| {cell:width$} ");
        }
        out + "|\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_runs_share_a_row() {
        let lines = r#"# a remark
{"peer":"x","label":"W1","rtt_ms":{"p50":1.0,"p99":2.5},"ok":10,"count":10,"cpu_us_per_reg":41.6,"retrans":1,"rss_before_kb":1024,"rss_after_kb":2048}
{"peer":"x","label":"W1","rtt_ms":{"p50":1.5,"p99":3.0},"ok":9,"count":10,"cpu_us_per_reg":43.2,"retrans":0,"rss_before_kb":2048,"rss_after_kb":2048}
"#;
        let table = table(lines).unwrap();
        assert_eq!(table.lines().count(), 3);
        assert!(table.contains("10/10 / 9/10") && table.contains("42 µs/reg / 43 µs/reg"), "{table}");
        assert!(table.contains("1.0→2.0 MB / 2.0→2.0 MB"));
    }

    #[test]
    fn a_starved_driver_is_shouted_about() {
        let line = r#"{"peer":"x","label":"W3-1","window_s":1,"up":1,"calls":1,"gen":{"skipped_ms":400},"crossed":3}"#;
        let table = table(line).unwrap();
        assert!(table.contains("DRIVER STARVED") && table.contains("crossed 3"), "{table}");
    }

    #[test]
    fn a_broken_line_is_named() {
        assert!(table("{}\n{oops\n").unwrap_err().to_string().contains("line 2"));
    }
}
