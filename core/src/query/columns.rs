//! Parses lists of columns: `process,rtt`, `all`, or changes to the default such as `+cc,-process`.

use super::nearest::{UnknownField, UnknownGroupColumn};
use super::{Field, catalogue, field_named};

/// An invalid list of columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// No field has this name.
    #[error(transparent)]
    UnknownField(#[from] UnknownField),
    /// Groups have no column of this name.
    #[error(transparent)]
    UnknownGroupColumn(#[from] UnknownGroupColumn),
    /// A name is empty.
    #[error("column name missing in `{list}`")]
    NameMissing {
        /// The whole list.
        list: String,
    },
    /// The list is empty.
    #[error("`{list}` leaves no columns")]
    NoneLeft {
        /// The whole list.
        list: String,
    },
}

/// Parses a list of columns. If every name has a sign, `+` adds to `default` and `-` removes from it.
/// `all` is every field. A field appears once, at its first position.
///
/// # Errors
/// If a name is not a field, or no columns remain.
pub fn parse_columns(
    text: &str,
    default: &[&'static Field],
) -> Result<Vec<&'static Field>, ColumnError> {
    let default: Vec<Named> = default.iter().map(|field| Named(field)).collect();
    let columns = chosen_columns(text, &default, |name| match name {
        None => Ok(catalogue().iter().map(Named).collect()),
        Some(name) => Ok(vec![Named(field_named(name)?)]),
    })?;
    Ok(columns.into_iter().map(|Named(field)| field).collect())
}

/// A field, equal to one of the same name.
#[derive(Clone, Copy)]
struct Named(&'static Field);

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

/// Parses a list of columns of any kind; `named` returns those of a name, and all for `None`.
pub(super) fn chosen_columns<C: Copy + PartialEq>(
    text: &str,
    default: &[C],
    named: impl Fn(Option<&str>) -> Result<Vec<C>, ColumnError>,
) -> Result<Vec<C>, ColumnError> {
    let list = || text.to_owned();
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_change = names.iter().all(|name| name.starts_with(['+', '-']));
    let mut columns = if is_change { default.to_vec() } else { Vec::new() };
    for name in names {
        let (is_less, name) = match name.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, name.strip_prefix('+').unwrap_or(name)),
        };
        let meant = match name.trim() {
            "" => return Err(ColumnError::NameMissing { list: list() }),
            name if name.eq_ignore_ascii_case("all") => named(None)?,
            name => named(Some(name))?,
        };
        for column in meant {
            match (is_less, columns.contains(&column)) {
                (true, _) => columns.retain(|other| *other != column),
                (false, false) => columns.push(column),
                (false, true) => {}
            }
        }
    }
    if columns.is_empty() {
        return Err(ColumnError::NoneLeft { list: list() });
    }
    Ok(columns)
}
