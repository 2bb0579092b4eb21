//! When a group may go back by the clock: daily, weekly, monthly, yearly, or once.
//!
//! The calendar is the proleptic Gregorian one; a time of day is that of a fixed distance from
//! UTC, which the configuration names, so every node reads the same moment from it.

use serde::{Deserialize, Serialize};
use tsugi_vocabulary::{Span, Wall};

/// How long after its moment a fallback may still begin: a leader that is just being elected must
/// not miss it, and a node that returns much later waits for the next one.
pub const OPEN: Span = Span::secs(600);

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// The moments at which a group may go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timetable {
    /// The days.
    pub on: Days,
    /// The minute of the day.
    pub minute: u16,
    /// How many minutes its clock is ahead of UTC.
    pub ahead: i16,
}

/// The days of a timetable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Days {
    /// Every day.
    Daily,
    /// One day of the week, Monday being 1.
    Weekly(u8),
    /// One day of the month; a month without it is left out.
    Monthly(u8),
    /// One day of the year: month and day.
    Yearly(u8, u8),
    /// One date: year, month and day.
    Once(u16, u8, u8),
}

/// A date of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    year: i64,
    month: u8,
    day: u8,
}

impl Timetable {
    /// The newest of its moments at or before `at`.
    #[must_use]
    pub fn last(&self, at: Wall) -> Option<Wall> {
        // Nine years hold a leap day, whichever years they are.
        self.look(at, (0..=9 * 366).map(|back| -back), |moment| moment <= at.0)
    }

    /// The next of its moments after `at`; none if there is none any more.
    #[must_use]
    pub fn next(&self, at: Wall) -> Option<Wall> {
        match self.on {
            // A single date may lie further ahead than any look reaches.
            Days::Once(year, month, day) => {
                let date = Date { year: i64::from(year), month, day };
                let moment = self.moment(days_before(date));
                moment.filter(|m| *m > at.0).map(Wall)
            }
            Days::Daily | Days::Weekly(_) | Days::Monthly(_) | Days::Yearly(..) => {
                self.look(at, 0..=9 * 366, |moment| moment > at.0)
            }
        }
    }

    /// Whether one of its moments has just come.
    #[must_use]
    pub fn is_open(&self, at: Wall) -> bool {
        self.last(at).is_some_and(|last| at.0 - last.0 < OPEN.as_millis())
    }

    fn look(
        &self,
        at: Wall,
        days: impl Iterator<Item = i64>,
        wanted: impl Fn(u64) -> bool,
    ) -> Option<Wall> {
        let today = (i64::try_from(at.0).ok()? + i64::from(self.ahead) * MINUTE).div_euclid(DAY);
        days.map(|apart| today + apart)
            .filter(|day| self.on.has(date(*day), *day))
            .filter_map(|day| self.moment(day))
            .find(|moment| wanted(*moment))
            .map(Wall)
    }

    /// The moment of a day, counted from 1970-01-01.
    fn moment(&self, day: i64) -> Option<u64> {
        let local = day * DAY + i64::from(self.minute) * MINUTE;
        u64::try_from(local - i64::from(self.ahead) * MINUTE).ok()
    }
}

impl Days {
    /// Whether it names a day that the calendar has.
    #[must_use]
    pub fn exists(&self) -> bool {
        let in_year = |year, month, day| {
            let asked = Date { year, month, day };
            (1..=12).contains(&month) && date(days_before(asked)) == asked
        };
        match *self {
            Self::Daily => true,
            Self::Weekly(day) => (1..=7).contains(&day),
            Self::Monthly(day) => (1..=31).contains(&day),
            Self::Yearly(month, day) => in_year(2000, month, day),
            Self::Once(year, month, day) => in_year(i64::from(year), month, day),
        }
    }

    fn has(self, date: Date, count: i64) -> bool {
        match self {
            Self::Daily => true,
            // 1970-01-01 was a Thursday.
            Self::Weekly(day) => (count + 3).rem_euclid(7) + 1 == i64::from(day),
            Self::Monthly(day) => date.day == day,
            Self::Yearly(month, day) => (date.month, date.day) == (month, day),
            Self::Once(year, month, day) => date == Date { year: i64::from(year), month, day },
        }
    }
}

/// How many days a date is after 1970-01-01. Years begin in March here, so that the leap day is
/// their last.
fn days_before(date: Date) -> i64 {
    let (month, day) = (i64::from(date.month), i64::from(date.day));
    let year = if month <= 2 { date.year - 1 } else { date.year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970-01-01.
fn date(count: i64) -> Date {
    let count = count + 719_468;
    let era = count.div_euclid(146_097);
    let of_era = count.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    let small = |n: i64| u8::try_from(n).expect("a month or a day of one is small");
    Date { year, month: small(month), day: small(day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 03:00 UTC, a Sunday.
    const SUNDAY: u64 = 1_795_316_400_000;

    fn table(on: Days, minute: u16) -> Timetable {
        Timetable { on, minute, ahead: 0 }
    }

    #[test]
    fn every_day_of_a_thousand_years_has_one_date_and_follows_the_one_before() {
        let mut before = date(-1);
        for count in 0..366_000 {
            let now = date(count);
            assert_eq!(days_before(now), count);
            let next_day = now.day == before.day + 1 && now.month == before.month;
            assert!(next_day || now.day == 1 && now != before, "{before:?} {now:?}");
            before = now;
        }
        assert_eq!(date(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(date(11_016), Date { year: 2000, month: 2, day: 29 });
    }

    #[test]
    fn a_moment_comes_each_day_week_month_and_year_and_a_date_once() {
        let at = Wall(SUNDAY);
        let after = |on| table(on, 180).next(at).map(|next| (next.0 - SUNDAY) / 86_400_000);
        assert_eq!(after(Days::Daily), Some(1));
        assert_eq!(after(Days::Weekly(7)), Some(7));
        assert_eq!(after(Days::Weekly(1)), Some(1));
        assert_eq!(after(Days::Monthly(22)), Some(30));
        assert_eq!(after(Days::Monthly(31)), Some(39), "November has no 31st");
        assert_eq!(after(Days::Yearly(11, 22)), Some(365));
        assert_eq!(after(Days::Yearly(2, 29)), Some(464), "2028 is the next leap year");
        assert_eq!(after(Days::Once(2027, 1, 1)), Some(40));
        assert_eq!(after(Days::Once(2026, 11, 22)), None, "it is past");
        assert_eq!(table(Days::Once(2026, 11, 22), 180).last(at), Some(at));
    }

    #[test]
    fn it_is_open_from_its_moment_on_for_a_while_on_its_own_clock() {
        let daily = table(Days::Daily, 180);
        assert!(!daily.is_open(Wall(SUNDAY - 1)));
        assert!(daily.is_open(Wall(SUNDAY)));
        assert!(daily.is_open(Wall(SUNDAY + OPEN.as_millis() - 1)));
        assert!(!daily.is_open(Wall(SUNDAY + OPEN.as_millis())));
        let tokyo = Timetable { on: Days::Weekly(7), minute: 12 * 60, ahead: 9 * 60 };
        assert!(tokyo.is_open(Wall(SUNDAY)), "noon in Tokyo is 03:00 UTC");
        let late = Timetable { on: Days::Weekly(1), minute: 60, ahead: 9 * 60 };
        assert_eq!(late.next(Wall(SUNDAY)), Some(Wall(SUNDAY + 13 * 3_600_000)));
    }

    #[test]
    fn days_that_the_calendar_does_not_have_do_not_exist() {
        assert!(Days::Yearly(2, 29).exists() && Days::Once(2028, 2, 29).exists());
        let none = [
            Days::Weekly(0),
            Days::Weekly(8),
            Days::Monthly(32),
            Days::Yearly(2, 30),
            Days::Yearly(13, 1),
            Days::Once(2027, 2, 29),
        ];
        assert!(none.iter().all(|days| !days.exists()));
    }
}
