//! `GET /api/v1/processes`: one entry for each process that owns a socket, with sums over its sockets.

use std::collections::BTreeMap;

use conns_api::{LossShape, PagePlace, View};
use conns_core::model::{Known, Process, Update};
use conns_core::query::{ByProcess, SocketSums, by_process};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use super::context::{Asked, Native};
use super::cursor::Context;
use super::parameters::LIMIT;
use super::parameters::Query;
use super::selection::{Scope, Selection};
use super::shapes::{PageEnd, Records, SnapshotShape};
use crate::problem::Problem;

/// `GET /api/v1/processes`.
pub(super) fn answer(_: &Native, update: &Update, asked: &Asked) -> Result<Vec<u8>, Problem> {
    let selection = Selection::read(&asked.query, Scope::View(View::All))?;
    let context = Context::new(update, "processes", &asked.query);
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
    let chosen = update.snapshot.connections.iter().filter(|c| selection.matches(c));
    let ByProcess { processes, without_process } = by_process(chosen);
    let total = processes.len();
    let limit = query.whole(&LIMIT);
    let mut rest = processes
        .into_iter()
        .filter(|(process, _)| after.is_none_or(|after| u64::from(process.pid) > after));
    let shown: Vec<_> = rest.by_ref().take(limit).collect();
    let last = shown.last().filter(|_| rest.next().is_some());
    let last = last.map(|(process, _)| u64::from(process.pid));
    let mut records = Records::default();
    for (process, sums) in &shown {
        records.add_shape(&ProcessShape::new(process, sums.into()));
    }
    records.into_answer(&Processes {
        processes: Vec::new(),
        without_process: (&without_process).into(),
        end: PageEnd {
            losses: LossShape::all(&update.snapshot.losses),
            snapshot: SnapshotShape::from(update),
            total,
            next_cursor: last.map(|after| context.write(PagePlace::Pid { after })),
        },
    })
}

/// A page of processes, in order of pid.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Processes<'a> {
    /// The processes of the page.
    processes: Vec<ProcessShape<'a>>,
    /// Sums over the sockets without a known process.
    without_process: Sums,
    #[serde(flatten)]
    #[schema(inline)]
    end: PageEnd,
}

/// Sums over connections.
#[derive(Debug, Default, Serialize, ToSchema)]
struct Sums {
    /// Established connections.
    connections: u64,
    /// Listening endpoints.
    listeners: u64,
    /// All sockets.
    sockets: u64,
    /// Payload bytes sent; null if unknown.
    #[schema(required)]
    bytes_out: Option<u64>,
    /// Payload bytes received; null if unknown.
    #[schema(required)]
    bytes_in: Option<u64>,
    /// Payload sent a second; null if unknown.
    #[serde(rename = "rate_out_bytes_per_s", serialize_with = "thousandths")]
    #[schema(required)]
    rate_out: Option<f64>,
    /// Payload received a second; null if unknown.
    #[serde(rename = "rate_in_bytes_per_s", serialize_with = "thousandths")]
    #[schema(required)]
    rate_in: Option<f64>,
    /// Connections by verdict.
    verdicts: BTreeMap<&'static str, u64>,
}

#[expect(clippy::ref_option, reason = "the signature of serde")]
fn thousandths<S: Serializer>(rate: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    rate.map(|rate| (rate * 1e3).round() / 1e3).serialize(to)
}

impl From<&SocketSums> for Sums {
    fn from(sums: &SocketSums) -> Self {
        let verdicts = sums.verdicts.iter().map(|(class, count)| (class.name(), *count));
        Self {
            connections: sums.connections,
            listeners: sums.listeners,
            sockets: sums.sockets,
            bytes_out: sums.bytes_out,
            bytes_in: sums.bytes_in,
            rate_out: sums.rate_out_bytes_per_s,
            rate_in: sums.rate_in_bytes_per_s,
            verdicts: verdicts.collect(),
        }
    }
}

/// A process, with sums over its sockets. A key that is absent does not apply, and one that is null is unknown.
// Keys without a comment are fields of the catalogue, where the document takes their meaning from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Process)]
struct ProcessShape<'a> {
    /// Process id.
    pid: u32,
    /// Name of the process.
    process: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exe: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cmdline: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_uid: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_us: Option<Option<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ppid: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cgroup: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<Option<&'a str>>,
    #[serde(flatten)]
    #[schema(inline)]
    sums: Sums,
}

impl<'a> ProcessShape<'a> {
    fn new(process: &'a Process, sums: Sums) -> Self {
        Self {
            pid: process.pid,
            process: &process.name,
            exe: text(&process.executable),
            cmdline: text(&process.command_line),
            user: text(&process.user),
            process_uid: entry(process.uid),
            started_us: entry(process.started_wall_us),
            ppid: entry(process.parent_pid),
            cgroup: text(&process.cgroup),
            container: text(&process.container_id),
            unit: text(&process.systemd_unit),
            sums,
        }
    }
}

fn text(value: &Known<Box<str>>) -> Option<Option<&str>> {
    entry(value.as_ref()).map(|text| text.map(|text| &**text))
}

/// `None` if it does not apply, and `Some(None)` if it is unknown.
fn entry<T>(value: Known<T>) -> Option<Option<T>> {
    match value {
        Known::NotApplicable => None,
        Known::Unknown(_) => Some(None),
        Known::Value(value, _) => Some(Some(value)),
    }
}
