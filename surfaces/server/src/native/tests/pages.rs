//! The pages for people, and the list of fields.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use conns_core::query::catalogue;
use sha2::{Digest as _, Sha256};

use super::scene::{Machine, Whole};

/// The page has one script and one style, and its policy names them by their digests and nothing else.
fn assert_named_by_digest(answer: &Whole) {
    let (page, policy) = (answer.text(), answer.header("content-security-policy"));
    for tag in ["script", "style"] {
        assert_eq!(page.matches(&format!("<{tag}")).count(), 1, "{tag}");
        let inside = page.split_once(&format!("<{tag}>")).unwrap().1;
        let inside = inside.split_once(&format!("</{tag}>")).unwrap().0;
        let digest = STANDARD.encode(Sha256::digest(inside));
        assert!(policy.contains(&format!("{tag}-src 'sha256-{digest}'")), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn the_docs_page_needs_nothing_from_elsewhere() {
    let answer = Machine::new().client().get("/docs").await;
    let page = answer.text();
    for needle in [
        "src=",
        "@import",
        "url(",
        "http://",
        "https://",
        "<link",
        "innerHTML",
        " style=",
        "onclick",
    ] {
        assert!(!page.contains(needle), "{needle} in the page");
    }
    assert_named_by_digest(&answer);
}

#[tokio::test]
async fn the_live_page_is_one_file_with_one_script_and_one_style() {
    let answer = Machine::new().client().get("/").await;
    let page = answer.text();
    for needle in ["<link", " src=", "@import", "url(", "eval(", "new Function"] {
        assert!(!page.contains(needle), "{needle} in the page");
    }
    assert_named_by_digest(&answer);
}

#[tokio::test]
async fn the_live_page_is_at_most_80_kb_compressed() {
    let page = include_bytes!("../../../../../web/dist/index.html");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, page).unwrap();
    let length = packed.finish().unwrap().len();
    assert!(length <= 80_000, "the page has {length} bytes compressed");
}

#[tokio::test]
async fn the_index_links_to_everything_that_can_be_opened() {
    let answer = Machine::new().client().get("/api").await;
    for path in ["/docs", "/openapi.json", "/metrics", "/health", "/api/v1/connections"] {
        assert!(answer.text().contains(&format!("href=\"{path}\"")), "{path}");
    }
    assert!(!answer.text().contains("href=\"/api/v1/connections/{id}"));
}

#[tokio::test]
async fn the_fields_are_those_of_the_catalogue() {
    let fields = Machine::new().client().json("/api/v1/fields").await;
    let fields = fields["fields"].as_array().unwrap();
    assert_eq!(fields.len(), catalogue().len());
    let rtt = fields.iter().find(|field| field["name"] == "rtt").unwrap();
    assert_eq!(rtt["key"], "rtt_us");
    assert_eq!(rtt["unit"], "us");
    assert_eq!(rtt["aliases"][0], "latency");
}
