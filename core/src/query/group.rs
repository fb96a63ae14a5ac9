//! Groups connections by the value of a field, with counts and sums.
//!
//! Invariant: each connection is in exactly one group, so that the sums of all groups add up to the
//! whole. A connection of several processes is in the group of all their names. The traffic of a peer of an
//! unconnected UDP socket is not added to that of the socket in the same group.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;

use foldhash::fast::RandomState;

use super::{Field, Value};
use crate::model::Class;
use crate::model::{Connection, Known, Protocol, Rates, unmapped};

/// The value that the connections of a group share.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum GroupKey {
    /// This value, as text.
    Value(String),
    /// The value is not known.
    Unknown,
    /// The field does not apply.
    NotApplicable,
}

impl GroupKey {
    /// The value as text, if there is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Value(text) => Some(text),
            Self::Unknown | Self::NotApplicable => None,
        }
    }
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Value(text) => text,
            Self::Unknown => "unknown",
            Self::NotApplicable => "n/a",
        })
    }
}

/// A sum over the known values of a group.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sum<T> {
    /// The sum over those that are known.
    pub total: T,
    /// Number of values in `total`.
    pub known: usize,
    /// Number of unknown values, which are missing in `total`.
    pub unknown: usize,
}

impl<T> Sum<T> {
    /// The sum, unless no value is known.
    pub fn known_total(self) -> Option<T> {
        (self.known > 0).then_some(self.total)
    }

    fn add<V>(&mut self, value: Known<V>, plus: impl FnOnce(&mut T, V)) {
        match value {
            Known::Value(value, _) => {
                plus(&mut self.total, value);
                self.known += 1;
            }
            Known::Unknown(_) => self.unknown += 1,
            Known::NotApplicable => {}
        }
    }
}

/// Minimum, median and maximum of the known values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread {
    /// The lowest.
    pub min: u32,
    /// The median; of an even number the lower one of the two in the middle.
    pub median: u32,
    /// The highest.
    pub max: u32,
}

/// Connections with the same value of a field.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The value they share.
    pub key: GroupKey,
    /// Number of connections.
    pub count: usize,
    /// Payload bytes sent.
    pub bytes_out: Sum<u64>,
    /// Payload bytes received.
    pub bytes_in: Sum<u64>,
    /// Payload bytes a second sent.
    pub rate_out: Sum<f64>,
    /// Payload bytes a second received.
    pub rate_in: Sum<f64>,
    /// Bytes received and not read.
    pub recv_queue: Sum<u64>,
    /// Bytes written and not acknowledged.
    pub send_queue: Sum<u64>,
    /// Round trip times in microseconds; `None` if none is known.
    pub rtt_us: Option<Spread>,
    /// The highest loss in percent; `None` if none is known.
    pub worst_loss_percent: Option<f64>,
    /// Number of connections per verdict, the most frequent first.
    pub verdicts: Vec<(Class, usize)>,
}

/// Groups by `field`, the largest group first, then by key. An address with port groups by the
/// address alone, and an IPv4-mapped address with the IPv4 address it means.
#[must_use]
pub fn group(connections: &[&Connection], field: &Field) -> Vec<Group> {
    let mut groups = Groups::by(field);
    connections.iter().for_each(|connection| groups.add(connection));
    groups.finish()
}

/// The group of `connection` among groups by `field`.
#[must_use]
pub fn group_key(connection: &Connection, field: &Field) -> GroupKey {
    match key_of(field.value(connection)) {
        Key::Value(text) => GroupKey::Value(text.into_owned()),
        Key::Unknown => GroupKey::Unknown,
        Key::NotApplicable => GroupKey::NotApplicable,
    }
}

/// One group of all connections, whatever they have in common; its key is not applicable.
#[must_use]
pub fn total<'a>(connections: impl IntoIterator<Item = &'a Connection>) -> Group {
    let mut all = Gathered::new(GroupKey::NotApplicable);
    connections.into_iter().for_each(|connection| all.add(connection));
    all.finish()
}

/// The groups of connections that are added one by one, so that none is kept.
pub struct Groups<'f> {
    field: &'f Field,
    values: HashMap<String, Gathered, RandomState>,
    unknown: Option<Gathered>,
    not_applicable: Option<Gathered>,
}

impl<'f> Groups<'f> {
    /// No groups yet, by `field`.
    #[must_use]
    pub fn by(field: &'f Field) -> Self {
        Self { field, values: HashMap::default(), unknown: None, not_applicable: None }
    }

    /// Adds a connection to its group.
    pub fn add(&mut self, connection: &Connection) {
        let group = match key_of(self.field.value(connection)) {
            Key::Value(text) => match self.values.get_mut(&*text) {
                Some(group) => group,
                None => self
                    .values
                    .entry(text.into_owned())
                    .or_insert_with_key(|text| Gathered::new(GroupKey::Value(text.clone()))),
            },
            Key::Unknown => self.unknown.get_or_insert_with(|| Gathered::new(GroupKey::Unknown)),
            Key::NotApplicable => {
                self.not_applicable.get_or_insert_with(|| Gathered::new(GroupKey::NotApplicable))
            }
        };
        group.add(connection);
    }

    /// The groups, in the order of [`group`].
    #[must_use]
    pub fn finish(self) -> Vec<Group> {
        let all = self.values.into_values().chain(self.unknown).chain(self.not_applicable);
        let mut groups: Vec<Group> = all.map(Gathered::finish).collect();
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.key.cmp(&b.key)));
        groups
    }
}

/// A [`GroupKey`] that borrows if possible: most rows belong to an existing group.
enum Key<'a> {
    Value(Cow<'a, str>),
    Unknown,
    NotApplicable,
}

fn key_of(value: Value<'_>) -> Key<'_> {
    let text = match value {
        Value::Unknown(_) => return Key::Unknown,
        Value::NotApplicable => return Key::NotApplicable,
        Value::Several(values) => return key_of_several(values),
        Value::Text(text) => return Key::Value(text),
        Value::List(list) => {
            return key_of_several(list.briefs().map(|t| Value::Text(t.into())).collect());
        }
        Value::Count(n) | Value::Bytes(n) | Value::Micros(n) => n.to_string(),
        Value::Port(port) => port.to_string(),
        Value::BytesPerSecond(real) | Value::Percent(real) => real.to_string(),
        Value::Address(address) => unmapped(address).to_string(),
        Value::Endpoint(end) => unmapped(end.address).to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Time(micros) => micros.to_string(),
    };
    Key::Value(Cow::Owned(text))
}

/// All distinct values in order.
fn key_of_several(values: Vec<Value<'_>>) -> Key<'_> {
    let keys: Vec<Key<'_>> = values.into_iter().map(key_of).collect();
    let mut texts: Vec<Cow<'_, str>> = Vec::new();
    let mut is_any_unknown = false;
    for key in keys {
        match key {
            Key::Value(text) => texts.push(text),
            Key::Unknown => is_any_unknown = true,
            Key::NotApplicable => {}
        }
    }
    texts.sort_unstable();
    texts.dedup();
    match (texts.len(), is_any_unknown) {
        (0, true) => Key::Unknown,
        (0, false) => Key::NotApplicable,
        (1, false) => texts.pop().map_or(Key::Unknown, Key::Value),
        (_, is_any_unknown) => {
            texts.extend(is_any_unknown.then_some(Cow::Borrowed("unknown")));
            Key::Value(Cow::Owned(texts.join(", ")))
        }
    }
}

/// A group that connections are added to.
struct Gathered {
    group: Group,
    rtts_us: Vec<u32>,
    classes: [usize; Class::ALL.len()],
    /// The unconnected UDP sockets, and the traffic of peers, by the socket.
    sockets: HashSet<SocketInode, RandomState>,
    peers: Vec<(SocketInode, Traffic)>,
}

/// As [`Connection::socket_inode`].
type SocketInode = (u64, Option<u64>);

/// What a connection moved, and moves.
struct Traffic {
    bytes_out: Known<u64>,
    bytes_in: Known<u64>,
    rates: Known<Rates>,
}

impl Traffic {
    fn of(connection: &Connection) -> Self {
        let (bytes_out, bytes_in) = (connection.bytes_out(), connection.bytes_in());
        Self { bytes_out, bytes_in, rates: connection.stats.rates }
    }
}

impl Gathered {
    fn new(key: GroupKey) -> Self {
        Self {
            group: Group {
                key,
                count: 0,
                bytes_out: Sum::default(),
                bytes_in: Sum::default(),
                rate_out: Sum::default(),
                rate_in: Sum::default(),
                recv_queue: Sum::default(),
                send_queue: Sum::default(),
                rtt_us: None,
                worst_loss_percent: None,
                verdicts: Vec::new(),
            },
            rtts_us: Vec::new(),
            classes: [0; Class::ALL.len()],
            sockets: HashSet::default(),
            peers: Vec::new(),
        }
    }

    fn add(&mut self, connection: &Connection) {
        let add = |sum: &mut u64, value: u64| *sum = sum.saturating_add(value);
        let group = &mut self.group;
        group.count += 1;
        let queues = connection.socket.queues;
        if !connection.is_peer() {
            let unread = queues.map(|queues| u64::from(queues.receive_bytes));
            group.recv_queue.add(unread, add);
            let unsent = queues.map(|queues| u64::from(queues.send_bytes));
            group.send_queue.add(unsent, add);
        }
        if let Known::Value(loss, _) = connection.loss_percent() {
            let worst = group.worst_loss_percent.map_or(loss, |worst| worst.max(loss));
            group.worst_loss_percent = Some(worst);
        }
        self.rtts_us.extend(connection.rtt_us().get());
        let class = connection.verdict.class;
        let place = Class::ALL.iter().position(|known| *known == class);
        if let Some(count) = place.and_then(|place| self.classes.get_mut(place)) {
            *count += 1;
        }
        let socket = &connection.socket;
        let inode = connection.socket_inode();
        if connection.is_peer() {
            return self.peers.push((inode, Traffic::of(connection)));
        }
        if socket.protocol == Protocol::Udp && socket.remote.is_none() {
            self.sockets.insert(inode);
        }
        self.add_traffic(Traffic::of(connection));
    }

    fn add_traffic(&mut self, Traffic { bytes_out, bytes_in, rates }: Traffic) {
        let add = |sum: &mut u64, value: u64| *sum = sum.saturating_add(value);
        let group = &mut self.group;
        group.bytes_out.add(bytes_out, add);
        group.bytes_in.add(bytes_in, add);
        let out = rates.map(|rates| rates.out_bytes_per_s);
        group.rate_out.add(out, |sum, rate| *sum += rate);
        let inward = rates.map(|rates| rates.in_bytes_per_s);
        group.rate_in.add(inward, |sum, rate| *sum += rate);
    }

    fn finish(mut self) -> Group {
        for (socket, traffic) in std::mem::take(&mut self.peers) {
            if !self.sockets.contains(&socket) {
                self.add_traffic(traffic);
            }
        }
        self.rtts_us.sort_unstable();
        let rtts = &self.rtts_us;
        let middle = rtts.len().saturating_sub(1) / 2;
        self.group.rtt_us = match (rtts.first(), rtts.get(middle), rtts.last()) {
            (Some(min), Some(median), Some(max)) => {
                Some(Spread { min: *min, median: *median, max: *max })
            }
            _ => None,
        };
        self.group.verdicts =
            Class::ALL.into_iter().zip(self.classes).filter(|(_, count)| *count > 0).collect();
        // Stable: equal counts stay in the order of the classes.
        self.group.verdicts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        self.group
    }
}
