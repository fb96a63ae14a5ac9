//! Parameters of the methods, by name or by position.

use std::num::{NonZeroU64, NonZeroUsize};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fault::Fault;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "no parameters")]
pub(super) struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "the parameter connectionId")]
pub(super) struct ConnectionId {
    pub(super) connection_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "the parameter destinationId")]
pub(super) struct DestinationId {
    pub(super) destination_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "the parameter manifestId")]
pub(super) struct ManifestId {
    pub(super) manifest_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "the parameter transferId")]
pub(super) struct TransferId {
    pub(super) transfer_id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", expecting = "the parameter requestId")]
pub(super) struct RequestId {
    pub(super) request_id: u64,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "the parameters transferId and errorMessage"
)]
pub(super) struct FailTransfer {
    pub(super) transfer_id: String,
    pub(super) error_message: String,
}

/// A page by ids.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default, expecting = "the parameters after and limit")]
pub(super) struct AfterLimit {
    pub(super) after: Option<String>,
    pub(super) limit: Option<NonZeroUsize>,
}

/// A page of the files of a manifest, by positions.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    expecting = "the parameters manifestId, first and limit"
)]
pub(super) struct FilesOf {
    pub(super) manifest_id: String,
    #[serde(default)]
    pub(super) first: u64,
    #[serde(default)]
    pub(super) limit: Option<NonZeroU64>,
}

/// The parameters, by name or by position; absent ones are an empty object.
pub(super) fn read<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, Fault> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| Fault::InvalidParams(error.to_string()))
}
