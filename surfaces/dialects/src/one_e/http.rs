//! 1E's calls over HTTP: the text of a call comes in, the table goes out. Not 1E's own transport,
//! which is between its server and its agents.
//!
//! The one idea: what is answered is what `conns call` prints of the same second, byte by byte.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use serde::Serialize;

use super::{CallError, CallFault, Cell, MAX_BYTES, Method, Table, answer};
use crate::cache::ResponseCache;
use crate::shell::{HttpDialect, HttpOutcome, Pieces};

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
                called(&asked(query).unwrap_or_default(), request.headers(), cache)
            }
            _ => wrong_verb(),
        })
    }

    fn longest_body(&self) -> usize {
        MAX_BYTES
    }

    fn body_too_long(&self) -> HttpOutcome {
        let refusal = Refusal::new(CallFault::TooLong.what(), CallFault::TooLong.hint());
        HttpOutcome::Answer(refusal.response(StatusCode::PAYLOAD_TOO_LARGE))
    }
}

/// The answer to a call.
fn called(text: &str, headers: &HeaderMap, cache: &ResponseCache) -> Response<Pieces> {
    match Method::parse(text) {
        Ok(method) => table(method, Form::wanted(headers), cache),
        Err(error) => refused(text, &error),
    }
}

/// The first `call` of a query, decoded as a form's (URL standard, section 5.1).
fn asked(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("call="))?;
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(
            match (first, after.split_at_checked(2).map(|(pair, rest)| (hex(pair), rest))) {
                (b'%', Some((Some(byte), behind))) => {
                    rest = behind;
                    byte
                }
                (b'+', _) => b' ',
                (byte, _) => *byte,
            },
        );
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex(pair: &[u8]) -> Option<u8> {
    pair.iter().try_fold(0, |byte, digit| {
        let digit = u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        Some(byte * 16 + digit)
    })
}

/// What a table is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
}

impl Form {
    /// CSV if it is accepted and nothing that JSON is part of is liked better; else JSON.
    fn wanted(headers: &HeaderMap) -> Self {
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
        let csv_is_liked = match json {
            Some(json) => csv > json,
            None => csv > 0.0 && csv >= any,
        };
        if csv_is_liked { Self::Csv } else { Self::Json }
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

/// The table of `method`, written once a beat.
fn table(method: Method, form: Form, cache: &ResponseCache) -> Response<Pieces> {
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
    // It cannot fail: keys are strings, and memory takes all that is written to it.
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
                Cell::Text(text) => push_quoted(&mut bytes, &text),
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

/// What is wrong with a request.
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

    fn response(&self, status: StatusCode) -> Response<Pieces> {
        let mut response = Response::new(vec![json(self).into()]);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, Form::Json.media_type());
        response
    }
}

fn refused(text: &str, error: &CallError) -> Response<Pieces> {
    let fault = error.fault();
    let status = match fault {
        CallFault::UnknownModule { .. } | CallFault::UnknownMethod { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    let mut refusal = Refusal::new(fault.what(), fault.hint());
    // What is too long is wrong everywhere, and not repeated.
    if *fault != CallFault::TooLong {
        let length = text.get(error.span()).unwrap_or_default().chars().count();
        refusal.place = Some(Place { call: text, column: error.column(), length });
    }
    refusal.response(status)
}

fn wrong_verb() -> Response<Pieces> {
    let hint = "a call is the body of a POST, or `?call=` of a GET";
    let refusal = Refusal::new("this verb calls nothing", hint);
    let mut response = refusal.response(StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    response
}
