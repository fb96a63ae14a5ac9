//! Sorts connections by fields.
//!
//! Each value is read once, not once per comparison. Unknown values come last in both directions.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::nearest::UnknownField;
use super::{Field, Value, field_named};
use crate::model::{Connection, unmapped};

/// One field to sort by.
#[derive(Clone, Copy)]
pub struct SortKey {
    /// The field.
    pub field: &'static Field,
    /// Largest first.
    pub descending: bool,
}

/// An invalid list of sort keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SortError {
    /// No field has this name.
    #[error(transparent)]
    UnknownField(#[from] UnknownField),
    /// A name is empty.
    #[error("sort field missing in `{list}`")]
    NameMissing {
        /// The whole list.
        list: String,
    },
}

impl SortKey {
    /// Parses keys such as `-rtt,process`; `-` is descending.
    ///
    /// # Errors
    /// If a name is not a field.
    pub fn parse(text: &str) -> Result<Vec<Self>, SortError> {
        text.split(',')
            .map(str::trim)
            .map(|name| {
                let (descending, name) = signed(name);
                if name.is_empty() {
                    let list = text.to_owned();
                    return Err(SortError::NameMissing { list });
                }
                let field = field_named(name)?;
                Ok(Self { field, descending })
            })
            .collect()
    }
}

/// Whether a key begins with `-`, largest first, and its name.
pub(super) fn signed(key: &str) -> (bool, &str) {
    match key.strip_prefix('-') {
        Some(name) => (true, name.trim()),
        None => (false, key.strip_prefix('+').unwrap_or(key).trim()),
    }
}

impl std::fmt::Debug for SortKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.descending { "-" } else { "" };
        write!(f, "{sign}{}", self.field.name)
    }
}

/// Sorts by all keys, the first one first; stable.
pub fn sort(connections: &mut [&Connection], keys: &[SortKey]) {
    if keys.is_empty() {
        return;
    }
    let values: Vec<Value<'_>> = connections
        .iter()
        .flat_map(|connection| keys.iter().map(|key| key.field.value(connection)))
        .collect();
    let mut rows: Vec<(&[Value<'_>], &Connection)> =
        values.chunks(keys.len()).zip(connections.iter().copied()).collect();
    rows.sort_by(|(a, _), (b, _)| {
        keys.iter()
            .zip(a.iter().zip(b.iter()))
            .map(|(key, (a, b))| compare(a, b, key.descending))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    });
    for (place, (_, connection)) in connections.iter_mut().zip(rows) {
        *place = connection;
    }
}

fn compare(a: &Value<'_>, b: &Value<'_>, descending: bool) -> Ordering {
    let (a, b) = (first(a), first(b));
    match (a.is_known(), b.is_known()) {
        (true, true) if descending => known_order(b, a),
        (true, true) => known_order(a, b),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        // Unknown comes before not applicable.
        (false, false) => matches!(a, Value::NotApplicable).cmp(&matches!(b, Value::NotApplicable)),
    }
}

/// The first known one of several values.
fn first<'v, 'a>(value: &'v Value<'a>) -> &'v Value<'a> {
    match value {
        Value::Several(values) => {
            values.iter().find(|value| value.is_known()).or(values.first()).unwrap_or(value)
        }
        value => value,
    }
}

fn known_order(a: &Value<'_>, b: &Value<'_>) -> Ordering {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => text_order(a, b),
        (Value::Count(a), Value::Count(b))
        | (Value::Bytes(a), Value::Bytes(b))
        | (Value::Micros(a), Value::Micros(b)) => a.cmp(b),
        (Value::Port(a), Value::Port(b)) => a.cmp(b),
        (Value::BytesPerSecond(a), Value::BytesPerSecond(b))
        | (Value::Percent(a), Value::Percent(b)) => a.total_cmp(b),
        (Value::Address(a), Value::Address(b)) => address_order(*a, *b),
        (Value::Endpoint(a), Value::Endpoint(b)) => {
            address_order(a.address, b.address).then(a.port.cmp(&b.port))
        }
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Time(a), Value::Time(b)) => a.cmp(b),
        (Value::List(a), Value::List(b)) => match (a.value(0, 0), b.value(0, 0)) {
            (a, b) if a.is_known() && b.is_known() => known_order(&a, &b),
            _ => a.len().cmp(&b.len()),
        },
        // One field has one kind.
        _ => Ordering::Equal,
    }
}

/// Ignores case, unless only case differs, so that the order is deterministic.
fn text_order(a: &str, b: &str) -> Ordering {
    let lower = |b: u8| b.to_ascii_lowercase();
    let folded = a.bytes().map(lower).cmp(b.bytes().map(lower));
    folded.then_with(|| a.cmp(b))
}

/// IPv4 before IPv6; an IPv4-mapped address sorts as its IPv4 address.
fn address_order(a: IpAddr, b: IpAddr) -> Ordering {
    unmapped(a).cmp(&unmapped(b)).then(a.cmp(&b))
}
