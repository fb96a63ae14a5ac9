//! The history of a file: what is damaged in it is reported, and the rest is shown.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use conns_core::model::{
    CloseReason, Closed, Connection, Event, EventKind, EventLog, Known, Moment, Snapshot, State,
    Update,
};
use conns_fixtures::{connection, established, known, with_cookie};
use conns_history::History;
use tempfile::TempDir;

use crate::Case;
use crate::program::{Ran, run};

pub(crate) const TESTS: &[Case] = &[
    Case("a_damaged_block_of_the_history_is_a_loss_of_each_answer", &[], damaged),
    Case("a_history_that_is_whole_has_no_loss", &[], whole),
];

const MIB: u64 = 1 << 20;
/// 2026-11-28T14:00:00Z.
const FIRST_S: i64 = 1_795_874_400;
/// How many connections end in each second.
const A_SECOND: u64 = 5;
const SECONDS: u64 = 10;

fn at(second: u64) -> Moment {
    let wall_us = (FIRST_S + second.cast_signed()) * 1_000_000;
    Moment { monotonic_us: second * 1_000_000, wall_us }
}

fn ended(number: u64, second: u64) -> Connection {
    let remote = format!("192.0.2.7:{number}");
    let mut made = connection(with_cookie(number, established("10.0.0.1:443", &remote)));
    made.socket.state = State::Close;
    made.closed = known(Closed {
        at: at(second),
        duration_us: known(1_000_000),
        how: CloseReason::Fin,
        first_closer: Known::NotApplicable,
        fin_received: true,
    });
    made
}

/// A history of ten seconds, and its path.
fn history() -> Result<(TempDir, String)> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history.db");
    let mut history = History::open(&path, 16 * MIB, at(0))?.history;
    let mut serial = 0;
    for second in 0..SECONDS {
        let mut log = EventLog::after(1, serial);
        log.append((0..A_SECOND).map(|_| {
            serial += 1;
            let (kind, connection) = (EventKind::Closed, ended(serial, second));
            Arc::new(Event { serial, at: at(second), kind, connection })
        }));
        let snapshot =
            Arc::new(Snapshot { sequence: second + 1, at: at(second), ..Snapshot::default() });
        history.record(&Update { instance: 1, snapshot, ..Update::default() }, &log);
        history.commit(at(second))?;
    }
    let path = path.to_str().context("a path in UTF-8")?.to_owned();
    Ok((folder, path))
}

/// Runs each command that reads the history, and checks its exit code, how many rows it shows, and its standard error.
fn check(path: &str, code: i32, rows: u64, is_reported: impl Fn(&Ran) -> Result<()>) -> Result<()> {
    let sql = run(&["sql", "select * from closed", "-o", "json", "--history", path])?;
    let json = sql.code(code)?.json()?;
    is_reported(&sql)?;
    ensure!(json["rows"].as_array().map(Vec::len) == usize::try_from(rows).ok(), "{json}");
    let losses = json["losses"].as_array().context("losses")?;
    ensure!(losses.len() == usize::from(code == 3), "{losses:?}");
    for loss in losses {
        let fields = (&loss["kind"], &loss["count"], &loss["source"]);
        ensure!(
            fields == (&"file-unreadable".into(), &A_SECOND.into(), &"history".into()),
            "{loss}"
        );
        let message = loss["message"].as_str().context("a message")?;
        ensure!(message.starts_with("5 rows of `closed` from 2026-11-28T14:00:03Z"), "{message}");
    }
    let table = run(&["sql", "select count(*) from closed", "--history", path])?;
    is_reported(table.code(code)?)?;
    ensure!(table.text()?.contains(&rows.to_string()), "{:?}", table.text());
    let export = run(&["history", "export", "closed", "-", "--history", path])?;
    is_reported(export.code(code)?)?;
    ensure!(export.text()?.lines().count() as u64 == rows + 1, "{:?}", export.text());
    let events = ["events", "--since", "2026-11-28T14:00:00Z", "--to", "2026-11-28T14:00:10Z"];
    let events = run(&[&events[..], &["-o", "jsonl", "--history", path]].concat())?;
    is_reported(events.code(code)?)?;
    ensure!(events.text()?.lines().count() as u64 == rows, "{:?}", events.text());
    let list = ["-o", "json", "--at", "2026-11-28T14:00:09Z", "--history", path];
    let list = run(&list)?;
    let json = list.code(code)?.json()?;
    is_reported(&list)?;
    ensure!(json["losses"].as_array().map(Vec::len) == Some(usize::from(code == 3)), "{json}");
    // What does not read the damaged block lacks nothing.
    let late = "2026-11-28T14:00:05Z";
    let export = run(&["history", "export", "closed", "-", "--from", late, "--history", path])?;
    ensure!(export.code(0)?.err.is_empty(), "{}", export.err);
    ensure!(export.text()?.lines().count() as u64 == (SECONDS - 5) * A_SECOND + 1);
    Ok(())
}

fn whole() -> Result<()> {
    let (_folder, path) = history()?;
    check(&path, 0, SECONDS * A_SECOND, |ran| {
        ensure!(ran.err.is_empty(), "{}: {}", ran.shown, ran.err);
        Ok(())
    })
}

fn damaged() -> Result<()> {
    let (_folder, path) = history()?;
    let database = rusqlite::Connection::open(&path)?;
    let sql = "select data from blocks where kept = 1 and first_us = ?";
    let mut data: Vec<u8> = database.query_row(sql, [at(3).wall_us], |row| row.get(0))?;
    let middle = data.len() / 2;
    data[middle] ^= 1;
    let sql = "update blocks set data = ? where kept = 1 and first_us = ?";
    ensure!(database.execute(sql, rusqlite::params![data, at(3).wall_us])? == 1);
    drop(database);
    check(&path, 3, (SECONDS - 1) * A_SECOND, |ran| {
        let reported = "conns: 5 rows of `closed` from 2026-11-28T14:00:03Z to 2026-11-28T14:00:03Z are missing, because \
                        the file of the history is damaged: a block is damaged (its checksum is wrong); check the disk\n";
        ensure!(ran.err == reported, "{}: {}", ran.shown, ran.err);
        Ok(())
    })
}
