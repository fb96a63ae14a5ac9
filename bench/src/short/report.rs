//! The result as text. Pure.

use std::fmt::Write;
use std::time::Duration;

use conns_lab::storm::Options;

use super::Sighting;
use crate::run::machine::Machine;

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    // A share below all is not rounded up to all.
    if part < whole && share > 99.99 { "99.99".to_owned() } else { format!("{share:.2}") }
}

/// The whole result.
pub(super) fn markdown(
    machine: &Machine,
    sightings: &[Sighting],
    storm: Options,
    took: Duration,
) -> String {
    let mut text = machine.heading("Short connections", "", took);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "A storm of {} connections for each sampler: {} expected a second for {:.0} s on loopback, each with up to 1000 bytes \
         each way. The storm runs on the same cores as its sampler, so the rate it reached shows what the sampler took.\n",
        storm.count(),
        storm.rate,
        storm.time.as_secs_f64()
    );
    let _ = writeln!(
        text,
        "| sampler | connections | seen, % | both ends, % | ends with owner, % | rate reached /s | it reports |"
    );
    let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|---|");
    for Sighting { sampler, rate, seen, remark } in sightings {
        let Some(rate) = rate else {
            let why = remark.as_deref().unwrap_or("did not run");
            let _ = writeln!(text, "| `{}` | {} | | | | | |", sampler.label, why.replace('|', "/"));
            continue;
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} | {} | {rate:.0} | {} |",
            sampler.label,
            seen.connections,
            percent(seen.seen, seen.connections),
            percent(seen.both_ends, seen.connections),
            percent(seen.owned_ends, 2 * seen.connections),
            sampler.reports,
        );
    }
    let _ = writeln!(text);
    for Sighting { sampler, rate, remark, .. } in sightings {
        if let (Some(_), Some(remark)) = (rate, remark) {
            let _ = writeln!(text, "- `{}` {remark}", sampler.label);
        }
    }
    text
}

/// One watcher a line.
pub(super) fn csv(sightings: &[Sighting]) -> String {
    let mut text = String::from("sampler,connections,seen,both_ends,owned_ends,rate,remark\n");
    for Sighting { sampler, rate, seen, remark } in sightings {
        let _ = writeln!(
            text,
            "\"{}\",{},{},{},{},{:.1},\"{}\"",
            sampler.label,
            seen.connections,
            seen.seen,
            seen.both_ends,
            seen.owned_ends,
            rate.unwrap_or(0.0),
            remark.as_deref().unwrap_or_default().replace('"', "'")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_is_not_all() {
        assert_eq!(percent(199_999, 200_000), "99.99");
        assert_eq!(percent(200_000, 200_000), "100.00");
        assert_eq!(percent(1, 3), "33.33");
        assert_eq!(percent(0, 0), "–");
    }
}
