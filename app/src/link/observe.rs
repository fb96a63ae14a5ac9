//! Reads the connections of the link servers of this machine, for the list and the agent.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use conns_engine::{ReadTransfers, ReportedTransfer};
use conns_transfer::record::Destination;
use serde_json::json;

use super::client::Client;
use super::places;

/// A server answers from memory; one that does not within this time is omitted from this sample.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);
/// Time between two questions to the servers.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sockets that are asked at most.
const MAX_SERVERS: usize = 64;

/// Reads once, for a command that takes few samples.
pub(crate) fn at_each_sample() -> ReadTransfers {
    Box::new(read_all)
}

/// Reads on a thread of its own, which no sample waits for. The thread starts with the second sample: an agent
/// takes its first before it drops privileges, and has one thread until then.
pub(crate) fn on_a_thread() -> ReadTransfers {
    let latest: Arc<Mutex<Vec<ReportedTransfer>>> = Arc::default();
    let (mut is_first, mut is_started) = (true, false);
    Box::new(move || {
        if std::mem::take(&mut is_first) {
            return Vec::new();
        }
        if !is_started {
            let shared = Arc::downgrade(&latest);
            let thread = std::thread::Builder::new().name("conns-link".to_owned());
            // Without a thread the next sample tries again.
            is_started = thread.spawn(move || read_while_used(&shared)).is_ok();
        }
        latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    })
}

fn read_while_used(shared: &Weak<Mutex<Vec<ReportedTransfer>>>) {
    while let Some(latest) = shared.upgrade() {
        let all = read_all();
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = all;
        drop(latest);
        std::thread::sleep(INTERVAL);
    }
}

/// The connections of all servers whose sockets this user may use.
fn read_all() -> Vec<ReportedTransfer> {
    let mut all = Vec::new();
    for path in sockets().into_iter().take(MAX_SERVERS) {
        // A socket without a server is left over, and one of another user is not readable.
        let Ok(Some(mut client)) = Client::connect_within(&path, ANSWER_TIMEOUT) else { continue };
        let netns = client.server_pid().and_then(network_namespace);
        let answer: Result<Vec<Destination>, _> = client.call("send.getDestinations", &json!({}));
        let transfers = answer.unwrap_or_default();
        let transfers = transfers.iter().filter_map(Destination::connection);
        all.extend(transfers.map(|transfer| ReportedTransfer { netns, transfer }));
    }
    all
}

/// The sockets of servers of this user, and with root's rights those of all users.
fn sockets() -> Vec<PathBuf> {
    let mut folders = vec![places::socket_folder()];
    folders.push("/run/conns/link".into());
    if let Ok(users) = std::fs::read_dir("/run/user") {
        folders.extend(users.flatten().map(|user| user.path().join("conns/link")));
    }
    folders.sort();
    folders.dedup();
    let files = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "sock"));
    paths.sort();
    paths
}

fn network_namespace(pid: i32) -> Option<u64> {
    Some(std::fs::metadata(format!("/proc/{pid}/ns/net")).ok()?.ino())
}
