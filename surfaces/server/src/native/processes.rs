//! Processes and their connections: one entry per process that owns a socket.
//!
//! A socket with several owners counts for each of them, so sums over processes may exceed the
//! totals; sockets without a known owner are counted apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use conns_api::{PagePlace, View};
use conns_core::model::{Connection, Known, Process, Update};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::json;

use super::context::{Asked, Native};
use super::cursor::Context;
use super::list::end;
use super::parameters::LIMIT;
use super::parameters::Query;
use super::selection::{Scope, Selection};
use crate::problem::Problem;

/// `GET /api/v1/processes`.
pub(super) fn answer(_: &Native, update: &Update, asked: &Asked) -> Result<Vec<u8>, Problem> {
    let selection = Selection::read(&asked.query, Scope::View(View::All))?;
    let context = Context::new(update.instance, "processes", &asked.query);
    let after = match context.read(&asked.query)? {
        Some(PagePlace::Pid { after }) => Some(after),
        // A cursor of this request names another place only if it is forged.
        _ => None,
    };
    Ok(page(update, &selection, &asked.query, context, after))
}

fn page(
    update: &Update,
    selection: &Selection,
    query: &Query,
    context: Context,
    after: Option<u64>,
) -> Vec<u8> {
    let mut by_pid: BTreeMap<u32, (&Arc<Process>, Sums)> = BTreeMap::new();
    let mut without = Sums::default();
    for connection in update.snapshot.connections.iter().filter(|c| selection.matches(c)) {
        let owners = connection.owners.value().map(|owners| &**owners).unwrap_or_default();
        if owners.is_empty() {
            without.add(connection);
        }
        // Owners are in order of pid, so the descriptors of one process are adjacent.
        for of_one in owners.chunk_by(|a, b| a.process.pid == b.process.pid) {
            if let Some(first) = of_one.first() {
                let entry = by_pid.entry(first.process.pid);
                entry.or_insert_with(|| (&first.process, Sums::default())).1.add(connection);
            }
        }
    }
    let total = by_pid.len();
    let limit = query.whole(&LIMIT);
    let mut rest =
        by_pid.into_iter().filter(|(pid, _)| after.is_none_or(|after| u64::from(*pid) > after));
    let mut out = b"{\"processes\":[".to_vec();
    let mut last = None;
    for (i, (pid, (process, sums))) in rest.by_ref().take(limit).enumerate() {
        out.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
        // Writing to memory does not fail, and all keys are text.
        drop(serde_json::to_writer(&mut out, &Entry { process, sums }));
        last = Some(u64::from(pid));
    }
    out.extend_from_slice(b"\n],\"without_process\":");
    drop(serde_json::to_writer(&mut out, &without));
    let next = rest.next().and(last).map(|after| context.write(PagePlace::Pid { after }));
    end(&mut out, update, &[("total", json!(total)), ("next_cursor", json!(next))]);
    out
}

/// Sums over connections; `null` where no value is known.
#[derive(Debug, Default)]
struct Sums {
    connections: u64,
    listeners: u64,
    sockets: u64,
    bytes_out: Option<u64>,
    bytes_in: Option<u64>,
    rate_out: Option<f64>,
    rate_in: Option<f64>,
    verdicts: BTreeMap<&'static str, u64>,
}

impl Sums {
    fn add(&mut self, connection: &Connection) {
        self.sockets += 1;
        self.connections += u64::from(connection.is_established());
        self.listeners += u64::from(connection.is_listening());
        for (sum, bytes) in [
            (&mut self.bytes_out, connection.bytes_out().get()),
            (&mut self.bytes_in, connection.bytes_in().get()),
        ] {
            if let Some(bytes) = bytes {
                *sum = Some(sum.unwrap_or(0).saturating_add(bytes));
            }
        }
        if let Some(rates) = connection.stats.rates.get() {
            self.rate_out = Some(self.rate_out.unwrap_or(0.0) + rates.out_bytes_per_s);
            self.rate_in = Some(self.rate_in.unwrap_or(0.0) + rates.in_bytes_per_s);
        }
        *self.verdicts.entry(connection.verdict.class.name()).or_default() += 1;
    }

    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let thousandths = |rate: Option<f64>| rate.map(|rate| (rate * 1e3).round() / 1e3);
        map.serialize_entry("connections", &self.connections)?;
        map.serialize_entry("listeners", &self.listeners)?;
        map.serialize_entry("sockets", &self.sockets)?;
        map.serialize_entry("bytes_out", &self.bytes_out)?;
        map.serialize_entry("bytes_in", &self.bytes_in)?;
        map.serialize_entry("rate_out_bytes_per_s", &thousandths(self.rate_out))?;
        map.serialize_entry("rate_in_bytes_per_s", &thousandths(self.rate_in))?;
        map.serialize_entry("verdicts", &self.verdicts)
    }
}

impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

/// A process under the keys of the catalogue's fields, then its sums.
struct Entry<'a> {
    process: &'a Process,
    sums: Sums,
}

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Process { pid, name, executable, command_line, uid, user, .. } = self.process;
        let Process { started_wall_us, parent_pid, cgroup, container_id, systemd_unit, .. } =
            self.process;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", pid)?;
        map.serialize_entry("process", name)?;
        entry(&mut map, "exe", executable)?;
        entry(&mut map, "cmdline", command_line)?;
        entry(&mut map, "user", user)?;
        entry(&mut map, "process_uid", uid)?;
        entry(&mut map, "started_us", started_wall_us)?;
        entry(&mut map, "ppid", parent_pid)?;
        entry(&mut map, "cgroup", cgroup)?;
        entry(&mut map, "container", container_id)?;
        entry(&mut map, "unit", systemd_unit)?;
        self.sums.entries(&mut map)?;
        map.end()
    }
}

/// A key that is absent does not apply, and one that is `null` is unknown.
fn entry<M: SerializeMap, T: Serialize>(
    map: &mut M,
    key: &str,
    value: &Known<T>,
) -> Result<(), M::Error> {
    match value {
        Known::NotApplicable => Ok(()),
        value => map.serialize_entry(key, &value.value()),
    }
}
