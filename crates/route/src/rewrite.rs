//! Rules for digits: which numbers they are for, and what they make of them.
//!
//! A rule looks at the beginning and the length of a number and nothing else, so that it costs the same for every number.

use model::Rewrite;

/// The longest number that a rule makes; what would be longer is cut at the end.
pub const MAX_NUMBER: usize = 64;

/// The number as the first rule that fits makes it; as it is where none does.
pub(crate) fn rewrite(rules: &[Rewrite], number: &str) -> String {
    match rules.iter().find(|rule| fits(rule, number)) {
        Some(rule) => replace(number, rule.strip, &rule.prepend),
        None => number.to_owned(),
    }
}

/// Takes so many characters away in front and puts others in their place.
pub(crate) fn replace(number: &str, strip: u8, prepend: &str) -> String {
    prepend.chars().chain(number.chars().skip(strip.into())).take(MAX_NUMBER).collect()
}

fn fits(rule: &Rewrite, number: &str) -> bool {
    let length = number.chars().count();
    let long_enough =
        rule.length.is_none_or(|(least, most)| (usize::from(least)..=usize::from(most)).contains(&length));
    long_enough && number.starts_with(rule.begins.as_str()) && length >= usize::from(rule.strip)
}

/// A number, or the beginning of numbers: `0571*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Pattern {
    Exact(String),
    Begins(String),
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(begins) => Self::Begins(begins.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// How closely it fits; the greater the closer. An exact pattern is closer than every beginning.
    #[cfg(test)]
    pub(crate) fn closeness(&self, number: &str) -> Option<usize> {
        match self {
            Self::Exact(exact) => (exact == number).then_some(usize::MAX),
            Self::Begins(begins) => number.starts_with(begins.as_str()).then_some(begins.len()),
        }
    }
}

/// Patterns that are looked up by number: as many steps as the number has digits, however many patterns there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(std::collections::BTreeSet<Pattern>);

impl Patterns {
    pub(crate) fn new<'a>(texts: impl IntoIterator<Item = &'a String>) -> Self {
        Self(texts.into_iter().map(|text| Pattern::new(text)).collect())
    }

    /// How closely the closest of them fits.
    pub(crate) fn closest(&self, number: &str) -> Option<usize> {
        if self.0.is_empty() {
            return None;
        }
        if self.0.contains(&Pattern::Exact(number.to_owned())) {
            return Some(usize::MAX);
        }
        let ends = number.char_indices().map(|(at, _)| at).chain([number.len()]).rev();
        ends.filter(|end| *end <= MAX_NUMBER).find(|end| self.0.contains(&Pattern::Begins(number[..*end].to_owned())))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, number: &str) -> bool {
        self.closest(number).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(begins: &str, length: Option<(u8, u8)>, strip: u8, prepend: &str) -> Rewrite {
        Rewrite { begins: begins.to_owned(), length, strip, prepend: prepend.to_owned() }
    }

    #[test]
    fn the_first_rule_that_fits_makes_the_number() {
        let rules = [
            rule("0571", Some((11, 12)), 4, ""),
            rule("0", None, 0, "17909"),
            rule("", Some((4, 4)), 0, "8888"),
            rule("1", Some((11, 11)), 0, "0"),
        ];
        for (number, expected) in [
            ("057188886666", "88886666"),
            ("05718888", "1790905718888"),
            ("01062345678", "1790901062345678"),
            ("1001", "88881001"),
            ("13900138000", "013900138000"),
            ("95588", "95588"),
            ("", ""),
        ] {
            assert_eq!(rewrite(&rules, number), expected, "{number}");
        }
        assert_eq!(
            rewrite(&[rule("", None, 9, "x")], "123"),
            "123",
            "a rule that takes more than there is does not fit"
        );
    }

    proptest! {
        #[test]
        fn rewriting_never_fails_and_stays_short(
            begins in "[0-9+é]{0,3}", strip in 0u8..80, prepend in "[0-9é]{0,70}", number in "[0-9+é]{0,80}"
        ) {
            let made = rewrite(&[rule(&begins, None, strip, &prepend)], &number);
            prop_assert!(made == number || made.chars().count() <= MAX_NUMBER);
            if number.starts_with(&begins) && usize::from(strip) <= number.chars().count() {
                let rest: String = number.chars().skip(strip.into()).collect();
                prop_assert!((prepend + &rest).starts_with(&made));
            }
        }

        #[test]
        fn looking_up_patterns_agrees_with_trying_them_all(
            texts in proptest::collection::vec("[0-3]{0,4}\\*?", 0..20), number in "[0-3]{0,6}"
        ) {
            let patterns = Patterns::new(&texts);
            let oracle = texts.iter().filter_map(|text| Pattern::new(text).closeness(&number)).max();
            prop_assert_eq!(patterns.closest(&number), oracle);
        }
    }
}
