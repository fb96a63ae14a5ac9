//! Dates in filters: `2026-01-31`, `2026-01-31T12:00`, `2026-01-31T12:00:00.5Z`, and with an offset.
//! A date without an offset is UTC: the core has no time zone.

use jiff::SignedDuration;
use jiff::civil::{DateTime, Time, date};
use jiff::fmt::temporal::Pieces;

/// Microseconds since 1970-01-01 UTC, of a date from 1970 to 9999; `None` if `text` is not a date.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    // ISO 8601 also allows `20260131` and `T12`, which are numbers and words in a filter.
    let (day, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let has_dashes = day.len() == 10 && day.split('-').count() == 3;
    if !has_dashes || !time.contains(':') {
        return None;
    }
    let parsed = Pieces::parse(text).ok()?;
    if parsed.time_zone_annotation().is_some() {
        return None;
    }
    let local = DateTime::from_parts(parsed.date(), parsed.time().unwrap_or(Time::midnight()));
    let east = parsed.to_numeric_offset().map_or(0, |offset| offset.seconds());
    let utc = local.checked_sub(SignedDuration::from_secs(east.into())).ok()?;
    u64::try_from(utc.duration_since(epoch()).as_micros()).ok()
}

/// The last microsecond of the year 9999.
pub(super) const LAST: u64 = 253_402_300_799_999_999;

fn epoch() -> DateTime {
    date(1970, 1, 1).at(0, 0, 0, 0)
}

/// The date of `micros` as [`parse`] reads it back.
pub(super) fn text(micros: u64) -> String {
    let since_epoch = SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
    let date = epoch().checked_add(since_epoch).unwrap_or(DateTime::MAX);
    if date.subsec_nanosecond() == 0 { format!("{date}Z") } else { format!("{date:.6}Z") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_without_an_offset_are_utc() {
        assert_eq!(parse("1970-01-01"), Some(0));
        assert_eq!(parse("2000-03-01"), Some(951_868_800_000_000));
        assert_eq!(parse("2024-02-29T23:59:59Z"), Some(1_709_251_199_000_000));
        assert_eq!(parse("2024-02-29 23:59:59.25"), Some(1_709_251_199_250_000));
        assert_eq!(parse("2024-03-01T01:59:59+02:00"), Some(1_709_251_199_000_000));
    }

    #[test]
    fn other_texts_are_refused() {
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
            "20240101",
            "20240101T1000",
            "2024-01-01T10:00Z[UTC]",
            "10000-01-01",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_formatted_date_is_parsed_back() {
        for day in 0..60_000_u64 {
            let micros = day * 86_400_000_000 + 3_723_000_004;
            assert_eq!(parse(&text(micros)), Some(micros), "{}", text(micros));
        }
    }
}
