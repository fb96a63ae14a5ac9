//! What a relay knows: the registered receivers and the flows.

mod request;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use conns_transfer::rate::BytesPerSecond;
use conns_transfer::relay::{
    FlowToken, MAX_FLOWS, MAX_FLOWS_PER_KEY, RelayFrame, RelayRefusal, SharedRate,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::port_range::{PortChoice, PortRange};
use super::{RelayStatistics, describe};
use crate::identity::PublicKey;

/// The state of a relay.
#[derive(Debug)]
pub(super) struct State {
    allow: Vec<PublicKey>,
    rate_per_key: Option<BytesPerSecond>,
    ports: PortChoice,
    started: Instant,
    stopped: watch::Receiver<bool>,
    tables: Mutex<Tables>,
    connections: AtomicUsize,
    next_id: AtomicU64,
    forwarded_bytes: AtomicU64,
    dropped_datagrams: AtomicU64,
}

#[derive(Debug, Default)]
struct Tables {
    receivers: HashMap<PublicKey, Registered>,
    flows: HashMap<FlowToken, OfFlow>,
}

/// A receiver that is registered.
#[derive(Debug)]
struct Registered {
    client: Client,
    /// Ends the session when it is dropped.
    _replace: oneshot::Sender<()>,
}

/// A flow, whose task has the rest.
#[derive(Debug)]
struct OfFlow {
    sender: Client,
    receiver: PublicKey,
    rate: Option<SharedRate>,
    end: oneshot::Sender<RelayRefusal>,
}

/// A client with a control connection.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) id: u64,
    pub(super) key: PublicKey,
    /// The relay's address of the control connection.
    pub(super) local: SocketAddr,
    /// Frames to the client.
    pub(super) outbox: mpsc::Sender<RelayFrame>,
}

impl Client {
    /// Sends a frame; a client that does not read loses it.
    pub(super) fn send(&self, frame: RelayFrame) -> bool {
        self.outbox.try_send(frame).is_ok()
    }
}

/// Why a request is refused: as a program reads it, and in words.
pub(super) type Refusal = (RelayRefusal, String);

impl State {
    pub(super) fn new(
        allow: Vec<PublicKey>,
        rate_per_key: Option<BytesPerSecond>,
        udp_ports: Option<PortRange>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        Self {
            allow,
            rate_per_key,
            ports: PortChoice::new(udp_ports),
            started: Instant::now(),
            stopped,
            tables: Mutex::default(),
            connections: AtomicUsize::new(0),
            next_id: AtomicU64::new(0),
            forwarded_bytes: AtomicU64::new(0),
            dropped_datagrams: AtomicU64::new(0),
        }
    }

    /// Waits until the relay stops.
    pub(super) async fn stopped(&self) {
        // A relay that does not exist any more has stopped.
        let _ = self.stopped.clone().wait_for(|stopped| *stopped).await;
    }

    /// Microseconds since the start.
    pub(super) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A number for a client.
    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn set_connections(&self, connections: usize) {
        self.connections.store(connections, Ordering::Relaxed);
    }

    pub(super) fn count(&self, forwarded_bytes: u64, dropped_datagrams: u64) {
        self.forwarded_bytes.fetch_add(forwarded_bytes, Ordering::Relaxed);
        self.dropped_datagrams.fetch_add(dropped_datagrams, Ordering::Relaxed);
    }

    pub(super) fn statistics(&self) -> RelayStatistics {
        let tables = self.lock();
        RelayStatistics {
            connections: self.connections.load(Ordering::Relaxed),
            receivers: tables.receivers.len(),
            flows: tables.flows.len(),
            forwarded_bytes: self.forwarded_bytes.load(Ordering::Relaxed),
            dropped_datagrams: self.dropped_datagrams.load(Ordering::Relaxed),
        }
    }

    /// Registers a receiver in place of an earlier registration of its key. The session ends when what is returned
    /// completes.
    pub(super) fn register(&self, client: &Client) -> Result<oneshot::Receiver<()>, Refusal> {
        if !self.allow.is_empty() && !self.allow.contains(&client.key) {
            let why = format!("the relay does not allow receivers with the key {}", client.key);
            return Err((RelayRefusal::NotAllowed, why));
        }
        let (replace, replaced) = oneshot::channel();
        let registered = Registered { client: client.clone(), _replace: replace };
        self.lock().receivers.insert(client.key, registered);
        Ok(replaced)
    }

    /// Removes the registration of a client, unless a later one replaced it.
    pub(super) fn unregister(&self, client: &Client) {
        let mut tables = self.lock();
        if tables.receivers.get(&client.key).is_some_and(|it| it.client.id == client.id) {
            tables.receivers.remove(&client.key);
        }
    }

    /// The control connection of a registered receiver.
    pub(super) fn receiver(&self, key: PublicKey) -> Option<Client> {
        self.lock().receivers.get(&key).map(|registered| registered.client.clone())
    }

    /// Whether the sender has flows.
    pub(super) fn has_flows(&self, sender: &Client) -> bool {
        self.lock().flows.values().any(|flow| flow.sender.id == sender.id)
    }

    /// Ends a flow of a client.
    pub(super) fn end(&self, client: &Client, token: FlowToken, reason: RelayRefusal) {
        let mut tables = self.lock();
        let is_of = |flow: &OfFlow| flow.sender.id == client.id || flow.receiver == client.key;
        if tables.flows.get(&token).is_some_and(is_of)
            && let Some(flow) = tables.flows.remove(&token)
        {
            // A task that has ended needs no reason.
            let _ = flow.end.send(reason);
        }
    }

    /// Forgets a flow whose task ends.
    pub(super) fn forget(&self, token: FlowToken) {
        self.lock().flows.remove(&token);
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Refuses a flow above the bounds of the relay and of the keys of its clients.
    fn check_bounds(&self, keys: &[PublicKey]) -> Result<(), Refusal> {
        if self.flows.len() >= MAX_FLOWS {
            let why = format!("{}: {MAX_FLOWS}", describe(RelayRefusal::TooManyFlows));
            return Err((RelayRefusal::TooManyFlows, why));
        }
        for key in keys {
            let is_of = |flow: &&OfFlow| flow.sender.key == *key || flow.receiver == *key;
            if self.flows.values().filter(is_of).count() >= MAX_FLOWS_PER_KEY {
                let why = format!("the key {key} has too many flows: {MAX_FLOWS_PER_KEY}");
                return Err((RelayRefusal::TooManyFlowsOfKey, why));
            }
        }
        Ok(())
    }
}

fn random_token() -> std::io::Result<FlowToken> {
    let mut token = [0; 16];
    getrandom::fill(&mut token).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(FlowToken(token))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

    use super::*;

    #[test]
    fn the_flows_of_a_relay_are_bounded() {
        let key = |number: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&(number as u64).to_be_bytes());
            PublicKey(key)
        };
        let (outbox, _frames) = mpsc::channel(1);
        let local = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut tables = Tables::default();
        for number in 0..MAX_FLOWS {
            // Two keys of its own for each flow, so that the bound of a key is not reached.
            let keys = [key(2 * number), key(2 * number + 1)];
            assert_eq!(tables.check_bounds(&keys), Ok(()));
            let [sender, receiver] = keys;
            let sender = Client { id: number as u64, key: sender, local, outbox: outbox.clone() };
            let flow = OfFlow { sender, receiver, rate: None, end: oneshot::channel().0 };
            tables.flows.insert(random_token().unwrap(), flow);
        }
        let (reason, why) = tables.check_bounds(&[key(9998), key(9999)]).unwrap_err();
        assert_eq!(
            (reason, &*why),
            (RelayRefusal::TooManyFlows, "the relay has too many flows: 1000")
        );
        let ended = *tables.flows.keys().next().unwrap();
        tables.flows.remove(&ended);
        assert_eq!(tables.check_bounds(&[key(9998), key(9999)]), Ok(()));
    }
}
