//! Formats quantities with three digits and a unit, for tables and messages; machine-readable output uses base units.

/// A time span given in microseconds: `85us`, `1.24ms`, `310ms`, `2.5s`, `3m20s`, `5h12m`, `12d3h`.
#[must_use]
pub fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us}us"),
        1_000..1_000_000 => format!("{}ms", three_digits(us as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{}s", three_digits(us as f64 / 1e6)),
        _ => {
            let s = us / 1_000_000;
            match s {
                0..3_600 => format!("{}m{:02}s", s / 60, s % 60),
                3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
                _ => format!("{}d{}h", s / 86_400, s / 3_600 % 24),
            }
        }
    }
}

/// A time in UTC, to the second, given in microseconds since 1970-01-01 UTC: `2026-11-28T14:03:00Z`.
#[must_use]
pub fn date(us: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(us);
    time.map_or_else(|_| us.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// Bytes in decimal units: `512B`, `1.45kB`, `33.1MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    if count < 1_000 {
        return format!("{count}B");
    }
    let mut value = count as f64;
    for unit in ["kB", "MB", "GB", "TB", "PB"] {
        value /= 1e3;
        if value < 999.5 {
            return format!("{}{unit}", three_digits(value));
        }
    }
    format!("{}EB", three_digits(value / 1e3))
}

/// Bytes a second: `0B/s`, `12.5MB/s`.
#[must_use]
pub fn rate(bytes_per_s: f64) -> String {
    // `as` saturates, and turns what is not a number into 0.
    format!("{}/s", bytes(bytes_per_s.round() as u64))
}

/// A rate in bits, as paths have it: `38Mbit/s`.
#[must_use]
pub fn bit_rate(bytes_per_s: f64) -> String {
    let bits = bytes((bytes_per_s * 8.0).round() as u64);
    format!("{}bit/s", bits.strip_suffix('B').unwrap_or(&bits))
}

/// Percent with the digits that matter: `0%`, `0.04%`, `1.8%`, `45%`.
#[must_use]
pub fn percent(value: f64) -> String {
    match value {
        0.0 => "0%".to_owned(),
        v if v < 0.095 => format!("{v:.2}%"),
        v if v < 9.95 => format!("{v:.1}%"),
        v => format!("{v:.0}%"),
    }
}

fn three_digits(value: f64) -> String {
    let text = match value {
        v if v < 9.995 => format!("{v:.2}"),
        v if v < 99.95 => format!("{v:.1}"),
        v => return format!("{v:.0}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let spans = [
            (0, "0us"),
            (999, "999us"),
            (1_000, "1ms"),
            (80_123, "80.1ms"),
            (310_400, "310ms"),
            (2_500_000, "2.5s"),
            (200_000_000, "3m20s"),
            (18_720_000_000, "5h12m"),
            (1_047_600_000_000, "12d3h"),
        ];
        for (us, text) in spans {
            assert_eq!(duration(us), text);
        }
        let sizes = [
            (0, "0B"),
            (999, "999B"),
            (1_450, "1.45kB"),
            (999_499, "999kB"),
            (999_600, "1MB"),
            (33_100_000, "33.1MB"),
            (u64::MAX, "18.4EB"),
        ];
        for (count, text) in sizes {
            assert_eq!(bytes(count), text);
        }
        assert_eq!(rate(12.5e6), "12.5MB/s");
        assert_eq!(rate(f64::NAN), "0B/s");
        let shares = [(0.0, "0%"), (0.04, "0.04%"), (1.84, "1.8%"), (9.97, "10%"), (45.2, "45%")];
        for (value, text) in shares {
            assert_eq!(percent(value), text);
        }
    }
}
