//! What a table of connections shows at every width of a terminal.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use std::sync::Arc;

use conns_api::View;
use conns_core::model::{Class, Connection, Owner};
use conns_fixtures::{connection, established, known, process};
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
