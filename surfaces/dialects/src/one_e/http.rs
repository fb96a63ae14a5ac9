//! 1E's calls over HTTP: the request has the text of a call, the response the table. 1E's own
//! transport, between its server and its agents, is not supported. `conns call` prints the bytes of
//! these responses.

use bytes::Bytes;
use conns_api::csv_cell;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde::Serialize;

use super::answer::answer;
use super::call::MAX_BYTES;
use super::error::{CallError, CallFault};
use super::method::Method;
use super::table::{Cell, Table};
use crate::cache::ResponseCache;
use crate::shell::{BodyChunks, HttpDialect, HttpOutcome};

/// The dialect: a call as the body of a POST, or as `?call=` of a GET.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneE;

impl HttpDialect for OneE {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        if !matches!(request.uri().path(), "" | "/") {
            let hint = "a call is POSTed to its root, or is `?call=` of a GET";
            let refusal = Refusal::new("nothing is at this path", hint);
            return HttpOutcome::Answer(refusal.response(StatusCode::NOT_FOUND));
        }
        HttpOutcome::Answer(match *request.method() {
            http::Method::POST => {
                called(&String::from_utf8_lossy(request.body()), request.headers(), cache)
            }
            http::Method::GET => {
                let query = request.uri().query().unwrap_or_default();
                called(&queried(query).unwrap_or_default(), request.headers(), cache)
            }
            _ => method_not_allowed(),
        })
    }

    fn longest_body(&self) -> usize {
        MAX_BYTES
    }

    fn body_too_long(&self) -> HttpOutcome {
        let fault = CallFault::TooLong { limit: MAX_BYTES };
        let refusal = Refusal::new(fault.what(), fault.hint());
        HttpOutcome::Answer(refusal.response(StatusCode::PAYLOAD_TOO_LARGE))
    }
}

/// The answer to a call.
fn called(text: &str, headers: &HeaderMap, cache: &ResponseCache) -> Response<BodyChunks> {
    match Method::parse(text) {
        Ok(method) => table(method, Form::accepted(headers), cache),
        Err(error) => refused(text, &error),
    }
}

/// The first `call` of a query, decoded as a form's (URL standard, section 5.1).
fn queried(query: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "call").then(|| value.into_owned()))
}

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
}

impl Form {
    /// CSV if it is accepted with a higher weight than JSON; else JSON.
    fn accepted(headers: &HeaderMap) -> Self {
        let (mut csv, mut json, mut any) = (0.0_f32, None::<f32>, 0.0_f32);
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            // RFC 9110 section 12.4.2: a weight from 0 to 1, and 1 if there is none.
            let weight =
                parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |weight| {
                    weight.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))
                });
            let weight = weight.unwrap_or(0.0);
            match &*name {
                "text/csv" => csv = csv.max(weight),
                "application/json" | "application/*" => {
                    json = Some(json.unwrap_or(0.0).max(weight))
                }
                "*/*" => any = any.max(weight),
                _ => {}
            }
        }
        let is_csv = match json {
            Some(json) => csv > json,
            None => csv > 0.0 && csv >= any,
        };
        if is_csv { Self::Csv } else { Self::Json }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }

    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        })
    }
}

/// The table of `method`, written once per update.
fn table(method: Method, form: Form, cache: &ResponseCache) -> Response<BodyChunks> {
    let written = cache.list(&format!("1e/{method}.{}", form.name()), |snapshot| {
        let table = answer(method, snapshot);
        match form {
            Form::Json => json(&table),
            Form::Csv => csv(&table),
        }
    });
    let mut response = Response::new(vec![written]);
    response.headers_mut().insert(CONTENT_TYPE, form.media_type());
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

fn json(table: &impl Serialize) -> Vec<u8> {
    // Does not fail: keys are strings, and a `Vec` accepts every write.
    let mut bytes = serde_json::to_vec_pretty(table).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// RFC 4180, but with plain line ends, as everywhere in `conns`.
fn csv(table: &Table) -> Vec<u8> {
    let mut bytes = Vec::new();
    let names = table.columns.iter().map(|column| column.name);
    bytes.extend_from_slice(names.collect::<Vec<_>>().join(",").as_bytes());
    bytes.push(b'\n');
    for record in table.records() {
        for (place, cell) in record.cells().enumerate() {
            if place > 0 {
                bytes.push(b',');
            }
            match cell {
                Cell::Text(text) => push_quoted(&mut bytes, &csv_cell(text.into())),
                Cell::Int(number) => {
                    bytes.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                }
                Cell::Null => {}
            }
        }
        bytes.push(b'\n');
    }
    bytes
}

fn push_quoted(bytes: &mut Vec<u8>, text: &str) {
    if text.contains([',', '"', '\r', '\n']) {
        bytes.push(b'"');
        bytes.extend_from_slice(text.replace('"', "\"\"").as_bytes());
        bytes.push(b'"');
    } else {
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// The body of an error response.
#[derive(Serialize)]
struct Refusal<'a> {
    error: String,
    hint: String,
    #[serde(flatten)]
    place: Option<Place<'a>>,
}

/// Where in a call, in characters, the first being 1.
#[derive(Serialize)]
struct Place<'a> {
    call: &'a str,
    column: usize,
    length: usize,
}

impl Refusal<'_> {
    fn new(error: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { error: error.into(), hint: hint.into(), place: None }
    }

    fn response(&self, status: StatusCode) -> Response<BodyChunks> {
        let mut response = Response::new(vec![json(self).into()]);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, Form::Json.media_type());
        response
    }
}

fn refused(text: &str, error: &CallError) -> Response<BodyChunks> {
    let fault = error.fault();
    let status = match fault {
        CallFault::UnknownModule { .. } | CallFault::UnknownMethod { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut refusal = Refusal::new(fault.what(), fault.hint());
    // A call that is too long is wrong as a whole and not repeated.
    if !matches!(fault, CallFault::TooLong { .. }) {
        let length = text.get(error.span()).unwrap_or_default().chars().count();
        refusal.place = Some(Place { call: text, column: error.column(), length });
    }
    refusal.response(status)
}

fn method_not_allowed() -> Response<BodyChunks> {
    let hint = "a call is the body of a POST, or `?call=` of a GET";
    let refusal = Refusal::new("method not allowed", hint);
    let mut response = refusal.response(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}
