//! Reads the connections of the link servers of this machine, for the list and the agent.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use conns_core::model::Transfer;
use conns_engine::{ReadTransfers, ReportedTransfer};
use conns_privileges::confine_link_thread;
use conns_transfer::record::Destination;
use serde_json::json;

use super::client::Client;
use super::places;
use crate::failure::log;

/// A server answers from memory; one that does not within this time is omitted from this sample.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(300);
/// Time between two questions to the servers.
const INTERVAL: Duration = Duration::from_secs(1);
/// Sockets that are asked at most.
const MAX_SERVERS: usize = 64;

/// The connections of a server, and its process.
#[derive(Clone)]
struct Answer {
    pid: Option<i32>,
    transfers: Vec<Transfer>,
}

impl Answer {
    /// The connections with the network namespace of their server.
    fn reported(&self) -> impl Iterator<Item = ReportedTransfer> {
        let netns = self.pid.and_then(network_namespace);
        let of = move |transfer: &Transfer| ReportedTransfer { netns, transfer: transfer.clone() };
        self.transfers.iter().map(of)
    }
}

/// Reads once, for a command that takes few samples.
pub(crate) fn at_each_sample() -> ReadTransfers {
    Box::new(|| read_all().iter().flat_map(Answer::reported).collect())
}

/// Reads on a thread of its own, which no sample waits for. The thread starts with the second sample: an agent
/// takes its first before it drops privileges, and has one thread until then. It gives up all capabilities before it reads
/// the input of a server; the caller, which has some, finds the server's namespace in `/proc`.
pub(crate) fn on_a_thread() -> ReadTransfers {
    let latest: Arc<Mutex<Vec<Answer>>> = Arc::default();
    let (mut is_first, mut is_started) = (true, false);
    Box::new(move || {
        if std::mem::take(&mut is_first) {
            return Vec::new();
        }
        if !is_started {
            let shared = Arc::downgrade(&latest);
            let thread = std::thread::Builder::new().name("conns-link".to_owned());
            // Without a thread the next sample tries again.
            is_started = thread.spawn(move || read_confined(&shared)).is_ok();
        }
        let answers = latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answers.iter().flat_map(Answer::reported).collect()
    })
}

fn read_confined(shared: &Weak<Mutex<Vec<Answer>>>) {
    let own = places::socket_folder();
    // A rule needs a folder that exists; the first server of this user makes its own later.
    let own = own.ancestors().find(|folder| folder.exists() && folder.parent().is_some());
    let listed: Vec<&Path> = [Path::new("/run")].into_iter().chain(own).collect();
    if let Err(error) = confine_link_thread(&listed) {
        log(format_args!("{error}. Connections of link servers are not listed"));
        return;
    }
    while let Some(latest) = shared.upgrade() {
        let all = read_all();
        *latest.lock().unwrap_or_else(PoisonError::into_inner) = all;
        drop(latest);
        std::thread::sleep(INTERVAL);
    }
}

/// The connections of all servers whose sockets this user may use.
fn read_all() -> Vec<Answer> {
    let mut all = Vec::new();
    for path in sockets().into_iter().take(MAX_SERVERS) {
        // A socket without a server is left over, and one of another user is not readable.
        let Ok(Some(mut client)) = Client::connect_within(&path, ANSWER_TIMEOUT) else { continue };
        let pid = client.server_pid();
        let answer: Result<Vec<Destination>, _> = client.call("send.getDestinations", &json!({}));
        let destinations = answer.unwrap_or_default();
        let transfers = destinations.iter().filter_map(Destination::connection).collect();
        all.push(Answer { pid, transfers });
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
