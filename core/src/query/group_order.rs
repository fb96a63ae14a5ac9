//! Sorts groups by their key, their number of connections or one of their figures.
//!
//! Unknown figures come last in both directions, as those of connections do.

use std::cmp::Ordering;

use super::sort::signed;
use super::{Field, Group, find_field};

/// What a group can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Key,
    Connections,
    /// Position in [`FIGURES`].
    Figure(usize),
}

type Figure = (&'static str, fn(&Group) -> Option<f64>);

/// The figures of a group, by the names of the fields that they sum.
#[allow(clippy::cast_precision_loss, reason = "sums above 2^53 bytes need no exact order")]
const FIGURES: [Figure; 8] = [
    ("bytes_out", |group| group.bytes_out.known_total().map(|sum| sum as f64)),
    ("bytes_in", |group| group.bytes_in.known_total().map(|sum| sum as f64)),
    ("rate_out", |group| group.rate_out.known_total()),
    ("rate_in", |group| group.rate_in.known_total()),
    ("recv_queue", |group| group.recv_queue.known_total().map(|sum| sum as f64)),
    ("send_queue", |group| group.send_queue.known_total().map(|sum| sum as f64)),
    ("rtt", |group| group.rtt_us.map(|rtt| rtt.median.into())),
    ("loss", |group| group.worst_loss_percent),
];

/// A name that groups cannot be sorted by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "groups by `{by}` cannot be sorted by `{name}`; sort by {by}, connections, bytes_out, bytes_in, rate_out, rate_in, recv_queue, send_queue, rtt or loss"
)]
pub struct GroupSortError {
    name: String,
    by: &'static str,
}

/// One key to sort groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupSortKey {
    column: Column,
    descending: bool,
}

impl GroupSortKey {
    /// Parses keys such as `-rate_out,process` for groups by `field`; `-` is descending.
    ///
    /// # Errors
    /// If groups have no such column.
    pub fn parse(text: &str, field: &'static Field) -> Result<Vec<Self>, GroupSortError> {
        let key = |name: &str| {
            let (descending, name) = signed(name.trim());
            let column = column(name, field)
                .ok_or_else(|| GroupSortError { name: name.to_owned(), by: field.name })?;
            Ok(Self { column, descending })
        };
        text.split(',').map(key).collect()
    }

    fn compare(self, a: &Group, b: &Group) -> Ordering {
        let order = match self.column {
            Column::Key => a.key.cmp(&b.key),
            Column::Connections => a.count.cmp(&b.count),
            Column::Figure(at) => {
                let figure = |group| FIGURES.get(at).and_then(|(_, figure)| figure(group));
                match (figure(a), figure(b)) {
                    (Some(a), Some(b)) => a.total_cmp(&b),
                    (None, None) => Ordering::Equal,
                    (known, _) => {
                        return if known.is_some() { Ordering::Less } else { Ordering::Greater };
                    }
                }
            }
        };
        if self.descending { order.reverse() } else { order }
    }
}

fn column(name: &str, field: &'static Field) -> Option<Column> {
    if name.eq_ignore_ascii_case("connections") || name.eq_ignore_ascii_case("count") {
        return Some(Column::Connections);
    }
    let named = find_field(name)?;
    if named.name == field.name {
        return Some(Column::Key);
    }
    FIGURES.iter().position(|(figure, _)| *figure == named.name).map(Column::Figure)
}

/// Sorts groups by `keys`; groups that are equal keep their order.
pub fn sort_groups(groups: &mut [Group], keys: &[GroupSortKey]) {
    groups.sort_by(|a, b| {
        keys.iter().map(|key| key.compare(a, b)).fold(Ordering::Equal, Ordering::then)
    });
}
