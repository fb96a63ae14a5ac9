//! The result as text. Pure.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use super::{Attempt, Case, Plan, Series};
use crate::run::figures::Spread;
use crate::run::machine::Machine;

/// The tool whose speed on loopback is the goal of `conns link`.
const RIVAL: &str = "scp, cubic";
const SUBJECT: &str = "conns link";

/// The whole result.
pub(super) fn markdown(machine: &Machine, plan: &Plan, all: &[Series], took: Duration) -> String {
    let how = format!(
        "Path of {} Mbit/s, {} ms round trip, queue of {} ms, {} % loss each way. {} turns each, at most {} s. ",
        plan.rate, plan.rtt, plan.queue, plan.loss, plan.rounds, plan.limit
    );
    let mut text = machine.heading("Bench of transfers", &how, took);
    for case in Case::ALL {
        let series: Vec<&Series> = all.iter().filter(|series| series.case == case).collect();
        let Some(first) = series.first() else { continue };
        let _ = writeln!(text, "## {}\n", title(plan, case, first.bytes));
        if case == Case::Loopback {
            let _ = writeln!(text, "{}\n", goal(&series));
        }
        text.push_str("| tool | Mbit/s whole | s | CPU s a GB, sender | receiver | waited, % | remark |\n|---|--:|--:|--:|--:|--:|---|\n");
        for one in series {
            let _ = writeln!(text, "| {} | {} |", one.tool, cells(one).join(" | "));
        }
        text.push('\n');
    }
    text.push_str(
        "Whole: bytes of the files by the time from the start of the sender to its success, with connecting and key exchange. \
         Every file was compared at the receiver. Median, with smallest–largest in brackets. CPU is that of all processes of \
         the host, by its control group. Servers wait for the sender, and what they used before does not count. Waited: share of \
         the time in which a process of a host waited for a processor; many percent mean that the machine was too busy, not that \
         the tool was slow.\n",
    );
    text
}

/// Everything measured.
pub(super) fn json(plan: &Plan, all: &[Series]) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&json!({ "plan": plan, "series": all }))? + "\n")
}

fn title(plan: &Plan, case: Case, bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    match case {
        Case::File => format!("One file of {megabytes:.0} MB over the path"),
        Case::Files => {
            format!("{} files of 4 KB over the path, {megabytes:.0} MB", plan.files)
        }
        Case::Loopback => format!("One file of {megabytes:.0} MB over loopback"),
    }
}

fn goal(series: &[&Series]) -> String {
    let rate = |name| {
        let found = series.iter().find(|series| series.tool == name)?;
        Some(rates(found)?.median)
    };
    match (rate(SUBJECT), rate(RIVAL)) {
        (Some(ours), Some(theirs)) => format!(
            "Goal: at least as fast as scp: **{}**, {:.2} times.",
            if ours >= theirs { "met" } else { "missed" },
            ours / theirs
        ),
        _ => "Goal: at least as fast as scp: not measured.".to_owned(),
    }
}

fn rates(series: &Series) -> Option<Spread> {
    done(series, |done| series.bytes as f64 * 8.0 / 1e6 / done.seconds)
}

/// A transfer that counts.
struct Done {
    seconds: f64,
    cpu_of_sender: f64,
    cpu_of_receiver: f64,
    waited: f64,
}

/// A figure of the transfers that count.
fn done(series: &Series, figure: impl Fn(Done) -> f64) -> Option<Spread> {
    Spread::of(series.attempts.iter().filter_map(|attempt| match *attempt {
        Attempt::Done { seconds, cpu_of_sender, cpu_of_receiver, waited } => {
            Some(figure(Done { seconds, cpu_of_sender, cpu_of_receiver, waited }))
        }
        _ => None,
    }))
}

fn cells(series: &Series) -> [String; 6] {
    let gigabytes = series.bytes as f64 / 1e9;
    let show = |spread: Option<Spread>, digits: usize| {
        spread.map_or("–".to_owned(), |Spread { min, median, max }| {
            if min == max {
                return format!("{median:.digits$}");
            }
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        })
    };
    [
        show(rates(series), 1),
        show(done(series, |done| done.seconds), 1),
        show(done(series, |done| done.cpu_of_sender / gigabytes), 2),
        show(done(series, |done| done.cpu_of_receiver / gigabytes), 2),
        show(done(series, |done| done.waited * 100.0), 0),
        series.attempts.iter().find_map(|attempt| remark(series, attempt)).unwrap_or_default(),
    ]
}

fn remark(series: &Series, attempt: &Attempt) -> Option<String> {
    match attempt {
        Attempt::Done { .. } => None,
        Attempt::TooSlow { seconds, bytes } => {
            let bytes = (*bytes).min(series.bytes) as f64;
            Some(format!(
                "not finished within {seconds:.0} s: {:.0} % had arrived, about {:.1} Mbit/s",
                bytes * 100.0 / series.bytes as f64,
                bytes * 8.0 / 1e6 / seconds
            ))
        }
        Attempt::Failed { reason } => {
            Some(format!("does not count: {}", reason.replace('|', "/").replace('\n', " ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(attempts: Vec<Attempt>) -> Series {
        Series { tool: "x", case: Case::File, bytes: 100_000_000, attempts }
    }

    fn of(seconds: f64) -> Attempt {
        Attempt::Done { seconds, cpu_of_sender: 0.1, cpu_of_receiver: 0.2, waited: 0.05 }
    }

    #[test]
    fn a_row_has_the_median_and_the_spread() {
        let cells = cells(&series(vec![of(10.0), of(8.0), of(20.0)]));
        assert_eq!(cells[0], "80.0 (40.0–100.0)");
        assert_eq!(cells[1], "10.0 (8.0–20.0)");
        assert_eq!(cells[2], "1.00");
        assert_eq!(cells[3], "2.00");
        assert_eq!(cells[4], "5");
        assert_eq!(cells[5], "");
    }

    #[test]
    fn a_transfer_that_does_not_count_has_a_reason_and_no_figure() {
        let slow = Attempt::TooSlow { seconds: 10.0, bytes: 25_000_000 };
        let expected = "not finished within 10 s: 25 % had arrived, about 20.0 Mbit/s";
        assert_eq!(cells(&series(vec![slow]))[5], expected);
        let failed = Attempt::Failed { reason: "a|b\nc".to_owned() };
        let cells = cells(&series(vec![failed]));
        assert_eq!(cells[0], "–");
        assert_eq!(cells[5], "does not count: a/b c");
    }
}
