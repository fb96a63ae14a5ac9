//! Everything that surfaces read of connections.

use conns_core::model::Connection;
use conns_core::query::{Field, Kind, SortKey, Value, catalogue, group, sort};

/// Reads everything that surfaces may read of each.
pub(crate) fn read_all(connections: &[Connection]) {
    for connection in connections {
        assert!(connection.verdict.confidence_percent <= 100);
        assert!(connection.verdict.why(&connection.socket).ends_with('.'));
        let advice = connection.verdict.advice(&connection.socket);
        assert!(advice.is_empty() || advice.ends_with('.'));
        for field in catalogue() {
            check(field, &field.value(connection));
        }
    }
}

/// Sorts and groups them by everything.
pub(crate) fn arrange(connections: &[Connection]) {
    for field in catalogue() {
        let mut rows: Vec<&Connection> = connections.iter().collect();
        sort(&mut rows, &[SortKey { field, descending: true }]);
        assert_eq!(rows.len(), connections.len());
        let groups = group(&rows, field);
        assert_eq!(groups.iter().map(|group| group.count).sum::<usize>(), rows.len());
    }
}

/// A value is of the kind of its field, and a float is finite.
fn check(field: &Field, value: &Value<'_>) {
    let fits = match value {
        Value::Unknown(_) | Value::NotApplicable => true,
        Value::Several(values) => {
            assert!(!values.is_empty(), "{}", field.name);
            return values.iter().for_each(|value| check(field, value));
        }
        Value::Text(_) => field.kind == Kind::Text,
        Value::Count(_) => field.kind == Kind::Count,
        Value::Port(_) => field.kind == Kind::Port,
        Value::Bytes(_) => field.kind == Kind::Bytes,
        Value::BytesPerSecond(real) => field.kind == Kind::BytesPerSecond && real.is_finite(),
        Value::Micros(_) => field.kind == Kind::Duration,
        Value::Percent(real) => field.kind == Kind::Percent && real.is_finite(),
        Value::Address(_) => field.kind == Kind::Address,
        Value::Endpoint(_) => field.kind == Kind::Endpoint,
        Value::Bool(_) => field.kind == Kind::Bool,
        Value::Time(_) => field.kind == Kind::Time,
        Value::List(_) => field.kind.is_list(),
    };
    assert!(fits, "{} of kind {} is {value:?}", field.name, field.kind.name());
}
