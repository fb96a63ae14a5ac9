//! Names of the interfaces that sockets are bound to. They are asked for after a dump, as its socket is busy meanwhile.

use std::collections::HashMap;

use conns_core::model::Socket;
use conns_namespaces::interface_name;

use crate::dump::DiagSocket;

/// Sets the names of the interfaces of `rows`, which are of the namespace that `socket` was opened in.
pub(crate) fn name_interfaces<'a>(socket: &DiagSocket, rows: impl Iterator<Item = &'a mut Socket>) {
    let mut names = HashMap::new();
    for row in rows.filter(|row| row.interface != 0) {
        let index = row.interface;
        let name = names.entry(index).or_insert_with(|| interface_name(socket, index));
        row.name_interface(name.clone());
    }
}
