//! `conns why`: samples for a span, then explains what limits each connection.

use std::io::Write;
use std::time::Duration;

use conns_api::{Answer, RecordWriter, View, is_of_interest, observe, urgency};
use conns_core::media::published_streams;
use conns_core::model::Basis;
use conns_core::model::Connection;
use conns_core::track::Retention;
use conns_engine::Purpose;

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, WhyFlags, WhyFormat};
use crate::list::parse_filter;
use crate::terminal;

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Runs `why`; true if the answer is incomplete.
pub(crate) fn run(flags: &WhyFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    if flags.explain && flags.output == WhyFormat::Text {
        let remedy = "add -o json or -o jsonl, or use --explain with the list";
        return Err(Failure::Usage(format!("--explain does not go with -o text: {remedy}")));
    }
    let filter = parse_filter(&flags.selection.among.filter)?;
    let mut ask = flags.selection.ask();
    let is_plain = ask.view == View::Connections;
    if is_plain {
        // Connections in other states can be stuck too.
        ask.view = View::All;
    }
    // The window is not rotated within the span.
    let (source, memory) = (flags.selection.among.source, Retention::Window(flags.span * 2));
    let mut agent = agent::open(agent_flags, source, memory, Purpose::Sample)?;
    let interval = SAMPLE_INTERVAL.min(flags.span / 2);
    let snapshot = observe(&mut *agent, &ask, flags.span, interval)?;
    let mut chosen: Vec<&Connection> = snapshot
        .connections
        .iter()
        .filter(|c| if is_plain { is_of_interest(c) } else { ask.view.contains(c) })
        .filter(|c| filter.as_ref().is_none_or(|filter| filter.matches(c)))
        .collect();
    chosen.sort_by_key(|c| urgency(c));
    let mut out = terminal::stdout();
    let fields = Answer::Verdicts.usual_fields();
    let records = RecordWriter::new(&fields).explaining(flags.explain);
    match flags.output {
        WhyFormat::Text => {
            let names = terminal::names(flags.selection.among.resolve, &chosen);
            let palette = terminal::palette(flags.selection.among.color);
            // The publisher of what is played need not be among the chosen.
            let all: Vec<&Connection> = snapshot.connections.iter().collect();
            let streams = published_streams(&all);
            conns_print::verdicts(&mut out, palette, &chosen, &streams, &names)?;
            if chosen.is_empty() {
                writeln!(out, "No connection matches.")?;
            }
        }
        WhyFormat::Json => {
            Answer::Verdicts.write(&mut out, records, &chosen, &snapshot.losses)?;
        }
        WhyFormat::Jsonl => Answer::Verdicts.write_lines(&mut out, records, &chosen)?,
    }
    out.flush()?;
    if agent::is_remote(agent_flags, flags.selection.among.source) {
        note_window(&chosen);
    }
    Ok(report_losses(&snapshot.losses))
}

/// Prints the window of the verdicts: a remote agent uses its own, not `--for`.
fn note_window(chosen: &[&Connection]) {
    let windows = chosen.iter().filter_map(|connection| match connection.verdict.evidence.basis {
        Basis::Window { us } => Some(us),
        Basis::Lifetime => None,
    });
    if let Some(us) = windows.max() {
        let seconds = us as f64 / 1e6;
        // Errors of standard error cannot be reported.
        let _ = writeln!(
            std::io::stderr(),
            "conns: the verdicts cover the agent's own window, the last {seconds:.1} s"
        );
    }
}
