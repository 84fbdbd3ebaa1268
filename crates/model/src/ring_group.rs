//! Ring groups: extensions that are called for one number, all at once or one after the other.

use crate::Overflow;
use serde::{Deserialize, Serialize};

/// The most ring groups of a switch.
pub const MAX_RING_GROUPS: usize = 500;

/// The most members of one.
pub const MAX_RING_MEMBERS: usize = 50;

/// Whom a ring group calls first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RingStrategy {
    /// All at once.
    #[default]
    All,
    /// One after the other, in the order written.
    InOrder,
    /// One after the other, beginning with the one after whom the last call began with.
    RoundRobin,
}

/// A ring group. Its members are called as if they were one: they forward nothing on their own, and who does not want to be
/// disturbed, or is in a call and has no call waiting, is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RingGroup {
    /// Its name, as routes know it: 1 to 64 bytes.
    pub name: String,
    /// Its number, which extensions can dial; empty: routes alone lead to it. An extension of that number goes before, and a queue.
    pub number: String,
    /// The numbers of extensions.
    pub members: Vec<String>,
    /// Who is called first.
    pub strategy: RingStrategy,
    /// How long they ring: all together, or each.
    pub ring_seconds: u16,
    /// Where a call goes that nobody took.
    pub then: Overflow,
}

impl Default for RingGroup {
    fn default() -> Self {
        Self {
            name: String::new(),
            number: String::new(),
            members: Vec::new(),
            strategy: RingStrategy::default(),
            ring_seconds: 20,
            then: Overflow::default(),
        }
    }
}

impl RingGroup {
    /// What is wrong with it.
    ///
    /// # Errors
    ///
    /// In words for whoever sets it.
    pub fn check(&self) -> Result<(), String> {
        if self.name.is_empty() || self.name.len() > 64 || self.name.chars().any(char::is_control) {
            return Err("a ring group's name has 1 to 64 bytes, and no control characters".to_owned());
        }
        let fits =
            |text: &str| text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+*#-".contains(&b));
        if !fits(&self.number) {
            return Err(format!("\"{}\" is no number that could be dialled", self.number));
        }
        if self.members.is_empty() || self.members.len() > MAX_RING_MEMBERS {
            return Err(format!("a ring group has 1 to {MAX_RING_MEMBERS} members"));
        }
        for (at, member) in self.members.iter().enumerate() {
            if member.is_empty() || !fits(member) {
                return Err(format!("\"{member}\" is no extension"));
            }
            if self.members[..at].contains(member) {
                return Err(format!("{member} is in it twice"));
            }
        }
        if !(3..=600).contains(&self.ring_seconds) {
            return Err("ring_seconds is from 3 to 600".to_owned());
        }
        if matches!(&self.then, Overflow::RingGroup(name) if *name == self.name) {
            return Err("calls cannot go from a ring group to itself".to_owned());
        }
        self.then.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_members_once_each() {
        let right =
            RingGroup { name: "door".into(), members: vec!["101".into(), "102".into()], ..RingGroup::default() };
        assert_eq!(right.check(), Ok(()));
        for wrong in [
            RingGroup { name: String::new(), ..right.clone() },
            RingGroup { members: Vec::new(), ..right.clone() },
            RingGroup { members: vec!["101".into(), "101".into()], ..right.clone() },
            RingGroup { members: vec!["a b".into()], ..right.clone() },
            RingGroup { members: (0..=MAX_RING_MEMBERS).map(|n| n.to_string()).collect(), ..right.clone() },
            RingGroup { ring_seconds: 1, ..right.clone() },
            RingGroup { then: Overflow::RingGroup("door".into()), ..right.clone() },
            RingGroup { number: "9".repeat(33), ..right },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
