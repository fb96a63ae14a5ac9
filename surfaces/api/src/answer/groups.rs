//! Groups of connections as JSON: the shape of `conns --group-by FIELD -o json`.

use std::collections::BTreeMap;

use conns_core::query::{Field, Group, GroupColumn, GroupKey};
use serde::ser::{Error, SerializeMap};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::Stamp;

/// A group. Beside these keys, that of the field grouped by has its value as text: null is unknown, and the
/// key is absent where the field does not apply.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Group)]
pub struct GroupShape<'a> {
    /// The value they share, under the key of its field.
    #[serde(flatten)]
    pub value: BTreeMap<&'a str, Option<&'a str>>,
    /// How many they are.
    pub connections: usize,
    /// Payload bytes sent, of those known.
    #[schema(required)]
    pub bytes_out: Option<u64>,
    /// Payload bytes received, of those known.
    #[schema(required)]
    pub bytes_in: Option<u64>,
    /// Payload sent a second.
    #[serde(serialize_with = "figure")]
    #[schema(required)]
    pub rate_out_bytes_per_s: Option<f64>,
    /// Payload received a second.
    #[serde(serialize_with = "figure")]
    #[schema(required)]
    pub rate_in_bytes_per_s: Option<f64>,
    /// Bytes received and not read.
    #[schema(required)]
    pub recv_queue_bytes: Option<u64>,
    /// Bytes written and not acknowledged.
    #[schema(required)]
    pub send_queue_bytes: Option<u64>,
    /// The middle round trip time.
    #[schema(required)]
    pub rtt_median_us: Option<u32>,
    /// The highest loss.
    #[serde(serialize_with = "figure")]
    #[schema(required)]
    pub worst_loss_percent: Option<f64>,
    /// Connections by verdict.
    pub verdicts: BTreeMap<&'static str, usize>,
}

impl<'a> GroupShape<'a> {
    /// The shape of a group by `field`.
    #[must_use]
    pub fn new(field: &'a Field, group: &'a Group) -> Self {
        let value = match &group.key {
            GroupKey::NotApplicable => BTreeMap::new(),
            key => BTreeMap::from([(&*field.key, key.text())]),
        };
        Self {
            value,
            connections: group.count,
            bytes_out: group.bytes_out.known_total(),
            bytes_in: group.bytes_in.known_total(),
            rate_out_bytes_per_s: group.rate_out.known_total(),
            rate_in_bytes_per_s: group.rate_in.known_total(),
            recv_queue_bytes: group.recv_queue.known_total(),
            send_queue_bytes: group.send_queue.known_total(),
            rtt_median_us: group.rtt_us.map(|rtt| rtt.median),
            worst_loss_percent: group.worst_loss_percent,
            verdicts: group.verdicts.iter().map(|(class, count)| (class.name(), *count)).collect(),
        }
    }
}

/// A group with these columns only, in their order.
#[derive(Clone, Copy)]
pub struct GroupRecord<'a> {
    /// What the record begins with, if it names its snapshot.
    pub stamp: Option<Stamp<'a>>,
    /// The field grouped by.
    pub field: &'a Field,
    /// The columns.
    pub columns: &'a [GroupColumn],
    /// The group.
    pub group: &'a Group,
}

impl Serialize for GroupRecord<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let whole = serde_json::to_value(GroupShape::new(self.field, self.group));
        let whole = whole.map_err(S::Error::custom)?;
        let mut map = to.serialize_map(None)?;
        if let Some(Stamp { at_us, host }) = self.stamp {
            let [at_key, host_key] = Stamp::KEYS;
            map.serialize_entry(at_key, &at_us)?;
            map.serialize_entry(host_key, &host)?;
        }
        for column in self.columns {
            let key = column.key(self.field);
            match column {
                GroupColumn::Key if self.group.key == GroupKey::NotApplicable => {}
                GroupColumn::Key => map.serialize_entry(key, &self.group.key.text())?,
                _ => map.serialize_entry(key, &whole.get(key))?,
            }
        }
        map.end()
    }
}

/// Whole numbers are written as such.
#[expect(clippy::ref_option, reason = "the signature of serde")]
fn figure<S: Serializer>(number: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(n) if n.fract() == 0.0 => to.serialize_u64(*n as u64),
        number => number.serialize(to),
    }
}

#[cfg(test)]
mod tests {
    use conns_core::model::Class;
    use conns_core::query::{Spread, Sum, find_field};
    use serde_json::{Value, json};

    use super::*;

    fn nginx() -> Group {
        fn sum<T>(total: T) -> Sum<T> {
            Sum { total, known: 1, unknown: 0 }
        }
        Group {
            key: GroupKey::Value("nginx".to_owned()),
            count: 2,
            bytes_out: sum(3),
            bytes_in: sum(4),
            rate_out: sum(5.5),
            rate_in: sum(6.0),
            recv_queue: sum(7),
            send_queue: Sum { known: 0, ..sum(8) },
            rtt_us: Some(Spread { min: 9, median: 10, max: 11 }),
            worst_loss_percent: Some(12.5),
            verdicts: vec![(Class::Healthy, 2)],
        }
    }

    #[test]
    fn figures_of_csv_are_those_of_json() {
        let field = find_field("process").unwrap();
        let group = nginx();
        let text = serde_json::to_string(&GroupShape::new(field, &group)).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&written["process"], &written["verdicts"]),
            (&json!("nginx"), &json!({"healthy": 2}))
        );
        assert_eq!(written.as_object().unwrap().len(), GroupColumn::ALL.len());
        let mut behind = 0;
        for column in GroupColumn::ALL {
            let key = column.key(field);
            assert_eq!(written[key].as_f64(), column.figure(&group), "{key}");
            let at = text.find(&format!("\"{key}\":")).unwrap();
            assert!(behind <= at, "{key} is elsewhere");
            behind = at;
        }
        assert!(text.contains("\"rate_in_bytes_per_s\":6,"), "{text}");
    }

    #[test]
    fn a_record_has_the_columns_in_their_order() {
        let (field, group) = (find_field("process").unwrap(), nginx());
        let text = |columns: &[GroupColumn], group: &Group| {
            serde_json::to_string(&GroupRecord { stamp: None, field, columns, group }).unwrap()
        };
        assert_eq!(
            text(&GroupColumn::ALL, &group),
            serde_json::to_string(&GroupShape::new(field, &group)).unwrap()
        );
        let columns = [GroupColumn::SendQueue, GroupColumn::RateOut, GroupColumn::Key];
        let named = r#"{"send_queue_bytes":null,"rate_out_bytes_per_s":5.5,"process":"nginx"}"#;
        assert_eq!(text(&columns, &group), named);
        let unknown = Group { key: GroupKey::Unknown, ..group.clone() };
        assert_eq!(text(&[GroupColumn::Key], &unknown), r#"{"process":null}"#);
        let without = Group { key: GroupKey::NotApplicable, ..group };
        assert_eq!(text(&[GroupColumn::Key], &without), "{}");
        let stamp = Some(Stamp { at_us: 5, host: None });
        let record =
            GroupRecord { stamp, field, columns: &[GroupColumn::Connections], group: &without };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(text, r#"{"at_us":5,"host":null,"connections":2}"#);
    }
}
