//! The JSON schemas of responses. They are derived from the types that handlers serialize, except the keys of
//! records, which come from the catalogue of fields. Tests validate every response against them, and
//! a response with an undeclared key fails.

mod records;

use std::collections::BTreeMap;

use conns_api::{FieldsShape, TimelineShape};
use conns_core::query::catalogue;
use utoipa::ToSchema;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{AllOf, Object, ObjectBuilder, RefOr, Schema, Type};

use self::records::{list_items, of_field};
use crate::native::completion::CompletionShape;
use crate::native::events::{EventsShape, ExpiredEvents};
use crate::native::health::HealthShape;
use crate::native::media::{Streams, Transfers};
use crate::native::past::NotKept;
use crate::native::processes::Processes;
use crate::native::shapes::{
    ClosedConnection, ClosedVerdict, ConnectionsOrGroups, OneConnection, OneVerdict, Verdicts,
};
use crate::native::sql::SqlRows;
use crate::native::totals::Totals;
use crate::problem::ProblemShape;

type Shape = RefOr<Schema>;

/// All of them by name: those of whole responses, and those they refer to.
pub(super) fn all() -> BTreeMap<String, Shape> {
    let mut found = Vec::new();
    add::<ProblemShape>(&mut found);
    add::<ConnectionsOrGroups<'_>>(&mut found);
    add::<OneConnection>(&mut found);
    add::<ClosedConnection>(&mut found);
    add::<Verdicts>(&mut found);
    add::<OneVerdict>(&mut found);
    add::<ClosedVerdict>(&mut found);
    add::<Processes<'_>>(&mut found);
    add::<CompletionShape>(&mut found);
    add::<SqlRows>(&mut found);
    add::<Totals>(&mut found);
    add::<TimelineShape>(&mut found);
    add::<NotKept>(&mut found);
    add::<Streams>(&mut found);
    add::<Transfers<'_>>(&mut found);
    add::<FieldsShape>(&mut found);
    add::<EventsShape>(&mut found);
    add::<ExpiredEvents>(&mut found);
    add::<HealthShape<'_>>(&mut found);
    let derived = found.into_iter().map(|(name, shape)| (name, completed(shape)));
    let open = ObjectBuilder::new().schema_type(Type::Object);
    let open = open.description(Some("An OpenAPI 3.1 document.")).into();
    derived.chain(list_items()).chain([("OpenApi".to_owned(), open)]).collect()
}

fn add<T: ToSchema>(found: &mut Vec<(String, Shape)>) {
    found.push((T::name().into_owned(), T::schema()));
    T::schemas(found);
}

/// A derived schema: flattened parts are merged, undeclared keys are forbidden, and a key without a
/// description is a field of the catalogue and takes its schema from there.
fn completed(shape: Shape) -> Shape {
    let mut object = match shape {
        RefOr::T(Schema::AllOf(parts)) => merged_parts(parts),
        RefOr::T(Schema::Object(object)) if !object.properties.is_empty() => object,
        other => return other,
    };
    for (key, property) in &mut object.properties {
        remove_formats(property);
        if let RefOr::T(Schema::Object(derived)) = property
            && derived.description.is_none()
            && let Some(field) = catalogue().iter().find(|f| f.key == *key)
        {
            *property = of_field(field);
        }
    }
    if object.additional_properties.is_none() {
        let closed = AdditionalProperties::FreeForm(false);
        object.additional_properties = Some(Box::new(closed));
    }
    RefOr::T(object.into())
}

/// Removes the sizes of numbers: `int64` is not that of a `u64`, and OpenAPI has no name for it.
fn remove_formats(shape: &mut Shape) {
    if let RefOr::T(Schema::Object(object)) = shape {
        object.format = None;
        if let Some(AdditionalProperties::RefOr(values)) =
            object.additional_properties.as_deref_mut()
        {
            remove_formats(values);
        }
    }
}

/// The object that a struct with flattened fields is: its own keys, then theirs.
fn merged_parts(parts: AllOf) -> Object {
    let description = parts.description;
    let mut whole = merged(parts.items.into_iter().rev());
    whole.description = description;
    whole
}

/// One object with the keys of all; its description is that of the last.
fn merged(parts: impl IntoIterator<Item = Shape>) -> Object {
    let mut whole = Object::new();
    for part in parts {
        if let RefOr::T(Schema::Object(part)) = part {
            whole.properties.extend(part.properties);
            whole.required.extend(part.required);
            whole.description = part.description;
        }
    }
    whole
}
