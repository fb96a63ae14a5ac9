//! What a surface that lives on is handed: the latest beat, and word of each new one.

use std::sync::Arc;

use conns_core::model::Update;
use tokio::sync::watch;

/// The latest beat of an agent. Reading it takes no longer than counting one more reader, and whoever
/// reads slowly misses beats, never delays them.
pub type UpdateReceiver = watch::Receiver<Arc<Update>>;
