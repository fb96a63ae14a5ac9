//! `conns fields`: the field reference, from the catalogue.

use std::io::{self, Write};

use conns_api::FieldsShape;
use conns_core::query::{Field, catalogue};
use conns_print::{Layout, plain_table};

use crate::failure::Failure;
use crate::flags::{Colour, FieldsFormat};
use crate::terminal;

/// Runs `fields`.
pub(crate) fn run(format: FieldsFormat) -> Result<(), Failure> {
    let mut out = terminal::stdout();
    match format {
        FieldsFormat::Table => {
            let palette = terminal::palette(Colour::Auto);
            let layout = Layout { width: None, header: true, palette };
            let rows: Vec<Vec<String>> = catalogue().iter().map(row).collect();
            let titles = ["FIELD", "TYPE", "UNIT", "ALSO", "MEANING", "SOURCE"];
            plain_table(&mut out, layout, &titles, &[false; 6], &rows)?;
        }
        FieldsFormat::Markdown => markdown(&mut out)?,
        FieldsFormat::Json => {
            serde_json::to_writer(&mut out, &FieldsShape::of_catalogue())
                .map_err(io::Error::from)?;
            writeln!(out)?;
        }
    }
    Ok(out.flush()?)
}

fn row(field: &Field) -> Vec<String> {
    let also = also(field);
    let kind = field.kind;
    vec![
        field.name.to_owned(),
        kind.name().to_owned(),
        kind.unit().to_owned(),
        also,
        field.meaning.to_owned(),
        field.origin.to_owned(),
    ]
}

/// The other names of a field, its key included if it differs.
fn also(field: &Field) -> String {
    let key = (field.key != field.name).then_some(&*field.key);
    key.into_iter().chain(field.aliases.iter().copied()).collect::<Vec<_>>().join(", ")
}

fn markdown(out: &mut impl Write) -> Result<(), Failure> {
    writeln!(
        out,
        "# Fields\n\n\
         The output of `conns fields -o markdown`. Every field can be filtered, sorted, \
         grouped and shown.\n\
         Machine-readable output uses the first name under *also* if it contains the unit, else the \
         name of the field.\n\n\
         | field | type | unit | also | meaning | source |\n\
         | --- | --- | --- | --- | --- | --- |"
    )?;
    for field in catalogue() {
        let cells = row(field).into_iter().map(|cell| cell.replace('|', "\\|"));
        writeln!(out, "| {} |", cells.collect::<Vec<_>>().join(" | "))?;
    }
    Ok(())
}
