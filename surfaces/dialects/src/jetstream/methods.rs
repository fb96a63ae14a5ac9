//! The methods: their names, parameters and results.

use std::num::NonZeroUsize;

use bytes::Bytes;
use conns_core::model::{Transfer, Update};
use conns_core::query::nearest;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::list::LatestList;
use super::options::Options;
use super::rpc::Fault;
use super::server::ServerInformation;

/// The methods; those of JetStream's SendInterface also with its prefix, as its console has them.
pub const METHODS: [&str; 5] = [
    "getServerInfo",
    "getConnection",
    "getConnections",
    "send.getConnection",
    "send.getConnections",
];

/// Longest name repeated in an error, bytes.
const MAX_REPEATED_NAME: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "no parameters")]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "the parameter connectionId")]
struct One {
    connection_id: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "the parameters after and limit")]
struct Page {
    after: Option<String>,
    limit: Option<NonZeroUsize>,
}

/// What the methods read.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) list: &'a LatestList,
    pub(super) update: &'a Update,
}

/// The result of a call, in chunks.
pub(super) fn call(
    context: &Context<'_>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Vec<Bytes>, Fault> {
    let Context { options, list, update } = context;
    match method {
        "getServerInfo" => {
            read::<Nothing>(params)?;
            let server = ServerInformation::new(options, update);
            let written = serde_json::to_vec(&server);
            Ok(vec![written.map_err(|error| Fault::Internal(error.to_string()))?.into()])
        }
        "getConnection" | "send.getConnection" => {
            let One { connection_id } = read(params)?;
            let place = update.transfers.binary_search_by(|c| id(c).cmp(&connection_id));
            let row = place.ok().and_then(|at| {
                list.read(&update.transfers, |list| list.rows(at..at.saturating_add(1)))
            });
            Ok(vec![row.ok_or(Fault::ConnectionNotFound(connection_id))?])
        }
        "getConnections" | "send.getConnections" => {
            let Page { after, limit } = read_or_default(params)?;
            let first = after.map_or(0, |after| {
                update.transfers.partition_point(|transfer| *id(transfer) <= *after)
            });
            let limit = limit.map_or(usize::MAX, NonZeroUsize::get);
            let rows = list.read(&update.transfers, |list| {
                list.rows(first..first.saturating_add(limit).min(list.len()))
            });
            let (open, close) = (Bytes::from_static(b"["), Bytes::from_static(b"]"));
            Ok([Some(open), rows, Some(close)].into_iter().flatten().collect())
        }
        _ => Err(Fault::MethodNotFound(unknown(method))),
    }
}

fn id(transfer: &Transfer) -> &str {
    &transfer.connection_id
}

/// The parameters, by name or by position; absent ones are an empty list.
fn read<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, Fault> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| Fault::InvalidParams(error.to_string()))
}

fn read_or_default<'a, T: Deserialize<'a> + Default>(
    params: Option<&'a RawValue>,
) -> Result<T, Fault> {
    params.map_or_else(|| Ok(T::default()), |params| read(Some(params)))
}

fn unknown(method: &str) -> String {
    let known = METHODS.join(" ");
    if method.len() > MAX_REPEATED_NAME {
        return format!("known are {known}");
    }
    match nearest(method, METHODS) {
        Some(nearest) => {
            format!("no method `{method}`; did you mean `{nearest}`? known are {known}")
        }
        None => format!("no method `{method}`; known are {known}"),
    }
}
