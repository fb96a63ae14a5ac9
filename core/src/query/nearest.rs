//! Names people almost wrote: the nearest known name, for messages.

use super::{Field, catalogue, find_field};

/// A name that is no field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown field `{name}`; {}", field_hint(*nearest))]
pub struct UnknownField {
    /// What was written.
    pub name: String,
    /// The field it may have been meant to be.
    pub nearest: Option<&'static str>,
}

/// The field of this name, alias or key, or which it may have been meant to be.
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

/// The known name with the fewest typing mistakes to `name`, in any case, the first of several;
/// `None` if that would be a guess.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Names longer than this are not compared: the distance costs their product.
    const LONGEST_COMPARED: usize = 64;
    if name.len() > LONGEST_COMPARED {
        return None;
    }
    let name = name.to_lowercase();
    // One mistake in three letters is still a typing mistake; more is another word.
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|known| (strsim::osa_distance(&name, &known.to_lowercase()), known))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}
