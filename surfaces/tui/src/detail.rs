//! The connection that is open.

use conns_core::model::{Connection, ConnectionId, Update};

/// The connection that is open.
#[derive(Debug)]
pub(crate) struct Detail {
    pub(crate) id: ConnectionId,
    /// As it was last.
    pub(crate) connection: Box<Connection>,
    pub(crate) is_closed: bool,
    /// The first line that is shown.
    pub(crate) top: usize,
}

impl Detail {
    pub(crate) fn of(connection: &Connection, is_closed: bool) -> Self {
        Self { id: connection.id(), connection: Box::new(connection.clone()), is_closed, top: 0 }
    }

    /// Takes the connection from an update.
    pub(crate) fn refresh(&mut self, update: &Update) {
        let found = update.snapshot.connections.iter().find(|one| one.id() == self.id);
        match found {
            Some(connection) => {
                *self.connection = connection.clone();
                self.is_closed = false;
            }
            None => self.is_closed = true,
        }
    }
}
