//! Sorts groups by their key, their number of connections or one of their figures.
//!
//! Unknown figures come last in both directions, as those of connections do.

use std::cmp::Ordering;

use super::sort::signed;
use super::{Field, Group, GroupColumn};

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
    column: GroupColumn,
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
            match GroupColumn::named(name, field) {
                Ok(column) if column != GroupColumn::Verdicts => Ok(Self { column, descending }),
                _ => Err(GroupSortError { name: name.to_owned(), by: field.name }),
            }
        };
        text.split(',').map(key).collect()
    }

    fn compare(self, a: &Group, b: &Group) -> Ordering {
        let order = match self.column {
            GroupColumn::Key => a.key.cmp(&b.key),
            column => match (column.figure(a), column.figure(b)) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                (None, None) => Ordering::Equal,
                (known, _) => {
                    return if known.is_some() { Ordering::Less } else { Ordering::Greater };
                }
            },
        };
        if self.descending { order.reverse() } else { order }
    }
}

/// Sorts groups by `keys`; groups that are equal keep their order.
pub fn sort_groups(groups: &mut [Group], keys: &[GroupSortKey]) {
    groups.sort_by(|a, b| {
        keys.iter().map(|key| key.compare(a, b)).fold(Ordering::Equal, Ordering::then)
    });
}
