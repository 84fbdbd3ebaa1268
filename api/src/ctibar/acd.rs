//! Skill groups: a queue's name and its number on this wire.

use model::Queue;
use serde_json::{Value, json};

/// A queue as the contract has it: the switch knows queues by name, the contract by an integer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Acd {
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Acd {
    /// The number of a queue is its own if it has one of digits, else one that is made of its name, and the same each time.
    pub(crate) fn of(name: &str, number: &str) -> Self {
        let own = number.parse().ok().filter(|own: &u64| *own > 0 && *own < 1 << 53 && own.to_string() == number);
        Self { id: own.unwrap_or_else(|| made_of(name)), name: name.to_owned() }
    }

    pub(crate) fn of_queue(queue: &Queue) -> Self {
        Self::of(&queue.name, &queue.number)
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "acdId": self.id, "acdName": self.name })
    }
}

/// FNV-1a, 31 bits: small enough for every client's integers.
fn made_of(name: &str) -> u64 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    u64::from(hash & 0x7fff_ffff).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_keeps_its_number() {
        assert_eq!(Acd::of("sales", "700").id, 700);
        // Not what one would write back.
        assert_ne!(Acd::of("sales", "0700").id, 700);
        // The check value of FNV-1a 32 for "foobar".
        assert_eq!(Acd::of("foobar", "").id, 0xbf9c_f968 & 0x7fff_ffff);
        assert_eq!(Acd::of("foobar", "7*"), Acd::of("foobar", ""));
    }
}
