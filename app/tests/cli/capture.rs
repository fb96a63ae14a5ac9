//! `--read`: a capture file in the place of this machine, on a recorded session of Monero nodes.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Case;
use crate::program::{Ran, collect, conns, run, short};

pub(crate) const TESTS: &[Case] = &[
    Case("a_capture_has_two_rows_for_each_connection", &[], two_rows),
    Case("a_capture_shows_what_nodes_answered_at_that_moment", &[], as_answered),
    Case("a_capture_has_events_and_closed_connections", &[], events),
    Case("a_capture_comes_from_standard_input", &[], standard_input),
    Case("a_large_capture_whose_clock_went_back_is_read_again", &[], clock_went_back),
    Case("a_capture_answers_calls_of_other_systems", &[], calls),
    Case("a_capture_knows_no_verdict_that_needs_a_kernel", &[], verdicts),
    Case("flags_that_make_no_sense_with_a_capture_are_refused", &[], refused),
    Case("a_file_that_is_no_capture_is_a_failure", &[], unreadable),
];

const SESSION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/levin/session.pcap");
const ANSWERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/levin/answers.jsonl");
/// Its connections are open.
const MIDDLE: &str = "2026-11-27T00:18:24.5Z";

/// Reads the session. Two of its packets are dated before the one ahead of them.
fn read(words: &[&str]) -> Result<Ran> {
    let ran = run(&[words, &["--read", SESSION]].concat())?;
    ensure!(matches!(ran.code, Some(0 | 3)), "{}: {:?} {}", ran.shown, ran.code, ran.err);
    for line in ran.err.lines() {
        ensure!(line.contains("are dated before the one ahead of them"), "{}: {line}", ran.shown);
    }
    Ok(ran)
}

fn rows(words: &[&str]) -> Result<Vec<Value>> {
    let json = read(&[words, &["-o", "json"]].concat())?.json()?;
    json["connections"].as_array().cloned().context("a list")
}

fn two_rows() -> Result<()> {
    let all = rows(&["--until", MIDDLE])?;
    ensure!(all.len() == 8, "{all:?}");
    for row in &all {
        let is_other_end = |other: &&Value| {
            other["local_port"] == row["remote_port"] && other["remote_port"] == row["local_port"]
        };
        let other = all.iter().find(is_other_end).context("the other end")?;
        let [out, received] = ["bytes_out", "bytes_in"].map(|key| &row[key]);
        ensure!((out, received) == (&other["bytes_in"], &other["bytes_out"]), "{row} {other}");
        let directions = [&row["direction"], &other["direction"]];
        ensure!(directions.contains(&&"inbound".into()), "{row}");
        ensure!(directions.contains(&&"outbound".into()), "{row}");
        ensure!(row["pid"].is_null() && row["send_queue_bytes"].is_null(), "{row}");
        ensure!(row["rate_in_bytes_per_s"].is_number(), "{row}");
    }
    let one_side = rows(&["--until", MIDDLE, "local_port == 28180"])?;
    ensure!(one_side.len() == 3, "{one_side:?}");
    // The same moment as a number.
    let number = rows(&["--until", "1795738704500000", "local_port == 28180"])?;
    ensure!(number == one_side, "{number:?}");
    let early = run(&["--read", SESSION, "--until", "0"])?;
    early.refused(&["--until", "the first packet", "is later"])
}

/// The nodes were asked while the session was recorded; each answer lies between two moments.
fn as_answered() -> Result<()> {
    const PORTS: [u16; 3] = [28180, 28280, 28380];
    const KEYS: [(&str, &str); 6] = [
        ("recv_count", "bytes_in"),
        ("send_count", "bytes_out"),
        ("height", "levin.height"),
        ("peer_id", "levin.peer_id"),
        ("support_flags", "levin.support_flags"),
        ("pruning_seed", "levin.pruning_seed"),
    ];
    let mut compared = 0;
    for line in std::fs::read_to_string(ANSWERS)?.lines() {
        let answer: Value = serde_json::from_str(line)?;
        let node = answer["node"].as_u64().and_then(|node| PORTS.get(usize::try_from(node).ok()?));
        let port = node.context("a port")?;
        let filter = format!("local_port == {port} or levin.node_port == {port}");
        let columns = KEYS.map(|(_, column)| column).join(",") + ",remote_addr,remote_port";
        let [before, after] = ["before_us", "after_us"].map(|key| {
            rows(&["--until", &answer[key].to_string(), "--columns", &columns, &filter])
        });
        let (before, after) = (before?, after?);
        for peer in answer["rows"].as_array().context("rows")? {
            let is_peer = |row: &&Value| {
                let (host, port) = (&row["remote_addr"], &row["remote_port"]);
                peer["address"] == format!("{}:{port}", host.as_str().unwrap_or("?"))
            };
            let found = (before.iter().find(is_peer), after.iter().find(is_peer));
            let (Some(row), Some(later)) = found else {
                // The port of a node that has not shaken hands is not known.
                ensure!(peer["state"] == "before_handshake", "no row of {peer}");
                continue;
            };
            for (key, column) in KEYS {
                // Of a peer that has not shaken hands the node answers 0.
                let is_settled = row[column] == later[column] && !row[column].is_null();
                ensure!(!is_settled || row[column] == peer[key], "{key}: {row} instead of {peer}");
                compared += u32::from(is_settled);
            }
        }
    }
    ensure!(compared > 350, "only {compared} values were compared");
    Ok(())
}

fn events() -> Result<()> {
    let kinds = |words: &[&str]| -> Result<Vec<String>> {
        let lines = read(&[&["events", "-o", "jsonl"], words].concat())?.lines_of_json()?;
        let word = |line: &Value| {
            format!("{} {}", line["event"].as_str().unwrap_or("?"), line["local_port"])
        };
        Ok(lines.iter().map(word).collect())
    };
    let all = kinds(&[])?;
    ensure!(all.len() == 16, "{all:?}");
    ensure!(all.first().is_some_and(|first| first == "opened 59366"), "{all:?}");
    let until = kinds(&["--until", MIDDLE, "local_port == 28180"])?;
    ensure!(until == ["opened 28180"; 3], "{until:?}");

    let closed = rows(&["--closed", "--columns", "+app,local_port,ended,handshake"])?;
    ensure!(closed.len() == 8, "{closed:?}");
    ensure!(closed.iter().all(|row| row["ended"] == "fin"), "{closed:?}");
    let levin = closed.iter().filter(|row| row["app"] == "levin").count();
    ensure!(levin == 6, "{closed:?}");
    // What has closed is in TIME-WAIT at the end that closed first.
    let left = rows(&["-a"])?;
    ensure!(left.len() == 4 && left.iter().all(|row| row["state"] == "TIME-WAIT"), "{left:?}");
    Ok(())
}

fn standard_input() -> Result<()> {
    let words = ["--read", "-", "--until", MIDDLE, "local_port == 28180", "-o", "json"];
    let mut command = conns(words);
    let shown = short(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("its input is no pipe")?;
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut File::open(SESSION)?, &mut bytes)?;
    let writer = std::thread::spawn(move || {
        // It reads no further than it must, and closes the pipe.
        let _ = input.write_all(&bytes);
    });
    let ran = collect(child, shown)?;
    ensure!(writer.join().is_ok(), "writing panicked");
    let json = ran.json()?;
    let count = json["connections"].as_array().map(Vec::len);
    ensure!(count == Some(3), "{count:?}: {}", ran.err);
    Ok(())
}

/// The end of a large file is estimated from its last packets; of a compressed one all is read for it.
fn clock_went_back() -> Result<()> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut put = |numbers: &[u32]| numbers.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
    put(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, 101]);
    for number in 0..9000 {
        let second = 1_767_225_600 + number / 1000 + if number == 5 { 60 } else { 0 };
        put(&[second, number % 1000 * 1000, 1028, 1028]);
        // IPv4 and UDP in words, from 10.0.0.1 to 10.0.0.2.
        let id = number << 16;
        let header = [0x0404_0045, id.swap_bytes() >> 16, 0x1140, 0x0100_000a, 0x0200_000a];
        put(&header);
        put(&[0x0200_0100, 0xf003]);
        put(&[7; 250]);
    }
    let plain = tempfile("clock.pcap", &bytes)?;
    let packed = format!("{plain}.gz");
    let mut gzip = std::process::Command::new("gzip");
    ensure!(gzip.args(["-kf", &plain]).status()?.success(), "gzip");
    let rows = |path: &str| -> Result<Value> {
        let json = run(&["--read", path, "-a", "-o", "json"])?.json()?;
        Ok(json["connections"].clone())
    };
    let (estimated, read) = (rows(&plain)?, rows(&packed)?);
    let rate = estimated[0]["rate_out_bytes_per_s"].as_f64();
    ensure!(rate.is_some_and(|rate| rate > 1_000_000.0), "{estimated}");
    ensure!(estimated == read, "{estimated} and {read}");
    std::fs::remove_file(plain)?;
    Ok(std::fs::remove_file(packed)?)
}

fn calls() -> Result<()> {
    let words = ["call", "get_connections", "--monero-peers", "app == levin", "--until", MIDDLE];
    let node = ["--monero-node", "local_port == 28180 or levin.node_port == 28180"];
    let answer = read(&[&words[..], &node].concat())?.json()?;
    let peers = answer["result"]["connections"].as_array().context("connections")?;
    let counts: Vec<_> =
        peers.iter().map(|peer| (&peer["recv_count"], &peer["incoming"])).collect();
    ensure!(peers.len() == 2, "{counts:?}");
    let table = read(&["call", "Network.GetConnections();", "--until", MIDDLE])?.json()?;
    ensure!(table.to_string().contains("28180"), "{table}");
    Ok(())
}

fn verdicts() -> Result<()> {
    let why = read(&["why", "--until", MIDDLE, "-o", "json"])?.json()?;
    let verdicts = why["verdicts"].as_array().context("verdicts")?;
    ensure!(verdicts.len() == 8, "{why}");
    for verdict in verdicts {
        let class = verdict["verdict"].as_str().context("a verdict")?;
        ensure!(["idle", "healthy"].contains(&class), "{verdict}");
    }
    Ok(())
}

fn refused() -> Result<()> {
    for words in [
        &["--watch"][..],
        &["-l"],
        &["--source", "kernel"],
        &["--netns", "1"],
        &["--agent", "http://127.0.0.1:1"],
        &["--closed", "--for", "1s"],
        &["events", "--for", "1s"],
        &["why", "--for", "1s"],
        &["call", "get_connections", "--source", "kernel"],
    ] {
        run(&[words, &["--read", SESSION]].concat())?
            .refused(&["--read", "cannot be used with"])?;
    }
    run(&["--until", MIDDLE])?.refused(&["--read"])?;
    run(&["--read", SESSION, "--until", "noon"])?.refused(&["noon", "microseconds since 1970"])?;
    run(&["abilities", "--read", SESSION])?.refused(&["a capture file has none"])
}

fn unreadable() -> Result<()> {
    let empty = tempfile("empty", b"")?;
    let other = tempfile("other", b"a text that is as long as the header of a capture file")?;
    for (path, message) in [
        (&*empty, "is empty"),
        (&*other, "is not a capture file"),
        ("/nonexistent/f.pcap", "No such file or directory"),
        ("/", "Is a directory"),
    ] {
        for words in [&[][..], &["events"], &["--closed"], &["why"], &["serve"]] {
            let ran = run(&[words, &["--read", path]].concat())?;
            ran.code(1)?;
            ensure!(ran.out.is_empty() && ran.err.contains(message), "{path}: {}", ran.err);
        }
    }
    Ok(())
}

/// A file of the build's own folder for tests.
fn tempfile(name: &str, bytes: &[u8]) -> Result<String> {
    let path = format!("{}/capture-{}-{name}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    std::fs::write(&path, bytes)?;
    Ok(path)
}
