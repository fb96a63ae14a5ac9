//! The counters over several updates.

use std::sync::Arc;

use conns_core::model::{Connection, Protocol, State, Update};
use conns_dialects::ems::Server;
use conns_dialects::{LineDialect, ResponseCache};
use serde_json::{Value, json};

use crate::sample::{
    cache, owned_by, reply, server, socket, stream, update, with_closed, with_rates,
};

fn counters(server: &Server, update: &Update) -> Value {
    let cache = ResponseCache::new(Arc::new(update.clone()));
    let answer = reply(&server.json_cli(), "getExtendedConnectionCounters", &cache).0;
    let value: Value = serde_json::from_str(&answer).expect("JSON");
    value["data"].clone()
}

fn note(server: &Server, update: &Update) {
    server.json_cli().on_update(update);
}

/// Current, most and all of a group.
fn counts(counters: &Value, group: &str) -> [u64; 3] {
    let group = &counters["origin"][group];
    ["current", "max", "total"].map(|key| group[key].as_u64().expect("a count"))
}

/// Bytes in and out of a group.
fn bytes(counters: &Value, group: &str) -> [u64; 2] {
    let group = &counters["origin"][group];
    ["inBytes", "outBytes"].map(|key| group[key].as_u64().expect("bytes"))
}

fn player(serial: u64, bytes: (u64, u64)) -> Connection {
    stream(serial, "192.0.2.1:1935", &format!("198.51.100.7:{}", 1000 + serial), bytes)
}

fn listener() -> Connection {
    socket(1, Protocol::Tcp, State::Listen, "0.0.0.0:1935", None)
}

fn connector(serial: u64, state: State) -> Connection {
    socket(serial, Protocol::Tcp, state, "192.0.2.1:40000", Some("198.51.100.9:1935"))
}

#[test]
fn each_socket_is_counted_by_its_role() {
    let update = update(
        1,
        vec![
            listener(),
            player(2, (10, 20)),
            with_rates(player(3, (1, 2)), 4.5, 8.25),
            connector(4, State::SynSent),
            socket(5, Protocol::Udp, State::Close, "0.0.0.0:9999", None),
            // None of these: not accepted yet, closed, MPTCP, another port.
            socket(6, Protocol::Tcp, State::SynReceived, "192.0.2.1:1935", Some("192.0.2.2:1")),
            socket(7, Protocol::Tcp, State::TimeWait, "192.0.2.1:1935", Some("192.0.2.2:2")),
            socket(8, Protocol::Mptcp, State::Established, "192.0.2.1:1935", Some("192.0.2.2:3")),
            stream(9, "192.0.2.1:22", "192.0.2.2:4", (100, 100)),
        ],
    );
    let counted = counters(&server(), &update);
    assert_eq!(counts(&counted, "managedTcp"), [2, 2, 2]);
    assert_eq!(counts(&counted, "managedTcpAcceptors"), [1, 1, 1]);
    assert_eq!(counts(&counted, "managedTcpConnectors"), [1, 1, 1]);
    assert_eq!(counts(&counted, "managedUdp"), [1, 1, 1]);
    assert_eq!(counts(&counted, "managedNonTcpUdp"), [0, 0, 0]);
    assert_eq!(counts(&counted, "rawUdp"), [0, 0, 0]);
    assert_eq!(counts(&counted, "grandTotal"), [5, 5, 5]);
    assert_eq!(bytes(&counted, "managedTcp"), [11, 22]);
    assert_eq!(bytes(&counted, "grandTotal"), [11, 22]);
    assert_eq!(counted["total"], 5);
    assert_eq!(counted["origin"]["grandTotal"]["inSpeed"], json!(4.5));
    assert_eq!(counted["origin"]["grandTotal"]["outSpeed"], json!(8.25));
    assert!(counted["origin"]["managedTcp"].get("inSpeed").is_none());
}

#[test]
fn an_update_counts_once_and_an_older_one_not_at_all() {
    let server = server();
    let (first, second) = (update(1, vec![player(2, (5, 5))]), update(2, vec![player(3, (7, 7))]));
    for update in [&first, &first, &second, &first, &second] {
        note(&server, update);
        server.http_note(update);
    }
    let counted = counters(&server, &first);
    assert_eq!(counts(&counted, "managedTcp"), [1, 1, 2]);
    assert_eq!(bytes(&counted, "managedTcp"), [12, 12]);
}

/// The second interface that receives the update.
trait HttpNote {
    fn http_note(&self, update: &Update);
}

impl HttpNote for Server {
    fn http_note(&self, update: &Update) {
        conns_dialects::HttpDialect::on_update(&self.http(), update);
    }
}

#[test]
fn bytes_of_open_and_closed_sockets_add_up() {
    let server = server();
    note(&server, &update(1, vec![player(2, (100, 10)), player(3, (1, 1))]));
    note(&server, &update(2, vec![player(2, (150, 10)), player(3, (2, 2))]));
    // Number 2 had three more bytes when it was last seen.
    let closed = vec![(3, player(2, (153, 10)))];
    let last = with_closed(update(3, vec![player(3, (2, 3))]), closed);
    let counted = counters(&server, &last);
    assert_eq!(counts(&counted, "managedTcp"), [1, 2, 2]);
    assert_eq!(bytes(&counted, "managedTcp"), [155, 13]);
}

#[test]
fn missed_updates_lose_nothing_the_next_one_has() {
    let server = server();
    note(&server, &update(1, vec![player(2, (1, 0))]));
    let update = with_closed(
        // Number 5 is over, but its like is still there; it was not when last counted.
        update(
            9,
            vec![
                player(6, (30, 0)),
                socket(5, Protocol::Tcp, State::TimeWait, "192.0.2.1:1935", Some("192.0.2.2:2")),
            ],
        ),
        vec![
            // Closed before the first update: not counted.
            (1, player(1, (9000, 0))),
            (3, player(2, (4, 0))),
            // Came and went in between; the second ended as a ghost of which nothing is known.
            (5, player(3, (200, 0))),
            (8, socket(4, Protocol::Tcp, State::TimeWait, "192.0.2.1:1935", Some("192.0.2.2:3"))),
            // Not a media server's.
            (8, stream(7, "192.0.2.1:22", "192.0.2.2:4", (5000, 0))),
        ],
    );
    let counted = counters(&server, &update);
    assert_eq!(counts(&counted, "managedTcp"), [1, 1, 5]);
    assert_eq!(bytes(&counted, "managedTcp"), [4 + 200 + 30, 0]);
    // A socket in TIME-WAIT is not counted again when it closes.
    let closed = socket(5, Protocol::Tcp, State::TimeWait, "192.0.2.1:1935", Some("192.0.2.2:2"));
    let counted =
        counters(&server, &with_closed(crate::sample::update(10, vec![]), vec![(10, closed)]));
    assert_eq!(counts(&counted, "managedTcp"), [0, 1, 5]);
}

#[test]
fn a_connector_that_connects_is_a_new_carrier() {
    let server = server();
    note(&server, &update(1, vec![connector(2, State::SynSent)]));
    let counted = counters(&server, &update(2, vec![connector(2, State::Established)]));
    assert_eq!(counts(&counted, "managedTcpConnectors"), [0, 1, 1]);
    assert_eq!(counts(&counted, "managedTcp"), [1, 1, 1]);
    assert_eq!(counts(&counted, "grandTotal"), [1, 1, 2]);
}

#[test]
fn a_socket_whose_owner_becomes_unknown_is_not_counted_again() {
    let server = server();
    let web = |bytes| stream(2, "192.0.2.1:8081", "198.51.100.7:1", (bytes, 0));
    note(&server, &update(1, vec![owned_by(web(100), "rms")]));
    let unseen = counters(&server, &update(2, vec![web(150)]));
    assert_eq!(counts(&unseen, "managedTcp"), [0, 1, 1]);
    let again = counters(&server, &update(3, vec![owned_by(web(170), "rms")]));
    assert_eq!(counts(&again, "managedTcp"), [1, 1, 1]);
    assert_eq!(bytes(&again, "managedTcp"), [170, 0]);
}

#[test]
fn serial_numbers_of_another_instance_are_of_other_sockets() {
    let server = server();
    note(&server, &update(50, vec![player(2, (10, 0)), player(3, (10, 0))]));
    let mut other = update(1, vec![player(2, (10, 0))]);
    other.instance = 2;
    let counted = counters(&server, &other);
    assert_eq!(counts(&counted, "managedTcp"), [1, 2, 3]);
    assert_eq!(bytes(&counted, "managedTcp"), [30, 0]);
}

#[test]
fn counters_are_reset_to_the_current_counts() {
    let server = server();
    note(&server, &update(1, vec![listener(), player(2, (10, 0)), player(3, (10, 0))]));
    let now = update(2, vec![listener(), player(3, (10, 0))]);
    let cache = ResponseCache::new(Arc::new(now.clone()));
    let answer = |line| reply(&server.json_cli(), line, &cache).0;
    assert_eq!(counts(&counters(&server, &now), "grandTotal"), [2, 3, 3]);
    let cleared = |what| {
        format!(
            "{{\"data\":null,\"description\":\"{what} counters are cleared\",\"status\":\"SUCCESS\"}}\r\n\r\n"
        )
    };
    assert_eq!(answer("resetMaxFdCounters"), cleared("Max"));
    assert_eq!(counts(&counters(&server, &now), "grandTotal"), [2, 2, 3]);
    assert_eq!(counts(&counters(&server, &now), "managedTcp"), [1, 1, 2]);
    assert_eq!(answer("resetTotalFdCounters"), cleared("Total"));
    assert_eq!(counts(&counters(&server, &now), "grandTotal"), [2, 2, 2]);
    assert_eq!(counts(&counters(&server, &now), "managedTcpAcceptors"), [1, 1, 1]);
    // Bytes are not a mark.
    assert_eq!(bytes(&counters(&server, &now), "grandTotal"), [20, 0]);
}

#[test]
fn the_count_is_as_long_as_the_list() {
    let cache =
        cache(vec![listener(), player(2, (0, 0)), connector(3, State::SynSent), player(4, (0, 0))]);
    let list: Value =
        serde_json::from_str(&crate::sample::json("listConnections", &cache)).expect("JSON");
    let count: Value =
        serde_json::from_str(&crate::sample::json("getConnectionsCount", &cache)).expect("JSON");
    assert_eq!(list["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(count["data"]["count"], 2);
}
