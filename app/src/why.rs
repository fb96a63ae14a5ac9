//! `conns why`: samples for a span, then explains what limits each connection.

use std::io::Write;
use std::time::Duration;

use conns_api::{Answer, RecordWriter, Stamp, View, is_of_interest, observe, urgency};
use conns_core::media::published_streams;
use conns_core::model::{Basis, Class, Connection};
use conns_core::query::Filter;
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::Layout;

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, WhyFlags, WhyFormat};
use crate::list::parse_filter;
use crate::past::{self, Asked};
use crate::terminal;

/// Time between two samples.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(100);

/// Runs `why`; true if the answer is incomplete.
pub(crate) fn run(flags: &WhyFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    if flags.explain && flags.output == WhyFormat::Text {
        let remedy = "add -o json or -o jsonl, or use --explain with the list";
        return Err(Failure::Usage(format!("--explain does not go with -o text: {remedy}")));
    }
    let is_past = flags.past.at.is_some() || flags.period.from.is_some();
    flags.past.kept.check(is_past, "--at TIME, or --from and --to")?;
    let filter = parse_filter(&flags.selection.among.filter)?;
    let mut ask = flags.selection.ask();
    let is_plain = ask.view == View::Connections;
    if is_plain {
        // Connections in other states can be stuck too.
        ask.view = View::All;
    }
    // The window is not rotated within the span.
    let (source, memory) = (flags.selection.among.source, Retention::Window(flags.span * 2));
    let kept = &flags.past.kept;
    let mut agent = match (flags.past.at, flags.period.from) {
        (Some(at_us), _) => past::open(agent_flags, kept, Asked::At(at_us))?,
        (None, Some(from_us)) => {
            let times = past::times(from_us, flags.period.to)?;
            past::open(agent_flags, kept, Asked::Verdicts(times))?
        }
        (None, None) => agent::open(agent_flags, source, memory, Purpose::Sample)?,
    };
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
            let layout = Layout {
                width: terminal::size().map(|(width, _)| width),
                header: true,
                palette: terminal::palette(flags.selection.among.color),
            };
            // The publisher of what is played need not be among the chosen.
            let all: Vec<&Connection> = snapshot.connections.iter().collect();
            let streams = published_streams(&all);
            if chosen.is_empty() {
                writeln!(out, "No connection matches.")?;
            } else {
                let shown = worth_showing(&chosen, flags, filter.as_ref());
                let hidden = chosen.len() - shown.len();
                conns_print::verdict_summary(&mut out, layout.palette, &chosen, hidden)?;
                conns_print::verdicts(&mut out, layout, &shown, &streams, &names)?;
            }
        }
        WhyFormat::Json => {
            let stamp = Some(Stamp::from(&*snapshot));
            Answer::Verdicts.write(&mut out, records, &chosen, &snapshot.losses, stamp)?;
        }
        WhyFormat::Jsonl => {
            let records = records.stamped(Some(Stamp::from(&*snapshot)));
            Answer::Verdicts.write_lines(&mut out, records, &chosen)?;
        }
    }
    out.flush()?;
    if !is_past && agent::is_remote(agent_flags, flags.selection.among.source) {
        note_window(&chosen);
    }
    Ok(report_losses(&snapshot.losses))
}

/// Those that are printed: idle ones only if they are asked for by `-a`, by a filter that names them, or if all are idle.
fn worth_showing<'c>(
    chosen: &[&'c Connection],
    flags: &WhyFlags,
    filter: Option<&Filter>,
) -> Vec<&'c Connection> {
    let is_idle = |connection: &&&Connection| connection.verdict.class == Class::Idle;
    let names_idle = filter.is_some_and(|filter| filter.names_class(Class::Idle));
    let has_others = chosen.iter().any(|connection| !is_idle(&connection));
    if flags.selection.all || names_idle || filter.is_some() && !has_others {
        return chosen.to_vec();
    }
    chosen.iter().filter(|connection| !is_idle(connection)).copied().collect()
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
