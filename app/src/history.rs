//! `conns history`: how far back the history reaches, here or of an agent elsewhere, and exports of it.

mod elsewhere;
mod export;

use std::io::Write;

use conns_core::human;
use conns_history::{HistoryStatus, TableStatus};
use conns_print::{Layout, plain_table, printable};
use serde_json::json;

use crate::failure::Failure;
use crate::flags::history::{HistoryCommand, HistoryFlags, HistoryFormat};
use crate::flags::past::KeptFlags;
use crate::flags::{AgentFlags, Colour};
use crate::kept::kept;
use crate::{agent, terminal, when};

/// Runs `history`; true if the answer is incomplete.
pub(crate) fn run(flags: &HistoryFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    match &flags.command {
        Some(HistoryCommand::Export(_)) if agent::is_remote(agent_flags, None) => {
            let why = "`conns history export` reads a file of this machine; rows of an agent elsewhere are written by \
                       `conns sql --agent URL 'select * from closed' -o csv`";
            Err(Failure::Usage(why.to_owned()))
        }
        Some(HistoryCommand::Export(export)) => export::run(export),
        None => {
            let (place, status) = match agent::remote(agent_flags, None)? {
                Some(mut remote) => {
                    let url = agent::url(agent_flags, None)?.unwrap_or_default();
                    (format!("The history of {url}"), elsewhere::status(&mut remote)?)
                }
                None => of_this_machine(&flags.kept)?,
            };
            match flags.output {
                HistoryFormat::Table => print(&place, &status),
                HistoryFormat::Json => print_json(&status),
            }
            .map(|()| false)
        }
    }
}

fn of_this_machine(flags: &KeptFlags) -> Result<(String, HistoryStatus), Failure> {
    let session = kept(flags)?.map_err(Failure::NoAnswer)?;
    let now_us = when::parse("now").map_err(Failure::Usage)?;
    let status = session.status(now_us).map_err(|error| Failure::NoAnswer(error.to_string()))?;
    let sizes = status.file_bytes.zip(status.size_bytes);
    let sizes = sizes.map_or_else(String::new, |(taken, size)| {
        format!(": {} of {}", human::bytes(taken), human::bytes(size))
    });
    Ok((format!("{}{sizes}", session.path().display()), status))
}

fn print(place: &str, status: &HistoryStatus) -> Result<(), Failure> {
    let titles = ["TABLE", "ROWS", "FROM", "TO", "SIZE", "BYTES/ROW", "LASTS", "REMOVED"];
    let right = [false, true, false, false, true, true, true, true];
    let none = || "-".to_owned();
    let row = |table: &TableStatus| {
        vec![
            printable(table.name.as_ref().into()).into_owned(),
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
    writeln!(out, "{place}\n")?;
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
