//! Parses lists of columns: `process,rtt`, `all`, or changes to the default such as `+cc,-process`.

use super::nearest::UnknownField;
use super::{Field, catalogue, field_named};

/// An invalid list of columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// No field has this name.
    #[error(transparent)]
    UnknownField(#[from] UnknownField),
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
    let list = || text.to_owned();
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_change = names.iter().all(|name| name.starts_with(['+', '-']));
    let mut columns = if is_change { default.to_vec() } else { Vec::new() };
    for name in names {
        let (is_less, name) = match name.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, name.strip_prefix('+').unwrap_or(name)),
        };
        let named: Vec<&'static Field> = match name.trim() {
            "" => return Err(ColumnError::NameMissing { list: list() }),
            name if name.eq_ignore_ascii_case("all") => catalogue().iter().collect(),
            name => vec![field_named(name)?],
        };
        for field in named {
            let place = columns.iter().position(|column| column.name == field.name);
            match (is_less, place) {
                (true, Some(at)) => {
                    columns.remove(at);
                }
                (false, None) => columns.push(field),
                _ => {}
            }
        }
    }
    if columns.is_empty() {
        return Err(ColumnError::NoneLeft { list: list() });
    }
    Ok(columns)
}
