//! English, as it is spoken in America.

use super::{Currency, Day, Word};

pub(super) const WORDS: &[(Word, &str)] = &[
    ("0", "zero"),
    ("1", "one"),
    ("2", "two"),
    ("3", "three"),
    ("4", "four"),
    ("5", "five"),
    ("6", "six"),
    ("7", "seven"),
    ("8", "eight"),
    ("9", "nine"),
    ("10", "ten"),
    ("11", "eleven"),
    ("12", "twelve"),
    ("13", "thirteen"),
    ("14", "fourteen"),
    ("15", "fifteen"),
    ("16", "sixteen"),
    ("17", "seventeen"),
    ("18", "eighteen"),
    ("19", "nineteen"),
    ("20", "twenty"),
    ("30", "thirty"),
    ("40", "forty"),
    ("50", "fifty"),
    ("60", "sixty"),
    ("70", "seventy"),
    ("80", "eighty"),
    ("90", "ninety"),
    ("hundred", "hundred"),
    ("thousand", "thousand"),
    ("million", "million"),
    ("billion", "billion"),
    ("trillion", "trillion"),
    ("quadrillion", "quadrillion"),
    ("quintillion", "quintillion"),
    ("1st", "first"),
    ("2nd", "second"),
    ("3rd", "third"),
    ("4th", "fourth"),
    ("5th", "fifth"),
    ("6th", "sixth"),
    ("7th", "seventh"),
    ("8th", "eighth"),
    ("9th", "ninth"),
    ("10th", "tenth"),
    ("11th", "eleventh"),
    ("12th", "twelfth"),
    ("13th", "thirteenth"),
    ("14th", "fourteenth"),
    ("15th", "fifteenth"),
    ("16th", "sixteenth"),
    ("17th", "seventeenth"),
    ("18th", "eighteenth"),
    ("19th", "nineteenth"),
    ("20th", "twentieth"),
    ("30th", "thirtieth"),
    ("january", "January"),
    ("february", "February"),
    ("march", "March"),
    ("april", "April"),
    ("may", "May"),
    ("june", "June"),
    ("july", "July"),
    ("august", "August"),
    ("september", "September"),
    ("october", "October"),
    ("november", "November"),
    ("december", "December"),
    ("minus", "minus"),
    ("and", "and"),
    ("oh", "oh"),
    ("yuan", "yuan"),
    ("fen", "fen"),
    ("dollar", "dollar"),
    ("dollars", "dollars"),
    ("cent", "cent"),
    ("cents", "cents"),
    ("star", "star"),
    ("pound", "pound"),
    ("am", "a.m."),
    ("pm", "p.m."),
];

const UP_TO_19: [Word; 20] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19"];
const TENS: [Word; 10] = ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90"];
const ORDINALS: [Word; 20] = [
    "1st", "2nd", "3rd", "4th", "5th", "6th", "7th", "8th", "9th", "10th", "11th", "12th", "13th", "14th", "15th",
    "16th", "17th", "18th", "19th", "20th",
];
const MONTHS: [Word; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

pub(super) fn number(value: i64) -> Vec<Word> {
    let mut words = Vec::new();
    if value < 0 {
        words.push("minus");
    }
    words.extend(count(value.unsigned_abs()));
    words
}

fn count(value: u64) -> Vec<Word> {
    if value == 0 {
        return vec!["0"];
    }
    const UNITS: [Word; 6] = ["quintillion", "quadrillion", "trillion", "billion", "million", "thousand"];
    let (mut words, mut unit) = (Vec::new(), 1_000_000_000_000_000_000);
    for name in UNITS {
        let group = value / unit % 1_000;
        if group > 0 {
            words.extend(below_1000(group));
            words.push(name);
        }
        unit /= 1_000;
    }
    words.extend(below_1000(value % 1_000));
    words
}

/// Nothing for 0.
fn below_1000(value: u64) -> Vec<Word> {
    let mut words = Vec::new();
    if value >= 100 {
        words.extend([UP_TO_19[(value / 100) as usize], "hundred"]);
    }
    words.extend(below_100(value % 100));
    words
}

fn below_100(value: u64) -> Vec<Word> {
    match value {
        0 => Vec::new(),
        1..20 => vec![UP_TO_19[value as usize]],
        _ if value.is_multiple_of(10) => vec![TENS[(value / 10) as usize]],
        _ => vec![TENS[(value / 10) as usize], UP_TO_19[(value % 10) as usize]],
    }
}

pub(super) fn digit(digit: char) -> Option<Word> {
    match digit {
        '*' => Some("star"),
        '#' => Some("pound"),
        _ => digit.to_digit(10).map(|digit| UP_TO_19[digit as usize]),
    }
}

pub(super) fn money(hundredths: i64, currency: Currency) -> Vec<Word> {
    let mut words = Vec::new();
    if hundredths < 0 {
        words.push("minus");
    }
    let (whole, part) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    let (one, many, cent, cents) = match currency {
        Currency::Cny => ("yuan", "yuan", "fen", "fen"),
        Currency::Usd => ("dollar", "dollars", "cent", "cents"),
    };
    if whole > 0 || part == 0 {
        words.extend(count(whole));
        words.push(if whole == 1 { one } else { many });
    }
    if part > 0 {
        if whole > 0 {
            words.push("and");
        }
        words.extend(below_100(part));
        words.push(if part == 1 { cent } else { cents });
    }
    words
}

pub(super) fn day(Day { year, month, day }: Day) -> Vec<Word> {
    let mut words = vec![MONTHS[usize::from(month - 1)]];
    match day {
        1..=20 => words.push(ORDINALS[usize::from(day - 1)]),
        30 => words.push("30th"),
        _ => words.extend([TENS[usize::from(day / 10)], ORDINALS[usize::from(day % 10 - 1)]]),
    }
    let (century, rest) = (u64::from(year / 100), u64::from(year % 100));
    match (century.is_multiple_of(10), rest) {
        (true, 0..10) => words.extend(count(year.into())),
        (_, 0) => {
            words.extend(below_100(century));
            words.push("hundred");
        }
        (_, _) => {
            words.extend(below_100(century));
            if rest < 10 {
                words.push("oh");
            }
            words.extend(below_100(rest));
        }
    }
    words
}

pub(super) fn time(hour: u8, minute: u8) -> Vec<Word> {
    let mut words = vec![UP_TO_19[usize::from((hour + 11) % 12 + 1)]];
    if (1..10).contains(&minute) {
        words.push("oh");
    }
    words.extend(below_100(minute.into()));
    words.push(if hour < 12 { "am" } else { "pm" });
    words
}

#[cfg(test)]
mod tests {
    use super::super::{Currency, Day, Language, text};
    use super::*;

    fn said(words: &[Word]) -> String {
        text(words, Language::En)
    }

    #[test]
    fn numbers_amounts_days_and_times() {
        for (value, expected) in [
            (0, "zero"),
            (13, "thirteen"),
            (40, "forty"),
            (99, "ninety nine"),
            (100, "one hundred"),
            (905, "nine hundred five"),
            (10_005, "ten thousand five"),
            (1_000_000, "one million"),
            (2_345_678, "two million three hundred forty five thousand six hundred seventy eight"),
            (-7, "minus seven"),
        ] {
            assert_eq!(said(&number(value)), expected, "{value}");
        }
        assert_eq!(said(&money(101, Currency::Usd)), "one dollar and one cent");
        assert_eq!(said(&money(1_250, Currency::Usd)), "twelve dollars and fifty cents");
        assert_eq!(said(&money(5, Currency::Cny)), "five fen");
        assert_eq!(said(&money(0, Currency::Cny)), "zero yuan");
        let said_day = |year, month, day_of| said(&day(Day { year, month, day: day_of }));
        assert_eq!(said_day(2026, 11, 21), "November twenty first twenty twenty six");
        assert_eq!(said_day(2005, 3, 30), "March thirtieth two thousand five");
        assert_eq!(said_day(1905, 1, 1), "January first nineteen oh five");
        assert_eq!(said_day(1900, 8, 20), "August twentieth nineteen hundred");
        assert_eq!(said(&time(14, 5)), "two oh five p.m.");
        assert_eq!(said(&time(0, 30)), "twelve thirty a.m.");
        assert_eq!(said(&time(12, 0)), "twelve p.m.");
        let read: Vec<Word> = "10086#".chars().filter_map(digit).collect();
        assert_eq!(said(&read), "one zero zero eight six pound");
    }
}
