//! What the programs tell, from its bytes alone: for whoever feeds it any, to show that none does harm.

use conns_core::model::{LifecycleEvent, Moment, SocketSample};

use crate::events::Decoder;
use crate::row::RowReader;
use crate::wire::{ROW_BYTES, TCP_ROW_BYTES};

/// Reads records.
pub struct Records {
    rows: RowReader,
    events: Decoder,
}

impl Records {
    /// A reader of records that come at `now`.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        let mut events = Decoder::new();
        events.begin(now);
        Self { rows: RowReader::new(), events }
    }

    /// The row of a table (`struct row` or `struct tcp_row` of `bpf/shared.h`); `None` if it is none.
    pub fn row(&mut self, record: &[u8]) -> Option<SocketSample> {
        matches!(record.len(), ROW_BYTES | TCP_ROW_BYTES).then(|| self.rows.row(record))?
    }

    /// The event (`struct short_event` or `struct long_event`); `None` if it is none.
    pub fn event(&mut self, record: &[u8]) -> Option<LifecycleEvent> {
        self.events.read(record)
    }
}
