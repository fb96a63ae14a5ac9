//! The result as text. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::{Memory, Series};
use crate::run::figures::Spread;
use crate::run::machine::Machine;

/// Most memory of a connection that decoding may add, KiB.
const GOAL_KIB: f64 = 8.0;

/// What decoding adds for each socket, KiB, in the middle of the rounds.
fn added(series: &Series, sockets: u32, figure: fn(&Memory) -> u64) -> Option<Spread> {
    let added = |(without, with): &(Memory, Memory)| {
        (figure(with) as f64 - figure(without) as f64) / f64::from(sockets)
    };
    Spread::of(series.rounds.iter().map(added))
}

fn shown(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |Spread { min, median, max }| {
        format!("{median:.2} ({min:.2}–{max:.2})")
    })
}

/// The whole result.
pub(super) fn markdown(machine: &Machine, all: &[Series], sockets: u32, took: Duration) -> String {
    let mut text =
        machine.heading("Memory of recognition", &format!("{sockets} idle sockets, "), took);
    text.push_str("## Goals\n\n");
    for series in all {
        let judged = added(series, sockets, |memory| memory.with);
        let judged = judged.map_or("not measured".to_owned(), |added| {
            let is_met = added.median <= GOAL_KIB;
            format!("**{}**, {:.2} KiB", if is_met { "met" } else { "missed" }, added.median)
        });
        let _ = writeln!(
            text,
            "- {}: at most {GOAL_KIB} KiB more for each socket with an agent that decodes payload: {judged}",
            series.name
        );
    }
    text.push_str(
        "\n| connections | rounds | MiB before | no tap, MiB | with tap, MiB | more for each socket, KiB | more after all are closed, KiB |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    );
    for series in all {
        let mib = |figure: &dyn Fn(&(Memory, Memory)) -> u64| {
            let spread = Spread::of(series.rounds.iter().map(|round| figure(round) as f64));
            spread.map_or("–".to_owned(), |spread| format!("{:.1}", spread.median / 1024.0))
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            series.name,
            series.rounds.len(),
            mib(&|(_, with)| with.before),
            mib(&|(without, _)| without.with),
            mib(&|(_, with)| with.with),
            shown(added(series, sockets, |memory| memory.with)),
            shown(added(series, sockets, |memory| memory.after)),
        );
    }
    text.push_str(
        "\nPrivate memory of the agent (RssAnon). Median of the rounds, with smallest–largest in brackets; each difference is of one round.\n",
    );
    text
}

/// Every turn, one a line.
pub(super) fn csv(all: &[Series]) -> String {
    let mut text = String::from("connections,round,tap,before_kib,with_kib,after_kib\n");
    for series in all {
        for (number, (without, with)) in (1..).zip(&series.rounds) {
            for (tap, memory) in [(false, without), (true, with)] {
                let Memory { before, with, after } = memory;
                let _ = writeln!(text, "{},{number},{tap},{before},{with},{after}", series.name);
            }
        }
    }
    text
}
