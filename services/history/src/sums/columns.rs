//! The columns of `hours`, `days` and `months`.

use std::fmt::Write;
use std::sync::LazyLock;

use conns_core::query::find_field;

use super::distribution::{Counted, quantile, upper_bound};
use super::ended::{Ended, FIGURES, REASONS};
use super::sum::{Sum, Total};
use super::{PeriodSums, TEXTS};
use crate::cell::Cell;
use crate::table::{Column, ColumnKind};

/// Stands in every column of text of the group of what is beyond the bounds.
const OTHER: &str = "other";
/// The percentiles of round trips and durations.
const PERCENTILES: [u32; 3] = [50, 95, 99];

/// The figures that are summed, in the order of [`super::ended::Figures::summed`].
const SUMMED: [&str; FIGURES] =
    ["bytes_out", "bytes_in", "data_segs_out", "total_retrans", "bytes_retrans"];

/// What a column shows.
#[derive(Debug, Clone, Copy)]
enum Shown {
    Start,
    End,
    Text(usize),
    ServicePort,
    Connections,
    Failed,
    Reason(usize),
    Total(usize),
    Known(usize),
    Percentile(Counted, u32),
    Histogram(Counted),
}

/// The columns of a table of sums.
#[must_use]
pub fn columns() -> &'static [Column] {
    &COLUMNS.0
}

static COLUMNS: LazyLock<(Vec<Column>, Vec<Shown>)> = LazyLock::new(|| {
    let all = period_columns().into_iter().chain(key_columns()).chain(sum_columns());
    all.map(|(name, shown, meaning)| (Column::new(&name, kind_of(shown), &meaning), shown)).unzip()
});

fn kind_of(shown: Shown) -> ColumnKind {
    match shown {
        Shown::Text(_) | Shown::Histogram(_) => ColumnKind::Text,
        _ => ColumnKind::Integer,
    }
}

type Declared = (String, Shown, String);

fn declared(name: impl Into<String>, shown: Shown, meaning: impl Into<String>) -> Declared {
    (name.into(), shown, meaning.into())
}

fn period_columns() -> Vec<Declared> {
    vec![
        declared("start_us", Shown::Start, "When the period began, UTC"),
        declared("end_us", Shown::End, "When it ended: the first moment after it"),
    ]
}

fn key_columns() -> Vec<Declared> {
    let named = Ended::GROUPED_BY.into_iter().enumerate().map(|(at, name)| match name {
        "remote" => declared(
            name,
            Shown::Text(at),
            "Name of the remote end if it was known, else its network: /24 of IPv4, /48 of IPv6, or loopback",
        ),
        "service_port" => declared(
            name,
            Shown::ServicePort,
            "Of inbound connections the local port, of outbound ones the remote; else the lower of both, if it is below 32768",
        ),
        _ => {
            let meaning = find_field(name).map_or("", |field| field.meaning);
            declared(name, Shown::Text(at), meaning)
        }
    });
    named.collect()
}

fn sum_columns() -> Vec<Declared> {
    let mut columns = vec![
        declared("connections", Shown::Connections, "Connections that ended: rows of closed"),
        declared("failed", Shown::Failed, "Attempts that failed: rows of failed"),
    ];
    for (at, reason) in REASONS.iter().map(|reason| reason.name()).chain(["unknown"]).enumerate() {
        let meaning = format!("How many of both ended so: {reason}");
        let name = format!("ended_{}", reason.replace('-', "_"));
        columns.push(declared(name, Shown::Reason(at), meaning));
    }
    for (at, name) in SUMMED.into_iter().enumerate() {
        let meaning = find_field(name).map_or("", |field| field.meaning);
        columns.push(declared(name, Shown::Total(at), format!("Sum of {name}. {meaning}")));
        let meaning = format!("How many of both had a known {name}");
        columns.push(declared(format!("{name}_known"), Shown::Known(at), meaning));
    }
    for (name, counted, what) in
        [("rtt", Counted::Rtt, "round trip time"), ("duration", Counted::Duration, "duration")]
    {
        for percent in PERCENTILES {
            let meaning = format!(
                "{percent} % of all had this {what} at most, microseconds; at most 12.5 % too high"
            );
            let shown = Shown::Percentile(counted, percent);
            columns.push(declared(format!("{name}_p{percent}_us"), shown, meaning));
        }
        let meaning = format!(
            "How many had which {what}: a JSON list of [largest of the bucket in microseconds, count]"
        );
        columns.push(declared(format!("{name}_histogram"), Shown::Histogram(counted), meaning));
    }
    columns
}

impl PeriodSums {
    /// The value of a column of a group, of the period with this start and end; `NULL` beyond the last of either.
    #[must_use]
    pub fn cell(&self, period: (i64, i64), group: usize, column: usize) -> Cell<'_> {
        let shown = COLUMNS.1.get(column).copied();
        let (Some(shown), Some((key, sum))) = (shown, self.group(group)) else {
            return Cell::Null;
        };
        match (shown, key) {
            (Shown::Start, _) => Cell::Integer(period.0),
            (Shown::End, _) => Cell::Integer(period.1),
            (Shown::Text(_), None) => Cell::text(OTHER),
            (Shown::Text(at), Some(key)) => {
                let text = key.get(at).and_then(|number| self.texts.text(*number));
                Cell::of(text, Cell::text)
            }
            (Shown::ServicePort, key) => {
                let port = key.and_then(|key| key.get(TEXTS)?.checked_sub(1));
                Cell::of(port, |port| Cell::Integer(port.into()))
            }
            (shown, _) => sum.cell(shown),
        }
    }
}

impl Sum {
    fn cell(&self, shown: Shown) -> Cell<'static> {
        let total = |at: usize| self.totals.get(at).copied().unwrap_or_default();
        match shown {
            Shown::Connections => Cell::unsigned(self.connections),
            Shown::Failed => Cell::unsigned(self.failed),
            Shown::Reason(at) => {
                let mut reasons = self.counts.of(Counted::Reason);
                let found = reasons.find(|(reason, _)| usize::from(*reason) == at);
                Cell::unsigned(found.map_or(0, |(_, count)| count))
            }
            Shown::Total(at) => {
                let Total { sum, known } = total(at);
                if known == 0 { Cell::Null } else { Cell::unsigned(sum) }
            }
            Shown::Known(at) => Cell::unsigned(total(at).known),
            Shown::Percentile(counted, percent) => {
                Cell::of(quantile(self.counts.of(counted), percent), Cell::unsigned)
            }
            Shown::Histogram(counted) => self.histogram(counted),
            Shown::Start | Shown::End | Shown::Text(_) | Shown::ServicePort => Cell::Null,
        }
    }

    fn histogram(&self, counted: Counted) -> Cell<'static> {
        let mut json = String::new();
        for (bucket, count) in self.counts.of(counted) {
            let before = if json.is_empty() { '[' } else { ',' };
            // Writing to a string does not fail.
            let _ = write!(json, "{before}[{},{count}]", upper_bound(bucket));
        }
        if json.is_empty() {
            return Cell::Null;
        }
        json.push(']');
        Cell::Text(json.into())
    }
}
