//! What is reported of a destination: the connection with its 28 fields, and the transfers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use conns_core::model::Transfer;
use conns_transfer::frames::Hello;
use conns_transfer::queue::State;
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::record::Word as _;

use super::{Destination, Link, lock};
use crate::store::{DestinationId, TransferRow};

/// A destination at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) destination: DestinationId,
    pub(crate) connection: Transfer,
    /// Queueing delay, microseconds; lost and acknowledged IP bytes of the connection.
    pub(crate) queue_us: Option<u64>,
    pub(crate) lost_bytes: u64,
    pub(crate) acknowledged_bytes: u64,
}

/// A transfer at one moment.
#[derive(Debug, Clone)]
pub(crate) struct TransferSnapshot {
    pub(crate) row: TransferRow,
    pub(crate) is_running: bool,
}

/// Shortest time that the recent rate is measured over.
const RATE_WINDOW: Duration = Duration::from_millis(900);

/// Kilobits a second.
pub(crate) fn kbit_per_s(rate: BytesPerSecond) -> u64 {
    rate.0.saturating_mul(8) / 1000
}

impl Destination {
    /// The state now. Called once a second: the recent rate is that since the call before.
    pub(crate) fn snapshot(&self, at_wall_us: i64) -> Snapshot {
        let row = self.row();
        let settings = self.settings();
        let transfers = self.transfers();
        let waiting = transfers.iter().filter(|transfer| {
            let is_waiting = matches!(transfer.row.state, State::Pending | State::Retrying { .. });
            is_waiting && !transfer.is_running
        });
        let transfers_queued = waiting.count() as u64;
        let mut link = lock(&self.link);
        link.measure_rate();
        let measured = link.controller.as_ref().map(|controller| controller.measured());
        let local = link.local_address();
        let traffic = link.socket.as_ref().map(|socket| socket.traffic());
        let sent_us = traffic.and_then(|it| it.last_sent_us).or(link.traffic.last_sent_us);
        let received_us =
            traffic.and_then(|it| it.last_received_us).or(link.traffic.last_received_us);
        let buffers = link.socket.as_ref().map(|socket| socket.buffer_bytes());
        let sent_bytes = traffic.map(|traffic| traffic.sent_bytes);
        let average = self.average_rate(sent_bytes.unwrap_or(0));
        let configured = row.rate.or(row.max_rate);
        let aimed = measured.map(|measured| measured.pacing_rate.min(settings.max_rate));
        let rate = configured.or(aimed).unwrap_or(BytesPerSecond(0));
        let relay = row.relay.as_ref().and(link.address);
        let receiver = link.receiver.or(link.address);
        let destination_ip = receiver.map(|address| address.ip().to_canonical());
        let connection = Transfer {
            connection_id: connection_id(&self.shared.hello, row.id),
            destination_ip: destination_ip
                .or_else(|| row.host.parse().ok())
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            destination_port: receiver.map_or(row.port, |address| address.port()),
            destination_public_key: Some(row.key.to_string()),
            encrypted_connection_state: link.state,
            encryption_enabled: true,
            last_destination_server_id: link.peer.map(|peer| hexadecimal(&peer.launch_id)),
            last_destination_server_uid: link.peer.map(|peer| hexadecimal(&peer.server_uid)),
            last_error: link.error.as_ref().map(|error| error.error),
            last_error_message: link.error.as_ref().map(|error| error.message.clone()),
            last_received_wall_us: received_us,
            last_sent_wall_us: sent_us,
            transfers_queued,
            rate_controller_active: self.is_controlled(),
            rate_control_method: row.method.word().to_owned(),
            relay_ip: relay.map(|address| address.ip().to_canonical()),
            relay_port: relay.map(|address| address.port()),
            round_trip_time_ms: measured
                .and_then(|measured| measured.round_trip.smoothed_us)
                .map(|us| us as f64 / 1000.0),
            sender_ip: local.map(|address| address.ip().to_canonical()),
            sender_port: local.map(|address| address.port()),
            send_rate_kbit_per_s: kbit_per_s(rate),
            send_rate_average_kbit_per_s: average.map(|rate| rate * 8.0 / 1000.0),
            send_rate_recent_kbit_per_s: link.recent_rate.map(|rate| rate * 8.0 / 1000.0),
            send_rate_max_kbit_per_s: row.max_rate.map(kbit_per_s),
            send_rate_min_kbit_per_s: kbit_per_s(row.min_rate),
            at_wall_us,
            socket_receive_buffer_bytes: buffers.and_then(|(_, receive)| receive),
            socket_send_buffer_bytes: buffers.and_then(|(send, _)| send),
        };
        Snapshot {
            destination: row.id,
            connection,
            queue_us: measured.and_then(|measured| measured.queue_us),
            lost_bytes: measured.map_or(0, |measured| measured.lost_bytes),
            acknowledged_bytes: measured.map_or(0, |measured| measured.acknowledged_bytes),
        }
    }

    /// IP bytes a second since the earliest running transfer started.
    fn average_rate(&self, sent_bytes: u64) -> Option<f64> {
        let items = lock(&self.items);
        let running = items.values().filter_map(|item| item.running.as_ref());
        let first = running.min_by_key(|running| running.started)?;
        let seconds = first.started.elapsed().as_secs_f64();
        (seconds > 0.0).then(|| sent_bytes.saturating_sub(first.sent_before) as f64 / seconds)
    }

    /// The transfers that have not ended, by id.
    pub(crate) fn transfers(&self) -> Vec<TransferSnapshot> {
        lock(&self.items)
            .values()
            .map(|item| {
                let mut row = item.row.clone();
                if let Some(running) = &item.running {
                    let progress = lock(&running.progress);
                    if progress.accepted {
                        row.durable = progress.durable.clone();
                        row.durable_bytes = progress.durable_bytes;
                    }
                    row.sent = row.sent + progress.sent;
                }
                TransferSnapshot { row, is_running: item.running.is_some() }
            })
            .collect()
    }
}

impl Link {
    fn measure_rate(&mut self) {
        let Some(socket) = &self.socket else { return };
        let now = (Instant::now(), socket.traffic().sent_bytes);
        let Some(before) = self.second else { return };
        let elapsed = now.0.duration_since(before.0);
        if elapsed >= RATE_WINDOW {
            let bytes = now.1.saturating_sub(before.1);
            self.recent_rate = Some(bytes as f64 / elapsed.as_secs_f64());
            self.second = Some(now);
        }
    }

    fn local_address(&self) -> Option<SocketAddr> {
        use quinn::AsyncUdpSocket as _;
        self.socket.as_ref()?.local_addr().ok()
    }
}

/// The id of the connection to a destination. It lasts as long as the destination, whatever address and port it has, and
/// differs from those of other servers.
fn connection_id(own: &Hello, destination: DestinationId) -> String {
    let [a, b, c, d, ..] = own.server_uid;
    format!("{}-{}", hexadecimal(&[a, b, c, d]), id_text(destination.0))
}

/// The number of a record as text of eight digits, so that ids sort as their numbers do.
pub(crate) fn id_text(number: i64) -> String {
    format!("{number:08}")
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
