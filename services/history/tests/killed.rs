//! A writer that is killed at random moments: what it had written is there, once, and the file is whole.
//!
//! The writer is this program, started again with the path of the history.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

mod made;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use made::{Folder, MIB, number, open, write};

/// Names the history that a started writer writes.
const WRITES: &str = "CONNS_TEST_HISTORY";
/// How often the writer is killed.
const KILLS: u64 = 200;
/// Rows of a transaction.
const ROWS: u64 = 40;

fn main() -> ExitCode {
    if let Ok(path) = std::env::var(WRITES) {
        write_until_killed(path.as_ref());
    }
    let trial = Trial::test("nothing_that_was_written_is_lost_by_kill", killed);
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}

/// Writes, and prints how many rows are written after each transaction.
fn write_until_killed(path: &std::path::Path) -> ! {
    // What was kept before this run.
    let mut serial = if path.exists() {
        number(path, "select ifnull(max(cookie), 0) from closed").unsigned_abs()
    } else {
        0
    };
    let mut second = serial / ROWS + 2;
    let mut history = open(path, 16 * MIB, second);
    loop {
        second += 1;
        write(&mut history, &mut serial, ROWS, second);
        println!("{serial}");
        std::io::stdout().flush().unwrap();
    }
}

fn killed() -> Result<(), Failed> {
    let folder = Folder::new("killed");
    let path = folder.file();
    let program = std::env::current_exe()?;
    // The moments differ in each run; a failure names its own.
    let seed = u64::from(std::process::id()) ^ std::time::UNIX_EPOCH.elapsed()?.as_micros() as u64;
    let mut random = seed | 1;
    for kill in 0..KILLS {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut writer =
            Command::new(&program).env(WRITES, &path).stdout(Stdio::piped()).spawn()?;
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        // It has begun to write; then it has up to 20 ms.
        let first = lines.next().ok_or("the writer ended by itself")??;
        std::thread::sleep(Duration::from_micros((random >> 33) % 20_000));
        writer.kill()?;
        writer.wait()?;
        let written = lines.map_while(Result::ok).last().unwrap_or(first);
        let written: i64 = written.trim().parse().map_err(|_| format!("`{written}`"))?;
        let what = format!("kill {kill} of seed {seed}");
        let kept = number(&path, "select count(*) from closed");
        let removed = number(&path, "select removed_rows from tables where name = 'closed'");
        let distinct = number(&path, "select count(distinct cookie) from closed");
        let last = number(&path, "select max(cookie) from closed");
        if last < written || kept != distinct || kept + removed != last {
            let found = format!(
                "{written} written, {kept} kept, {distinct} of them distinct, {removed} removed, last {last}"
            );
            return Err(format!("{what}: {found}").into());
        }
        let check = rusqlite::Connection::open(&path)?;
        let whole: String = check.query_row("pragma integrity_check", [], |row| row.get(0))?;
        if whole != "ok" {
            return Err(format!("{what}: {whole}").into());
        }
    }
    let rows = number(&path, "select max(cookie) from closed");
    assert!(rows > 0);
    Ok(())
}
