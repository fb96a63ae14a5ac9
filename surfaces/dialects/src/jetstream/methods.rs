//! The methods: their names, and who answers them.

use std::num::NonZeroUsize;

use bytes::Bytes;
use conns_core::model::{Transfer, Update};
use conns_core::query::nearest;
use serde_json::value::RawValue;

use super::calls;
use super::control::Backend;
use super::fault::Fault;
use super::forward::Forwarder;
use super::list::LatestList;
use super::options::Options;
use super::params::{AfterLimit, ConnectionId, Nothing, read};
use super::requests::Requests;
use super::server::ServerInformation;
use crate::shell::BodyChunks;

/// The methods as JetStream's console has them. Those with `send.` have also a name without it.
pub const METHODS: [&str; 29] = [
    "getServerInfo",
    "getRequestStatus",
    "getRequestResult",
    "updateBandwidthLimits",
    "send.getConnection",
    "send.getConnections",
    "send.getDestination",
    "send.getDestinations",
    "send.createDestination",
    "send.deleteDestination",
    "send.setSendRate",
    "send.setSendRateAsync",
    "send.getManifest",
    "send.getManifests",
    "send.getManifestFiles",
    "send.createManifest",
    "send.deleteManifest",
    "send.getTransfer",
    "send.getTransfers",
    "send.createTransfer",
    "send.suspendTransfer",
    "send.resumeTransfer",
    "send.cancelTransfer",
    "send.failTransfer",
    "send.deleteTransfer",
    "recv.getSources",
    "recv.getSourcesAsync",
    "recv.getTransfers",
    "recv.getTransfersAsync",
];

/// Longest name repeated in an error, bytes.
const MAX_REPEATED_NAME: usize = 64;

/// All names of all methods.
pub fn method_names() -> impl Iterator<Item = &'static str> {
    METHODS.into_iter().flat_map(|name| [Some(name), name.strip_prefix("send.")]).flatten()
}

/// Whether a method has this name.
#[must_use]
pub fn is_method(name: &str) -> bool {
    full_name(name).is_some()
}

/// The name of a method in [`METHODS`].
fn full_name(name: &str) -> Option<&'static str> {
    METHODS.into_iter().find(|full| *full == name || full.strip_prefix("send.") == Some(name))
}

/// Whether a method of this full name changes something.
fn changes(name: &str) -> bool {
    !name.rsplit('.').next().is_some_and(|bare| bare.starts_with("get"))
}

/// What the methods read.
pub(super) struct Context<'a> {
    pub(super) options: &'a Options,
    pub(super) read_only: bool,
    pub(super) list: &'a LatestList,
    pub(super) requests: &'a Requests,
    pub(super) forwarder: &'a Forwarder,
    pub(super) update: &'a Update,
}

/// The result of a call, in chunks.
pub(super) fn call(
    context: &Context<'_>,
    method: &str,
    params: Option<&RawValue>,
) -> Result<BodyChunks, Fault> {
    let name = full_name(method).ok_or_else(|| Fault::MethodNotFound(unknown(method)))?;
    match (name, &context.options.backend) {
        ("getServerInfo", _) => server_information(context, params),
        ("send.getConnection", _) => connection(context, params),
        ("send.getConnections", _) => connections(context, params),
        (_, Backend::None) => Err(Fault::NoService),
        _ if context.read_only && changes(name) => Err(Fault::Refused(format!(
            "{name} changes something, and without a token only methods that change nothing are served; \
             configure one (`conns token`), and send it with the request to /jetstream"
        ))),
        (_, Backend::Forward(to)) => context.forwarder.call(&**to, name, params),
        (_, Backend::Control(control)) => calls::call(&**control, context.requests, name, params)
            .unwrap_or_else(|| Err(Fault::MethodNotFound(unknown(method)))),
    }
}

fn server_information(
    context: &Context<'_>,
    params: Option<&RawValue>,
) -> Result<BodyChunks, Fault> {
    let Nothing {} = read(params)?;
    let facts = match &context.options.backend {
        Backend::None => None,
        Backend::Control(control) => Some(control.server()?),
        Backend::Forward(to) => context.forwarder.server(&**to),
    };
    calls::json(&ServerInformation::new(context.options, context.update, facts))
}

fn connection(context: &Context<'_>, params: Option<&RawValue>) -> Result<BodyChunks, Fault> {
    let ConnectionId { connection_id } = read(params)?;
    let transfers = &context.update.transfers;
    let place = transfers.binary_search_by(|c| id(c).cmp(&connection_id));
    let row = place
        .ok()
        .and_then(|at| context.list.read(transfers, |list| list.rows(at..at.saturating_add(1))));
    Ok(vec![row.ok_or(Fault::ConnectionNotFound(connection_id))?])
}

fn connections(context: &Context<'_>, params: Option<&RawValue>) -> Result<BodyChunks, Fault> {
    let AfterLimit { after, limit } = read(params)?;
    let transfers = &context.update.transfers;
    let first =
        after.map_or(0, |after| transfers.partition_point(|transfer| *id(transfer) <= *after));
    let limit = limit.map_or(usize::MAX, NonZeroUsize::get);
    let rows = context
        .list
        .read(transfers, |list| list.rows(first..first.saturating_add(limit).min(list.len())));
    let (open, close) = (Bytes::from_static(b"["), Bytes::from_static(b"]"));
    Ok([Some(open), rows, Some(close)].into_iter().flatten().collect())
}

fn id(transfer: &Transfer) -> &str {
    &transfer.connection_id
}

fn unknown(method: &str) -> String {
    if method.len() <= MAX_REPEATED_NAME
        && let Some(nearest) = nearest(method, method_names())
    {
        return format!("no method `{method}`; did you mean `{nearest}`?");
    }
    let known = METHODS.join(" ");
    if method.len() > MAX_REPEATED_NAME {
        return format!("known are {known}");
    }
    format!("no method `{method}`; known are {known}")
}
