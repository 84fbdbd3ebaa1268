//! Who is meant: calls and legs.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// One conversation, for its whole life: a UUID version 4 whose random bits carry the owner.
///
/// Bytes 10 and 11 hold the number of the cell that owns the call, so that a command finds it without a table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(Uuid);

impl CallId {
    /// A new id for a call of the given cell.
    pub fn new(cell: u16, entropy: &mut stdx::Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        bytes[10..12].copy_from_slice(&cell.to_be_bytes());
        Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }

    /// The cell that owns the call.
    pub fn cell(self) -> u16 {
        let bytes = self.0.as_bytes();
        u16::from_be_bytes([bytes[10], bytes[11]])
    }

    /// The id's sixteen bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    /// The id from its sixteen bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_hyphenated())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CallId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// The number of a leg within its call: 0 is the caller, each attempt to reach somebody gets the next.
pub type LegNo = u16;

/// One party in one call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LegId {
    /// The call.
    pub call: CallId,
    /// The leg's number within it.
    pub no: LegNo,
}

impl LegId {
    /// The caller's leg is always number 0.
    pub const CALLER: LegNo = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_names_its_cell_and_is_a_version_4_uuid() {
        let mut entropy = stdx::Entropy::seeded(1);
        for cell in [0, 1, 255, 16_000] {
            let id = CallId::new(cell, &mut entropy);
            assert_eq!(id.cell(), cell);
            assert_eq!(id.to_string().parse::<CallId>(), Ok(id));
            assert_eq!(id.to_string().as_bytes()[14], b'4');
        }
    }
}
