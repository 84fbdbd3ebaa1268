//! What became known of a caller's number by a signature (STIR/SHAKEN: RFC 8224, RFC 8588).

use serde::{Deserialize, Serialize};

/// What a trunk's signatures of callers' numbers are worth to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StirPolicy {
    /// Nobody looks at them.
    #[default]
    Off,
    /// They are checked, and the result is told; the call goes on whatever it is.
    Verify,
    /// A call without a good one is refused (RFC 8224 §6.2.2).
    Require,
}

/// What the check of a caller's number came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verification {
    /// The result.
    pub verdict: Verdict,
    /// What the signer vouches for: `A` (the caller, and that the number is his), `B` (the caller), `C` (only by which way the
    /// call came). `None` where no good signature says so.
    pub attestation: Option<char>,
    /// The signer's name for where the call came from; empty if it gave none.
    pub origid: String,
    /// Why it is not good; empty where it is.
    pub note: String,
}

/// The result of a check, in three words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The signature is good.
    Passed,
    /// It is not.
    Failed,
    /// There was nothing to check, or no way to check it.
    Unchecked,
}

impl Verdict {
    /// The verdict's stable name, as in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unchecked => "unchecked",
        }
    }

    /// The value of `verstat` (3GPP TS 24.229 §7.2A.20).
    pub fn verstat(self) -> &'static str {
        match self {
            Self::Passed => "TN-Validation-Passed",
            Self::Failed => "TN-Validation-Failed",
            Self::Unchecked => "No-TN-Validation",
        }
    }
}
