//! What the collector sends besides updates and events.

use std::path::PathBuf;

use conns_privileges::LandlockState;
use serde::{Deserialize, Serialize};

use crate::serve::files::FileContents;

/// A message, in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::serve) enum Message {
    /// The first; the sockets of the listeners follow.
    Start(Start),
    /// The configuration has changed.
    Configuration(FileContents),
    /// The privileges of both processes, as `/health` reports them.
    Privileges(serde_json::Value),
}

/// What a serving process needs to start.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::serve) struct Start {
    /// User and group to become.
    pub(in crate::serve) account: Option<(u32, u32)>,
    /// The limit of memory that both processes have, bytes.
    pub(in crate::serve) memory_limit: Option<u64>,
    /// The files of the configuration.
    pub(in crate::serve) files: FileContents,
    /// The history that the collector writes.
    pub(in crate::serve) history: Option<PathBuf>,
}

const STATES: [LandlockState; 3] =
    [LandlockState::NotEnforced, LandlockState::PartlyEnforced, LandlockState::FullyEnforced];

/// The byte that means that the serving process is confined, in this state, and ready.
pub(in crate::serve) fn ready_byte(landlock: LandlockState) -> u8 {
    landlock as u8
}

/// The state that a byte means.
pub(in crate::serve) fn landlock_of(ready: u8) -> Option<LandlockState> {
    STATES.into_iter().find(|state| ready_byte(*state) == ready)
}
