//! Bans, for hands.

use super::json::{items, show, text};
use super::table::{moment, table};
use super::{Client, Shape, Trouble, say};
use clap::Subcommand;
use std::net::IpAddr;

#[derive(Debug, Subcommand)]
pub(super) enum Ban {
    /// Show all
    List {
        #[command(flatten)]
        shape: Shape,
    },
    /// Ban an address
    Add {
        /// The address
        source: IpAddr,
    },
    /// Listen to an address again
    Remove {
        /// The address
        source: IpAddr,
    },
}

pub(super) fn ban(client: &Client, action: &Ban) -> Result<(), Trouble> {
    match action {
        Ban::List { shape } => {
            let list = client.get("/bans")?;
            show(*shape, &list, || {
                let rows: Vec<Vec<String>> = items(&list)
                    .map(|ban| {
                        let at = |key: &str| ban[key].as_u64().map(moment).unwrap_or_default();
                        let number = |key: &str| ban[key].to_string();
                        let (source, reason) = (text(&ban["source"]), text(&ban["reason"]));
                        vec![source, reason, at("since"), at("until"), number("times"), number("dropped")]
                    })
                    .collect();
                table(&["source", "reason", "since (UTC)", "until (UTC)", "times", "dropped"], &rows)
            });
        }
        Ban::Add { source } => {
            client.put(&format!("/bans/{source}"), &serde_json::json!({}))?;
            say(&format!("{source} is banned"));
        }
        Ban::Remove { source } => {
            client.delete(&format!("/bans/{source}"))?;
            say(&format!("{source} is listened to again"));
        }
    }
    Ok(())
}
