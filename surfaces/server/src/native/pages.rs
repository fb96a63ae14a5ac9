//! Pages for people, and the list of fields.
//!
//! Invariant: a page is one file, and its content security policy names its one script and style by
//! their digests, so no injected script runs.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use conns_api::FieldsShape;
use http::{HeaderValue, header};
use sha2::{Digest as _, Sha256};

use super::context::{Asked, Native};
use crate::problem::Problem;
use crate::response::{HTML, JSON, json, whole};

/// A page of one file.
struct Page {
    text: &'static str,
    policy: Option<HeaderValue>,
}

impl Page {
    fn new(text: &'static str) -> Self {
        let digest = |tag: &str| {
            let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
            let inside = text.split_once(&open).and_then(|(_, rest)| rest.split_once(&close));
            STANDARD.encode(Sha256::digest(inside.map_or("", |(inside, _)| inside)))
        };
        let policy = format!(
            "default-src 'none'; connect-src 'self'; script-src 'sha256-{}'; \
             style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            digest("script"),
            digest("style")
        );
        Self { text, policy: HeaderValue::from_str(&policy).ok() }
    }

    fn response(&self) -> Response {
        let mut response = whole(HTML, Bytes::from_static(self.text.as_bytes()));
        if let Some(policy) = &self.policy {
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
        }
        response
    }
}

/// `GET /`: the live page, which `make web` builds.
pub(super) fn live(_: &Native, _: &Asked) -> Result<Response, Problem> {
    static PAGE: LazyLock<Page> =
        LazyLock::new(|| Page::new(include_str!("../../../../web/dist/index.html")));
    Ok(PAGE.response())
}

/// `GET /docs`.
pub(super) fn docs(_: &Native, _: &Asked) -> Result<Response, Problem> {
    static PAGE: LazyLock<Page> = LazyLock::new(|| Page::new(include_str!("docs.html")));
    Ok(PAGE.response())
}

/// `GET /api`.
pub(super) fn index(native: &Native, _: &Asked) -> Result<Response, Problem> {
    let mut page = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>conns</title>\n\
                    <h1>conns</h1>\n<p>What this machine is connected to, and why it is slow.</p>\n<ul>\n"
        .to_owned();
    for route in native.routes.iter().filter(|route| route.path != "/api") {
        let (path, summary) = (route.path, route.summary);
        // Writing to memory does not fail.
        let _ = if path.contains('{') {
            writeln!(page, "<li><code>{path}</code> {summary}</li>")
        } else {
            writeln!(page, "<li><a href=\"{path}\"><code>{path}</code></a> {summary}</li>")
        };
    }
    page.push_str("</ul></html>\n");
    Ok(whole(HTML, page.into()))
}

/// `GET /api/v1/fields`.
pub(super) fn fields(_: &Native, _: &Asked) -> Result<Response, Problem> {
    static FIELDS: LazyLock<Bytes> = LazyLock::new(|| json(&FieldsShape::of_catalogue()).into());
    Ok(whole(JSON, FIELDS.clone()))
}
