//! Groups of connections as JSON: the shape of `conns --group-by FIELD -o json`.

use std::collections::BTreeMap;

use conns_core::query::{Field, Group, GroupKey, Sum};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

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
    use conns_core::query::{Spread, find_field};
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn figures_of_csv_are_those_of_json() {
        fn sum<T>(total: T) -> Sum<T> {
            Sum { total, known: 1, unknown: 0 }
        }
        let field = find_field("process").unwrap();
        let group = Group {
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
        };
        let text = serde_json::to_string(&GroupShape::new(field, &group)).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&written["process"], &written["verdicts"]),
            (&json!("nginx"), &json!({"healthy": 2}))
        );
        assert_eq!(written.as_object().unwrap().len(), GROUP_KEYS.len() + 2);
        let mut behind = 0;
        for (key, figure) in GROUP_KEYS.into_iter().zip(group_figures(&group)) {
            assert_eq!(written[key].as_f64(), figure, "{key}");
            let at = text.find(&format!("\"{key}\":")).unwrap();
            assert!(behind < at, "{key} is elsewhere");
            behind = at;
        }
        assert!(text.contains("\"rate_in_bytes_per_s\":6,"), "{text}");
    }
}
