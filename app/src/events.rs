//! `conns events`: a live log of lifecycle events.

use std::cell::Cell;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

use conns_api::{EventRecords, Events, Start, usual_event_fields};
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
use crate::past;
use crate::terminal;

/// Runs `events`; true if some were lost.
pub(crate) fn run(flags: &EventsFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    flags.ended.kept.check(flags.ended.since.is_some(), "--since TIME")?;
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
    // Its events are buffered from now on.
    let (mut agent, mut live);
    let live: Option<&mut dyn Events> = match flags.ended.to {
        Some(_) => None,
        None => {
            agent = agent::open(agent_flags, flags.among.source, Retention::None, Purpose::Follow)?;
            live = agent.events(&ask, Start::Now)?;
            Some(&mut *live)
        }
    };
    let mut until_us = None;
    if let Some(since_us) = flags.ended.since {
        let period = (since_us, flags.ended.to);
        let (mut past, times) = past::open_ended(agent_flags, &flags.ended.kept, period, &stop)?;
        until_us = live.is_some().then_some(times.to_us);
        let mut before = past.events(&ask, Start::Oldest)?;
        follow(&mut *before, (None, &stop), &mut losses, &mut print)?;
    }
    let followed = match live {
        Some(live) if left.get() > 0 => {
            let is_new = |event: &&Arc<Event>| until_us.is_none_or(|us| event.at.wall_us > us);
            follow(live, (flags.span, &stop), &mut losses, |events| match until_us {
                None => print(events),
                // Those up to then are from the history.
                Some(_) => print(&events.iter().filter(is_new).cloned().collect::<Vec<_>>()),
            })
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
