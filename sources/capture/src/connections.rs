//! The connections of a capture file at a moment of it: packets go in, rows and events come out.

use std::collections::VecDeque;
use std::sync::Arc;

use conns_contract::Scope;
use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Side, Streams, Want};
use conns_core::model::{
    Application, Certainty, ConnectionId, Endpoint, EventKind, Layer, LayerOrigin, LifecycleEvent,
    Loss, LossCause, Moment, Observation, SocketSample, Source, State,
};

use crate::connection::{Change, Connection, FinishKind, Outcome};
use crate::counts::Counts;
use crate::flow::Flow;
use crate::ip::IpPacket;
use crate::rows::{self, Rows};
use crate::table::{Content, Entry, Key, Table};
use crate::transport::{ACK, Datagram, FIN, RST, SYN, TCP, TcpSegment, UDP};

/// Most events that wait to be taken; older ones are dropped, and counted. Half of what an agent publishes at most.
pub(crate) const MAX_QUEUED_EVENTS: usize = 65_536;
/// How often room is searched for in a full table, microseconds of the file's time: it takes a pass over all of it.
const ROOM_INTERVAL_US: u64 = 1_000_000;

/// The protocol of media that nothing but its datagrams sets up, by its name in the registry of decoders.
const TRANSPORT_STREAM: &str = "ts";

/// The connections, and what is reported of them.
#[derive(Default)]
pub(crate) struct Connections {
    pub(crate) table: Table,
    pub(crate) streams: Streams<u64>,
    rows: Rows,
    pub(crate) events: Events,
    /// What the last packet changed.
    changes: Vec<Change>,
    /// When room was last searched for.
    room_searched_us: Option<u64>,
    /// Sockets that have received nothing yet, by what later packets show.
    receivers: Vec<Receiver>,
}

/// A socket of UDP that receives a transport stream later.
struct Receiver {
    serial: u64,
    local: Endpoint,
    application: Arc<Application>,
}

/// Events that were not taken yet.
#[derive(Default)]
pub(crate) struct Events {
    /// Whether they are kept at all.
    pub(crate) are_kept: bool,
    pub(crate) queue: VecDeque<LifecycleEvent>,
    /// The layers of those among them that end a connection, in the same order.
    applications: VecDeque<(ConnectionId, Arc<Application>)>,
    pub(crate) dropped: u64,
}

impl Events {
    fn push(&mut self, event: LifecycleEvent, application: Option<Arc<Application>>) {
        if self.queue.len() >= MAX_QUEUED_EVENTS {
            let oldest = self.queue.pop_front().filter(|oldest| oldest.kind != EventKind::Opened);
            let oldest = oldest.map(|oldest| ConnectionId::of_socket(oldest.socket.id));
            if self.applications.front().is_some_and(|(id, _)| Some(*id) == oldest) {
                self.applications.pop_front();
            }
            self.dropped += 1;
        }
        let id = ConnectionId::of_socket(event.socket.id);
        self.applications.extend(application.map(|application| (id, application)));
        self.queue.push_back(event);
    }

    /// Takes all of them, with the layers.
    pub(crate) fn take(&mut self) -> (Vec<LifecycleEvent>, Vec<(ConnectionId, Arc<Application>)>) {
        // As many are likely to come again.
        let room = VecDeque::with_capacity(self.queue.len());
        let queue = std::mem::replace(&mut self.queue, room);
        (queue.into(), std::mem::take(&mut self.applications).into())
    }
}

impl Connections {
    /// Adds an IP packet.
    pub(crate) fn packet(&mut self, packet: &IpPacket<'_>, now: Moment, counts: &mut Counts) {
        let ends = |source_port, destination_port| {
            let source = Endpoint { address: packet.source, port: source_port };
            (source, Endpoint { address: packet.destination, port: destination_port })
        };
        match packet.protocol {
            TCP => match TcpSegment::read(packet.payload, packet.cut) {
                Some(segment) => {
                    let ends = ends(segment.source_port, segment.destination_port);
                    let (source, destination) = ends;
                    let arrived = Arrived { source, segment: &segment, ip_id: packet.id, at: now };
                    self.segment(destination, arrived, counts);
                }
                None => counts.malformed += 1,
            },
            UDP => match Datagram::read(packet.payload, packet.cut) {
                Some(datagram) => {
                    let ends = ends(datagram.source_port, datagram.destination_port);
                    self.datagram(ends, &datagram, packet.id, now, counts);
                }
                None => counts.malformed += 1,
            },
            _ => {}
        }
    }

    fn segment(&mut self, destination: Endpoint, arrived: Arrived<'_>, counts: &mut Counts) {
        let Arrived { source, segment, at, .. } = arrived;
        let key = Key::of(source, destination, true);
        if segment.has(SYN) && !segment.has(ACK) {
            self.replace(&key, source, segment.sequence, at);
        }
        let Self { table, streams, rows, events, changes, .. } = self;
        if let Some(entry) = table.get_mut(&key) {
            apply(entry, arrived, streams, changes, counts);
            return report(entry, changes, streams, rows, events, at);
        }
        // The end of a connection that was never seen is none.
        if segment.has(RST | FIN) {
            return;
        }
        self.make_room(at);
        let (connection, _) = Connection::new(source, destination, segment, at);
        let ends = ends(&connection);
        counts.began_before += u64::from(!connection.is_opener_known);
        let Self { table, streams, rows, events, changes, .. } = self;
        let Some(entry) = table.insert(key, Content::Tcp(connection.into())) else { return };
        streams.open(entry.serial, ends);
        apply(entry, arrived, streams, changes, counts);
        report(entry, changes, streams, rows, events, at);
    }

    /// Ends the connection of `key` if a SYN with this sequence number, which `source` sent, begins another one.
    fn replace(&mut self, key: &Key, source: Endpoint, sequence: u32, now: Moment) {
        let Self { table, streams, rows, events, changes, .. } = self;
        let Some(entry) = table.get_mut(key) else { return };
        let (side, serial) = (entry.side(source), entry.serial);
        let Content::Tcp(connection) = &mut entry.content else { return };
        if !connection.halves.of(side).is_other_syn(sequence) {
            return;
        }
        connection.finish(FinishKind::Unseen, now, changes);
        report(entry, changes, streams, rows, events, now);
        streams.remove(serial);
        table.remove(key);
    }

    /// Makes room for another connection, if there is none, where that is possible.
    fn make_room(&mut self, now: Moment) {
        let since = |then: u64| now.monotonic_us.saturating_sub(then);
        let is_due = self.room_searched_us.is_none_or(|then| since(then) >= ROOM_INTERVAL_US);
        if self.table.is_full() && is_due {
            self.room_searched_us = Some(now.monotonic_us);
            let streams = &mut self.streams;
            self.table.expire(now, true, |serial| streams.remove(serial));
        }
    }

    fn datagram(
        &mut self,
        (source, destination): (Endpoint, Endpoint),
        datagram: &Datagram<'_>,
        ip_id: u32,
        now: Moment,
        counts: &mut Counts,
    ) {
        let key = Key::of(source, destination, false);
        let is_new = self.table.get_mut(&key).is_none();
        if is_new {
            self.make_room(now);
            let flow = Flow::new(source, destination, now);
            if self.table.insert(key, Content::Udp(flow.into())).is_none() {
                return;
            }
        }
        let Some(entry) = self.table.get_mut(&key) else { return };
        let side = entry.side(source);
        let Content::Udp(flow) = &mut entry.content else { return };
        if !flow.apply(side, datagram, ip_id, now) {
            counts.repeated += 1;
            return;
        }
        if is_new {
            let ends = Ends { local: Some(source), remote: Some(destination), opener: Some(side) };
            self.streams.open(entry.serial, ends);
        }
        let cut = datagram.payload_bytes.saturating_sub(datagram.payload.len() as u32);
        self.streams.datagram(entry.serial, side, datagram.payload, cut, now);
    }

    /// Ends what has waited too long, and removes what is over.
    pub(crate) fn sweep(&mut self, now: Moment) {
        let Self { table, streams, rows, events, changes, .. } = self;
        for entry in table.entries_mut() {
            if let Content::Tcp(connection) = &mut entry.content {
                connection.expire(now, changes);
            }
            if !changes.is_empty() {
                report(entry, changes, streams, rows, events, now);
            }
        }
        table.expire(now, false, |serial| streams.remove(serial));
        // A sample reads the layers of every connection.
        streams.take_changed();
    }

    /// Adds the sockets to which the packets of `ahead`, which come later, bring a transport stream: nothing on the wire sets one up,
    /// so its receiver is open before. Since when it is, packets do not show.
    pub(crate) fn adopt_receivers(&mut self, ahead: &mut Self, now: Moment) {
        let Self { table, receivers, .. } = self;
        let known = |local: Endpoint, entry: &Entry| match &entry.content {
            Content::Udp(flow) => Side::ALL.iter().any(|side| *flow.ends.of(*side) == local),
            Content::Tcp(_) => false,
        };
        for later in ahead.table.ordered_mut() {
            let Content::Udp(flow) = &later.content else { continue };
            let local = flow.ends.received;
            let layers = ahead.streams.application(later.serial, Side::Received, now);
            let Some(stream) = layers.as_ref().and_then(|layers| layers.layer(TRANSPORT_STREAM))
            else {
                continue;
            };
            let is_known = table.entries_mut().any(|entry| known(local, entry))
                || receivers.iter().any(|receiver| receiver.local == local);
            if is_known {
                continue;
            }
            let layer = Layer {
                protocol: Arc::clone(&stream.protocol),
                certainty: Certainty::Likely,
                origin: LayerOrigin::Seen,
                since: now,
                gap_bytes: 0,
                // None is known.
                values: Box::default(),
            };
            let application = Arc::new(Application { layers: [layer].into() });
            receivers.push(Receiver { serial: table.next_serial(), local, application });
        }
    }

    /// The rows of `scope`, with their layers and the events of them that were not reported before.
    pub(crate) fn sample(&mut self, scope: &Scope, now: Moment) -> Observation {
        let Self { table, streams, rows, receivers, .. } = self;
        let mut observation = Observation::new(Source::Capture, now);
        let mut samples: Vec<SocketSample> = Vec::new();
        let mut lifecycle: Vec<LifecycleEvent> = Vec::new();
        observation.names = streams
            .take_names()
            .into_iter()
            .map(|(serial, name)| (ConnectionId::of_socket(rows::id(serial, Side::Sent)), name))
            .collect();
        let mut beyond = 0;
        for entry in table.ordered_mut() {
            for side in Side::ALL {
                let Some(sample) = row(entry, side, rows, scope, now) else { continue };
                if samples.len() >= scope.max_sockets {
                    beyond += 1;
                    continue;
                }
                let id = sample.id;
                samples.push(sample);
                let last = match &entry.content {
                    Content::Tcp(connection) => connection.last_application.of(side).clone(),
                    Content::Udp(_) => None,
                };
                let application = last.or_else(|| streams.application(entry.serial, side, now));
                let id = ConnectionId::of_socket(id);
                observation.applications.extend(application.map(|layers| (id, layers)));
                lifecycle.extend(unreported(entry, side, rows, now));
            }
        }
        for Receiver { serial, local, application } in receivers {
            if !scope.udp || !has_family(scope, *local) || !scope.states.contains(State::Close) {
                continue;
            }
            if samples.len() >= scope.max_sockets {
                beyond += 1;
            } else {
                let sample = rows.receiver(*serial, *local);
                let id = ConnectionId::of_socket(sample.id);
                samples.push(sample);
                observation.applications.push((id, Arc::clone(application)));
            }
        }
        lifecycle.sort_by_key(|event| event.at.monotonic_us);
        observation.sockets = Some(samples);
        observation.lifecycle = Some(lifecycle);
        let cause = LossCause::SocketsBeyondBound { bound: scope.max_sockets as u64 };
        observation.losses.extend(Loss::counted(Source::Capture, cause, beyond));
        observation
    }
}

/// What decoders know of the ends of a connection.
fn ends(connection: &Connection) -> Ends {
    Ends {
        local: Some(connection.ends.sent),
        remote: Some(connection.ends.received),
        opener: connection.is_opener_known.then_some(Side::Sent),
    }
}

/// A segment of TCP, as it was captured.
#[derive(Clone, Copy)]
struct Arrived<'a> {
    source: Endpoint,
    segment: &'a TcpSegment<'a>,
    /// The identification of its IP packet.
    ip_id: u32,
    at: Moment,
}

/// Adds a segment to its connection, and hands it to the decoders that want it.
fn apply(
    entry: &mut Entry,
    arrived: Arrived<'_>,
    streams: &mut Streams<u64>,
    changes: &mut Vec<Change>,
    counts: &mut Counts,
) {
    let Arrived { source, segment, ip_id, at } = arrived;
    let (side, serial) = (entry.side(source), entry.serial);
    let Content::Tcp(connection) = &mut entry.content else { return };
    match connection.apply(side, segment, ip_id, at, changes) {
        Outcome::Repeated => counts.repeated += 1,
        Outcome::Stray => {}
        Outcome::Applied { missing_bytes, is_reordered } => {
            counts.reordered += u64::from(is_reordered);
            if missing_bytes > 0 {
                counts.missing_bytes += missing_bytes;
                streams.lost(serial, side.other(), Some(segment.acknowledgement), at);
            }
            let has_content = segment.payload_bytes() > 0 || segment.has(SYN | FIN);
            if has_content && !segment.has(RST) && !*entry.unwanted.of(side) {
                decode(streams, serial, side, segment, at);
            }
            // Others are steered as well, when they end or room is made; they are over, or continue as before.
            for steering in streams.take_steering().into_iter().filter(|one| one.key == serial) {
                *entry.unwanted.of_mut(steering.side) = steering.want == Want::NoMore;
            }
        }
    }
}

/// Hands a segment to the decoders.
fn decode(
    streams: &mut Streams<u64>,
    serial: u64,
    side: Side,
    segment: &TcpSegment<'_>,
    now: Moment,
) {
    let segment = Segment {
        sequence: segment.sequence,
        syn: segment.has(SYN),
        fin: segment.has(FIN),
        bytes: segment.payload,
        cut: segment.cut,
        ack: segment.has(ACK).then_some(segment.acknowledgement),
    };
    streams.segment(serial, side, segment, now);
}

/// Reports what changed of a connection, if events are kept.
fn report(
    entry: &mut Entry,
    changes: &mut Vec<Change>,
    streams: &mut Streams<u64>,
    rows: &Rows,
    events: &mut Events,
    now: Moment,
) {
    let Content::Tcp(connection) = &mut entry.content else { return };
    for change in changes.drain(..) {
        match change {
            Change::Opened(side) => {
                if events.are_kept {
                    events.push(rows.opened_event(entry.serial, connection, side, now), None);
                    *entry.reported.opened.of_mut(side) = true;
                }
            }
            Change::Ended => {
                streams.close(entry.serial, now);
                for side in Side::ALL {
                    let application = streams.application(entry.serial, side, now);
                    connection.last_application.of_mut(side).clone_from(&application);
                    if events.are_kept
                        && let Some(event) = rows.end_event(entry.serial, connection, side)
                    {
                        events.push(event, application);
                        *entry.reported.ended.of_mut(side) = true;
                    }
                }
                streams.remove(entry.serial);
            }
        }
    }
}

/// The events of a row that were not reported.
fn unreported(
    entry: &mut Entry,
    side: Side,
    rows: &Rows,
    now: Moment,
) -> impl Iterator<Item = LifecycleEvent> {
    let Content::Tcp(connection) = &entry.content else { return None.into_iter().chain(None) };
    let is_opened = connection.opened.of(side).is_some();
    let opened = (is_opened && !std::mem::replace(entry.reported.opened.of_mut(side), true))
        .then(|| rows.opened_event(entry.serial, connection, side, now));
    let has_ended = connection.end.is_some();
    let ended = (has_ended && !std::mem::replace(entry.reported.ended.of_mut(side), true))
        .then(|| rows.end_event(entry.serial, connection, side))
        .flatten();
    opened.into_iter().chain(ended)
}

fn has_family(scope: &Scope, end: Endpoint) -> bool {
    if end.address.is_ipv4() { scope.ipv4 } else { scope.ipv6 }
}

/// The row of one end, if it has a socket and is in `scope`.
fn row(entry: &Entry, side: Side, rows: &Rows, scope: &Scope, now: Moment) -> Option<SocketSample> {
    let (ends, is_wanted) = match &entry.content {
        Content::Tcp(connection) => (&connection.ends, scope.tcp),
        Content::Udp(flow) => (&flow.ends, scope.udp),
    };
    if !is_wanted || !has_family(scope, ends.sent) {
        return None;
    }
    match &entry.content {
        Content::Tcp(connection) => {
            let state = connection.state(side, now)?;
            let is_in_scope = scope.states.contains(state);
            is_in_scope.then(|| rows.tcp(entry.serial, connection, side, state, now))
        }
        Content::Udp(flow) => {
            let is_in_scope = scope.states.contains(State::Established);
            is_in_scope.then(|| rows.udp(entry.serial, flow, side))
        }
    }
}
