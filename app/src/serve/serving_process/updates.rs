//! Reads what the collector sends, and publishes it to the serving threads.

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conns_api::{Replica, ReplicaChange};
use conns_core::model::{EventLog, Moment, Update};
use conns_engine::MemoryReturn;
use conns_server::AccessConfig;
use tokio::sync::{oneshot, watch};

use super::{Message, log_end};
use crate::config::Config;
use crate::failure::log;
use crate::flags::serve::ServeFlags;
use crate::serve::dialects::Served;
use crate::serve::files::FileContents;
use crate::serve::load_with;

/// What the thread owns that reads updates.
pub(super) struct Updates {
    pub(super) stream: UnixStream,
    pub(super) replica: Replica,
    pub(super) updates: watch::Sender<Arc<Update>>,
    pub(super) events: watch::Sender<Arc<EventLog>>,
    pub(super) clock: Arc<CollectorClock>,
    pub(super) privileges: Arc<RwLock<serde_json::Value>>,
    pub(super) access: Arc<AccessConfig>,
    pub(super) flags: ServeFlags,
    pub(super) config: Config,
    pub(super) memory_limit: Option<u64>,
    pub(super) served: Served,
    /// Dropped at the end of the stream, which stops the server.
    pub(super) _stop: oneshot::Sender<()>,
}

impl Updates {
    /// Reads until the stream ends.
    pub(super) fn read(mut self) {
        let mut memory = MemoryReturn::default();
        loop {
            match self.replica.next(&mut self.stream) {
                Ok(None) => return,
                Err(error) => return log_end(&error),
                Ok(Some(ReplicaChange::Update { update, at })) => {
                    self.clock.set(at);
                    self.updates.send_replace(update);
                    memory.after_update(self.replica.records(), at, || self.replica.copy_kept());
                }
                Ok(Some(ReplicaChange::Events(log))) => {
                    self.events.send_replace(log);
                }
                Ok(Some(ReplicaChange::Text(text))) => self.apply(&text),
            }
        }
    }

    fn apply(&mut self, text: &str) {
        match serde_json::from_str(text) {
            Ok(Message::Privileges(now)) => {
                *self.privileges.write().unwrap_or_else(PoisonError::into_inner) = now;
            }
            Ok(Message::Configuration(files)) => self.reload(&files),
            Ok(Message::Start(_)) => log("the collector has started again, which it does not do"),
            Err(error) => log(format_args!("a message of the collector is none: {error}")),
        }
    }

    /// Applies a configuration that the collector has checked.
    fn reload(&mut self, files: &FileContents) {
        match load_with(&self.flags, |path| files.kept(path), self.memory_limit) {
            Ok(loaded) => {
                let mut config = loaded.config;
                config.listen.clone_from(&self.config.listen);
                self.access.replace(loaded.access);
                self.served.change(&self.config, &config);
                self.config = config;
            }
            Err(failure) => log(format_args!("configuration not reloaded: {failure}")),
        }
    }
}

/// The clock of the collector's snapshots, as far as their arrival shows it.
pub(super) struct CollectorClock {
    start: Instant,
    /// Microseconds from the monotonic time here to that of the collector.
    ahead_us: AtomicI64,
}

impl CollectorClock {
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), ahead_us: AtomicI64::new(i64::MIN) }
    }

    /// Learns the time `at` which something was sent that has just arrived. The way takes time, so
    /// the shortest way is nearest to the truth.
    pub(super) fn set(&self, at: Moment) {
        let sent = i64::try_from(at.monotonic_us).unwrap_or(i64::MAX);
        self.ahead_us.fetch_max(sent.saturating_sub(self.passed_us()), Ordering::Relaxed);
    }

    /// This moment, by the collector's clock.
    pub(super) fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = self.passed_us().saturating_add(self.ahead_us.load(Ordering::Relaxed));
        Moment {
            monotonic_us: u64::try_from(now).unwrap_or(0),
            wall_us: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
        }
    }

    fn passed_us(&self) -> i64 {
        micros(self.start.elapsed())
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}
