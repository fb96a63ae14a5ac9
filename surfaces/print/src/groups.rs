//! Groups and their sums, for `--group-by`.

use std::io::{self, Write};

use conns_api::{GROUP_KEYS, GroupShape, group_figures};
use conns_core::human;
use conns_core::query::{Field, Group, GroupKey, Sum};

use crate::delimited::csv_table;
use crate::table::{Layout, plain_table};
use conns_api::printable;

/// Writes groups as a table.
///
/// # Errors
/// If writing fails.
pub fn groups(
    out: &mut impl Write,
    layout: Layout,
    field: &Field,
    groups: &[Group],
) -> io::Result<()> {
    let with_rates = groups.iter().any(|g| g.rate_out.known > 0);
    let title = field.name.to_ascii_uppercase();
    let mut titles = vec![&*title, "CONNECTIONS"];
    if with_rates {
        titles.extend(["RATE-OUT", "RATE-IN"]);
    }
    titles.extend([
        "BYTES-OUT",
        "BYTES-IN",
        "RECV-QUEUE",
        "SEND-QUEUE",
        "RTT-MEDIAN",
        "WORST-LOSS",
        "VERDICTS",
    ]);
    let last = titles.len() - 1;
    let right: Vec<bool> = (0..titles.len()).map(|i| i != 0 && i != last).collect();
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|g| {
            let bytes = |sum: Sum<u64>| sum.known_total().map_or("?".into(), human::bytes);
            let rate = |sum: Sum<f64>| sum.known_total().map_or("?".into(), human::rate);
            let mut row = vec![key_text(&g.key), g.count.to_string()];
            if with_rates {
                row.extend([rate(g.rate_out), rate(g.rate_in)]);
            }
            row.extend([
                bytes(g.bytes_out),
                bytes(g.bytes_in),
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
/// If writing fails.
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
            .chain(group_figures(group).map(|n| n.map(|n| n.to_string()).unwrap_or_default()))
    });
    csv_table(out, header, keys, rows)
}

/// Writes groups as one JSON object, or as one object per line if `lines`.
///
/// # Errors
/// If writing fails.
pub fn groups_json(
    out: &mut impl Write,
    lines: bool,
    field: &Field,
    groups: &[Group],
) -> io::Result<()> {
    let shapes: Vec<GroupShape<'_>> =
        groups.iter().map(|group| GroupShape::new(field, group)).collect();
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
