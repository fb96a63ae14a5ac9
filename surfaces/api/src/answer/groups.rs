//! Groups of connections as JSON: the shape of `conns --group-by FIELD -o json`.

use std::collections::BTreeMap;

use conns_core::query::{Field, Group, GroupKey, Sum};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Answer;
use crate::record::json;

/// Keys of a group after the first, which is the field grouped by.
pub const GROUP_KEYS: [&str; 9] = [
    "connections",
    "bytes_out",
    "bytes_in",
    "rate_out_bytes_per_s",
    "rate_in_bytes_per_s",
    "recv_queue_bytes",
    "send_queue_bytes",
    "rtt_median_us",
    "worst_loss_percent",
];

/// The figures of [`GROUP_KEYS`], in their order.
#[must_use]
pub fn group_figures(group: &Group) -> [Option<f64>; 9] {
    let whole = |sum: Sum<u64>| sum.known_total().map(|total| total as f64);
    [
        Some(group.count as f64),
        whole(group.bytes_out),
        whole(group.bytes_in),
        group.rate_out.known_total(),
        group.rate_in.known_total(),
        whole(group.recv_queue),
        whole(group.send_queue),
        group.rtt_us.map(|rtt| f64::from(rtt.median)),
        group.worst_loss_percent,
    ]
}

impl Answer {
    /// Appends `{"groups":[…]` without the closing brace, each group on a line of its own.
    pub fn append_groups(out: &mut Vec<u8>, field: &Field, groups: &[Group]) {
        out.extend_from_slice(b"{\"groups\":[");
        for (i, group) in groups.iter().enumerate() {
            out.extend_from_slice(if i == 0 { b"\n" } else { b",\n" });
            json(out, &GroupShape { field, group });
        }
        out.extend_from_slice(b"\n]");
    }
}

/// One group as a JSON object.
#[derive(Clone, Copy)]
pub struct GroupShape<'a> {
    /// The field grouped by.
    pub field: &'a Field,
    /// The group.
    pub group: &'a Group,
}

impl Serialize for GroupShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = self.group;
        let mut map = serializer.serialize_map(None)?;
        match &group.key {
            GroupKey::NotApplicable => {}
            key => map.serialize_entry(&*self.field.key, &key.text())?,
        }
        for (key, number) in GROUP_KEYS.into_iter().zip(group_figures(group)) {
            match number {
                // Whole numbers are written as such.
                Some(n) if n.fract() == 0.0 => map.serialize_entry(key, &(n as u64))?,
                number => map.serialize_entry(key, &number)?,
            }
        }
        let verdicts: BTreeMap<&str, usize> =
            group.verdicts.iter().map(|(class, count)| (class.name(), *count)).collect();
        map.serialize_entry("verdicts", &verdicts)?;
        map.end()
    }
}
