//! What is going on now: calls and registrations.

use super::names;
use model::{Direction, LegState, LiveCall, LiveLeg, Registration};
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
