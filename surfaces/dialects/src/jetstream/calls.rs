//! The methods that a transfer service in this process answers.

use bytes::Bytes;
use conns_transfer::record::{
    LimitsChange, ManifestFiles, NewDestination, NewManifest, NewTransfer, ParameterError,
    RateChange,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::control::{Control, Page, TransferChange};
use super::fault::Fault;
use super::params::{
    AfterLimit, DestinationId, FailTransfer, FilesOf, ManifestId, Nothing, RequestId, TransferId,
    read,
};
use super::requests::Requests;
use crate::shell::BodyChunks;

/// Records of an answer at most: some 20 to 100 MB.
const MAX_RECORDS: usize = 100_000;
/// Bytes of the message of a failed transfer.
const MAX_ERROR_MESSAGE_BYTES: usize = 1024;

/// The result of a method by its full name; `None` if no transfer service has it.
pub(super) fn call(
    control: &dyn Control,
    requests: &Requests,
    method: &str,
    params: Option<&RawValue>,
) -> Option<Result<BodyChunks, Fault>> {
    if let Some(synchronous) = method.strip_suffix("Async") {
        return match run(control, synchronous, params)? {
            // Parameters that cannot be read are no request yet.
            Err(Fault::InvalidParams(reason)) => Some(Err(Fault::InvalidParams(reason))),
            outcome => Some(json(&Request { request_id: requests.keep(outcome) })),
        };
    }
    match method {
        "getRequestStatus" => Some(
            read(params).and_then(|RequestId { request_id }| json(&requests.status(request_id)?)),
        ),
        "getRequestResult" => Some(read(params).and_then(|RequestId { request_id }| {
            requests.outcome(request_id)?.map(|result| vec![result])
        })),
        _ => run(control, method, params),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    request_id: u64,
}

fn run(
    control: &dyn Control,
    method: &str,
    params: Option<&RawValue>,
) -> Option<Result<BodyChunks, Fault>> {
    Some(match method {
        "updateBandwidthLimits" => update_bandwidth_limits(control, params),
        "send.getDestinations" => {
            read(params).and_then(|Nothing {}| json(&control.destinations()?))
        }
        "send.getDestination" => read(params)
            .and_then(|DestinationId { destination_id: id }| json(&control.destination(&id)?)),
        "send.createDestination" => create_destination(control, params),
        "send.deleteDestination" => {
            read(params).and_then(|DestinationId { destination_id: id }| {
                json(&control.delete_destination(&id)?)
            })
        }
        "send.setSendRate" => set_send_rate(control, params),
        "send.getManifests" => page(params, |page| Ok(control.manifests(page)?)),
        "send.getManifest" => {
            read(params).and_then(|ManifestId { manifest_id: id }| json(&control.manifest(&id)?))
        }
        "send.createManifest" => read(params)
            .and_then(|parameters: NewManifest| json(&control.create_manifest(parameters)?)),
        "send.deleteManifest" => read(params)
            .and_then(|ManifestId { manifest_id: id }| json(&control.delete_manifest(&id)?)),
        "send.getManifestFiles" => manifest_files(control, params),
        "send.getTransfers" => page(params, |page| Ok(control.transfers(page)?)),
        "send.getTransfer" => {
            read(params).and_then(|TransferId { transfer_id: id }| json(&control.transfer(&id)?))
        }
        "send.createTransfer" => read(params)
            .and_then(|parameters: NewTransfer| json(&control.create_transfer(parameters)?)),
        "send.deleteTransfer" => read(params)
            .and_then(|TransferId { transfer_id: id }| json(&control.delete_transfer(&id)?)),
        "send.failTransfer" => fail_transfer(control, params),
        "send.suspendTransfer" => change(control, params, TransferChange::Suspend),
        "send.resumeTransfer" => change(control, params, TransferChange::Resume),
        "send.cancelTransfer" => change(control, params, TransferChange::Cancel),
        "recv.getSources" => read(params).and_then(|Nothing {}| json(&control.sources()?)),
        "recv.getTransfers" => {
            read(params).and_then(|Nothing {}| json(&control.received_transfers()?))
        }
        _ => return None,
    })
}

fn update_bandwidth_limits(
    control: &dyn Control,
    params: Option<&RawValue>,
) -> Result<BodyChunks, Fault> {
    let change: LimitsChange = read(params)?;
    if change == LimitsChange::default() {
        let reason = "no limit is given: expected incomingRateLimit or outgoingRateLimit";
        return Err(Fault::InvalidParams(reason.to_owned()));
    }
    json(&control.update_bandwidth_limits(change)?)
}

fn create_destination(
    control: &dyn Control,
    params: Option<&RawValue>,
) -> Result<BodyChunks, Fault> {
    let parameters: NewDestination = read(params)?;
    parameters.check().map_err(refused)?;
    json(&control.create_destination(parameters)?)
}

fn set_send_rate(control: &dyn Control, params: Option<&RawValue>) -> Result<BodyChunks, Fault> {
    let change: RateChange = read(params)?;
    change.check().map_err(refused)?;
    json(&control.set_send_rate(change)?)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: ParameterError) -> Fault {
    Fault::InvalidParams(error.to_string())
}

fn change(
    control: &dyn Control,
    params: Option<&RawValue>,
    change: TransferChange,
) -> Result<BodyChunks, Fault> {
    let TransferId { transfer_id } = read(params)?;
    json(&control.change_transfer(&transfer_id, change)?)
}

fn fail_transfer(control: &dyn Control, params: Option<&RawValue>) -> Result<BodyChunks, Fault> {
    let FailTransfer { transfer_id, error_message } = read(params)?;
    let bytes = error_message.len();
    if bytes == 0 || bytes > MAX_ERROR_MESSAGE_BYTES {
        return Err(Fault::InvalidParams(format!(
            "errorMessage has {bytes} bytes, expected 1 to {MAX_ERROR_MESSAGE_BYTES}"
        )));
    }
    json(&control.change_transfer(&transfer_id, TransferChange::Fail(error_message))?)
}

fn manifest_files(control: &dyn Control, params: Option<&RawValue>) -> Result<BodyChunks, Fault> {
    let FilesOf { manifest_id, first, limit } = read(params)?;
    let most = MAX_RECORDS as u64 + 1;
    let limit = limit.map_or(most, |limit| limit.get().min(most));
    let positions = first..first.saturating_add(limit);
    let file_mappings = bounded(control.manifest_files(&manifest_id, positions)?, "first")?;
    json(&ManifestFiles { file_mappings, manifest_id })
}

/// A list by pages.
fn page<T: Serialize>(
    params: Option<&RawValue>,
    list: impl FnOnce(&Page) -> Result<Vec<T>, Fault>,
) -> Result<BodyChunks, Fault> {
    let AfterLimit { after, limit } = read(params)?;
    let most = MAX_RECORDS + 1;
    let limit = limit.map_or(most, |limit| limit.get().min(most));
    json(&bounded(list(&Page { after, limit: Some(limit) })?, "after")?)
}

/// The records, unless they are too many for an answer.
fn bounded<T>(records: Vec<T>, position: &str) -> Result<Vec<T>, Fault> {
    if records.len() > MAX_RECORDS {
        return Err(Fault::Refused(format!(
            "more than {MAX_RECORDS} records; read pages with {position} and limit"
        )));
    }
    Ok(records)
}

/// The JSON of a result.
pub(super) fn json<T: Serialize>(result: &T) -> Result<BodyChunks, Fault> {
    let written = serde_json::to_vec(result);
    Ok(vec![Bytes::from(written.map_err(|error| Fault::Internal(error.to_string()))?)])
}
