//! Moments as people write them: `14:03`, `yesterday`, `yesterday 14:03`, `2026-11-28`, `2026-11-28T14:03:05Z`, `5m ago`.
//!
//! Without an offset they are in the time zone of this machine.

use conns_core::units::parse_span;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// Microseconds since 1970-01-01 UTC of a moment, which lies before now.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    parse_at(text, &Timestamp::now().to_zoned(TimeZone::system()))
}

fn parse_at(text: &str, now: &Zoned) -> Result<i64, String> {
    let text = text.trim();
    let moment = read(text, now).ok_or_else(|| {
        format!(
            "expected a time such as 14:03, `yesterday 14:03`, 2026-11-28T14:03 or `5m ago`, found `{text}`"
        )
    })?;
    if moment > now.timestamp() {
        return Err(format!("`{text}` is {moment}, which is not yet"));
    }
    Ok(moment.as_microsecond())
}

fn read(text: &str, now: &Zoned) -> Option<Timestamp> {
    if text == "now" {
        return Some(now.timestamp());
    }
    if let Some(span) = text.strip_suffix("ago") {
        let span = SignedDuration::try_from(parse_span(span.trim())?).ok()?;
        return now.timestamp().checked_sub(span).ok();
    }
    let zoned = |date: Date, time: Time| {
        let local = DateTime::from_parts(date, time).to_zoned(now.time_zone().clone());
        Some(local.ok()?.timestamp())
    };
    if let Some(time) = clock(text) {
        // A time that has not come today was yesterday.
        let today = zoned(now.date(), time)?;
        return match today > now.timestamp() {
            true => zoned(now.date().yesterday().ok()?, time),
            false => Some(today),
        };
    }
    let yesterday = now.date().yesterday();
    for (word, day) in [("today", Ok(now.date())), ("yesterday", yesterday)] {
        let Some(time) = text.strip_prefix(word) else { continue };
        let time = if time.is_empty() { Time::midnight() } else { clock(time.strip_prefix(' ')?)? };
        return zoned(day.ok()?, time);
    }
    let parsed = Pieces::parse(text).ok()?;
    let time = parsed.time().unwrap_or(Time::midnight());
    let local = DateTime::from_parts(parsed.date(), time);
    match parsed.to_numeric_offset() {
        Some(offset) => offset.to_timestamp(local).ok(),
        None => zoned(parsed.date(), time),
    }
}

/// `14:03` or `14:03:05.5`.
fn clock(text: &str) -> Option<Time> {
    let is_time = text.contains(':') && text.bytes().all(|byte| b"0123456789:.".contains(&byte));
    is_time.then(|| text.parse().ok()).flatten()
}

/// A moment as [`parse`] reads it back, in the time zone of this machine, to the second.
pub(crate) fn shown(us: i64) -> String {
    match Timestamp::from_microsecond(us) {
        Ok(moment) => moment.to_zoned(TimeZone::system()).strftime("%Y-%m-%dT%H:%M:%S").to_string(),
        Err(_) => us.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_in_the_time_zone_unless_they_name_an_offset() {
        let zone = TimeZone::fixed(jiff::tz::offset(2));
        let now: Timestamp = "2026-11-28T12:30:00Z".parse().unwrap();
        let now = now.to_zoned(zone);
        let read = |text: &str| {
            let us = parse_at(text, &now)?;
            Ok::<_, String>(Timestamp::from_microsecond(us).unwrap().to_string())
        };
        for (text, expected) in [
            ("14:03", "2026-11-28T12:03:00Z"),
            ("14:30:00", "2026-11-28T12:30:00Z"),
            ("23:10", "2026-11-27T21:10:00Z"),
            ("yesterday", "2026-11-26T22:00:00Z"),
            ("yesterday 14:03", "2026-11-27T12:03:00Z"),
            ("today", "2026-11-27T22:00:00Z"),
            ("2026-11-01", "2026-10-31T22:00:00Z"),
            ("2026-11-01T05:06", "2026-11-01T03:06:00Z"),
            ("2026-11-01 05:06:07.5", "2026-11-01T03:06:07.5Z"),
            ("2026-11-01T05:06Z", "2026-11-01T05:06:00Z"),
            ("2026-11-01T05:06-01:00", "2026-11-01T06:06:00Z"),
            ("5m ago", "2026-11-28T12:25:00Z"),
            ("1h30m ago", "2026-11-28T11:00:00Z"),
            ("now", "2026-11-28T12:30:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for text in
            ["", "soon", "25:00", "5m", "ago", "14:03 yesterday", "2026-13-01", "2027-01-01"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
