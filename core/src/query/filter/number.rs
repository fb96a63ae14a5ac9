//! Numbers with units, brought to the base unit of their kind: microseconds, bytes, bytes a
//! second, percent. A number that is whole there stays exact, however large.

use std::cmp::Ordering;

use super::super::Kind;

/// A number in the base unit of its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// Whole, exact.
    Whole(u64),
    /// With a fraction; never whole, never NaN.
    Real(f64),
}

/// Why a text is no number of a kind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotANumber,
    UnitMissing,
    UnitUnfit(String),
    /// `Mb` is megabit to some and megabyte to others.
    UnitAmbiguous(String),
    TooLarge,
}

/// A unit and what it is in the base unit, as a fraction.
struct Unit {
    name: &'static str,
    times: u64,
    over: u64,
}

const fn unit(name: &'static str, times: u64, over: u64) -> Unit {
    Unit { name, times, over }
}

const DURATIONS: &[Unit] = &[
    unit("us", 1, 1),
    unit("ns", 1, 1000),
    unit("µs", 1, 1),
    unit("μs", 1, 1),
    unit("ms", 1000, 1),
    unit("s", 1_000_000, 1),
    unit("m", 60_000_000, 1),
    unit("min", 60_000_000, 1),
    unit("h", 3_600_000_000, 1),
    unit("d", 86_400_000_000, 1),
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

fn units(kind: Kind) -> &'static [Unit] {
    match kind {
        Kind::Duration => DURATIONS,
        Kind::Bytes => BYTES,
        Kind::BytesPerSecond => RATES,
        Kind::Percent => PERCENTS,
        Kind::Count => COUNTS,
        _ => &[],
    }
}

/// The units of a kind, for messages.
pub(super) fn unit_names(kind: Kind) -> &'static str {
    match kind {
        Kind::Duration => "ns, us, ms, s, min, h, d",
        Kind::Bytes => "B, kB, MB, GB, KiB, MiB, GiB",
        Kind::BytesPerSecond => "B/s, kB/s, MB/s, MiB/s, kbit/s, Mbit/s, Gbit/s",
        Kind::Percent => "%",
        Kind::Count => "k, M, G",
        _ => "",
    }
}

/// Whether `name` is a unit of anything, so that it may stand apart from its number.
pub(super) fn is_unit(name: &str) -> bool {
    [DURATIONS, BYTES, RATES, PERCENTS]
        .iter()
        .any(|units| units.iter().any(|unit| unit.name == name))
}

/// Whether `word` is a number that a unit may follow after a space.
pub(super) fn is_plain_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && split(word).1.is_empty()
}

/// Digits in front, the rest behind.
fn split(text: &str) -> (&str, &str) {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// The unit behind the number in `text`.
pub(super) fn suffix(text: &str) -> &str {
    split(text).1.trim_start()
}

/// Reads a number of `kind`. `bare` says that a number without unit is in the base unit.
pub(super) fn parse(text: &str, kind: Kind, bare: bool) -> Result<Number, Refusal> {
    if kind == Kind::Count
        && let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
    {
        return u64::from_str_radix(hex, 16).map(Number::Whole).map_err(|_| Refusal::NotANumber);
    }
    let (digits, suffix) = split(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(Refusal::NotANumber);
    }
    let digits: String = digits.chars().filter(|c| *c != '_').collect();
    let suffix = suffix.trim_start();
    if suffix.is_empty() {
        let number = scale(&digits, 1, 1)?;
        // Zero is zero in every unit.
        return if bare || number == Number::Whole(0) {
            Ok(number)
        } else {
            Err(Refusal::UnitMissing)
        };
    }
    let unit = find_unit(suffix, kind)?;
    scale(&digits, unit.times, unit.over)
}

fn find_unit(name: &str, kind: Kind) -> Result<&'static Unit, Refusal> {
    let known = units(kind);
    if let Some(unit) = known.iter().find(|unit| unit.name == name) {
        return Ok(unit);
    }
    if matches!(kind, Kind::Bytes | Kind::BytesPerSecond) {
        let plain = name.strip_suffix("/s").unwrap_or(name);
        if matches!(plain, "Kb" | "Mb" | "Gb" | "Tb" | "b") {
            return Err(Refusal::UnitAmbiguous(name.to_owned()));
        }
    }
    // `m` and `M` differ by a lot, so times are taken as they are written.
    if kind != Kind::Duration
        && let Some(unit) = known.iter().find(|unit| unit.name.eq_ignore_ascii_case(name))
    {
        return Ok(unit);
    }
    Err(Refusal::UnitUnfit(name.to_owned()))
}

/// `digits * times / over`, exact where that is whole.
fn scale(digits: &str, times: u64, over: u64) -> Result<Number, Refusal> {
    if let Some(whole) = scale_exactly(digits, times, over) {
        return Ok(Number::Whole(whole));
    }
    let real: f64 = digits.parse().map_err(|_| Refusal::NotANumber)?;
    #[allow(clippy::cast_precision_loss, reason = "factors are far below 2^53")]
    let real = real * times as f64 / over as f64;
    /// 2^64, beyond which the kernel counts nothing.
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    if real >= LIMIT {
        return Err(Refusal::TooLarge);
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
    /// How a whole value stands to this number.
    pub(super) fn order_of(self, value: u64) -> Ordering {
        match self {
            Self::Whole(whole) => value.cmp(&whole),
            #[allow(clippy::cast_precision_loss, reason = "a fraction is below 2^53")]
            Self::Real(real) => (value as f64).total_cmp(&real),
        }
    }

    /// How a value with a fraction stands to this number.
    pub(super) fn order_of_real(self, value: f64) -> Ordering {
        match self {
            #[allow(clippy::cast_precision_loss, reason = "value is no more precise")]
            Self::Whole(whole) => value.total_cmp(&(whole as f64)),
            Self::Real(real) => value.total_cmp(&real),
        }
    }

    /// Whether this is not above `other`.
    pub(super) fn is_at_most(self, other: Self) -> bool {
        let order = match self {
            Self::Whole(whole) => other.order_of(whole),
            Self::Real(real) => other.order_of_real(real),
        };
        order != Ordering::Greater
    }

    /// The number as [`parse`] reads it back, in the largest unit that keeps it whole.
    pub(super) fn text(self, kind: Kind) -> String {
        let (steps, base): (&[(u64, &str)], &str) = match kind {
            Kind::Duration => (&[(3_600_000_000, "h"), (1_000_000, "s"), (1000, "ms")], "us"),
            Kind::Bytes => (&[(KILO.pow(3), "GB"), (KILO.pow(2), "MB"), (KILO, "kB")], "B"),
            Kind::BytesPerSecond => {
                (&[(KILO.pow(3), "GB/s"), (KILO.pow(2), "MB/s"), (KILO, "kB/s")], "B/s")
            }
            Kind::Percent => (&[], "%"),
            _ => (&[], ""),
        };
        match self {
            Self::Real(real) => format!("{real}{base}"),
            Self::Whole(whole) => {
                steps.iter().find(|(step, _)| whole != 0 && whole % step == 0).map_or_else(
                    || format!("{whole}{base}"),
                    |(step, name)| format!("{}{name}", whole / step),
                )
            }
        }
    }
}
