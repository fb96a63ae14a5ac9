//! Fields of the owners of a socket; all but the list depend on the process alone.

use crate::model::{Connection, Known, Owner, Process};
use crate::model::{FieldSpec, Kind, ListColumn, ListSpec, Part};
use crate::query::{List, Records, Value};

use super::{Row, unless_kept};

static OWNERS: ListSpec = ListSpec {
    item: "Owner",
    meaning: "A process that owns the socket, by one descriptor.",
    columns: &[
        ListColumn { key: "pid", kind: Kind::Count, meaning: "Process id.", always: true },
        ListColumn { key: "process", kind: Kind::Text, meaning: "Its name.", always: true },
        ListColumn { key: "fd", kind: Kind::Count, meaning: "Descriptor number.", always: false },
        ListColumn {
            key: "user",
            kind: Kind::Text,
            meaning: "Name of the user it runs as; null if unknown.",
            always: false,
        },
    ],
    compare_instead: "pid or process",
    shows_records: true,
};

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "pid",
            Kind::Count,
            "Process id of the owner; of several, filters match any.",
            "/proc/PID/fd",
        )
        .part(Part::Owners)
        .at_opening()
        .identifies()
        .of_process()
        .drop_rank(13),
        |c| owners(c, |p| Value::Count(u64::from(p.pid))),
    ),
    (
        FieldSpec::new("process", Kind::Text, "Name of the owning process.", "/proc/PID/stat")
            .part(Part::Owners)
            .aliases(&["comm", "name"])
            .at_opening()
            .identifies()
            .of_process()
            .cut(5, 8),
        |c| owners(c, |p| Value::text(&p.name)),
    ),
    (
        FieldSpec::new("exe", Kind::Text, "Path of its executable.", "/proc/PID/exe")
            .part(Part::Owners)
            .aliases(&["executable"])
            .at_opening()
            .of_process()
            .cut(1, 12),
        |c| owners(c, |p| text(&p.executable)),
    ),
    (
        FieldSpec::new(
            "cmdline",
            Kind::Text,
            "Its arguments, joined by spaces.",
            "/proc/PID/cmdline",
        )
        .part(Part::Owners)
        .aliases(&["command"])
        .at_opening()
        .of_process()
        .drop_rank(0)
        .cut(0, 12),
        |c| owners(c, |p| text(&p.command_line)),
    ),
    (
        FieldSpec::new(
            "user",
            Kind::Text,
            "Name of the user it runs as.",
            "/proc/PID/status, user database",
        )
        .part(Part::Owners)
        .at_opening()
        .of_process()
        .drop_rank(7),
        |c| owners(c, |p| text(&p.user)),
    ),
    (
        FieldSpec::new(
            "process_uid",
            Kind::Count,
            "Effective user id it runs as.",
            "/proc/PID/status",
        )
        .part(Part::Owners)
        .at_opening()
        .of_process(),
        |c| owners(c, |p| Value::known(p.uid, |uid| Value::Count(u64::from(uid)))),
    ),
    (
        FieldSpec::new("started", Kind::Time, "When it started.", "/proc/PID/stat")
            .part(Part::Owners)
            .aliases(&["start_time"])
            .at_opening()
            .of_process(),
        |c| owners(c, |p| Value::known(p.started_wall_us, Value::Time)),
    ),
    (
        FieldSpec::new("ppid", Kind::Count, "Process id of its parent.", "/proc/PID/stat")
            .part(Part::Owners)
            .aliases(&["parent"])
            .at_opening()
            .of_process(),
        |c| owners(c, |p| Value::known(p.parent_pid, |pid| Value::Count(u64::from(pid)))),
    ),
    (
        FieldSpec::new("cgroup", Kind::Text, "Its control group.", "/proc/PID/cgroup")
            .part(Part::Owners)
            .at_opening()
            .of_process()
            .cut(2, 12),
        |c| owners(c, |p| text(&p.cgroup)),
    ),
    (
        FieldSpec::new(
            "container",
            Kind::Text,
            "Container by its control group: the id of Docker, containerd, CRI-O, Podman and BuildKit, the name of LXC and systemd-nspawn.",
            "/proc/PID/cgroup",
        )
        .part(Part::Owners)
        .aliases(&["container_id"])
        .at_opening()
        .of_process()
        .drop_rank(1),
        |c| owners(c, |p| text(&p.container_id)),
    ),
    (
        FieldSpec::new(
            "unit",
            Kind::Text,
            "systemd unit found in its control group.",
            "/proc/PID/cgroup",
        )
        .part(Part::Owners)
        .aliases(&["systemd_unit", "service_unit"])
        .at_opening()
        .of_process()
        .drop_rank(2),
        |c| owners(c, |p| text(&p.systemd_unit)),
    ),
    (
        FieldSpec::new(
            "owners",
            Kind::List(&OWNERS),
            "Every process that has the socket open, and its descriptor; at most 16, owners_omitted counts the others.",
            "/proc/PID/fd",
        )
        .part(Part::Owners)
        .at_opening()
        .identifies()
        .cut(3, 16),
        |c| Value::known(c.owners.as_ref(), |_| Value::List(List(c))),
    ),
    (
        FieldSpec::new(
            "owners_omitted",
            Kind::Count,
            "Descriptors of the socket beyond those in owners.",
            "/proc/PID/fd",
        )
        .part(Part::Owners)
        .at_opening(),
        |c| {
            Value::known(c.owners.as_ref(), |_| {
                unless_kept(c, || Value::Count(c.owners_omitted.into()))
            })
        },
    ),
];

/// The value of each owning process: a plain value where one process alone owns the socket.
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

/// The owners of the socket.
impl Records for Connection {
    fn count(&self) -> usize {
        self.listed_owners().len()
    }

    fn omitted(&self) -> u32 {
        self.owners_omitted
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        let Some(owner) = self.listed_owners().get(row) else { return Value::NotApplicable };
        match column {
            0 => Value::Count(owner.process.pid.into()),
            1 => Value::text(&owner.process.name),
            2 => owner.descriptor.map_or(Value::NotApplicable, |fd| Value::Count(fd.into())),
            3 => Value::known(owner.process.user.as_ref(), |user| Value::text(user)),
            _ => Value::NotApplicable,
        }
    }

    fn brief(&self, row: usize) -> String {
        let Some(Owner { process, descriptor }) = self.listed_owners().get(row) else {
            return String::new();
        };
        let descriptor = descriptor.map(|fd| format!("fd{fd}")).unwrap_or_default();
        format!("{}({}){descriptor}", process.name, process.pid)
    }
}
