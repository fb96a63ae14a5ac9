//! The methods: their names, what they take, what they answer.

use std::num::NonZeroUsize;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::list::{self, List};
use super::rpc::Fault;
use super::server::ServerInformation;
use super::{Connection, Options};
use crate::cache::ResponseCache;

/// The methods; those of JetStream's SendInterface also with its prefix, as its console has them.
const NAMES: [&str; 5] = [
    "getServerInfo",
    "getConnection",
    "getConnections",
    "send.getConnection",
    "send.getConnections",
];

/// Longest name a nearest one is looked for; the distance costs the product of both lengths.
const LONGEST_COMPARED: usize = 64;

/// The name under which the shelf keeps the list.
const LIST: &str = "jetstream/connections";

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

/// The result of a call, in pieces.
pub(super) fn call(
    options: &Options,
    cache: &ResponseCache,
    method: &str,
    params: Option<&RawValue>,
) -> Result<Vec<Bytes>, Fault> {
    match method {
        "getServerInfo" => {
            read::<Nothing>(params)?;
            let server = ServerInformation::new(options, cache.update());
            let written = serde_json::to_vec(&server);
            Ok(vec![written.map_err(|error| Fault::Internal(error.to_string()))?.into()])
        }
        "getConnection" | "send.getConnection" => {
            let One { connection_id } = read(params)?;
            let connections = options.transfers.connections(cache.update());
            let place = connections.binary_search_by(|c| id(c).cmp(&connection_id));
            let row = place.ok().and_then(|at| written(options, cache).rows(at..at + 1));
            Ok(vec![row.ok_or(Fault::ConnectionNotFound(connection_id))?])
        }
        "getConnections" | "send.getConnections" => {
            let Page { after, limit } = read_or_default(params)?;
            let list = written(options, cache);
            let first = after.map_or(0, |after| {
                let connections = options.transfers.connections(cache.update());
                connections.partition_point(|connection| *id(connection) <= *after)
            });
            let most = limit.map_or(usize::MAX, NonZeroUsize::get);
            let last = first.saturating_add(most).min(list.len());
            let (open, close) = (Bytes::from_static(b"["), Bytes::from_static(b"]"));
            Ok([Some(open), list.rows(first..last), Some(close)].into_iter().flatten().collect())
        }
        _ => Err(Fault::MethodNotFound(unknown(method))),
    }
}

fn id(connection: &Connection) -> &str {
    &connection.connection_id
}

fn written(options: &Options, cache: &ResponseCache) -> List {
    let update = cache.update();
    List::new(cache.list(LIST, |_| list::write(&options.transfers.connections(update))))
}

/// The parameters, by name or by position; none at all are an empty list of them.
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
    let known = NAMES.join(" ");
    if method.len() > LONGEST_COMPARED {
        return format!("known are {known}");
    }
    let distance = |name: &&str| strsim::osa_distance(&method.to_lowercase(), &name.to_lowercase());
    match NAMES.iter().min_by_key(|name| distance(name)) {
        // One mistake in three letters is still a typing mistake; more is another word.
        Some(nearest) if distance(nearest) <= (nearest.len() / 3) => {
            format!("no method `{method}`; did you mean `{nearest}`? known are {known}")
        }
        _ => format!("no method `{method}`; known are {known}"),
    }
}
