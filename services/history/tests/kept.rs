//! What is kept: every row that an agent saw, with the same values, in a file that does not exceed its size.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

mod made;

use std::sync::Arc;

use conns_core::model::{Event, EventKind, EventLog, Moment};
use conns_core::query::find_field;
use conns_fixtures::{connection, established, with_cookie};
use conns_history::{Cell, History, HistoryReader, QueryBounds, ReadAccess, kept_tables, query};
use made::{Folder, MIB, ask, at, ended, event, number, open, update, write};

#[test]
fn every_ended_connection_is_kept_once_with_the_values_of_its_event() {
    let folder = Folder::new("whole");
    let path = folder.file();
    let mut history = open(&path, 64 * MIB, 1);
    let count = 40_000;
    let mut events: Vec<Arc<Event>> = Vec::new();
    for number in 1..=count {
        let second = 2 + number / 500;
        events.push(event(number, EventKind::Closed, at(second), ended(number, second)));
    }
    for (second, part) in events.chunks(500).enumerate() {
        let mut log = EventLog::after(1, part[0].serial - 1);
        log.append(part.iter().cloned());
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(2 + second as u64)).unwrap();
    }
    let sql = "select count(*), count(distinct id), min(at_us), max(at_us) from closed";
    let found = &ask(&path, sql).rows[0];
    let times = (at(2).wall_us, at(2 + count / 500).wall_us);
    let expected = [count as i64, count as i64, times.0, times.1].map(Cell::Integer);
    assert_eq!(found, &expected);

    let columns = "id, local_addr, local_port, remote_addr, remote_port, process, pid, direction, \
                   opened_at_us, closed_at_us, duration_us, handshake_us, ended, closed_by, bytes_out, rtt_us";
    let found = ask(&path, &format!("select {columns} from closed order by cookie"));
    let keys: Vec<&str> = columns.split(", ").skip(1).collect();
    for (row, event) in found.rows.iter().zip(&events) {
        let id = event.connection.socket.id;
        assert_eq!(row[0], Cell::Text(format!("{}-{}", id.netns, id.cookie).into()));
        for (cell, key) in row.iter().skip(1).zip(&keys) {
            let value = find_field(key).unwrap().value(&event.connection);
            assert_eq!(*cell, Cell::of_value(value), "{key} of {}", event.serial);
        }
    }
}

#[test]
fn a_time_is_found_without_reading_others_and_answers_are_the_same() {
    let folder = Folder::new("times");
    let path = folder.file();
    let mut history = open(&path, 64 * MIB, 1);
    for second in 0..600_u64 {
        let events: Vec<_> = (1..=20)
            .map(|n| {
                let number = second * 20 + n;
                event(number, EventKind::Closed, at(10 + second), ended(number, 10 + second))
            })
            .collect();
        let mut log = EventLog::after(1, second * 20);
        log.append(events);
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(10 + second)).unwrap();
    }
    let (from, to) = (at(100).wall_us, at(110).wall_us);
    let among = |times: &str| number(&path, &format!("select count(*) from closed where {times}"));
    assert_eq!(among(&format!("at_us >= {from} and at_us < {to}")), 200);
    assert_eq!(among(&format!("at_us between {from} and {to}")), 220);
    assert_eq!(among(&format!("at_us = {from}")), 20);
    assert_eq!(among(&format!("at_us in ({from}, {to}, 7)")), 40);
    assert_eq!(among(&format!("at_us > {from}.5 and at_us < {to}.5")), 200);
    // What is not pushed down finds the same.
    assert_eq!(among(&format!("at_us + 0 >= {from} and at_us + 0 < {to}")), 200);
}

#[test]
fn the_file_never_exceeds_its_size_and_what_goes_is_counted() {
    let folder = Folder::new("bound");
    let path = folder.file();
    let size = 16 * MIB;
    let mut history = open(&path, size, 1);
    let mut serial = 0;
    for second in 0..400_u64 {
        let events: Vec<_> = (0..4000)
            .map(|_| {
                serial += 1;
                event(serial, EventKind::Closed, at(10 + second), ended(serial * 7919, 10 + second))
            })
            .collect();
        let mut log = EventLog::after(1, serial - 4000);
        log.append(events);
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(10 + second)).unwrap();
        let taken: u64 = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(taken <= size, "{taken} bytes after {second} s");
    }
    let kept = number(&path, "select count(*) from closed");
    let removed = number(&path, "select removed_rows from tables where name = 'closed'");
    assert!(removed > 0 && kept > 0, "{kept} kept, {removed} removed");
    assert_eq!(kept + removed, 400 * 4000);
    let until = number(&path, "select removed_until_us from tables where name = 'closed'");
    let oldest = number(&path, "select min(at_us) from closed");
    assert!(until <= oldest, "removed until {until}, kept from {oldest}");
}

#[test]
fn a_reader_that_stays_sees_one_state_and_lets_the_log_not_grow_without_bound() {
    let folder = Folder::new("reader");
    let path = folder.file();
    let (mut history, mut serial) = (open(&path, 16 * MIB, 1), 0);
    write(&mut history, &mut serial, 1000, 2);
    let session = HistoryReader::open(&path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    let count = || {
        let sql = "select count(*) from closed";
        let answer = query(&kept_tables(&Ok(Arc::clone(&session))), sql, QueryBounds::default());
        answer.unwrap().rows[0][0].clone()
    };
    assert_eq!(count(), Cell::Integer(1000));
    for second in 3..400 {
        write(&mut history, &mut serial, 2000, second);
        let log = path.with_extension("db-wal").metadata().unwrap().len();
        assert!(log <= MIB + MIB / 2, "{log} bytes of log");
    }
    assert_eq!(count(), Cell::Integer(1000));
    drop(session);
    write(&mut history, &mut serial, 1000, 400);
    // What waited is written, as far as it was in the bound; the rest is counted.
    let kept = number(&path, "select count(*) from closed");
    let removed = number(&path, "select removed_rows from tables where name = 'closed'");
    let lost = number(&path, "select sum(lost_events) from watched");
    assert_eq!(kept + removed + lost, serial.cast_signed(), "{kept} {removed} {lost}");
    assert!(kept > 1000, "{kept}");
}

#[test]
fn another_agent_is_kept_out_and_what_is_no_history_is_set_aside() {
    let folder = Folder::new("aside");
    let path = folder.file();
    let (mut history, mut serial) = (open(&path, 16 * MIB, 1), 0);
    write(&mut history, &mut serial, 10, 2);
    let second = History::open(&path, 16 * MIB, at(3)).err().unwrap();
    assert!(second.to_string().contains("another agent"), "{second}");
    drop(history);
    // A later version's.
    let other = rusqlite::Connection::open(&path).unwrap();
    other.pragma_update(None, "user_version", 99).unwrap();
    drop(other);
    let opened = History::open(&path, 16 * MIB, at(4)).unwrap();
    let aside = opened.set_aside.unwrap();
    assert!(aside.why.contains("later version"), "{}", aside.why);
    drop(opened.history);
    assert_eq!(number(&path, "select count(*) from closed"), 0);
    let version = rusqlite::Connection::open(&aside.path).unwrap();
    let rows: i64 = version.query_row("select sum(rows) from blocks", [], |r| r.get(0)).unwrap();
    assert_eq!(rows, 10, "nothing of it is lost");
    // A damaged one.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
    std::fs::write(&path, bytes).unwrap();
    let opened = History::open(&path, 16 * MIB, at(5)).unwrap();
    assert!(opened.set_aside.is_some());
    // A file of another program.
    drop(opened.history);
    std::fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("create table t (x)").unwrap();
    drop(other);
    let opened = History::open(&path, 16 * MIB, at(6)).unwrap();
    assert!(opened.set_aside.unwrap().why.contains("no history of conns"));
}

#[test]
fn no_agent_sampled_is_another_thing_than_no_row() {
    let folder = Folder::new("watched");
    let path = folder.file();
    let mut history = open(&path, 16 * MIB, 100);
    for second in [101, 105, 110] {
        history.record(&update(second, second, Vec::new()), &EventLog::after(1, 0));
        history.commit(at(second)).unwrap();
    }
    // The machine sleeps for an hour.
    history.commit(at(3711)).unwrap();
    // The clock is set back by half an hour, and forward again.
    let back = Moment { monotonic_us: at(3712).monotonic_us, ..at(1912) };
    history.commit(back).unwrap();
    history.commit(at(3713)).unwrap();
    let update = update(9, 3714, Vec::new());
    history.close(&update, at(3714)).unwrap();
    let found = ask(&path, "select from_us, to_us from watched order by rowid");
    let seconds = |cell: &Cell<'_>| match cell {
        Cell::Integer(us) => (us - at(0).wall_us) / 1_000_000,
        other => panic!("{other:?}"),
    };
    let times: Vec<_> = found.rows.iter().map(|row| (seconds(&row[0]), seconds(&row[1]))).collect();
    assert_eq!(times, [(100, 110), (3711, 3711), (1912, 1912), (3713, 3714)]);
}

#[test]
fn samples_and_verdicts_follow_an_open_connection() {
    use conns_core::model::{Class, Verdict};
    let folder = Folder::new("samples");
    let path = folder.file();
    let mut history = open(&path, 16 * MIB, 0);
    let mut one = connection(with_cookie(5, established("192.0.2.1:443", "10.0.0.1:5000")));
    let mut with = |class: Class, second: u64, history: &mut History| {
        one.verdict = Verdict { class, confidence_percent: 80, ..Verdict::UNKNOWN };
        one.stats.changed_sequence = second;
        let update = update(second, second, vec![one.clone()]);
        history.record(&update, &EventLog::after(1, 0));
        history.commit(at(second)).unwrap();
        update
    };
    for second in 1..=10 {
        with(Class::Unknown, second, &mut history);
    }
    for second in 11..=70 {
        with(Class::Healthy, second, &mut history);
    }
    for second in 71..=100 {
        with(Class::PathLoss, second, &mut history);
    }
    let last = with(Class::Healthy, 101, &mut history);
    history.close(&last, at(102)).unwrap();
    let found = ask(
        &path,
        "select (at_us - 1790000000000000) / 1000000, verdict, evidence is not null from samples",
    );
    let rows: Vec<Vec<Cell<'_>>> = found.rows;
    let row = |second, verdict: &str, evidence| {
        vec![Cell::Integer(second), Cell::Text(verdict.to_owned().into()), Cell::Integer(evidence)]
    };
    // Each minute, and at each change of a verdict.
    assert_eq!(
        rows,
        [
            row(1, "unknown", 0),
            row(61, "healthy", 0),
            row(71, "path-loss", 1),
            row(101, "healthy", 0)
        ]
    );
    let found = ask(
        &path,
        "select (from_us - 1790000000000000) / 1000000, (to_us - 1790000000000000) / 1000000, verdict, evidence is not null from verdicts",
    );
    let row = |from, to, verdict: &str, evidence| {
        vec![
            Cell::Integer(from),
            Cell::Integer(to),
            Cell::Text(verdict.to_owned().into()),
            Cell::Integer(evidence),
        ]
    };
    assert_eq!(
        found.rows,
        [row(11, 71, "healthy", 0), row(71, 101, "path-loss", 1), row(101, 102, "healthy", 0)]
    );
}

#[test]
fn a_verdict_that_held_when_the_agent_was_killed_ends_when_it_last_watched() {
    use conns_core::model::{Class, Verdict};
    let folder = Folder::new("unended");
    let path = folder.file();
    let mut history = open(&path, 16 * MIB, 0);
    let mut connections: Vec<_> = (1..=3)
        .map(|number| {
            connection(with_cookie(number, established("192.0.2.1:443", "10.0.0.1:5000")))
        })
        .collect();
    for second in 1..=100 {
        for (one, class) in
            connections.iter_mut().zip([Class::PathLoss, Class::Healthy, Class::Unknown])
        {
            one.verdict = Verdict { class, confidence_percent: 80, ..Verdict::UNKNOWN };
            one.stats.changed_sequence = second;
        }
        history.record(&update(second, second, connections.clone()), &EventLog::after(1, 0));
        history.commit(at(second)).unwrap();
    }
    // As if it were killed: it is not closed. Then an agent runs twice, the second time closed.
    drop(history);
    for second in [200, 205] {
        let mut history = open(&path, 16 * MIB, second);
        history.commit(at(second + 1)).unwrap();
    }
    let sql = "select cookie, (from_us - 1790000000000000) / 1000000, (to_us - 1790000000000000) / 1000000, verdict,
               evidence is not null, remote_addr from verdicts order by cookie";
    let row = |cookie, verdict: &str, evidence| {
        vec![
            Cell::Integer(cookie),
            Cell::Integer(1),
            // `watched` is prolonged every five seconds.
            Cell::Integer(96),
            Cell::Text(verdict.to_owned().into()),
            Cell::Integer(evidence),
            Cell::Text("10.0.0.1".into()),
        ]
    };
    assert_eq!(ask(&path, sql).rows, [row(1, "path-loss", 1), row(2, "healthy", 0)]);
}

/// Adds up a column of all rows of a query.
fn sum(path: &std::path::Path, column: &str, table: &str) -> i64 {
    number(path, &format!("select ifnull(sum({column}), 0) from {table}"))
}

/// Sums of each period equal those over the rows that were ever written.
fn assert_sums(path: &std::path::Path, connections: u64, failed: u64, duration_us: i64) {
    for table in ["hours", "days", "months"] {
        assert_eq!(sum(path, "connections", table), connections.cast_signed(), "{table}");
        assert_eq!(sum(path, "failed", table), failed.cast_signed(), "{table}");
        let counted = format!(
            "select ifnull(sum(json_extract(value, '$[1]')), 0) from {table}, json_each(duration_histogram)"
        );
        assert_eq!(number(path, &counted), duration_us, "{table}");
    }
}

#[test]
fn sums_equal_the_rows_also_after_restarts_and_when_the_clock_is_set_back() {
    let folder = Folder::new("sums");
    let path = folder.file();
    let (mut history, mut serial) = (open(&path, 16 * MIB, 0), 0);
    let hour = 3600;
    // The second of the clock, in an order in which it is set back twice.
    let mut written = 0;
    for (turn, second) in
        [1, 2, 3, 70, 71, hour, hour + 1, 2, 5 * hour, hour + 9, 30 * hour, 31 * hour, 800 * hour]
            .into_iter()
            .enumerate()
    {
        let mut log = EventLog::after(1, serial);
        let kinds = [EventKind::Closed, EventKind::Closed, EventKind::Failed];
        log.append(kinds.into_iter().map(|kind| {
            serial += 1;
            event(serial, kind, at(second), ended(serial, second))
        }));
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(second)).unwrap();
        written += 3;
        assert_sums(&path, written / 3 * 2, written / 3, (written).cast_signed());
        if turn % 3 == 2 {
            // As after a kill, or with what is left written.
            if turn % 2 == 0 {
                drop(history);
            } else {
                history.close(&update(1, 1, Vec::new()), at(second)).unwrap();
            }
            history = open(&path, 16 * MIB, second);
            // Serial numbers of another run begin anew.
            serial = 0;
            assert_sums(&path, written / 3 * 2, written / 3, written.cast_signed());
        }
    }
    let hours = number(&path, "select count(distinct start_us) from hours");
    assert_eq!(hours, 6);
    let within = format!("select count(*) from hours where start_us >= {}", at(4 * hour).wall_us);
    let all = format!("select count(*) from hours where start_us + 0 >= {}", at(4 * hour).wall_us);
    assert_eq!(number(&path, &within), number(&path, &all));
}

#[test]
fn a_year_goes_through_hours_days_and_months_and_nothing_is_counted_twice_or_lost() {
    let folder = Folder::new("year");
    let path = folder.file();
    let size = 16 * MIB;
    let (mut history, mut serial) = (open(&path, size, 0), 0);
    let hours: u64 = 366 * 24;
    let rows = 30;
    let moment = |hour: u64| 10 + hour * 3600;
    for hour in 0..hours {
        write(&mut history, &mut serial, rows, moment(hour));
        assert!(path.metadata().unwrap().len() <= size);
    }
    history.close(&update(1, 1, Vec::new()), at(moment(hours))).unwrap();
    let kept = number(&path, "select count(*) from closed");
    let removed = number(&path, "select removed_rows from tables where name = 'closed'");
    assert_eq!(kept + removed, serial.cast_signed());
    let removed = |table: &str| {
        number(&path, &format!("select removed_rows from tables where name = '{table}'"))
    };
    assert!(removed("hours") > 0 && removed("months") == 0);
    assert_eq!(sum(&path, "connections", "months"), serial.cast_signed());
    // What is left of the others is whole.
    for table in ["hours", "days"] {
        let first = number(&path, &format!("select min(start_us) from {table}"));
        let since = (0..hours).filter(|hour| at(moment(*hour)).wall_us >= first).count() as u64;
        assert_eq!(sum(&path, "connections", table), (since * rows).cast_signed(), "{table}");
    }
    let months = number(&path, "select count(distinct start_us) from months");
    assert!((13..=14).contains(&months), "{months}");
}
