//! SIP messages: of a call as a ladder, of a number or an address as they were or as they pass.

use super::history::find_record;
use super::json::escape;
use super::ladder::{TraceLine, ladder};
use super::{Client, Trouble, say};
use clap::Args;
use serde_json::Value;
use std::net::IpAddr;

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["call", "number", "address", "call_id"])))]
pub(super) struct Trace {
    /// The call's id, or the beginning of it; "last" is the newest
    #[arg(conflicts_with_all = ["number", "address", "call_id", "follow"])]
    call: Option<String>,
    /// Messages from, to or for this number, an extension's registrations too
    #[arg(long)]
    number: Option<String>,
    /// Messages from or to this IP address
    #[arg(long)]
    address: Option<IpAddr>,
    /// Messages of this SIP Call-ID
    #[arg(long)]
    call_id: Option<String>,
    /// Show what passes from now on, until interrupted
    #[arg(long)]
    follow: bool,
    /// Show whole messages
    #[arg(long)]
    full: bool,
    /// JSON instead of a drawing
    #[arg(long)]
    json: bool,
}

pub(super) fn trace(client: &Client, what: Trace) -> Result<(), Trouble> {
    let Trace { call, number, address, call_id, follow, full, json } = what;
    if let Some(call) = call {
        let id = find_record(client, &call)?;
        let lines = client.get(&format!("/records/{id}/trace"))?;
        if json {
            say(&lines.to_string());
            return Ok(());
        }
        say(&ladder(&trace_lines(lines)?, full));
        return Ok(());
    }
    let given = [("number", number), ("address", address.map(|ip| ip.to_string())), ("call_id", call_id)];
    let query: Vec<String> =
        given.into_iter().filter_map(|(key, value)| Some(format!("{key}={}", escape(&value?)))).collect();
    let path = format!("/trace?{}&follow={follow}", query.join("&"));
    if follow {
        return client.each_line(&path, |line| {
            if json {
                say(line);
            } else if let Ok(message) = serde_json::from_str::<TraceLine>(line) {
                say(&one(&message, full));
            }
        });
    }
    let mut lines = Vec::new();
    client.each_line(&path, |line| {
        if json {
            say(line);
        } else if let Ok(message) = serde_json::from_str::<TraceLine>(line) {
            lines.push(message);
        }
    })?;
    if !json {
        say(&ladder(&lines, full));
    }
    Ok(())
}

/// A message on a line of its own, as it passes.
fn one(message: &TraceLine, full: bool) -> String {
    let arrow = if message.sent { "→" } else { "←" };
    let moment = super::table::moment(message.at);
    let first = message.text.lines().next().unwrap_or_default();
    let line = format!("{moment}  {arrow} {:<22}  {first}", message.remote);
    if full { format!("{line}\n{}", message.text) } else { line }
}

pub(crate) fn trace_lines(lines: Value) -> Result<Vec<TraceLine>, Trouble> {
    serde_json::from_value(lines).map_err(|e| Trouble(format!("the trace cannot be read: {e}")))
}
