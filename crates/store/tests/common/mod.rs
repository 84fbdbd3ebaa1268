//! What the tests of the store share.
#![allow(dead_code, reason = "each test file uses its part")]

use model::{CallId, CallRecord, Cause, Direction, LegRecord, Outcome, Quality, RecordingFile, Side};
use stdx::Entropy;

/// A leg with everything filled in.
pub(crate) fn leg(no: u16, number: &str) -> LegRecord {
    LegRecord {
        no,
        number: number.into(),
        remote: "192.0.2.1:5060".into(),
        user_agent: "Ph\"one/1 — 电话".into(),
        sip_call_id: format!("{no}@phone"),
        outcome: Outcome::Answered,
        cause: Cause { sip: 200, q850: 16 },
        codec: "PCMA".into(),
        quality: Some(Quality { received: 500, loss_percent: 0.1, mos: Some(4.409_286), ..Quality::default() }),
        origin: model::LegOrigin::Dialled,
        answered_at: Some(1_000),
        ended_at: 2_000,
        heard: Vec::new(),
    }
}

/// An answered call of 5 s.
pub(crate) fn record(entropy: &mut Entropy, started_at: u64, caller: &str, callee: &str) -> CallRecord {
    CallRecord {
        id: CallId::new(0, entropy),
        caller: caller.into(),
        caller_name: "Ana".into(),
        callee: callee.into(),
        direction: Direction::Internal,
        trunk: None,
        started_at,
        ringing_at: Some(started_at + 100),
        answered_at: Some(started_at + 1000),
        ended_at: started_at + 6000,
        outcome: Outcome::Answered,
        ended_by: Side::Callee,
        cause: Cause { sip: 200, q850: 16 },
        note: String::new(),
        legs: vec![leg(0, caller), leg(1, callee)],
        more_recordings: Vec::new(),
        recording: Some(RecordingFile {
            path: "20260101/x.wav".into(),
            length_ms: 5000,
            complete: true,
            note: String::new(),
        }),
        charge: None,
        variables: std::collections::BTreeMap::new(),
        verification: None,
        queue: None,
        forwarded_from: Vec::new(),
        satisfaction: None,
        outage_ms: None,
    }
}

/// The same, with a note of `note` bytes.
pub(crate) fn noted(entropy: &mut Entropy, started_at: u64, note: usize) -> CallRecord {
    CallRecord { note: "x".repeat(note), ..record(entropy, started_at, "100", "101") }
}
