//! What is kept of a call's signalling, for its ladder.

use serde::{Deserialize, Serialize};
use sip_stack::endpoint::Trace;
use stdx::UnixMillis;

/// One message of a call's ladder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TraceLine {
    /// When it passed, Unix milliseconds.
    pub at: UnixMillis,
    /// True if the switch sent it.
    pub sent: bool,
    /// True if it had been sent before.
    pub repeated: bool,
    /// The other side, `address:port`.
    pub remote: String,
    /// The whole message; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// The messages of one call as they went over the wire, up to a limit.
#[derive(Debug, Default)]
pub(crate) struct Ladder {
    kept: Vec<(UnixMillis, Trace)>,
    more: usize,
}

impl Ladder {
    pub(crate) fn push(&mut self, at: UnixMillis, trace: Trace, limit: usize) {
        if self.kept.len() < limit {
            self.kept.push((at, trace));
        } else {
            self.more += 1;
        }
    }

    /// The ladder as JSON: an array of [`TraceLine`].
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let mut lines: Vec<TraceLine> = self
            .kept
            .iter()
            .map(|(at, trace)| TraceLine {
                at: *at,
                sent: trace.sent,
                repeated: trace.repeated,
                remote: trace.flow.remote.to_string(),
                text: String::from_utf8_lossy(&trace.data).into_owned(),
            })
            .collect();
        if let (true, Some(last)) = (self.more > 0, lines.last()) {
            let text = format!("({} more messages were not kept)", self.more);
            lines.push(TraceLine { at: last.at, sent: false, repeated: false, remote: String::new(), text });
        }
        serde_json::to_vec(&lines).unwrap_or_default()
    }
}
