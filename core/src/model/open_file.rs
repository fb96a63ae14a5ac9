//! A file that a server writes or reads for its clients, such as a recording of a stream: listed
//! beside the connections, because it has no socket.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Application, Known, Moment, Process};

/// One open file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenFile {
    /// Its path, as the process that has it open sees it.
    pub path: Box<str>,
    /// The process that has it open.
    pub owner: Known<Arc<Process>>,
    /// When it was first seen open.
    pub first_seen: Moment,
    /// Its size in bytes.
    pub size_bytes: Known<u64>,
    /// What it holds, such as the stream that is recorded.
    pub application: Known<Arc<Application>>,
}
