//! Any text as a query in SQL: it is answered within its bounds or refused, and reads the same afterwards. Asked of sockets recorded
//! from a kernel.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use conns_api::field_json;
use conns_core::model::{Moment, Netns, Observation, Protocol, SocketSample, Source, Update};
use conns_core::track::{Retention, Tracker};
use conns_history::{QueryAnswer, QueryBounds, QueryError, Table, live_tables, query};
use conns_sockdiag::{RowReader, wire};
use libfuzzer_sys::fuzz_target;

const BOUNDS: QueryBounds =
    QueryBounds { rows: 100, bytes: 1 << 20, time: Duration::from_millis(200) };
/// What no query changes.
const WITNESS: &str = "select count(*), min(local), max(local) from connections";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let began = Instant::now();
    match query(&TABLES, text, BOUNDS) {
        Ok(answer) => {
            assert!(answer.rows.len() <= BOUNDS.rows);
            assert!(answer.rows.iter().all(|row| row.len() == answer.columns.len()));
        }
        Err(QueryError::Failed(why)) => panic!("{text:?}: {why}"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // The deadline is read between instructions, of which none takes long.
    assert!(began.elapsed() < Duration::from_secs(10), "{text:?}");
    assert_eq!(query(&TABLES, WITNESS, BOUNDS).ok(), *SEEN);
});

static SEEN: LazyLock<Option<QueryAnswer>> =
    LazyLock::new(|| query(&TABLES, WITNESS, BOUNDS).ok());

static TABLES: LazyLock<Vec<Arc<dyn Table>>> = LazyLock::new(|| {
    let mut reader = RowReader::new(Arc::new(Netns::new(1, None, true)));
    let mut sockets = Vec::new();
    for (protocol, datagram) in [
        (Protocol::Tcp, &include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-listen-0.bin")[..]),
        (Protocol::Tcp, include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-established-0.bin")),
        (Protocol::Udp, include_bytes!("../../corpus/sockdiag/linux-6.18/udp4-0.bin")),
    ] {
        for message in wire::messages(datagram).flatten() {
            sockets.extend(reader.read(protocol, message.payload).map(SocketSample::from));
        }
    }
    let observation = Observation::new(Source::SockDiag, Moment::default()).with_sockets(sockets);
    let snapshot = Tracker::new(Retention::None).apply(vec![observation]);
    let update = Update { snapshot: Arc::new(snapshot), ..Update::default() };
    live_tables(&Arc::new(update), field_json)
});
