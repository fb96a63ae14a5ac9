//! The state of the history of an agent elsewhere, which answers in SQL.

use conns_api::read_sql;
use conns_client::Remote;
use conns_history::{Cell, HistoryStatus, QueryBounds, TableStatus};

use crate::failure::Failure;

/// The state.
pub(super) fn status(remote: &mut Remote) -> Result<HistoryStatus, Failure> {
    let tables = rows(remote, "select * from tables")?;
    let tables = tables.iter().map(|row| TableStatus::of_row(row)).collect::<Option<_>>();
    let unreadable = || Failure::NoAnswer("the agent has another table `tables`".to_owned());
    let watched = rows(remote, "select from_us, to_us from watched order by from_us desc")?;
    let time = |row: &Vec<Cell<'static>>| match row.as_slice() {
        [Cell::Integer(from), Cell::Integer(to)] => Some((*from, *to)),
        _ => None,
    };
    Ok(HistoryStatus {
        tables: tables.ok_or_else(unreadable)?,
        file_bytes: None,
        size_bytes: None,
        watched_us: watched.iter().rev().filter_map(time).collect(),
    })
}

fn rows(remote: &mut Remote, sql: &str) -> Result<Vec<Vec<Cell<'static>>>, Failure> {
    let text = remote.sql(sql, QueryBounds::default().rows)?;
    let (answer, _) = read_sql(&text).map_err(|error| {
        Failure::NoAnswer(format!("cannot read the answer of the agent: {error}"))
    })?;
    Ok(answer.rows)
}
