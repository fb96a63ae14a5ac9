//! The schemas that come from the catalogue of fields, whose keys are known at run time only: those of
//! records, and of the lists in them.

use std::borrow::Cow;

use conns_api::{EventShape, RecordShape, VerdictShape};
use conns_core::model::{Class, ListColumn, ListSpec};
use conns_core::query::{Field, Kind, catalogue};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{Array, ObjectBuilder, Ref, RefOr, Type};
use utoipa::{PartialSchema, ToSchema};

use super::{Shape, merged};
use crate::native::shapes::{ConnectionRecord, EventRecord, VerdictRecord};

macro_rules! records {
    ($($record:ty, $name:literal, [$($fixed:ty),+];)*) => {$(
        impl PartialSchema for $record {
            fn schema() -> Shape {
                record([$(<$fixed>::schema()),+])
            }
        }

        impl ToSchema for $record {
            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schemas(found: &mut Vec<(String, Shape)>) {
                $(<$fixed>::schemas(found);)+
            }
        }
    )*};
}

records! {
    ConnectionRecord, "Connection", [RecordShape<'_>];
    VerdictRecord, "Verdict", [RecordShape<'_>, VerdictShape];
    EventRecord, "Event", [EventShape];
}

/// The derived keys, then those of every field of the catalogue that are not among them. Of the fields a
/// record has those asked for.
fn record(derived: impl IntoIterator<Item = Shape>) -> Shape {
    let mut whole = merged(derived);
    for field in catalogue() {
        if !whole.properties.contains_key(&field.key) {
            whole.properties.insert(field.key.clone(), of_field(field));
        }
    }
    RefOr::T(whole.into())
}

/// The shape of a field's value.
pub(super) fn of_field(field: &Field) -> Shape {
    let kind = of_type(base_type(field.kind), field.is_always_known);
    if let Kind::List(spec) = field.kind {
        let array = Array::builder().items(Ref::from_schema_name(spec.item)).schema_type(kind);
        return RefOr::T(array.description(Some(field.meaning)).into());
    }
    let mut object = ObjectBuilder::new().schema_type(kind).description(Some(field.meaning));
    if matches!(field.kind, Kind::Count | Kind::Bytes | Kind::Duration | Kind::BytesPerSecond) {
        object = object.minimum(Some(0));
    }
    if field.kind == Kind::Port {
        object = object.minimum(Some(0)).maximum(Some(i32::from(u16::MAX)));
    }
    if field.name == "verdict" {
        object = object.enum_values(Some(Class::ALL.iter().map(|class| class.name())));
    }
    if !field.kind.unit().is_empty() {
        object = object.extensions(Some(Extensions::from_iter([("x-unit", field.kind.unit())])));
    }
    RefOr::T(object.into())
}

/// The schemas of the records of every list in the catalogue.
pub(super) fn list_items() -> impl Iterator<Item = (String, Shape)> {
    catalogue().iter().filter_map(|field| match field.kind {
        Kind::List(spec) => Some((spec.item.to_owned(), list_item(spec))),
        _ => None,
    })
}

/// A column that does not always apply may be absent, or null.
fn list_item(spec: &'static ListSpec) -> Shape {
    let (always, else_absent): (Vec<&ListColumn>, Vec<&ListColumn>) =
        spec.columns.iter().partition(|column| column.always);
    let mut object = ObjectBuilder::new();
    for column in always.into_iter().chain(else_absent) {
        let kind = of_type(base_type(column.kind), column.always);
        let shape = ObjectBuilder::new().schema_type(kind).description(Some(column.meaning));
        object = object.property(column.key, shape);
        if column.always {
            object = object.required(column.key);
        }
    }
    let closed = AdditionalProperties::FreeForm(false);
    RefOr::T(object.additional_properties(Some(closed)).into())
}

fn of_type(base: Type, is_always_known: bool) -> SchemaType {
    match is_always_known {
        true => SchemaType::new(base),
        false => [base, Type::Null].into_iter().collect(),
    }
}

/// The JSON type of the values of a kind.
fn base_type(kind: Kind) -> Type {
    match kind {
        Kind::Text | Kind::Address | Kind::Endpoint => Type::String,
        Kind::Count | Kind::Port | Kind::Bytes | Kind::Duration | Kind::Time => Type::Integer,
        Kind::BytesPerSecond | Kind::Percent => Type::Number,
        Kind::Bool => Type::Boolean,
        Kind::List(_) => Type::Array,
    }
}
