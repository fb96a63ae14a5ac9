//! The shape of application layers. Each layer and each value has its length before it, so that a
//! kind of value of a newer version is unknown here, and the values behind it are read all the same.

use std::sync::Arc;

use conns_core::model;
use conns_core::model::Unknown;
use serde::{Deserialize, Serialize};

use super::basic::{Address, Bytes, Endpoint, Known, Moment, UnknownCode, codes};

/// Most lists in lists. A deeper one is unknown.
const MAX_LIST_DEPTH: usize = 4;

codes!(Certainty: model::Certainty {
    0 = model::Certainty::Certain,
    1 = model::Certainty::Likely,
    2 = model::Certainty::Port,
});

codes!(LayerOrigin: model::LayerOrigin {
    0 = model::LayerOrigin::Seen,
    1 = model::LayerOrigin::Reported,
});

/// Layers, outermost first; each is a [`Layer`].
#[derive(Serialize, Deserialize)]
pub(super) struct Application<'a> {
    #[serde(borrow)]
    layers: Vec<Bytes<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Layer<'a> {
    protocol: &'a str,
    certainty: Certainty,
    origin: LayerOrigin,
    since: Moment,
    gap_bytes: u64,
    #[serde(borrow)]
    values: Vec<Known<Scalar<'a>>>,
}

/// A value; the bytes are of the kind that the number names.
#[derive(Clone, Serialize, Deserialize)]
struct Scalar<'a> {
    kind: u8,
    #[serde(borrow)]
    value: Bytes<'a>,
}

#[derive(Serialize, Deserialize)]
struct Record<'a> {
    #[serde(borrow)]
    values: Vec<Known<Scalar<'a>>>,
}

impl Application<'static> {
    pub(super) fn new(application: &model::Application) -> postcard::Result<Self> {
        let layer = |layer: &model::Layer| {
            Bytes::of(&Layer {
                protocol: &layer.protocol,
                certainty: layer.certainty.into(),
                origin: layer.origin.into(),
                since: layer.since.into(),
                gap_bytes: layer.gap_bytes,
                values: values(&layer.values)?,
            })
        };
        Ok(Self { layers: application.layers.iter().map(layer).collect::<Result<_, _>>()? })
    }
}

impl Application<'_> {
    /// The layers that this version can show. `share` makes one string of equal names.
    pub(super) fn to_model(&self, mut share: impl FnMut(&str) -> Arc<str>) -> model::Application {
        let layer = |bytes: &Bytes<'_>| {
            let layer: Layer<'_> = bytes.read()?;
            Some(model::Layer {
                protocol: share(layer.protocol),
                certainty: layer.certainty.try_into().ok()?,
                origin: layer.origin.try_into().ok()?,
                since: layer.since.into(),
                gap_bytes: layer.gap_bytes,
                values: to_values(layer.values, MAX_LIST_DEPTH),
            })
        };
        model::Application { layers: self.layers.iter().filter_map(layer).collect() }
    }
}

fn values(values: &[model::Known<model::Scalar>]) -> postcard::Result<Vec<Known<Scalar<'static>>>> {
    let value = |value: &model::Known<model::Scalar>| {
        Ok(match value {
            model::Known::Value(scalar, source) => Known::Value(of(scalar)?, (*source).into()),
            model::Known::Unknown(why) => Known::Unknown((*why).into()),
            model::Known::NotApplicable => Known::NotApplicable,
        })
    };
    values.iter().map(value).collect()
}

fn of(scalar: &model::Scalar) -> postcard::Result<Scalar<'static>> {
    let (kind, value) = match scalar {
        model::Scalar::Text(text) => (0, Bytes::of(&&**text)?),
        model::Scalar::Count(count) => (1, Bytes::of(count)?),
        model::Scalar::Port(port) => (2, Bytes::of(port)?),
        model::Scalar::Bytes(bytes) => (3, Bytes::of(bytes)?),
        model::Scalar::BytesPerSecond(rate) => (4, Bytes::of(rate)?),
        model::Scalar::Micros(us) => (5, Bytes::of(us)?),
        model::Scalar::Percent(percent) => (6, Bytes::of(percent)?),
        model::Scalar::Address(address) => (7, Bytes::of(&Address::from(*address))?),
        model::Scalar::Endpoint(endpoint) => (8, Bytes::of(&Endpoint::from(*endpoint))?),
        model::Scalar::Bool(is) => (9, Bytes::of(is)?),
        model::Scalar::Time(us) => (10, Bytes::of(us)?),
        model::Scalar::List(records) => {
            let record = |record: &model::Record| Ok(Record { values: values(&record.values)? });
            let records: Vec<Record<'_>> = records.iter().map(record).collect::<Result<_, _>>()?;
            (11, Bytes::of(&records)?)
        }
    };
    Ok(Scalar { kind, value })
}

fn to_values(values: Vec<Known<Scalar<'_>>>, depth: usize) -> Box<[model::Known<model::Scalar>]> {
    let value = |value: Known<Scalar<'_>>| {
        value
            .try_map(|scalar| scalar.to_model(depth).ok_or(UnknownCode))
            .unwrap_or(model::Known::Unknown(Unknown::SourceDoesNotReport))
    };
    values.into_iter().map(value).collect()
}

impl Scalar<'_> {
    /// The value; `None` if its kind is of a newer version, or a number is not finite.
    fn to_model(&self, depth: usize) -> Option<model::Scalar> {
        let value = &self.value;
        let finite = |number: f64| number.is_finite().then_some(number);
        Some(match self.kind {
            0 => model::Scalar::Text(Arc::from(value.read::<&str>()?)),
            1 => model::Scalar::Count(value.read()?),
            2 => model::Scalar::Port(value.read()?),
            3 => model::Scalar::Bytes(value.read()?),
            4 => model::Scalar::BytesPerSecond(finite(value.read()?)?),
            5 => model::Scalar::Micros(value.read()?),
            6 => model::Scalar::Percent(finite(value.read()?)?),
            7 => model::Scalar::Address(value.read::<Address>()?.into()),
            8 => model::Scalar::Endpoint(value.read::<Endpoint>()?.into()),
            9 => model::Scalar::Bool(value.read()?),
            10 => model::Scalar::Time(value.read()?),
            11 => {
                let depth = depth.checked_sub(1)?;
                let records: Vec<Record<'_>> = value.read()?;
                let record =
                    |record: Record<'_>| model::Record { values: to_values(record.values, depth) };
                model::Scalar::List(records.into_iter().map(record).collect())
            }
            _ => return None,
        })
    }
}
