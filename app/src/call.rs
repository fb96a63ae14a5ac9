//! `conns call`: the answer of another system's method, in that system's shape.

use std::io::Write;

use conns_core::track::Retention;
use conns_dialects::one_e::{Cell, ColumnType, Method, Table, answer};
use conns_engine::Purpose;
use conns_print::{Layout, csv_table, plain_table, printable};

use crate::face;
use crate::failure::{Failure, report_losses};
use crate::flags::{AgentFlags, CallFlags, Colour, Format};
use crate::terminal;

/// Runs a call; true if a part of the answer was lost.
pub(crate) fn run(flags: &CallFlags, agent: &AgentFlags) -> Result<bool, Failure> {
    let method = Method::parse(&flags.call)?;
    let mut ask = method.ask();
    ask.namespaces.clone_from(&flags.netns);
    let mut face = face::open(agent, flags.source, Retention::None, Purpose::Look)?;
    let snapshot = face.look(&ask)?;
    let table = answer(method, &snapshot);
    let mut out = terminal::stdout();
    match flags.output {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, &table).map_err(std::io::Error::from)?;
            writeln!(out)?;
        }
        Format::Jsonl => {
            for record in table.records() {
                serde_json::to_writer(&mut out, &record).map_err(std::io::Error::from)?;
                writeln!(out)?;
            }
        }
        Format::Csv => {
            let names = table.columns.iter().map(|column| column.name);
            let text = |cell: Cell<'_>| match cell {
                Cell::Text(text) => text.into_owned(),
                Cell::Int(number) => number.to_string(),
                Cell::Null => String::new(),
            };
            let rows = table.records().map(|record| record.cells().map(text));
            csv_table(&mut out, !flags.no_header, names, rows)?;
        }
        Format::Table | Format::Wide => print_table(&mut out, flags, &table)?,
    }
    out.flush()?;
    Ok(report_losses(&snapshot.losses))
}

fn print_table(out: &mut impl Write, flags: &CallFlags, table: &Table) -> Result<(), Failure> {
    let palette = terminal::palette(Colour::Auto);
    let layout = Layout { width: None, header: !flags.no_header, palette };
    let titles: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let right: Vec<bool> = table.columns.iter().map(|c| c.ty == ColumnType::Int).collect();
    let text = |cell: Cell<'_>| match cell {
        Cell::Text(text) => printable(text).into_owned(),
        Cell::Int(number) => number.to_string(),
        Cell::Null => "null".to_owned(),
    };
    let rows: Vec<Vec<String>> =
        table.records().map(|record| record.cells().map(text).collect()).collect();
    Ok(plain_table(out, layout, &titles, &right, &rows)?)
}
