//! Questions, and the answers of ports that are nodes, are none, or do not end.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::thread::{self, JoinHandle};

use conns_core::decode::ReportedPeer;
use conns_core::model::{Connection, ConnectionId, Known, Snapshot, State, Unknown};
use conns_fixtures::{
    NETNS, at, connection, established, known, owner, snapshot, socket, with_cookie,
};

use super::answer::{Peer, peers};
use super::exchange::ask;
use super::question::{Question, is_asked_for, questions};

const ROW: &str = r#"{"address":"10.1.2.3:18080","host":"10.1.2.3","port":"18080","peer_id":"00000000000000ff","height":7,"support_flags":1,"rpc_port":18089}"#;

fn peer(id: u64) -> ReportedPeer {
    ReportedPeer {
        peer_id: id,
        height: 7,
        pruning_seed: 0,
        rpc_port: 18089,
        rpc_credits_per_hash: 0,
        support_flags: 1,
    }
}

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn owned(pid: u32, name: &str, connection: Connection) -> Connection {
    Connection { owners: known([owner(pid, name, 3)].into()), ..connection }
}

/// A connection of a process, with this cookie.
fn of(pid: u32, name: &str, cookie: u64, local: &str, remote: &str) -> Connection {
    owned(pid, name, connection(with_cookie(cookie, established(local, remote))))
}

fn listener(pid: u32, name: &str, cookie: u64, local: &str) -> Connection {
    let listening = socket(conns_core::model::Protocol::Tcp, State::Listen, local, None);
    owned(pid, name, connection(with_cookie(cookie, listening)))
}

fn node_with_two_peers() -> Snapshot {
    snapshot(
        1,
        at(1),
        vec![
            listener(5, "monerod", 1, "0.0.0.0:18080"),
            listener(5, "monerod", 2, "127.0.0.1:18082"),
            listener(5, "monerod", 3, "127.0.0.1:18081"),
            listener(5, "monerod", 4, "0.0.0.0:18089"),
            listener(6, "nginx", 5, "127.0.0.1:80"),
            of(5, "monerod", 6, "10.0.0.1:18080", "10.1.2.3:5555"),
            of(5, "monerod", 7, "10.0.0.1:4444", "10.1.2.3:18080"),
            of(6, "nginx", 8, "10.0.0.1:80", "10.1.2.3:7777"),
        ],
    )
}

fn asked(snapshot: &Snapshot, netns: u64, known: &[ConnectionId]) -> Vec<Question> {
    let open = snapshot.connections.iter().filter(|connection| is_asked_for(connection));
    questions(snapshot, open, Some(netns), |id| !known.contains(&id))
}

#[test]
fn a_node_is_asked_once_at_its_ports_on_loopback() {
    let snapshot = node_with_two_peers();
    let [question] = &asked(&snapshot, NETNS, &[])[..] else { panic!("one question") };
    assert_eq!(question.pid, 5);
    assert_eq!(question.ports, [end("127.0.0.1:18081"), end("127.0.0.1:18082")]);
    let ends: Vec<_> = question.connections.iter().map(|(_, end)| *end).collect();
    assert_eq!(ends, [end("10.1.2.3:5555"), end("10.1.2.3:18080")]);
    let known: Vec<_> = question.connections.iter().map(|(id, _)| *id).collect();
    assert!(asked(&snapshot, NETNS, &known).is_empty());
    // Its loopback interface is another one.
    assert!(asked(&snapshot, NETNS + 1, &[]).is_empty());
}

#[test]
fn the_port_of_peers_is_not_asked() {
    let mut snapshot = node_with_two_peers();
    snapshot.connections = vec![
        listener(5, "monerod", 1, "127.0.0.1:28280"),
        listener(5, "monerod", 2, "127.0.0.1:28281"),
        of(5, "monerod", 6, "127.0.0.1:4444", "127.0.0.1:28180"),
    ];
    // Nothing came in yet: the port behind another one goes first.
    let [question] = &asked(&snapshot, NETNS, &[])[..] else { panic!("one question") };
    assert_eq!(question.ports, [end("127.0.0.1:28281"), end("127.0.0.1:28280")]);
    snapshot.connections.push(of(5, "monerod", 7, "127.0.0.1:28280", "127.0.0.1:5555"));
    let [question] = &asked(&snapshot, NETNS, &[])[..] else { panic!("one question") };
    assert_eq!(question.ports, [end("127.0.0.1:28281")]);
}

#[test]
fn what_is_known_is_not_asked_for() {
    let node = || of(5, "monerod", 6, "10.0.0.1:4444", "10.1.2.3:18080");
    assert!(is_asked_for(&node()));
    let with = |application| is_asked_for(&Connection { application, ..node() });
    let reported = peer(9).application(at(1));
    assert!(!with(known(reported.clone().into())));
    let mut late = reported;
    for value in &mut late.layers[0].values {
        *value = Known::Unknown(Unknown::BeganBefore);
    }
    assert!(with(known(late.into())));
    assert!(!is_asked_for(&of(5, "firefox", 6, "10.0.0.1:4444", "10.1.2.3:18080")));
}

#[test]
fn two_rows_with_one_end_are_ambiguous() {
    let snapshot = node_with_two_peers();
    let [question] = &asked(&snapshot, NETNS, &[])[..] else { panic!("one question") };
    let row = |text, id| Peer { end: end(text), reported: Some(peer(id)) };
    let rows = [row("10.1.2.3:18080", 1), row("10.1.2.3:5555", 2), row("10.1.2.3:5555", 3)];
    let reported: Vec<_> = question.reported(&rows).map(|(_, peer)| peer.peer_id).collect();
    assert_eq!(reported, [1]);
}

#[test]
fn rows_of_all_versions_are_read() {
    let body =
        |rows: &str| format!(r#"{{"id":"0","result":{{"status":"OK","connections":[{rows}]}}}}"#);
    let expected = Peer { end: end("10.1.2.3:18080"), reported: Some(peer(255)) };
    assert_eq!(peers(body(ROW).as_bytes()), Some(vec![expected]));
    // IPv6 before 0.18.5.1; IPv4 on an IPv6 socket; before the handshake; a peer without address.
    let six = ROW
        .replace("10.1.2.3:18080", "[2001:db8::1]:5")
        .replace("10.1.2.3", "2001:db8::1")
        .replace(r#""port":"18080""#, r#""port":"""#);
    assert_eq!(peers(body(&six).as_bytes()).unwrap()[0].end, end("[2001:db8::1]:5"));
    let mapped = ROW.replace("10.1.2.3", "::ffff:10.1.2.3");
    assert_eq!(peers(body(&mapped).as_bytes()).unwrap()[0].end, end("10.1.2.3:18080"));
    let silent = ROW.replace("00000000000000ff", "0000000000000000");
    assert_eq!(peers(body(&silent).as_bytes()).unwrap()[0].reported, None);
    let onion = ROW.replace("10.1.2.3", "<unknown tor host>").replace("18080", "");
    assert_eq!(peers(body(&onion).as_bytes()), Some(Vec::new()));
    assert_eq!(peers(br#"{"result":{"status":"OK","untrusted":false}}"#), Some(Vec::new()));
    for refused in ["", "{}", "[", r#"{"error":{"code":-32601}}"#, &body(r#"{"host":"a"}"#)] {
        assert_eq!(peers(refused.as_bytes()), None, "{refused}");
    }
}

/// A port that answers one connection so.
fn port(
    answer: impl FnOnce(&mut dyn FnMut(&[u8]) -> bool) + Send + 'static,
) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).unwrap();
        answer(&mut |bytes| stream.write_all(bytes).is_ok());
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (place, thread)
}

#[test]
fn a_node_is_asked_without_credentials() {
    let body = format!(r#"{{"result":{{"connections":[{ROW}]}}}}"#);
    let (place, thread) = port(move |write| {
        assert!(write(format!("HTTP/1.1 200 Ok\r\nServer: Epee-based\r\n\r\n{body}").as_bytes()));
    });
    assert_eq!(ask(place).unwrap().len(), 1);
    let request = thread.join().unwrap();
    assert!(request.starts_with("POST /json_rpc HTTP/1.1\r\n"), "{request}");
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
}

#[test]
fn what_is_no_answer_is_not_read_to_its_end() {
    let (place, thread) = port(|write| {
        assert!(write(b"HTTP/1.1 401 Unauthorized\r\n\r\n"));
    });
    assert_eq!(ask(place), None);
    thread.join().unwrap();
    // Without a bound these would not end.
    let (place, thread) = port(|write| while write(&[b'\xff'; 4096]) {});
    assert_eq!(ask(place), None);
    thread.join().unwrap();
    let (place, thread) = port(|write| {
        write(b"HTTP/1.1 200 Ok\r\n\r\n");
        while write(&[b'['; 4096]) {}
    });
    assert_eq!(ask(place), None);
    thread.join().unwrap();
    assert_eq!(ask(place), None, "nothing listens there any more");
}
