//! Short tables, whose rows are made all at once.

use std::sync::Arc;

use conns_core::explain::loss_lines;
use conns_core::model::{Known, Loss, Process, Update};
use conns_core::query::{Field, SocketSums, by_process, catalogue};

use crate::cell::Cell;
use crate::memory_table::MemoryTable;
use crate::table::ColumnKind::{Integer, Real, Text};

fn owned(text: impl Into<String>) -> Cell<'static> {
    Cell::Text(text.into().into())
}

/// Processes that own sockets, with sums over them.
pub(super) fn processes(update: &Arc<Update>) -> MemoryTable {
    let update = Arc::clone(update);
    MemoryTable::new(
        "processes",
        "Processes that own sockets, with sums over these; a socket with several owners counts for each",
        &[
            ("pid", Integer, "Process id"),
            ("process", Text, "Name of the process"),
            ("exe", Text, "Path of its executable"),
            ("cmdline", Text, "Its arguments"),
            ("user", Text, "Its effective user"),
            ("process_uid", Integer, "Its effective user id"),
            ("started_us", Integer, "When it started, microseconds since 1970-01-01 UTC"),
            ("ppid", Integer, "Process id of its parent"),
            ("cgroup", Text, "Its control group"),
            ("container", Text, "Its container"),
            ("unit", Text, "Its systemd unit"),
            ("connections", Integer, "Established connections"),
            ("listeners", Integer, "Listening endpoints"),
            ("sockets", Integer, "All sockets"),
            ("bytes_out", Integer, "Payload bytes sent"),
            ("bytes_in", Integer, "Payload bytes received"),
            ("rate_out_bytes_per_s", Real, "Payload sent a second"),
            ("rate_in_bytes_per_s", Real, "Payload received a second"),
        ],
        move || {
            let found = by_process(update.snapshot.connections.iter());
            Ok(found.processes.iter().map(|(process, sums)| process_row(process, sums)).collect())
        },
    )
}

fn process_row(process: &Process, sums: &SocketSums) -> Vec<Cell<'static>> {
    let text = |known: &Known<Box<str>>| Cell::of(known.value(), |text| owned(&**text));
    vec![
        Cell::Integer(process.pid.into()),
        owned(&*process.name),
        text(&process.executable),
        text(&process.command_line),
        text(&process.user),
        Cell::of(process.uid.get(), |uid| Cell::Integer(uid.into())),
        Cell::of(process.started_wall_us.get(), Cell::Integer),
        Cell::of(process.parent_pid.get(), |pid| Cell::Integer(pid.into())),
        text(&process.cgroup),
        text(&process.container_id),
        text(&process.systemd_unit),
        Cell::unsigned(sums.connections),
        Cell::unsigned(sums.listeners),
        Cell::unsigned(sums.sockets),
        Cell::of(sums.bytes_out, Cell::unsigned),
        Cell::of(sums.bytes_in, Cell::unsigned),
        Cell::of(sums.rate_out_bytes_per_s, Cell::real),
        Cell::of(sums.rate_in_bytes_per_s, Cell::real),
    ]
}

/// The columns of `connections`.
pub(super) fn fields() -> MemoryTable {
    let row = |field: &'static Field| {
        let texts = [
            field.name,
            &field.key,
            field.kind.name(),
            field.kind.unit(),
            field.meaning,
            field.origin,
        ];
        texts.map(Cell::text).to_vec()
    };
    MemoryTable::new(
        "fields",
        "The columns of connections and listeners",
        &[
            ("name", Text, "Name in filters"),
            ("key", Text, "Name of the column, with the unit"),
            ("type", Text, "Its type"),
            ("unit", Text, "Its unit; empty where there is none"),
            ("meaning", Text, "What it means"),
            ("origin", Text, "Where it is read from"),
        ],
        move || Ok(catalogue().iter().map(row).collect()),
    )
}

/// One row: the snapshot, and what reading it costs.
pub(super) fn health(update: &Update) -> MemoryTable {
    let (snapshot, health) = (&update.snapshot, &update.health);
    let row = vec![
        Cell::of(snapshot.machine.host.value(), |host| owned(&**host)),
        Cell::Integer(snapshot.at.wall_us),
        Cell::unsigned(snapshot.sequence),
        Cell::unsigned(snapshot.connections.len() as u64),
        Cell::unsigned(snapshot.losses.len() as u64),
        Cell::of(health.failing.as_deref(), owned),
        Cell::Integer(health.started.wall_us),
        Cell::unsigned(health.interval_us),
        Cell::unsigned(health.samples),
        Cell::unsigned(health.samples_skipped),
        Cell::unsigned(health.lateness_us),
        Cell::unsigned(health.lateness_max_us),
        Cell::unsigned(health.cost.cpu_us),
        Cell::unsigned(health.cost.sample_cpu_us),
        Cell::unsigned(health.cost.resident_bytes),
    ];
    MemoryTable::new(
        "health",
        "One row: the snapshot that the other tables are of, and what the agent costs",
        &[
            ("host", Text, "Host name"),
            ("at_us", Integer, "When the sockets were read, microseconds since 1970-01-01 UTC"),
            ("sequence", Integer, "Number of the snapshot"),
            ("sockets", Integer, "Rows of connections and listeners"),
            ("losses", Integer, "Rows of losses"),
            ("failing", Text, "Why later samples fail"),
            ("started_us", Integer, "When the agent started, microseconds since 1970-01-01 UTC"),
            ("interval_us", Integer, "Interval between samples, microseconds"),
            ("samples", Integer, "Samples taken"),
            ("samples_skipped", Integer, "Samples skipped, as the one before took too long"),
            ("lateness_us", Integer, "How late the last sample began, microseconds"),
            ("lateness_max_us", Integer, "The largest lateness, microseconds"),
            ("cpu_us", Integer, "CPU time of the agent, microseconds"),
            ("sample_cpu_us", Integer, "CPU time of the last sample, microseconds"),
            ("resident_bytes", Integer, "Resident memory of the agent, bytes"),
        ],
        || Ok(vec![row]),
    )
}

/// What is missing from the snapshot.
pub(super) fn losses(update: &Arc<Update>) -> MemoryTable {
    let update = Arc::clone(update);
    let row = |loss: &Loss| {
        let lines = loss_lines(std::slice::from_ref(loss));
        vec![owned(loss.source.to_string()), Cell::unsigned(loss.count), owned(lines.join("; "))]
    };
    MemoryTable::new(
        "losses",
        "What is missing from the other tables",
        &[
            ("source", Text, "The source that could not read it"),
            ("count", Integer, "How many"),
            ("message", Text, "What is missing, why, and what to do"),
        ],
        move || Ok(update.snapshot.losses.iter().map(row).collect()),
    )
}
