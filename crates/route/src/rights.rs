//! Which rights a number takes.

use crate::number::{Kind, Number};
use crate::rewrite::Patterns;
use model::{Rights, RightsRules};

/// The operator's rules, made ready for looking up.
#[derive(Clone, Debug)]
pub(crate) struct Classes {
    default: Rights,
    lists: [(Rights, Patterns); 3],
}

impl Classes {
    pub(crate) fn new(rules: &RightsRules) -> Self {
        let lists = [
            (Rights::International, Patterns::new(&rules.international)),
            (Rights::National, Patterns::new(&rules.national)),
            (Rights::Local, Patterns::new(&rules.local)),
        ];
        Self { default: rules.default, lists }
    }

    /// What an extension with this setting may do.
    pub(crate) fn of(&self, setting: Option<Rights>) -> Rights {
        setting.unwrap_or(self.default)
    }

    /// The least rights with which this number may be called. Lists go before the numbering plan; where two lists fit alike, the
    /// one that asks for more decides. `forms` are the ways in which the number can be written.
    pub(crate) fn needed(&self, number: &Number, forms: &[&str]) -> Rights {
        let closest = |patterns: &Patterns| forms.iter().filter_map(|form| patterns.closest(form)).max();
        let listed = self.lists.iter().filter_map(|(rights, patterns)| Some((closest(patterns)?, *rights))).max();
        listed.map_or_else(|| of_kind(number.kind), |(_, rights)| rights)
    }
}

fn of_kind(kind: Kind) -> Rights {
    match kind {
        Kind::Service | Kind::LocalMobile | Kind::LocalFixed => Rights::Local,
        // What is not understood may cost anything within the country; another country shows by its prefix.
        Kind::Mobile | Kind::Fixed | Kind::Unknown => Rights::National,
        Kind::Foreign => Rights::International,
    }
}
