//! Parsing of `--listen`, and whether such a listener is safe to open; nothing is opened here.
//!
//! Invariant: a listener that is not on loopback needs TLS and a token, or `--insecure`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// The protocol of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The agent's own API, and each dialect under its prefix.
    Http,
    /// 1E's calls over HTTP.
    OneE,
    /// A Monero node's JSON-RPC.
    Monero,
    /// EMS's commands, answered in JSON, a line each.
    EmsJson,
    /// EMS's commands, answered in text, a line each.
    EmsAscii,
    /// EMS's commands over HTTP.
    EmsHttp,
    /// JSON-RPC over HTTP or in lines; the first byte decides.
    JetStream,
}

impl Protocol {
    const NAMES: [(&'static str, Self); 7] = [
        ("http", Self::Http),
        ("1e", Self::OneE),
        ("monero", Self::Monero),
        ("ems-json", Self::EmsJson),
        ("ems-ascii", Self::EmsAscii),
        ("ems-http", Self::EmsHttp),
        ("jetstream", Self::JetStream),
    ];

    /// Whether it takes plain lines, which have no room for a token.
    #[must_use]
    pub const fn takes_lines(self) -> bool {
        matches!(self, Self::EmsJson | Self::EmsAscii | Self::JetStream)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, protocol)| protocol == self);
        f.write_str(name.map_or("?", |(name, _)| name))
    }
}

/// The address of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether only this machine can reach it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl ListenAddress {
    /// The port, if it is one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(address) => Some(address.port()),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The specification of a listener: `[PROTOCOL=]ADDRESS`. Without a protocol it is `http`; `https` is `http`
/// over TLS. An address is `unix:/PATH`, `ADDRESS:PORT`, `localhost:PORT`, `:PORT` (127.0.0.1) or
/// `*:PORT` (every address, IPv4 and IPv6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSpec {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its address.
    pub place: ListenAddress,
    /// Whether TLS is used on loopback too; elsewhere it is used whenever there is a certificate.
    pub https: bool,
}

impl ListenSpec {
    /// Whether this listener uses TLS; `has_tls`: there is a certificate.
    #[must_use]
    pub fn uses_tls(&self, has_tls: bool) -> bool {
        let may = !self.protocol.takes_lines() && matches!(self.place, ListenAddress::Tcp(_));
        self.https || (may && has_tls && !self.place.is_local())
    }
}

/// Why a `--listen` does not parse.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "cannot listen on {given:?}: {why}; expected [PROTOCOL=]ADDRESS:PORT, [PROTOCOL=]:PORT or unix:/PATH, with PROTOCOL one of http, https, 1e, monero, ems-json, ems-ascii, ems-http, jetstream"
)]
pub struct ListenSpecError {
    given: String,
    why: &'static str,
}

impl FromStr for ListenSpec {
    type Err = ListenSpecError;

    fn from_str(text: &str) -> Result<Self, ListenSpecError> {
        let refused = |why| ListenSpecError { given: text.to_owned(), why };
        let (name, place) = match text.split_once('=') {
            // A path may contain =.
            Some((name, place)) if !name.contains(['/', ':']) => (name, place),
            _ => ("http", text),
        };
        let https = name == "https";
        let protocol = Protocol::NAMES
            .iter()
            .find(|(known, _)| *known == name || (https && *known == "http"))
            .map(|(_, protocol)| *protocol)
            .ok_or_else(|| refused("unknown protocol"))?;
        let place = match place.strip_prefix("unix:") {
            Some("") => return Err(refused("the path is missing")),
            Some(_) if https => return Err(refused("a unix socket does not use TLS")),
            Some(path) => ListenAddress::Unix(PathBuf::from(path)),
            None => ListenAddress::Tcp(tcp(place).ok_or_else(|| refused("not an address"))?),
        };
        Ok(Self { protocol, place, https })
    }
}

fn tcp(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.rsplit_once(':')?;
    let ip = match host {
        "" | "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        "*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return text.parse().ok(),
    };
    Some(SocketAddr::new(ip, port.parse().ok()?))
}

/// Why a listener is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsafeListener {
    /// A line protocol that other machines could reach.
    #[error(
        "refusing to listen on {protocol}={place}: every client that reaches it could read this machine's connections, and the protocol has room neither for a token nor for TLS. Listen on 127.0.0.1 and connect clients through an SSH tunnel, or give --insecure if the network itself is trusted"
    )]
    Lines {
        /// Its protocol.
        protocol: Protocol,
        /// Its address.
        place: ListenAddress,
    },
    /// HTTP that other machines could reach, without TLS or a token.
    #[error(
        "refusing to listen on {protocol}={place}: it is not a loopback address, and there is {missing}. Configure a certificate with its key, and a token (`conns token` makes one); or listen on 127.0.0.1; or give --insecure if the network itself is trusted"
    )]
    Open {
        /// Its protocol.
        protocol: Protocol,
        /// Its address.
        place: ListenAddress,
        /// The missing protection.
        missing: &'static str,
    },
    /// TLS without a certificate.
    #[error(
        "cannot listen on https={place}: there is no certificate. Configure a certificate with its key, or use http= on a loopback address"
    )]
    NoCertificate {
        /// Its address.
        place: ListenAddress,
    },
}

/// Whether these may be opened. `insecure`: the operator accepts unprotected listeners; `has_tls`:
/// there is a certificate; `has_tokens`: at least one token is configured.
///
/// # Errors
/// The first that is refused, and what to do.
pub fn check(
    specs: &[ListenSpec],
    insecure: bool,
    has_tls: bool,
    has_tokens: bool,
) -> Result<(), UnsafeListener> {
    specs.iter().try_for_each(|one| check_one(one, insecure, has_tls, has_tokens))
}

fn check_one(
    spec: &ListenSpec,
    insecure: bool,
    has_tls: bool,
    has_tokens: bool,
) -> Result<(), UnsafeListener> {
    let (protocol, place) = (spec.protocol, spec.place.clone());
    if spec.https && !has_tls {
        return Err(UnsafeListener::NoCertificate { place });
    }
    if insecure || place.is_local() {
        return Ok(());
    }
    if protocol.takes_lines() {
        return Err(UnsafeListener::Lines { protocol, place });
    }
    let missing = match (has_tls, has_tokens) {
        (true, true) => return Ok(()),
        (false, true) => "no TLS certificate",
        (true, false) => "no token",
        (false, false) => "neither a TLS certificate nor a token",
    };
    Err(UnsafeListener::Open { protocol, place, missing })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(text: &str) -> ListenSpec {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_parsed() {
        let tcp = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
        let read = |text: &str| (spec(text).protocol, spec(text).place);
        assert_eq!(read("monero=127.0.0.1:18081"), (Protocol::Monero, tcp("127.0.0.1:18081")));
        assert_eq!(read("ems-json=:1112"), (Protocol::EmsJson, tcp("127.0.0.1:1112")));
        assert_eq!(read("localhost:80"), (Protocol::Http, tcp("127.0.0.1:80")));
        assert_eq!(read("1e=*:80"), (Protocol::OneE, tcp("[::]:80")));
        assert_eq!(read("[fd00::1]:8"), (Protocol::Http, tcp("[fd00::1]:8")));
        let path = ListenAddress::Unix("/run/a=b".into());
        assert_eq!(read("unix:/run/a=b"), (Protocol::Http, path.clone()));
        assert_eq!(read("http=unix:/run/a=b"), (Protocol::Http, path));
        assert!(spec("https=:443").https && !spec("http=:80").https);
    }

    #[test]
    fn invalid_addresses_are_refused_with_the_expected_form() {
        for text in ["", "80", "ftp=:21", "monero=", "unix:", "https=unix:/a", ":99999", "a:80"] {
            let error = text.parse::<ListenSpec>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("{text:?}")) && error.contains("unix:/PATH"),
                "{error}"
            );
        }
    }

    #[test]
    fn loopback_and_unix_need_nothing() {
        for text in [":80", "http=[::1]:80", "unix:/a", "ems-ascii=127.9.9.9:1", "jetstream=:1"] {
            assert_eq!(check(&[spec(text)], false, false, false), Ok(()), "{text}");
        }
        let mapped = spec("[::ffff:127.0.0.1]:80");
        assert_eq!(check(&[mapped], false, false, false), Ok(()));
    }

    #[test]
    fn other_addresses_need_tls_and_a_token_or_insecure() {
        for text in ["*:80", "0.0.0.0:80", "http=10.0.0.1:80", "monero=[fd00::1]:80", "1e=*:1"] {
            for (tls, token) in [(false, false), (false, true), (true, false)] {
                // A safe one before it does not hide it.
                let both = [spec(":80"), spec(text)];
                let refused = check(&both, false, tls, token).unwrap_err();
                let message = refused.to_string();
                assert!(
                    message.contains("--insecure") && message.contains("conns token"),
                    "{message}"
                );
                assert_eq!(check(&both, true, tls, token), Ok(()));
            }
            assert_eq!(check(&[spec(text)], false, true, true), Ok(()));
            assert!(spec(text).uses_tls(true));
        }
    }

    #[test]
    fn line_ports_on_other_addresses_need_insecure() {
        for text in ["ems-json=*:1", "ems-ascii=0.0.0.0:1", "jetstream=10.0.0.1:1"] {
            let refused = check(&[spec(text)], false, true, true).unwrap_err();
            assert!(matches!(refused, UnsafeListener::Lines { .. }), "{refused}");
            assert!(refused.to_string().contains("--insecure"));
            assert_eq!(check(&[spec(text)], true, false, false), Ok(()));
            assert!(!spec(text).uses_tls(true));
        }
    }

    #[test]
    fn https_without_a_certificate_is_refused() {
        let refused = check(&[spec("https=:443")], true, false, true).unwrap_err();
        assert!(matches!(refused, UnsafeListener::NoCertificate { .. }));
        assert_eq!(check(&[spec("https=:443")], false, true, false), Ok(()));
        assert!(spec("https=:443").uses_tls(true) && !spec(":80").uses_tls(true));
    }
}
