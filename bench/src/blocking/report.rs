//! The result as text: Markdown to read, CSV with every answer beside it. Pure.

use std::fmt::Write;
use std::time::Duration;

use super::{LIST_CLIENTS, Plan, Turn};
use crate::run::figures::Spread;
use crate::run::machine::Machine;

/// The whole result.
pub(super) fn markdown(machine: &Machine, plan: &Plan, turns: &[Turn], took: Duration) -> String {
    let how = format!(
        "{} sockets, {} s a turn, /health every {} ms, {LIST_CLIENTS} clients of each list. ",
        plan.sockets, plan.turn, plan.interval_ms
    );
    let mut text = machine.heading("Bench of blocking", &how, took);
    text.push_str(
        "| list | MB a list | lists | cut | median s | /health | median ms | slowest ms | sample late |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for turn in turns {
        let (lists, health) = (spread(&turn.lists), spread(&turn.health));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            name(turn),
            turn.list.map_or("–".to_owned(), |_| format!("{:.1}", turn.bytes as f64 / 1e6)),
            turn.lists.len(),
            turn.cut,
            lists.map_or("–".to_owned(), |spread| format!("{:.2}", spread.median / 1e3)),
            turn.health.len(),
            health.map_or("–".to_owned(), |spread| format!("{:.2}", spread.median)),
            health.map_or("–".to_owned(), |spread| format!("{:.1}", spread.max)),
            turn.stale,
        );
    }
    text.push_str(
        "\nA time is from the connect to the last byte of the answer. The clients run on the same machine as the agent. A late sample is\n\
         an answer (503) that the last sample began more than three intervals ago. Lists are cut where those in flight are beyond a bound of the agent.\n",
    );
    text
}

/// Every answer, one a line.
pub(super) fn csv(turns: &[Turn]) -> String {
    let mut text = String::from("list,request,took_us\n");
    for turn in turns {
        for (request, answers) in [("list", &turn.lists), ("health", &turn.health)] {
            for took in answers {
                let _ = writeln!(text, "{},{request},{}", name(turn), took.as_micros());
            }
        }
    }
    text
}

fn name(turn: &Turn) -> &'static str {
    turn.list.map_or("none", |list| list.name)
}

/// In milliseconds.
fn spread(times: &[Duration]) -> Option<Spread> {
    Spread::of(times.iter().map(|time| time.as_secs_f64() * 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_a_line() {
        let times = [5, 7].map(Duration::from_micros).to_vec();
        let turn =
            Turn { list: None, bytes: 0, health: times, stale: 0, lists: Vec::new(), cut: 0 };
        assert_eq!(csv(&[turn]), "list,request,took_us\nnone,health,5\nnone,health,7\n");
    }
}
