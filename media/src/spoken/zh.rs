//! Mandarin.

use super::{Currency, Day, Word};

pub(super) const WORDS: &[(Word, &str)] = &[
    ("0", "零"),
    ("1", "一"),
    ("2", "二"),
    ("3", "三"),
    ("4", "四"),
    ("5", "五"),
    ("6", "六"),
    ("7", "七"),
    ("8", "八"),
    ("9", "九"),
    ("10", "十"),
    ("100", "百"),
    ("1000", "千"),
    ("wan", "万"),
    ("yi", "亿"),
    ("liang", "两"),
    ("yao", "幺"),
    ("star", "星"),
    ("hash", "井"),
    ("minus", "负"),
    ("yuan", "元"),
    ("jiao", "角"),
    ("fen", "分"),
    ("dollar", "美元"),
    ("cent", "美分"),
    ("year", "年"),
    ("month", "月"),
    ("day", "日"),
    ("hour", "点"),
    ("sharp", "整"),
];

const DIGITS: [Word; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

pub(super) fn number(value: i64) -> Vec<Word> {
    let mut words = Vec::new();
    if value < 0 {
        words.push("minus");
    }
    words.extend(count(value.unsigned_abs(), "2"));
    words
}

/// Groups of four digits: 万, 亿, 万亿 … `two` is how a lone 2 is said: 二 where one counts, 两 before what is counted.
fn count(value: u64, two: Word) -> Vec<Word> {
    if value == 2 {
        return vec![two];
    }
    if value < 10_000 {
        return group(value as u16, true);
    }
    // 亿 counts what stands before it like a number of its own, so that 10^16 is 亿亿.
    let (unit, name) = if value >= 100_000_000 { (100_000_000, "yi") } else { (10_000, "wan") };
    let (high, low) = (value / unit, value % unit);
    let mut words = count(high, "liang");
    words.push(name);
    if low > 0 {
        if low < unit / 10 {
            words.push("0");
        }
        // What follows is no beginning: 一十, 二千.
        words.extend(rest(low));
    }
    words
}

/// What stands behind a greater unit.
fn rest(value: u64) -> Vec<Word> {
    if value < 10_000 {
        return group(value as u16, false);
    }
    let (high, low) = (value / 10_000, value % 10_000);
    let mut words = group(high as u16, false);
    words.push("wan");
    if low > 0 {
        if low < 1_000 {
            words.push("0");
        }
        words.extend(group(low as u16, false));
    }
    words
}

/// Up to 9999. At the beginning of a number 10 is 十 and 2000 is 两千; later 一十 and 二千.
fn group(value: u16, first: bool) -> Vec<Word> {
    if value == 0 {
        return vec!["0"];
    }
    let (mut words, mut gap) = (Vec::new(), false);
    for (unit, name) in [(1_000, "1000"), (100, "100"), (10, "10"), (1, "")] {
        let digit = value / unit % 10;
        if digit == 0 {
            gap = !words.is_empty();
            continue;
        }
        if std::mem::take(&mut gap) {
            words.push("0");
        }
        let opens = first && words.is_empty();
        match (digit, unit) {
            (1, 10) if opens => {}
            (2, 1_000) if opens => words.push("liang"),
            _ => words.push(DIGITS[usize::from(digit)]),
        }
        if unit > 1 {
            words.push(name);
        }
    }
    words
}

pub(super) fn digit(digit: char) -> Option<Word> {
    match digit {
        // 一 sounds like 七 on a bad line.
        '1' => Some("yao"),
        '*' => Some("star"),
        '#' => Some("hash"),
        _ => digit.to_digit(10).map(|digit| DIGITS[digit as usize]),
    }
}

pub(super) fn money(hundredths: i64, currency: Currency) -> Vec<Word> {
    let mut words = Vec::new();
    if hundredths < 0 {
        words.push("minus");
    }
    let (whole, part) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
    let (unit, tenth, hundredth) = match currency {
        Currency::Cny => ("yuan", part / 10, part % 10),
        Currency::Usd => ("dollar", 0, part),
    };
    if whole > 0 || part == 0 {
        words.extend(count(whole, "liang"));
        words.push(unit);
    }
    if tenth > 0 {
        words.extend(count(tenth, "liang"));
        words.push("jiao");
    } else if whole > 0 && (1..10).contains(&hundredth) {
        words.push("0");
    }
    if hundredth > 0 {
        words.extend(count(hundredth, "liang"));
        words.push(if currency == Currency::Cny { "fen" } else { "cent" });
    }
    words
}

pub(super) fn day(Day { year, month, day }: Day) -> Vec<Word> {
    let mut words: Vec<Word> = [1_000, 100, 10, 1].map(|unit| DIGITS[usize::from(year / unit % 10)]).into();
    words.push("year");
    words.extend(group(month.into(), true));
    words.push("month");
    words.extend(group(day.into(), true));
    words.push("day");
    words
}

pub(super) fn time(hour: u8, minute: u8) -> Vec<Word> {
    let mut words = count(hour.into(), "liang");
    words.push("hour");
    match minute {
        0 => words.push("sharp"),
        _ => {
            if minute < 10 {
                words.push("0");
            }
            words.extend(count(minute.into(), "2"));
            words.push("fen");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::super::{Currency, Day, Language, text};
    use super::*;

    fn said(words: &[Word]) -> String {
        text(words, Language::Zh)
    }

    #[test]
    fn numbers_have_their_zeros_and_their_twos() {
        for (value, expected) in [
            (0, "零"),
            (2, "二"),
            (10, "十"),
            (12, "十二"),
            (20, "二十"),
            (22, "二十二"),
            (100, "一百"),
            (101, "一百零一"),
            (110, "一百一十"),
            (200, "二百"),
            (999, "九百九十九"),
            (1_000, "一千"),
            (1_001, "一千零一"),
            (1_010, "一千零一十"),
            (1_100, "一千一百"),
            (2_000, "两千"),
            (2_222, "两千二百二十二"),
            (10_000, "一万"),
            (10_005, "一万零五"),
            (10_010, "一万零一十"),
            (10_100, "一万零一百"),
            (12_000, "一万二千"),
            (20_000, "两万"),
            (20_005, "两万零五"),
            (22_000, "两万二千"),
            (100_000, "十万"),
            (120_000, "十二万"),
            (100_010, "十万零一十"),
            (1_010_000, "一百零一万"),
            (10_010_001, "一千零一万零一"),
            (20_000_000, "两千万"),
            (100_000_000, "一亿"),
            (100_001_000, "一亿零一千"),
            (100_010_000, "一亿零一万"),
            (200_000_002, "两亿零二"),
            (1_200_000_000, "十二亿"),
            (1_234_567_890, "十二亿三千四百五十六万七千八百九十"),
            (1_000_000_000_000, "一万亿"),
            (-5, "负五"),
        ] {
            assert_eq!(said(&number(value)), expected, "{value}");
        }
    }

    #[test]
    fn telephone_numbers_are_read_with_yao() {
        let read: Vec<Word> = "10086#".chars().filter_map(digit).collect();
        assert_eq!(said(&read), "幺零零八六井");
    }

    #[test]
    fn amounts_days_and_times_are_said_as_people_say_them() {
        for (hundredths, expected) in [
            (0, "零元"),
            (200, "两元"),
            (250, "两元五角"),
            (1_005, "十元零五分"),
            (123_456, "一千二百三十四元五角六分"),
            (5, "五分"),
            (20, "两角"),
            (-1_200, "负十二元"),
            (2_000_000, "两万元"),
        ] {
            assert_eq!(said(&money(hundredths, Currency::Cny)), expected, "{hundredths}");
        }
        assert_eq!(said(&money(1_250, Currency::Usd)), "十二美元五十美分");
        assert_eq!(said(&day(Day { year: 2026, month: 11, day: 21 })), "二零二六年十一月二十一日");
        assert_eq!(said(&day(Day { year: 2010, month: 2, day: 2 })), "二零一零年二月二日");
        for (hour, minute, expected) in [
            (14, 0, "十四点整"),
            (2, 0, "两点整"),
            (2, 5, "两点零五分"),
            (12, 30, "十二点三十分"),
            (0, 2, "零点零二分"),
        ] {
            assert_eq!(said(&time(hour, minute)), expected);
        }
    }
}
