//! Spending on the wire.

use model::Spending;
use serde::Serialize;
use utoipa::ToSchema;

/// What was spent today, and may be. Money is in millionths of the currency.
#[derive(Serialize, ToSchema)]
pub(crate) struct SpendingOut {
    /// The extension; `null` for all calls together.
    extension: Option<String>,
    /// The day by the switch's clocks, `2026-11-21`.
    day: String,
    /// What was spent.
    cost: u64,
    /// How long was spoken.
    talk_ms: u64,
    /// What may be spent; `null` for no cap.
    cost_cap: Option<u64>,
    /// How many minutes may be spoken; `null` for no cap.
    minutes_cap: Option<u32>,
}

impl From<Spending> for SpendingOut {
    fn from(Spending { extension, day, spent, cap }: Spending) -> Self {
        let (cost, talk_ms) = (spent.cost, spent.talked_ms);
        Self { extension, day, cost, talk_ms, cost_cap: cap.cost, minutes_cap: cap.minutes }
    }
}

/// What was spent in a day, as events tell it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "events are told as the model has them; this describes them")]
pub(crate) struct SpentOut {
    /// Millionths of the currency.
    cost: u64,
    /// How long was spoken.
    talked_ms: u64,
}
