//! Numbers as the node parses and writes them: C's `strtoull`, `strtoll`, `strtod`, and `%g`.
//!
//! A token is a run of characters of numbers. Its value is that of the longest prefix that is a
//! number, or 0.

use std::io::Write as _;

/// A number of a request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    /// Starts with a digit, without point and exponent.
    Unsigned(u64),
    /// Starts with a minus, without point and exponent.
    Signed(i64),
    /// Has a point or an exponent.
    Double(f64),
}

/// Whether a byte may be part of a number, after its sign.
pub(super) fn is_part(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-')
}

/// The value of a token; `None` if it is out of range.
pub(super) fn read(token: &[u8]) -> Option<Number> {
    if token.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return read_double(token).map(Number::Double);
    }
    let (sign, rest) = token.split_at(usize::from(token.first() == Some(&b'-')));
    let digits = rest.get(..digits(rest)).unwrap_or_default();
    let digits = if digits.is_empty() { b"0" } else { digits };
    let digits = std::str::from_utf8(digits).ok()?;
    if sign.is_empty() {
        digits.parse().ok().map(Number::Unsigned)
    } else {
        format!("-{digits}").parse().ok().map(Number::Signed)
    }
}

/// The number of digits at the start of `text`.
fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn read_double(token: &[u8]) -> Option<f64> {
    let rest = |at: usize| token.get(at..).unwrap_or_default();
    let sign = usize::from(token.first() == Some(&b'-'));
    let mut end = sign + digits(rest(sign));
    let mut found = end - sign;
    if rest(end).first() == Some(&b'.') {
        let fraction = digits(rest(end + 1));
        found += fraction;
        end += 1 + fraction;
    }
    if found == 0 {
        return Some(0.0);
    }
    let mantissa = end;
    if matches!(rest(end), [b'e' | b'E', ..]) {
        let signed = usize::from(matches!(rest(end + 1), [b'+' | b'-', ..]));
        let exponent = digits(rest(end + 1 + signed));
        if exponent > 0 {
            end += 1 + signed + exponent;
        }
    }
    let value: f64 = std::str::from_utf8(token.get(..end)?).ok()?.parse().ok()?;
    let is_zero = !token.iter().take(mantissa).any(|byte| matches!(byte, b'1'..=b'9'));
    // `strtod` reports overflow and underflow.
    (is_zero || value.is_normal()).then_some(value)
}

/// Writes a double as C++ streams do: `%g`, six significant digits.
pub(super) fn write_double(out: &mut Vec<u8>, value: f64) {
    let scientific = format!("{value:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| -> String {
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text.to_owned(),
        }
    };
    let text = match usize::try_from(5 - exponent) {
        Ok(places) if exponent >= -4 => trimmed(&format!("{value:.places$}")),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs())
        }
    };
    out.extend_from_slice(text.as_bytes());
}

/// Writes a whole number.
pub(super) fn write_whole(out: &mut Vec<u8>, value: impl itoa::Integer) {
    // A write to a `Vec` does not fail.
    let _ = out.write_all(itoa::Buffer::new().format(value).as_bytes());
}
