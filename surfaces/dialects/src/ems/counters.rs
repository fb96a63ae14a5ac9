//! The counters of `getExtendedConnectionCounters`: sockets of each role, current, highest and total.
//!
//! Each socket is stored with its role and bytes between updates, and only the difference is added.
//! Missed updates lose nothing as long as `Update::closed` still has what closed meanwhile.

use std::collections::HashMap;

use conns_core::model::{Connection, Protocol, State, Update};
use conns_core::query::Filter;
use foldhash::fast::RandomState;

use super::entry::Role;
use super::print::Printer;

/// The count of one kind of socket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    current: u64,
    max: u64,
    total: u64,
    in_bytes: u64,
    out_bytes: u64,
}

impl Tally {
    fn add_bytes(&mut self, in_bytes: u64, out_bytes: u64) {
        self.in_bytes = self.in_bytes.saturating_add(in_bytes);
        self.out_bytes = self.out_bytes.saturating_add(out_bytes);
    }

    /// Writes it as an object; `speeds` are bytes a second in and out.
    fn write(&self, printer: &mut Printer, speeds: Option<(f64, f64)>) {
        printer.object(|printer| {
            printer.key("current");
            printer.unsigned(self.current);
            printer.key("inBytes");
            printer.unsigned(self.in_bytes);
            if let Some((in_speed, _)) = speeds {
                printer.key("inSpeed");
                printer.double(in_speed);
            }
            printer.key("max");
            printer.unsigned(self.max);
            printer.key("outBytes");
            printer.unsigned(self.out_bytes);
            if let Some((_, out_speed)) = speeds {
                printer.key("outSpeed");
                printer.double(out_speed);
            }
            printer.key("total");
            printer.unsigned(self.total);
        });
    }
}

/// The state of a socket at the latest update.
#[derive(Debug, Clone, Copy)]
struct Seen {
    role: Role,
    in_bytes: u64,
    out_bytes: u64,
}

/// The counters. `seen` has at most as many sockets as the latest update.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Instance and sequence number of the latest update.
    latest: Option<(u64, u64)>,
    /// The highest serial number so far.
    last_serial: u64,
    seen: HashMap<u64, Seen, RandomState>,
    all: Tally,
    carriers: Tally,
    acceptors: Tally,
    connectors: Tally,
    datagrams: Tally,
    /// Bytes a second in and out, of all.
    speeds: (f64, f64),
}

impl Counters {
    /// Counts the sockets of `update` that match `counted`. An update that is already counted, or
    /// older than the latest, changes nothing.
    pub(super) fn count(&mut self, update: &Update, counted: &Filter) {
        let now = (update.instance, update.snapshot.sequence);
        let latest = self.latest.filter(|(instance, _)| *instance == update.instance);
        let before = latest.map(|(_, sequence)| sequence);
        if before.is_some_and(|before| now.1 <= before) {
            return;
        }
        self.latest = Some(now);
        match before {
            Some(before) => {
                for closed in update.closed.iter().filter(|closed| closed.sequence > before) {
                    self.count_closed(&closed.connection, counted);
                }
            }
            // Serial numbers of another instance are of other sockets, and sockets that closed before
            // the first update are not counted.
            None => {
                self.seen.clear();
                self.last_serial = 0;
            }
        }
        self.count_open(update, counted, before.is_none());
    }

    /// Counts a closed socket: its last bytes, or all of it if no update had it.
    fn count_closed(&mut self, connection: &Connection, counted: &Filter) {
        let serial = connection.stats.serial;
        let seen = self.seen.get(&serial).copied();
        // The owner of a closed socket is often unknown, so that the filter no longer matches; a
        // socket counted before still counts.
        let counts = seen.is_some() || (serial > self.last_serial && counted.matches(connection));
        let role = role_before_close(connection).or(seen.map(|seen| seen.role));
        if let Some(role) = role.filter(|_| counts) {
            self.add(connection, role);
        }
    }

    fn count_open(&mut self, update: &Update, counted: &Filter, is_first: bool) {
        let mut kept = HashMap::with_capacity_and_hasher(self.seen.len(), RandomState::default());
        let mut open = [0_u64; 4];
        let mut last_serial = self.last_serial;
        self.speeds = (0.0, 0.0);
        for connection in &update.snapshot.connections {
            let serial = connection.stats.serial;
            last_serial = last_serial.max(serial);
            // EMS counts sockets.
            if connection.is_peer() {
                continue;
            }
            let Some(role) = Role::of(connection) else {
                // It opened and closed since the latest update: counted in the total only.
                let is_new = serial > self.last_serial && !is_first;
                if is_new
                    && let Some(role) = role_before_close(connection)
                    && counted.matches(connection)
                {
                    self.add(connection, role);
                }
                continue;
            };
            if !counted.matches(connection) {
                // It may match again later, and is not new then.
                if let Some(seen) = self.seen.get(&serial) {
                    kept.insert(serial, *seen);
                }
                continue;
            }
            kept.insert(serial, self.add(connection, role));
            if let Some(count) = open.get_mut(role as usize) {
                *count += 1;
            }
            if let Some(rates) = connection.stats.rates.get() {
                self.speeds.0 += rates.in_bytes_per_s;
                self.speeds.1 += rates.out_bytes_per_s;
            }
        }
        self.seen = kept;
        self.last_serial = last_serial;
        let [carriers, acceptors, connectors, datagrams] = open;
        let whole = [
            (&mut self.carriers, carriers),
            (&mut self.acceptors, acceptors),
            (&mut self.connectors, connectors),
            (&mut self.datagrams, datagrams),
            (&mut self.all, open.iter().sum()),
        ];
        for (tally, current) in whole {
            tally.current = current;
            tally.max = tally.max.max(current);
        }
    }

    /// Adds the difference of a socket in this role, and returns its state.
    fn add(&mut self, connection: &Connection, role: Role) -> Seen {
        let seen = self.seen.get(&connection.stats.serial).copied();
        let (in_before, out_before) = seen.map_or((0, 0), |seen| (seen.in_bytes, seen.out_bytes));
        // Counts that became unknown stay as they were.
        let in_bytes = connection.bytes_in().get().unwrap_or(0).max(in_before);
        let out_bytes = connection.bytes_out().get().unwrap_or(0).max(out_before);
        let is_new = seen.is_none_or(|seen| seen.role != role);
        let tally = match role {
            Role::TcpCarrier => &mut self.carriers,
            Role::TcpAcceptor => &mut self.acceptors,
            Role::TcpConnector => &mut self.connectors,
            Role::UdpCarrier => &mut self.datagrams,
        };
        for tally in [tally, &mut self.all] {
            tally.total = tally.total.saturating_add(u64::from(is_new));
            tally.add_bytes(in_bytes - in_before, out_bytes - out_before);
        }
        Seen { role, in_bytes, out_bytes }
    }

    /// The current number of carriers.
    pub(super) fn carriers_now(&self) -> u64 {
        self.carriers.current + self.datagrams.current
    }

    /// Sets the highest counts to the current ones.
    pub(super) fn reset_max(&mut self) {
        for tally in self.tallies() {
            tally.max = tally.current;
        }
    }

    /// Sets the highest and the total counts to the current ones.
    pub(super) fn reset_total(&mut self) {
        self.reset_max();
        for tally in self.tallies() {
            tally.total = tally.current;
        }
    }

    fn tallies(&mut self) -> [&mut Tally; 5] {
        [
            &mut self.all,
            &mut self.carriers,
            &mut self.acceptors,
            &mut self.connectors,
            &mut self.datagrams,
        ]
    }

    /// Writes the data of `getExtendedConnectionCounters`.
    pub(super) fn write(&self, printer: &mut Printer) {
        // Timers, pipes and raw UDP sockets: there are none here.
        let none = Tally::default();
        printer.object(|printer| {
            printer.key("origin");
            printer.object(|printer| {
                printer.key("grandTotal");
                self.all.write(printer, Some(self.speeds));
                for (key, tally) in [
                    ("managedNonTcpUdp", &none),
                    ("managedTcp", &self.carriers),
                    ("managedTcpAcceptors", &self.acceptors),
                    ("managedTcpConnectors", &self.connectors),
                    ("managedUdp", &self.datagrams),
                    ("rawUdp", &none),
                ] {
                    printer.key(key);
                    tally.write(printer, None);
                }
            });
            printer.key("total");
            printer.unsigned(self.all.current);
        });
    }
}

/// The role a socket had before it closed.
fn role_before_close(connection: &Connection) -> Option<Role> {
    let socket = &connection.socket;
    let is_over = socket.protocol == Protocol::Tcp && socket.state == State::TimeWait;
    if is_over { Some(Role::TcpCarrier) } else { Role::of(connection) }
}
