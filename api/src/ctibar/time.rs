//! Times as the contract has them: RFC 3339 with offset, no fraction.

use stdx::UnixMillis;

const DAY: i64 = 86_400;

/// A moment, in the time zone that is so many minutes ahead of UTC.
pub(crate) fn stamp(at: UnixMillis, offset_minutes: i32) -> String {
    let [year, month, day, hour, minute, second] = parts(at, offset_minutes);
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let ahead = offset_minutes.unsigned_abs();
    let (ahead_hours, ahead_minutes) = (ahead / 60, ahead % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{sign}{ahead_hours:02}:{ahead_minutes:02}")
}

fn parts(at: UnixMillis, offset_minutes: i32) -> [i64; 6] {
    let seconds = (at / 1000).cast_signed() + i64::from(offset_minutes) * 60;
    let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = civil(days);
    [year, month, day, of_day / 3600, of_day / 60 % 60, of_day % 60]
}

/// The date of a day counted from 1970-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_zone() {
        // date -u -d 2023-07-17T06:04:00Z +%s
        let at = 1_689_573_840_999;
        assert_eq!(stamp(at, 480), "2023-07-17T14:04:00+08:00");
        assert_eq!(stamp(at, -210), "2023-07-17T02:34:00-03:30");
        assert_eq!(stamp(0, 0), "1970-01-01T00:00:00+00:00");
        assert_eq!(stamp(951_782_400_000, 0), "2000-02-29T00:00:00+00:00");
    }
}
