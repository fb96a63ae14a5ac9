//! What is damaged in the file is a loss with its rows, its table and its times; the rest is read, and an agent goes on writing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

mod made;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Class, Connection, EventLog, Loss, LossCause, LossKind};
use conns_fixtures::{connection, established, with_cookie};
use conns_history::{
    BoundedTables, Cell, HistoryReader, QueryBounds, ReadAccess, Times, events_before, events_in,
    has_part, kept_tables, query, timeline, update_at, verdicts_in,
};
use made::{Folder, MIB, at, number, open, update, write};
use rusqlite::{Connection as Database, params};

/// Changes a byte in the middle of each blob that a query finds: its row, and the blob.
fn damage(path: &Path, table: &str, blob: &str, rows: &str) -> usize {
    let database = Database::open(path).unwrap();
    let sql = format!("select id, {blob} from {table} where {rows}");
    let mut statement = database.prepare(&sql).unwrap();
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let blobs: Vec<(i64, Vec<u8>)> =
        statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
    for (id, mut bytes) in blobs.clone() {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        let sql = format!("update {table} set {blob} = ? where id = ?");
        assert_eq!(database.execute(&sql, params![bytes, id]).unwrap(), 1);
    }
    blobs.len()
}

/// Damages the oldest block of `closed` of a second or later.
fn damage_closed(path: &Path, since: u64) {
    let of = format!("kept = 1 and last_us >= {}", at(since).wall_us);
    let oldest = format!("id = (select min(id) from blocks where {of})");
    assert_eq!(damage(path, "blocks", "data", &oldest), 1);
}

/// The first column of the first row, and what is missing.
fn ask(path: &Path, sql: &str) -> (Cell<'static>, Vec<Loss>) {
    let session = HistoryReader::open(path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    let bounds = QueryBounds { time: Duration::from_secs(60), ..QueryBounds::default() };
    let answer = query(&kept_tables(&Ok(Arc::clone(&session))), sql, bounds).unwrap();
    (answer.rows[0][0].clone(), session.losses())
}

fn whole(path: &Path, sql: &str) -> i64 {
    let (Cell::Integer(number), losses) = ask(path, sql) else { panic!("no number") };
    assert_eq!(losses, [], "{sql}");
    number
}

fn tables(path: &Path) -> BoundedTables {
    let session = HistoryReader::open(path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    BoundedTables::new(session, None, Duration::from_secs(60))
}

/// The only loss: its count, its table, and its times in seconds.
fn only(losses: &[Loss]) -> (u64, &str, u64, u64) {
    let [Loss { cause: LossCause::HistoryDamaged { table, from_us, to_us, .. }, count, .. }] =
        losses
    else {
        panic!("{losses:?}")
    };
    assert_eq!(losses[0].kind(), LossKind::FileUnreadable);
    let second = |us: &i64| ((us - at(0).wall_us) / 1_000_000).unsigned_abs();
    (*count, table, second(from_us), second(to_us))
}

#[test]
fn rows_of_other_blocks_are_read_and_the_loss_stays_where_blocks_are_merged() {
    let folder = Folder::new("damaged-block");
    let path = folder.file();
    let (mut history, mut serial) = (open(&path, 16 * MIB, 1), 0);
    for second in 2..12 {
        write(&mut history, &mut serial, 10, second);
    }
    damage_closed(&path, 5);
    let count = "select count(*) from closed";
    for sql in
        [count, "select count(cookie) from closed", "select sum(1) from closed where pid > 0"]
    {
        let (rows, losses) = ask(&path, sql);
        assert_eq!((rows, only(&losses)), (Cell::Integer(90), (10, "closed", 5, 5)), "{sql}");
    }
    let (_, losses) = ask(&path, count);
    let sentence = losses[0].to_string();
    assert!(sentence.starts_with("10 rows of `closed` from 2026-"), "{sentence}");
    assert!(sentence.contains("its checksum is wrong"), "{sentence}");
    // It is read twice, and counts once.
    let (pairs, losses) = ask(&path, "select count(*) from closed a join closed b using (cookie)");
    assert_eq!((pairs, only(&losses)), (Cell::Integer(90), (10, "closed", 5, 5)));
    // What does not read it lacks nothing.
    assert_eq!(whole(&path, &format!("{count} where at_us >= {}", at(6).wall_us)), 60);
    assert_eq!(whole(&path, "select count(*) from failed"), 0);
    // Another one, which is cut.
    let database = Database::open(&path).unwrap();
    let cut = "update blocks set data = substr(data, 1, 3) where kept = 1 and first_us = ?";
    assert_eq!(database.execute(cut, [at(8).wall_us]).unwrap(), 1);
    assert_eq!(only(&ask(&path, count).1), (20, "closed", 5, 8));

    for second in 12..220 {
        write(&mut history, &mut serial, 10, second);
    }
    let blocks = "select count(*) from blocks where kept = 1";
    let blocks: i64 = database.query_row(blocks, [], |row| row.get(0)).unwrap();
    assert!(blocks < 100, "{blocks} blocks of 218 are left where they are merged");
    let (rows, losses) = ask(&path, count);
    let expected = Cell::Integer(serial.cast_signed() - 20);
    assert_eq!((rows, only(&losses)), (expected, (20, "closed", 5, 8)));
    assert_eq!(number(&path, "select sum(lost_events) from watched"), 0);
    assert_eq!(number(&path, "select removed_rows from tables where name = 'closed'"), 0);
}

fn sampled(number: u64, class: Class) -> Connection {
    let mut made = connection(with_cookie(number, established("192.0.2.1:443", "10.0.0.1:5000")));
    made.verdict.class = class;
    made
}

/// Ten minutes with 20 connections that end in each second, and one that is open.
fn ten_minutes(path: &Path) {
    let (mut history, mut serial) = (open(path, 64 * MIB, 600), 0);
    for second in 600..1200 {
        let class = if second < 900 { Class::Healthy } else { Class::PathLoss };
        let mut one = sampled(5, class);
        one.stats.changed_sequence = second;
        history.record(&update(second, second, vec![one]), &EventLog::after(1, serial));
        write(&mut history, &mut serial, 20, second);
    }
    drop(history);
    // Blocks as they are after a restart, which merges them.
    drop(open(path, 64 * MIB, 1201));
}

#[test]
fn moments_and_events_of_the_past_name_what_is_missing() {
    let folder = Folder::new("damaged-past");
    let path = folder.file();
    ten_minutes(&path);
    let times = Times { from_us: at(600).wall_us, to_us: at(1199).wall_us };
    let kept = &mut tables(&path);
    assert_eq!(update_at(kept, at(1000).wall_us).unwrap().snapshot.losses, []);
    assert_eq!(events_in(kept, times).unwrap().1, []);

    let database = Database::open(&path).unwrap();
    let head = "select first_us, last_us, rows from blocks where kept = 1 and first_us <= ?1 and last_us >= ?1";
    let block = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
    let (first_us, last_us, rows): (i64, i64, i64) =
        database.query_row(head, [at(1000).wall_us], block).unwrap();
    assert_eq!(damage(&path, "blocks", "data", &format!("kept = 1 and first_us = {first_us}")), 1);
    let second = |us: i64| ((us - at(0).wall_us) / 1_000_000).unsigned_abs();
    let rows = rows.unsigned_abs();
    let expected = (rows, "closed", second(first_us), second(last_us));

    let kept = &mut tables(&path);
    let moment = update_at(kept, at(1000).wall_us).unwrap();
    assert_eq!(only(&moment.snapshot.losses), expected);
    assert_eq!(moment.snapshot.connections.iter().filter(|one| one.is_open()).count(), 1);
    let (events, losses) = events_in(kept, times).unwrap();
    assert_eq!((events.len() as u64 + rows, only(&losses)), (600 * 20, expected));
    let (events, losses) = events_before(kept, times, 12_000, &|_| true).unwrap();
    assert_eq!((events.len() as u64 + rows, only(&losses)), (600 * 20, expected));
    // What is far from it lacks nothing; neither does what follows a reading that met it.
    let (events, losses) = events_before(kept, times, 20, &|_| true).unwrap();
    assert_eq!((events.len(), losses), (20, Vec::new()));
    assert_eq!(verdicts_in(kept, times).unwrap().snapshot.losses, []);

    let parts = timeline(kept, times, 600, &|class| class == Class::PathLoss).unwrap();
    assert_eq!(parts.step_us, 1_000_000);
    for part in &parts.buckets {
        let is_missing = part.from_us <= last_us && part.to_us > first_us;
        assert_eq!(part.ended, (!is_missing).then_some(20), "{part:?}");
        let is_near = part.to_us >= first_us && part.to_us - 75_000_000 <= last_us;
        assert!(!is_near || part.open.is_none(), "{part:?}");
    }

    assert!(damage(&path, "blocks", "data", "kept in (4, 5)") > 0);
    let kept = &mut tables(&path);
    let moment = update_at(kept, at(620).wall_us).unwrap();
    let LossCause::HistoryDamaged { table, .. } = &moment.snapshot.losses[0].cause else {
        panic!()
    };
    assert_eq!(&**table, "samples");
    let losses = verdicts_in(kept, times).unwrap().snapshot.losses.clone();
    let named = losses.iter().map(|loss| match &loss.cause {
        LossCause::HistoryDamaged { table, .. } => table.to_string(),
        other => panic!("{other:?}"),
    });
    assert_eq!(named.collect::<Vec<_>>(), ["samples", "verdicts"]);
    let parts = timeline(kept, times, 600, &|_| false).unwrap();
    assert!(parts.buckets.iter().all(|part| part.open.is_none()));
}

const HOUR: u64 = 3600;

/// `rows` connections in each of these hours, and 10 seconds later another one.
fn hours(path: &Path, hours: u64, rows: u64) {
    let (mut history, mut serial) = (open(path, 64 * MIB, 0), 0);
    for hour in 0..hours {
        write(&mut history, &mut serial, rows, hour * HOUR + 10);
        write(&mut history, &mut serial, 1, hour * HOUR + 20);
    }
    history.close(&update(1, 1, Vec::new()), at(hours * HOUR)).unwrap();
}

fn sum_of(table: &str) -> String {
    format!("select sum(connections) from {table}")
}

#[test]
fn damaged_sums_of_an_hour_are_a_loss_and_its_day_has_them() {
    let folder = Folder::new("damaged-hour");
    let path = folder.file();
    hours(&path, 5, 9);
    let third = at(3 * HOUR).wall_us;
    let third = third - third.rem_euclid(HOUR.cast_signed() * 1_000_000);
    assert_eq!(damage(&path, "sums", "folded", &format!("period = 22 and start_us = {third}")), 1);
    let (sum, losses) = ask(&path, &sum_of("hours"));
    let start = third - at(0).wall_us;
    let (count, table, from, to) = only(&losses);
    assert_eq!((sum, count, table), (Cell::Integer(40), 1, "hours"));
    assert_eq!((from as i64 * 1_000_000 - start).abs() / 1_000_000, 0);
    assert_eq!(to - from, HOUR);
    let sentence = losses[0].to_string();
    assert!(
        sentence.starts_with("1 periods of `hours` from ") && sentence.contains("lack"),
        "{sentence}"
    );
    assert_eq!(whole(&path, &sum_of("days")), 50);
    assert_eq!(whole(&path, &sum_of("months")), 50);
    let times = Times { from_us: at(0).wall_us, to_us: at(5 * HOUR).wall_us };
    let parts = timeline(&mut tables(&path), times, 5, &|_| false).unwrap();
    assert_eq!(parts.step_us, 3_600_000_000);
    let unknown = parts.buckets.iter().filter(|part| part.sampled_us > 0 && part.ended.is_none());
    assert_eq!(unknown.map(|part| part.from_us).collect::<Vec<_>>(), [third]);
}

#[test]
fn sums_that_are_made_of_damaged_ones_stay_incomplete_and_an_agent_goes_on() {
    let folder = Folder::new("damaged-day");
    let path = folder.file();
    hours(&path, 3, 9);
    // Sums of the day that are not part of the month yet, and of the running hour.
    assert!(damage(&path, "sums", "pending", "period = 23 and pending is not null") > 0);
    assert_eq!(only(&ask(&path, &sum_of("days")).1).0, 1);
    assert_eq!(only(&ask(&path, &sum_of("months")).1).1, "months");
    let (mut history, mut serial) = (open(&path, 64 * MIB, 3 * HOUR + 1), 0);
    for hour in [3, 4, 60, 61] {
        write(&mut history, &mut serial, 5, hour * HOUR + 100);
    }
    history.close(&update(1, 1, Vec::new()), at(62 * HOUR)).unwrap();
    assert_eq!(whole(&path, &sum_of("hours")), 50);
    let days = "select sum(connections) from days where start_us > ";
    assert_eq!(whole(&path, &format!("{days}{}", at(30 * HOUR).wall_us)), 10);
    for table in ["days", "months"] {
        let (sum, losses) = ask(&path, &sum_of(table));
        let Cell::Integer(sum) = sum else { panic!("{sum:?}") };
        assert!(sum < 50, "{sum} of {table}");
        let (count, named, ..) = only(&losses);
        assert_eq!((count, named), (1, table));
    }
}

#[test]
fn an_hour_lacks_the_rows_of_a_block_that_was_damaged_before_they_were_summed() {
    let folder = Folder::new("damaged-unsummed");
    let path = folder.file();
    let (mut history, mut serial) = (open(&path, 64 * MIB, 1), 0);
    for second in 2..12 {
        write(&mut history, &mut serial, 10, second);
    }
    // As if it were killed before it wrote sums.
    drop(history);
    assert_eq!(whole(&path, &sum_of("hours")), 100);
    damage_closed(&path, 5);
    let (sum, losses) = ask(&path, &sum_of("hours"));
    assert_eq!((sum, only(&losses).1), (Cell::Integer(90), "hours"));
    // The next agent sums what is left, and the sums keep that they are incomplete.
    let mut history = open(&path, 64 * MIB, 100);
    write(&mut history, &mut serial, 10, 101);
    history.close(&update(1, 1, Vec::new()), at(102)).unwrap();
    for table in ["hours", "days", "months"] {
        let (sum, losses) = ask(&path, &sum_of(table));
        assert_eq!((sum, only(&losses).1), (Cell::Integer(100), table));
    }
}

/// Makes the file what a version wrote that knew format 1 only.
fn make_format_1(path: &Path) {
    let database = Database::open(path).unwrap();
    let sql = "update blocks set data = cast(x'01' || substr(data, 2, length(data) - 5) as blob)";
    assert!(database.execute(sql, []).unwrap() > 0);
    for blob in ["folded", "pending"] {
        let sql = format!("select id, {blob} from sums where {blob} is not null");
        let mut statement = database.prepare(&sql).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let blobs: Vec<(i64, Vec<u8>)> =
            statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap();
        for (id, bytes) in blobs {
            let mut plain = zstd::bulk::decompress(&bytes[5..], 1 << 20).unwrap();
            assert_eq!(plain.pop(), Some(0), "no part is missing");
            let mut older = vec![1];
            older.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
            older.extend(zstd::bulk::compress(&plain, 3).unwrap());
            let sql = format!("update sums set {blob} = ? where id = ?");
            database.execute(&sql, params![older, id]).unwrap();
        }
    }
    database.pragma_update(None, "user_version", 1).unwrap();
}

#[test]
fn a_file_of_format_1_is_read_and_an_agent_makes_it_one_of_format_2() {
    let folder = Folder::new("format-1");
    let path = folder.file();
    hours(&path, 5, 9);
    make_format_1(&path);
    let format = || -> i64 {
        let database = Database::open(&path).unwrap();
        database.query_row("pragma user_version", [], |row| row.get(0)).unwrap()
    };
    let columns = "select count(*) from closed where id is not null and remote_addr like '10.%'";
    assert_eq!((whole(&path, columns), whole(&path, &sum_of("months")), format()), (50, 50, 1));
    let (mut history, mut serial) = (open(&path, 64 * MIB, 5 * HOUR), 1000);
    write(&mut history, &mut serial, 10, 5 * HOUR + 1);
    history.close(&update(1, 1, Vec::new()), at(5 * HOUR + 2)).unwrap();
    assert_eq!(format(), 2);
    assert_eq!(whole(&path, columns), 60);
    for table in ["hours", "days", "months"] {
        assert_eq!(whole(&path, &sum_of(table)), 60, "{table}");
    }
    // Its blocks have no checksum: what cannot be decoded is missing.
    let database = Database::open(&path).unwrap();
    let cut = "update blocks set data = substr(data, 1, length(data) - 1) where kept = 1 and first_us = ?";
    assert_eq!(database.execute(cut, [at(10).wall_us]).unwrap(), 1);
    let (rows, losses) = ask(&path, columns);
    assert_eq!((rows, only(&losses)), (Cell::Integer(51), (9, "closed", 10, 10)));
}

#[test]
fn rows_of_a_time_are_those_that_have_a_part_in_it() {
    let folder = Folder::new("part");
    let path = folder.file();
    ten_minutes(&path);
    let session = HistoryReader::open(&path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    let found = |name: &str, from: u64, to: u64| {
        let times = Times { from_us: at(from).wall_us, to_us: at(to).wall_us };
        let tables = session.tables();
        let table = tables.iter().find(|table| table.name() == name).unwrap();
        let mut scan = table.scan(times).unwrap();
        let mut rows = 0;
        while scan.next().unwrap() {
            rows += usize::from(has_part(&**table, &*scan, times).unwrap());
        }
        rows
    };
    assert_eq!(found("closed", 700, 709), 200);
    // A verdict that held before and after.
    assert_eq!((found("verdicts", 700, 701), found("verdicts", 100, 200)), (1, 0));
    assert_eq!((found("watched", 700, 701), found("watched", 100, 200)), (1, 0));
    assert!(found("hours", 700, 701) > 0);
    assert_eq!(
        (found("hours", 8000, 9000), found("tables", 8000, 9000)),
        (0, session.tables().len() - 2)
    );
}
