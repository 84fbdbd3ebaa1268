//! Why a call ended, in one truth that every dialect tells in its own words.

use serde::{Deserialize, Serialize};

/// What came of a call (or of one attempt to reach somebody).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Two people spoke.
    Answered,
    /// The called party is in another call.
    Busy,
    /// It rang, nobody answered in time.
    NoAnswer,
    /// The caller hung up before an answer.
    Cancelled,
    /// The called party refused the call.
    Rejected,
    /// The number exists, but no phone of it is registered or reachable.
    Unreachable,
    /// The number does not exist.
    Unallocated,
    /// The caller may not do this.
    Forbidden,
    /// The parties share no codec, or the session description was unusable.
    Incompatible,
    /// The other network, or this switch, has no room now.
    Congestion,
    /// Sound stopped coming and the call was given up.
    MediaTimeout,
    /// The switch itself failed in this call (also: it was killed).
    SwitchFailure,
}

impl Outcome {
    /// The outcome's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
            Self::Unreachable => "unreachable",
            Self::Unallocated => "unallocated",
            Self::Forbidden => "forbidden",
            Self::Incompatible => "incompatible",
            Self::Congestion => "congestion",
            Self::MediaTimeout => "media_timeout",
            Self::SwitchFailure => "switch_failure",
        }
    }

    /// The final SIP status and Q.850 cause that the caller is given where the far end gave none (RFC 3398 §8.2.6.1, ITU-T Q.850).
    pub fn cause(self) -> Cause {
        let (sip, q850) = match self {
            Self::Answered => (200, 16),
            Self::Busy => (486, 17),
            Self::NoAnswer => (480, 19),
            Self::Cancelled => (487, 16),
            Self::Rejected => (603, 21),
            Self::Unreachable => (480, 20),
            Self::Unallocated => (404, 1),
            Self::Forbidden => (403, 21),
            Self::Incompatible => (488, 88),
            Self::Congestion => (503, 42),
            Self::MediaTimeout => (408, 102),
            Self::SwitchFailure => (500, 41),
        };
        Cause { sip, q850 }
    }

    /// What a refused call means where the refusal gave a Q.850 cause besides its status, as gateways do (RFC 6432): the
    /// cause says more than the status, which is the same for a number that does not exist and for a phone that is off.
    pub fn of_refusal(status: u16, q850: Option<u8>) -> Self {
        match q850 {
            // Unallocated number, number changed, address incomplete.
            Some(1 | 22 | 28) => Self::Unallocated,
            // No route; subscriber absent; destination out of order.
            Some(2 | 3 | 20 | 25 | 27) => Self::Unreachable,
            Some(17) => Self::Busy,
            Some(18 | 19) => Self::NoAnswer,
            Some(21) if status == 403 => Self::Forbidden,
            Some(21) => Self::Rejected,
            // No circuit, network out of order, temporary failure, equipment congestion, resource unavailable.
            Some(34 | 38 | 41..=44 | 46 | 47 | 49) => Self::Congestion,
            // Not subscribed, barred, not authorized, no member of the group.
            Some(29 | 50 | 52..=55 | 57 | 87) => Self::Forbidden,
            Some(58 | 63 | 65 | 66 | 69 | 70 | 79 | 88) => Self::Incompatible,
            // Normal, interworking and whatever else say no more than the status.
            _ => Self::of_status(status),
        }
    }

    /// What a final SIP failure of a called party means (RFC 3261 §21, RFC 3398 §7.2.6).
    pub fn of_status(status: u16) -> Self {
        match status {
            404 | 410 | 484 | 485 | 604 => Self::Unallocated,
            408 | 480 => Self::NoAnswer,
            // The way to the phone is gone (RFC 5626 §11), or the networks send the call in circles.
            430 | 482 | 483 => Self::Unreachable,
            486 | 600 => Self::Busy,
            487 => Self::Cancelled,
            401 | 402 | 403 | 407 => Self::Forbidden,
            415 | 488 | 606 => Self::Incompatible,
            603 | 607 | 608 => Self::Rejected,
            500..=599 => Self::Congestion,
            _ => Self::Rejected,
        }
    }
}

/// The same fact in the two languages of signalling.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Cause {
    /// SIP status (RFC 3261 §21).
    pub sip: u16,
    /// ITU-T Q.850 cause, as in a Reason header (RFC 3326).
    pub q850: u8,
}

impl Cause {
    /// The cause of a SIP status that came without a Reason header (RFC 3398 §8.2.6.1).
    pub fn of_status(sip: u16) -> Self {
        let q850 = match sip {
            200..=299 | 487 => 16,
            401 | 402 | 403 | 407 | 603 => 21,
            404 | 485 | 604 => 1,
            405 => 63,
            406 | 415 | 501 => 79,
            488 | 606 => 88,
            408 | 504 => 102,
            410 => 22,
            413 | 414 | 416 | 420 | 421 | 423 | 505 | 513 => 127,
            480 => 18,
            400 | 481 | 500 | 503 => 41,
            482 | 483 => 25,
            484 => 28,
            486 | 600 => 17,
            502 => 38,
            _ => 31,
        };
        Self { sip, q850 }
    }

    /// The cause of a Q.850 value that came without a SIP status (RFC 3398 §7.2.4.1).
    pub fn of_q850(q850: u8) -> Self {
        let sip = match q850 {
            16 => 200,
            1..=3 | 26 => 404,
            17 => 486,
            18 => 408,
            19 | 20 | 31 => 480,
            21 | 55 | 57 | 87 => 403,
            22 | 23 => 410,
            27 => 502,
            28 => 484,
            29 | 79 => 501,
            65 | 70 => 488,
            102 => 504,
            34 | 38 | 41 | 42 | 47 | 58 | 88 => 503,
            111 | 127 => 500,
            // By class (§7.2.4.1, the last paragraph): 0 and 1 normal, 2 no resource, 3 no service, 4 not implemented.
            0..=31 => 480,
            32..=47 => 503,
            48..=63 => 403,
            64..=79 => 501,
            _ => 500,
        };
        Self { sip, q850 }
    }
}

/// Which side did something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The party that placed the call.
    Caller,
    /// The party that was called.
    Callee,
    /// The switch, or somebody who commanded it.
    System,
}

impl Side {
    /// The side's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::System => "system",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_rfc_3398_hold() {
        let sip = [(404, 1), (486, 17), (480, 18), (408, 102), (484, 28), (502, 38), (501, 79), (415, 79), (603, 21)];
        for (status, q850) in sip {
            assert_eq!(Cause::of_status(status), Cause { sip: status, q850 });
        }
        let q850 = [(1, 404), (2, 404), (17, 486), (18, 408), (19, 480), (20, 480), (21, 403), (22, 410), (27, 502)];
        let more =
            [(28, 484), (31, 480), (34, 503), (41, 503), (65, 488), (102, 504), (127, 500), (16, 200), (99, 500)];
        for (q850, sip) in q850.into_iter().chain(more) {
            assert_eq!(Cause::of_q850(q850), Cause { sip, q850 });
        }
        assert!((0..=u8::MAX).all(|q850| (200..700).contains(&Cause::of_q850(q850).sip)));
    }

    #[test]
    fn empty_number_switched_off_busy_and_no_answer_are_told_apart() {
        use Outcome::{Busy, Congestion, Forbidden, NoAnswer, Rejected, Unallocated, Unreachable};
        // The same 480 or 404 of a gateway; its cause says what it is.
        for (status, q850, outcome) in [
            (404, Some(1), Unallocated),
            (404, Some(3), Unreachable),
            (480, Some(20), Unreachable),
            (480, Some(19), NoAnswer),
            (502, Some(27), Unreachable),
            (480, Some(17), Busy),
            (603, Some(21), Rejected),
            (403, Some(21), Forbidden),
            (503, Some(34), Congestion),
            (486, Some(16), Busy),
            (486, None, Busy),
            (404, None, Unallocated),
        ] {
            assert_eq!(Outcome::of_refusal(status, q850), outcome, "{status} {q850:?}");
        }
    }
}
