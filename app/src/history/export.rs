//! `conns history export`: the rows of a kept table as Parquet or CSV, read by DuckDB and pandas.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use conns_core::model::Loss;
use conns_history::{Cell, ColumnKind, Scan, Table, Times, has_part, kept_tables};
use conns_print::csv_table;
use parquet::basic::{Compression, ConvertedType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use crate::failure::{Failure, report_losses};
use crate::flags::history::{ExportFlags, ExportFormat};
use crate::kept::kept;

/// Rows of a row group: what is in memory at once.
const GROUP_ROWS: usize = 65_536;

/// Runs `history export`; true if rows are missing.
pub(super) fn run(flags: &ExportFlags) -> Result<bool, Failure> {
    let kept = kept(&flags.kept)?;
    let tables = kept_tables(&kept);
    let table = tables.iter().find(|table| table.name() == flags.table).ok_or_else(|| {
        let names: Vec<&str> = tables.iter().map(|table| table.name()).collect();
        Failure::Usage(format!(
            "`{}` is no kept table; expected one of {}",
            flags.table,
            names.join(", ")
        ))
    })?;
    let times = Times {
        from_us: flags.from.unwrap_or(Times::ALL.from_us),
        to_us: flags.to.unwrap_or(Times::ALL.to_us),
    };
    if times != Times::ALL && table.time_columns().is_empty() {
        return Err(Failure::Usage(format!(
            "rows of `{}` have no time; omit --from and --to",
            flags.table
        )));
    }
    let mut rows = Rows { scan: table.scan(times).map_err(Failure::NoAnswer)?, table, times };
    let extension = flags.file.extension().and_then(|extension| extension.to_str());
    let by_extension =
        if extension == Some("parquet") { ExportFormat::Parquet } else { ExportFormat::Csv };
    let written = match flags.format.unwrap_or(by_extension) {
        ExportFormat::Csv => write_csv(output(&flags.file)?, &mut rows),
        ExportFormat::Parquet => write_parquet(output(&flags.file)?, &mut rows),
    };
    written.map_err(|error| {
        Failure::NoAnswer(format!("cannot write {}: {error}", flags.file.display()))
    })?;
    let losses: Vec<Loss> = kept.iter().flat_map(|session| session.losses()).collect();
    Ok(report_losses(&losses))
}

fn output(path: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufWriter::new(io::stdout())));
    }
    let file = File::create(path)
        .map_err(|error| Failure::NoAnswer(format!("cannot create {}: {error}", path.display())))?;
    Ok(Box::new(BufWriter::new(file)))
}

/// The rows that have a part in the times.
struct Rows<'a> {
    scan: Box<dyn Scan + 'a>,
    table: &'a Arc<dyn Table>,
    times: Times,
}

impl Rows<'_> {
    /// Goes to the next row; false if there is none.
    fn next(&mut self) -> io::Result<bool> {
        while self.scan.next().map_err(io::Error::other)? {
            if has_part(&**self.table, &*self.scan, self.times).map_err(io::Error::other)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The cells of the next row as text; `NULL` is the empty text.
    fn next_texts(&mut self) -> io::Result<Option<Vec<String>>> {
        if !self.next()? {
            return Ok(None);
        }
        let text = |column| match self.scan.cell(column).map_err(io::Error::other)? {
            Cell::Null => Ok(String::new()),
            Cell::Integer(number) => Ok(number.to_string()),
            Cell::Real(number) => Ok(number.to_string()),
            Cell::Text(text) => Ok(text.into_owned()),
        };
        (0..self.table.columns().len()).map(text).collect::<io::Result<_>>().map(Some)
    }
}

fn write_csv(mut out: impl Write, rows: &mut Rows<'_>) -> io::Result<()> {
    let mut failed = Ok(());
    let table = Arc::clone(rows.table);
    let texts = std::iter::from_fn(|| match rows.next_texts() {
        Ok(texts) => texts.map(Vec::into_iter),
        Err(error) => {
            failed = Err(error);
            None
        }
    });
    csv_table(&mut out, true, table.columns().iter().map(|column| column.name.as_str()), texts)?;
    failed
}

fn write_parquet(out: impl Write + Send, rows: &mut Rows<'_>) -> io::Result<()> {
    let fields = rows.table.columns().iter().map(|column| {
        let (physical, converted) = match column.kind {
            ColumnKind::Integer => (Physical::INT64, ConvertedType::NONE),
            ColumnKind::Real => (Physical::DOUBLE, ConvertedType::NONE),
            ColumnKind::Text => (Physical::BYTE_ARRAY, ConvertedType::UTF8),
        };
        let field = Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_converted_type(converted);
        field.build().map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>().map_err(io::Error::other)?;
    let schema = Type::group_type_builder(rows.table.name()).with_fields(fields).build();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build();
    let schema = Arc::new(schema.map_err(io::Error::other)?);
    let mut writer =
        SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(io::Error::other)?;
    let kinds: Vec<ColumnKind> = rows.table.columns().iter().map(|column| column.kind).collect();
    loop {
        let mut columns: Vec<Buffer> = kinds.iter().map(|kind| Buffer::new(*kind)).collect();
        let mut count = 0;
        while count < GROUP_ROWS && rows.next()? {
            for (at, column) in columns.iter_mut().enumerate() {
                column.push(&rows.scan.cell(at).map_err(io::Error::other)?);
            }
            count += 1;
        }
        if count == 0 {
            break;
        }
        let mut group = writer.next_row_group().map_err(io::Error::other)?;
        for column in &columns {
            column.write(&mut group).map_err(io::Error::other)?;
        }
        group.close().map_err(io::Error::other)?;
    }
    writer.close().map_err(io::Error::other)?;
    Ok(())
}

/// The values of a column of a row group.
struct Buffer {
    /// 1 where there is a value, 0 for `NULL`.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Whole(Vec<i64>),
    Fraction(Vec<f64>),
    Text(Vec<ByteArray>),
}

impl Buffer {
    fn new(kind: ColumnKind) -> Self {
        let values = match kind {
            ColumnKind::Integer => Values::Whole(Vec::new()),
            ColumnKind::Real => Values::Fraction(Vec::new()),
            ColumnKind::Text => Values::Text(Vec::new()),
        };
        Self { levels: Vec::new(), values }
    }

    fn push(&mut self, cell: &Cell<'_>) {
        let is_there = match (&mut self.values, cell) {
            (Values::Whole(values), Cell::Integer(number)) => {
                values.push(*number);
                true
            }
            (Values::Fraction(values), Cell::Real(number)) => {
                values.push(*number);
                true
            }
            (Values::Text(values), Cell::Text(text)) => {
                values.push(ByteArray::from(text.as_bytes().to_vec()));
                true
            }
            _ => false,
        };
        self.levels.push(is_there.into());
    }

    fn write<W: Write + Send>(
        &self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else { return Ok(()) };
        let levels = Some(self.levels.as_slice());
        match &self.values {
            Values::Whole(values) => {
                column.typed::<Int64Type>().write_batch(values, levels, None)?;
            }
            Values::Fraction(values) => {
                column.typed::<DoubleType>().write_batch(values, levels, None)?;
            }
            Values::Text(values) => {
                column.typed::<ByteArrayType>().write_batch(values, levels, None)?;
            }
        }
        column.close()
    }
}
