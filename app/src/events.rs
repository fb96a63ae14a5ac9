//! `conns events`: a live log of lifecycle events.

use std::cell::Cell;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use conns_api::{EventRecords, usual_event_fields};
use conns_core::model::{Connection, Event, EventKind};
use conns_core::query::parse_columns;
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::{EventTime, Palette, event_line};

use crate::agent;
use crate::failure::Failure;
use crate::flags::{AgentFlags, EventsFlags, EventsFormat};
use crate::follow::{Stop, ask, follow};
use crate::list::parse_filter;
use crate::losses::Losses;
use crate::past::{self, Asked};
use crate::terminal;

/// Runs `events`; true if some were lost.
pub(crate) fn run(flags: &EventsFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    let filter = parse_filter(&flags.among.filter)?;
    let mut log = Log::new(flags)?;
    let ask = ask(&flags.among)?;
    let stop = Stop::on_signals()?;
    let mut losses = Losses::default();
    let mut out = terminal::stdout();
    let mut chosen: Vec<Arc<Event>> = Vec::new();
    let kinds: Vec<EventKind> = flags.kind.iter().copied().map(EventKind::from).collect();
    let left = Cell::new(flags.limit.unwrap_or(usize::MAX));
    let mut print = |events: &[Arc<Event>]| {
        let is_meant = |event: &&Arc<Event>| {
            (kinds.is_empty() || kinds.contains(&event.kind))
                && filter.as_ref().is_none_or(|filter| filter.matches(&event.connection))
        };
        chosen.extend(events.iter().filter(is_meant).take(left.get()).cloned());
        left.set(left.get() - chosen.len());
        log.write(&mut out, &chosen)?;
        chosen.clear();
        // The next event may be far away.
        out.flush()?;
        Ok(if left.get() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    // What follows is read from before the history is asked, so that nothing is between them.
    let mut agent = match flags.ended.to {
        Some(_) => None,
        None => Some(agent::open(agent_flags, flags.among.source, Retention::None, Purpose::Follow)?),
    };
    if let Some(since_us) = flags.ended.since {
        let times = past::times(since_us, flags.ended.to)?;
        let mut before = past::open(agent_flags, &flags.ended.kept, Asked::Ended(times))?;
        follow(&mut *before, &ask, (None, &stop), &mut losses, &mut print)?;
    }
    let followed = match &mut agent {
        Some(agent) if left.get() > 0 => {
            follow(&mut **agent, &ask, (flags.span, &stop), &mut losses, &mut print)
        }
        _ => Ok(()),
    };
    let is_any_lost = losses.report_rest();
    followed?;
    Ok(is_any_lost)
}

/// How events are written.
enum Log<'a> {
    Text { flags: &'a EventsFlags, palette: Palette, time: EventTime },
    Lines { records: Box<EventRecords<'a>>, text: Vec<u8> },
}

impl<'a> Log<'a> {
    fn new(flags: &'a EventsFlags) -> Result<Self, Failure> {
        let usual = usual_event_fields();
        match (flags.output, &flags.columns) {
            (EventsFormat::Text, None) => {
                let time = EventTime::for_terminal(terminal::size().is_some());
                Ok(Self::Text { flags, palette: terminal::palette(flags.among.color), time })
            }
            (EventsFormat::Text, Some(_)) => {
                Err(Failure::Usage("--columns needs `-o jsonl`; text lines have no columns".into()))
            }
            (EventsFormat::Jsonl, columns) => {
                let named =
                    columns.as_deref().map(|text| parse_columns(text, &usual)).transpose()?;
                let records = EventRecords::new(named.as_deref()).into();
                Ok(Self::Lines { records, text: Vec::new() })
            }
        }
    }

    fn write(&mut self, out: &mut impl Write, events: &[Arc<Event>]) -> Result<(), Failure> {
        match self {
            Self::Text { flags, palette, time } => {
                let connections: Vec<&Connection> =
                    events.iter().map(|event| &event.connection).collect();
                let names = terminal::names(flags.among.resolve, &connections);
                for event in events {
                    event_line(out, *palette, time, event, &names)?;
                }
            }
            Self::Lines { records, text } => {
                for event in events {
                    text.clear();
                    records.append(text, event);
                    text.push(b'\n');
                    out.write_all(text)?;
                }
                records.forget();
            }
        }
        Ok(())
    }
}
