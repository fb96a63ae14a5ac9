//! Each structure against its table in the documentation, and against the fields of JetStream's pages.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::values::{
    bare_destination, bare_file, bare_manifest, bare_received, bare_receiver, bare_source,
    bare_transfer, full_destination, full_file, full_limits, full_manifest, full_received,
    full_receiver, full_source, full_transfer,
};
use crate::{OURS, fields_of_the_page, keys};

/// The fields of JetStream's pages (read in releases 2.5.1 to 2.9.4), and of the examples on them. The pages of the
/// destination and the transfer could be read in part.
const OF_JETSTREAM: &[(&str, &[&str])] = &[
    (
        "Destination",
        &[
            "destinationAddress",
            "destinationId",
            "owner",
            "ownerToken",
            "permittedDestinationPublicKey",
        ],
    ),
    (
        "Manifest",
        &[
            "errorMessage",
            "manifestId",
            "owner",
            "ownerToken",
            "ownerTokenSession",
            "processing",
            "status",
            "totalFiles",
            "totalSize",
            "userData",
        ],
    ),
    (
        "Manifest Files",
        &["destPath", "executable", "fileSize", "isEmptyDir", "modificationTime", "srcPath"],
    ),
    (
        "Transfer",
        &[
            "blockSize",
            "blocksAcked",
            "blocksRetransmitted",
            "blocksSent",
            "bytesRecv",
            "bytesSent",
            "checkpointFrequencySeconds",
            "destinationId",
            "destinationPath",
            "endTime",
            "errorMessage",
            "manifestId",
            "owner",
            "ownerToken",
            "ownerTokenSession",
            "packetsRecv",
            "packetsSent",
            "priority",
            "processing",
            "queueTime",
            "requestTime",
            "snapshotTime",
            "startTime",
            "status",
            "totalBlocks",
            "totalBytes",
            "transferId",
        ],
    ),
    (
        "Source",
        &[
            "activeTransferCount",
            "aveRecvRate",
            "aveRecvRateWindow",
            "completeTransferCount",
            "destinationPublicKey",
            "encryptedConnectionState",
            "encryptionEnabled",
            "errorTransferCount",
            "inactiveTransferCount",
            "sourceIP",
            "sourcePort",
        ],
    ),
    (
        "Receive Transfer",
        &[
            "destinationPath",
            "lastErrorTime",
            "lastRecvTime",
            "lastSendTime",
            "sourceIP",
            "sourcePort",
            "status",
            "totalSize",
            "transferId",
        ],
    ),
    ("Request", &["errorMessage", "processing", "requestId", "status"]),
];

/// A row of a table: field, type, whether it may be null, whether it is JetStream's.
struct Row<'a> {
    field: &'a str,
    ty: &'a str,
    null: bool,
    origin: &'a str,
}

fn table(structure: &str) -> Vec<Row<'static>> {
    let (_, text) = OURS.split_once(&format!("\n### {structure}\n")).expect(structure);
    let text = text.split("\n### ").next().and_then(|text| text.split("\n## ").next());
    let lines = text.expect(structure).lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let null = cells[3] == "yes";
            assert!(null || cells[3] == "no", "{line}");
            Row { field: cells[1].trim_matches('`'), ty: cells[2], null, origin: cells[4] }
        })
        .collect()
}

/// Whether the records have exactly these fields with these types and nulls, and are read as they were written.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    rows: &[Row<'_>],
    (full, bare): (&T, &T),
) {
    for record in [full, bare] {
        let json = serde_json::to_string(record).expect("JSON");
        assert_eq!(&serde_json::from_str::<T>(&json).expect("a record"), record);
    }
    let json = |record: &T| serde_json::to_value(record).expect("JSON");
    let (full, bare) = (json(full), json(bare));
    for row in rows {
        let (Row { field, ty, .. }, value) = (row, &full[row.field]);
        assert_eq!(bare[field].is_null(), row.null, "{field}");
        let fits = match *ty {
            "string" | "IP" | "enum" => value.is_string(),
            "int" | "port" | "time" => value.is_i64(),
            "number" => value.is_f64(),
            "bool" => value.is_boolean(),
            "null" => value.is_null(),
            other => unreachable!("{field}: a type {other}"),
        };
        assert!(fits, "{field} of type {ty} is {value}");
    }
    let documented: BTreeSet<&str> = rows.iter().map(|row| row.field).collect();
    for record in [&full, &bare] {
        assert_eq!(keys(record).into_iter().collect::<BTreeSet<_>>(), documented);
    }
}

fn check_table<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(
    structure: &str,
    records: (&T, &T),
) {
    check(&table(structure), records);
}

#[test]
fn each_structure_has_the_documented_fields() {
    check_table("Manifest", (&full_manifest(), &bare_manifest()));
    check_table("Manifest Files", (&full_file(), &bare_file()));
    check_table("Transfer", (&full_transfer(), &bare_transfer()));
    check_table("Source", (&full_source(), &bare_source()));
    check_table("Receive Transfer", (&full_received(), &bare_received()));
    check_table("Receiver", (&full_receiver(), &bare_receiver()));
    check_table("Bandwidth limits", (&full_limits(), &Default::default()));
}

/// A destination has the fields of a connection too.
#[test]
fn a_destination_has_the_documented_fields() {
    let mut rows = table("Destination");
    let (_, connection) = OURS.split_once("\n## The Connection structure\n").expect("a section");
    for line in connection.split("\n## ").next().expect("its text").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let Some(field) = cells.get(1).and_then(|cell| cell.strip_prefix('`')) else { continue };
        let field = field.trim_end_matches('`');
        let null = match field {
            "connectionId" | "destinationIP" => true,
            "destinationPublicKey" => false,
            _ => cells[3] == "yes",
        };
        rows.push(Row { field, ty: cells[2], null, origin: "yes" });
    }
    assert_eq!(rows.len(), 8 + 28);
    check(&rows, (&full_destination(), &bare_destination()));
    let json = serde_json::to_value(full_destination()).expect("JSON");
    let connection = crate::sample::record(crate::sample::full("c0"));
    let connection: Value = serde_json::from_str(&connection).expect("JSON");
    for field in fields_of_the_page() {
        let configured = ["destinationPublicKey", "rateControlMethod"].contains(&field);
        assert!(configured || json[field] == connection[field], "{field}");
    }
}

/// The tables state which fields are JetStream's, and no field of its pages is missing.
#[test]
fn the_fields_of_jetstream_are_there() {
    for (structure, fields) in OF_JETSTREAM {
        let rows = table(structure);
        let theirs: BTreeSet<&str> = rows
            .iter()
            .filter(|row| ["yes", "example"].contains(&row.origin))
            .map(|row| row.field)
            .collect();
        assert_eq!(theirs, fields.iter().copied().collect(), "{structure}");
        let sorted = rows.windows(2).all(|two| two[0].field < two[1].field);
        assert!(sorted || *structure == "Transfer", "{structure}");
    }
}
