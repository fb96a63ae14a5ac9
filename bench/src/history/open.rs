//! What keeping open connections costs: bytes and CPU of a sample of one, by what it carries.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use conns_core::decode::registry;
use conns_core::model::{
    Application, Certainty, Connection, EventLog, Kind, Known, Layer, LayerOrigin, Scalar,
    Snapshot, Source, Update,
};
use conns_fixtures::{connection, established, known, owner, with_cookie};
use conns_history::History;

use super::{Written, moment, thread_cpu};

/// Open connections, and the minutes for which they are kept.
const CONNECTIONS: u64 = 10_000;
const MINUTES: u64 = 60;
/// Names of servers, of which each connection has one.
const NAMES: u64 = 300;

/// What the connections carry.
const CARRIED: [(&str, &[&str]); 3] = [("nothing", &[]), ("TLS", &["tls"]), ("HTTP", &["http"])];

/// Keeps open connections of each kind below `folder`; what they carry, and what keeping them took.
pub(super) fn run(folder: &Path) -> anyhow::Result<Vec<(&'static str, Written)>> {
    CARRIED.iter().map(|(name, protocols)| Ok((*name, keep(folder, name, protocols)?))).collect()
}

fn keep(folder: &Path, name: &str, protocols: &[&str]) -> anyhow::Result<Written> {
    let path = folder.join(format!("open-{name}.db"));
    let mut history = History::open(&path, 4 << 30, moment(0, 0))?.history;
    let mut cpu = Duration::ZERO;
    for minute in 0..MINUTES {
        let there = (1..=CONNECTIONS).map(|number| open(number, minute, protocols)).collect();
        let at = moment(60 * minute, 0);
        let snapshot =
            Snapshot { sequence: minute + 1, at, connections: there, ..Snapshot::default() };
        let update = Update { instance: 1, snapshot: Arc::new(snapshot), ..Update::default() };
        let before = thread_cpu();
        history.record(&update, &EventLog::after(1, 0));
        history.commit(at)?;
        cpu += thread_cpu() - before;
    }
    history.close(&Update::default(), moment(60 * MINUTES, 0))?;
    let bytes = path.metadata().context("cannot read the size of the history")?.len();
    Ok(Written { rows: MINUTES * CONNECTIONS, cpu, bytes })
}

/// An open connection in a minute: its figures grow, what identifies it stays.
fn open(number: u64, minute: u64, protocols: &[&str]) -> Connection {
    let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let remote = format!("10.{}.{}.{}:443", spread % 9, spread / 9 % 250, number % 250);
    let local = format!("192.0.2.1:{}", 1024 + number);
    let mut socket = with_cookie(number, established(&local, &remote));
    let sent = (minute + 1) * (spread % 5000) * 100;
    socket.tcp = conns_fixtures::Tcp {
        rtt_us: 900 + (spread % 70_000) as u32 + (minute * spread % 300) as u32,
        bytes_sent: sent,
        bytes_acked: sent + 1,
        bytes_received: sent / 3 + 1,
        data_segs_out: (sent / 1448 + 1) as u32,
        ..conns_fixtures::Tcp::ZERO
    }
    .known();
    let mut made = connection(socket);
    made.owners = known([owner(900 + (number % 20) as u32, "nginx", 7)].into());
    let layers: Vec<Layer> = registry()
        .filter(|protocol| protocols.contains(&protocol.name))
        .map(|protocol| Layer {
            protocol: protocol.name.into(),
            certainty: Certainty::Certain,
            origin: LayerOrigin::Seen,
            since: moment(0, spread),
            gap_bytes: 0,
            values: protocol
                .fields
                .iter()
                .map(|field| {
                    Known::from_option(
                        value(field.kind, spread, minute),
                        Source::Wire,
                        conns_core::model::Unknown::NothingMeasured,
                    )
                })
                .collect(),
        })
        .collect();
    if !layers.is_empty() {
        made.application = known(Arc::new(Application { layers: layers.into() }));
    }
    made
}

fn value(kind: Kind, spread: u64, minute: u64) -> Option<Scalar> {
    Some(match kind {
        Kind::Text => Scalar::Text(format!("{}.example.org", spread % NAMES).into()),
        Kind::Count => Scalar::Count(minute * (spread % 50)),
        Kind::Bytes => Scalar::Bytes(minute * (spread % 5000)),
        Kind::Duration => Scalar::Micros(spread % 90_000),
        Kind::Bool => Scalar::Bool(true),
        Kind::Time => Scalar::Time(moment(0, spread).wall_us),
        _ => return None,
    })
}
