//! Quantities with units: parsed into the base unit of their dimension, and written back exactly.
//!
//! The base units are microseconds, bytes, bytes per second and percent. A quantity that is whole in
//! its base unit is exact up to 2^64.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::SignedDuration;

/// What a quantity measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// A span of time, in microseconds.
    Duration,
    /// A size, in bytes.
    Bytes,
    /// A rate, in bytes per second.
    BytesPerSecond,
    /// A share, in percent.
    Percent,
    /// A count, in ones.
    Count,
    /// A number that takes no unit.
    Plain,
}

/// A number in the base unit of its dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// Whole, exact.
    Whole(u64),
    /// With a fraction; never whole, never NaN.
    Real(f64),
}

/// Why a text is not a quantity.
#[derive(Debug, PartialEq, Eq)]
pub enum UnitError {
    /// It does not start with a number.
    NotANumber,
    /// The dimension needs a unit.
    UnitMissing,
    /// The unit belongs to another dimension, or to none.
    UnitUnfit(String),
    /// `Mb` is read as megabit and as megabyte.
    UnitAmbiguous(String),
    /// It is 2^64 or more in the base unit.
    TooLarge,
}

/// A unit, as a fraction of the base unit.
struct Unit {
    name: &'static str,
    times: u64,
    over: u64,
}

const fn unit(name: &'static str, times: u64, over: u64) -> Unit {
    Unit { name, times, over }
}

const MILLISECOND: u64 = 1000;
const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

const DURATIONS: &[Unit] = &[
    unit("us", 1, 1),
    unit("ns", 1, 1000),
    unit("µs", 1, 1),
    unit("μs", 1, 1),
    unit("ms", MILLISECOND, 1),
    unit("s", SECOND, 1),
    unit("m", MINUTE, 1),
    unit("min", MINUTE, 1),
    unit("h", HOUR, 1),
    unit("d", 24 * HOUR, 1),
];

const KILO: u64 = 1000;
const KIBI: u64 = 1024;

const BYTES: &[Unit] = &[
    unit("B", 1, 1),
    unit("kB", KILO, 1),
    unit("MB", KILO.pow(2), 1),
    unit("GB", KILO.pow(3), 1),
    unit("TB", KILO.pow(4), 1),
    unit("KiB", KIBI, 1),
    unit("MiB", KIBI.pow(2), 1),
    unit("GiB", KIBI.pow(3), 1),
    unit("TiB", KIBI.pow(4), 1),
    unit("k", KILO, 1),
    unit("M", KILO.pow(2), 1),
    unit("G", KILO.pow(3), 1),
    unit("T", KILO.pow(4), 1),
];

const RATES: &[Unit] = &[
    unit("B/s", 1, 1),
    unit("kB/s", KILO, 1),
    unit("MB/s", KILO.pow(2), 1),
    unit("GB/s", KILO.pow(3), 1),
    unit("TB/s", KILO.pow(4), 1),
    unit("KiB/s", KIBI, 1),
    unit("MiB/s", KIBI.pow(2), 1),
    unit("GiB/s", KIBI.pow(3), 1),
    unit("bit/s", 1, 8),
    unit("kbit/s", KILO / 8, 1),
    unit("Mbit/s", KILO.pow(2) / 8, 1),
    unit("Gbit/s", KILO.pow(3) / 8, 1),
    unit("Tbit/s", KILO.pow(4) / 8, 1),
    unit("bps", 1, 8),
    unit("kbps", KILO / 8, 1),
    unit("Mbps", KILO.pow(2) / 8, 1),
    unit("Gbps", KILO.pow(3) / 8, 1),
];

const PERCENTS: &[Unit] = &[unit("%", 1, 1)];

const COUNTS: &[Unit] = &[unit("k", KILO, 1), unit("M", KILO.pow(2), 1), unit("G", KILO.pow(3), 1)];

fn units(dimension: Dimension) -> &'static [Unit] {
    match dimension {
        Dimension::Duration => DURATIONS,
        Dimension::Bytes => BYTES,
        Dimension::BytesPerSecond => RATES,
        Dimension::Percent => PERCENTS,
        Dimension::Count => COUNTS,
        _ => &[],
    }
}

/// The units of a dimension, for messages.
#[must_use]
pub fn unit_names(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Duration => "ns, us, ms, s, min, h, d",
        Dimension::Bytes => "B, kB, MB, GB, KiB, MiB, GiB",
        Dimension::BytesPerSecond => "B/s, kB/s, MB/s, MiB/s, kbit/s, Mbit/s, Gbit/s",
        Dimension::Percent => "%",
        Dimension::Count => "k, M, G",
        _ => "",
    }
}

/// Whether `name` is a unit of a dimension that needs one, so that a space may precede it.
#[must_use]
pub fn is_unit(name: &str) -> bool {
    [DURATIONS, BYTES, RATES, PERCENTS]
        .iter()
        .any(|units| units.iter().any(|unit| unit.name == name))
}

/// Whether `word` is a number without a unit.
#[must_use]
pub fn is_plain_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && split(word).1.is_empty()
}

/// The number at the start of `text`, and the rest.
fn split(text: &str) -> (&str, &str) {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The unit after the number in `text`; empty if there is none.
#[must_use]
pub fn suffix(text: &str) -> &str {
    split(text).1.trim_start()
}

/// Parses a number of `dimension`. With `bare` a number without a unit is in the base unit.
///
/// # Errors
/// If `text` is not a number, or its unit is not one of the dimension.
pub fn parse(text: &str, dimension: Dimension, bare: bool) -> Result<Number, UnitError> {
    if dimension == Dimension::Count
        && let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
    {
        return u64::from_str_radix(hex, 16).map(Number::Whole).map_err(|_| UnitError::NotANumber);
    }
    let (digits, suffix) = split(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(UnitError::NotANumber);
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    let suffix = suffix.trim_start();
    if suffix.is_empty() {
        let number = scale(&digits, 1, 1)?;
        // Zero is the same in every unit.
        return if bare || number == Number::Whole(0) {
            Ok(number)
        } else {
            Err(UnitError::UnitMissing)
        };
    }
    let unit = find_unit(suffix, dimension)?;
    scale(&digits, unit.times, unit.over)
}

fn find_unit(name: &str, dimension: Dimension) -> Result<&'static Unit, UnitError> {
    let known = units(dimension);
    if let Some(unit) = known.iter().find(|unit| unit.name == name) {
        return Ok(unit);
    }
    if matches!(dimension, Dimension::Bytes | Dimension::BytesPerSecond) {
        let plain = name.strip_suffix("/s").unwrap_or(name);
        if matches!(plain, "Kb" | "Mb" | "Gb" | "Tb" | "b") {
            return Err(UnitError::UnitAmbiguous(name.to_owned()));
        }
    }
    // `m` (minutes) and `M` differ by more than case, so units of time are case-sensitive.
    if dimension != Dimension::Duration
        && let Some(unit) = known.iter().find(|unit| unit.name.eq_ignore_ascii_case(name))
    {
        return Ok(unit);
    }
    Err(UnitError::UnitUnfit(name.to_owned()))
}

/// `digits * times / over`, exact if it is whole.
fn scale(digits: &str, times: u64, over: u64) -> Result<Number, UnitError> {
    if let Some(whole) = scale_exactly(digits, times, over) {
        return Ok(Number::Whole(whole));
    }
    let real: f64 = digits.parse().map_err(|_| UnitError::NotANumber)?;
    #[allow(clippy::cast_precision_loss, reason = "factors are far below 2^53")]
    let real = real * times as f64 / over as f64;
    /// 2^64: the kernel's counters have 64 bits.
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    if real >= LIMIT {
        return Err(UnitError::TooLarge);
    }
    if real.fract() == 0.0 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "digits have no sign, and the limit is checked above"
        )]
        return Ok(Number::Whole(real as u64));
    }
    Ok(Number::Real(real))
}

fn scale_exactly(digits: &str, times: u64, over: u64) -> Option<u64> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let fraction = fraction.trim_end_matches('0');
    let mantissa: u128 = format!("{whole}{fraction}").parse().ok()?;
    let tens = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let divisor = tens.checked_mul(u128::from(over))?;
    let scaled = mantissa.checked_mul(u128::from(times))?;
    if scaled % divisor != 0 {
        return None;
    }
    u64::try_from(scaled / divisor).ok()
}

impl Number {
    /// The order of a whole value relative to this number.
    #[must_use]
    pub fn order_of(self, value: u64) -> Ordering {
        match self {
            Self::Whole(whole) => value.cmp(&whole),
            #[allow(clippy::cast_precision_loss, reason = "a fraction is below 2^53")]
            Self::Real(real) => (value as f64).total_cmp(&real),
        }
    }

    /// The order of a value with a fraction relative to this number.
    #[must_use]
    pub fn order_of_real(self, value: f64) -> Ordering {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "value is no more precise")]
            Self::Whole(whole) => value.total_cmp(&(whole as f64)),
            Self::Real(real) => value.total_cmp(&real),
        }
    }

    /// Whether this is less than or equal to `other`.
    #[must_use]
    pub fn is_at_most(self, other: Self) -> bool {
        let order = match self {
            Self::Whole(whole) => other.order_of(whole),
            Self::Real(real) => other.order_of_real(real),
        };
        order != Ordering::Greater
    }

    /// The number as [`parse`] reads it back, in the largest decimal unit in which it is whole.
    #[must_use]
    pub fn text(self, dimension: Dimension) -> String {
        let (steps, base): (&[(u64, &str)], &str) = match dimension {
            Dimension::Duration => (&[(HOUR, "h"), (SECOND, "s"), (MILLISECOND, "ms")], "us"),
            Dimension::Bytes => (&[(KILO.pow(3), "GB"), (KILO.pow(2), "MB"), (KILO, "kB")], "B"),
            Dimension::BytesPerSecond => {
                (&[(KILO.pow(3), "GB/s"), (KILO.pow(2), "MB/s"), (KILO, "kB/s")], "B/s")
            }
            Dimension::Percent => (&[], "%"),
            Dimension::Count | Dimension::Plain => (&[], ""),
        };
        match self {
            Self::Real(real) => format!("{real}{base}"),
            Self::Whole(whole) => exact_text(whole, steps, base),
        }
    }
}

/// `value` in the first unit of `steps` in which it is whole, else in the base unit.
fn exact_text(value: u64, steps: &[(u64, &str)], base: &str) -> String {
    steps
        .iter()
        .find(|(step, _)| value != 0 && value.is_multiple_of(*step))
        .map_or_else(|| format!("{value}{base}"), |(step, name)| format!("{}{name}", value / step))
}

/// Parses a span of time such as `5s`, `500ms`, `1m30s` or `5`; a bare number is seconds.
#[must_use]
pub fn parse_span(text: &str) -> Option<Duration> {
    match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => Duration::try_from(text.parse::<SignedDuration>().ok()?).ok(),
    }
}

/// A span as [`parse_span`] reads it back, to the millisecond.
#[must_use]
pub fn span_text(span: Duration) -> String {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    exact_text(ms, &[(3_600_000, "h"), (60_000, "m"), (1000, "s")], "ms")
}

/// Parses a whole number of bytes such as `64KiB`, `1MB` or `512`.
#[must_use]
pub fn parse_bytes(text: &str) -> Option<u64> {
    match parse(text, Dimension::Bytes, true) {
        Ok(Number::Whole(bytes)) if !text.contains('.') => Some(bytes),
        _ => None,
    }
}

/// Bytes as [`parse_bytes`] reads them back, in binary units.
#[must_use]
pub fn bytes_text(bytes: u64) -> String {
    exact_text(bytes, &[(KIBI.pow(3), "GiB"), (KIBI.pow(2), "MiB"), (KIBI, "KiB")], "B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_seconds_without_a_unit() {
        for (text, ms) in
            [("5", 5000), ("0.5", 500), ("500ms", 500), ("2m", 120_000), ("1m30s", 90_000)]
        {
            assert_eq!(parse_span(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "-1", "-1s", "s", "nan", "inf", "1 fortnight"] {
            assert_eq!(parse_span(text), None, "{text}");
        }
    }

    #[test]
    fn spans_and_sizes_are_parsed_back() {
        for ms in [0, 1, 999, 1000, 1500, 60_000, 90_000, 3_600_000, 86_400_000] {
            let span = Duration::from_millis(ms);
            assert_eq!(parse_span(&span_text(span)), Some(span), "{ms}");
        }
        for bytes in [0, 1, 1000, 1024, 1025, 1 << 20, 3 << 30, u64::MAX] {
            assert_eq!(parse_bytes(&bytes_text(bytes)), Some(bytes), "{bytes}");
        }
        assert_eq!(bytes_text(16 << 10), "16KiB");
        assert_eq!(span_text(Duration::from_secs(75)), "75s");
    }

    #[test]
    fn sizes_are_whole_and_unambiguous() {
        assert_eq!(parse_bytes("1536 B"), Some(1536));
        for text in ["", "-1", "0.5", "1.5KiB", "1Mb", "1s", "MiB", "99999999999GiB"] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }
}
