//! The hour, day or month that a time lies in.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// An hour, a day or a month, of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Period {
    /// An hour.
    Hour,
    /// A day.
    Day,
    /// A month of the calendar.
    Month,
}

const HOUR_US: i64 = 3_600_000_000;

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Month];

    /// When the period began that the time lies in. Times are microseconds since 1970-01-01 UTC; a month beyond the years
    /// -9999 to 9999 is that of the nearest time within.
    #[must_use]
    pub fn start(self, us: i64) -> i64 {
        match self.length() {
            Some(length) => us.saturating_sub(us.rem_euclid(length)),
            None => start_of(first_of_month(us)),
        }
    }

    /// When the next period begins.
    #[must_use]
    pub fn end(self, us: i64) -> i64 {
        match self.length() {
            Some(length) => self.start(us).saturating_add(length),
            None => {
                let next = first_of_month(us).last_of_month().tomorrow();
                next.map_or(i64::MAX, start_of)
            }
        }
    }

    /// How long it is, microseconds; `None` if months differ.
    fn length(self) -> Option<i64> {
        match self {
            Self::Hour => Some(HOUR_US),
            Self::Day => Some(24 * HOUR_US),
            Self::Month => None,
        }
    }
}

fn first_of_month(us: i64) -> Date {
    let nearest = if us < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let time = Timestamp::from_microsecond(us).unwrap_or(nearest);
    TimeZone::UTC.to_datetime(time).date().first_of_month()
}

fn start_of(date: Date) -> i64 {
    // Every date of a time has one; the earliest are before the first.
    let first = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).unwrap_or(Timestamp::MIN);
    first.as_microsecond()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(text: &str) -> i64 {
        let time: Timestamp = text.parse().unwrap();
        time.as_microsecond()
    }

    #[test]
    fn periods_begin_and_end_as_in_the_calendar() {
        let time = us("2024-02-29T23:59:59.999999Z");
        for (period, start, end) in [
            (Period::Hour, "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Day, "2024-02-29T00:00:00Z", "2024-03-01T00:00:00Z"),
            (Period::Month, "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            assert_eq!((period.start(time), period.end(time)), (us(start), us(end)), "{period:?}");
        }
        let before = us("1969-12-31T23:30:00Z");
        assert_eq!(Period::Hour.start(before), us("1969-12-31T23:00:00Z"));
        assert_eq!(Period::Month.end(before), 0);
        assert_eq!(Period::Month.start(us("2026-12-31T12:00:00Z")), us("2026-12-01T00:00:00Z"));
        assert_eq!(Period::Month.end(us("2026-12-31T12:00:00Z")), us("2027-01-01T00:00:00Z"));
    }

    proptest! {
        #[test]
        fn each_time_is_in_one_period(us in -60_000_000_000_000_000..200_000_000_000_000_000_i64) {
            for period in Period::ALL {
                let (start, end) = (period.start(us), period.end(us));
                prop_assert!(start <= us && us < end);
                prop_assert_eq!((period.start(start), period.end(start)), (start, end));
                prop_assert_eq!(period.start(end), end);
            }
        }

        #[test]
        fn no_time_is_too_far(us: i64) {
            for period in Period::ALL {
                prop_assert!(period.start(us) <= period.end(us));
            }
        }
    }
}
