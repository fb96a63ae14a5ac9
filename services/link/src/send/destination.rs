//! One destination: its queue, the state of the connection to it, and the task that connects.

mod snapshot;
mod task;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conns_core::model::EncryptionState;
use conns_transfer::frames::Hello;
use conns_transfer::queue::{Entry, State};
use conns_transfer::rate::{BytesPerSecond, Method, Settings};
use tokio::sync::{Notify, watch};

use super::transfer::Progress;
use super::{Shared, UNLIMITED};
use crate::congestion::SharedController;
use crate::socket::{Socket, Traffic, wall_us};
use crate::store::{DestinationId, DestinationRow, TransferRow};
use crate::unreached::Unreached;

pub(crate) use snapshot::{Snapshot, hexadecimal, id_text, kbit_per_s};

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

    /// Whether a controller sets the rate.
    fn is_controlled(&self) -> bool {
        lock(&self.row).method != Method::Fixed
    }
}

impl Item {
    /// Keeps what the running transfer reached; whether it was accepted.
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
