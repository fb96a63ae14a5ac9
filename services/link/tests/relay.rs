//! A sender and a receiver with a relay between them, on loopback.

#![allow(clippy::unwrap_used, reason = "tests panic")]

mod common;

use std::fs;
use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::relay::{
    LOOPBACK, address_of, connection, receiver, registered, relay_at, relayed, wait_for,
};
use common::{Scratch, bytes, ended, manifest, names, queue, until};
use conns_core::model::{EncryptionState, TransferError};
use conns_link::{
    Identity, PortRange, ReceiverSettings, RegistrationState, Relay, RelayAddress, RelaySettings,
    Server,
};
use conns_transfer::control::Control;
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::record::{NewDestination, Overwrite, TransferRecord, TransferStatus};
use conns_transfer::relay::MAX_FLOWS_PER_KEY;

fn source(scratch: &Scratch, length: usize) -> PathBuf {
    let path = scratch.source().join("file");
    fs::write(&path, bytes(length, 7)).unwrap();
    path
}

async fn queued(sender: &Server, source: &Path, destination: &str) -> String {
    let manifest = manifest(sender, source, "file").await;
    queue(sender, &manifest, destination, Overwrite::Never)
}

fn assert_arrived(scratch: &Scratch, record: &TransferRecord) {
    assert_eq!(record.status, TransferStatus::Complete, "{record:#?}");
    let (source, target) = (scratch.source().join("file"), scratch.target().join("file"));
    assert!(fs::read(source).unwrap() == fs::read(target).unwrap());
    assert_eq!(names(&scratch.target()), ["file"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_through_a_relay_that_others_cannot_use() {
    let scratch = Scratch::new("relayed");
    let relay = relay_at(&scratch.source().join("../relay.key"), LOOPBACK, Vec::new()).await;
    let address = address_of(&relay);
    let receiver = receiver(&scratch, address.clone(), Vec::new());
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let destination = relayed(&sender, receiver.public_key(), &address, Some(200_000));
    let source = source(&scratch, 40 << 20);
    let id = queued(&sender, &source, &destination).await;
    let at = connection(&sender, |it| {
        it.encrypted_connection_state == EncryptionState::Connected && it.relay_port.is_some()
    })
    .await;
    let receiver_at = receiver.receiver_address().unwrap();
    assert_eq!((at.destination_ip, at.destination_port), (receiver_at.ip(), receiver_at.port()));
    assert_eq!(at.relay_ip, Some(LOOPBACK.ip()));
    let relay_port = SocketAddr::new(LOOPBACK.ip(), at.relay_port.unwrap());
    assert_ne!(relay_port.port(), relay.local_addr().port());
    assert!(![receiver_at.port(), at.sender_port.unwrap()].contains(&relay_port.port()));

    // Datagrams of another source are neither answered nor forwarded, also those of the length of a token.
    let other = UdpSocket::bind(LOOPBACK).unwrap();
    other.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let dropped_before = relay.statistics().dropped_datagrams;
    for length in [0, 1, 16, 1200] {
        other.send_to(&bytes(length, 9), relay_port).unwrap();
        other.send_to(&bytes(length.min(16), 9), receiver_at).unwrap();
    }
    wait_for("the relay drops them", || relay.statistics().dropped_datagrams >= dropped_before + 3)
        .await;
    assert!(other.recv_from(&mut [0; 2000]).is_err());
    let record = ended(&sender, &id).await;
    assert_arrived(&scratch, &record);
    assert_eq!(record.blocks_retransmitted, 0);
    let statistics = relay.statistics();
    assert_eq!((statistics.receivers, statistics.flows), (1, 1), "{statistics:?}");
    assert!(statistics.forwarded_bytes > 40 << 20, "{statistics:?}");
    let facts = receiver.server().unwrap().receiver.unwrap();
    assert_eq!(facts.recv_relay_host, Some(address.host));
    assert_eq!(facts.recv_relay_port, Some(address.port));
    sender.stop().await;
    wait_for("the sender ends its flow", || relay.statistics().flows == 0).await;
    receiver.stop().await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_informed_of_why_the_relay_refuses() {
    let scratch = Scratch::new("refused");
    let allowed = Identity::generate().unwrap().public();
    let key = scratch.source().join("../relay.key");
    let relay = relay_at(&key, LOOPBACK, vec![allowed]).await;
    let address = address_of(&relay);
    let receiver = receiver(&scratch, address.clone(), Vec::new());
    let sender = scratch.sender("sender");
    let source = source(&scratch, 10);

    // The relay does not allow the receiver, so that it is not registered.
    let mut why = String::new();
    wait_for("the registration is refused", || match receiver.registration() {
        Some(RegistrationState::Unregistered { why: of }) => {
            why = of;
            true
        }
        _ => false,
    })
    .await;
    assert!(why.contains("does not allow receivers with the key ck1"), "{why}");
    let destination = relayed(&sender, receiver.public_key(), &address, None);
    let id = queued(&sender, &source, &destination).await;
    let record = until(&sender, &id, |it| it.status == TransferStatus::Retrying).await;
    let message = record.error_message.unwrap();
    assert!(message.contains("no receiver with the key ck1"), "{message}");
    let failed = connection(&sender, |it| it.last_error.is_some()).await;
    assert_eq!(failed.last_error, Some(TransferError::Relay));
    assert_eq!(failed.last_error_message, Some(message));
    drop(sender);

    // Another key at the relay's address.
    let sender = scratch.sender("other");
    let wrong = RelayAddress { key: allowed, ..address };
    let destination = relayed(&sender, receiver.public_key(), &wrong, None);
    queued(&sender, &source, &destination).await;
    let failed = connection(&sender, |it| it.last_error.is_some()).await;
    assert_eq!(failed.last_error, Some(TransferError::Relay));
    let message = failed.last_error_message.unwrap();
    assert!(message.contains("has another key than ck1"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_declines_a_sender_whose_key_it_does_not_allow() {
    let scratch = Scratch::new("declined");
    let relay = relay_at(&scratch.source().join("../relay.key"), LOOPBACK, Vec::new()).await;
    let address = address_of(&relay);
    let allowed = Identity::generate().unwrap().public();
    let receiver = receiver(&scratch, address.clone(), vec![allowed]);
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let destination = relayed(&sender, receiver.public_key(), &address, None);
    queued(&sender, &source(&scratch, 10), &destination).await;
    let failed = connection(&sender, |it| it.last_error.is_some()).await;
    assert_eq!(failed.last_error, Some(TransferError::NotAuthorized));
    let message = failed.last_error_message.unwrap();
    assert!(message.contains("does not allow this sender's key"), "{message}");
    assert_eq!(relay.statistics().flows, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_registration_of_a_key_replaces_the_first() {
    let scratch = Scratch::new("replaced");
    let relay = relay_at(&scratch.source().join("../relay.key"), LOOPBACK, Vec::new()).await;
    let address = address_of(&relay);
    let first = receiver(&scratch, address.clone(), Vec::new());
    registered(&first).await;
    let key = scratch.source().join("../receiver.key");
    fs::copy(&key, scratch.source().join("../second.key")).unwrap();
    let second = ReceiverSettings {
        listen: LOOPBACK,
        folder: scratch.source(),
        allow: Vec::new(),
        relay: Some(address),
    };
    let second = scratch.server("second", Some(second));
    wait_for("the first is replaced", || match first.registration() {
        Some(RegistrationState::Unregistered { why }) => why.contains("later registration"),
        _ => false,
    })
    .await;
    assert_eq!(relay.statistics().receivers, 1);
    first.stop().await;
    registered(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_resumes_when_the_relay_restarts() {
    let scratch = Scratch::new("relay-restart");
    let key = scratch.source().join("../relay.key");
    let relay = relay_at(&key, LOOPBACK, Vec::new()).await;
    let address = address_of(&relay);
    let receiver = receiver(&scratch, address.clone(), Vec::new());
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let destination = relayed(&sender, receiver.public_key(), &address, Some(80_000));
    let id = queued(&sender, &source(&scratch, 30 << 20), &destination).await;
    until(&sender, &id, |record| record.bytes_durable > 0).await;
    let listen = relay.local_addr();
    relay.stop().await;
    let relay = relay_at(&key, listen, Vec::new()).await;
    let retrying = until(&sender, &id, |it| it.status == TransferStatus::Retrying).await;
    let message = retrying.error_message.unwrap();
    // The frame with the reason is sent if the session of the sender has not ended yet.
    let reasons =
        ["the control connection to the relay", "the relay ended the flow: the relay stops"];
    assert!(reasons.iter().any(|reason| message.contains(reason)), "{message}");
    let record = ended(&sender, &id).await;
    assert_arrived(&scratch, &record);
    assert!(record.bytes_sent < 60 << 20, "{record:#?}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_restarts_often_is_reached_again_at_once() {
    let scratch = Scratch::new("relay-restarts");
    let key = scratch.source().join("../relay.key");
    let mut relay = relay_at(&key, LOOPBACK, Vec::new()).await;
    let listen = relay.local_addr();
    let receiver = receiver(&scratch, address_of(&relay), Vec::new());
    registered(&receiver).await;
    let began = Instant::now();
    for _ in 0..5 {
        relay.stop().await;
        wait_for("the registration ends", || {
            matches!(receiver.registration(), Some(RegistrationState::Unregistered { .. }))
        })
        .await;
        relay = relay_at(&key, listen, Vec::new()).await;
        registered(&receiver).await;
    }
    // A second each; waits that double would be 31 s.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flows_of_a_key_are_bounded() {
    let scratch = Scratch::new("bounded");
    let relay = relay_at(&scratch.source().join("../relay.key"), LOOPBACK, Vec::new()).await;
    let address = address_of(&relay);
    let receiver = receiver(&scratch, address.clone(), Vec::new());
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let source = source(&scratch, 10);
    let manifest = manifest(&sender, &source, "file").await;
    let create = |at: usize| {
        // Destinations that differ in their port are several, and each has a connection.
        let parameters = NewDestination {
            address: String::new(),
            port: at as u16 + 1,
            public_key: receiver.public_key().to_string(),
            relay: Some(address.to_string()),
            send_rate_kbit_per_s: None,
            send_rate_min_kbit_per_s: 0,
            send_rate_max_kbit_per_s: None,
            rate_control_method: None,
        };
        let destination = sender.create_destination(parameters).unwrap().destination_id;
        queue(&sender, &manifest, &destination, Overwrite::Never)
    };
    for at in 0..MAX_FLOWS_PER_KEY {
        create(at);
    }
    wait_for("all flows are open", || relay.statistics().flows == MAX_FLOWS_PER_KEY).await;
    let id = create(MAX_FLOWS_PER_KEY);
    let record = until(&sender, &id, |it| it.status == TransferStatus::Retrying).await;
    let message = record.error_message.unwrap();
    assert!(message.contains("has too many flows: 64"), "{message}");
    assert_eq!(relay.statistics().flows, MAX_FLOWS_PER_KEY);
    sender.stop().await;
    wait_for("the flows end", || relay.statistics().flows == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_of_a_key_holds() {
    let scratch = Scratch::new("relay-rate");
    let key = scratch.source().join("../relay.key");
    Identity::generate().unwrap().write(&key).unwrap();
    let rate = BytesPerSecond::from_bits(40_000_000);
    let settings = RelaySettings {
        listen: LOOPBACK,
        identity: Identity::read(&key).unwrap(),
        allow: Vec::new(),
        rate_per_key: Some(rate),
        udp_ports: None,
    };
    let relay = Relay::start(settings).await.unwrap();
    let address = address_of(&relay);
    let receiver = receiver(&scratch, address.clone(), Vec::new());
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let destination = relayed(&sender, receiver.public_key(), &address, None);
    let began = Instant::now();
    let id = queued(&sender, &source(&scratch, 10 << 20), &destination).await;
    let record = ended(&sender, &id).await;
    assert_arrived(&scratch, &record);
    let most = rate.bytes_in(began.elapsed().as_micros() as u64 + 250_000);
    assert!(relay.statistics().forwarded_bytes <= most);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_over_ipv6() {
    let loopback = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
    if UdpSocket::bind(loopback).is_err() {
        // The kernel has no IPv6.
        return;
    }
    let scratch = Scratch::new("relay-v6");
    let relay = relay_at(&scratch.source().join("../relay.key"), loopback, Vec::new()).await;
    let address = address_of(&relay);
    let settings = ReceiverSettings {
        listen: loopback,
        folder: scratch.target(),
        allow: Vec::new(),
        relay: Some(address.clone()),
    };
    let receiver = scratch.server("receiver", Some(settings));
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let destination = relayed(&sender, receiver.public_key(), &address, None);
    let id = queued(&sender, &source(&scratch, 1 << 20), &destination).await;
    assert_arrived(&scratch, &ended(&sender, &id).await);
    let at = connection(&sender, |it| it.relay_port.is_some()).await;
    assert_eq!(at.relay_ip, Some(loopback.ip()));
    assert_eq!(at.destination_port, receiver.receiver_address().unwrap().port());
    relay.stop().await;
}

/// Two free ports that follow each other, below those that the kernel chooses for other sockets.
fn two_free_ports() -> PortRange {
    let is_free = |port: u16| UdpSocket::bind((LOOPBACK.ip(), port)).is_ok();
    let begin = 20_000 + (std::process::id() % 5000) as u16 * 2;
    let mut ports = (begin..32_000).chain(10_000..begin);
    let first = ports.find(|port| is_free(*port) && is_free(port + 1)).unwrap();
    format!("{first}-{}", first + 1).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn flows_have_ports_of_the_range() {
    let scratch = Scratch::new("relay-ports");
    let range = two_free_ports();
    let settings = RelaySettings {
        listen: LOOPBACK,
        identity: Identity::generate().unwrap(),
        allow: Vec::new(),
        rate_per_key: None,
        udp_ports: Some(range),
    };
    let relay = Relay::start(settings).await.unwrap();
    let address = address_of(&relay);
    let receiver = receiver(&scratch, address.clone(), Vec::new());
    registered(&receiver).await;
    let sender = scratch.sender("sender");
    let destination = relayed(&sender, receiver.public_key(), &address, None);
    let source = source(&scratch, 1 << 20);
    let id = queued(&sender, &source, &destination).await;
    assert_arrived(&scratch, &ended(&sender, &id).await);
    let at = connection(&sender, |it| it.relay_port.is_some()).await;
    let ports = range.to_string();
    assert!(ports.split('-').any(|port| port == at.relay_port.unwrap().to_string()), "{ports}");
    // Both ports are in use, so that another sender is refused.
    let other = scratch.sender("other");
    let destination = relayed(&other, receiver.public_key(), &address, None);
    let manifest = manifest(&other, &source, "other").await;
    let id = queue(&other, &manifest, &destination, Overwrite::Never);
    let record = until(&other, &id, |it| it.status == TransferStatus::Retrying).await;
    let message = record.error_message.unwrap();
    assert!(
        message.contains(&format!("all UDP ports {ports} of 127.0.0.1 are in use")),
        "{message}"
    );
    relay.stop().await;
}
