//! A relay, and servers that use it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, Instant};

use conns_core::model::Transfer;
use conns_link::{
    Identity, PublicKey, ReceiverSettings, RegistrationState, Relay, RelayAddress, RelaySettings,
    Server,
};
use conns_transfer::control::Control;
use conns_transfer::record::NewDestination;

use super::Scratch;

pub const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A relay with a key file, so that it starts again with the same key.
pub async fn relay_at(key: &Path, listen: SocketAddr, allow: Vec<PublicKey>) -> Relay {
    if !key.exists() {
        Identity::generate().unwrap().write(key).unwrap();
    }
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let identity = Identity::read(key).unwrap();
        let settings = RelaySettings {
            listen,
            identity,
            allow: allow.clone(),
            rate_per_key: None,
            udp_ports: None,
        };
        match Relay::start(settings).await {
            Ok(relay) => return relay,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub fn address_of(relay: &Relay) -> RelayAddress {
    let at = relay.local_addr();
    RelayAddress { key: relay.public_key(), host: at.ip().to_string(), port: at.port() }
}

pub fn receiver(scratch: &Scratch, relay: RelayAddress, allow: Vec<PublicKey>) -> Server {
    let relay = Some(relay);
    let settings = ReceiverSettings { listen: LOOPBACK, folder: scratch.target(), allow, relay };
    scratch.server("receiver", Some(settings))
}

/// A destination that names no host, only the relay.
pub fn relayed(
    sender: &Server,
    receiver: PublicKey,
    relay: &RelayAddress,
    kbit: Option<u64>,
) -> String {
    let parameters = NewDestination {
        address: String::new(),
        port: 8886,
        public_key: receiver.to_string(),
        relay: Some(relay.to_string()),
        send_rate_kbit_per_s: None,
        send_rate_min_kbit_per_s: 0,
        send_rate_max_kbit_per_s: kbit.and_then(NonZeroU64::new),
        rate_control_method: None,
    };
    sender.create_destination(parameters).unwrap().destination_id
}

/// Waits for a condition.
pub async fn wait_for(what: &str, mut is_reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !is_reached() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn registered(receiver: &Server) {
    let mut state = None;
    wait_for("the receiver registers", || {
        state = receiver.registration();
        matches!(state, Some(RegistrationState::Registered { .. }))
    })
    .await;
}

/// The first connection that a sender reports as `is_reached` expects it.
pub async fn connection(sender: &Server, is_reached: impl Fn(&Transfer) -> bool) -> Transfer {
    let mut found = None;
    wait_for("the connection", || {
        found = sender.connections().into_iter().next();
        found.as_ref().is_some_and(&is_reached)
    })
    .await;
    found.unwrap()
}
