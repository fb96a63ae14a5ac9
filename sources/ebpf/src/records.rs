//! Ring-buffer and iterator record parsers, exported for fuzzing.

use conns_contract::Payload;
use conns_core::model::{ConnectionId, LifecycleEvent, Moment, PairKey, SocketSample};

use crate::events::Decoder;
use crate::layout::{Row, TcpRow};
use crate::row::{RowReader, interfaces};
use crate::tap::PayloadRecords;

/// Parses records.
pub struct Records {
    rows: RowReader,
    events: Decoder,
    payload: PayloadRecords,
}

impl Records {
    /// A parser of records received at `now`.
    #[must_use]
    pub fn new(now: Moment) -> Self {
        let pair_key = PairKey::new([0; 16]);
        let mut events = Decoder::new(interfaces(), pair_key);
        events.begin(now);
        let mut payload = PayloadRecords::default();
        payload.begin(now);
        Self { rows: RowReader::new(interfaces(), pair_key), events, payload }
    }

    /// Parses `struct row` or `struct tcp_row` of `bpf/shared.h`; `None` if `record` is neither.
    pub fn row(&mut self, record: &[u8]) -> Option<SocketSample> {
        let is_row = [size_of::<Row>(), size_of::<TcpRow>()].contains(&record.len());
        is_row.then(|| self.rows.row(record))?
    }

    /// Parses `struct short_event` or `struct long_event`; `None` if `record` is neither.
    pub fn event(&mut self, record: &[u8]) -> Option<LifecycleEvent> {
        self.events.read(record)
    }

    /// Parses `struct payload` with the bytes that follow; whether it was one.
    pub fn payload(
        &mut self,
        record: &[u8],
        sink: &mut dyn FnMut(ConnectionId, Moment, Payload<'_>),
    ) -> bool {
        self.payload.read(record, sink).is_some()
    }
}
