//! What a table of connections shows at every width of a terminal.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use std::sync::Arc;

use conns_api::View;
use conns_core::model::{Class, Connection, Owner, Protocol, State};
use conns_core::query::find_field;
use conns_fixtures::{connection, established, known, process, socket};
use conns_print::{Layout, Names, Palette, default_columns, list};
use unicode_width::UnicodeWidthStr;

fn owned(local: &str, remote: &str, name: &str, pids: &[u32]) -> Connection {
    let mut made = connection(established(local, remote));
    let owner = |pid: &u32| Owner { process: Arc::new(process(*pid, name)), descriptor: Some(3) };
    made.owners = known(pids.iter().map(owner).collect());
    made.verdict.class = Class::SlowReaderRemote;
    made
}

fn lines(connections: &[Connection], width: Option<usize>) -> Vec<String> {
    let connections: Vec<&Connection> = connections.iter().collect();
    let columns = default_columns(View::Connections, false, &connections);
    let layout = Layout { width, header: true, palette: Palette::new(false) };
    let mut out = Vec::new();
    list(&mut out, layout, &columns, &connections, &Names::default()).unwrap();
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn ports_pid_and_verdict_are_shown_at_every_width() {
    let (local, remote) = (
        "[2001:db8:85a3:1234:5678:8a2e:370:7334]:40999",
        "[2001:db8:85a3:1234:5678:8a2e:370:7335]:65535",
    );
    let rows = [
        owned(local, remote, "a-process-with-a-name", &[4_194_303]),
        owned("10.0.0.1:443", "192.0.2.255:51000", "nginx", &[100]),
    ];
    for width in 60..=250 {
        let lines = lines(&rows, Some(width));
        for line in &lines {
            assert!(line.width() <= width, "{width}: {} columns\n{line}", line.width());
        }
        for part in [":40999", ":65535", "4194303", "slow-reader-remote"] {
            assert!(lines[1].contains(part), "{width}: no {part}\n{}", lines[1]);
        }
        assert!(lines[2].contains(":443") && lines[2].contains(":51000"), "{width}\n{}", lines[2]);
        // Width that is left is not wasted while an address is cut.
        let longest = lines.iter().map(|line| line.width()).max().unwrap();
        let is_cut = lines.iter().any(|line| line.contains('…'));
        assert!(
            !is_cut || longest == width,
            "{width}: {longest} columns are used\n{}",
            lines.join("\n")
        );
    }
    assert!(!lines(&rows, None).join("").contains('…'), "nothing is cut without a terminal");
}

#[test]
fn an_address_is_cut_in_the_middle() {
    let rows = [owned("[2001:db8:1:2:3:4:5:6]:443", "[2001:db8:1:2:3:4:5:7]:50000", "nginx", &[1])];
    let row = &lines(&rows, Some(80))[1];
    assert!(row.contains("[2001:") && row.contains("7]:50000"), "{row}");
}

#[test]
fn forks_are_counted() {
    let pids: Vec<u32> = (100..140).collect();
    let rows = [owned("10.0.0.1:80", "10.0.0.2:5000", "nginx", &pids)];
    let row = &lines(&rows, Some(200))[1];
    assert!(row.starts_with("nginx ×40  100 +39  "), "{row}");
}

#[test]
fn an_ipv4_mapped_address_is_the_ipv4_address() {
    let rows = [owned("[::ffff:10.0.0.1]:80", "[::ffff:10.0.0.2]:5000", "nginx", &[1])];
    let row = &lines(&rows, Some(200))[1];
    assert!(row.contains(" 10.0.0.1:80 ") && row.contains(" 10.0.0.2:5000 "), "{row}");
}

/// The local and remote end, and the interface, as a table shows them.
fn ends(connection: &Connection) -> String {
    let names = ["local", "remote", "local_addr", "remote_addr", "interface"];
    let columns = names.map(|name| find_field(name).unwrap());
    let layout = Layout { width: None, header: false, palette: Palette::new(false) };
    let mut out = Vec::new();
    list(&mut out, layout, &columns, &[connection], &Names::default()).unwrap();
    let text = String::from_utf8(out).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A connection at the interface 3, called `name`.
fn at_interface(local: &str, remote: &str, name: Option<&str>) -> Connection {
    let mut made = connection(established(local, remote));
    made.socket.interface = 3;
    made.socket.name_interface(name.map(Into::into));
    made
}

#[test]
fn a_local_end_and_a_link_local_remote_one_have_the_interface_as_zone() {
    let link_local = ("[fe80::1]:443", "[fe80::2]:50000");
    for (made, shown) in [
        (
            at_interface(link_local.0, link_local.1, Some("eth0")),
            "[fe80::1%eth0]:443 [fe80::2%eth0]:50000 fe80::1%eth0 fe80::2%eth0 eth0",
        ),
        (
            at_interface(link_local.0, link_local.1, None),
            "[fe80::1%3]:443 [fe80::2%3]:50000 fe80::1%3 fe80::2%3 3",
        ),
        (
            at_interface("127.0.0.1:53", "127.0.0.2:5353", Some("lo")),
            "127.0.0.1%lo:53 127.0.0.2:5353 127.0.0.1%lo 127.0.0.2 lo",
        ),
        (
            at_interface("10.0.0.1:1", "10.0.0.2:2", Some("\u{1b}[2J")),
            "10.0.0.1%\\u{1b}[2J:1 10.0.0.2:2 10.0.0.1%\\u{1b}[2J 10.0.0.2 \\u{1b}[2J",
        ),
        (
            connection(established("[fe80::1]:443", "[fe80::2]:50000")),
            "[fe80::1]:443 [fe80::2]:50000 fe80::1 fe80::2 -",
        ),
    ] {
        assert_eq!(ends(&made), shown);
    }
}

#[test]
fn the_wildcards_of_one_and_of_both_families_are_distinguished() {
    let listener = |local: &str, ipv6_only: Option<bool>, interface: Option<&str>| {
        let mut made = connection(socket(Protocol::Tcp, State::Listen, local, None));
        if let Some(only) = ipv6_only {
            made.socket.ipv6_only = known(only);
        }
        if interface.is_some() {
            made.socket.interface = 3;
            made.socket.name_interface(interface.map(Into::into));
        }
        ends(&made).split(' ').next().unwrap().to_owned()
    };
    for (local, only, interface, shown) in [
        ("0.0.0.0:80", None, None, "0.0.0.0:80"),
        ("[::]:80", Some(true), None, "[::]:80"),
        ("[::]:80", Some(false), None, "*:80"),
        // Not known to take both.
        ("[::]:80", None, None, "[::]:80"),
        ("[fe80::1]:80", Some(false), None, "[fe80::1]:80"),
        ("0.0.0.0:80", None, Some("lo"), "0.0.0.0%lo:80"),
        ("[::]:80", Some(true), Some("lo"), "[::%lo]:80"),
        ("[::]:80", Some(false), Some("lo"), "*%lo:80"),
        ("0.0.0.0:0", None, None, "0.0.0.0:*"),
        ("[::]:0", Some(false), None, "*:*"),
    ] {
        assert_eq!(listener(local, only, interface), shown);
    }
}
