//! Fields of what a connection carries, and the fields that its protocols declare.

use std::sync::{Arc, LazyLock};

use crate::decode::{ProtocolSpec, registry};
use crate::model::{
    Connection, Direction, FieldSpec, Kind, Known, Layer, Moment, Part, Record, Scalar, Unknown,
};
use crate::query::field::{Field, Read};
use crate::query::{Records, Value};

use super::{Row, unless_kept};

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "app",
            Kind::Text,
            "The protocols it carries, outermost first; filters match any.",
            "payload, or reported",
        )
        .part(Part::Application)
        .aliases(&["application"])
        .cut(9, 8),
        |c| {
            Value::known(c.application.as_ref(), |application| {
                let names = application.layers.iter().map(|layer| Value::text(&layer.protocol));
                match &*application.layers {
                    [] => Value::NotApplicable,
                    [only] => Value::text(&only.protocol),
                    _ => Value::Several(names.collect()),
                }
            })
        },
    ),
    (
        FieldSpec::new(
            "app_certainty",
            Kind::Text,
            "How certain the innermost protocol is: certain, likely, or by the port alone.",
            "payload",
        )
        .part(Part::Application),
        |c| innermost(c, |layer| Value::text(layer.certainty.name())),
    ),
    (
        FieldSpec::new(
            "app_origin",
            Kind::Text,
            "Whether the innermost protocol was seen on the wire or reported by the owner.",
            "payload, or reported",
        )
        .part(Part::Application),
        |c| innermost(c, |layer| Value::text(layer.origin.name())),
    ),
    (
        FieldSpec::new(
            "app_since",
            Kind::Time,
            "When the innermost protocol was recognised.",
            "payload",
        )
        .part(Part::Application),
        |c| innermost(c, |layer| Value::Time(layer.since.wall_us)),
    ),
    (
        FieldSpec::new(
            "app_gap_bytes",
            Kind::Bytes,
            "Payload bytes that the decoder of the innermost protocol did not get.",
            "payload",
        )
        .part(Part::Application),
        |c| innermost(c, |layer| Value::Bytes(layer.gap_bytes)),
    ),
    (
        FieldSpec::new(
            "remote_name",
            Kind::Text,
            "Name of the other end: what the connection itself names (SNI, Host), else what was asked for before it was opened (DNS).",
            "payload",
        )
        .part(Part::RemoteName)
        .cut(5, 16),
        |c| remote_name(c, |(name, _)| Value::text(name)),
    ),
    (
        FieldSpec::new(
            "remote_name_origin",
            Kind::Text,
            "Where this name is from: sni, host or dns.",
            "payload",
        )
        .part(Part::RemoteName),
        |c| unless_kept(c, || remote_name(c, |(_, origin)| Value::text(origin))),
    ),
];

/// The fields that name a server: protocol, position, and the last part of the name.
static SERVER_NAMES: LazyLock<Vec<(&str, usize, &str)>> = LazyLock::new(|| {
    let of_protocol = |protocol: &'static ProtocolSpec| {
        protocol.fields.iter().enumerate().filter(|(_, field)| field.names_server).map(
            |(index, field)| {
                let (_, origin) = field.name.rsplit_once('.').unwrap_or(("", field.name));
                (protocol.name, index, origin)
            },
        )
    };
    registry().flat_map(of_protocol).collect()
});

/// The fields that show which end is the client: protocol and position.
static CLIENT_FIELDS: LazyLock<Vec<(&str, usize)>> = LazyLock::new(|| {
    let of_protocol = |protocol: &'static ProtocolSpec| {
        let index = protocol.fields.iter().position(|field| field.name.ends_with(".is_client"));
        index.map(|index| (protocol.name, index))
    };
    registry().filter_map(of_protocol).collect()
});

/// What the outermost layer with a name of its server names: what is inside of a tunnel names another end.
fn named_server(c: &Connection) -> Option<(&str, &'static str)> {
    let layers = &c.application.value()?.layers;
    let of_layer =
        |layer: &Layer| SERVER_NAMES.iter().find(|(protocol, ..)| **protocol == *layer.protocol);
    let (layer, (_, index, origin)) =
        layers.iter().find_map(|layer| Some((layer, of_layer(layer)?)))?;
    let is_client = match c.direction.get() {
        Some(direction) => direction == Direction::Outbound,
        None => is_client_by(layer),
    };
    match layer.values.get(*index).filter(|_| is_client)? {
        Known::Value(Scalar::Text(name), _) => Some((name, origin)),
        _ => None,
    }
}

/// Whether the protocol itself shows that this end is the client.
fn is_client_by(layer: &Layer) -> bool {
    let place = CLIENT_FIELDS.iter().find(|(protocol, _)| **protocol == *layer.protocol);
    let value = place.and_then(|(_, index)| layer.values.get(*index));
    matches!(value, Some(Known::Value(Scalar::Bool(true), _)))
}

/// The name of the remote end, and where it is from.
fn remote_name<'a>(c: &'a Connection, read: fn((&'a str, &'static str)) -> Value<'a>) -> Value<'a> {
    let resolved = || c.resolved_name.as_deref().map(|name| (name, "dns"));
    match named_server(c).or_else(resolved) {
        Some(name) => read(name),
        None if c.remote().is_none() => Value::NotApplicable,
        None => unless_kept(c, || Value::Unknown(Unknown::SourceDoesNotReport)),
    }
}

fn innermost<'a>(c: &'a Connection, read: fn(&'a Layer) -> Value<'a>) -> Value<'a> {
    Value::known(c.application.as_ref(), |application| {
        let innermost = application.innermost();
        // Of a kept layer that has no time of recognition only the name is kept.
        let is_bare = |layer: &Layer| layer.since == Moment::default();
        innermost.map_or(Value::NotApplicable, |layer| match is_bare(layer) {
            true => unless_kept(c, || read(layer)),
            false => read(layer),
        })
    })
}

/// The fields of every registered protocol.
pub(super) fn fields_of_protocols() -> impl Iterator<Item = Field> {
    registry().flat_map(|protocol| {
        protocol
            .fields
            .iter()
            .enumerate()
            .map(|(index, spec)| Field::new(*spec, Read::Layer { protocol: protocol.name, index }))
    })
}

impl Records for Arc<[Record]> {
    fn count(&self) -> usize {
        self.len()
    }

    fn value(&self, row: usize, column: usize) -> Value<'_> {
        match self.get(row).and_then(|record| record.values.get(column)) {
            Some(value) => Value::known(value.as_ref(), Value::of_scalar),
            None => Value::NotApplicable,
        }
    }

    fn brief(&self, row: usize) -> String {
        let first = self.get(row).and_then(|record| record.values.first());
        match first {
            Some(Known::Value(scalar, _)) => Value::of_scalar(scalar).plain_text(),
            _ => String::new(),
        }
    }
}
