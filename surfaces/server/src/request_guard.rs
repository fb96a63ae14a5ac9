//! The request guard: whether a request may be answered, by its head alone.
//!
//! It refuses programs without a token, and pages in browsers. A page runs with all rights of its
//! user, also on this machine; a browser states the page's origin and the name it resolved, and both
//! must be the agent's own.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, ORIGIN, REFERER};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, Method, StatusCode, Version, request};

use crate::access::Access;
use crate::refusals::Refused;
use crate::token::TokenHash;

/// Fetch Metadata Request Headers (W3C): the site a browser requests from, and its mode.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// How a client reached the agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ingress {
    /// The local address of a TCP connection; `None` for a unix socket, which its file mode guards.
    pub(crate) local: Option<IpAddr>,
    /// Whether a token is required, if any is configured.
    pub(crate) guarded: bool,
    /// Whether `/` is the page about the machine. It is the same file everywhere and asks for the token itself, so it needs none.
    pub(crate) has_page: bool,
}

/// The refusal of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: StatusCode,
    pub(crate) why: Refused,
    pub(crate) text: &'static str,
}

const NO_HOST: Rejection = Rejection {
    status: StatusCode::BAD_REQUEST,
    why: Refused::Malformed,
    text: "The request has no Host header, more than one, or a malformed one.\n",
};
const OTHER_HOST: Rejection = Rejection {
    status: StatusCode::MISDIRECTED_REQUEST,
    why: Refused::Host,
    text: "The Host header does not name this agent. Use localhost or its address, or add the name to \
           `hosts` in its configuration.\n",
};
const OTHER_SITE: Rejection = Rejection {
    status: StatusCode::FORBIDDEN,
    why: Refused::CrossSite,
    text: "Requests from pages of other sites are refused.\n",
};
const NO_TOKEN: Rejection = Rejection {
    status: StatusCode::UNAUTHORIZED,
    why: Refused::Token,
    text: "This agent requires a token: Authorization: Bearer TOKEN. `conns token` makes one.\n",
};

/// Whether this request may be answered.
pub(crate) fn check(
    head: &request::Parts,
    ingress: Ingress,
    access: &Access,
) -> Result<(), Rejection> {
    let host = host(head, ingress)?;
    if let (Some(local), Some(host)) = (ingress.local, &host) {
        let dialled = head.uri.authority().is_none_or(|dialled| is_ours(dialled, local, access));
        if !dialled || !is_ours(host, local, access) {
            return Err(OTHER_HOST);
        }
    }
    if is_cross_site(head, host.as_ref()) {
        return Err(OTHER_SITE);
    }
    let is_open = ingress.has_page && is_static_page(head);
    let wants_token = ingress.guarded && ingress.local.is_some() && !access.tokens.is_empty();
    if wants_token && !is_open && !has_token(&head.headers, &access.tokens) {
        return Err(NO_TOKEN);
    }
    Ok(())
}

/// The host of a request (RFC 9112 section 3.2). HTTP/1.0 allows none; browsers send one.
fn host(head: &request::Parts, ingress: Ingress) -> Result<Option<Authority>, Rejection> {
    let mut all = head.headers.get_all(HOST).iter();
    match (all.next(), all.next()) {
        (None, _) if head.version < Version::HTTP_11 || ingress.local.is_none() => Ok(None),
        (Some(host), None) => match Authority::try_from(host.as_bytes()) {
            Ok(host) if !host.as_str().contains('@') => Ok(Some(host)),
            _ if ingress.local.is_none() => Ok(None),
            _ => Err(NO_HOST),
        },
        _ => Err(NO_HOST),
    }
}

fn is_ours(name: &Authority, local: IpAddr, access: &Access) -> bool {
    let name = name.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        let ip = ip.to_canonical();
        // DNS rebinding needs a name; addresses are still restricted to local ones.
        let known = |host: &str| host.parse().is_ok_and(|host: IpAddr| host.to_canonical() == ip);
        return ip == IpAddr::from([127, 0, 0, 1])
            || ip == IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
            || ip == local.to_canonical()
            || access.hosts.iter().any(|host| known(host));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    is("localhost") || access.hosts.iter().any(|host| is(host))
}

fn is_cross_site(head: &request::Parts, host: Option<&Authority>) -> bool {
    if is_visit(head) {
        return false;
    }
    let site = head.headers.get_all(FETCH_SITE).iter();
    // "same-site" is another port of this machine.
    if site.map(|site| site.as_bytes()).any(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let same = |origin: &[u8]| {
        let origin = std::str::from_utf8(origin).ok();
        let site = origin.and_then(|origin| origin.split_once("://")).map(|(_, site)| site);
        let host = host.map(Authority::as_str);
        site.zip(host).is_some_and(|(site, host)| site.eq_ignore_ascii_case(host))
    };
    if !head.headers.get_all(ORIGIN).iter().all(|origin| same(origin.as_bytes())) {
        return true;
    }
    // Without TLS, on another address than loopback, browsers send no fetch metadata, and no Origin with a GET.
    let same_page = |referer: &[u8]| {
        let end = referer.iter().enumerate().filter(|(_, byte)| **byte == b'/').nth(2);
        same(referer.get(..end.map_or(referer.len(), |(at, _)| at)).unwrap_or_default())
    };
    let is_read = !(is_page(head) && head.method == Method::GET);
    is_read && !head.headers.get_all(REFERER).iter().all(|referer| same_page(referer.as_bytes()))
}

/// Whether this is a navigation to a page, which reads no data and changes nothing.
fn is_visit(head: &request::Parts) -> bool {
    let navigates = head.headers.get(FETCH_MODE).is_some_and(|mode| mode == "navigate");
    head.method == Method::GET && is_page(head) && navigates
}

/// Whether it is a request for the page about the machine, which has no data of the machine in it.
fn is_static_page(head: &request::Parts) -> bool {
    (head.method == Method::GET || head.method == Method::HEAD) && head.uri.path() == "/"
}

fn is_page(head: &request::Parts) -> bool {
    let path = head.uri.path();
    path == "/" || path == "/docs" || path.starts_with("/docs/")
}

/// Whether a request has one of these tokens, also where none is required.
pub(crate) fn has_token(headers: &HeaderMap, tokens: &[TokenHash]) -> bool {
    const SCHEME: &[u8] = b"bearer ";
    let Some(given) = headers.get(AUTHORIZATION) else { return false };
    let Some((scheme, token)) = given.as_bytes().split_at_checked(SCHEME.len()) else {
        return false;
    };
    scheme.eq_ignore_ascii_case(SCHEME) && TokenHash::any_matches(tokens, token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const TCP: Ingress = Ingress {
        local: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7))),
        guarded: true,
        has_page: true,
    };
    const UNIX: Ingress = Ingress { local: None, guarded: false, has_page: true };

    fn status_with(access: &Access, ingress: Ingress, uri: &str, headers: &[(&str, &str)]) -> u16 {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        check(&head, ingress, access).map_or_else(|status_of| status_of.status.as_u16(), |()| 200)
    }

    fn status_of(uri: &str, headers: &[(&str, &str)]) -> u16 {
        let access =
            Access { hosts: vec!["Agent.example".into(), "10.9.9.9".into()], ..Access::default() };
        status_with(&access, TCP, uri, headers)
    }

    #[test]
    fn pages_of_other_sites_are_refused_by_their_referer_where_there_is_nothing_else() {
        let of = |path: &str, referer: &str| {
            status_of(path, &[("host", "10.0.0.7:7979"), ("referer", referer)])
        };
        let list = "/api/v1/connections";
        for ours in
            ["http://10.0.0.7:7979/", "http://10.0.0.7:7979/docs?a=/b", "http://10.0.0.7:7979"]
        {
            assert_eq!(of(list, ours), 200, "{ours}");
        }
        for other in [
            "http://evil.example/",
            "http://10.0.0.7/",
            "http://10.0.0.7:7979.evil.example/a",
            "",
            "x",
        ] {
            assert_eq!(of(list, other), 403, "{other}");
            // A link to the page itself.
            assert_eq!(of("/", other), 200, "{other}");
        }
    }

    #[test]
    fn only_names_of_the_agent_are_accepted() {
        let ours = [
            "localhost",
            "LOCALHOST:80",
            "localhost.",
            "127.0.0.1",
            "127.0.0.1:18081",
            "[::1]",
            "[::1]:80",
            "10.0.0.7:9",
            "[::ffff:10.0.0.7]",
            "agent.EXAMPLE:1",
            "10.9.9.9",
        ];
        for host in ours {
            assert_eq!(status_of("/", &[("host", host)]), 200, "{host}");
        }
        let others = [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.8",
            "127.0.0.2",
            "[::2]",
            "xagent.example",
            "agent.example.evil.example",
            "0",
            "2130706433",
        ];
        for host in others {
            assert_eq!(status_of("/", &[("host", host)]), 421, "{host}");
        }
        for host in ["", "a b", "user@localhost", "localhost:x y"] {
            assert_eq!(status_of("/", &[("host", host)]), 400, "{host}");
        }
        assert_eq!(status_of("/", &[]), 400);
        assert_eq!(status_of("/", &[("host", "localhost"), ("host", "evil.example")]), 400);
        assert_eq!(status_of("http://evil.example/", &[("host", "localhost")]), 421);
        assert_eq!(status_of("http://localhost/", &[("host", "localhost")]), 200);
        let access = Access::default();
        for host in ["evil.example", ""] {
            assert_eq!(status_with(&access, UNIX, "/", &[("host", host)]), 200);
        }
        assert_eq!(status_with(&access, UNIX, "/", &[]), 200);
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let host = ("host", "localhost:80");
        for site in ["cross-site", "same-site", "whatever"] {
            assert_eq!(status_of("/api", &[host, ("sec-fetch-site", site)]), 403, "{site}");
            assert_eq!(status_of("/", &[host, ("sec-fetch-site", site)]), 403, "{site}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(status_of("/api", &[host, ("sec-fetch-site", site)]), 200, "{site}");
        }
        assert_eq!(status_of("/api", &[host, ("origin", "http://LOCALHOST:80")]), 200);
        for origin in ["null", "http://evil.example", "http://localhost:81", "http://localhost", ""]
        {
            assert_eq!(status_of("/api", &[host, ("origin", origin)]), 403, "{origin}");
        }
        let visit = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        for page in ["/", "/docs", "/docs/x"] {
            assert_eq!(status_of(page, &visit), 200, "{page}");
        }
        for page in ["/ems/resetMaxFdCounters", "/api/v1/connections", "/docsx"] {
            assert_eq!(status_of(page, &visit), 403, "{page}");
        }
        let access = Access::default();
        assert_eq!(status_with(&access, UNIX, "/api", &[("origin", "http://a")]), 403);
    }

    #[test]
    fn a_token_is_required_over_tcp_if_any_is_configured() {
        let tokens = vec![TokenHash::of(b"one"), TokenHash::of(b"two")];
        let access = Access { tokens, ..Access::default() };
        let host = ("host", "localhost");
        for given in ["Bearer one", "bearer two", "BEARER  two "] {
            assert_eq!(status_with(&access, TCP, "/api", &[host, ("authorization", given)]), 200);
        }
        for given in ["Bearer three", "Bearer", "Bearer ", "one", "Basic one", "Bearer one two", ""]
        {
            assert_eq!(status_with(&access, TCP, "/api", &[host, ("authorization", given)]), 401);
        }
        assert_eq!(status_with(&access, TCP, "/api", &[host]), 401);
        assert_eq!(status_with(&access, UNIX, "/api", &[host]), 200);
        let open = Ingress { guarded: false, ..TCP };
        assert_eq!(status_with(&access, open, "/api", &[host]), 200);
        assert_eq!(status_with(&Access::default(), TCP, "/api", &[host]), 200);
    }

    #[test]
    fn the_page_needs_no_token_where_it_is() {
        let access = Access { tokens: vec![TokenHash::of(b"one")], ..Access::default() };
        let host = [("host", "localhost")];
        assert_eq!(status_with(&access, TCP, "/", &host), 200);
        assert_eq!(status_with(&access, TCP, "/?filter=a", &host), 200);
        for path in ["/docs", "/api", "/health", "//", "/index.html"] {
            assert_eq!(status_with(&access, TCP, path, &host), 401, "{path}");
        }
        let classic = Ingress { has_page: false, ..TCP };
        assert_eq!(status_with(&access, classic, "/", &host), 401);
        // What else is refused is refused there too.
        assert_eq!(status_with(&access, TCP, "/", &[("host", "evil.example")]), 421);
    }
}
