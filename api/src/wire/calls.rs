//! What is going on now: calls and registrations.

use super::names;
use model::{Ban, BanReason, Direction, LegState, LiveCall, LiveLeg, Registration};
use serde::Serialize;
use utoipa::ToSchema;

/// A call that exists now.
#[derive(Serialize, ToSchema)]
pub(crate) struct CallOut {
    /// UUID, for the call's whole life and in its record.
    id: String,
    /// Who called.
    caller: String,
    /// What was dialled.
    callee: String,
    #[schema(schema_with = names::directions)]
    direction: Direction,
    /// When it reached the switch.
    started_at: u64,
    /// When the called party answered; `null`: not yet.
    answered_at: Option<u64>,
    /// Is it being recorded now?
    recording: bool,
    /// Its parties, the caller first.
    legs: Vec<LegOut>,
}

/// A party of a call that exists now.
#[derive(Serialize, ToSchema)]
pub(crate) struct LegOut {
    /// 0 is the caller.
    no: u16,
    /// The party's number.
    number: String,
    #[schema(schema_with = names::leg_states)]
    state: LegState,
}

impl From<LiveCall> for CallOut {
    fn from(call: LiveCall) -> Self {
        let LiveCall { id, caller, callee, direction, started_at, answered_at, recording, legs } = call;
        let legs = legs.into_iter().map(|LiveLeg { no, number, state }| LegOut { no, number, state }).collect();
        Self { id: id.to_string(), caller, callee, direction, started_at, answered_at, recording, legs }
    }
}

/// One registered contact of an extension.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegistrationOut {
    /// The extension.
    extension: String,
    /// The contact's URI as the phone gave it.
    contact: String,
    /// Where it registered from, `address:port`.
    remote: String,
    /// `udp`, `tcp`, `tls`, `ws` or `wss`.
    transport: String,
    /// The phone's User-Agent; empty if it told none.
    user_agent: String,
    /// When the registration lapses.
    expires_at: u64,
}

impl From<Registration> for RegistrationOut {
    fn from(registration: Registration) -> Self {
        let Registration { extension, contact, remote, transport, user_agent, expires_at } = registration;
        Self { extension, contact, remote, transport, user_agent, expires_at }
    }
}

/// A source that nobody listens to for a while.
#[derive(Serialize, ToSchema)]
pub(crate) struct BanOut {
    /// An IPv4 address, or the first address of an IPv6 /64.
    source: String,
    #[schema(schema_with = names::ban_reasons)]
    reason: BanReason,
    /// Since when.
    since: u64,
    /// Until when.
    until: u64,
    /// How often it has been banned lately; each time is longer.
    times: u32,
    /// Messages dropped unread meanwhile.
    dropped: u64,
}

impl From<Ban> for BanOut {
    fn from(ban: Ban) -> Self {
        let Ban { source, reason, since, until, times, dropped } = ban;
        Self { source: source.to_string(), reason, since, until, times, dropped }
    }
}
