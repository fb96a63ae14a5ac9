//! The login, as clients do it (RFC 7616 section 3.4), and as those who may not try.

use bytes::Bytes;
use conns_core::model::Moment;
use conns_dialects::ResponseCache;
use conns_dialects::monero::{Login, Node, Options};
use http::Request;
use md5::{Digest, Md5};

use crate::sample::{CALL, NOW, ask, cache, cache_at, options};

fn md5(text: &str) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn node() -> Node {
    Node::new(Options { login: Some(Login::new("user", "pass")), ..options() })
}

/// What a client puts into its header.
#[derive(Clone)]
struct Attempt {
    user: &'static str,
    password: &'static str,
    algorithm: &'static str,
    qop: &'static str,
    nonce: String,
    nc: u32,
    uri: &'static str,
    verb: &'static str,
}

impl Attempt {
    fn new(nonce: &str) -> Self {
        Self {
            user: "user",
            password: "pass",
            algorithm: "MD5",
            qop: "auth",
            nonce: nonce.to_owned(),
            nc: 1,
            uri: "/json_rpc",
            verb: "POST",
        }
    }

    fn header(&self) -> String {
        let Self { user, password, algorithm, qop, nonce, nc, uri, verb } = self;
        let mut key = md5(&format!("{user}:monero-rpc:{password}"));
        if algorithm.to_ascii_lowercase().ends_with("sess") {
            key = md5(&format!("{key}:{nonce}:f00"));
        }
        let request = md5(&format!("{verb}:{uri}"));
        let (response, counted) = if qop.is_empty() {
            (md5(&format!("{key}:{nonce}:{request}")), String::new())
        } else {
            let nc = format!("{nc:08x}");
            let counted = format!(", qop={qop}, nc={nc}");
            (md5(&format!("{key}:{nonce}:{nc}:f00:{qop}:{request}")), counted)
        };
        let algorithm =
            if algorithm.is_empty() { String::new() } else { format!(", algorithm={algorithm}") };
        format!(
            "Digest username=\"{user}\", realm=\"monero-rpc\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\"{algorithm}{counted}, cnonce=\"f00\""
        )
    }

    /// `None` if authorized, else the value of `stale`.
    fn refused(&self, node: &Node, cache: &ResponseCache) -> Option<bool> {
        refused(node, &self.header(), cache)
    }
}

fn request(authorization: &str) -> Request<Bytes> {
    let request = Request::post("/json_rpc").header("authorization", authorization);
    request.body(CALL.into()).expect("a request")
}

fn refused(node: &Node, authorization: &str, cache: &ResponseCache) -> Option<bool> {
    let response = ask(node, &request(authorization), cache).expect("an answer");
    if response.status() == 200 {
        return None;
    }
    assert_eq!(response.status(), 401);
    let challenges: Vec<&str> = response
        .headers()
        .get_all("www-authenticate")
        .iter()
        .map(|v| v.to_str().expect("ASCII"))
        .collect();
    assert_eq!(challenges.len(), 2);
    let is_stale = challenges[0].ends_with("stale=true");
    assert!(is_stale || challenges[0].ends_with("stale=false"));
    Some(is_stale)
}

fn nonce(node: &Node, cache: &ResponseCache) -> String {
    let response = ask(node, &request("x"), cache).expect("an answer");
    let challenge = response.headers()["www-authenticate"].to_str().expect("ASCII");
    challenge.split('"').nth(5).expect("a nonce").to_owned()
}

#[test]
fn the_right_password_is_accepted_with_every_algorithm() {
    let (node, cache) = (node(), cache(&[]));
    for algorithm in ["MD5", "MD5-sess", "md5-SESS", ""] {
        for qop in ["auth", ""] {
            let attempt = Attempt { algorithm, qop, ..Attempt::new(&nonce(&node, &cache)) };
            assert_eq!(attempt.refused(&node, &cache), None, "{algorithm} {qop}");
        }
    }
}

/// On the agent's own port the path has a prefix, which is taken off before the dialect sees it.
#[test]
fn the_path_may_have_a_prefix_but_must_be_that_of_the_request() {
    let (node, cache) = (node(), cache(&[]));
    let prefixed = Attempt { uri: "/monero/json_rpc", ..Attempt::new(&nonce(&node, &cache)) };
    assert_eq!(prefixed.refused(&node, &cache), None);
    let elsewhere = Attempt { uri: "/json_rpc2", ..Attempt::new(&nonce(&node, &cache)) };
    assert_eq!(elsewhere.refused(&node, &cache), Some(false));
}

#[test]
fn a_wrong_password_is_refused() {
    let (node, cache) = (node(), cache(&[]));
    let right = Attempt::new(&nonce(&node, &cache));
    let wrong = [
        Attempt { user: "User", ..right.clone() },
        Attempt { user: "", ..right.clone() },
        Attempt { password: "", ..right.clone() },
        Attempt { password: "pas", ..right.clone() },
        Attempt { verb: "GET", ..right.clone() },
        Attempt { algorithm: "SHA-256", ..right.clone() },
        Attempt { qop: "auth-int", ..right.clone() },
    ];
    for attempt in wrong {
        assert_eq!(attempt.refused(&node, &cache), Some(false), "{}", attempt.header());
    }
    // The attempts have not used the nonce up.
    assert_eq!(right.refused(&node, &cache), None);
    let cut = right.header().replace("response=\"", "response=\"0");
    assert_eq!(refused(&node, &cut, &cache), Some(false));
}

#[test]
fn a_login_cannot_be_sent_again() {
    let (node, cache) = (node(), cache(&[]));
    let mut attempt = Attempt::new(&nonce(&node, &cache));
    assert_eq!(attempt.refused(&node, &cache), None);
    assert_eq!(attempt.refused(&node, &cache), Some(true));
    attempt.nc = 2;
    assert_eq!(attempt.refused(&node, &cache), None);
    attempt.nc = 1;
    assert_eq!(attempt.refused(&node, &cache), Some(true));
    let once = Attempt { qop: "", ..Attempt::new(&nonce(&node, &cache)) };
    assert_eq!(once.refused(&node, &cache), None);
    assert_eq!(once.refused(&node, &cache), Some(true));
}

#[test]
fn a_nonce_grows_stale_and_one_not_made_here_is_none() {
    let (node, cache) = (node(), cache(&[]));
    let attempt = Attempt::new(&nonce(&node, &cache));
    let after = |s: u64| {
        let monotonic_us = NOW.monotonic_us + s * 1_000_000;
        cache_at(&[], Moment { monotonic_us, ..NOW })
    };
    assert_eq!(attempt.refused(&node, &after(301)), Some(true));
    assert_eq!(attempt.refused(&node, &after(300)), None);
    assert_eq!(Attempt::new("invented").refused(&node, &cache), Some(true));
    assert_eq!(Attempt::new(&"A".repeat(44)).refused(&node, &cache), Some(true));
    let made = nonce(&node, &cache);
    let last = if made.starts_with('A') { "B" } else { "A" };
    assert_eq!(Attempt::new(&format!("{last}{}", &made[1..])).refused(&node, &cache), Some(true));
    let other = Node::new(Options {
        login: Some(Login::new("user", "pass")),
        secret: [3; 16],
        ..options()
    });
    assert_eq!(Attempt::new(&made).refused(&other, &cache), Some(true));
    assert_ne!(nonce(&node, &cache), nonce(&node, &cache));
}

#[test]
fn neither_password_nor_secret_is_printed() {
    let text = format!("{:?}", node());
    let ha1 = md5("user:monero-rpc:pass");
    assert!(text.contains("user") && !text.contains("pass\"") && !text.contains(&ha1), "{text}");
    assert!(!text.contains("[115, 105, 120"), "{text}");
}
