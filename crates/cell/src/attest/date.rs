//! The Date header (RFC 3261 §20.17): `Sat, 13 Nov 2010 23:29:00 GMT`.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Writes a time (Unix seconds).
pub(super) fn write(at: u64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at as i64).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let day = DAYS[usize::from(at.weekday().number_days_from_monday())];
    let month = MONTHS[usize::from(u8::from(at.month())) - 1];
    let (hour, minute, second) = at.to_hms();
    format!("{day}, {:02} {month} {:04} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}

/// Reads a time, Unix seconds; none if it has not the form. The day of the week says nothing.
pub(super) fn read(value: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(value).ok()?;
    let mut words = text.split_once(',')?.1.split_ascii_whitespace();
    let day = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = 1 + MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))?;
    let date = Date::from_calendar_date(words.next()?.parse().ok()?, Month::try_from(month as u8).ok()?, day).ok()?;
    let mut clock = words.next()?.split(':').map(|part| part.parse::<u8>().ok());
    let time = Time::from_hms(clock.next()??, clock.next()??, clock.next()??).ok()?;
    let zone = words.next()?.eq_ignore_ascii_case("GMT");
    u64::try_from(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp()).ok().filter(|_| zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_junk_is_not() {
        assert_eq!(write(1_289_690_940), "Sat, 13 Nov 2010 23:29:00 GMT");
        for at in [0, 951_782_399, 951_782_400, 1_289_690_940, 1_795_219_200] {
            assert_eq!(read(write(at).as_bytes()), Some(at));
        }
        for junk in ["", "Sat, 13 Nov 2010 23:29:00", "Sat, 31 Feb 2010 23:29:00 GMT", "13 Nov 2010 23:29:00 GMT"] {
            assert_eq!(read(junk.as_bytes()), None, "{junk}");
        }
        assert_eq!(read(b"x, 1 Jan 99999999999 1:1:1 GMT"), None);
        assert_eq!(read(b"x, 1 Jan 1960 1:1:1 GMT"), None);
    }
}
