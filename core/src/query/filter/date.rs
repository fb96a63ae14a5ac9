//! Dates in filters: `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00.5Z`, and with an offset.
//! A date without an offset is UTC: the core does not know where it runs.

/// Microseconds since 1970-01-01 UTC, of a date in 1970 to 9999; `None` if `text` is none.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (date, time) =
        text.split_once(['T', 't', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let month = number(parts.next()?, 2)?;
    let day = number(parts.next()?, 2)?;
    if parts.next().is_some() || !(1970..=9999).contains(&year) {
        return None;
    }
    let days = days_since_epoch(year, month, day)?;
    let micros = time.map_or(Some(0), time_of_day)?;
    let micros = u64::try_from(days * MICROS_A_DAY + micros).ok()?;
    (micros <= LAST).then_some(micros)
}

/// The last microsecond of the year 9999.
pub(super) const LAST: u64 = 253_402_300_799_999_999;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

fn number(text: &str, digits: usize) -> Option<i64> {
    let right = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    right.then(|| text.parse().ok())?
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_since_epoch(year: i64, month: i64, day: i64) -> Option<i64> {
    let lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month.checked_sub(1)?).ok()?;
    let leap_day = i64::from(is_leap(year));
    let length = lengths.get(month)? + if month == 1 { leap_day } else { 0 };
    if !(1..=length).contains(&day) {
        return None;
    }
    let before: i64 = lengths.iter().take(month).sum();
    let leap_days = |year: i64| year / 4 - year / 100 + year / 400;
    let years = (year - 1970) * 365 + leap_days(year - 1) - leap_days(1969);
    Some(years + before + if month > 1 { leap_day } else { 0 } + day - 1)
}

fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset) = if let Some(clock) = text.strip_suffix(['Z', 'z']) {
        (clock, 0)
    } else if let Some(at) = text.rfind(['+', '-']) {
        let (clock, offset) = text.split_at_checked(at)?;
        let east = if offset.starts_with('+') { 1 } else { -1 };
        let (hours, minutes) = offset.get(1..)?.split_once(':')?;
        let seconds = number(hours, 2)? * 3600 + number(minutes, 2)? * 60;
        (clock, east * seconds)
    } else {
        (text, 0)
    };
    let mut parts = clock.split(':');
    let hours = number(parts.next()?, 2)?;
    let minutes = number(parts.next()?, 2)?;
    let (seconds, micros) = match parts.next() {
        None => (0, 0),
        Some(text) => {
            let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
            let padded = format!("{fraction:0<6}");
            (number(seconds, 2)?, number(padded.get(..6)?, 6)?)
        }
    };
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let seconds = hours * 3600 + minutes * 60 + seconds - offset;
    Some(seconds * MICROS_A_SECOND + micros)
}

/// The date of `micros` as [`parse`] reads it back.
pub(super) fn text(micros: u64) -> String {
    let micros = i64::try_from(micros).unwrap_or(i64::MAX);
    let (mut days, in_day) = (micros / MICROS_A_DAY, micros % MICROS_A_DAY);
    let mut year = 1970;
    while year < 9999 {
        let length = 365 + i64::from(is_leap(year));
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let month = (1..=12).rev().find(|month| first_day(year, *month) <= days).unwrap_or(1);
    let day = days - first_day(year, month) + 1;
    let seconds = in_day / MICROS_A_SECOND;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let mut text =
        format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{:02}", seconds % 60);
    if in_day % MICROS_A_SECOND != 0 {
        text.push_str(&format!(".{:06}", in_day % MICROS_A_SECOND));
    }
    text.push('Z');
    text
}

/// Days of the year before the first of this month.
fn first_day(year: i64, month: i64) -> i64 {
    let first = days_since_epoch(year, month, 1).unwrap_or(0);
    first - days_since_epoch(year, 1, 1).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_utc_unless_they_say_otherwise() {
        assert_eq!(parse("1970-01-01"), Some(0));
        assert_eq!(parse("2000-03-01"), Some(951_868_800_000_000));
        assert_eq!(parse("2024-02-29T23:59:59Z"), Some(1_709_251_199_000_000));
        assert_eq!(parse("2024-02-29 23:59:59.25"), Some(1_709_251_199_250_000));
        assert_eq!(parse("2024-03-01T01:59:59+02:00"), Some(1_709_251_199_000_000));
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "2024",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-01",
            "24-01-01",
            "2024-01-01T25:00",
            "2024-01-01T10",
            "1970-01-01T00:00+01:00",
            "2024-01-01T10:00:00.é",
            "2024-01-01T10:00é+01:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_written_is_read_back() {
        for day in 0..60_000_u64 {
            let micros = day * 86_400_000_000 + 3_723_000_004;
            assert_eq!(parse(&text(micros)), Some(micros), "{}", text(micros));
        }
    }
}
