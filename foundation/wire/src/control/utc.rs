//! The time on the wall as contracts write it: `2026-11-21T04:58:39.123Z`.

use std::fmt;

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::Wall;

const DAY: u64 = 86_400_000;

/// A moment in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Utc(pub Wall);

impl From<Wall> for Utc {
    fn from(wall: Wall) -> Self {
        Self(wall)
    }
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, in_day) = (self.0.0 / DAY, self.0.0 % DAY);
        let (year, month, day) = date(days);
        let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (seconds, millis) = (in_day / 1000 % 60, in_day % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

impl From<Utc> for String {
    fn from(utc: Utc) -> Self {
        utc.to_string()
    }
}

impl TryFrom<String> for Utc {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        read(&text).ok_or_else(|| format!("{text} is no moment like 2026-11-21T04:58:39.123Z"))
    }
}

/// Year, month and day of a day since 1970-01-01. Years begin in March here, so that the leap
/// day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The day since 1970-01-01 of a date.
fn day(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
}

fn read(text: &str) -> Option<Utc> {
    let parts = |at: std::ops::Range<usize>| text.get(at)?.parse::<u64>().ok();
    let shape = "0000-00-00T00:00:00.000Z";
    let fits = |(is, want): (char, char)| is == want || (want == '0' && is.is_ascii_digit());
    if text.len() != shape.len() || !text.chars().zip(shape.chars()).all(fits) {
        return None;
    }
    let (year, month, of_month) = (parts(0..4)?, parts(5..7)?, parts(8..10)?);
    let (hours, minutes, seconds) = (parts(11..13)?, parts(14..16)?, parts(17..19)?);
    let possible = (1..=12).contains(&month)
        && (1..=31).contains(&of_month)
        && hours < 24
        && minutes < 60
        && seconds < 60;
    if !possible {
        return None;
    }
    let in_day = hours * 3_600_000 + minutes * 60_000 + seconds * 1000 + parts(20..23)?;
    Some(Utc(Wall(day(year, month, of_month)? * DAY + in_day)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_and_read_back() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_237_119_123, "2026-11-21T04:58:39.123Z"),
            (4_102_444_799_999, "2099-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(Utc(Wall(millis)).to_string(), text);
            assert_eq!(Utc::try_from(text.to_owned()), Ok(Utc(Wall(millis))));
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for wrong in ["", "2026-11-21", "2026-13-01T00:00:00.000Z", "2026-11-21T24:00:00.000Z"] {
            assert!(Utc::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
        assert!(Utc::try_from("1969-01-01T00:00:00.000Z".to_owned()).is_err());
    }
}
