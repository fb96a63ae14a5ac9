//! One destination: its queue, the state of the connection to it, and the task that connects.

mod snapshot;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conns_core::model::{EncryptionState, TransferError};
use conns_transfer::frames::Hello;
use conns_transfer::queue::{Entry, State, retry_delay_us, to_start};
use conns_transfer::rate::{BytesPerSecond, Method, Settings};
use quinn::Connection;
use tokio::sync::{Notify, watch};

use super::connect::{Connected, Unreached, client_config, connect};
use super::transfer::Progress;
use super::{Shared, UNLIMITED, session};
use crate::congestion::SharedController;
use crate::relay::{OpenFlow, open_flow};
use crate::socket::{Socket, Traffic, header_bytes, wall_us};
use crate::store::{DestinationId, DestinationRow, Learned, TransferRow};

pub(crate) use snapshot::{Snapshot, hexadecimal, id_text, kbit_per_s};

/// What was measured is used this long.
const LEARNED_FOR_US: i64 = 24 * 3600 * 1_000_000;
/// Addresses of a host name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Whether a transfer is over.
pub(crate) fn has_ended(state: State) -> bool {
    matches!(state, State::Failed | State::Done | State::Cancelled)
}

/// A destination.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(super) shared: Arc<Shared>,
    id: DestinationId,
    row: Mutex<DestinationRow>,
    link: Mutex<Link>,
    items: Mutex<BTreeMap<i64, Item>>,
    wake: Notify,
    stop: watch::Sender<bool>,
    has_stopped: watch::Sender<bool>,
}

/// A transfer that has not ended.
#[derive(Debug)]
struct Item {
    row: TransferRow,
    running: Option<Running>,
}

/// A transfer that runs.
#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    progress: Arc<Mutex<Progress>>,
    started: Instant,
    /// IP bytes that the socket had sent before.
    sent_before: u64,
}

/// The connection, or the last one.
#[derive(Debug)]
struct Link {
    state: EncryptionState,
    socket: Option<Arc<Socket>>,
    address: Option<SocketAddr>,
    /// The receiver behind a relay.
    receiver: Option<SocketAddr>,
    controller: Option<SharedController>,
    error: Option<Unreached>,
    peer: Option<Hello>,
    /// What the receiver allows, and the share of the server's limit.
    allowance: Option<BytesPerSecond>,
    share: Option<BytesPerSecond>,
    traffic: Traffic,
    /// Bytes that the socket had sent a second ago, and the rate since.
    second: Option<(Instant, u64)>,
    recent_rate: Option<f64>,
    failures: u32,
    retry_at: Option<Instant>,
    /// Why the flow through a relay was lost, until the connection has ended.
    lost: Option<Unreached>,
}

impl Destination {
    pub(super) fn new(row: DestinationRow, shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::clone(shared),
            id: row.id,
            row: Mutex::new(row),
            link: Mutex::new(Link {
                state: EncryptionState::Disconnected,
                socket: None,
                address: None,
                receiver: None,
                controller: None,
                error: None,
                peer: None,
                allowance: None,
                share: None,
                traffic: Traffic::default(),
                second: None,
                recent_rate: None,
                failures: 0,
                retry_at: None,
                lost: None,
            }),
            items: Mutex::default(),
            wake: Notify::new(),
            stop: watch::Sender::new(false),
            has_stopped: watch::Sender::new(false),
        })
    }

    pub(crate) fn id(&self) -> DestinationId {
        self.id
    }

    pub(crate) fn row(&self) -> DestinationRow {
        lock(&self.row).clone()
    }

    /// Microseconds since the server started.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Adds a transfer that has not ended.
    pub(crate) fn queue(&self, row: TransferRow) {
        // The queue's clock began anew, so what waited for its next attempt is due.
        let state = match row.state {
            State::Retrying { .. } | State::Running => State::Pending,
            state => state,
        };
        lock(&self.items).insert(row.id, Item { row: TransferRow { state, ..row }, running: None });
        lock(&self.link).retry_at = None;
        self.wake.notify_one();
    }

    /// Whether transfers run.
    pub(crate) fn is_sending(&self) -> bool {
        lock(&self.items).values().any(|item| item.running.is_some())
    }

    /// Whether transfers have not ended.
    pub(crate) fn has_transfers(&self) -> bool {
        !lock(&self.items).is_empty()
    }

    /// The transfers as the order of the queue reads them.
    pub(super) fn entries(&self) -> Vec<Entry<i64>> {
        lock(&self.items)
            .values()
            .map(|item| Entry {
                id: item.row.id,
                priority: item.row.priority,
                queued_us: u64::try_from(item.row.requested_us).unwrap_or(0),
                state: if item.running.is_some() { State::Running } else { item.row.state },
            })
            .collect()
    }

    /// Pauses, resumes, cancels or fails a transfer from outside; false if it has ended.
    pub(crate) fn change(&self, id: i64, state: State, message: Option<String>) -> bool {
        {
            let mut items = lock(&self.items);
            let Some(item) = items.get_mut(&id) else { return false };
            item.row.state = state;
            item.row.message = message;
            if let Some(running) = &item.running {
                // The task of the transfer reads it; one that has ended needs none.
                let _ = running.stop.send(state != State::Pending);
            }
            if has_ended(state) {
                item.row.ended_us = Some(wall_us());
            }
            self.save(&item.row);
            if has_ended(state) && item.running.is_none() {
                items.remove(&id);
            }
        }
        self.retry_now();
        true
    }

    /// Tries again at once.
    pub(crate) fn retry_now(&self) {
        lock(&self.link).retry_at = None;
        self.wake.notify_one();
    }

    /// Stores a transfer's state; of one that ended without success, what the receiver has to forget too.
    fn save(&self, row: &TransferRow) {
        // An error of the store is shown with the transfer; its state in memory is right.
        let stored = self.shared.store.set_state(row);
        if stored.is_ok() && matches!(row.state, State::Failed | State::Cancelled) {
            let _ = self.shared.store.withdraw(row.uid, self.id);
        }
    }

    /// Notes that a transfer runs.
    pub(super) fn started(&self, id: i64, stop: watch::Sender<bool>) -> Arc<Mutex<Progress>> {
        let progress = Arc::default();
        let sent_before = lock(&self.link).socket.as_ref().map_or(0, |s| s.traffic().sent_bytes);
        if let Some(item) = lock(&self.items).get_mut(&id) {
            item.row.message = None;
            item.row.started_us.get_or_insert_with(wall_us);
            self.save(&TransferRow { state: State::Pending, ..item.row.clone() });
            item.running = Some(Running {
                stop,
                progress: Arc::clone(&progress),
                started: Instant::now(),
                sent_before,
            });
        }
        progress
    }

    /// Ends a transfer.
    pub(super) fn end(&self, id: i64, state: State, message: Option<String>) {
        let mut items = lock(&self.items);
        if let Some(mut item) = items.remove(&id) {
            item.row.state = state;
            item.row.message = message;
            item.row.ended_us = Some(wall_us());
            self.save(&item.row);
        }
    }

    /// Notes that a transfer does not run any more, and keeps the state that it was given.
    pub(super) fn forget_running(&self, id: i64) {
        let mut items = lock(&self.items);
        if let Some(item) = items.get_mut(&id) {
            item.keep_progress();
            if has_ended(item.row.state) {
                items.remove(&id);
            }
        }
        drop(items);
        self.wake.notify_one();
    }

    /// Notes that a transfer is tried again later.
    pub(super) fn retry(&self, id: i64, why: String) {
        let now_us = self.now_us();
        let is_stopping = *self.stop.borrow();
        let why = lock(&self.link).lost.as_ref().map_or(why, |lost| lost.message.clone());
        let mut items = lock(&self.items);
        let Some(item) = items.get_mut(&id) else { return };
        let made_progress = item.keep_progress();
        if matches!(item.row.state, State::Paused) || has_ended(item.row.state) {
            drop(items);
            return self.forget_running(id);
        }
        let failures = match item.row.state {
            State::Retrying { failures, .. } if !made_progress => failures.saturating_add(1),
            _ => 1,
        };
        item.row.state = if is_stopping {
            State::Pending
        } else {
            State::Retrying { failures, failed_us: now_us }
        };
        item.row.message = Some(why);
        // A source that changed has another uid and size now.
        if let Ok(Some(stored)) = self.shared.store.transfer(id) {
            item.row.uid = stored.uid;
            item.row.total = stored.total;
            item.row.durable = stored.durable;
            item.row.durable_bytes = stored.durable_bytes;
        }
        self.save(&item.row);
    }

    pub(super) fn greeted(&self, peer: Hello) {
        lock(&self.link).peer = Some(peer);
    }

    pub(super) fn set_allowance(&self, allowance: Option<BytesPerSecond>) {
        lock(&self.link).allowance = allowance;
        self.apply_rates();
    }

    pub(super) fn set_share(&self, share: Option<BytesPerSecond>) {
        let mut link = lock(&self.link);
        if link.share != share {
            link.share = share;
            drop(link);
            self.apply_rates();
        }
    }

    /// Changes the rates; they apply at once.
    pub(crate) fn set_rates(&self, row: DestinationRow) {
        *lock(&self.row) = row;
        self.apply_rates();
    }

    /// The rates that apply now: the least of those that bound them.
    pub(crate) fn settings(&self) -> Settings {
        let row = self.row();
        let link = lock(&self.link);
        let bounds = [row.rate, row.max_rate, link.share, link.allowance];
        let max_rate = bounds.into_iter().flatten().min().unwrap_or(UNLIMITED);
        Settings {
            method: row.method,
            fixed_rate: max_rate,
            min_rate: row.min_rate.min(max_rate),
            max_rate,
        }
    }

    fn apply_rates(&self) {
        let settings = self.settings();
        let link = lock(&self.link);
        if let Some(controller) = &link.controller {
            controller.set(settings);
        }
    }

    pub(super) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(super) async fn stopping(&self) {
        // The sender is in `self`, so the channel does not close.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        self.wake.notify_one();
    }

    pub(super) async fn stopped(&self) {
        let _ = self.has_stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Connects while there is something to send, until the destination is removed.
    pub(super) async fn run(self: Arc<Self>) {
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

    /// Whether a controller sets the rate.
    fn is_controlled(&self) -> bool {
        lock(&self.row).method != Method::Fixed
    }
}

impl Item {
    /// Takes over what the running transfer reached; whether it was accepted.
    fn keep_progress(&mut self) -> bool {
        let Some(running) = self.running.take() else { return false };
        let progress = lock(&running.progress);
        if progress.accepted {
            self.row.durable = progress.durable.clone();
            self.row.durable_bytes = progress.durable_bytes;
        }
        self.row.sent = self.row.sent + progress.sent;
        progress.accepted && progress.sent.chunks > 0
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Longest wait until the frame that closes a connection is sent.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);

/// Closes a connection, and waits until the frame that says so is sent; quinn would wait until the peer cannot have missed it.
async fn close(connection: &Connection, endpoint: &quinn::Endpoint) {
    connection.close(0u32.into(), b"done");
    // A peer that misses it notices after the idle timeout, or when the next connection continues the transfer.
    let _ = tokio::time::timeout(CLOSE_TIMEOUT, endpoint.wait_idle()).await;
}
