//! An engine over a capture file: its clock is the file's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use conns_capture::Capture;
use conns_contract::{Clock, ReplayClock, Scope, SourceError};
use conns_core::model::{Event, Loss, Moment, Snapshot};
use conns_core::track::Retention;

use crate::choice::Purpose;
use crate::engine::Engine;
use crate::event_drain::Collected;
use crate::sources::Sources;

/// How long before the moment that is shown samples begin, and the time between two: rates are over the last second,
/// those of Monero over nine, and verdicts over the last seconds.
const SAMPLED: Duration = Duration::from_secs(10);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// An engine that reads a capture file in place of this machine.
pub struct FileEngine {
    engine: Engine,
    capture: Capture,
    clock: Arc<ReplayClock>,
    is_followed: bool,
    /// The samples before the end.
    samples: VecDeque<Moment>,
}

/// The moments of the samples before `end`, none before `begin`.
fn samples_before(end: Moment, begin: Moment) -> impl Iterator<Item = Moment> {
    let count = SAMPLED.as_secs() / SAMPLE_INTERVAL.as_secs();
    let interval_us = SAMPLE_INTERVAL.as_secs() * 1_000_000;
    let before = move |count: u64| Moment {
        monotonic_us: end.monotonic_us.saturating_sub(count * interval_us),
        wall_us: end.wall_us.saturating_sub_unsigned(count * interval_us),
    };
    (1..=count).rev().map(before).filter(move |at| at.monotonic_us > begin.monotonic_us)
}

impl FileEngine {
    /// An engine for `purpose`. The calling thread owns its clock. Rates are known only if `end`, the moment at which
    /// the file ends, is.
    #[must_use]
    pub fn new(
        capture: Capture,
        end: Option<Moment>,
        retention: Retention,
        purpose: Purpose,
    ) -> Self {
        let clock = Arc::new(ReplayClock::at(capture.begin()));
        let mut sources = Sources::of(Box::new(capture.tables()));
        if purpose != Purpose::Sample {
            sources.events = Some(Box::new(capture.events()));
        }
        let engine = Engine::replaying(sources, retention, Arc::clone(&clock) as Arc<dyn Clock>);
        let begin = capture.begin();
        let samples = end.into_iter().flat_map(|end| samples_before(end, begin)).collect();
        Self { engine, capture, clock, is_followed: false, samples }
    }

    /// Plays some packets, and returns whether there are more. At the end the clock stands there.
    ///
    /// # Errors
    /// None: a file that was opened is read.
    pub fn step(&mut self) -> Result<bool, SourceError> {
        let due = self.samples.front().copied();
        let has_more = self.capture.step(due.map(|due| due.monotonic_us));
        let Some(due) = due.filter(|_| !self.capture.is_ended()) else {
            self.clock.move_to(self.capture.now());
            return Ok(has_more);
        };
        if !has_more {
            self.samples.pop_front();
            self.clock.move_to(due);
            self.engine.sample_sockets(&Scope::everything())?;
        }
        Ok(true)
    }

    /// The state of the connections at the moment that the file was played to.
    ///
    /// # Errors
    /// None: a file that was opened is read.
    pub fn sample(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        self.engine.sample_once(scope)
    }

    /// The next events of the file, which is played for them; with the last ones come the losses. `None` after that.
    pub fn next_events(&mut self, scope: &Scope) -> Option<(Vec<Arc<Event>>, Vec<Loss>)> {
        if self.is_followed {
            return None;
        }
        let mut collected = Collected::default();
        self.engine.drain_batch(&mut collected);
        self.clock.move_to(self.capture.now());
        self.engine.forget_closed();
        let Collected { mut events, mut losses } = collected;
        losses.extend(self.engine.take_refusals());
        if self.capture.is_ended() {
            self.is_followed = true;
            losses.extend(self.capture.losses());
        }
        events.retain(|event| {
            let is_v4 = event.connection.socket.local.address.is_ipv4();
            if is_v4 { scope.ipv4 } else { scope.ipv6 }
        });
        Some((events, losses))
    }

    /// The engine, for a sampler.
    #[must_use]
    pub fn into_engine(self) -> Engine {
        self.engine
    }
}
