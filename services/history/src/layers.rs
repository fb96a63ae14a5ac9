//! What a connection carried, as JSON and back: each layer with its known fields by their keys.
//!
//! Invariant: what is read has the values that were written, or they are unknown. The text comes from a file or from an agent elsewhere,
//! so a value that is not of the kind of its field is unknown too.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use conns_core::decode::{ProtocolSpec, registry};
use conns_core::model::{
    Application, Certainty, Endpoint, Kind, Known, Layer, LayerOrigin, ListSpec, Moment, Record,
    Scalar, Source, Unknown,
};
use conns_core::query::find_field;
use serde_json::{Map, Value, json};

/// Longest text of a row, bytes. Of a longer one lists are omitted, then all fields.
const MAX_BYTES: usize = 16 * 1024;

/// The keys of the fields of each protocol, in the order of the values of a layer.
static KEYS: LazyLock<HashMap<&'static str, (&'static ProtocolSpec, Vec<&'static str>)>> =
    LazyLock::new(|| {
        let key = |name| find_field(name).map_or(name, |field| &*field.key);
        let keys = |spec: &'static ProtocolSpec| spec.fields.iter().map(|field| key(field.name));
        registry().map(|spec| (spec.name, (spec, keys(spec).collect()))).collect()
    });

/// The layers as an array of objects, outermost first.
pub(crate) fn text(application: &Application) -> String {
    let text = |is_kept: &dyn Fn(Kind) -> bool| {
        let layers = application.layers.iter().map(|layer| {
            json!({
                "protocol": &*layer.protocol,
                "certainty": layer.certainty.name(),
                "origin": layer.origin.name(),
                "since_us": layer.since.wall_us,
                "gap_bytes": layer.gap_bytes,
                "fields": fields(layer, is_kept),
            })
        });
        Value::from_iter(layers).to_string()
    };
    let all = text(&|_| true);
    if all.len() <= MAX_BYTES {
        return all;
    }
    Some(text(&|kind| !kind.is_list()))
        .filter(|text| text.len() <= MAX_BYTES)
        .unwrap_or_else(|| text(&|_| false))
}

/// The known fields of a layer as an object.
pub(crate) fn fields_text(layer: &Layer) -> String {
    fields(layer, &|_| true).to_string()
}

fn fields(layer: &Layer, is_kept: &dyn Fn(Kind) -> bool) -> Value {
    let Some((spec, keys)) = KEYS.get(&*layer.protocol) else { return json!({}) };
    let all = keys.iter().zip(spec.fields).zip(&layer.values);
    let known = all.filter_map(|((key, field), value)| {
        let value = written(value.value()?, field.kind)?;
        is_kept(field.kind).then(|| ((*key).to_owned(), value))
    });
    Value::Object(known.collect())
}

/// A value, in the unit of its key; `None` if it is not of the kind.
fn written(value: &Scalar, kind: Kind) -> Option<Value> {
    Some(match (value, kind) {
        (Scalar::List(records), Kind::List(spec)) => {
            Value::from_iter(records.iter().map(|record| written_record(record, spec)))
        }
        (Scalar::List(_), _) => return None,
        (Scalar::Text(text), _) => json!(&**text),
        (Scalar::Count(number) | Scalar::Bytes(number) | Scalar::Micros(number), _) => {
            json!(number)
        }
        (Scalar::Port(port), _) => json!(port),
        (Scalar::BytesPerSecond(number) | Scalar::Percent(number), _) => json!(number),
        (Scalar::Address(address), _) => json!(address.to_string()),
        (Scalar::Endpoint(end), _) => json!(end.to_string()),
        (Scalar::Bool(yes), _) => json!(yes),
        (Scalar::Time(us), _) => json!(us),
    })
}

fn written_record(record: &Record, spec: &ListSpec) -> Value {
    let known = spec.columns.iter().zip(&record.values).filter_map(|(column, value)| {
        Some((column.key.to_owned(), written(value.value()?, column.kind)?))
    });
    Value::Object(known.collect())
}

/// The layers of a text; `None` if it is none of [`text`].
pub(crate) fn application(text: &str) -> Option<Application> {
    let Value::Array(layers) = serde_json::from_str(text).ok()? else { return None };
    let layers = layers.iter().map(|layer| {
        let word = |key: &str| layer.get(key).and_then(Value::as_str);
        let fields = layer.get("fields").and_then(Value::as_object);
        let since_us = layer.get("since_us").and_then(Value::as_i64).unwrap_or_default();
        Some(Layer {
            origin: match word("origin") {
                Some("reported") => LayerOrigin::Reported,
                _ => LayerOrigin::Seen,
            },
            since: Moment::of_wall(since_us),
            gap_bytes: layer.get("gap_bytes").and_then(Value::as_u64).unwrap_or(0),
            ..named(word("protocol")?, word("certainty"), fields)
        })
    });
    Some(Application { layers: layers.collect::<Option<_>>()? })
}

/// A layer of a row of the table `layers`.
pub(crate) fn layer(protocol: &str, certainty: Option<&str>, fields: &str) -> Layer {
    let fields: Option<Value> = serde_json::from_str(fields).ok();
    named(protocol, certainty, fields.as_ref().and_then(Value::as_object))
}

/// A layer of which only the name of its protocol is kept. The default of `since` stands for a time that is not kept.
pub(crate) fn bare(protocol: &str) -> Layer {
    named(protocol, None, None)
}

fn named(protocol: &str, certainty: Option<&str>, fields: Option<&Map<String, Value>>) -> Layer {
    let values = KEYS.get(protocol).zip(fields).map(|((spec, keys), fields)| {
        let value = |(key, kind): (&&str, Kind)| read(fields.get(*key), kind);
        keys.iter().zip(spec.fields.iter().map(|field| field.kind)).map(value).collect()
    });
    Layer {
        protocol: protocol.into(),
        certainty: match certainty {
            Some("certain") => Certainty::Certain,
            Some("port") => Certainty::Port,
            _ => Certainty::Likely,
        },
        origin: LayerOrigin::Seen,
        since: Moment::default(),
        gap_bytes: 0,
        values: values.unwrap_or_default(),
    }
}

fn read(value: Option<&Value>, kind: Kind) -> Known<Scalar> {
    let scalar = value.and_then(|value| scalar(value, kind));
    Known::from_option(scalar, Source::History, Unknown::NotKept)
}

fn scalar(value: &Value, kind: Kind) -> Option<Scalar> {
    Some(match kind {
        Kind::Text => Scalar::Text(value.as_str()?.into()),
        Kind::Count => Scalar::Count(value.as_u64()?),
        Kind::Port => Scalar::Port(value.as_u64()?.try_into().ok()?),
        Kind::Bytes => Scalar::Bytes(value.as_u64()?),
        Kind::BytesPerSecond => Scalar::BytesPerSecond(value.as_f64()?),
        Kind::Duration => Scalar::Micros(value.as_u64()?),
        Kind::Percent => Scalar::Percent(value.as_f64()?),
        Kind::Address => Scalar::Address(value.as_str()?.parse().ok()?),
        Kind::Endpoint => {
            let end: SocketAddr = value.as_str()?.parse().ok()?;
            Scalar::Endpoint(Endpoint { address: end.ip(), port: end.port() })
        }
        Kind::Bool => Scalar::Bool(value.as_bool()?),
        Kind::Time => Scalar::Time(value.as_i64()?),
        Kind::List(spec) => {
            let records = value.as_array()?.iter().map(|record| read_record(record, spec));
            Scalar::List(records.collect::<Arc<[Record]>>())
        }
    })
}

fn read_record(record: &Value, spec: &ListSpec) -> Record {
    let value = |column: &conns_core::model::ListColumn| read(record.get(column.key), column.kind);
    Record { values: spec.columns.iter().map(value).collect() }
}
