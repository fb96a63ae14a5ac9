//! `conns link queue`, `pause`, `resume` and `cancel`.

use conns_core::human;
use conns_transfer::record::{Destination, TransferRecord, TransferStatus};
use serde_json::{Value, json};

use super::client::Client;
use super::no_answer;
use super::progress::message;
use super::stored::for_each_server;
use crate::failure::Failure;
use crate::flags::link::{ChangeFlags, QueueFlags};

pub(super) fn run(flags: &QueueFlags) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut all = Vec::new();
    for_each_server(flags.key.key.as_deref(), |client| {
        let mut records: Vec<TransferRecord> = client.call("send.getTransfers", &json!({}))?;
        records.retain(|record| flags.all || record.processing);
        // In the order of the queue: the running ones first.
        records.sort_by_key(|record| {
            let is_running = record.status == TransferStatus::InProgress;
            (!is_running, record.priority, record.requested_wall_us)
        });
        for record in records {
            if !flags.json {
                let parameters = json!({ "destinationId": record.destination_id });
                let destination: Destination = client.call("send.getDestination", &parameters)?;
                lines.push(line(&record, &destination));
            }
            all.push(record);
        }
        Ok(())
    })?;
    if flags.json {
        let text = serde_json::to_string(&all).map_err(no_answer)?;
        return crate::terminal::write(format!("{text}\n").as_bytes());
    }
    if lines.is_empty() {
        lines.push("no transfer is queued".to_owned());
    }
    crate::terminal::write(format!("{}\n", lines.join("\n")).as_bytes())
}

fn line(record: &TransferRecord, destination: &Destination) -> String {
    let TransferRecord { transfer_id, priority, .. } = record;
    let address = &destination.destination_address;
    let state = match record.status {
        TransferStatus::Pending => "pending",
        TransferStatus::InProgress => "running",
        TransferStatus::Suspended => "paused",
        TransferStatus::Retrying => "retrying",
        TransferStatus::Complete => "done",
        TransferStatus::Cancelled => "cancelled",
        TransferStatus::Error => "failed",
    };
    let detail = if record.processing {
        message(record, destination)
    } else {
        let bytes = human::bytes(record.total_bytes.unwrap_or(0));
        [Some(bytes), record.error_message.clone()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    };
    format!("{transfer_id}  {state:<9}  priority {priority}  to {address}  {detail}")
}

/// Changes a transfer by a method that takes its id.
pub(super) fn change(flags: &ChangeFlags, method: &str) -> Result<(), Failure> {
    if Client::all(flags.key.key.as_deref())?.len() > 1 {
        return Err(Failure::Usage(
            "several link servers run here, and each counts its transfers; name one with --key"
                .to_owned(),
        ));
    }
    for_each_server(flags.key.key.as_deref(), |client| {
        let parameters = json!({ "transferId": flags.transfer });
        let _: Value = client.call(method, &parameters)?;
        Ok(())
    })
}
