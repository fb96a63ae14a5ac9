//! The columns, each declared once. Those of `GetConnections` have 1E's names, types and order; those
//! of `GetListeningEndpoints` are ours by analogy, since no page of it is available.

use std::net::IpAddr;

use conns_core::model::Protocol;

use super::table::{Cell, Column, ColumnType};

/// The columns of `Network.GetConnections`, in the order of 1E's page.
pub(super) static CONNECTIONS: [Column; 9] = [
    CLASS,
    LATENCY_MS,
    LOCAL_ADDRESS,
    LOCAL_PORT,
    PACKET_LOSS_PERCENT,
    PROCESS_ID,
    PROCESS_NAME,
    REMOTE_ADDRESS,
    REMOTE_PORT,
];

/// The columns of `Network.GetListeningEndpoints`.
pub(super) static LISTENING_ENDPOINTS: [Column; 6] =
    [CLASS, PROTOCOL, LOCAL_ADDRESS, LOCAL_PORT, PROCESS_ID, PROCESS_NAME];

const CLASS: Column = Column {
    name: "Class",
    ty: ColumnType::String,
    nullable: false,
    meaning: "IPv4 or IPv6: the family on the wire, that of LocalAddress.",
    read: |row| Cell::Text(row.class.name().into()),
};

const PROTOCOL: Column = Column {
    name: "Protocol",
    ty: ColumnType::String,
    nullable: false,
    meaning: "TCP or UDP.",
    read: |row| {
        Cell::Text(match row.protocol {
            Protocol::Tcp | Protocol::Mptcp => "TCP".into(),
            Protocol::Udp => "UDP".into(),
            other => other.name().into(),
        })
    },
};

const LOCAL_ADDRESS: Column = Column {
    name: "LocalAddress",
    ty: ColumnType::String,
    nullable: false,
    meaning: "The IP address on this host; 0.0.0.0 or :: is any.",
    read: |row| address(row.local.address),
};

const LOCAL_PORT: Column = Column {
    name: "LocalPort",
    ty: ColumnType::Int,
    nullable: false,
    meaning: "The port on this host.",
    read: |row| Cell::Int(row.local.port.into()),
};

const REMOTE_ADDRESS: Column = Column {
    name: "RemoteAddress",
    ty: ColumnType::String,
    nullable: true,
    meaning: "The IP address on the remote host.",
    read: |row| row.remote.map_or(Cell::Null, |end| address(end.address)),
};

const REMOTE_PORT: Column = Column {
    name: "RemotePort",
    ty: ColumnType::Int,
    nullable: true,
    meaning: "The port on the remote host.",
    read: |row| int(row.remote.map(|end| end.port)),
};

const LATENCY_MS: Column = Column {
    name: "LatencyMs",
    ty: ColumnType::Int,
    nullable: true,
    meaning: "Smoothed round trip time (RFC 6298) in milliseconds, rounded; null if not measured.",
    read: |row| int(row.latency_ms),
};

const PACKET_LOSS_PERCENT: Column = Column {
    name: "PacketLossPercent",
    ty: ColumnType::Int,
    nullable: true,
    meaning: "Data segments lost of those sent over the connection's lifetime, in percent, rounded; \
              null if none was sent or the kernel does not count them.",
    read: |row| int(row.loss_percent),
};

const PROCESS_ID: Column = Column {
    name: "ProcessId",
    ty: ColumnType::Int,
    nullable: true,
    meaning: "The PID of a process that owns the socket, one row each; null if unknown.",
    read: |row| int(row.process.as_ref().map(|process| process.pid)),
};

const PROCESS_NAME: Column = Column {
    name: "ProcessName",
    ty: ColumnType::String,
    nullable: true,
    meaning: "The name of that process; null if unknown.",
    read: |row| match &row.process {
        Some(process) => Cell::Text((&*process.name).into()),
        None => Cell::Null,
    },
};

fn address<'a>(address: IpAddr) -> Cell<'a> {
    Cell::Text(address.to_string().into())
}

fn int<'a>(number: Option<impl Into<i64>>) -> Cell<'a> {
    number.map_or(Cell::Null, |number| Cell::Int(number.into()))
}
