//! `conns --closed`: follows events for a span, then lists the connections that closed or failed; with
//! `-o jsonl` as they close. What an agent has recorded, and what the history has of a time, is listed at once.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use conns_api::{Start, is_of_end, kept_events};
use conns_core::model::{Connection, Event, Loss, LossCause, Source};
use conns_core::query::{Field, Groups};
use conns_core::track::Retention;
use conns_engine::Purpose;

use crate::agent;
use crate::failure::Failure;
use crate::flags::{AgentFlags, ListFlags};
use crate::follow::{Stop, follow};
use crate::list::Plan;
use crate::losses::Losses;
use crate::past;

/// The span if `--for` is not given.
const DEFAULT_SPAN: Duration = Duration::from_secs(10);

/// Maximum connections buffered until they are printed, about 1.5 kB each. Lines are not buffered.
const MAX_BUFFERED: usize = 200_000;

/// Runs the list of closed connections; true if some were lost.
pub(crate) fn run(flags: &ListFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    if flags.past.at.is_some() {
        let remedy = "name the time in which they ended by --from and --to";
        return Err(Failure::Usage(format!("--closed does not go with --at: {remedy}")));
    }
    flags.past.kept.check(flags.ended.from.is_some(), "--from TIME")?;
    let plan = Plan::new(flags)?;
    let source = flags.selection.among.source;
    let stop = Stop::on_signals()?;
    let mut agent = match flags.ended.from {
        Some(from_us) => {
            let period = (from_us, flags.ended.to);
            past::open_ended(agent_flags, &flags.past.kept, period, &stop)?.0
        }
        None => agent::open(agent_flags, source, Retention::None, Purpose::Follow)?,
    };
    let mut losses = Losses::default();
    let kept = match plan.group_by {
        None => Kept::List(Vec::new()),
        Some(field) => Kept::Groups(field, Groups::by(field).into()),
    };
    let mut list = Ended { plan: &plan, kept, count: 0, dropped: 0, room: plan.limit() };
    let is_recorded = flags.ended.from.is_some() || agent::is_remote(agent_flags, source);
    if flags.span.is_none() && is_recorded {
        let recorded = kept_events(&mut *agent, &plan.ask)?;
        losses.add(recorded.losses);
        let _ = list.take(&recorded.events)?;
    } else {
        // A capture file has an end.
        let default = agent_flags.file.read.is_none().then_some(DEFAULT_SPAN);
        let span = flags.span.or(default);
        let mut events = agent.events(&plan.ask, Start::Now)?;
        follow(&mut *events, (span, &stop), &mut losses, |events| list.take(events))?;
    }
    losses.add(list.loss().into_iter().collect());
    list.print(&losses.all())?;
    Ok(losses.report_rest())
}

/// The connections that ended so far.
struct Ended<'a> {
    plan: &'a Plan<'a>,
    kept: Kept,
    /// Number of connections in it.
    count: usize,
    /// Number of connections beyond [`MAX_BUFFERED`].
    dropped: u64,
    /// Number of lines that may still be printed.
    room: usize,
}

/// What is kept of them until it is printed.
enum Kept {
    List(Vec<Arc<Event>>),
    Groups(&'static Field, Box<Groups<'static>>),
}

impl Ended<'_> {
    /// Prints the connections that ended, or buffers them.
    fn take(&mut self, events: &[Arc<Event>]) -> Result<ControlFlow<()>, Failure> {
        let is_meant =
            |event: &&Arc<Event>| is_of_end(event.kind) && self.plan.matches(&event.connection);
        let ended = events.iter().filter(is_meant);
        if self.plan.is_in_lines() {
            let lines: Vec<&Connection> =
                ended.take(self.room).map(|event| &event.connection).collect();
            self.room -= lines.len();
            self.plan.print(lines, &[], None)?;
            let is_full = self.room == 0;
            return Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        for event in ended {
            if self.count >= MAX_BUFFERED {
                self.dropped += 1;
                continue;
            }
            self.count += 1;
            match &mut self.kept {
                Kept::List(events) => events.push(Arc::clone(event)),
                Kept::Groups(_, groups) => groups.add(&event.connection),
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn loss(&self) -> Option<Loss> {
        let cause = LossCause::ClosedListFull { bound: MAX_BUFFERED as u64 };
        Loss::counted(Source::Derived, cause, self.dropped)
    }

    fn print(self, losses: &[Loss]) -> Result<(), Failure> {
        if self.plan.is_in_lines() {
            return Ok(());
        }
        match self.kept {
            Kept::Groups(field, groups) => self.plan.print_groups(field, *groups),
            Kept::List(events) => {
                let ended = events.iter().map(|event| &event.connection).collect();
                self.plan.print(self.plan.arranged(ended), losses, None)?;
                // The program exits next, which frees the memory at once.
                std::mem::forget(events);
                Ok(())
            }
        }
    }
}
