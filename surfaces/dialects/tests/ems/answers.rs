//! What each command answers: the samples of a real server where values are the same, its layout
//! where they are not.

use conns_core::model::{Known, Protocol, Source, State};
use proptest::prelude::*;

use crate::sample::{cache, json, owned_by, socket, stream};

const INFO: &str = include_str!("../fixtures/ems/01-getConnectionInfo.json");
const LIST: &str = include_str!("../fixtures/ems/01-rtmp-publisher-and-player.json");
const IDS: &str = include_str!("../fixtures/ems/01-listConnectionsIds.json");
const COUNT: &str = include_str!("../fixtures/ems/01-getConnectionsCount.json");
const LIMIT: &str = include_str!("../fixtures/ems/01-getConnectionsCountLimit.json");
const COUNTERS: &str = include_str!("../fixtures/ems/01-getExtendedConnectionCounters.json");
const PAGE: &str = include_str!("../fixtures/ems/listconnections.txt");

/// The publisher of the samples: carrier 46.
fn publisher() -> conns_core::model::Connection {
    let bytes = (2_755_898, 37_079);
    let mut publisher = stream(46, "127.0.0.1:1935", "127.0.0.1:37442", bytes);
    // 1795314225419.738 ms less 1795314146501.287 ms.
    publisher.stats.age_us = Known::Value(78_918_451, Source::Derived);
    publisher
}

/// The sample of it, without what its bytes would show. A time of the kernel has microseconds, and both elements have
/// that of the connection; the ids are ours.
fn publisher_as_sampled() -> String {
    let (begin, rest) = INFO.split_once(",\"streams\":[").expect("streams");
    let (_, end) = rest.split_once("],\"txInvokes\":32").expect("messages");
    format!("{begin},\"txInvokes\":0{end}")
        .replace("\"rxInvokes\":7", "\"rxInvokes\":0")
        .replace(r#","userAgent":"FMLE\/3.0 (compatible; Lavf59.27.100)""#, "")
        .replace("1795314146501.2878", "1795314146501.2870")
        .replace("1795314146501.3010", "1795314146501.2870")
        .replace("1795314225419.7490", "1795314225419.7380")
        .replace("\"id\":70", "\"id\":368")
        .replace("\"id\":71", "\"id\":369")
}

#[test]
fn one_connection_is_answered_as_the_real_server_does() {
    let cache = cache(vec![publisher()]);
    assert_eq!(json("getConnectionInfo id=369", &cache), publisher_as_sampled());
}

#[test]
fn the_list_is_the_entries_in_an_array() {
    let one = publisher_as_sampled();
    let (_, entry) = one.split_once("{\"data\":").expect("data");
    let (entry, _) = entry.split_once(",\"description\"").expect("an end");
    let (_, end) = LIST.rsplit_once(",\"description\"").expect("an end");
    let expected = format!("{{\"data\":[{entry}],\"description\"{end}");
    let cache = cache(vec![publisher()]);
    for line in [
        "listConnections",
        "listConnections excludeNonNetworkProtocols=0",
        // As the page has it: everything here is carried by a socket, so nothing is excluded.
        "listConnections excludeNonNetworkProtocols=1",
        "LISTCONNECTIONS EXCLUDENONNETWORKPROTOCOLS=true",
    ] {
        assert_eq!(json(line, &cache), expected, "{line}");
    }
}

#[test]
fn keys_and_texts_are_those_of_the_page() {
    let answer = json("listConnections excludeNonNetworkProtocols=0", &cache(vec![publisher()]));
    let value: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let (_, sample) = PAGE.split_once("Success Response in JSON").expect("a sample");
    let (carrier, stack) = sample.split_once("\"stack\"").expect("a stack");
    let (stack, end) = stack.split_once('…').expect("an elision");
    for (object, text) in
        [(&value["data"][0]["carrier"], carrier), (&value["data"][0]["stack"][0], stack)]
    {
        for (key, written) in object.as_object().expect("an object") {
            assert!(text.contains(&format!("\"{key}\":")), "{key}");
            if written.is_string() && key == "type" {
                assert!(text.contains(&format!("\"type\":{written}")), "{written}");
            }
        }
    }
    for key in ["description", "status"] {
        assert!(end.contains(&format!("\"{key}\":{}", value[key])), "{key}");
    }
}

#[test]
fn a_udp_socket_has_five_keys_and_no_bytes() {
    let udp = socket(3, Protocol::Udp, State::Close, "0.0.0.0:9999", None);
    let expected = concat!(
        r#"{"data":[{"carrier":{"id":3,"nearIP":"0.0.0.0","nearPort":9999,"rx":0,"type":"IOHT_UDP_CARRIER"},"#,
        r#""stack":[{"applicationId":0,"creationTimestamp":1795314225419.7380,"id":24,"isEnqueueForDelete":false,"#,
        r#""queryTimestamp":1795314225419.7380,"type":"UDP"}]}],"description":"Available connections","#,
        "\"status\":\"SUCCESS\"}\r\n\r\n",
    );
    assert_eq!(json("listConnections", &cache(vec![udp])), expected);
}

#[test]
fn where_nothing_is_connected_the_data_is_null() {
    let empty =
        "{\"data\":null,\"description\":\"Available connections\",\"status\":\"SUCCESS\"}\r\n\r\n";
    let none = cache(vec![]);
    assert_eq!(json("listConnections", &none), empty);
    assert_eq!(json("listConnectionsIds", &none), empty.replace("connections", "connection IDs"));
}

#[test]
fn an_end_that_was_closed_here_is_marked() {
    for state in State::ALL {
        let near = "192.0.2.1:1935";
        let far = (state != State::Listen).then_some("192.0.2.9:40000");
        let answer =
            json("listConnections", &cache(vec![socket(1, Protocol::Tcp, state, near, far)]));
        let expected = match state {
            State::Established | State::CloseWait => "\"isEnqueueForDelete\":false",
            State::FinWait1 | State::FinWait2 | State::LastAck | State::Closing => {
                "\"isEnqueueForDelete\":true"
            }
            _ => "\"data\":null",
        };
        assert!(answer.contains(expected), "{state:?}: {answer}");
    }
}

#[test]
fn addresses_are_those_on_the_wire_and_ids_ascend() {
    let answer = json(
        "listConnections",
        &cache(vec![
            stream(9, "[2001:db8::1]:1935", "[2001:db8::2]:1000", (0, 0)),
            stream(2, "[::ffff:192.0.2.1]:1935", "[::ffff:192.0.2.2]:1000", (0, 0)),
        ]),
    );
    let value: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let ends = |at: usize| {
        let carrier = &value["data"][at]["carrier"];
        (carrier["id"].clone(), carrier["nearIP"].clone(), carrier["farIP"].clone())
    };
    assert_eq!(ends(0), (2.into(), "192.0.2.1".into(), "192.0.2.2".into()));
    assert_eq!(ends(1), (9.into(), "2001:db8::1".into(), "2001:db8::2".into()));
}

#[test]
fn the_ids_are_those_of_the_entries() {
    let two = vec![
        stream(11, "127.0.0.1:1935", "127.0.0.1:53836", (0, 0)),
        stream(10, "127.0.0.1:1935", "127.0.0.1:37442", (0, 0)),
    ];
    let cache = cache(two);
    assert_eq!(json("listConnectionsIds", &cache), IDS.replace("71,85", "81,89"));
    for (id, port) in [(80, 37442), (81, 37442), (88, 53836), (89, 53836)] {
        let answer = json(&format!("getConnectionInfo id={id}"), &cache);
        assert!(answer.contains(&format!("\"farPort\":{port}")), "{answer}");
    }
}

#[test]
fn live_carriers_are_counted() {
    let mut sockets = vec![publisher()];
    sockets.push(stream(53, "127.0.0.1:1935", "127.0.0.1:53836", (3495, 1)));
    sockets.push(socket(54, Protocol::Udp, State::Close, "0.0.0.0:9999", None));
    sockets.push(socket(55, Protocol::Tcp, State::Listen, "0.0.0.0:1935", None));
    sockets.push(socket(56, Protocol::Tcp, State::SynSent, "192.0.2.1:5", Some("192.0.2.2:1935")));
    sockets.push(socket(57, Protocol::Tcp, State::TimeWait, "192.0.2.1:1935", Some("192.0.2.2:1")));
    let cache = cache(sockets);
    assert_eq!(json("getConnectionsCount", &cache), COUNT);
    assert_eq!(json("getConnectionsCountLimit", &cache), LIMIT);
}

/// Digits before the point are one `#`, those after it one each.
pub(crate) fn layout(answer: &str) -> String {
    let mut layout = String::new();
    let mut is_fraction = false;
    for letter in answer.chars() {
        match letter {
            '0'..='9' if !is_fraction && layout.ends_with('#') => {}
            '0'..='9' => layout.push('#'),
            _ => layout.push(letter),
        }
        is_fraction = letter == '.' || (is_fraction && letter.is_ascii_digit());
    }
    layout
}

#[test]
fn counters_have_the_real_servers_layout() {
    assert_eq!(layout("{12,3.0450}"), "{#,#.####}");
    let answer = json("getExtendedConnectionCounters", &cache(vec![publisher()]));
    assert_eq!(layout(&answer), layout(COUNTERS));
}

#[test]
fn failures_have_the_descriptions_of_the_real_server() {
    let cases = [
        ("Version now", "command version not known. Type help for list of commands"),
        ("getConnectionInfo", "Syntax error. No parameters provided"),
        ("getConnectionInfo ", "Syntax error. No parameters provided"),
        ("getConnectionInfo id=", "Syntax error. Parameter id is invalid"),
        ("getConnectionInfo id", "Syntax error. Parameter id is invalid"),
        ("getConnectionInfo id=1,2", "Syntax error. Parameter id is invalid"),
        ("getConnectionInfo id=x", "Syntax error. Parameter id is invalid"),
        ("getConnectionInfo identity=5", "Syntax error. Parameter id is invalid"),
        ("getConnectionInfo commandId=a", "Syntax error. Parameter id is invalid"),
        // The carrier's own id is of another count; there are two elements.
        ("getConnectionInfo id=46", "Connection 0:46 not found"),
        ("getConnectionInfo id=370", "Connection 0:370 not found"),
        ("getConnectionInfo id=34359738376", "Connection 8:8 not found"),
        ("getConnectionInfo id=9223372036854775807", "Connection 2147483647:4294967295 not found"),
    ];
    let cache = cache(vec![publisher()]);
    for (line, description) in cases {
        let status = if line.contains("commandId") { "\",\"responseId\":\"a" } else { "" };
        let expected = format!(
            "{{\"data\":null,\"description\":\"{description}{status}\",\"status\":\"FAIL\"}}\r\n\r\n"
        );
        assert_eq!(json(line, &cache), expected, "{line}");
    }
}

#[test]
fn only_matching_sockets_are_listed() {
    let near = "192.0.2.1:";
    let far = "198.51.100.7:40000";
    let on = |serial, port: u16| stream(serial, &format!("{near}{port}"), far, (0, 0));
    let cache = cache(vec![
        on(1, 1935),
        on(2, 443),
        owned_by(on(3, 443), "nginx"),
        owned_by(on(4, 443), "EvoStreamMS"),
        // Its own command line.
        owned_by(on(5, 1112), "evostreamms"),
        // It plays from a server elsewhere.
        stream(6, "192.0.2.1:50000", "198.51.100.8:1935", (0, 0)),
        socket(7, Protocol::Mptcp, State::Established, "192.0.2.1:1935", Some(far)),
    ]);
    assert!(json("listConnectionsIds", &cache).contains("\"data\":[9,32,49],"));
    for id in [16, 24, 40, 56] {
        let answer = json(&format!("getConnectionInfo id={id}"), &cache);
        assert!(answer.contains(&format!("Connection 0:{id} not found")), "{answer}");
    }
}

#[test]
fn help_has_the_shape_of_the_real_server() {
    let answer = json("help", &cache(vec![]));
    let value: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(value["description"], "Available commands");
    let commands = value["data"].as_array().expect("commands");
    for command in commands {
        let keys: Vec<_> = command.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["command", "deprecated", "description", "parameters"]);
        for parameter in command["parameters"].as_array().expect("parameters") {
            let keys: Vec<_> = parameter.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["defaultValue", "description", "mandatory", "name"]);
        }
        assert_eq!(command["deprecated"], command["command"] == "listConnections");
        // Each of them is there.
        let name = command["command"].as_str().expect("a name");
        assert!(!json(name, &cache(vec![])).contains("not known"), "{name}");
    }
    assert_eq!(commands.len(), conns_dialects::ems::command_names().count());
}

#[test]
fn an_answer_repeats_the_id_of_the_command() {
    let cache = cache(vec![]);
    let id = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(&json(line, &cache)).expect("JSON");
        value.get("responseId").cloned()
    };
    assert_eq!(id("help commandId=7"), Some("7".into()));
    assert_eq!(id("nothing COMMANDID=a\\ b/\\\\\""), Some("a b/\\\"".into()));
    assert_eq!(id("help commandId="), None);
    assert_eq!(id("help commandId=1,2"), None);
    let answer = json("resetMaxFdCounters commandId=x", &cache);
    let expected = concat!(
        r#"{"data":null,"description":"Max counters are cleared","responseId":"x","status":"SUCCESS"}"#,
        "\r\n\r\n"
    );
    assert_eq!(answer, expected);
}

proptest! {
    /// Whatever is sent, what comes back is one JSON object and its trailer.
    #[test]
    fn every_line_is_answered_with_json(line in "\\PC{0,80}|(help|listConnections|getConnectionInfo)( [a-z]{1,3}=\\PC{0,9}){0,3}") {
        let answer = json(&line, &cache(vec![publisher()]));
        if line.is_empty() {
            prop_assert_eq!(answer, "");
        } else {
            let text = answer.strip_suffix("\r\n\r\n").expect("a trailer");
            let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
            prop_assert!(value["status"] == "SUCCESS" || value["data"].is_null());
        }
    }
}
