//! Groups and their sums, for `--group-by`.

use std::io::{self, Write};

use conns_core::human;
use conns_core::query::{Field, Group, GroupKey, Sum};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::delimited::csv_table;
use crate::table::{Layout, plain_table};
use crate::text::printable;

/// Keys of the columns after the first, which is the field grouped by.
const GROUP_KEYS: [&str; 9] = [
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

/// Writes groups as a table.
///
/// # Errors
/// What the writer says.
pub fn groups(
    out: &mut impl Write,
    layout: Layout,
    field: &Field,
    groups: &[Group],
) -> io::Result<()> {
    let with_rates = groups.iter().any(|g| g.rate_out.known > 0);
    let title = field.name.to_ascii_uppercase();
    let mut titles = vec![&*title, "CONNECTIONS", "BYTES-OUT", "BYTES-IN"];
    if with_rates {
        titles.extend(["RATE-OUT", "RATE-IN"]);
    }
    titles.extend(["RECV-QUEUE", "SEND-QUEUE", "RTT-MEDIAN", "WORST-LOSS", "VERDICTS"]);
    let last = titles.len() - 1;
    let right: Vec<bool> = (0..titles.len()).map(|i| i != 0 && i != last).collect();
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|g| {
            let bytes = |sum: Sum<u64>| sum.known_total().map_or("?".into(), human::bytes);
            let rate = |sum: Sum<f64>| sum.known_total().map_or("?".into(), human::rate);
            let mut row =
                vec![key_text(&g.key), g.count.to_string(), bytes(g.bytes_out), bytes(g.bytes_in)];
            if with_rates {
                row.extend([rate(g.rate_out), rate(g.rate_in)]);
            }
            row.extend([
                bytes(g.recv_queue),
                bytes(g.send_queue),
                g.rtt_us.map_or("?".into(), |rtt| human::duration(rtt.median.into())),
                g.worst_loss_percent.map_or("?".into(), human::percent),
                verdicts(g),
            ]);
            row
        })
        .collect();
    plain_table(out, layout, &titles, &right, &rows)
}

fn verdicts(group: &Group) -> String {
    let each = group.verdicts.iter().map(|(class, count)| format!("{} {}", count, class.name()));
    each.collect::<Vec<_>>().join(", ")
}

fn key_text(key: &GroupKey) -> String {
    match key {
        GroupKey::Value(text) => printable(text.as_str().into()).into_owned(),
        GroupKey::Unknown => "?".to_owned(),
        GroupKey::NotApplicable => "-".to_owned(),
    }
}

/// Writes groups as CSV.
///
/// # Errors
/// What the writer says.
pub fn groups_csv(
    out: &mut impl Write,
    header: bool,
    field: &Field,
    groups: &[Group],
) -> io::Result<()> {
    let keys = std::iter::once(&*field.key).chain(GROUP_KEYS);
    let rows = groups.iter().map(|group| {
        let key = group.key.text().unwrap_or_default().to_owned();
        std::iter::once(key)
            .chain(numbers(group).map(|n| n.map(|n| n.to_string()).unwrap_or_default()))
    });
    csv_table(out, header, keys, rows)
}

/// The figures of [`GROUP_KEYS`], in their order.
fn numbers(g: &Group) -> [Option<f64>; 9] {
    let whole = |sum: Sum<u64>| sum.known_total().map(|n| n as f64);
    [
        Some(g.count as f64),
        whole(g.bytes_out),
        whole(g.bytes_in),
        g.rate_out.known_total(),
        g.rate_in.known_total(),
        whole(g.recv_queue),
        whole(g.send_queue),
        g.rtt_us.map(|rtt| f64::from(rtt.median)),
        g.worst_loss_percent,
    ]
}

/// Writes groups as one JSON object, or one object a line if `lines`.
///
/// # Errors
/// What the writer says.
pub fn groups_json(
    out: &mut impl Write,
    lines: bool,
    field: &Field,
    groups: &[Group],
) -> io::Result<()> {
    let shapes: Vec<GroupShape<'_>> =
        groups.iter().map(|group| GroupShape { field, group }).collect();
    if lines {
        for shape in &shapes {
            serde_json::to_writer(&mut *out, shape)?;
            writeln!(out)?;
        }
        return Ok(());
    }
    serde_json::to_writer(&mut *out, &std::collections::BTreeMap::from([("groups", shapes)]))?;
    writeln!(out)
}

struct GroupShape<'a> {
    field: &'a Field,
    group: &'a Group,
}

impl Serialize for GroupShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.group.key {
            GroupKey::NotApplicable => {}
            key => map.serialize_entry(&*self.field.key, &key.text())?,
        }
        for (key, number) in GROUP_KEYS.into_iter().zip(numbers(self.group)) {
            match number {
                // Whole numbers are told as such.
                Some(n) if n.fract() == 0.0 => map.serialize_entry(key, &(n as u64))?,
                number => map.serialize_entry(key, &number)?,
            }
        }
        let verdicts: std::collections::BTreeMap<&str, usize> =
            self.group.verdicts.iter().map(|(class, count)| (class.name(), *count)).collect();
        map.serialize_entry("verdicts", &verdicts)?;
        map.end()
    }
}
