//! Follows events until the time is up, a signal comes, or the output is closed.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use conns_api::{Ask, Events, View};
use conns_core::model::Event;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::failure::Failure;
use crate::flags::Among;
use crate::losses::Losses;
use crate::terminal;

/// Longest wait in one call: so late a signal or a closed output is noticed.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// The request for events, if the selection has any.
pub(crate) fn ask(among: &Among) -> Result<Ask, Failure> {
    let ask = among.ask(View::All);
    match ask.tcp {
        true => Ok(ask),
        false => {
            Err(Failure::Usage("UDP has no events: only TCP connections open and close".to_owned()))
        }
    }
}

/// Raised by the first SIGINT or SIGTERM.
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Handles signals from now on: the first raises this, the second ends the program at once.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second signal finds the flag raised.
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&stop))?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self(stop))
    }

    fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Sleeps until `time`, or until it is raised; whether it is.
    pub(crate) fn sleep_until(&self, time: Instant) -> bool {
        loop {
            let left = time.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_raised() {
                return self.is_raised();
            }
            std::thread::sleep(left.min(MAX_WAIT));
        }
    }
}

/// Passes events to `take` as they come, for `span` or until `stop` is raised. Losses go to `losses`.
pub(crate) fn follow(
    events: &mut dyn Events,
    (span, stop): (Option<Duration>, &Stop),
    losses: &mut Losses,
    mut take: impl FnMut(&[Arc<Event>]) -> Result<ControlFlow<()>, Failure>,
) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let left = span.map_or(MAX_WAIT, |span| span.saturating_sub(start.elapsed()));
        if left.is_zero() || stop.is_raised() || terminal::is_reader_closed() {
            return Ok(());
        }
        let batch = events.next(left.min(MAX_WAIT))?;
        losses.add(batch.losses);
        losses.report_due();
        if take(&batch.events)?.is_break() || batch.is_last {
            return Ok(());
        }
    }
}
