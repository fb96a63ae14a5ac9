//! Sorting, grouping and choosing columns.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

#[path = "query/sample.rs"]
mod sample;

use conns_core::model::Class;
use conns_core::model::{Connection, Known, Queues, Rates, Unknown};
use conns_core::query::{
    ColumnError, Field, Filter, Group, GroupKey, GroupSortKey, SortError, SortKey, Spread,
    catalogue, find_field, group, parse_columns, sort, sort_groups,
};
use conns_fixtures::{Tcp, known};
use sample::{connection, judge, owner, sample, tcp};

/// The letters of the sample connections in the order of these keys.
fn sorted(keys: &str) -> String {
    let sample = sample();
    let mut rows: Vec<&Connection> = sample.iter().map(|(_, connection)| connection).collect();
    sort(&mut rows, &SortKey::parse(keys).expect(keys));
    rows.iter()
        .filter_map(|row| sample.iter().find(|(_, other)| std::ptr::eq(*row, other)))
        .map(|(letter, _)| *letter)
        .collect()
}

#[test]
fn rows_are_sorted_with_the_unknown_last() {
    for (keys, expected) in [
        // Known, then unknown (database, foreign), then not applicable, either way round.
        ("rtt", "swdflre"),
        ("-rtt", "wsdflre"),
        ("+rtt_us", "swdflre"),
        // Names without regard to case; the listener by its first owner.
        ("process", "rwldsfe"),
        ("-process", "sdwlrfe"),
        ("proto,-local_port", "fdwlesr"),
        ("-state", "relwsdf"),
        // An IPv4-mapped address stands where the IPv4 address does.
        ("remote", "sdweflr"),
    ] {
        assert_eq!(sorted(keys), expected, "{keys}");
    }
}

#[test]
fn sorting_by_any_field_keeps_every_row() {
    for field in catalogue() {
        for keys in [field.name.to_owned(), format!("-{}", field.key)] {
            let mut letters: Vec<char> = sorted(&keys).chars().collect();
            letters.sort_unstable();
            assert_eq!(letters, ['d', 'e', 'f', 'l', 'r', 's', 'w'], "{keys}");
        }
    }
}

#[test]
fn sort_keys_that_are_none_are_refused() {
    let refused = |keys| SortKey::parse(keys).expect_err(keys).to_string();
    assert_eq!(
        refused("-rt"),
        "unknown field `rt`; did you mean `rtt`? (`conns fields` lists all)"
    );
    assert_eq!(refused("rtt,,pid"), "sort field missing in `rtt,,pid`");
    assert!(matches!(SortKey::parse("-"), Err(SortError::NameMissing { .. })));
    assert!(matches!(SortKey::parse(""), Err(SortError::NameMissing { .. })));
}

fn names(columns: &[&Field]) -> Vec<&'static str> {
    columns.iter().map(|field| field.name).collect()
}

#[test]
fn columns_are_a_list_or_a_change_to_one() {
    let default = [find_field("process").unwrap(), find_field("rtt").unwrap()];
    let columns = |text| names(&parse_columns(text, &default).expect(text));
    assert_eq!(columns("pid, comm,latency"), ["pid", "process", "rtt"]);
    assert_eq!(columns("rtt,rtt"), ["rtt"]);
    assert_eq!(columns("+cc,-process"), ["rtt", "congestion"]);
    assert_eq!(columns("-why"), ["process", "rtt"]);
    assert_eq!(columns("rtt,-rtt,pid"), ["pid"]);
    assert_eq!(columns("all").len(), catalogue().len());
    assert_eq!(columns("all,-why").len(), catalogue().len() - 1);
}

#[test]
fn columns_that_are_none_are_refused() {
    let default = [find_field("process").unwrap()];
    let refused = |text| {
        parse_columns(text, &default).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert_eq!(
        refused("process,remote_adr"),
        "unknown field `remote_adr`; did you mean `remote_addr`? (`conns fields` lists all)"
    );
    assert_eq!(refused("process,"), "column name missing in `process,`");
    assert_eq!(refused("-process"), "`-process` leaves no columns");
    assert!(matches!(parse_columns("", &default), Err(ColumnError::NameMissing { .. })));
}

fn grouped(connections: &[Connection], field: &str) -> Vec<Group> {
    let rows: Vec<&Connection> = connections.iter().collect();
    group(&rows, find_field(field).unwrap())
}

fn keys(groups: &[Group]) -> Vec<(String, usize)> {
    groups.iter().map(|group| (group.key.to_string(), group.count)).collect()
}

fn busy(remote: &str, rtt_us: u32, sent: u64, total_retrans: u32) -> Connection {
    let mut made = connection("10.0.0.5:443", remote);
    made.socket.tcp = Tcp { total_retrans, ..tcp(rtt_us, 100, sent, sent / 2) }.known();
    made.socket.queues = known(Queues { receive_bytes: 1, send_bytes: 2 });
    made.stats.rates = known(Rates { out_bytes_per_s: 10.0, in_bytes_per_s: 2.5 });
    judge(&mut made, Class::Healthy, 80);
    made
}

#[test]
fn groups_are_sorted_by_their_key_and_figures() {
    let rows = [
        busy("192.0.2.1:5", 1000, 10, 0),
        busy("192.0.2.2:5", 3000, 900, 0),
        busy("192.0.2.2:6", 3000, 100, 0),
        connection("10.0.0.5:443", "192.0.2.3:4"),
    ];
    let field = find_field("remote").unwrap();
    let order = |text: &str| {
        let mut groups = grouped(&rows, "remote");
        sort_groups(&mut groups, &GroupSortKey::parse(text, field).expect(text));
        let keys = groups.iter().map(|group| group.key.to_string());
        keys.map(|key| key.rsplit('.').next().unwrap_or_default().to_owned()).collect::<String>()
    };
    assert_eq!(order("remote"), "123");
    assert_eq!(order("-remote"), "321");
    assert_eq!(order("connections,-remote"), "312");
    assert_eq!(order("-bytes_out"), "213");
    // What is unknown is last in both directions.
    assert_eq!(order("rtt"), "123");
    assert_eq!(order("-latency"), "213");
    let refused = GroupSortKey::parse("-idle", field).unwrap_err().to_string();
    assert!(refused.starts_with("groups by `remote` cannot be sorted by `idle`"), "{refused}");
}

#[test]
fn groups_sum_what_is_known_and_count_what_is_not() {
    let mut unmeasured = connection("10.0.0.5:443", "192.0.2.1:4");
    judge(&mut unmeasured, Class::Idle, 50);
    let mut silent = busy("192.0.2.1:5", 0, 0, 0);
    silent.stats.rates = Known::Unknown(Unknown::NeedsTwoObservations);
    let connections = [
        busy("192.0.2.1:1", 300, 1000, 5),
        busy("[::ffff:192.0.2.1]:2", 100, 2000, 0),
        busy("192.0.2.1:3", 200, 4000, 1),
        unmeasured,
        silent,
        busy("192.0.2.2:1", 100, 1, 0),
    ];
    let groups = grouped(&connections, "remote");
    assert_eq!(keys(&groups), [("192.0.2.1".to_owned(), 5), ("192.0.2.2".to_owned(), 1)]);
    let first = &groups[0];
    assert_eq!(
        (first.bytes_out.total, first.bytes_out.known, first.bytes_out.unknown),
        (7000, 4, 1)
    );
    assert_eq!(first.bytes_in.known_total(), Some(3500));
    assert_eq!((first.rate_out.total, first.rate_out.unknown), (30.0, 2));
    assert_eq!((first.rate_in.total, first.rate_in.known), (7.5, 3));
    assert_eq!((first.recv_queue.total, first.send_queue.total), (4, 8));
    assert_eq!(first.rtt_us, Some(Spread { min: 100, median: 200, max: 300 }));
    assert_eq!(first.worst_loss_percent, Some(5.0));
    assert_eq!(first.verdicts, [(Class::Healthy, 4), (Class::Idle, 1)]);
}

#[test]
fn a_connection_held_by_several_is_in_one_group() {
    let held = |owners: &[(u32, &str)]| {
        let mut made = busy("192.0.2.1:1", 100, 10, 0);
        made.owners = known(owners.iter().map(|(pid, name)| owner(*pid, name, "root")).collect());
        made
    };
    let connections = [
        held(&[(1, "nginx")]),
        held(&[(1, "nginx"), (2, "nginx")]),
        held(&[(1, "nginx"), (3, "caddy")]),
        held(&[(3, "caddy"), (4, "nginx")]),
        held(&[(5, "unknown")]),
        connection("10.0.0.5:1", "192.0.2.9:1"),
    ];
    let groups = grouped(&connections, "process");
    assert_eq!(
        keys(&groups),
        [
            ("caddy, nginx".to_owned(), 2),
            ("nginx".to_owned(), 2),
            ("unknown".to_owned(), 1),
            ("unknown".to_owned(), 1),
        ]
    );
    // A process may be called so; that is not the same as not knowing.
    assert_eq!(groups[2].key, GroupKey::Value("unknown".to_owned()));
    assert_eq!(groups[3].key, GroupKey::Unknown);
    let sent: u64 = groups.iter().map(|group| group.bytes_out.total).sum();
    assert_eq!(sent, 50);
}

#[test]
fn grouping_by_any_field_counts_every_connection_once() {
    let connections: Vec<Connection> = sample().into_iter().map(|(_, made)| made).collect();
    for field in catalogue() {
        let groups = grouped(&connections, field.name);
        let count: usize = groups.iter().map(|group| group.count).sum();
        assert_eq!(count, connections.len(), "{}", field.name);
        let verdicts = groups.iter().flat_map(|group| &group.verdicts);
        assert_eq!(verdicts.map(|(_, count)| count).sum::<usize>(), count);
    }
}

#[test]
fn what_does_not_apply_is_not_missing_from_a_sum() {
    let connections: Vec<Connection> = sample().into_iter().map(|(_, made)| made).collect();
    let groups = grouped(&connections, "state");
    let listening = groups.iter().find(|group| group.key.text() == Some("LISTEN"));
    let listening = listening.expect("the listener's group");
    assert_eq!(listening.bytes_out.known_total(), None);
    assert_eq!(listening.bytes_out.unknown, 0);
    assert_eq!(listening.rtt_us, None);
}

#[test]
fn a_name_is_that_of_one_field() {
    for field in catalogue() {
        let aliases = field.aliases.iter().map(|alias| alias.replace('-', "_"));
        for name in [field.name.to_owned(), field.key.clone()].into_iter().chain(aliases) {
            let found = find_field(&name).expect(&name).name;
            assert_eq!(found, field.name, "`{name}` is a name of both");
        }
    }
}

#[test]
fn every_field_can_be_asked_for() {
    for field in catalogue() {
        for name in [field.name, &field.key].into_iter().chain(field.aliases.iter().copied()) {
            let filter = Filter::parse(&format!("{name} is known")).expect(name);
            let unknown = Filter::parse(&format!("{name} is not known")).expect(name);
            for (_, connection) in sample() {
                assert_ne!(filter.matches(&connection), unknown.matches(&connection));
            }
        }
    }
}
