//! Fields that tell who holds the socket; all but the list itself depend on the process alone.

use crate::model::{Connection, Known, Process};
use crate::query::{Kind, Value};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    (
        "pid",
        &[],
        Kind::Count,
        "Process id of the holder; of several, filters match any.",
        "/proc/PID/fd",
        |c| owners(c, |p| Value::Count(u64::from(p.pid))),
    ),
    (
        "process",
        &["comm", "name"],
        Kind::Text,
        "Name of the holding process.",
        "/proc/PID/stat",
        |c| owners(c, |p| Value::text(&p.name)),
    ),
    ("exe", &["executable"], Kind::Text, "Path of its executable.", "/proc/PID/exe", |c| {
        owners(c, |p| text(&p.executable))
    }),
    (
        "cmdline",
        &["command"],
        Kind::Text,
        "Its arguments, joined by spaces.",
        "/proc/PID/cmdline",
        |c| owners(c, |p| text(&p.command_line)),
    ),
    (
        "user",
        &[],
        Kind::Text,
        "Name of the user it runs as.",
        "/proc/PID/status, user database",
        |c| owners(c, |p| text(&p.user)),
    ),
    ("process_uid", &[], Kind::Count, "Effective user id it runs as.", "/proc/PID/status", |c| {
        owners(c, |p| Value::known(p.uid, |uid| Value::Count(u64::from(uid))))
    }),
    ("started", &["start_time"], Kind::Time, "When it started.", "/proc/PID/stat", |c| {
        owners(c, |p| Value::known(p.started_wall_us, Value::Time))
    }),
    ("ppid", &["parent"], Kind::Count, "Process id of its parent.", "/proc/PID/stat", |c| {
        owners(c, |p| Value::known(p.parent_pid, |pid| Value::Count(u64::from(pid))))
    }),
    ("cgroup", &[], Kind::Text, "Its control group.", "/proc/PID/cgroup", |c| {
        owners(c, |p| text(&p.cgroup))
    }),
    (
        "container",
        &["container_id"],
        Kind::Text,
        "Container id found in its control group.",
        "/proc/PID/cgroup",
        |c| owners(c, |p| text(&p.container_id)),
    ),
    (
        "unit",
        &["systemd_unit", "service_unit"],
        Kind::Text,
        "systemd unit found in its control group.",
        "/proc/PID/cgroup",
        |c| owners(c, |p| text(&p.systemd_unit)),
    ),
    (
        "owners",
        &["holders"],
        Kind::Owners,
        "Every process and descriptor that holds the socket.",
        "/proc/PID/fd",
        |c| Value::known(c.owners.as_ref(), |held| Value::Owners(held)),
    ),
];

/// The value of each holding process: a plain value where one process holds the socket.
fn owners<'a>(c: &'a Connection, read: fn(&'a Process) -> Value<'a>) -> Value<'a> {
    if let Some(process) = c.only_process() {
        return read(process);
    }
    Value::known(c.owners.as_ref(), |held| {
        // Owners are in order of pid, so one process's descriptors stand together.
        let processes = held.chunk_by(|a, b| a.process.pid == b.process.pid);
        let first_of_each = processes.filter_map(|chunk| chunk.first());
        Value::Several(first_of_each.map(|owner| read(&owner.process)).collect())
    })
}

fn text(known: &Known<Box<str>>) -> Value<'_> {
    Value::known(known.as_ref(), |text| Value::text(text))
}
