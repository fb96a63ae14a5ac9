//! Columns of a table of groups: the field grouped by, the number of connections, sums, and verdicts.

use super::columns::chosen_columns;
use super::nearest::{UnknownGroupColumn, nearest};
use super::{ColumnError, Field, Group, find_field};

/// A column of a table of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupColumn {
    /// The value of the field grouped by.
    Key,
    /// Number of connections.
    Connections,
    /// Payload bytes sent.
    BytesOut,
    /// Payload bytes received.
    BytesIn,
    /// Payload bytes a second sent.
    RateOut,
    /// Payload bytes a second received.
    RateIn,
    /// Bytes received and not read.
    RecvQueue,
    /// Bytes written and not acknowledged.
    SendQueue,
    /// Median of the round trip times in microseconds.
    RttMedian,
    /// The highest loss in percent.
    WorstLoss,
    /// Number of connections per verdict.
    Verdicts,
}

fn hint(by: &'static str, nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            let names = GroupColumn::ALL.iter().skip(1).map(|column| column.own_name());
            let names: Vec<&str> = std::iter::once(by).chain(names).collect();
            format!("they have {}", names.join(", "))
        }
    }
}

impl GroupColumn {
    /// All, in the order of JSON.
    pub const ALL: [Self; 11] = [
        Self::Key,
        Self::Connections,
        Self::BytesOut,
        Self::BytesIn,
        Self::RateOut,
        Self::RateIn,
        Self::RecvQueue,
        Self::SendQueue,
        Self::RttMedian,
        Self::WorstLoss,
        Self::Verdicts,
    ];

    /// The name in `--columns` and `--sort`: for sums that of the field that is summed.
    #[must_use]
    pub fn name(self, by: &'static Field) -> &'static str {
        if self == Self::Key { by.name } else { self.own_name() }
    }

    /// The name if it is not the field grouped by.
    const fn own_name(self) -> &'static str {
        match self {
            Self::Key => "",
            Self::Connections => "connections",
            Self::BytesOut => "bytes_out",
            Self::BytesIn => "bytes_in",
            Self::RateOut => "rate_out",
            Self::RateIn => "rate_in",
            Self::RecvQueue => "recv_queue",
            Self::SendQueue => "send_queue",
            Self::RttMedian => "rtt",
            Self::WorstLoss => "loss",
            Self::Verdicts => "verdicts",
        }
    }

    /// The key in JSON, and the name in the header of CSV.
    #[must_use]
    pub fn key(self, by: &Field) -> &str {
        match self {
            Self::Key => &by.key,
            Self::RateOut => "rate_out_bytes_per_s",
            Self::RateIn => "rate_in_bytes_per_s",
            Self::RecvQueue => "recv_queue_bytes",
            Self::SendQueue => "send_queue_bytes",
            Self::RttMedian => "rtt_median_us",
            Self::WorstLoss => "worst_loss_percent",
            column => column.own_name(),
        }
    }

    /// The title in a table.
    #[must_use]
    pub fn title(self, by: &'static Field) -> String {
        let name = match self {
            Self::RttMedian => "rtt-median",
            Self::WorstLoss => "worst-loss",
            column => column.name(by),
        };
        name.to_ascii_uppercase().replace('_', "-")
    }

    /// Its number; `None` if it is unknown, or the column is no number.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a double holds counts and sums up to 2^53")]
    pub fn figure(self, group: &Group) -> Option<f64> {
        match self {
            Self::Key | Self::Verdicts => None,
            Self::Connections => Some(group.count as f64),
            Self::BytesOut => group.bytes_out.known_total().map(|sum| sum as f64),
            Self::BytesIn => group.bytes_in.known_total().map(|sum| sum as f64),
            Self::RateOut => group.rate_out.known_total(),
            Self::RateIn => group.rate_in.known_total(),
            Self::RecvQueue => group.recv_queue.known_total().map(|sum| sum as f64),
            Self::SendQueue => group.send_queue.known_total().map(|sum| sum as f64),
            Self::RttMedian => group.rtt_us.map(|rtt| rtt.median.into()),
            Self::WorstLoss => group.worst_loss_percent,
        }
    }

    /// The column of groups by `by` with this name: that of a field, a key of JSON or a title.
    ///
    /// # Errors
    /// If there is none; the error contains the most similar name.
    pub fn named(name: &str, by: &'static Field) -> Result<Self, UnknownGroupColumn> {
        let plain = name.to_ascii_lowercase().replace('-', "_");
        let field = find_field(name).map(|field| field.name);
        let is_named = |column: &&Self| {
            let own = column.name(by);
            field == Some(own)
                || own == plain
                || column.key(by) == plain
                || column.title(by).to_ascii_lowercase().replace('-', "_") == plain
        };
        if plain == "count" {
            return Ok(Self::Connections);
        }
        Self::ALL.iter().find(is_named).copied().ok_or_else(|| UnknownGroupColumn {
            name: name.to_owned(),
            by: by.name,
            hint: hint(by.name, nearest(name, Self::ALL.iter().map(|column| column.name(by)))),
        })
    }
}

/// Parses a list of columns of groups by `by`, as [`parse_columns`](super::parse_columns) does that of fields.
///
/// # Errors
/// If groups have no such column, or no columns remain.
pub fn parse_group_columns(
    text: &str,
    by: &'static Field,
    default: &[GroupColumn],
) -> Result<Vec<GroupColumn>, ColumnError> {
    chosen_columns(text, default, |name| match name {
        None => Ok(GroupColumn::ALL.to_vec()),
        Some(name) => Ok(vec![GroupColumn::named(name, by)?]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<&'static str>, String> {
        let by = find_field("process").unwrap();
        let default = [GroupColumn::Key, GroupColumn::Connections, GroupColumn::Verdicts];
        let columns = parse_group_columns(text, by, &default).map_err(|error| error.to_string())?;
        Ok(columns.into_iter().map(|column| column.name(by)).collect())
    }

    #[test]
    fn columns_are_named_by_field_key_or_title_in_the_given_order() {
        assert_eq!(names("rate_in,process").unwrap(), ["rate_in", "process"]);
        assert_eq!(names("rtt_median_us, Worst-Loss,RTT").unwrap(), ["rtt", "loss"]);
        assert_eq!(names("count,rtt_us,sent").unwrap(), ["connections", "rtt", "bytes_out"]);
        assert_eq!(names("+bytes_in,-verdicts").unwrap(), ["process", "connections", "bytes_in"]);
        assert_eq!(names("all").unwrap().len(), GroupColumn::ALL.len());
    }

    #[test]
    fn names_keys_and_titles_of_columns_lead_to_them() {
        let by = find_field("remote").unwrap();
        for column in GroupColumn::ALL {
            for name in [column.name(by), column.key(by), &column.title(by)] {
                assert_eq!(GroupColumn::named(name, by), Ok(column), "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_column_has_the_nearest_name_or_all() {
        let error = names("rate_outt").unwrap_err();
        assert_eq!(
            error,
            "groups by `process` have no column `rate_outt`; did you mean `rate_out`?"
        );
        let error = names("pid").unwrap_err();
        assert!(error.contains("they have process, connections, bytes_out,"), "{error}");
        assert!(
            names("-process,-connections,-verdicts").unwrap_err().contains("leaves no columns")
        );
        assert!(names("process,,rtt").unwrap_err().contains("column name missing"));
    }
}
