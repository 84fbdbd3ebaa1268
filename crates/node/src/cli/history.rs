//! Calls that exist and calls that were: lists, records, ladders.

use super::json::{escape, items, show, text};
use super::table::{moment, table};
use super::{Client, Shape, Trouble, say};
use clap::Subcommand;
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(super) enum Call {
    /// Show all
    List {
        #[command(flatten)]
        shape: Shape,
    },
    /// End one
    Hangup {
        /// Its id, or the beginning of it
        call: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Cdr {
    /// Show the newest
    List {
        /// How many, at most 500
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Only of this caller
        #[arg(long)]
        caller: Option<String>,
        /// Only to this number
        #[arg(long)]
        callee: Option<String>,
        /// Only with this party
        #[arg(long)]
        number: Option<String>,
        /// Only with this outcome, such as answered, busy, no_answer
        #[arg(long)]
        outcome: Option<String>,
        #[command(flatten)]
        shape: Shape,
    },
    /// Show one with its legs
    Show {
        /// Its id, or the beginning of it; "last" is the newest
        call: String,
        #[command(flatten)]
        shape: Shape,
    },
}

/// What was spent today.
pub(super) fn spending(client: &Client, shape: Shape) -> Result<(), Trouble> {
    let list = client.get("/spending")?;
    show(shape, &list, || {
        let money =
            |value: &Value| value.as_u64().map_or_else(|| "–".to_owned(), |cost| (cost as f64 / 1e6).to_string());
        let row = |own: &Value| {
            let whose = own["extension"].as_str().unwrap_or("all together").to_owned();
            let minutes = format!("{:.1}", own["talk_ms"].as_f64().unwrap_or(0.0) / 60_000.0);
            let cap = own["minutes_cap"].as_u64().map_or_else(|| "–".to_owned(), |cap| cap.to_string());
            vec![whose, text(&own["day"]), money(&own["cost"]), money(&own["cost_cap"]), minutes, cap]
        };
        let rows: Vec<Vec<String>> = items(&list).map(row).collect();
        table(&["whose", "day", "cost", "of", "minutes", "of"], &rows)
    });
    Ok(())
}

pub(super) fn call(client: &Client, action: Call) -> Result<(), Trouble> {
    match action {
        Call::List { shape } => {
            let list = client.get("/calls")?;
            show(shape, &list, || {
                let rows: Vec<Vec<String>> = items(&list)
                    .map(|call| {
                        let legs: Vec<String> = items(&call["legs"])
                            .map(|leg| format!("{}:{}", text(&leg["number"]), text(&leg["state"])))
                            .collect();
                        let started = call["started_at"].as_u64().map(moment).unwrap_or_default();
                        vec![text(&call["id"]), text(&call["caller"]), text(&call["callee"]), started, legs.join(" ")]
                    })
                    .collect();
                table(&["call", "caller", "callee", "started (UTC)", "legs"], &rows)
            });
        }
        Call::Hangup { call } => {
            let list = client.get("/calls")?;
            let ids: Vec<String> = items(&list).map(|c| text(&c["id"])).filter(|id| id.starts_with(&call)).collect();
            match ids.as_slice() {
                [id] => {
                    client.delete(&format!("/calls/{id}"))?;
                    say(&format!("call {id} is being ended"));
                }
                [] => return Err(Trouble(format!("there is no call {call} now; `patchbay call list` shows all"))),
                _ => return Err(Trouble(format!("{} calls begin with {call}; write more of the id", ids.len()))),
            }
        }
    }
    Ok(())
}

pub(super) fn cdr(client: &Client, action: Cdr) -> Result<(), Trouble> {
    match action {
        Cdr::List { limit, caller, callee, number, outcome, shape } => {
            let mut path = format!("/records?limit={limit}");
            for (key, value) in [("caller", caller), ("callee", callee), ("number", number), ("outcome", outcome)] {
                if let Some(value) = value {
                    path.push_str(&format!("&{key}={}", escape(&value)));
                }
            }
            let page = client.get(&path)?;
            show(shape, &page, || {
                let rows: Vec<Vec<String>> = items(&page["items"]).map(record_row).collect();
                let list =
                    table(&["started (UTC)", "caller", "callee", "outcome", "talked", "ended by", "call"], &rows);
                format!("{list}\n{} of {}", rows.len(), page["total"])
            });
        }
        Cdr::Show { call, shape } => {
            let record = client.get(&format!("/records/{}", find_record(client, &call)?))?;
            show(shape, &record, || describe(&record));
        }
    }
    Ok(())
}

fn record_row(record: &Value) -> Vec<String> {
    vec![
        record["started_at"].as_u64().map(moment).unwrap_or_default(),
        text(&record["caller"]),
        text(&record["callee"]),
        text(&record["outcome"]),
        format!("{:.1} s", record["talk_ms"].as_f64().unwrap_or(0.0) / 1000.0),
        text(&record["ended_by"]),
        text(&record["id"]),
    ]
}

/// A record in words, with the quality of each leg.
pub(crate) fn describe(record: &Value) -> String {
    let mut lines = vec![
        format!("call      {}", text(&record["id"])),
        format!("from, to  {} → {} ({})", text(&record["caller"]), text(&record["callee"]), text(&record["direction"])),
    ];
    for (name, key) in
        [("started", "started_at"), ("ringing", "ringing_at"), ("answered", "answered_at"), ("ended", "ended_at")]
    {
        if let Some(at) = record[key].as_u64() {
            lines.push(format!("{name:<9} {} UTC", moment(at)));
        }
    }
    let cause = &record["cause"];
    lines.push(format!(
        "outcome   {}, ended by {} (SIP {}, Q.850 {})",
        text(&record["outcome"]),
        text(&record["ended_by"]),
        cause["sip"],
        cause["q850"]
    ));
    if record["note"].as_str().is_some_and(|note| !note.is_empty()) {
        lines.push(format!("note      {}", text(&record["note"])));
    }
    if let Some(cost) = record["cost"].as_u64() {
        let price = record["price_per_minute"].as_f64().unwrap_or(0.0) / 1e6;
        lines.push(format!("cost      {} ({price} a minute)", cost as f64 / 1e6));
    }
    if record["recording"].is_object() {
        let recording = &record["recording"];
        let whole = if recording["complete"] == true {
            String::new()
        } else {
            format!(", incomplete: {}", text(&recording["note"]))
        };
        let seconds = recording["length_ms"].as_f64().unwrap_or(0.0) / 1000.0;
        lines.push(format!("recording {} ({seconds:.1} s{whole})", text(&recording["path"])));
    }
    lines.push(quality(record));
    lines.join("\n")
}

/// What reached the switch from each party.
pub(crate) fn quality(record: &Value) -> String {
    let number =
        |value: &Value, digits: usize| value.as_f64().map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"));
    let rows: Vec<Vec<String>> = items(&record["legs"])
        .map(|leg| {
            let q = &leg["quality"];
            vec![
                text(&leg["number"]),
                text(&leg["outcome"]),
                text(&leg["codec"]),
                number(&q["received"], 0),
                number(&q["loss_percent"], 2),
                number(&q["jitter_ms"], 2),
                number(&q["rtt_ms"], 1),
                number(&q["mos"], 2),
                number(&q["sent"], 0),
                number(&q["remote_loss_percent"], 2),
            ]
        })
        .collect();
    table(
        &["leg", "outcome", "codec", "received", "lost %", "jitter ms", "rtt ms", "MOS", "sent", "lost there %"],
        &rows,
    )
}

/// The whole id of a record: given whole, by its beginning among the newest 500, or as `last`.
pub(super) fn find_record(client: &Client, call: &str) -> Result<String, Trouble> {
    if call.parse::<model::CallId>().is_ok() {
        return Ok(call.to_owned());
    }
    let wanted = if call == "last" { 1 } else { 500 };
    let page = client.get(&format!("/records?limit={wanted}"))?;
    let ids = items(&page["items"]).map(|r| text(&r["id"]));
    let found: Vec<String> = ids.filter(|id| call == "last" || id.starts_with(call)).collect();
    match found.as_slice() {
        [id] => Ok(id.clone()),
        [] => Err(Trouble(format!("no record of call {call}; `patchbay cdr list` shows the newest"))),
        _ => Err(Trouble(format!("{} calls begin with {call}; write more of the id", found.len()))),
    }
}
