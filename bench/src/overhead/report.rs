//! The result as text. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::turn::Turn;
use super::{Pair, Series, Work};
use crate::run::figures::Spread;
use crate::run::machine::Machine;

/// Most that a watched program may lose, and most that it may lose more if payload is decoded, %.
fn goal(work: Work) -> f64 {
    match work {
        Work::Connects | Work::Exchanges => 10.0,
        Work::Bulk | Work::Calls => 3.0,
    }
}

/// How much less is done with an agent that decodes no payload, %, in the middle of the pairs.
fn lost(series: &Series) -> Option<Spread> {
    let lost = |pair: &Pair| 100.0 * (1.0 - pair.untapped.rate() / pair.without.rate());
    Spread::of(series.pairs.iter().map(lost))
}

/// How much less is done with one that does, than with one that does not, %.
fn lost_by_tap(series: &Series) -> Option<Spread> {
    let lost = |pair: &Pair| 100.0 * (1.0 - pair.with.rate() / pair.untapped.rate());
    Spread::of(series.pairs.iter().map(lost))
}

/// How much more CPU a unit takes with an agent that decodes no payload, %.
fn dearer(series: &Series) -> Option<Spread> {
    let dearer = |pair: &Pair| 100.0 * (pair.untapped.cpu_us() / pair.without.cpu_us() - 1.0);
    Spread::of(series.pairs.iter().map(dearer))
}

/// How much more CPU a unit takes with one that does, than with one that does not, %. Other programs on the machine change
/// it less than they change how much is done.
fn dearer_by_tap(series: &Series) -> Option<Spread> {
    let dearer = |pair: &Pair| 100.0 * (pair.with.cpu_us() / pair.untapped.cpu_us() - 1.0);
    Spread::of(series.pairs.iter().map(dearer))
}

/// How far two neighbouring turns without an agent are apart, %.
fn noise(series: &Series) -> Option<Spread> {
    let rates: Vec<f64> = series.pairs.iter().map(|pair| pair.without.rate()).collect();
    Spread::of(rates.windows(2).map(|two| 100.0 * (1.0 - two[1] / two[0]).abs()))
}

/// The whole result.
pub(super) fn markdown(machine: &Machine, all: &[Series], turn: u32, took: Duration) -> String {
    let mut text =
        machine.heading("Overhead on monitored processes", &format!("Turns of {turn} s, "), took);
    text.push_str("## Goals\n\n");
    for series in all {
        let (what, unit) = series.work.names();
        let goal = goal(series.work);
        let judged = |lost: Option<Spread>| {
            lost.map_or("not measured".to_owned(), |lost| {
                let is_met = lost.median <= goal;
                format!("**{}**, {:.1} %", if is_met { "met" } else { "missed" }, lost.median)
            })
        };
        let _ = writeln!(
            text,
            "- {what}: at most {goal} % fewer {unit} a second with an agent that decodes no payload: {}",
            judged(lost(series))
        );
        let _ = writeln!(
            text,
            "- {what}: at most {goal} % fewer {unit} a second with one that decodes payload than with one that does not: {}",
            judged(lost_by_tap(series))
        );
    }
    let _ = writeln!(
        text,
        "\n| work | pairs | without /s | agent, no tap /s | with tap /s | fewer with an agent, % | fewer with tap, % | CPU more with an agent, % | CPU more with tap, % | CPU µs each, without | agent, no tap | with tap | two turns without are apart, % |"
    );
    let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for series in all {
        let (what, unit) = series.work.names();
        let middle = |figure: fn(&Turn) -> f64, side: fn(&Pair) -> &Turn| {
            let all = Spread::of(series.pairs.iter().map(|pair| figure(side(pair))));
            all.map_or("–".to_owned(), |all| digits(all.median))
        };
        let spread = |found: Option<Spread>| {
            found.map_or("–".to_owned(), |s| {
                format!("{:.1} ({:.1}–{:.1})", s.median, s.min, s.max)
            })
        };
        let _ = writeln!(
            text,
            "| {what} ({unit}) | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            series.pairs.len(),
            middle(Turn::rate, |pair| &pair.without),
            middle(Turn::rate, |pair| &pair.untapped),
            middle(Turn::rate, |pair| &pair.with),
            spread(lost(series)),
            spread(lost_by_tap(series)),
            spread(dearer(series)),
            spread(dearer_by_tap(series)),
            middle(Turn::cpu_us, |pair| &pair.without),
            middle(Turn::cpu_us, |pair| &pair.untapped),
            middle(Turn::cpu_us, |pair| &pair.with),
            spread(noise(series)),
        );
    }
    let _ = writeln!(
        text,
        "\nMedian of the pairs, with smallest–largest in brackets; each ratio is of one pair."
    );
    text
}

fn digits(value: f64) -> String {
    if value < 10.0 {
        format!("{value:.3}")
    } else if value < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// Every turn, one a line.
pub(super) fn csv(all: &[Series]) -> String {
    let mut text = String::from("work,pair,agent,done,took_s,cpu_s\n");
    for series in all {
        for (number, pair) in (1..).zip(&series.pairs) {
            for (agent, turn) in
                [("without", &pair.without), ("untapped", &pair.untapped), ("with", &pair.with)]
            {
                let _ = writeln!(
                    text,
                    "{:?},{number},{agent},{:.3},{:.6},{:.6}",
                    series.work,
                    turn.done,
                    turn.took.as_secs_f64(),
                    turn.cpu.as_secs_f64()
                );
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_each_pair() {
        let turn = |done: f64, cpu_ms: u64| Turn {
            done,
            took: Duration::from_secs(1),
            cpu: Duration::from_millis(cpu_ms),
        };
        let pair = |without, untapped| Pair {
            without: turn(without, 500),
            untapped: turn(untapped, 500),
            with: turn(untapped / 2.0, 500),
        };
        let series = Series {
            work: Work::Bulk,
            pairs: vec![pair(100.0, 98.0), pair(200.0, 198.0), pair(50.0, 50.0)],
        };
        assert_eq!(lost(&series).map(|lost| lost.median.round()), Some(1.0));
        assert_eq!(lost_by_tap(&series).map(|lost| lost.median.round()), Some(50.0));
        assert_eq!(dearer(&series).map(|more| more.max.round()), Some(2.0));
        assert_eq!(noise(&series).map(|noise| (noise.min, noise.max)), Some((75.0, 100.0)));
    }
}
