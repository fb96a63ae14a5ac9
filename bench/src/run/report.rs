//! The result as text: Markdown to read, CSV with every raw run beside it. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::contenders::{
    DRAIN, RIVAL, SUBJECT, SUBJECT_KERNEL, SUBJECT_SAME, SUBJECT_TABLE, TABLE,
};
use super::figures::{Spread, ratio, spread};
use super::machine::Machine;
use super::{Bout, Performance, READINGS_ALONE};
use crate::measure::Usage;

/// The size the goals are about, sockets.
const GOAL_SOCKETS: u32 = 100_000;
/// Most CPU of conns by eBPF with the rival's fields and with all fields, and by netlink, as a share of its rival's.
const GOAL_CPU_SHARES: [(&str, f64); 3] =
    [(SUBJECT_SAME, 1.0 / 25.0), (SUBJECT, 1.0 / 15.0), (SUBJECT_KERNEL, 0.1)];
/// Most resident memory of conns, MB.
const GOAL_PEAK_MB: f64 = 150.0;

fn cpu_ms(usage: &Usage) -> f64 {
    usage.cpu_us() as f64 / 1e3
}

fn user_ms(usage: &Usage) -> f64 {
    usage.user_us as f64 / 1e3
}

fn system_ms(usage: &Usage) -> f64 {
    usage.system_us as f64 / 1e3
}

fn wall_ms(usage: &Usage) -> f64 {
    usage.wall_us as f64 / 1e3
}

fn peak_mb(usage: &Usage) -> f64 {
    usage.peak_kib as f64 * 1024.0 / 1e6
}

/// The whole result.
pub(crate) fn markdown(machine: &Machine, bouts: &[Bout], rounds: u32, took: Duration) -> String {
    let mut text = machine.heading("Bench", &format!("{rounds} rounds, "), took);
    goals(&mut text, bouts);
    for bout in bouts {
        table(&mut text, bout, rounds);
    }
    text
}

fn goals(text: &mut String, bouts: &[Bout]) {
    let _ = writeln!(text, "## Goals\n");
    let bout = bouts.iter().find(|bout| bout.sockets == GOAL_SOCKETS);
    for (label, goal) in GOAL_CPU_SHARES {
        let share = bout
            .and_then(|bout| ratio(&bout.find(label)?.samples, &bout.find(RIVAL)?.samples, cpu_ms));
        let _ = writeln!(
            text,
            "- CPU of `{label}` at most {goal:.3} of `{RIVAL}` at {GOAL_SOCKETS} sockets: {}",
            judged(share.map(|share| (share.median <= goal, format!("{:.4}", share.median))))
        );
    }
    let alone = |label: &str| {
        bout?
            .alone
            .iter()
            .find(|(one, _)| *one == label)
            .and_then(|(_, milliseconds)| *milliseconds)
    };
    let both = alone(TABLE).zip(alone(DRAIN));
    let _ = writeln!(
        text,
        "- `{TABLE}` faster than `{DRAIN}` at {GOAL_SOCKETS} sockets, the reading alone: {}",
        judged(
            both.map(|(table, drain)| (table < drain, format!("{table:.1} ms to {drain:.1} ms")))
        )
    );
    for label in [SUBJECT, SUBJECT_KERNEL] {
        let peak = bout.and_then(|bout| spread(bout.find(label)?, peak_mb));
        let _ = writeln!(
            text,
            "- Peak memory of `{label}` under {GOAL_PEAK_MB} MB at {GOAL_SOCKETS} sockets: {}",
            judged(peak.map(|peak| (peak.max < GOAL_PEAK_MB, format!("{:.1} MB", peak.max))))
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

fn table(text: &mut String, bout: &Bout, rounds: u32) {
    let _ = writeln!(
        text,
        "\n## {} sockets in {} processes, and {} listeners\n",
        bout.sockets, bout.processes, bout.listeners
    );
    let _ = writeln!(
        text,
        "| command | listed | rounds | CPU ms | user | sys | wall ms | peak MB | json CPU ÷ | json wall ÷ | table CPU ÷ |"
    );
    let _ = writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let subject = bout.find(SUBJECT);
    let subject_table = bout.find(SUBJECT_TABLE);
    for performance in &bout.performances {
        let Some(listed) = performance.listed else {
            let _ = writeln!(
                text,
                "| `{}` | {} | | | | | | | | | |",
                performance.contender.label,
                if performance.remark.is_some() { "–" } else { "not installed" }
            );
            continue;
        };
        let against = |ours: Option<&Performance>, figure: fn(&Usage) -> f64| match ours {
            Some(ours) if ours.contender.label == performance.contender.label => "1".to_owned(),
            Some(ours) => shown(ratio(&ours.samples, &performance.samples, figure), ratio_digits),
            None => "–".to_owned(),
        };
        let middle = |figure| {
            spread(performance, figure).map_or("–".to_owned(), |found| digits(found.median))
        };
        let _ = writeln!(
            text,
            "| `{}` | {listed} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            performance.contender.label,
            performance.samples.len(),
            shown(spread(performance, cpu_ms), digits),
            middle(user_ms),
            middle(system_ms),
            shown(spread(performance, wall_ms), digits),
            middle(peak_mb),
            against(subject, cpu_ms),
            against(subject, wall_ms),
            against(subject_table, cpu_ms),
        );
    }
    let _ = writeln!(text);
    for (label, milliseconds) in &bout.alone {
        if let Some(ms) = milliseconds {
            let _ = writeln!(
                text,
                "- `{label}`: {ms:.1} ms for the reading alone, best of {READINGS_ALONE}."
            );
        }
    }
    for performance in &bout.performances {
        if let Some(remark) = &performance.remark {
            let _ = writeln!(text, "- **`{}` {remark}.**", performance.contender.label);
        }
        if performance.listed.is_some() && performance.samples.len() < rounds as usize {
            let _ = writeln!(
                text,
                "- `{}` ran in the first {} of {rounds} rounds only, because it is slow.",
                performance.contender.label,
                performance.samples.len()
            );
        }
    }
}

/// Median, and smallest to largest.
fn shown(spread: Option<Spread>, digits: fn(f64) -> String) -> String {
    spread.map_or("–".to_owned(), |found| {
        format!("{} ({}–{})", digits(found.median), digits(found.min), digits(found.max))
    })
}

fn digits(value: f64) -> String {
    if value < 100.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn ratio_digits(value: f64) -> String {
    if value < 10.0 { format!("{value:.3}") } else { format!("{value:.1}") }
}

/// Every measured run, one a line.
pub(crate) fn csv(bouts: &[Bout]) -> String {
    let mut text = String::from(
        "sockets,processes,command,round,place,user_us,system_us,wall_us,peak_kib,status,listed\n",
    );
    for bout in bouts {
        for performance in &bout.performances {
            for sample in &performance.samples {
                let Usage { user_us, system_us, wall_us, peak_kib, status } = sample.usage;
                let _ = writeln!(
                    text,
                    "{},{},{},{},{},{user_us},{system_us},{wall_us},{peak_kib},{status},{}",
                    bout.sockets,
                    bout.processes,
                    performance.contender.label,
                    sample.round + 1,
                    sample.place + 1,
                    performance.listed.unwrap_or(0)
                );
            }
        }
    }
    text
}

impl Bout {
    fn find(&self, label: &str) -> Option<&Performance> {
        self.performances.iter().find(|performance| performance.contender.label == label)
    }
}
