//! The result as text. Pure.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use super::{Cell, Figures, Plan, QUEUE_MS, RATE_MBIT, Shared};
use crate::run::figures::Spread;
use crate::run::machine::Machine;

/// Loss up to which the goals of speed hold, %.
const GOAL_LOSS: f64 = 1.0;
/// Mbit/s.
const GOAL_WHOLE: f64 = 85.0;
const GOAL_STEADY: f64 = 90.0;
/// Above that loss.
const GOAL_STEADY_LOSSY: f64 = 75.0;
/// Milliseconds.
const GOAL_QUEUE_MEDIAN: f64 = 25.0;
const GOAL_QUEUE_P95: f64 = 60.0;
/// Share of each of two flows.
const GOAL_SHARE: f64 = 0.25;

/// The whole result.
pub(super) fn markdown(
    machine: &Machine,
    plan: &Plan,
    cells: &[Cell],
    shared: &[Shared],
    took: Duration,
) -> String {
    let how = format!(
        "Method `low`, {}. Paths of {RATE_MBIT} Mbit/s with a queue of {QUEUE_MS} ms, loss each way; one file of {} MB, {} runs of each. ",
        if plan.relayed { "through a relay on the sender's host" } else { "direct" },
        plan.megabytes,
        plan.rounds
    );
    let mut text = machine.heading("conns link: throughput matrix", &how, took);
    if !cells.is_empty() {
        text.push_str("| RTT ms / loss % | Mbit/s whole | steady | queue ms, median | p95 | waited, % | goals |\n|---|--:|--:|--:|--:|--:|---|\n");
    }
    for cell in cells {
        let shown = [whole, steady, queue_median, queue_p95, waited]
            .map(|figure| spread(cell, figure).map_or("–".to_owned(), show));
        let cells = shown.join(" | ");
        let _ = writeln!(text, "| {} / {} | {cells} | {} |", cell.rtt, cell.loss, goals(cell));
    }
    if !shared.is_empty() {
        let _ = write!(
            text,
            "\n`fair` beside one TCP flow for {} s, without loss; Mbit/s of the last 20 s. Goal: neither has less than a quarter. For comparison, \
             the kernel's CUBIC beside the same flow.\n\n\
             | RTT ms | flow | beside | TCP started | flow | TCP | share of the flow, % | goal |\n|--:|---|---|---|--:|--:|--:|---|\n",
            plan.fair_seconds
        );
    }
    for one in shared {
        let Shared { rtt, flow, congestion, is_tcp_first, rate, tcp, failure } = one;
        let order = if *is_tcp_first { "first" } else { "second" };
        let share = rate / (rate + tcp);
        let goal = match failure {
            Some(reason) => format!("not measured: {}", reason.replace(['|', '\n'], " ")),
            None if share.min(1.0 - share) >= GOAL_SHARE => "met".to_owned(),
            None => "**missed**".to_owned(),
        };
        let percent = share * 100.0;
        let _ = writeln!(
            text,
            "| {rtt} | {flow} | {congestion} | {order} | {rate:.1} | {tcp:.1} | {percent:.0} | {goal} |"
        );
    }
    text.push_str(
        "\nWhole: from the start of the sender to its success, when the receiver has committed. Steady: growth of the file at the \
         receiver from 5 s on until 98 %. The queue is the path's, every 5 ms of the same time. Median, with smallest–largest in \
         brackets. 96 Mbit/s of data fit the path, less by the loss. Waited: share of the time in which a process of a host waited \
         for a processor; many percent mean that the machine was too busy.\n",
    );
    text
}

/// Everything measured.
pub(super) fn json(plan: &Plan, cells: &[Cell], shared: &[Shared]) -> anyhow::Result<String> {
    let all = json!({ "plan": plan, "paths": cells, "shared": shared });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn whole(figures: &Figures) -> f64 {
    figures.whole
}

fn steady(figures: &Figures) -> f64 {
    figures.steady
}

fn queue_median(figures: &Figures) -> f64 {
    figures.queue_median
}

fn queue_p95(figures: &Figures) -> f64 {
    figures.queue_p95
}

fn waited(figures: &Figures) -> f64 {
    figures.waited
}

fn spread(cell: &Cell, figure: fn(&Figures) -> f64) -> Option<Spread> {
    Spread::of(cell.figures.iter().map(figure))
}

fn show(spread: Spread) -> String {
    let Spread { min, median, max } = spread;
    format!("{median:.1} ({min:.1}–{max:.1})")
}

/// Which goals the medians meet.
fn goals(cell: &Cell) -> String {
    let median = |figure| spread(cell, figure).map(|spread| spread.median);
    let is_lossy = cell.loss > GOAL_LOSS;
    let goal_steady = if is_lossy { GOAL_STEADY_LOSSY } else { GOAL_STEADY };
    let goals = [
        ("whole", median(whole).is_some_and(|rate| is_lossy || rate >= GOAL_WHOLE)),
        ("steady", median(steady).is_some_and(|rate| rate >= goal_steady)),
        ("queue", median(queue_median).is_some_and(|delay| delay < GOAL_QUEUE_MEDIAN)),
        ("p95", median(queue_p95).is_some_and(|delay| delay < GOAL_QUEUE_P95)),
    ];
    let missed: Vec<&str> = goals.iter().filter(|(_, met)| !met).map(|(name, _)| *name).collect();
    let mut text = match missed.as_slice() {
        [] => "met".to_owned(),
        missed => format!("**missed**: {}", missed.join(", ")),
    };
    for failure in &cell.failures {
        let _ = write!(text, "; one run does not count: {}", failure.replace(['|', '\n'], " "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(loss: f64, whole: f64, steady: f64, queue_median: f64) -> Cell {
        let figures = Figures { whole, steady, queue_median, queue_p95: 30.0, waited: 2.0 };
        Cell { rtt: 100, loss, figures: vec![figures], failures: Vec::new() }
    }

    #[test]
    fn the_goals_of_speed_are_lower_at_high_loss() {
        assert_eq!(goals(&cell(1.0, 86.0, 91.0, 12.0)), "met");
        assert_eq!(goals(&cell(1.0, 80.0, 80.0, 12.0)), "**missed**: whole, steady");
        assert_eq!(goals(&cell(5.0, 80.0, 80.0, 12.0)), "met");
        assert_eq!(goals(&cell(5.0, 80.0, 80.0, 26.0)), "**missed**: queue");
    }

    #[test]
    fn a_path_without_figures_misses_and_has_the_reason() {
        let failures = vec!["a|b".to_owned()];
        let cell = Cell { rtt: 20, loss: 0.0, figures: Vec::new(), failures };
        let expected = "**missed**: whole, steady, queue, p95; one run does not count: a b";
        assert_eq!(goals(&cell), expected);
    }
}
