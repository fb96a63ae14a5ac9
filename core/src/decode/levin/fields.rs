//! The fields of the protocol, and their values as one of the nodes has them.

use std::sync::Arc;

use crate::decode::{Side, field};
use crate::model::{
    FieldSpec, Kind, Known, ListColumn, ListSpec, Moment, Record, Scalar, Source, Unknown, Words,
};

use super::facts::NodeData;
use super::header::COMMANDS;
use super::session::Session;

/// A field of the protocol.
macro_rules! field {
    ($name:literal, $kind:expr, $meaning:literal, $origin:literal) => {
        field(concat!("levin.", $name), $kind, $meaning, concat!("Levin: ", $origin))
    };
}

static MESSAGES: ListSpec = ListSpec {
    item: "LevinMessages",
    meaning: "Messages of one command on a connection between Monero nodes.",
    columns: &[
        ListColumn { key: "command", kind: Kind::Text, meaning: "The command.", always: true },
        ListColumn {
            key: "number",
            kind: Kind::Count,
            meaning: "Its number; null for all unknown ones together.",
            always: false,
        },
        ListColumn { key: "sent", kind: Kind::Count, meaning: "How many were sent.", always: true },
        ListColumn {
            key: "received",
            kind: Kind::Count,
            meaning: "How many were received.",
            always: true,
        },
    ],
    compare_instead: "levin.messages_sent, levin.messages_received",
    shows_records: false,
};

/// In the order of [`values`].
pub(super) static FIELDS: &[FieldSpec] = &[
    field!(
        "peer_id",
        Kind::Text,
        "Id of the node at the other end, 16 hexadecimal digits.",
        "node_data of its handshake, or its answer to a ping"
    ),
    field!(
        "height",
        Kind::Count,
        "Blocks of the peer's chain as it claims, about once a minute; unverified.",
        "sync data, chain and objects it sent"
    ),
    field!(
        "top_version",
        Kind::Count,
        "Hard fork version of the peer's last block as it claims.",
        "sync data it sent"
    ),
    field!(
        "pruning_seed",
        Kind::Count,
        "Which part of old blocks the peer keeps; 0 is all.",
        "sync data it sent"
    ),
    field!(
        "rpc_port",
        Kind::Port,
        "RPC port that the peer announces; 0 is none.",
        "node_data of its handshake"
    ),
    field!(
        "rpc_credits_per_hash",
        Kind::Count,
        "What the peer pays for with RPC credits; 0 is nothing.",
        "node_data of its handshake"
    ),
    field!(
        "support_flags",
        Kind::Count,
        "Features of the peer; 1 is fluffy blocks.",
        "node_data of its handshake, or its answer for support flags"
    ),
    field!(
        "state",
        Kind::Text,
        "How far this node is with the peer, inferred from the messages of both.",
        "rules of the node's protocol handler"
    )
    .words(Words::List(&["before_handshake", "synchronizing", "normal"])),
    field!("handshake", Kind::Time, "When the handshake was answered.", "answer to the handshake"),
    field!(
        "node_port",
        Kind::Port,
        "P2P port that this node announces; 0 is none.",
        "node_data of its handshake"
    ),
    field!(
        "peer_port",
        Kind::Port,
        "P2P port that the peer announces; 0 is none.",
        "node_data of its handshake"
    ),
    field!(
        "own_height",
        Kind::Count,
        "Blocks of this node's chain, as it claims and fetched.",
        "sync data it sent, blocks it sent and received"
    ),
    field!(
        "network",
        Kind::Text,
        "Network of the peer: mainnet, testnet, stagenet, or its id.",
        "node_data of its handshake"
    ),
    field!("messages_sent", Kind::Count, "Messages this node sent.", "complete messages"),
    field!("messages_received", Kind::Count, "Messages this node received.", "complete messages"),
    field!("messages", Kind::List(&MESSAGES), "Messages by command.", "complete messages"),
    field!(
        "bytes_read",
        Kind::Bytes,
        "Payload that the node has read.",
        "reads of its process, sock_recv_length"
    ),
    field!(
        "bytes_written",
        Kind::Bytes,
        "Payload that the node has written.",
        "writes of its process, sock_send_length"
    ),
    field!(
        "last_read",
        Kind::Time,
        "When the node read payload last.",
        "reads of its process, sock_recv_length"
    ),
    field!(
        "last_written",
        Kind::Time,
        "When the node wrote payload last.",
        "writes of its process, sock_send_length"
    ),
    field!(
        "read_rate",
        Kind::BytesPerSecond,
        "What the node read in nine slots of a second, as of its last read.",
        "reads of its process, network_throttle of the node"
    ),
    field!(
        "write_rate",
        Kind::BytesPerSecond,
        "What the node wrote in nine slots of a second, as of its last write.",
        "writes of its process, network_throttle of the node"
    ),
    field!(
        "refused",
        Kind::Count,
        "Headers and bodies of both ends that a node refuses.",
        "headers out of bounds, malformed storages"
    ),
];

/// The network ids (`cryptonote_config.h`) differ in the last byte.
const NETWORK_ID: [u8; 15] =
    [0x12, 0x30, 0xf1, 0x71, 0x61, 0x04, 0x41, 0x61, 0x17, 0x31, 0x00, 0x82, 0x16, 0xa1, 0xa1];

/// The values as the node that sends `own` has them.
pub(super) fn values(session: &Session, own: Side, now: Moment) -> Box<[Known<Scalar>]> {
    let view = session.views.of(own);
    let other = session.views.of(own.other());
    // What comes with the handshake is missed by who begins later.
    let missing =
        if session.is_from_start { Unknown::NothingMeasured } else { Unknown::BeganBefore };
    let of_handshake = |value: Option<Scalar>| Known::from_option(value, Source::Wire, missing);
    let of_sync =
        |value: Option<Scalar>| Known::from_option(value, Source::Wire, Unknown::NothingMeasured);
    let of_peer = |read: fn(&NodeData) -> Scalar| of_handshake(view.peer.as_ref().map(read));
    let peer_id = view.peer.map(|peer| peer.peer_id).or(view.peer_id);
    // Asked for separately if the handshake has none.
    let flags = view.peer.map(|peer| peer.support_flags).filter(|flags| *flags != 0);
    let flags = flags.or(view.support_flags).or(view.peer.map(|peer| peer.support_flags));
    let state = view.state(now).map(|state| Scalar::Text(state.name().into()));
    let total = |side| session.messages.of(side).iter().sum();
    let known = |scalar| Known::Value(scalar, Source::Wire);
    // Reads and writes of the other end are not visible.
    let traffic = (own == Side::Sent).then_some(&session.traffic);
    let moved = |side| traffic.and_then(|traffic| traffic.moved(side));
    let not_seen =
        if traffic.is_some() { Unknown::NothingMeasured } else { Unknown::SourceDoesNotReport };
    let of_process = |value| Known::from_option(value, Source::Ebpf, not_seen);
    let bytes = |side| of_process(moved(side).map(|moved| Scalar::Bytes(moved.bytes)));
    let last = |side| of_process(moved(side).map(|moved| Scalar::Time(moved.last.wall_us)));
    let rate = |side| {
        let rate = traffic.and_then(|traffic| traffic.rate(side));
        of_process(rate.map(Scalar::BytesPerSecond))
    };
    Box::new([
        of_handshake(peer_id.map(|id| Scalar::Text(format!("{id:016x}").into()))),
        of_sync(view.height.map(Scalar::Count)),
        of_sync(view.sync.map(|sync| Scalar::Count(sync.top_version))),
        of_sync(view.sync.map(|sync| Scalar::Count(sync.pruning_seed))),
        of_peer(|peer| port(peer.rpc_port)),
        of_peer(|peer| Scalar::Count(peer.rpc_credits_per_hash)),
        of_handshake(flags.map(Scalar::Count)),
        match state {
            Some(state) => Known::Value(state, Source::Derived),
            None => Known::Unknown(Unknown::BeganBefore),
        },
        of_handshake(session.handshake_at.map(|at| Scalar::Time(at.wall_us))),
        of_handshake(other.peer.map(|own| port(own.port))),
        of_peer(|peer| port(peer.port)),
        match view.own_height {
            Some(height) => Known::Value(Scalar::Count(height), Source::Derived),
            None => Known::Unknown(Unknown::NothingMeasured),
        },
        of_peer(|peer| Scalar::Text(network(&peer.network_id))),
        known(Scalar::Count(total(own))),
        known(Scalar::Count(total(own.other()))),
        known(Scalar::List(messages(session, own))),
        bytes(Side::Received),
        bytes(Side::Sent),
        last(Side::Received),
        last(Side::Sent),
        rate(Side::Received),
        rate(Side::Sent),
        known(Scalar::Count(session.frames.sent.refused + session.frames.received.refused)),
    ])
}

/// A port; the wire has 32 bits for it, and what does not fit is none.
fn port(number: u64) -> Scalar {
    Scalar::Port(u16::try_from(number).unwrap_or(0))
}

fn network(id: &[u8; 16]) -> Arc<str> {
    let [first @ .., last] = id;
    match (*first == NETWORK_ID, last) {
        (true, 0x10) => "mainnet".into(),
        (true, 0x11) => "testnet".into(),
        (true, 0x12) => "stagenet".into(),
        _ => id.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into(),
    }
}

fn messages(session: &Session, own: Side) -> Arc<[Record]> {
    let known = |scalar| Known::Value(scalar, Source::Wire);
    let names = COMMANDS.iter().map(|command| (command.name, Some(command.number)));
    let counts = session.messages.of(own).iter().zip(session.messages.of(own.other()));
    let records = names.chain([("unknown", None)]).zip(counts);
    let seen = records.filter(|(_, (sent, received))| **sent + **received > 0);
    seen.map(|((name, number), (sent, received))| Record {
        values: Box::new([
            known(Scalar::Text(name.into())),
            number.map_or(Known::NotApplicable, |number| known(Scalar::Count(number.into()))),
            known(Scalar::Count(*sent)),
            known(Scalar::Count(*received)),
        ]),
    })
    .collect()
}
