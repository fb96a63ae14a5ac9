//! Everything that is computed from rows of any source.

use std::sync::Arc;

use conns_core::model::{
    Known, Moment, Observation, OwnerEntry, OwnerTable, Process, SocketSample, Source, Subject,
    Unknown,
};
use conns_core::track::{Retention, Tracker};

use crate::read::{arrange, read_all};

/// Folds them once, as `conns list` does, and repeatedly, as the agent does.
pub(crate) fn downstream(sockets: &[SocketSample]) {
    let once = Tracker::new(Retention::None).apply(observations(sockets.to_vec(), at(0)));
    read_all(&once.connections);
    arrange(&once.connections);

    let mut repeated = Tracker::new(Retention::Window(std::time::Duration::from_secs(10)));
    // Of two rows of one socket the first wins. In reverse order the second does, so that counters jump between the
    // folds; the clock stands still, runs, and jumps.
    let backward: Vec<_> = sockets.iter().rev().cloned().collect();
    for (rows, us) in [
        (sockets.to_vec(), 0),
        (backward.clone(), 1_000_000),
        (sockets.to_vec(), 1_000_000),
        (backward, 22_000_000),
        (sockets.to_vec(), u64::MAX),
    ] {
        read_all(&repeated.apply(observations(rows, at(us))).connections);
    }
}

pub(crate) fn at(monotonic_us: u64) -> Moment {
    Moment { monotonic_us, wall_us: 0 }
}

/// The sockets, and two processes: one owns all of them, the other every second one.
fn observations(sockets: Vec<SocketSample>, at: Moment) -> Vec<Observation> {
    let mut entries = Vec::new();
    for (index, socket) in sockets.iter().enumerate() {
        let subject = socket.inode.get().map_or(Subject::Socket(socket.id), Subject::Inode);
        entries.push(OwnerEntry { subject, process: 0, descriptor: Some(3) });
        if index % 2 == 0 {
            entries.push(OwnerEntry { subject, process: 1, descriptor: None });
        }
    }
    let processes = vec![process(7, "a"), process(8, "b) (\n")];
    let owner_table = OwnerTable { processes, entries: entries.into(), unreadable_processes: 0 };
    vec![
        Observation::new(Source::SockDiag, at).with_sockets(sockets),
        Observation::new(Source::Procfs, at).with_owners(owner_table.into()),
    ]
}

fn process(pid: u32, name: &str) -> Arc<Process> {
    Arc::new(Process {
        pid,
        name: name.into(),
        executable: Known::Unknown(Unknown::NotPrivileged),
        command_line: Known::Value(name.into(), Source::Procfs),
        uid: Known::Value(pid, Source::Procfs),
        user: Known::Unknown(Unknown::SourceDoesNotReport),
        started_wall_us: Known::Value(0, Source::Procfs),
        parent_pid: Known::Value(1, Source::Procfs),
        cgroup: Known::Unknown(Unknown::Vanished),
        container_id: Known::NotApplicable,
        systemd_unit: Known::NotApplicable,
    })
}
