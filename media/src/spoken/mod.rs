//! Numbers, amounts, dates and times as words, each word a clip: what a switch says of itself.
//!
//! ```
//! use media::spoken::{Language, number, text};
//!
//! assert_eq!(text(&number(10_005, Language::Zh), Language::Zh), "一万零五");
//! assert_eq!(text(&number(10_005, Language::En), Language::En), "ten thousand five");
//! ```

mod en;
mod zh;

/// A language that can be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// Mandarin.
    Zh,
    /// English.
    En,
}

/// Whose money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Currency {
    /// 元, 角, 分.
    Cny,
    /// Dollars and cents.
    Usd,
}

/// A day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    /// The year, 1000 to 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

/// A word by the name of its clip, which is also the name of its file.
pub type Word = &'static str;

impl Language {
    /// Its code, and the folder of its clips.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Zh => "zh",
            Self::En => "en",
        }
    }

    /// The language of a code.
    pub fn named(code: &str) -> Option<Self> {
        [Self::Zh, Self::En].into_iter().find(|language| language.code() == code)
    }

    /// Every clip that is needed: its name, and what is said in it.
    pub const fn words(self) -> &'static [(Word, &'static str)] {
        match self {
            Self::Zh => zh::WORDS,
            Self::En => en::WORDS,
        }
    }
}

/// A whole number, as one counts.
pub fn number(value: i64, language: Language) -> Vec<Word> {
    match language {
        Language::Zh => zh::number(value),
        Language::En => en::number(value),
    }
}

/// Digits one by one, as a telephone number is read; `*` and `#` too. Anything else is left out.
pub fn digits(text: &str, language: Language) -> Vec<Word> {
    match language {
        Language::Zh => text.chars().filter_map(zh::digit).collect(),
        Language::En => text.chars().filter_map(en::digit).collect(),
    }
}

/// An amount, in hundredths.
pub fn money(hundredths: i64, currency: Currency, language: Language) -> Vec<Word> {
    match language {
        Language::Zh => zh::money(hundredths, currency),
        Language::En => en::money(hundredths, currency),
    }
}

/// A day; empty if there is no such.
pub fn day(day: Day, language: Language) -> Vec<Word> {
    let Day { year, month, day: of_month } = day;
    if !(1_000..=9_999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&of_month) {
        return Vec::new();
    }
    match language {
        Language::Zh => zh::day(day),
        Language::En => en::day(day),
    }
}

/// A time of the day, by the hours of 24; empty if there is no such.
pub fn time(hour: u8, minute: u8, language: Language) -> Vec<Word> {
    if hour > 23 || minute > 59 {
        return Vec::new();
    }
    match language {
        Language::Zh => zh::time(hour, minute),
        Language::En => en::time(hour, minute),
    }
}

/// The words as they are written.
pub fn text(words: &[Word], language: Language) -> String {
    let written = |word: &Word| language.words().iter().find(|(name, _)| name == word).map_or("", |(_, text)| *text);
    let space = match language {
        Language::Zh => "",
        Language::En => " ",
    };
    words.iter().map(written).collect::<Vec<_>>().join(space)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_that_is_said_has_a_clip_and_every_clip_another_name() {
        for language in [Language::Zh, Language::En] {
            let known: std::collections::BTreeSet<&str> = language.words().iter().map(|(name, _)| *name).collect();
            assert_eq!(known.len(), language.words().len());
            let mut said = Vec::new();
            let steps =
                (0..100_000).step_by(7).chain((0..62).map(|shift| 1i64 << shift)).chain([i64::MAX, i64::MIN, -1]);
            steps.for_each(|value| said.extend(number(value, language)));
            for hundredths in (0..100_000).step_by(13).chain([i64::MIN, i64::MAX]) {
                [Currency::Cny, Currency::Usd].iter().for_each(|c| said.extend(money(hundredths, *c, language)));
            }
            for of_month in 1..=31 {
                for month in 1..=12 {
                    said.extend(day(Day { year: 1_900 + u16::from(of_month) * 9, month, day: of_month }, language));
                }
            }
            (0..24).for_each(|hour| (0..60).for_each(|minute| said.extend(time(hour, minute, language))));
            said.extend(digits("0123456789*#", language));
            let unknown: Vec<_> = said.iter().filter(|word| !known.contains(*word)).collect();
            assert!(unknown.is_empty(), "{unknown:?}");
            let unused: Vec<_> = known.iter().filter(|name| !said.contains(*name)).collect();
            assert!(unused.is_empty(), "{unused:?}");
        }
    }

    #[test]
    fn what_is_no_day_or_time_is_not_said() {
        for language in [Language::Zh, Language::En] {
            assert!(time(24, 0, language).is_empty() && time(0, 60, language).is_empty());
            for (year, month, of_month) in [(999, 1, 1), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 1, 32)] {
                assert!(day(Day { year, month, day: of_month }, language).is_empty());
            }
            assert!(digits("hello", language).is_empty());
            assert_eq!(Language::named(language.code()), Some(language));
        }
    }
}
