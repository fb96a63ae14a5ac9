//! The tables of the latest snapshot.

mod connections;
mod rows;

use std::sync::Arc;

use conns_core::model::{Connection, Update};
use conns_core::query::Field;

use crate::table::Table;
use connections::Connections;
use rows::{fields, health, losses, processes};

/// Writes a list of a connection (owners, peers, streams) as JSON.
pub type ListText = fn(&Field, &Connection) -> String;

/// The tables of `update`: `connections`, `listeners`, `processes`, `fields`, `health` and `losses`. `list` writes columns that
/// are lists.
#[must_use]
pub fn live_tables(update: &Arc<Update>, list: ListText) -> Vec<Arc<dyn Table>> {
    vec![
        Arc::new(Connections::new(
            (
                "connections",
                "Sockets that do not listen, in all states; peers of UDP sockets are rows too",
            ),
            update,
            |connection| !connection.is_listening(),
            list,
        )),
        Arc::new(Connections::new(
            ("listeners", "TCP listeners, and UDP sockets without a peer"),
            update,
            Connection::is_listening,
            list,
        )),
        Arc::new(processes(update)),
        Arc::new(fields()),
        Arc::new(health(update)),
        Arc::new(losses(update)),
    ]
}
