//! Groups of connections as JSON: the shape of `conns --group-by FIELD -o json`.

use std::collections::BTreeMap;

use conns_core::query::{Field, Group, GroupKey, Sum};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::Answer;
use crate::record::json;

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

struct GroupShape<'a> {
    field: &'a Field,
    group: &'a Group,
}

impl Serialize for GroupShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let group = self.group;
        let whole = |sum: Sum<u64>| sum.known_total().map(|total| total as f64);
        let numbers = [
            ("connections", Some(group.count as f64)),
            ("bytes_out", whole(group.bytes_out)),
            ("bytes_in", whole(group.bytes_in)),
            ("rate_out_bytes_per_s", group.rate_out.known_total()),
            ("rate_in_bytes_per_s", group.rate_in.known_total()),
            ("recv_queue_bytes", whole(group.recv_queue)),
            ("send_queue_bytes", whole(group.send_queue)),
            ("rtt_median_us", group.rtt_us.map(|rtt| f64::from(rtt.median))),
            ("worst_loss_percent", group.worst_loss_percent),
        ];
        let mut map = serializer.serialize_map(None)?;
        match &group.key {
            GroupKey::NotApplicable => {}
            key => map.serialize_entry(&*self.field.key, &key.text())?,
        }
        for (key, number) in numbers {
            match number {
                // Whole numbers are told as such.
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
