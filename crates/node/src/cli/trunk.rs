//! Trunks as they are now.

use super::json::{items, show, text};
use super::table::table;
use super::{Client, Shape, Trouble};
use clap::Subcommand;
use serde_json::Value;

#[derive(Debug, Subcommand)]
pub(super) enum Trunk {
    /// Show all
    List {
        #[command(flatten)]
        shape: Shape,
    },
}

pub(super) fn trunk(client: &Client, action: &Trunk) -> Result<(), Trouble> {
    let Trunk::List { shape } = action;
    let list = client.get("/trunks")?;
    show(*shape, &list, || {
        let rows: Vec<Vec<String>> = items(&list).map(row).collect();
        table(&["trunk", "state", "registration", "round trip", "calls", "servers", "note"], &rows)
    });
    Ok(())
}

fn row(trunk: &Value) -> Vec<String> {
    let trip = trunk["round_trip_ms"].as_f64().map_or_else(String::new, |ms| format!("{ms:.1} ms"));
    let calls = match trunk["max_calls"].as_u64() {
        None | Some(0) => text(&trunk["calls"]),
        Some(most) => format!("{}/{most}", text(&trunk["calls"])),
    };
    let dead: Vec<&Value> = items(&trunk["dead_hops"]).collect();
    let hop = |hop: &Value| if dead.contains(&hop) { format!("{} (out)", text(hop)) } else { text(hop) };
    let hops: Vec<String> = items(&trunk["hops"]).map(hop).collect();
    let registration = trunk["registration"].as_str().unwrap_or_default().to_owned();
    vec![text(&trunk["name"]), text(&trunk["state"]), registration, trip, calls, hops.join(", "), text(&trunk["note"])]
}
