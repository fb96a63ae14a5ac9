//! Groups and their sums, for `--group-by`.

use std::io::{self, Write};

use conns_api::{GroupRecord, Stamp, printable};
use conns_core::human;
use conns_core::query::{Field, Group, GroupColumn, GroupKey};
use serde::Serialize;

use crate::delimited::stamped_csv;
use crate::table::{Layout, plain_table};

/// The default columns of a table: rates behind the field if they are `watched`, else only if some are known.
#[must_use]
pub fn default_group_columns(watched: bool, groups: &[Group]) -> Vec<GroupColumn> {
    use GroupColumn::{
        BytesIn, BytesOut, Connections, Key, RateIn, RateOut, RecvQueue, RttMedian, SendQueue,
        Verdicts, WorstLoss,
    };
    let has_rates = groups.iter().any(|g| g.rate_out.known > 0);
    let first: &[GroupColumn] = match (watched, has_rates) {
        (true, _) => &[Key, RateOut, RateIn, Connections],
        (false, true) => &[Key, Connections, RateOut, RateIn],
        (false, false) => &[Key, Connections],
    };
    let rest = [BytesOut, BytesIn, RecvQueue, SendQueue, RttMedian, WorstLoss, Verdicts];
    first.iter().copied().chain(rest).collect()
}

/// Writes groups as a table with these columns.
///
/// # Errors
/// If writing fails.
pub fn groups(
    out: &mut impl Write,
    layout: Layout,
    field: &'static Field,
    columns: &[GroupColumn],
    groups: &[Group],
) -> io::Result<()> {
    let titles: Vec<String> = columns.iter().map(|column| column.title(field)).collect();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let is_text = |column: &GroupColumn| matches!(column, GroupColumn::Key | GroupColumn::Verdicts);
    let right: Vec<bool> = columns.iter().map(|column| !is_text(column)).collect();
    let rows: Vec<Vec<String>> = groups
        .iter()
        .map(|group| columns.iter().map(|column| cell(*column, group)).collect())
        .collect();
    plain_table(out, layout, &titles, &right, &rows)
}

fn cell(column: GroupColumn, group: &Group) -> String {
    let known = |text: Option<String>| text.unwrap_or_else(|| "?".to_owned());
    let bytes = |sum: Option<u64>| known(sum.map(human::bytes));
    match column {
        GroupColumn::Key => key_text(&group.key),
        GroupColumn::Connections => group.count.to_string(),
        GroupColumn::BytesOut => bytes(group.bytes_out.known_total()),
        GroupColumn::BytesIn => bytes(group.bytes_in.known_total()),
        GroupColumn::RateOut => known(group.rate_out.known_total().map(human::rate)),
        GroupColumn::RateIn => known(group.rate_in.known_total().map(human::rate)),
        GroupColumn::RecvQueue => bytes(group.recv_queue.known_total()),
        GroupColumn::SendQueue => bytes(group.send_queue.known_total()),
        GroupColumn::RttMedian => known(group.rtt_us.map(|rtt| human::duration(rtt.median.into()))),
        GroupColumn::WorstLoss => known(group.worst_loss_percent.map(human::percent)),
        GroupColumn::Verdicts => verdicts(group),
    }
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

/// Writes groups as CSV with these columns; rows begin with time and host of their snapshot, if there is a `stamp`.
///
/// # Errors
/// If writing fails.
pub fn groups_csv(
    out: &mut impl Write,
    header: bool,
    stamp: Option<Stamp<'_>>,
    field: &Field,
    columns: &[GroupColumn],
    groups: &[Group],
) -> io::Result<()> {
    let keys = columns.iter().map(|column| column.key(field));
    let cell = |group: &Group, column: &GroupColumn| match column {
        GroupColumn::Key => group.key.text().unwrap_or_default().to_owned(),
        GroupColumn::Verdicts => verdicts(group),
        column => column.figure(group).map(|n| n.to_string()).unwrap_or_default(),
    };
    let rows = groups.iter().map(|group| columns.iter().map(move |column| cell(group, column)));
    stamped_csv(out, header, stamp, keys, rows)
}

/// Writes groups with these columns as one JSON object that names their snapshot, if there is a `stamp`.
///
/// # Errors
/// If writing fails.
pub fn groups_json(
    out: &mut impl Write,
    stamp: Option<Stamp<'_>>,
    field: &Field,
    columns: &[GroupColumn],
    groups: &[Group],
) -> io::Result<()> {
    let record = |group| GroupRecord { stamp: None, field, columns, group };
    let groups = groups.iter().map(record).collect();
    serde_json::to_writer(&mut *out, &Groups { groups, snapshot: stamp })?;
    writeln!(out)
}

#[derive(Serialize)]
struct Groups<'a> {
    groups: Vec<GroupRecord<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Stamp<'a>>,
}

/// Writes groups with these columns as one JSON object per line; lines begin with time and host of their snapshot, if
/// there is a `stamp`.
///
/// # Errors
/// If writing fails.
pub fn groups_jsonl(
    out: &mut impl Write,
    stamp: Option<Stamp<'_>>,
    field: &Field,
    columns: &[GroupColumn],
    groups: &[Group],
) -> io::Result<()> {
    for group in groups {
        serde_json::to_writer(&mut *out, &GroupRecord { stamp, field, columns, group })?;
        writeln!(out)?;
    }
    Ok(())
}
