//! When something is open: hours of the week, holidays and the days worked instead, by the clocks of one place.

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan as _};
use stdx::UnixMillis;

/// Monday, in the bits of [`Window::days`]; the days of the week follow.
const MONDAY: u8 = 1;
/// A holiday, on whatever day of the week.
const HOLIDAY: u8 = 1 << 7;
const DAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The clocks and the special days of one place.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: TimeZone,
    holidays: Vec<Days>,
    workdays: Vec<Days>,
}

/// A span of days, or one that comes again each year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Days {
    Span(Date, Date),
    Yearly { month: i8, day: i8 },
}

impl Days {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("\"{text}\" is no day; write it like \"2026-10-01\", \"2026-10-01..2026-10-07\" or \"05-01\"");
        let date = |text: &str| text.trim().parse::<Date>().map_err(|_| wrong());
        if let Some((first, last)) = text.split_once("..") {
            let (first, last) = (date(first)?, date(last)?);
            return if first <= last {
                Ok(Self::Span(first, last))
            } else {
                Err(format!("\"{text}\" ends before it begins"))
            };
        }
        if text.len() == 5 {
            // A leap year, so that 29 February is a day.
            let date = date(&format!("2000-{text}"))?;
            return Ok(Self::Yearly { month: date.month(), day: date.day() });
        }
        date(text).map(|date| Self::Span(date, date))
    }

    fn has(self, date: Date) -> bool {
        match self {
            Self::Span(first, last) => (first..=last).contains(&date),
            Self::Yearly { month, day } => (month, day) == (date.month(), date.day()),
        }
    }
}

impl Calendar {
    /// The clocks of a time zone (an IANA name), with these holidays and these days worked instead.
    pub fn new(zone: &str, holidays: &[String], workdays: &[String]) -> Result<Self, String> {
        let days = |texts: &[String]| texts.iter().map(|text| Days::parse(text)).collect::<Result<Vec<_>, _>>();
        Ok(Self { zone: time_zone(zone)?, holidays: days(holidays)?, workdays: days(workdays)? })
    }

    /// The clocks of Greenwich, without special days.
    pub fn utc() -> Self {
        Self { zone: TimeZone::UTC, holidays: Vec::new(), workdays: Vec::new() }
    }

    /// What the clocks show.
    fn shown(&self, at: UnixMillis) -> DateTime {
        let at = i64::try_from(at).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok()).unwrap_or(Timestamp::MAX);
        self.zone.to_datetime(at)
    }

    /// The day, as `2026-11-21`.
    pub fn day(&self, at: UnixMillis) -> String {
        self.shown(at).date().to_string()
    }

    /// Date and time, as `2026-11-21 14:05:00`.
    pub fn date_time(&self, at: UnixMillis) -> String {
        self.shown(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// When the day after this moment's begins.
    pub fn next_day(&self, at: UnixMillis) -> UnixMillis {
        let begins = self.shown(at).date().tomorrow().and_then(|date| date.to_zoned(self.zone.clone()));
        let begins = begins.ok().and_then(|zoned| u64::try_from(zoned.timestamp().as_millisecond()).ok());
        // Clocks that are set back at midnight could show yesterday again; a day has an end all the same.
        begins.unwrap_or(u64::MAX).max(at.saturating_add(1))
    }

    /// The moment at which the clocks show `2026-11-21 14:05`; a date alone means its beginning.
    pub fn moment(&self, shown: &str) -> Result<UnixMillis, String> {
        let text = shown.trim().replace(' ', "T");
        let shown = match text.parse::<DateTime>() {
            Ok(shown) => shown,
            Err(_) => return Err(format!("\"{shown}\" is no time; write it like \"2026-11-21 14:05\"")),
        };
        let at = shown.to_zoned(self.zone.clone()).map_err(|e| e.to_string())?.timestamp().as_millisecond();
        u64::try_from(at).map_err(|_| "times before 1970 are not known here".to_owned())
    }

    /// Which kind of day it is, as a bit.
    fn kind_of(&self, date: Date) -> u8 {
        let weekday = date.weekday().to_monday_zero_offset();
        if self.workdays.iter().any(|days| days.has(date)) {
            // A Saturday on which people work is a working day like any other; Monday stands for them.
            return if weekday < 5 { MONDAY << weekday } else { MONDAY };
        }
        if self.holidays.iter().any(|days| days.has(date)) { HOLIDAY } else { MONDAY << weekday }
    }
}

fn time_zone(name: &str) -> Result<TimeZone, String> {
    TimeZoneDatabase::bundled()
        .get(name)
        .map_err(|_| format!("\"{name}\" is no time zone; write it like \"Asia/Shanghai\" or \"UTC\""))
}

/// Hours of the week in which something is open. Without any it always is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Hours(Vec<Window>);

/// From a minute of certain days to another; `to` may lie beyond midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    days: u8,
    from: u16,
    to: u16,
}

impl Hours {
    /// Reads `Mon-Fri 09:00-18:00`, `Sat,Sun 10:00-12:00`, `daily 22:00-06:00`, `holiday 10:00-12:00`. On a holiday only hours
    /// that say `holiday` count.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| window(text)).collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Are these any hours at all?
    pub fn are_set(&self) -> bool {
        !self.0.is_empty()
    }

    /// Is it open at this moment?
    pub fn open_at(&self, at: UnixMillis, calendar: &Calendar) -> bool {
        if self.0.is_empty() {
            return true;
        }
        let shown = calendar.shown(at);
        let minute = u16::try_from(i32::from(shown.hour()) * 60 + i32::from(shown.minute())).unwrap_or(0);
        let today = calendar.kind_of(shown.date());
        // What began yesterday may go on beyond midnight.
        let yesterday = shown.date().checked_sub(1.day()).map_or(0, |date| calendar.kind_of(date));
        self.0.iter().any(|window| {
            let is_on = |days: u8, minute: u16| window.days & days != 0 && (window.from..window.to).contains(&minute);
            is_on(today, minute) || is_on(yesterday, minute + 24 * 60)
        })
    }
}

fn window(text: &str) -> Result<Window, String> {
    let wrong = || {
        format!(
            "\"{text}\" are no hours; write them like \"Mon-Fri 09:00-18:00\", \"Sat,Sun 10:00-12:00\" or \"daily 22:00-06:00\""
        )
    };
    let (days, times) = text.trim().split_once(' ').ok_or_else(wrong)?;
    let (from, to) = times.trim().split_once('-').ok_or_else(wrong)?;
    let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
    let days = days.to_ascii_lowercase().split(',').try_fold(0, |all, part| Some(all | day_bits(part.trim())?));
    let to = if to <= from { to + 24 * 60 } else { to };
    Ok(Window { days: days.ok_or_else(wrong)?, from, to })
}

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    (minute < 60 && hour * 60 + minute <= 24 * 60).then_some(hour * 60 + minute)
}

fn day_bits(text: &str) -> Option<u8> {
    let day = |name: &str| DAY_NAMES.iter().position(|known| *known == name);
    match (text, text.split_once('-')) {
        ("daily", _) => Some(!HOLIDAY),
        ("holiday" | "holidays", _) => Some(HOLIDAY),
        (_, Some((first, last))) => {
            let (first, last) = (day(first)?, day(last)?);
            // `Fri-Mon` goes round the end of the week.
            let length = (last + 7 - first) % 7;
            Some((0..=length).fold(0, |bits, n| bits | MONDAY << ((first + n) % 7)))
        }
        (_, None) => day(text).map(|day| MONDAY << day),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn china() -> Calendar {
        let texts = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        Calendar::new("Asia/Shanghai", &texts(&["2026-10-01..2026-10-07", "01-01"]), &texts(&["2026-10-10"])).unwrap()
    }

    fn hours(texts: &[&str]) -> Hours {
        Hours::parse(&texts.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn hours_hold_by_the_clocks_of_the_place() {
        let (calendar, office) = (china(), hours(&["Mon-Fri 09:00-18:00", "Sat 10:00-12:00", "holiday 10:00-11:00"]));
        for (shown, open) in [
            ("2026-11-20 08:59", false),
            ("2026-11-20 09:00", true),
            ("2026-11-20 17:59:59", true),
            ("2026-11-20 18:00", false),
            ("2026-11-21 11:00", true),
            ("2026-11-21 12:00", false),
            ("2026-11-22 11:00", false),
            // National Day is a Thursday; the Saturday after it is worked.
            ("2026-10-01 09:30", false),
            ("2026-10-01 10:30", true),
            ("2026-10-10 17:00", true),
            ("2027-01-01 17:00", false),
        ] {
            assert_eq!(office.open_at(calendar.moment(shown).unwrap(), &calendar), open, "{shown}");
        }
        // 01:00 UTC is nine in Shanghai.
        assert_eq!(calendar.moment("2026-11-20 09:00").unwrap() % 86_400_000, 3_600_000);
        assert!(hours(&[]).open_at(0, &calendar));
    }

    #[test]
    fn nights_go_on_beyond_midnight() {
        let (calendar, night) = (china(), hours(&["Fri 22:00-06:00"]));
        for (shown, open) in [
            ("2026-11-20 21:59", false),
            ("2026-11-20 22:00", true),
            ("2026-11-21 05:59", true),
            ("2026-11-21 06:00", false),
            ("2026-11-21 22:30", false),
            ("2026-11-20 05:00", false),
        ] {
            assert_eq!(night.open_at(calendar.moment(shown).unwrap(), &calendar), open, "{shown}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight_of_the_place_also_where_clocks_are_changed() {
        let calendar = china();
        let at = calendar.moment("2026-11-20 23:59:59").unwrap();
        assert_eq!(calendar.day(at), "2026-11-20");
        assert_eq!((calendar.next_day(at), calendar.day(at + 1000)), (at + 1000, "2026-11-21".to_owned()));
        let berlin = Calendar::new("Europe/Berlin", &[], &[]).unwrap();
        let short = berlin.moment("2026-03-29").unwrap();
        assert_eq!(berlin.next_day(short) - short, 23 * 3_600_000);
    }

    #[test]
    fn mistakes_are_told() {
        let parse = |text: &str| Hours::parse(&[text.to_owned()]);
        for text in [
            "",
            "Mon",
            "Mon 9-18",
            "Mon 09:00",
            "Xyz 09:00-10:00",
            "Mon 25:00-26:00",
            "Mon 09:60-10:00",
            "Mon-Xyz 9:00-10:00",
        ] {
            assert!(parse(text).unwrap_err().contains("no hours"), "{text}");
        }
        let days = |text: &str| Calendar::new("UTC", &[text.to_owned()], &[]).unwrap_err();
        assert!(days("2026-13-01").contains("no day") && days("soon").contains("no day"));
        assert!(days("2026-10-07..2026-10-01").contains("ends before"));
        assert!(Calendar::new("Asia/Nowhere", &[], &[]).unwrap_err().contains("no time zone"));
        assert!(china().moment("noon").unwrap_err().contains("no time"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = Hours::parse(std::slice::from_ref(&text));
            let _ = Calendar::new(&text, std::slice::from_ref(&text), &[]);
            let _ = china().moment(&text);
        }

        #[test]
        fn days_follow_each_other_without_a_gap(at in 0u64..4_000_000_000_000) {
            let calendar = china();
            let next = calendar.next_day(at);
            prop_assert!(next > at && next - at <= 25 * 3_600_000);
            prop_assert_eq!(calendar.day(at), calendar.day(next - 1));
            prop_assert_ne!(calendar.day(at), calendar.day(next));
        }
    }
}
