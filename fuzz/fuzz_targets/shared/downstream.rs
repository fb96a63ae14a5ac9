//! Everything that is computed from rows of any source.

use std::sync::Arc;

use conns_core::model::{
    Connection, OwnerEntry, OwnerTable, Known, Moment, Observation, Process, SocketSample, Source,
    Subject, Unknown,
};
use conns_core::query::{Field, Kind, SortKey, Value, catalogue, group, sort};
use conns_core::track::{Retention, Tracker};

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
    let owner_table = OwnerTable { processes, entries, unreadable_processes: 0 };
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

/// Reads everything that surfaces may read of each.
pub(crate) fn read_all(connections: &[Connection]) {
    for connection in connections {
        assert!(connection.verdict.confidence_percent <= 100);
        assert!(connection.verdict.why(&connection.socket).ends_with('.'));
        let advice = connection.verdict.advice(&connection.socket);
        assert!(advice.is_empty() || advice.ends_with('.'));
        for field in catalogue() {
            check(field, &field.value(connection));
        }
    }
}

/// Sorts and groups them by everything.
fn arrange(connections: &[Connection]) {
    for field in catalogue() {
        let mut rows: Vec<&Connection> = connections.iter().collect();
        sort(&mut rows, &[SortKey { field, descending: true }]);
        assert_eq!(rows.len(), connections.len());
        let groups = group(&rows, field);
        assert_eq!(groups.iter().map(|group| group.count).sum::<usize>(), rows.len());
    }
}

/// A value is of the kind of its field, and a float is finite.
fn check(field: &Field, value: &Value<'_>) {
    let fits = match value {
        Value::Unknown(_) | Value::NotApplicable => true,
        Value::Several(values) => {
            assert!(!values.is_empty(), "{}", field.name);
            return values.iter().for_each(|value| check(field, value));
        }
        Value::Text(_) => field.kind == Kind::Text,
        Value::Count(_) => field.kind == Kind::Count,
        Value::Port(_) => field.kind == Kind::Port,
        Value::Bytes(_) => field.kind == Kind::Bytes,
        Value::BytesPerSecond(real) => field.kind == Kind::BytesPerSecond && real.is_finite(),
        Value::Micros(_) => field.kind == Kind::Duration,
        Value::Percent(real) => field.kind == Kind::Percent && real.is_finite(),
        Value::Address(_) => field.kind == Kind::Address,
        Value::Endpoint(_) => field.kind == Kind::Endpoint,
        Value::Bool(_) => field.kind == Kind::Bool,
        Value::Time(_) => field.kind == Kind::Time,
        Value::List(_) => field.kind.is_list(),
    };
    assert!(fits, "{} of kind {} is {value:?}", field.name, field.kind.name());
}
