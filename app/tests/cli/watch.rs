//! `--watch`: a terminal is redrawn, a pipe is written on, and both show what changed meanwhile.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Case;
use crate::program::{SOON, first_line};
use crate::scene::{Scene, same};
use crate::terminal::{HOME_AND_CLEAR, OnTerminal, without_escapes};

pub(crate) const TESTS: &[Case] = &[
    Case("watch_redraws_a_terminal_with_what_changed", &[], redraws),
    Case("watch_never_scrolls_a_terminal", &[], never_scrolls),
    Case("watch_writes_on_in_a_pipe_with_rates", &[], rates),
    Case("watch_separates_tables_in_a_pipe", &[], separates),
    Case("watch_of_groups_begins_with_rates", &[], groups),
    Case("watch_writes_one_header_of_csv_and_the_same_columns_in_each_row", &[], csv),
    Case("watch_takes_a_word_that_is_no_time_as_filter", &[], word),
    Case("watch_ends_well_when_its_reader_does", &[], reader_ends),
];

/// The screens that were drawn whole.
fn screens(text: &str) -> Vec<String> {
    let mut screens: Vec<_> = text.split(HOME_AND_CLEAR).skip(1).map(without_escapes).collect();
    screens.pop(); // perhaps not whole yet
    screens
}

fn redraws() -> Result<()> {
    let scene = Scene::new()?;
    let command = scene.sandbox.conns(&["--watch", "0.2"], "")?;
    let mut watch = OnTerminal::start(&scene.sandbox, command, 200, 50)?;
    let text = watch.wait("three screens", |text| screens(text).len() >= 3)?;
    let alternate = "\u{1b}[?1049h\u{1b}[?25l";
    let first = text.strip_prefix(alternate).context("it does not use the alternate screen")?;
    ensure!(first.starts_with(HOME_AND_CLEAR), "the first screen is not cleared: {text:?}");
    for screen in screens(&text) {
        ensure!(screen.starts_with("PROCESS "), "a screen without header: {screen:?}");
        ensure!(screen.contains("RATE-OUT"), "a screen without rates: {screen:?}");
    }
    let (client, server) = scene.sandbox.connect(scene.listener.local_addr()?, &scene.listener)?;
    let end = format!(" {} ", client.local_addr()?);
    let shows = |text: &str| screens(text).last().is_some_and(|screen| screen.contains(&end));
    watch.wait("a new connection to be shown", shows)?;
    drop((client, server));
    watch.wait("a closed connection to disappear", |text| !shows(text))?;
    Ok(())
}

fn never_scrolls() -> Result<()> {
    let scene = Scene::new()?;
    let more: Vec<_> = (0..20)
        .map(|_| scene.sandbox.connect(scene.listener.local_addr()?, &scene.listener))
        .collect::<Result<_>>()?;
    let command = scene.sandbox.conns(&["-a", "--watch", "0.2"], "")?;
    let mut watch = OnTerminal::start(&scene.sandbox, command, 100, 10)?;
    let text = watch.wait("three screens", |text| screens(text).len() >= 3)?;
    for screen in screens(&text) {
        // The cursor stands in the line after the last one.
        let lines = screen.matches('\n').count();
        let more_line = screen.lines().last().unwrap_or_default();
        ensure!(more_line.starts_with('+') && more_line.ends_with(" more"), "{screen}");
        ensure!(
            (5..=9).contains(&lines),
            "{lines} lines on a terminal of 10, {} sockets",
            more.len() * 2
        );
    }
    Ok(())
}

/// A program writing to a pipe, line by line; ended when dropped.
struct Lines {
    child: Child,
    lines: Receiver<String>,
}

impl Lines {
    fn start(scene: &Scene, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = scene.sandbox.spawn(&mut command)?;
        let output = child.stdout.take().context("no output")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, lines })
    }

    fn next(&self, until: Instant) -> Result<String> {
        let left = until.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).with_context(|| format!("nothing more came within {SOON:?}"))
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        // It watches until it is ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn rates() -> Result<()> {
    let mut scene = Scene::new()?;
    let port = scene.client.local_addr()?.port();
    let filter = format!("local_port == {port} and tcp");
    let command = scene.sandbox.conns(&["--watch", "0.2", "-o", "jsonl"], &filter)?;
    let lines = Lines::start(&scene, command)?;
    let until = Instant::now() + SOON;
    let mut sent = scene.sockets()?.len() as u64; // anything; what counts is that it grows
    loop {
        let record: Value = serde_json::from_str(&lines.next(until)?)?;
        let rate = record["rate_out_bytes_per_s"]
            .as_f64()
            .with_context(|| format!("no rate in {record}"))?;
        let bytes = record["bytes_out"].as_u64().context("no bytes")?;
        if rate > 0.0 && bytes > sent {
            return Ok(());
        }
        sent = sent.max(bytes);
        scene.client.write_all(&[0; 100])?;
    }
}

fn separates() -> Result<()> {
    let scene = Scene::new()?;
    let lines = Lines::start(&scene, scene.sandbox.conns(&["-a", "-t", "--watch", "0.2"], "")?)?;
    let until = Instant::now() + SOON;
    for _ in 0..3 {
        let header = lines.next(until)?;
        ensure!(header.starts_with("PROCESS "), "a table begins with {header:?}");
        for _ in 0..3 {
            let row = lines.next(until)?;
            ensure!(row.contains(" tcp "), "a row is {row:?}");
        }
        same("the line after a table", lines.next(until)?, String::new())?;
    }
    Ok(())
}

fn groups() -> Result<()> {
    let scene = Scene::new()?;
    let words = ["-a", "--group-by", "proto", "--watch", "0.2"];
    let lines = Lines::start(&scene, scene.sandbox.conns(&words, "")?)?;
    let header = lines.next(Instant::now() + SOON)?;
    let titles: Vec<&str> = header.split_whitespace().take(4).collect();
    same("the titles", titles, vec!["PROTO", "RATE-OUT", "RATE-IN", "CONNECTIONS"])
}

/// Three snapshots of five sockets, and a header.
const CSV_LINES: usize = 1 + 3 * 5;

fn csv() -> Result<()> {
    let scene = Scene::new()?;
    let words = ["-a", "-o", "csv", "--watch", "0.2"];
    let lines = Lines::start(&scene, scene.sandbox.conns(&words, "")?)?;
    let until = Instant::now() + SOON;
    let text: Vec<String> = (0..CSV_LINES).map(|_| lines.next(until)).collect::<Result<_>>()?;
    let mut reader = csv::Reader::from_reader(text.join("\n").into_bytes().leak() as &[u8]);
    let header = reader.headers()?.clone();
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    same("the number of rows", rows.len(), CSV_LINES - 1)?;
    let column = |name| header.iter().position(|key| key == name).context("a column is missing");
    let (at, rate, local) = (column("at_us")?, column("rate_out_bytes_per_s")?, column("local")?);
    let times: BTreeSet<&str> = rows.iter().filter_map(|row| row.get(at)).collect();
    same("the times of three snapshots", times.len(), 3)?;
    let server = scene.client.peer_addr()?.to_string();
    let of_server = rows.iter().filter(|row| row.get(local) == Some(&server));
    let rates: Vec<&str> =
        of_server.filter_map(|row| row.get(rate)).filter(|rate| !rate.is_empty()).collect();
    same("rates of the connection that was accepted", rates, vec!["0"; 3])
}

fn word() -> Result<()> {
    let scene = Scene::new()?;
    // Only the namespace or the ports narrow it further, so the word must be part of a filter.
    let mut command = crate::program::conns(["-o", "jsonl", "--watch", "udp", "and"]);
    command.arg(format!("port == {}", scene.udp.local_addr()?.port()));
    command.args(scene.sandbox.netns()?);
    let line = Lines::start(&scene, command)?.next(Instant::now() + SOON)?;
    let record: Value =
        serde_json::from_str(&line).with_context(|| format!("the line {line:?}"))?;
    same("the protocol", &record["proto"], &"udp".into())
}

fn reader_ends() -> Result<()> {
    let scene = Scene::new()?;
    let mut command = scene.sandbox.conns(&["-a", "-o", "jsonl", "--watch", "0.1"], "")?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = scene.sandbox.spawn(&mut command)?;
    let first = first_line(&mut child)?;
    // The reader closed its end; the next write fails.
    let ran = scene.sandbox.collect(child, "conns --watch | head -1")?;
    ran.good()?;
    ensure!(first.starts_with('{'), "the first line was {first:?}");
    Ok(())
}
