//! The task of a destination: connects while there is something to send.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_core::model::{EncryptionState, TransferError};
use conns_transfer::queue::{retry_delay_us, to_start};
use quinn::Connection;

use super::super::connect::{Connected, client_config, connect};
use super::super::session;
use super::{Destination, lock};
use crate::congestion::SharedController;
use crate::relay::{OpenFlow, open_flow};
use crate::socket::{Socket, header_bytes, wall_us};
use crate::store::{DestinationRow, Learned};
use crate::unreached::Unreached;

/// What was measured is used this long.
const LEARNED_FOR_US: i64 = 24 * 3600 * 1_000_000;
/// Addresses of a host name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Longest wait until the frame that closes a connection is sent.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

impl Destination {
    /// Connects while there is something to send, until the destination is removed.
    pub(in crate::send) async fn run(self: Arc<Self>) {
        while !*self.stop.borrow() {
            match self.wait_for() {
                Some(Duration::ZERO) => self.connect_and_serve().await,
                wait => {
                    let wait = wait.unwrap_or(Duration::from_secs(3600));
                    tokio::select! {
                        () = self.changed() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
            }
        }
        self.has_stopped.send_replace(true);
    }

    /// How long until there is a reason to connect; `None` without one.
    fn wait_for(&self) -> Option<Duration> {
        let entries = self.entries();
        let now_us = self.now_us();
        let is_due = !to_start(&entries, now_us, 1).is_empty();
        let has_withdrawn = !self.shared.store.withdrawn(self.id).unwrap_or_default().is_empty();
        let link = lock(&self.link);
        let paused = link.retry_at.map(|at| at.saturating_duration_since(Instant::now()));
        if is_due || has_withdrawn {
            return Some(paused.unwrap_or(Duration::ZERO));
        }
        let due_us = conns_transfer::queue::next_retry_us(&entries)?;
        Some(Duration::from_micros(due_us.saturating_sub(now_us).max(1000)))
    }

    async fn connect_and_serve(self: &Arc<Self>) {
        lock(&self.link).state = EncryptionState::Negotiating;
        let connected = tokio::select! {
            connected = self.connect() => connected,
            () = self.stopping() => return self.disconnected(None),
        };
        let error = match connected {
            Err(error) => Some(error),
            Ok(Connected { connection, endpoint, flow }) => {
                {
                    let mut link = lock(&self.link);
                    link.state = EncryptionState::Connected;
                    link.error = None;
                    link.failures = 0;
                    link.retry_at = None;
                }
                let socket = lock(&self.link).socket.clone();
                let served = tokio::select! {
                    served = session::serve(self, connection.clone()) => served,
                    never = self.close_when_lost(&connection, flow.as_ref(), socket.as_deref()) => {
                        match never {}
                    }
                };
                self.learn();
                close(&connection, &endpoint).await;
                lock(&self.link).lost.take().or(served.err())
            }
        };
        self.disconnected(error);
    }

    /// Notes the end of a connection, or of the attempt to make one.
    fn disconnected(&self, error: Option<Unreached>) {
        let waits = {
            let mut link = lock(&self.link);
            link.state = EncryptionState::Disconnected;
            if let Some(socket) = link.socket.take() {
                let traffic = socket.traffic();
                link.traffic.last_sent_us = traffic.last_sent_us.or(link.traffic.last_sent_us);
                link.traffic.last_received_us =
                    traffic.last_received_us.or(link.traffic.last_received_us);
            }
            link.second = None;
            link.recent_rate = None;
            link.error.clone_from(&error);
            error.map(|error| {
                link.failures = link.failures.saturating_add(1);
                let wait = Duration::from_micros(retry_delay_us(link.failures));
                link.retry_at = Some(Instant::now() + wait);
                error.message
            })
        };
        let Some(why) = waits else { return };
        let now_us = self.now_us();
        for id in to_start(&self.entries(), now_us, usize::MAX) {
            self.retry(id, why.clone());
        }
    }

    async fn connect(&self) -> Result<Connected, Unreached> {
        let row = self.row();
        if let Some(relay) = &row.relay {
            let flow = open_flow(&self.shared.identity, relay, row.key).await?;
            return self.connect_to(&row, flow.relay_udp, Some(flow)).await;
        }
        let addresses = self.resolve(&row).await?;
        let mut last = None;
        for address in addresses {
            match self.connect_to(&row, address, None).await {
                Ok(connected) => return Ok(connected),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| {
            let why = format!("the name {} has no address", row.host);
            Unreached::new(TransferError::Unreachable, why)
        }))
    }

    async fn resolve(&self, row: &DestinationRow) -> Result<Vec<SocketAddr>, Unreached> {
        let found = tokio::net::lookup_host((row.host.as_str(), row.port)).await;
        let found = found.map_err(|error| {
            let why = format!("cannot resolve {}: {error}", row.host);
            Unreached::new(TransferError::Unreachable, why)
        })?;
        Ok(found.take(MAX_ADDRESSES).collect())
    }

    async fn connect_to(
        &self,
        row: &DestinationRow,
        address: SocketAddr,
        flow: Option<OpenFlow>,
    ) -> Result<Connected, Unreached> {
        let socket = Socket::connect(address).map(Arc::new).map_err(|error| {
            let error_kind = match error.kind() {
                std::io::ErrorKind::NetworkUnreachable | std::io::ErrorKind::HostUnreachable => {
                    TransferError::Unreachable
                }
                _ => TransferError::Local,
            };
            Unreached::new(error_kind, format!("no UDP socket to {address}: {error}"))
        })?;
        let learned = row.learned.filter(|it| wall_us() - it.wall_us < LEARNED_FOR_US);
        let start = learned.map(|learned| learned.start);
        let controller = SharedController::new(
            self.settings(),
            start,
            header_bytes(address.ip()),
            socket.pace(),
        );
        let round_trip = start.map(|start| Duration::from_micros(start.base_us));
        let config = client_config(&self.shared.identity, row.key, &controller, round_trip)?;
        {
            let mut link = lock(&self.link);
            link.socket = Some(Arc::clone(&socket));
            link.address = Some(address);
            link.receiver = flow.as_ref().map(|flow| flow.receiver);
            link.controller = Some(controller);
            link.second = Some((Instant::now(), 0));
        }
        self.apply_rates();
        connect(socket, address, config, flow).await
    }

    /// Closes the connection when its flow through a relay is lost, so that its session ends.
    async fn close_when_lost(
        &self,
        connection: &Connection,
        flow: Option<&OpenFlow>,
        socket: Option<&Socket>,
    ) -> Infallible {
        if let Some((flow, socket)) = flow.zip(socket) {
            let why = flow.lost(socket).await;
            lock(&self.link).lost = Some(why);
            connection.close(0u32.into(), b"the relay ended");
        }
        std::future::pending().await
    }

    /// Stores what the connection measured.
    fn learn(&self) {
        let measured = lock(&self.link).controller.as_ref().map(SharedController::measured);
        let Some(measured) = measured else { return };
        if let (Some(rate), Some(base_us)) = (measured.best, measured.round_trip.base_us) {
            let start = conns_transfer::rate::Start { rate, base_us };
            let learned = Learned { start, wall_us: wall_us() };
            lock(&self.row).learned = Some(learned);
            // Without it the next connection begins as the first did.
            let _ = self.shared.store.set_learned(self.id, learned);
        }
    }
}

/// Closes a connection, and waits until the frame that closes it is sent; quinn would wait until the peer cannot have missed it.
async fn close(connection: &Connection, endpoint: &quinn::Endpoint) {
    connection.close(0u32.into(), b"done");
    // A peer that misses it notices after the idle timeout, or when the next connection continues the transfer.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, endpoint.wait_idle()).await;
}
