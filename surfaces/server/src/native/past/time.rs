//! Moments as parameters: RFC 3339, or seconds since 1970-01-01 UTC with up to six decimals.

use jiff::Timestamp;

use super::super::parameters::{AT, Parameter, Query};
use crate::problem::{Problem, repeated};

/// The moment of a parameter, microseconds since 1970-01-01 UTC; none if it is not given.
pub(super) fn read(query: &Query, parameter: &Parameter) -> Result<Option<i64>, Problem> {
    let Some(text) = query.get(parameter.name) else { return Ok(None) };
    let hint = || "write it as 2026-11-28T14:03:00Z, or as seconds since 1970".to_owned();
    parse(text).map(Some).ok_or_else(|| refused(parameter, text, hint()))
}

/// The moment of `at`, which is not after the last sample, of `now_us`.
pub(super) fn at(query: &Query, now_us: i64) -> Result<i64, Problem> {
    let at_us = read(query, &AT)?.unwrap_or(now_us);
    if at_us > now_us {
        let hint = format!("it is not yet: the last sample is of {}", conns_history::date(now_us));
        return Err(refused(&AT, query.get(AT.name).unwrap_or_default(), hint));
    }
    Ok(at_us)
}

fn refused(parameter: &Parameter, text: &str, hint: String) -> Problem {
    let message = format!("`{}` cannot be `{}`", parameter.name, repeated(text));
    Problem::bad("bad-parameter", message, hint)
}

fn parse(text: &str) -> Option<i64> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    if text.contains('T') {
        return text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
    }
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain(seconds) || !is_plain(decimals) || decimals.len() > 6 {
        return None;
    }
    let us: i64 = format!("{decimals:0<6}").parse().ok()?;
    let us = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(us)?;
    // What is beyond the times that a calendar has is none.
    Timestamp::from_microsecond(us).ok().map(|_| us)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn moments_are_rfc_3339_or_seconds() {
        for (text, us) in [
            ("2026-11-28T14:03:00Z", Some(1_795_874_580_000_000)),
            ("2026-11-28T15:03:00.25+01:00", Some(1_795_874_580_250_000)),
            ("1795874580", Some(1_795_874_580_000_000)),
            ("1795874580.25", Some(1_795_874_580_250_000)),
            ("0.000001", Some(1)),
            ("2026-11-28T14:03:00", None),
            ("2026-11-28", None),
            ("14:03", None),
            ("-5", None),
            ("1e9", None),
            ("1.0000001", None),
            ("99999999999999", None),
            ("9223372036854775807", None),
            ("", None),
        ] {
            assert_eq!(parse(text), us, "{text}");
        }
    }
}
