//! The result as text: Markdown to read, CSV with every turn beside it. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::Race;
use super::cost::Cost;
use super::load::Load;
use crate::run::figures::Spread;
use crate::run::machine::Machine;

/// The size the goals are about, sockets.
const GOAL_SOCKETS: u32 = 10_000;
/// Most CPU of the agent, % of a core.
const GOAL_PERCENT: f64 = 1.0;
/// Most memory of the agent, MB.
const GOAL_MB: f64 = 60.0;
/// Least answers a second, as a share of nginx's.
const GOAL_SHARE: f64 = 0.5;

/// The whole result.
pub(crate) fn markdown(
    machine: &Machine,
    costs: &[Cost],
    races: &[Race],
    sockets: u32,
    took: Duration,
) -> String {
    let mut text = machine.heading("Bench of the agent", "", took);
    goals(&mut text, costs, races);
    of_costs(&mut text, costs);
    of_races(&mut text, races, sockets);
    text
}

fn goals(text: &mut String, costs: &[Cost], races: &[Race]) {
    let _ = writeln!(text, "## Goals\n");
    let cost = costs.iter().find(|cost| {
        cost.sockets == GOAL_SOCKETS && cost.is_by_ebpf && !cost.mode.has_serving_process
    });
    let percent = cost.map(|cost| cost.percent(cost.cpu));
    let _ = writeln!(
        text,
        "- CPU under {GOAL_PERCENT} % of a core at {GOAL_SOCKETS} sockets, by eBPF, without clients: {}",
        judged(percent.map(|percent| (percent < GOAL_PERCENT, format!("{percent:.2} %"))))
    );
    let memory = cost.map(|cost| (cost.proportional_mb, cost.peak_mb));
    let _ = writeln!(
        text,
        "- Memory under {GOAL_MB} MB at {GOAL_SOCKETS} sockets, without clients: {}",
        judged(memory.map(|(memory, peak)| {
            let figures = format!(
                "{memory:.1} MB; resident {peak:.1} MB at most, with the pages of rings twice"
            );
            (memory < GOAL_MB, figures)
        }))
    );
    for race in races {
        let _ = writeln!(
            text,
            "- Answers of `{}` at least {GOAL_SHARE} of nginx's rate: {}",
            race.dialect.name,
            judged(
                race.ratio()
                    .map(|share| { (share.median >= GOAL_SHARE, format!("{:.2}", share.median)) })
            )
        );
    }
}

fn judged(found: Option<(bool, String)>) -> String {
    match found {
        Some((true, figure)) => format!("**met**, {figure}"),
        Some((false, figure)) => format!("**missed**, {figure}"),
        None => "not measured".to_owned(),
    }
}

fn of_costs(text: &mut String, costs: &[Cost]) {
    let _ = writeln!(text, "\n## Its own cost, without clients\n");
    let _ = writeln!(
        text,
        "| sockets open | tables by | serving process | seen in all | watched s | CPU, % of a core | a drain each second, % | ÷ | resident MB | peak MB | proportional MB |"
    );
    let _ = writeln!(text, "|--:|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for cost in costs {
        let (ours, drain) = (cost.percent(cost.cpu), cost.percent(cost.drain));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {ours:.2} | {drain:.2} | {:.1} | {:.1} | {:.1} | {:.1} |",
            cost.sockets,
            if cost.is_by_ebpf { "eBPF" } else { "netlink" },
            if cost.mode.has_serving_process { "yes" } else { "no" },
            cost.seen,
            cost.watched.as_secs_f64(),
            ours / drain.max(f64::MIN_POSITIVE),
            cost.resident_mb,
            cost.peak_mb,
            cost.proportional_mb,
        );
    }
}

fn of_races(text: &mut String, races: &[Race], sockets: u32) {
    let _ = writeln!(text, "\n## Answers with {sockets} sockets, 4 connections\n");
    let _ = writeln!(
        text,
        "| dialect | kB an answer | conns /s | nginx /s | ÷ nginx | conns p99 ms | nginx p99 ms | conns MB/s |"
    );
    let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|");
    for race in races {
        let ours =
            |figure: fn(&Load) -> f64| shown(Spread::of(race.rounds.iter().map(|r| figure(&r.0))));
        let theirs =
            |figure: fn(&Load) -> f64| shown(Spread::of(race.rounds.iter().map(|r| figure(&r.1))));
        let _ = writeln!(
            text,
            "| `{}` | {:.1} | {} | {} | {} | {} | {} | {} |",
            race.dialect.name,
            race.bytes as f64 / 1e3,
            ours(|load| load.rate),
            theirs(|load| load.rate),
            race.ratio().map_or("–".to_owned(), |share| {
                format!("{:.2} ({:.2}–{:.2})", share.median, share.min, share.max)
            }),
            ours(|load| load.p99_ms),
            theirs(|load| load.p99_ms),
            ours(|load| load.bytes_rate / 1e6),
        );
    }
    let _ = writeln!(
        text,
        "\nMedian of the rounds, with smallest–largest in brackets; ratios are of one round each."
    );
}

impl Race {
    /// Our rate divided by nginx's, in each round.
    fn ratio(&self) -> Option<Spread> {
        Spread::of(self.rounds.iter().map(|(ours, theirs)| ours.rate / theirs.rate))
    }
}

fn shown(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |found| {
        format!("{} ({}–{})", digits(found.median), digits(found.min), digits(found.max))
    })
}

fn digits(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Every turn, one a line, and before them every size.
pub(crate) fn csv(costs: &[Cost], races: &[Race]) -> String {
    let mut text = String::from(
        "sockets,source,serving_process,by_ebpf,seen,watched_s,cpu_s,drain_cpu_s,resident_mb,peak_mb,proportional_mb\n",
    );
    for cost in costs {
        let _ = writeln!(
            text,
            "{},{},{},{},{},{:.3},{:.3},{:.3},{:.1},{:.1},{:.1}",
            cost.sockets,
            cost.mode.source,
            cost.mode.has_serving_process,
            cost.is_by_ebpf,
            cost.seen,
            cost.watched.as_secs_f64(),
            cost.cpu.as_secs_f64(),
            cost.drain.as_secs_f64(),
            cost.resident_mb,
            cost.peak_mb,
            cost.proportional_mb
        );
    }
    text.push_str("\ndialect,round,server,answers_per_s,p99_ms,bytes_per_s\n");
    for race in races {
        for (round, (ours, theirs)) in (1..).zip(&race.rounds) {
            for (server, load) in [("conns", ours), ("nginx", theirs)] {
                let _ = writeln!(
                    text,
                    "{},{round},{server},{:.1},{:.3},{:.0}",
                    race.dialect.name, load.rate, load.p99_ms, load.bytes_rate
                );
            }
        }
    }
    text
}
