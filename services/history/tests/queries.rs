//! Queries over the tables of a snapshot, and what a query may not do.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_core::model::{Connection, Owner, Snapshot, State, Update};
use conns_core::query::{Field, Value, catalogue};
use conns_fixtures::{connection, established, known, process};
use conns_history::{Cell, QueryAnswer, QueryBounds, QueryError, Table, live_tables, query};
use proptest::prelude::*;

fn list(field: &Field, _: &Connection) -> String {
    format!("[\"{}\"]", field.name)
}

fn owned_by(local: &str, remote: &str, owners: &[(u32, &str)]) -> Connection {
    let mut made = connection(established(local, remote));
    let owner = |(pid, name): &(u32, &str)| Owner {
        process: Arc::new(process(*pid, name)),
        descriptor: Some(3),
    };
    made.owners = known(owners.iter().map(owner).collect());
    made
}

fn tables() -> Vec<Arc<dyn Table>> {
    let mut listener = owned_by("10.0.0.1:80", "0.0.0.0:0", &[(7, "nginx")]);
    listener.socket.state = State::Listen;
    let connections = vec![
        owned_by("10.0.0.1:80", "10.0.0.2:5001", &[(7, "nginx")]),
        owned_by("10.0.0.1:80", "10.0.0.2:5002", &[(7, "nginx"), (8, "worker")]),
        owned_by("10.0.0.1:4000", "10.0.0.3:443", &[(9, "curl'; drop")]),
        listener,
    ];
    let snapshot = Snapshot { sequence: 3, connections, ..Snapshot::default() };
    live_tables(&Arc::new(Update { snapshot: Arc::new(snapshot), ..Update::default() }), list)
}

fn answer(sql: &str) -> QueryAnswer {
    query(&tables(), sql, QueryBounds::default()).unwrap()
}

fn error(sql: &str) -> QueryError {
    query(&tables(), sql, QueryBounds::default()).unwrap_err()
}

fn text(text: &str) -> Cell<'_> {
    Cell::text(text)
}

#[test]
fn connections_and_listeners_are_apart() {
    let found = answer(
        "select process, count(*) as n from connections group by process order by n desc, 1",
    );
    assert_eq!(found.columns, ["process", "n"]);
    assert_eq!(
        found.rows,
        [vec![text("nginx"), Cell::Integer(2)], vec![text("curl'; drop"), Cell::Integer(1)]]
    );
    let found = answer("select local, state, local_port from listeners");
    assert_eq!(found.rows, [vec![text("10.0.0.1:80"), text("LISTEN"), Cell::Integer(80)]]);
}

#[test]
fn each_column_is_the_field_of_its_name() {
    let update = tables();
    let table = update.iter().find(|table| table.name() == "connections").unwrap();
    assert_eq!(table.columns().len(), catalogue().len() + 1);
    let all = answer("select * from connections where local_port = 4000");
    let row = &all.rows[0];
    let mut made = owned_by("10.0.0.1:4000", "10.0.0.3:443", &[(9, "curl'; drop")]);
    made.socket.state = State::Established;
    for (at, field) in catalogue().iter().enumerate() {
        assert_eq!(all.columns[at + 1], field.key);
        let value = field.value(&made);
        let expected = match value.clone() {
            Value::Bool(yes) => u8::from(yes).to_string(),
            Value::List(_) => list(field, &made),
            value => value.plain_text(),
        };
        let shown = match &row[at + 1] {
            Cell::Null => None,
            Cell::Integer(number) => Some(number.to_string()),
            Cell::Real(number) => Some(number.to_string()),
            Cell::Text(text) => Some(text.to_string()),
        };
        assert_eq!(shown, value.is_known().then_some(expected), "{}", field.name);
    }
}

#[test]
fn unknown_is_null_and_never_zero() {
    let found =
        answer("select count(*), count(rtt_us), sum(rtt_us), min(bytes_out) from connections");
    assert_eq!(found.rows, [vec![Cell::Integer(3), Cell::Integer(0), Cell::Null, Cell::Null]]);
}

#[test]
fn processes_are_joined_with_their_connections() {
    let found = answer(
        "select p.process, p.sockets, c.remote from processes p join connections c using (pid) \
         where p.listeners = 0 order by 1",
    );
    assert_eq!(found.rows, [vec![text("curl'; drop"), Cell::Integer(1), text("10.0.0.3:443")]]);
    // Both owners of the second connection have it.
    let found = answer("select pid, sockets from processes order by pid");
    let expected = [(7, 3), (8, 1), (9, 1)].map(|(a, b)| vec![Cell::Integer(a), Cell::Integer(b)]);
    assert_eq!(found.rows, expected);
}

#[test]
fn fields_and_health_describe_the_rest() {
    let found = answer("select meaning from fields where key = 'rtt_us'");
    let field = catalogue().iter().find(|field| field.name == "rtt").unwrap();
    assert_eq!(found.rows, [vec![text(field.meaning)]]);
    let found = answer("select sequence, sockets, host from health");
    assert_eq!(found.rows, [vec![Cell::Integer(3), Cell::Integer(4), Cell::Null]]);
}

#[test]
fn a_bound_of_rows_is_reported() {
    let bounds = QueryBounds { rows: 2, ..QueryBounds::default() };
    let found = query(&tables(), "select 1 from connections", bounds).unwrap();
    assert_eq!((found.rows.len(), found.has_more), (2, true));
    let found = query(&tables(), "select 1 from connections limit 2", bounds).unwrap();
    assert_eq!((found.rows.len(), found.has_more), (2, false));
    let bounds = QueryBounds { bytes: 10, ..QueryBounds::default() };
    let found = query(&tables(), "select process from connections", bounds).unwrap();
    assert_eq!((found.rows.len(), found.has_more), (2, true));
}

#[test]
fn nothing_can_be_written_attached_or_set() {
    for sql in [
        "create table x(a)",
        "create temp table x as select * from connections",
        "attach ':memory:' as other",
        "pragma query_only = off",
        "begin",
        "vacuum into '/tmp/conns-history-test'",
        "select * from pragma_database_list",
        "create virtual table x using connections",
        "drop table connections",
        "insert into connections(id) values ('x')",
        "update connections set id = 'x'",
        "delete from connections",
        "explain select load_extension('x')",
        "select load_extension('/tmp/x.so')",
        "select * from connections; delete from connections",
        "",
        "-- nothing",
    ] {
        let found = query(&tables(), sql, QueryBounds::default());
        assert!(found.is_err(), "{sql}: {found:?}");
    }
}

#[test]
fn errors_name_what_is_wrong() {
    assert!(
        matches!(error("selec 1"), QueryError::Invalid(message) if message.contains("\"selec\""))
    );
    let message = error("select rtt from connections").to_string();
    assert_eq!(message, "cannot read the query: no such column: rtt at byte 8");
    // A misspelt name in double quotes is no text.
    assert!(matches!(error("select \"rtt\" from connections"), QueryError::Invalid(_)));
    for sql in ["select 1; select 2", "", "-- select 1"] {
        assert!(matches!(error(sql), QueryError::NotOne(_)), "{sql}");
    }
    assert!(matches!(error("attach 'x' as y"), QueryError::NotPermitted));
    assert!(matches!(error("select zeroblob(300000)"), QueryError::TooLarge(_)));
}

/// Queries that would never end, or take ever more memory.
#[test]
fn time_and_memory_are_bounded() {
    let bounds = QueryBounds { time: Duration::from_millis(200), ..QueryBounds::default() };
    let endless =
        "with recursive c(n) as (select 1 union all select n + 1 from c) select max(n) from c";
    let started = Instant::now();
    assert!(matches!(query(&tables(), endless, bounds), Err(QueryError::TooLong(_))));
    // Far more than the bound, as the machine may be loaded; without a bound it never ends.
    assert!(started.elapsed() < Duration::from_secs(60));
    let bounds = QueryBounds { time: Duration::from_secs(600), ..QueryBounds::default() };
    let growing = "with recursive c(n, t) as (select 1, '' union all select n + 1, hex(zeroblob(50000)) || n from c) \
                   select count(distinct t) from c";
    assert!(matches!(query(&tables(), growing, bounds), Err(QueryError::TooLarge(_))));
}

proptest! {
    /// What a client sends is answered or refused; nothing is written, and nothing panics.
    #[test]
    fn any_text_is_answered_or_refused(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "select", "*", "from", "connections", "processes", "where", "(", ")", "'", "\"", ";", ",", "1", "null", "group by",
            "pid", "union", "values", "with", "as", "x", "delete", "insert into", "pragma", "explain", "--", "\0", "é", "limit -1",
        ]),
        0..12,
    )) {
        let bounds = QueryBounds { rows: 10, time: Duration::from_millis(100), ..QueryBounds::default() };
        if let Ok(found) = query(&tables(), &words.join(" "), bounds) {
            prop_assert!(found.rows.len() <= 10);
        }
    }
}
