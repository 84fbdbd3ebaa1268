//! Trunks on the wire.

use model::{TrunkRegistration, TrunkState, TrunkStatus};
use serde::Serialize;
use utoipa::ToSchema;

/// A trunk as it is now.
#[derive(Serialize, ToSchema)]
pub(crate) struct TrunkOut {
    /// Its name.
    name: String,
    /// Whether it can be called: `off`, `unknown` (not found out yet), `up` or `down`.
    #[schema(value_type = String)]
    state: TrunkState,
    /// What came of registering there: `registering`, `registered`, `unreachable` or `refused`; null where that is not wanted.
    #[schema(value_type = Option<String>)]
    registration: Option<TrunkRegistration>,
    /// Why it is down; empty where all is well.
    note: String,
    /// Its servers: transport, address and port.
    hops: Vec<String>,
    /// Those of them that are left out for now because they do not serve.
    dead_hops: Vec<String>,
    /// The round trip of OPTIONS to the nearest server, smoothed, in milliseconds; null where it is not measured.
    round_trip_ms: Option<f64>,
    /// Calls over it now, in both directions.
    calls: u32,
    /// How many there may be; 0: no limit.
    max_calls: u32,
    /// Calls turned away by a limit since the switch began.
    refused: u64,
    /// Since when the state is what it is, Unix milliseconds.
    since: u64,
}

impl From<TrunkStatus> for TrunkOut {
    fn from(status: TrunkStatus) -> Self {
        let TrunkStatus {
            name,
            state,
            registration,
            note,
            hops,
            dead_hops,
            round_trip_us,
            calls,
            max_calls,
            refused,
            since,
        } = status;
        let round_trip_ms = round_trip_us.map(|us| us as f64 / 1000.0);
        Self { name, state, registration, note, hops, dead_hops, round_trip_ms, calls, max_calls, refused, since }
    }
}
