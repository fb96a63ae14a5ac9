//! `conns history`: how far back the history reaches, and exports of it.

mod export;

use std::io::Write;

use conns_core::human;
use conns_history::{HistoryStatus, Session, TableStatus};
use conns_print::{Layout, plain_table};
use serde_json::json;

use crate::failure::Failure;
use crate::flags::Colour;
use crate::flags::history::{HistoryCommand, HistoryFlags, HistoryFormat};
use crate::kept::kept;
use crate::{terminal, when};

/// Runs `history`.
pub(crate) fn run(flags: &HistoryFlags) -> Result<(), Failure> {
    match &flags.command {
        Some(HistoryCommand::Export(export)) => export::run(export),
        None => {
            let session = kept(&flags.kept)?.map_err(Failure::NoAnswer)?;
            let now_us = when::parse("now").map_err(Failure::Usage)?;
            let status =
                session.status(now_us).map_err(|error| Failure::NoAnswer(error.to_string()))?;
            match flags.output {
                HistoryFormat::Table => print(&session, &status),
                HistoryFormat::Json => print_json(&status),
            }
        }
    }
}

fn print(session: &Session, status: &HistoryStatus) -> Result<(), Failure> {
    let titles = ["TABLE", "ROWS", "FROM", "TO", "SIZE", "BYTES/ROW", "LASTS", "REMOVED"];
    let right = [false, true, false, false, true, true, true, true];
    let none = || "-".to_owned();
    let row = |table: &TableStatus| {
        vec![
            table.name.to_owned(),
            table.rows.to_string(),
            table.times_us.map_or_else(none, |(from, _)| when::shown(from)),
            table.times_us.map_or_else(none, |(_, to)| when::shown(to)),
            human::bytes(table.bytes),
            table.bytes.checked_div(table.rows).map_or_else(none, |bytes| bytes.to_string()),
            table.lasts_us.map_or_else(none, human::duration),
            table.removed_rows.to_string(),
        ]
    };
    let rows: Vec<Vec<String>> = status.tables.iter().map(row).collect();
    let mut out = terminal::stdout();
    let (path, taken, size) =
        (session.path(), human::bytes(status.file_bytes), human::bytes(status.size_bytes));
    writeln!(out, "{}: {taken} of {size}\n", path.display())?;
    let width = terminal::size().map(|(width, _)| width);
    let palette = terminal::palette(Colour::Auto);
    plain_table(&mut out, Layout { width, header: true, palette }, &titles, &right, &rows)?;
    writeln!(out, "\nAn agent sampled from … to …:")?;
    /// Most lines of these.
    const LINES: usize = 10;
    let omitted = status.watched_us.len().saturating_sub(LINES);
    if omitted > 0 {
        writeln!(out, "  {omitted} earlier times (conns sql 'select * from watched')")?;
    }
    for (from, to) in status.watched_us.iter().skip(omitted) {
        writeln!(out, "  {}  {}", when::shown(*from), when::shown(*to))?;
    }
    Ok(out.flush()?)
}

fn print_json(status: &HistoryStatus) -> Result<(), Failure> {
    let table = |table: &TableStatus| {
        json!({
            "name": table.name,
            "rows": table.rows,
            "from_us": table.times_us.map(|(from, _)| from),
            "to_us": table.times_us.map(|(_, to)| to),
            "bytes": table.bytes,
            "lasts_us": table.lasts_us,
            "removed_rows": table.removed_rows,
            "removed_until_us": table.removed_until_us,
        })
    };
    let watched: Vec<_> = status
        .watched_us
        .iter()
        .map(|(from, to)| json!({ "from_us": from, "to_us": to }))
        .collect();
    let all = json!({
        "file_bytes": status.file_bytes,
        "size_bytes": status.size_bytes,
        "tables": status.tables.iter().map(table).collect::<Vec<_>>(),
        "watched": watched,
    });
    terminal::write(format!("{all}\n").as_bytes())
}
