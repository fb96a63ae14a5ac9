//! An engine over a capture file: its clock is the file's.

use std::sync::Arc;

use conns_capture::Capture;
use conns_contract::{Clock, ReplayClock, Scope, SourceError};
use conns_core::model::{Event, Loss, Snapshot};
use conns_core::track::Retention;

use crate::choice::Purpose;
use crate::engine::Engine;
use crate::event_drain::EventSink;
use crate::follow::EventBatch;
use crate::sources::Sources;

/// An engine that reads a capture file in place of this machine.
pub struct FileEngine {
    engine: Engine,
    capture: Capture,
    clock: Arc<ReplayClock>,
    is_followed: bool,
}

/// Events and losses of one batch.
#[derive(Default)]
struct Collected {
    events: Vec<Arc<Event>>,
    losses: Vec<Loss>,
}

impl EventSink for Collected {
    fn add(&mut self, events: Vec<Arc<Event>>, losses: Vec<Loss>) {
        self.events.extend(events);
        self.losses.extend(losses);
    }
}

impl FileEngine {
    /// An engine for `purpose`. The calling thread owns its clock.
    #[must_use]
    pub fn new(capture: Capture, retention: Retention, purpose: Purpose) -> Self {
        let clock = Arc::new(ReplayClock::at(capture.begin()));
        let mut sources = Sources::of(Box::new(capture.tables()));
        if purpose != Purpose::Sample {
            sources.events = Some(Box::new(capture.events()));
        }
        let engine = Engine::replaying(sources, retention, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { engine, capture, clock, is_followed: false }
    }

    /// Plays some packets, and returns whether there are more. At the end the clock stands there.
    pub fn step(&mut self) -> bool {
        let has_more = self.capture.step();
        self.clock.move_to(self.capture.now());
        has_more
    }

    /// The state of the connections at the moment that the file was played to.
    ///
    /// # Errors
    /// None: a file that was opened is read.
    pub fn sample(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        self.engine.sample_once(scope)
    }

    /// The next events of the file, which is played for them; with the last ones come the losses. `None` after that.
    pub fn next_events(&mut self, scope: &Scope) -> Option<EventBatch> {
        if self.is_followed {
            return None;
        }
        let mut collected = Collected::default();
        self.engine.drain_batch(&mut collected);
        self.clock.move_to(self.capture.now());
        self.engine.forget_closed();
        let Collected { events, mut losses } = collected;
        losses.extend(self.engine.take_refusals());
        if self.capture.is_ended() {
            self.is_followed = true;
            losses.extend(self.capture.losses());
        }
        let events = events.into_iter().filter(|event| {
            let is_v4 = event.connection.socket.local.address.is_ipv4();
            if is_v4 { scope.ipv4 } else { scope.ipv6 }
        });
        Some(EventBatch { events: events.map(Arc::unwrap_or_clone).collect(), losses })
    }

    /// The engine, for a sampler.
    #[must_use]
    pub fn into_engine(self) -> Engine {
        self.engine
    }
}
