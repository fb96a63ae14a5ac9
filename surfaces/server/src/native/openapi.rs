//! The OpenAPI 3.1 document, made from the table of routes, the types of the answers and the catalogue of
//! fields.

mod schemas;

use std::sync::OnceLock;

use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    Array, Components, Content, Info, ObjectBuilder, OpenApi, OpenApiBuilder, PathItem, Paths, Ref,
    RefOr, Required, ResponseBuilder, Schema, Type,
};

use super::context::{Asked, Handler, Native, Outcome, Route};
use super::parameters::{self, Kind};
use crate::problem::Problem;
use crate::response::{EVENTS, JSON, METRICS_TEXT, TEXT, whole};

/// What the page of the document suggests as a body.
const QUERY_EXAMPLE: &str =
    "select process, count(*) as n from connections group by process order by n desc";

/// `GET /openapi.json`.
pub(super) fn answer(native: &Native, _: &Asked) -> Result<Response, Problem> {
    // There is one table of routes.
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    Ok(whole(JSON, TEXT.get_or_init(|| text(native.routes).into()).clone()))
}

/// The document as it is checked in, `docs/openapi.json`.
pub(super) fn text(routes: &[Route]) -> String {
    let mut text = serde_json::to_string_pretty(&document(routes)).unwrap_or_default();
    text.push('\n');
    text
}

fn document(routes: &[Route]) -> OpenApi {
    let mut info = Info::new("conns", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "What a machine is connected to, and why it is slow. All paths are GET, but for /api/v1/sql. An agent \
         on an address that is not loopback requires `Authorization: Bearer TOKEN`."
            .to_owned(),
    );
    let mut paths = Paths::new();
    for route in routes {
        paths.paths.insert(route.path.to_owned(), PathItem::new(method(route), operation(route)));
    }
    let mut components = Components::new();
    components.schemas = schemas::all();
    OpenApiBuilder::new().info(info).paths(paths).components(Some(components)).build()
}

fn method(route: &Route) -> HttpMethod {
    match route.handler {
        Handler::Query(_) => HttpMethod::Post,
        _ => HttpMethod::Get,
    }
}

fn operation(route: &Route) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(route.name))
        .summary(Some(route.summary))
        .description(Some(route.about));
    if route.path.contains("{id}") {
        operation = operation.parameter(id());
    }
    if let Handler::Query(_) = route.handler {
        let text = Schema::from(ObjectBuilder::new().schema_type(Type::String));
        let content = Content::new(Some(RefOr::T(text)));
        let body = RequestBodyBuilder::new()
            .description(Some(QUERY_EXAMPLE))
            .content(TEXT, content)
            .required(Some(Required::True));
        operation = operation.request_body(Some(body.build()));
    }
    for parameter in route.parameters {
        operation = operation.parameter(declared(parameter));
    }
    for outcome in route.outcomes {
        operation = operation.response(outcome.status.to_string(), response(route, outcome));
    }
    let refused = Outcome {
        status: 0,
        about: "Refused: 405 for another method, 406 for another type, 503 if a limit is reached. Refusals \
                before the path is read (such as 401 without a token) are plain text.",
        schema: Some("Problem"),
    };
    operation.response("default", response(route, &refused)).build()
}

fn response(route: &Route, outcome: &Outcome) -> RefOr<utoipa::openapi::Response> {
    let (media, schema) = match outcome.schema {
        Some(name) => (JSON, RefOr::Ref(Ref::from_schema_name(name))),
        None => {
            (route.media, RefOr::T(Schema::from(ObjectBuilder::new().schema_type(Type::String))))
        }
    };
    let media = media.split(';').next().unwrap_or(media);
    let content = Content::new(Some(schema));
    let mut response = ResponseBuilder::new().description(outcome.about).content(media, content);
    let other = match route.handler {
        Handler::Either(..) => Some(EVENTS),
        Handler::Metrics(_) => METRICS_TEXT.split(';').next(),
        _ => None,
    };
    if let Some(media) = other.filter(|_| outcome.status == 200) {
        let text = Schema::from(ObjectBuilder::new().schema_type(Type::String));
        response = response.content(media, Content::new(Some(RefOr::T(text))));
    }
    RefOr::T(response.build())
}

fn id() -> Parameter {
    let schema = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^[0-9]+-[0-9]+$"));
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(
            "Inode of the network namespace and cookie, as in the key `id` of a list.",
        ))
        .schema(Some(Schema::from(schema)))
        .example(Some("4026531840-17".into()))
        .build()
}

fn declared(parameter: &parameters::Parameter) -> Parameter {
    let object = match parameter.kind {
        Kind::Text => ObjectBuilder::new().schema_type(Type::String),
        Kind::Whole { usual, most } => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .minimum(Some(1))
            .maximum(Some(i32::try_from(most).unwrap_or(i32::MAX)))
            .default(Some(usual.into())),
        Kind::Word(words) => {
            ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words.iter().copied()))
        }
    };
    let schema = match parameter.repeats {
        true => Schema::from(Array::new(object)),
        false => Schema::from(object),
    };
    let example = match parameter.kind {
        Kind::Whole { .. } => parameter.example.parse::<u64>().ok().map(Value::from),
        _ => Some(parameter.example).filter(|example| !example.is_empty()).map(Value::from),
    };
    ParameterBuilder::new()
        .name(parameter.name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(parameter.about))
        .schema(Some(schema))
        .example(example)
        .build()
}
