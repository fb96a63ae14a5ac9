//! `conns --closed`: watches for a while, then lists what has closed or failed; in lines, as it happens.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use conns_api::{is_of_end, kept_events};
use conns_core::model::{Connection, Event, Loss, LossCause, Source};
use conns_core::track::Retention;
use conns_engine::Purpose;

use crate::face;
use crate::failure::Failure;
use crate::flags::{AgentFlags, ListFlags};
use crate::follow::{Stop, follow};
use crate::list::Plan;
use crate::losses::Losses;

/// How long is watched if nothing is said.
const USUAL_SPAN: Duration = Duration::from_secs(10);

/// Most connections held until they are printed, about 1.5 kB each. Lines are printed at once.
const HELD_MOST: usize = 200_000;

/// Runs the list of what closed; true if some were lost.
pub(crate) fn run(flags: &ListFlags, agent: &AgentFlags) -> Result<bool, Failure> {
    let plan = Plan::new(flags)?;
    let source = flags.selection.among.source;
    let stop = Stop::on_signals()?;
    let mut face = face::open(agent, source, Retention::None, Purpose::Follow)?;
    let mut losses = Losses::default();
    let mut held = Held { plan: &plan, ended: Vec::new(), refused: 0, room: plan.limit() };
    if flags.span.is_none() && face::is_elsewhere(agent, source) {
        // It has been watching all along.
        let kept = kept_events(&mut *face, &plan.ask)?;
        losses.add(kept.losses);
        let _ = held.take(&kept.events)?;
    } else {
        let span = Some(flags.span.unwrap_or(USUAL_SPAN));
        follow(&mut *face, &plan.ask, (span, &stop), &mut losses, |events| held.take(events))?;
    }
    losses.add(held.loss().into_iter().collect());
    held.print(&losses.all())?;
    Ok(losses.say_the_rest())
}

/// What has ended so far.
struct Held<'a> {
    plan: &'a Plan<'a>,
    ended: Vec<Arc<Event>>,
    /// How many were beyond the bound.
    refused: u64,
    /// How many lines more may be printed.
    room: usize,
}

impl Held<'_> {
    /// Prints what of this has ended, or holds it.
    fn take(&mut self, events: &[Arc<Event>]) -> Result<ControlFlow<()>, Failure> {
        let is_meant =
            |event: &&Arc<Event>| is_of_end(event.kind) && self.plan.matches(&event.connection);
        let ended = events.iter().filter(is_meant);
        if self.plan.is_in_lines() {
            let lines: Vec<&Connection> =
                ended.take(self.room).map(|event| &event.connection).collect();
            self.room -= lines.len();
            self.plan.print(lines, &[])?;
            let is_full = self.room == 0;
            return Ok(if is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
        }
        for event in ended {
            if self.ended.len() < HELD_MOST {
                self.ended.push(Arc::clone(event));
            } else {
                self.refused += 1;
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn loss(&self) -> Option<Loss> {
        let cause = LossCause::ClosedListFull { bound: HELD_MOST as u64 };
        Loss::counted(Source::Derived, cause, self.refused)
    }

    fn print(&self, losses: &[Loss]) -> Result<(), Failure> {
        if self.plan.is_in_lines() {
            return Ok(());
        }
        let ended = self.ended.iter().map(|event| &event.connection).collect();
        self.plan.print(self.plan.arranged(ended), losses)
    }
}
