//! `conns sql`: one `select` over the tables of a snapshot, and of what is kept.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use conns_api::{
    Ask, Pace, Stamp, View, next_update, read_sql, sql_keys, write_sql, write_sql_rows,
};
use conns_client::Remote;
use conns_core::model::{Loss, Update};
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_history::{Cell, QueryAnswer, QueryBounds, QueryError, Table, query, tables_read};
use conns_print::{Layout, csv_table, plain_table, printable};

use crate::agent;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, SqlFlags, SqlFormat};
use crate::kept::{all_tables, is_kept, kept};
use crate::terminal;

/// Longest time of a query. It is of the user who waits for it, so it is longer than that of a client of an agent.
const MAX_TIME: Duration = Duration::from_secs(60);
/// Most bytes that are read from standard input; more than the longest query that is understood.
const MAX_INPUT_BYTES: u64 = 65_536;

/// Runs `sql`; true if the answer is incomplete.
pub(crate) fn run(flags: &SqlFlags, agent_flags: &AgentFlags) -> Result<bool, Failure> {
    if flags.tables {
        let tables = all_tables(&Arc::default(), &Err(String::new()));
        return print_tables(flags, &tables).map(|()| false);
    }
    let sql = text(flags)?;
    let none = all_tables(&Arc::default(), &Err(String::new()));
    let (kept_ones, live): (Vec<String>, Vec<String>) =
        tables_read(&none, &sql)?.into_iter().partition(|table| is_kept(table));
    let rows = flags.limit.unwrap_or(QueryBounds::default().rows);
    if !kept_ones.is_empty()
        && let Some(mut remote) = agent::remote(agent_flags, flags.source)?
    {
        return answered_there(flags, &mut remote, &sql);
    }
    // Without a kept table none is opened, without a live one no socket is read.
    let kept = if kept_ones.is_empty() { Err(String::new()) } else { kept(&flags.kept)? };
    let update = if live.is_empty() && !kept_ones.is_empty() {
        Arc::default()
    } else {
        update(flags, agent_flags)?
    };
    let bounds = QueryBounds { rows, time: MAX_TIME, bytes: usize::MAX };
    let answer = query(&all_tables(&update, &kept), &sql, bounds)?;
    let mut losses = update.snapshot.losses.clone();
    losses.extend(kept.iter().flat_map(|session| session.losses()));
    print(flags, &answer, &losses, &update)?;
    report_more(&answer)?;
    Ok(report_losses(&losses) || answer.has_more)
}

/// Prints the answer of an agent elsewhere, which has the kept tables there.
fn answered_there(flags: &SqlFlags, remote: &mut Remote, sql: &str) -> Result<bool, Failure> {
    let most = QueryBounds::default().rows;
    let text = remote.sql(sql, flags.limit.unwrap_or(most).min(most))?;
    if flags.output == SqlFormat::Json {
        terminal::write(&text)?;
    }
    let (answer, losses) = read_sql(&text).map_err(|error| {
        Failure::NoAnswer(format!("cannot read the answer of the agent: {error}"))
    })?;
    if flags.output != SqlFormat::Json {
        print(flags, &answer, &losses, &Update::default())?;
    }
    report_more(&answer)?;
    Ok(report_losses(&losses) || answer.has_more)
}

fn report_more(answer: &QueryAnswer) -> Result<(), Failure> {
    if answer.has_more {
        let shown = answer.rows.len();
        let more = format!("only the first {shown} rows are shown; --limit shows more");
        writeln!(std::io::stderr(), "conns: {more}")?;
    }
    Ok(())
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Invalid(_) => {
                Self::Usage(format!("{error}; `conns sql --tables` lists tables and columns"))
            }
            QueryError::NotOne(_) | QueryError::NotPermitted => Self::Usage(error.to_string()),
            QueryError::TooLong(_) | QueryError::TooLarge(_) | QueryError::Failed(_) => {
                Self::NoAnswer(error.to_string())
            }
        }
    }
}

/// The query: the argument, or standard input.
fn text(flags: &SqlFlags) -> Result<String, Failure> {
    match flags.query.as_deref() {
        None => Err(Failure::Usage(
            "`conns sql` needs a query, such as 'select process, count(*) from connections group by 1'; `-` reads it from \
             standard input, and --tables lists what there is"
                .to_owned(),
        )),
        Some("-") => {
            let mut text = String::new();
            let input = std::io::stdin().lock().take(MAX_INPUT_BYTES).read_to_string(&mut text);
            input.map_err(|error| {
                Failure::Usage(format!("cannot read a query from standard input: {error}"))
            })?;
            Ok(text)
        }
        Some(text) => Ok(text.to_owned()),
    }
}

fn update(flags: &SqlFlags, agent_flags: &AgentFlags) -> Result<Arc<Update>, Failure> {
    let namespaces = flags.netns.clone();
    let ask = Ask { view: View::All, namespaces, ..Ask::default() };
    let memory = flags.span.map_or(Retention::None, |span| Retention::Window(span * 2));
    let mut agent = agent::open(agent_flags, flags.source, memory, Purpose::Sample)?;
    let span = flags.span.unwrap_or_default();
    let pace = Pace { interval: (span / 2).min(Duration::from_millis(500)), span };
    let mut updates = agent.updates(&ask, pace)?;
    Ok(next_update(&mut *updates)?)
}

fn print(
    flags: &SqlFlags,
    answer: &QueryAnswer,
    losses: &[Loss],
    update: &Update,
) -> Result<(), Failure> {
    let mut out = terminal::stdout();
    match flags.output {
        SqlFormat::Table => {
            let titles: Vec<String> =
                answer.columns.iter().map(|name| printable(name.into()).into_owned()).collect();
            let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
            // A column is aligned to the right if its first value is a number.
            let is_number = |at: usize| {
                let first = answer
                    .rows
                    .iter()
                    .find_map(|row| row.get(at).filter(|cell| !matches!(cell, Cell::Null)));
                matches!(first, Some(Cell::Integer(_) | Cell::Real(_)))
            };
            let right: Vec<bool> = (0..titles.len()).map(is_number).collect();
            let shown = |cell: &Cell<'static>| match cell {
                Cell::Null => "NULL".to_owned(),
                cell => printable(plain(cell).into()).into_owned(),
            };
            let rows: Vec<Vec<String>> =
                answer.rows.iter().map(|row| row.iter().map(shown).collect()).collect();
            let width = terminal::size().map(|(width, _)| width);
            let palette = terminal::palette(flags.color);
            let layout = Layout { width, header: !flags.no_header, palette };
            plain_table(&mut out, layout, &titles, &right, &rows)?;
        }
        SqlFormat::Csv => {
            let keys = sql_keys(answer);
            let rows = answer.rows.iter().map(|row| row.iter().map(plain));
            csv_table(&mut out, !flags.no_header, keys.iter().map(String::as_str), rows)?;
        }
        SqlFormat::Json => {
            write_sql(&mut out, answer, losses, &Stamp::from(&*update.snapshot))?;
        }
        SqlFormat::Jsonl => {
            write_sql_rows(&mut out, answer, b"\n")?;
            if !answer.rows.is_empty() {
                writeln!(out)?;
            }
        }
    }
    Ok(out.flush()?)
}

/// A cell as text; nothing is the empty text.
fn plain(cell: &Cell<'static>) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => number.to_string(),
        Cell::Text(text) => text.clone().into_owned(),
    }
}

/// Prints tables and their columns, as an answer with a row for each column.
fn print_tables(flags: &SqlFlags, tables: &[Arc<dyn Table>]) -> Result<(), Failure> {
    let names = ["table", "column", "type", "meaning"];
    let rows = tables.iter().flat_map(|table| {
        table.columns().iter().map(|column| {
            let texts = [table.name(), &column.name, column.kind.word(), &column.meaning];
            texts.map(|text| Cell::Text(text.to_owned().into())).to_vec()
        })
    });
    let answer = QueryAnswer {
        columns: names.map(str::to_owned).to_vec(),
        rows: rows.collect(),
        has_more: false,
    };
    print(flags, &answer, &[], &Update::default())
}
