//! Sorts connections by fields.
//!
//! Each value is read at most twice, not once per comparison, and that of a later key only where the keys before are
//! equal. Unknown values come last in both directions.

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
    let mut rows: Vec<Row<'_>> = connections.iter().copied().map(Row::unread).collect();
    sort_rows(&mut rows, keys);
    for (place, row) in connections.iter_mut().zip(rows) {
        *place = row.connection;
    }
}

/// Sorts by the first key, and rows of equal value by the next ones.
fn sort_rows(rows: &mut [Row<'_>], keys: &[SortKey]) {
    let Some((key, rest)) = keys.split_first() else { return };
    if rows.len() < 2 {
        return;
    }
    rows.iter_mut().for_each(|row| row.read(*key));
    let values: Vec<Value<'_>> = match rows.iter().all(|row| row.is_whole) {
        true => Vec::new(),
        false => rows.iter().map(|row| key.field.value(row.connection)).collect(),
    };
    for (row, at) in rows.iter_mut().zip(0..) {
        row.value = at;
    }
    let order = |a: &Row<'_>, b: &Row<'_>| {
        let order = a.bits.cmp(&b.bits);
        if order.is_ne() || a.is_whole && b.is_whole {
            return order;
        }
        match (values.get(a.value as usize), values.get(b.value as usize)) {
            (Some(a), Some(b)) => compare(a, b, key.descending),
            _ => Ordering::Equal,
        }
    };
    rows.sort_by(order);
    if !rest.is_empty() {
        rows.chunk_by_mut(|a, b| order(a, b).is_eq()).for_each(|equal| sort_rows(equal, rest));
    }
}

/// A connection, and the beginning of its value: what lies side by side is compared faster than what it refers to.
struct Row<'c> {
    connection: &'c Connection,
    /// Where these of one value are less, so is the value.
    bits: u128,
    /// Two values of the same bits are equal.
    is_whole: bool,
    /// The place of the value among all.
    value: u32,
}

/// The bits of what is not known, above all that is known in both directions.
const UNKNOWN: u128 = 1 << 127;

impl<'c> Row<'c> {
    fn unread(connection: &'c Connection) -> Self {
        Self { connection, bits: UNKNOWN, is_whole: true, value: 0 }
    }

    fn read(&mut self, key: SortKey) {
        let value = key.field.value(self.connection);
        let value = first(&value);
        (self.bits, self.is_whole) = match (value.is_known(), value) {
            (true, value) => {
                let (bits, is_whole) = known_bits(value);
                let bits = bits >> 1;
                (if key.descending { (u128::MAX >> 1) - bits } else { bits }, is_whole)
            }
            (false, Value::NotApplicable) => (u128::MAX, true),
            (false, _) => (UNKNOWN, true),
        };
    }
}

/// The first bits of a known value, of which the last is not read, and whether it has no others.
fn known_bits(value: &Value<'_>) -> (u128, bool) {
    const SIGN: u64 = 1 << 63;
    let number = |number: u64| (u128::from(number) << 64, true);
    match value {
        Value::Text(text) => {
            // Without the last byte, which is cut.
            let letters = text.bytes().take(15).map(|byte| byte.to_ascii_lowercase());
            let bits = letters
                .zip(1..)
                .fold(0, |bits, (byte, at)| bits | u128::from(byte) << (128 - 8 * at));
            let differs = |byte: u8| byte == 0 || byte.is_ascii_uppercase();
            (bits, text.len() <= 15 && !text.bytes().any(differs))
        }
        Value::Count(count) | Value::Bytes(count) | Value::Micros(count) => number(*count),
        Value::Port(port) => number((*port).into()),
        Value::BytesPerSecond(float) | Value::Percent(float) => {
            // As `f64::total_cmp`.
            let bits = float.to_bits();
            number(if bits & SIGN == 0 { bits | SIGN } else { !bits })
        }
        Value::Bool(is_true) => number((*is_true).into()),
        Value::Time(time) => number(time.cast_unsigned() ^ SIGN),
        Value::Address(address) => address_bits(*address, 0),
        Value::Endpoint(end) => address_bits(end.address, end.port),
        _ => (0, false),
    }
}

fn address_bits(address: IpAddr, port: u16) -> (u128, bool) {
    match unmapped(address) {
        IpAddr::V4(v4) => {
            let is_mapped = address.is_ipv6();
            let parts = u128::from(v4.to_bits()) << 17 | u128::from(is_mapped) << 16;
            ((parts | u128::from(port)) << 1, true)
        }
        IpAddr::V6(v6) => (1 << 127 | v6.to_bits() >> 1, false),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Endpoint;

    /// The bits of two values never contradict their order.
    fn check(values: &[Value<'_>]) {
        for (a, b) in values.iter().flat_map(|a| values.iter().map(move |b| (a, b))) {
            let ((a_bits, a_is_whole), (b_bits, b_is_whole)) = (known_bits(a), known_bits(b));
            let (order, of_bits) = (known_order(a, b), (a_bits >> 1).cmp(&(b_bits >> 1)));
            let may_be_equal = !(a_is_whole && b_is_whole) && of_bits.is_eq();
            assert!(order == of_bits || may_be_equal, "{a:?} {b:?}");
        }
    }

    #[test]
    fn bits_are_in_the_order_of_their_values() {
        let texts = [
            "",
            "a",
            "A",
            "a\0",
            "a\0b",
            "ab",
            "aB",
            "é",
            "fifteen letters",
            "fifteen letters and",
            "~",
        ];
        check(&texts.map(Value::text));
        check(&[0, 1, 255, u64::MAX - 1, u64::MAX].map(Value::Bytes));
        check(&[0, 1, 443, u16::MAX].map(Value::Port));
        let floats = [-0.0, 0.0, 1e-9, 0.5, 1.0, 1e12, f64::INFINITY, -1.0];
        check(&floats.map(Value::BytesPerSecond));
        check(&[i64::MIN, -1, 0, 1, i64::MAX].map(Value::Time));
        check(&[false, true].map(Value::Bool));
        let addresses = [
            "0.0.0.0",
            "::ffff:10.0.0.1",
            "10.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fe80::2",
        ];
        let addresses = addresses.map(|text| text.parse::<IpAddr>().unwrap());
        check(&addresses.map(Value::Address));
        let ends = addresses
            .iter()
            .flat_map(|address| [1, 2, u16::MAX].map(|port| Endpoint { address: *address, port }));
        check(&ends.map(Value::Endpoint).collect::<Vec<_>>());
    }
}
