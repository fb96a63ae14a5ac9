//! Which fields to show: `process,rtt`, `all`, or changes to a list such as `+cc,-process`.

use super::nearest::UnknownField;
use super::{Field, catalogue, field_named};

/// A text that is no list of columns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// No field has this name.
    #[error(transparent)]
    UnknownField(#[from] UnknownField),
    /// There is nothing between two commas, or behind a sign.
    #[error("column name missing in `{list}`")]
    NameMissing {
        /// The whole list.
        list: String,
    },
    /// No column is left.
    #[error("no columns left by `{list}`")]
    NoneLeft {
        /// The whole list.
        list: String,
    },
}

/// Reads a list of columns. Names alone are the list; if every name has a sign, `+` adds to
/// `default` and `-` takes from it. `all` is every field. A field is shown once, where it was
/// first named.
///
/// # Errors
/// If a name is no field, or nothing is left to show.
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
