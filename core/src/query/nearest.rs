//! Suggestions for misspelt names.

use super::{Field, catalogue, find_field};

/// An unknown field name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown field `{name}`; {}", field_hint(*nearest))]
pub struct UnknownField {
    /// The name.
    pub name: String,
    /// The most similar field.
    pub nearest: Option<&'static str>,
}

/// A name that no column of groups has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("groups by `{by}` have no column `{name}`; {hint}")]
pub struct UnknownGroupColumn {
    /// The name.
    pub name: String,
    /// The field grouped by.
    pub by: &'static str,
    /// The most similar column, or all.
    pub hint: String,
}

/// The field with this name, alias or key.
///
/// # Errors
/// If there is none; the error contains the most similar field.
pub fn field_named(name: &str) -> Result<&'static Field, UnknownField> {
    find_field(name)
        .ok_or_else(|| UnknownField { name: name.to_owned(), nearest: nearest_field(name) })
}

pub(super) fn field_hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(
        || "`conns fields` lists all".to_owned(),
        |name| format!("did you mean `{name}`? (`conns fields` lists all)"),
    )
}

pub(super) fn nearest_field(name: &str) -> Option<&'static str> {
    let names = catalogue().iter().flat_map(|field| {
        [field.name, field.key.as_str()].into_iter().chain(field.aliases.iter().copied())
    });
    nearest(name, names)
}

/// The known name with the smallest edit distance to `name`, ignoring case, the first of several;
/// `None` if none is similar.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer names are not compared: the cost is the product of both lengths.
    const MAX_COMPARED: usize = 64;
    if name.len() > MAX_COMPARED {
        return None;
    }
    let name = name.to_lowercase();
    // More than one edit in three letters is another word.
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(&name, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
