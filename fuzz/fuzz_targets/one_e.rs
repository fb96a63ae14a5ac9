//! Any bytes as a 1E call over HTTP, as a body and in a query: a known table, or a refusal with a
//! place that is within the call.

#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use conns_core::model::{Health, Update};
use conns_dialects::one_e::{Method, OneE};
use conns_dialects::{HttpDialect, HttpOutcome, ResponseCache};
use http::{Request, Response, StatusCode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let parsed = Method::parse(&text);
    if let Err(error) = &parsed {
        assert!(text.get(error.span()).is_some(), "a place that is not in the call");
        assert!(!error.to_string().is_empty());
    }

    let posted = ask(Request::post("/").body(Bytes::copy_from_slice(bytes)));
    let accepts_csv = Request::post("/").header("accept", "text/csv");
    let csv = ask(accepts_csv.body(Bytes::copy_from_slice(bytes)));
    assert_eq!(posted.is_some(), parsed.is_ok());
    assert_eq!(csv.is_some(), parsed.is_ok());
    if let (Some(posted), Some(csv)) = (posted, csv) {
        assert_eq!(posted, b"[]\n");
        assert!(csv.starts_with(b"Class,") && csv.ends_with(b"\n"));
    }

    // The same bytes, every one of them escaped, are the same call; as they are, some query.
    let escaped: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
    let asked = ask(Request::get(format!("/?call={escaped}")).body(Bytes::new()));
    assert_eq!(asked.is_some(), parsed.is_ok());
    let request = Request::get(format!("/?{text}")).header("accept", bytes).body(Bytes::new());
    if request.is_ok() {
        ask(request);
    }
});

/// The table, or nothing where it is refused.
fn ask(request: http::Result<Request<Bytes>>) -> Option<Vec<u8>> {
    let request = request.ok()?;
    let HttpOutcome::Answer(response) = OneE.answer(&request, &CACHE) else {
        panic!("it never hangs up")
    };
    match response.status() {
        StatusCode::OK => Some(response.body().concat()),
        StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND => {
            refusal(&response);
            None
        }
        status => panic!("{status}"),
    }
}

fn refusal(response: &Response<Vec<Bytes>>) {
    let body = response.body().concat();
    assert!(body.starts_with(b"{\n  \"error\": \"") && body.ends_with(b"\"\n}\n") || place(&body));
    // A call of 256 bytes repeated three times, each byte six times as long.
    assert!(body.len() < 256 * 18 + 512, "{} bytes", body.len());
}

fn place(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|body| body.contains("\"column\": "))
}

static CACHE: LazyLock<ResponseCache> = LazyLock::new(|| {
    ResponseCache::new(Arc::new(Update {
        instance: 1,
        snapshot: Arc::default(),
        closed: Arc::default(),
        closed_complete_since: 0,
        health: Health::default(),
        ..Update::default()
    }))
});
