//! The 1E dialect against 1E's own page, golden files and hostile calls.

#![allow(clippy::expect_used, reason = "a test that cannot continue fails with the reason")]

#[path = "one_e/calls.rs"]
mod calls;
#[path = "one_e/http.rs"]
mod http;
#[path = "one_e/sample.rs"]
mod sample;

use conns_core::model::{Known, Protocol, State};
use conns_dialects::one_e::{Cell, Column, ColumnType, Method, Table, answer};
use conns_fixtures::{at, known, owner, snapshot};
use proptest::prelude::*;

const PAGE: &str = include_str!("fixtures/1e/network-getconnections.txt");

/// One object a line, as the golden files have it.
fn lines(table: &Table) -> String {
    let objects: Vec<String> = table
        .records()
        .map(|record| format!("  {}", serde_json::to_string(&record).expect("a JSON object")))
        .collect();
    format!("[\n{}\n]\n", objects.join(",\n"))
}

/// Name, type and text of each column of 1E's page.
fn columns_of_the_page() -> Vec<(&'static str, &'static str, &'static str)> {
    PAGE.split("<li>• <b>")
        .skip(1)
        .map(|item| {
            let (name, rest) = item.split_once("</b> (").expect("a name");
            let (ty, rest) = rest.split_once("): ").expect("a type");
            let (text, _) = rest.split_once("</li>").expect("an end");
            (name, ty, text)
        })
        .collect()
}

#[test]
fn connections_equal_the_golden_file() {
    let table = answer(Method::GetConnections, &sample::machine());
    assert_eq!(lines(&table), include_str!("fixtures/1e/get-connections.json"));
}

#[test]
fn listening_endpoints_equal_the_golden_file() {
    let table = answer(Method::GetListeningEndpoints, &sample::machine());
    assert_eq!(lines(&table), include_str!("fixtures/1e/get-listening-endpoints.json"));
}

#[test]
fn a_table_is_the_array_of_its_records() {
    let table = answer(Method::GetConnections, &sample::machine());
    let whole = serde_json::to_string(&table).expect("a JSON array");
    let records: Vec<String> = table
        .records()
        .map(|record| serde_json::to_string(&record).expect("a JSON object"))
        .collect();
    assert_eq!(whole, format!("[{}]", records.join(",")));
    let nothing = answer(Method::GetConnections, &snapshot(1, at(0), Vec::new()));
    assert_eq!(serde_json::to_string(&nothing).expect("a JSON array"), "[]");
}

#[test]
fn columns_have_the_names_types_and_order_of_the_page() {
    let ours: Vec<_> = Method::GetConnections
        .columns()
        .iter()
        .map(|column| (column.name, column.ty.name()))
        .collect();
    let theirs: Vec<_> =
        columns_of_the_page().into_iter().map(|(name, ty, _)| (name, ty)).collect();
    assert_eq!(theirs.len(), 9);
    assert_eq!(ours, theirs);
}

/// The page has `null` for four columns and none for the process, which is not always known,
/// and unknown is never zero.
#[test]
fn columns_are_nullable_as_on_the_page_and_for_an_unknown_process() {
    for (column, (name, _, text)) in
        Method::GetConnections.columns().iter().zip(columns_of_the_page())
    {
        let is_null_on_the_page = text.contains("null");
        let is_of_the_process = matches!(name, "ProcessId" | "ProcessName");
        assert_eq!(column.nullable, is_null_on_the_page || is_of_the_process, "{name}");
    }
}

#[test]
fn the_call_of_the_page_is_understood() {
    let (_, example) = PAGE.split_once("<pre>").expect("an example");
    let (example, _) = example.split_once("</pre>").expect("its end");
    assert_eq!(Method::parse(example), Ok(Method::GetConnections));
    let (_, other) = PAGE.split_once("Use <a href=\"#\">").expect("a link");
    let (other, _) = other.split_once("</a>").expect("its end");
    assert_eq!(Method::parse(other), Ok(Method::GetListeningEndpoints));
}

#[test]
fn shared_columns_have_the_same_type_in_both_methods() {
    for column in Method::GetListeningEndpoints.columns() {
        let same = |other: &&Column| other.name == column.name;
        if let Some(other) = Method::GetConnections.columns().iter().find(same) {
            assert_eq!((column.ty, column.nullable), (other.ty, other.nullable), "{}", column.name);
        }
        assert!(column.meaning.ends_with('.'), "{}", column.name);
    }
}

/// The page that explains the columns here has a line for each, with its type and its nulls.
#[test]
fn the_documentation_lists_every_column_as_it_is() {
    let page = include_str!("../../../docs/dialects/1e.md");
    for method in Method::ALL {
        let heading = format!("## `{method}`");
        let (_, section) = page.split_once(&heading).expect("a section of the method");
        let section = section.split("\n## ").next().expect("its text");
        let listed: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        let columns = method.columns();
        assert_eq!(listed.len(), columns.len(), "{method}");
        for (line, column) in listed.iter().zip(columns) {
            let null = if column.nullable { "yes" } else { "no" };
            let start = format!("| `{}` | {} | {null} |", column.name, column.ty.name());
            assert!(line.starts_with(&start), "{line}");
        }
    }
}

#[test]
fn a_method_asks_for_what_its_table_needs() {
    let ask = Method::GetConnections.ask();
    assert_eq!((ask.view, ask.tcp, ask.udp), (conns_api::View::Connections, true, false));
    assert!(ask.ipv4 && ask.ipv6 && ask.namespaces.is_empty());
    let ask = Method::GetListeningEndpoints.ask();
    assert_eq!((ask.view, ask.tcp, ask.udp), (conns_api::View::Listening, true, true));
}

/// Any socket a source could report, and any measure.
fn any_connection() -> impl Strategy<Value = conns_core::model::Connection> {
    let ends = prop::sample::select(vec![
        "0.0.0.0:0",
        "1.2.3.4:5",
        "[::]:0",
        "[::ffff:1.2.3.4]:5",
        "[2001:db8::1]:65535",
    ]);
    let protocol = prop::sample::select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Mptcp]);
    let state = prop::sample::select(State::ALL.to_vec());
    let pids = prop::collection::vec(any::<u32>(), 0..4);
    let measures = (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>(), 0..=232_usize);
    (protocol, state, ends.clone(), prop::option::of(ends), pids, prop::option::of(measures))
        .prop_map(|(protocol, state, local, remote, pids, measures)| {
            let mut connection = sample::socket(protocol, state, local, remote);
            connection.owners = known(pids.into_iter().map(|pid| owner(pid, "p", 3)).collect());
            if let Some((rtt, sent, again, twice, length)) = measures {
                connection.socket.tcp = sample::tcp_info(rtt, sent, again, twice, length);
            }
            connection
        })
}

proptest! {
    #[test]
    fn every_cell_is_of_its_columns_type_and_null_only_where_it_may_be(
        connections in prop::collection::vec(any_connection(), 0..8)
    ) {
        let snapshot = snapshot(1, at(0), connections);
        for method in Method::ALL {
            let table = answer(method, &snapshot);
            for record in table.records() {
                prop_assert_eq!(record.cells().len(), table.columns.len());
                for (column, cell) in table.columns.iter().zip(record.cells()) {
                    let fits = match cell {
                        Cell::Text(_) => column.ty == ColumnType::String,
                        Cell::Int(number) => column.ty == ColumnType::Int && number >= 0,
                        Cell::Null => column.nullable,
                    };
                    prop_assert!(fits, "{}: {:?}", column.name, cell);
                }
            }
        }
    }

    #[test]
    fn a_socket_has_one_row_for_each_process_or_one_without_any(
        connection in any_connection()
    ) {
        let mut pids: Vec<u32> = match &connection.owners {
            Known::Value(owners, _) => owners.iter().map(|owner| owner.process.pid).collect(),
            Known::Unknown(_) | Known::NotApplicable => Vec::new(),
        };
        pids.sort_unstable();
        pids.dedup();
        let is_meant = connection.socket.protocol == Protocol::Tcp && connection.is_established();
        let table = answer(Method::GetConnections, &snapshot(1, at(0), vec![connection]));
        prop_assert_eq!(table.rows.len(), if is_meant { pids.len().max(1) } else { 0 });
    }
}
