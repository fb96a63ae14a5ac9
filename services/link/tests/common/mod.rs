//! Servers with folders of their own, and what tests ask them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "tests panic")]

pub mod relay;

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use conns_link::{Identity, ReceiverSettings, Server, ServerSettings};
use conns_transfer::control::Control;
use conns_transfer::record::{
    Mapping, NewDestination, NewManifest, NewTransfer, Overwrite, TransferRecord,
};

/// A folder that is removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("conns-link-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("source")).unwrap();
        fs::create_dir_all(path.join("target")).unwrap();
        Self(path)
    }

    pub fn source(&self) -> PathBuf {
        self.0.join("source")
    }

    pub fn target(&self) -> PathBuf {
        self.0.join("target")
    }

    pub fn receiver(&self, name: &str) -> Server {
        self.receiver_at(name, ([127, 0, 0, 1], 0).into())
    }

    pub fn receiver_at(&self, name: &str, listen: SocketAddr) -> Server {
        let receiver =
            ReceiverSettings { listen, folder: self.target(), allow: Vec::new(), relay: None };
        self.server(name, Some(receiver))
    }

    pub fn sender(&self, name: &str) -> Server {
        self.server(name, None)
    }

    pub fn server(&self, name: &str, receiver: Option<ReceiverSettings>) -> Server {
        let key = self.0.join(format!("{name}.key"));
        if !key.exists() {
            Identity::generate().unwrap().write(&key).unwrap();
        }
        Server::start(ServerSettings {
            state_folder: self.0.join(name),
            identity: Identity::read(&key).unwrap(),
            receiver,
            sends: true,
            outgoing_limit: None,
            incoming_limit: None,
        })
        .unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes that do not repeat.
pub fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed | 1;
    (0..count)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

pub fn destination(sender: &Server, receiver: &Server) -> String {
    let address = receiver.receiver_address().unwrap();
    let parameters = NewDestination {
        address: address.ip().to_string(),
        port: address.port(),
        public_key: receiver.public_key().to_string(),
        relay: None,
        send_rate_kbit_per_s: None,
        send_rate_min_kbit_per_s: 0,
        send_rate_max_kbit_per_s: None,
        rate_control_method: None,
    };
    sender.create_destination(parameters).unwrap().destination_id
}

pub async fn manifest(sender: &Server, source: &Path, target: &str) -> String {
    let mapping = Mapping {
        destination_path: target.into(),
        source_path: source.as_os_str().as_encoded_bytes().to_vec(),
    };
    let manifest = sender.create_manifest(NewManifest { mappings: vec![mapping] }).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while sender.manifest(&manifest.manifest_id).unwrap().processing {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    manifest.manifest_id
}

pub fn queue(
    sender: &Server,
    manifest_id: &str,
    destination_id: &str,
    overwrite: Overwrite,
) -> String {
    let parameters = new_transfer(manifest_id, destination_id, overwrite);
    sender.create_transfer(parameters).unwrap().transfer_id
}

pub fn new_transfer(manifest_id: &str, destination_id: &str, overwrite: Overwrite) -> NewTransfer {
    NewTransfer {
        manifest_id: manifest_id.to_owned(),
        destination_id: destination_id.to_owned(),
        destination_path: None,
        priority: 100,
        overwrite: Some(overwrite),
        awaited: false,
        destination_path_hex: None,
    }
}

pub async fn until(
    sender: &Server,
    transfer_id: &str,
    is_reached: impl Fn(&TransferRecord) -> bool,
) -> TransferRecord {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let record = sender.transfer(transfer_id).unwrap();
        if is_reached(&record) {
            return record;
        }
        assert!(Instant::now() < deadline, "{record:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn ended(sender: &Server, transfer_id: &str) -> TransferRecord {
    until(sender, transfer_id, |record| !record.processing).await
}

pub async fn send(
    sender: &Server,
    receiver: &Server,
    source: &Path,
    target: &str,
) -> TransferRecord {
    let destination = destination(sender, receiver);
    let manifest = manifest(sender, source, target).await;
    let id = queue(sender, &manifest, &destination, Overwrite::Never);
    ended(sender, &id).await
}

/// Names of all that a folder has, hidden files included.
pub fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        found.push(entry.file_name().to_string_lossy().into_owned());
        if entry.file_type().unwrap().is_dir() {
            let below = names(&entry.path());
            found.extend(
                below.iter().map(|n| format!("{}/{n}", entry.file_name().to_string_lossy())),
            );
        }
    }
    found.sort();
    found
}
