//! Tables whose columns fit their content and the terminal.
//!
//! A first pass measures the widths and a second pass writes the rows, so that large tables are not
//! buffered as text.

use std::borrow::Cow;
use std::io::{self, Write};

use conns_core::model::Connection;
use conns_core::query::{Field, Kind};
use unicode_width::UnicodeWidthStr;

use crate::names::Names;
use crate::palette::Palette;
use crate::text::field_text;

/// The layout of a table.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Columns of the terminal; `None` if the output is not a terminal.
    pub width: Option<usize>,
    /// Whether the first line names the columns.
    pub header: bool,
    /// Colours.
    pub palette: Palette,
}

/// Spaces between two columns.
pub const GAP: usize = 2;
/// Minimum width of a text before whole columns are dropped from the right; `…:65535` fits.
const MIN_WIDTH: usize = 8;
/// Columns without which a row of connections is useless: dropped after all others.
const KEPT: [&str; 5] = ["process", "pid", "local", "remote", "verdict"];

/// One column while a table is laid out.
pub struct Column<'a> {
    /// What it shows.
    pub field: &'a Field,
    /// Its heading.
    pub title: String,
    /// Its width in characters.
    pub width: usize,
    /// Width without any cut.
    pub natural: usize,
}

impl Column<'_> {
    /// Whether its texts can be cut: a cut number is another number.
    fn can_be_cut(&self) -> bool {
        let is_text = matches!(self.field.kind, Kind::Text | Kind::Endpoint | Kind::Address);
        is_text && self.field.name != "verdict" && self.field.name != "pid"
    }

    /// Makes it narrower by at most `over`, not below `least`.
    fn shrink(&mut self, over: usize, least: usize) {
        let least = least.max(self.title.width()).min(self.width);
        self.width = self.width.saturating_sub(over).max(least);
    }

    fn cut<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        match self.field.kind {
            Kind::Endpoint => truncate_middle(text, self.width),
            _ => truncate(text, self.width),
        }
    }

    /// The text, cut and padded to the width of the column.
    #[must_use]
    pub fn cell(&self, text: Cow<'_, str>) -> String {
        let text = self.cut(text);
        let pad = self.width.saturating_sub(text.width());
        match self.is_right_aligned() {
            true => format!("{:pad$}{text}", ""),
            false => format!("{text}{:pad$}", ""),
        }
    }

    fn is_right_aligned(&self) -> bool {
        self.field.kind.is_quantity() || self.field.kind == Kind::Port
    }
}

/// The columns of a table: measured on its rows, then fitted to the terminal.
pub struct Columns<'a>(Vec<Column<'a>>);

impl<'a> Columns<'a> {
    /// Columns as wide as their titles.
    #[must_use]
    pub fn new(fields: &[&'a Field]) -> Self {
        let column = |field: &&'a Field| {
            let title = field.name.to_ascii_uppercase().replace('_', "-");
            Column { field, width: title.len(), natural: title.len(), title }
        };
        Self(fields.iter().map(column).collect())
    }

    /// Makes columns at least as wide as the values of `connection`.
    pub fn measure(&mut self, connection: &Connection, names: &Names) {
        for column in &mut self.0 {
            let text = field_text(column.field, connection, names);
            column.natural = column.natural.max(text.width());
            column.width = column.natural;
        }
    }

    /// Makes columns at least as wide as `least`.
    pub fn widen(&mut self, least: impl Fn(&Field) -> usize) {
        for column in &mut self.0 {
            column.natural = column.natural.max(least(column.field));
            column.width = column.natural;
        }
    }

    /// Cuts and drops columns until they fit into `available` characters.
    pub fn fit(&mut self, available: usize) {
        fit(&mut self.0, available);
    }

    /// The columns, from left to right.
    #[must_use]
    pub fn all(&self) -> &[Column<'a>] {
        &self.0
    }
}

/// Writes `connections` as a table with these columns.
///
/// # Errors
/// If writing fails.
pub fn list(
    out: &mut impl Write,
    layout: Layout,
    fields: &[&Field],
    connections: &[&Connection],
    names: &Names,
) -> io::Result<()> {
    let mut columns = Columns::new(fields);
    for connection in connections {
        columns.measure(connection, names);
    }
    if let Some(width) = layout.width {
        columns.fit(width);
    }
    let columns = columns.0;
    if layout.header {
        let cells = columns.iter().map(|c| (Cow::Borrowed(&*c.title), c));
        let style = layout.palette.header();
        write!(out, "{style}")?;
        line(out, cells, |_| None)?;
        writeln!(out, "{style:#}")?;
    }
    for connection in connections {
        let cells = columns.iter().map(|c| (field_text(c.field, connection, names), c));
        let verdict = layout.palette.verdict(connection.verdict.class);
        line(out, cells, |column| (column.field.name == "verdict").then_some(verdict))?;
        writeln!(out)?;
    }
    Ok(())
}

/// Writes one line of cells, without its end. The last column is not padded.
fn line<'a, 'b: 'a>(
    out: &mut impl Write,
    cells: impl Iterator<Item = (Cow<'a, str>, &'a Column<'b>)>,
    style_of: impl Fn(&Column<'_>) -> Option<anstyle::Style>,
) -> io::Result<()> {
    // Padding is written before the next cell, so that lines do not end in spaces.
    let mut pending = 0;
    for (text, column) in cells {
        let text = column.cut(text);
        let pad = column.width.saturating_sub(text.width());
        let (before, after) = if column.is_right_aligned() { (pad, 0) } else { (0, pad) };
        write!(out, "{:pending$}{:before$}", "", "")?;
        match style_of(column) {
            Some(style) => write!(out, "{style}{text}{style:#}")?,
            None => write!(out, "{text}")?,
        }
        pending = after + GAP;
    }
    Ok(())
}

/// The text, or its start and an ellipsis.
fn truncate(text: Cow<'_, str>, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return text;
    }
    let mut kept = String::new();
    for c in text.chars() {
        if kept.width() + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) >= width {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept.into()
}

/// The text, or its start, an ellipsis and its end with the whole port.
fn truncate_middle(text: Cow<'_, str>, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return text;
    }
    let Some((address, port)) = text.rsplit_once(':') else { return truncate(text, width) };
    // The ellipsis, and the colon.
    let Some(space) = width.checked_sub(port.width() + 2) else {
        return format!("…:{port}").into();
    };
    let (head, tail) = (space.div_ceil(2), space / 2);
    let characters: Vec<char> = address.chars().collect();
    let start: String = characters.iter().take(head).collect();
    let end: String = characters.iter().skip(characters.len().saturating_sub(tail)).collect();
    format!("{start}…{end}:{port}").into()
}

/// Width of a line.
fn total(columns: &[Column<'_>]) -> usize {
    columns.iter().map(|column| column.width + GAP).sum::<usize>().saturating_sub(GAP)
}

/// Makes the columns fit: truncates columns, then drops the least important ones, and gives the width that this frees to
/// what was truncated.
fn fit(columns: &mut Vec<Column<'_>>, available: usize) {
    let mut cuts: Vec<(u8, u8, &str)> = columns
        .iter()
        .filter_map(|column| column.field.cut.map(|(rank, least)| (rank, least, column.field.name)))
        .collect();
    cuts.sort_unstable();
    for (_, least, name) in &cuts {
        let over = total(columns).saturating_sub(available);
        if let Some(column) = columns.iter_mut().find(|column| column.field.name == *name) {
            column.shrink(over, usize::from(*least));
        }
    }
    let is_kept = |column: &Column<'_>| KEPT.contains(&column.field.name);
    let dropped = columns.iter().filter(|column| !is_kept(column));
    let mut ranks: Vec<u8> = dropped.filter_map(|column| column.field.drop_rank).collect();
    ranks.sort_unstable();
    for rank in ranks {
        if total(columns) > available {
            columns.retain(|column| is_kept(column) || column.field.drop_rank != Some(rank));
        }
    }
    // The widest text first, so that what is left is even.
    loop {
        let over = total(columns).saturating_sub(available);
        let texts = columns.iter_mut().filter(|column| column.can_be_cut());
        let widest = texts.filter(|column| column.width > MIN_WIDTH.max(column.title.width()));
        match widest.max_by_key(|column| column.width) {
            Some(column) if over > 0 => column.width -= 1,
            _ => break,
        }
    }
    while total(columns) > available && columns.len() > 1 {
        let last = columns.iter().rposition(|column| !is_kept(column));
        columns.remove(last.unwrap_or(columns.len() - 1));
    }
    if let [only] = &mut **columns {
        only.width = only.width.min(available);
    }
    for (_, _, name) in cuts.iter().rev() {
        let spare = available.saturating_sub(total(columns));
        if let Some(column) = columns.iter_mut().find(|column| column.field.name == *name) {
            column.width = column.natural.min(column.width + spare);
        }
    }
}

/// Writes rows of text under titles; `right` marks right-aligned columns. If the table does not
/// fit, the last column is truncated unless it is right-aligned, and those before it are dropped from the right.
///
/// # Errors
/// If writing fails.
pub fn plain_table(
    out: &mut impl Write,
    layout: Layout,
    titles: &[&str],
    right: &[bool],
    rows: &[Vec<String>],
) -> io::Result<()> {
    let width = |i: usize, title: &str| {
        let cells = rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.width());
        cells.max().unwrap_or(0).max(title.width())
    };
    // Index and width of the columns that are shown.
    let mut shown: Vec<(usize, usize)> =
        titles.iter().enumerate().map(|(i, title)| (i, width(i, title))).collect();
    if let Some(available) = layout.width {
        fit_plain(&mut shown, available, right.last() == Some(&true));
    }
    let write_row = |out: &mut dyn Write, cell: &dyn Fn(usize) -> Cow<'static, str>| {
        let mut pending = 0;
        for (i, width) in &shown {
            let cell = truncate(cell(*i), *width);
            let pad = width.saturating_sub(cell.width());
            let is_right = right.get(*i).copied().unwrap_or(false);
            let (before, after) = if is_right { (pad, 0) } else { (0, pad) };
            write!(out, "{:pending$}{:before$}{cell}", "", "")?;
            pending = after + GAP;
        }
        Ok::<(), io::Error>(())
    };
    let text = |text: Option<&str>| Cow::Owned(text.unwrap_or_default().to_owned());
    if layout.header {
        let style = layout.palette.header();
        write!(out, "{style}")?;
        write_row(out, &|i| text(titles.get(i).copied()))?;
        writeln!(out, "{style:#}")?;
    }
    for row in rows {
        write_row(out, &|i| text(row.get(i).map(String::as_str)))?;
        writeln!(out)?;
    }
    Ok(())
}

/// Makes (column, width) pairs fit; a number in the last column is not cut.
fn fit_plain(shown: &mut Vec<(usize, usize)>, available: usize, ends_in_number: bool) {
    let total =
        |shown: &[(usize, usize)]| shown.iter().map(|(_, width)| width + GAP).sum::<usize>();
    loop {
        let over = total(shown).saturating_sub(available + GAP);
        if over == 0 {
            return;
        }
        if let Some((_, last)) = shown.last_mut().filter(|_| !ends_in_number) {
            *last = last.saturating_sub(over).max(MIN_WIDTH.min(*last));
        }
        if total(shown) <= available + GAP {
            return;
        }
        match shown.len() {
            // Only the key and the last column remain.
            0..=2 => {
                if let Some((_, first)) = shown.first_mut() {
                    *first = (*first).min(MIN_WIDTH);
                }
                return;
            }
            count => drop(shown.remove(count - 2)),
        }
    }
}
