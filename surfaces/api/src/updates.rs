//! What a surface in the agent's own process reads: the latest update and the latest events, each on
//! a channel of its own.

use std::sync::Arc;

use conns_core::model::{EventLog, Update};
use tokio::sync::watch;

/// Receives updates at the sample rate. A slow reader misses updates and never delays the sampler.
pub type UpdateReceiver = watch::Receiver<Arc<Update>>;

/// Receives the event log each time events were added to it, also while samples fail.
pub type EventReceiver = watch::Receiver<Arc<EventLog>>;
