//! What `--listen` asks for, and whether that is safe to open; nothing is opened here.
//!
//! The one idea: what is not loopback needs an answer to "who may read this": TLS and a token, or
//! the operator's own word that it is meant.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Everything the agent says over HTTP: its own API, and each dialect under its path.
    Http,
    /// 1E's calls, posted.
    OneE,
    /// A Monero node's JSON-RPC.
    Monero,
    /// EMS's commands, answered in JSON, a line each.
    EmsJson,
    /// EMS's commands, answered in text, a line each.
    EmsAscii,
    /// EMS's commands over HTTP.
    EmsHttp,
    /// JSON-RPC over HTTP or in lines; the first byte tells which.
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

    /// Whether clients can speak to it in plain lines, in which no token fits.
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

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListenAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A socket file.
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

/// A listener that is asked for: `[PROTOCOL=]PLACE`. Without a protocol it is `http`; `https` is `http`
/// over TLS. A place is `unix:/PATH`, `ADDRESS:PORT`, `localhost:PORT`, `:PORT` (127.0.0.1) or
/// `*:PORT` (every address, IPv4 and IPv6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSpec {
    /// What is spoken.
    pub protocol: Protocol,
    /// Where.
    pub place: ListenAddress,
    /// Whether TLS is spoken also where nobody else could listen in; elsewhere it is whenever there
    /// is a certificate.
    pub https: bool,
}

impl ListenSpec {
    /// Whether this listener speaks TLS, if there is a certificate.
    #[must_use]
    pub fn speaks_tls(&self, has_tls: bool) -> bool {
        let may = !self.protocol.takes_lines() && matches!(self.place, ListenAddress::Tcp(_));
        self.https || (may && has_tls && !self.place.is_local())
    }
}

/// Why a `--listen` is not understood.
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
            // A path may hold a = of its own.
            Some((name, place)) if !name.contains(['/', ':']) => (name, place),
            _ => ("http", text),
        };
        let https = name == "https";
        let protocol = Protocol::NAMES
            .iter()
            .find(|(known, _)| *known == name || (https && *known == "http"))
            .map(|(_, protocol)| *protocol)
            .ok_or_else(|| refused("there is no such protocol"))?;
        let place = match place.strip_prefix("unix:") {
            Some("") => return Err(refused("the path is missing")),
            Some(_) if https => return Err(refused("a unix socket does not speak TLS")),
            Some(path) => ListenAddress::Unix(PathBuf::from(path)),
            None => ListenAddress::Tcp(tcp(place).ok_or_else(|| refused("that is no address"))?),
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

/// Why a listener is not opened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnsafeListener {
    /// A line protocol, for others than this machine.
    #[error(
        "refusing to listen on {protocol}={place}: anybody who reaches it could read this machine's connections, and the protocol has room neither for a token nor for TLS. Listen on 127.0.0.1 and let clients come through an SSH tunnel, or give --insecure if the network itself is trusted"
    )]
    Lines {
        /// What was to be spoken.
        protocol: Protocol,
        /// Where.
        place: ListenAddress,
    },
    /// HTTP for others than this machine, without what protects it.
    #[error(
        "refusing to listen on {protocol}={place}: it is not a loopback address, and there is {missing}. Configure a certificate with its key, and a token (`conns token` makes one); or listen on 127.0.0.1; or give --insecure if the network itself is trusted"
    )]
    Open {
        /// What was to be spoken.
        protocol: Protocol,
        /// Where.
        place: ListenAddress,
        /// What there is none of.
        missing: &'static str,
    },
    /// TLS was asked for, and there is no certificate.
    #[error(
        "cannot listen on https={place}: there is no certificate. Configure a certificate with its key, or use http= on a loopback address"
    )]
    NoCertificate {
        /// Where.
        place: ListenAddress,
    },
}

/// Whether these may be opened. `insecure`: the operator said that it is meant; `has_tls`: there is a
/// certificate; `has_tokens`: at least one token is required of whoever comes.
///
/// # Errors
/// The first that may not, and what to do.
pub fn check(
    wanted: &[ListenSpec],
    insecure: bool,
    has_tls: bool,
    has_tokens: bool,
) -> Result<(), UnsafeListener> {
    wanted.iter().try_for_each(|one| check_one(one, insecure, has_tls, has_tokens))
}

fn check_one(
    wanted: &ListenSpec,
    insecure: bool,
    has_tls: bool,
    has_tokens: bool,
) -> Result<(), UnsafeListener> {
    let (protocol, place) = (wanted.protocol, wanted.place.clone());
    if wanted.https && !has_tls {
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

    fn wanted(text: &str) -> ListenSpec {
        text.parse().unwrap()
    }

    #[test]
    fn places_are_read() {
        let tcp = |text: &str| ListenAddress::Tcp(text.parse().unwrap());
        let read = |text: &str| (wanted(text).protocol, wanted(text).place);
        assert_eq!(read("monero=127.0.0.1:18081"), (Protocol::Monero, tcp("127.0.0.1:18081")));
        assert_eq!(read("ems-json=:1112"), (Protocol::EmsJson, tcp("127.0.0.1:1112")));
        assert_eq!(read("localhost:80"), (Protocol::Http, tcp("127.0.0.1:80")));
        assert_eq!(read("1e=*:80"), (Protocol::OneE, tcp("[::]:80")));
        assert_eq!(read("[fd00::1]:8"), (Protocol::Http, tcp("[fd00::1]:8")));
        let path = ListenAddress::Unix("/run/a=b".into());
        assert_eq!(read("unix:/run/a=b"), (Protocol::Http, path.clone()));
        assert_eq!(read("http=unix:/run/a=b"), (Protocol::Http, path));
        assert!(wanted("https=:443").https && !wanted("http=:80").https);
    }

    #[test]
    fn what_is_no_place_is_refused_with_what_is_expected() {
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
            assert_eq!(check(&[wanted(text)], false, false, false), Ok(()), "{text}");
        }
        let mapped = wanted("[::ffff:127.0.0.1]:80");
        assert_eq!(check(&[mapped], false, false, false), Ok(()));
    }

    #[test]
    fn others_need_tls_and_a_token_or_the_operators_word() {
        for text in ["*:80", "0.0.0.0:80", "http=10.0.0.1:80", "monero=[fd00::1]:80", "1e=*:1"] {
            for (tls, token) in [(false, false), (false, true), (true, false)] {
                // A safe one before it does not hide it.
                let both = [wanted(":80"), wanted(text)];
                let refused = check(&both, false, tls, token).unwrap_err();
                let said = refused.to_string();
                assert!(said.contains("--insecure") && said.contains("conns token"), "{said}");
                assert_eq!(check(&both, true, tls, token), Ok(()));
            }
            assert_eq!(check(&[wanted(text)], false, true, true), Ok(()));
            assert!(wanted(text).speaks_tls(true));
        }
    }

    #[test]
    fn line_ports_for_others_need_the_operators_word_always() {
        for text in ["ems-json=*:1", "ems-ascii=0.0.0.0:1", "jetstream=10.0.0.1:1"] {
            let refused = check(&[wanted(text)], false, true, true).unwrap_err();
            assert!(matches!(refused, UnsafeListener::Lines { .. }), "{refused}");
            assert!(refused.to_string().contains("--insecure"));
            assert_eq!(check(&[wanted(text)], true, false, false), Ok(()));
            assert!(!wanted(text).speaks_tls(true));
        }
    }

    #[test]
    fn https_without_a_certificate_is_never_served_plain() {
        let refused = check(&[wanted("https=:443")], true, false, true).unwrap_err();
        assert!(matches!(refused, UnsafeListener::NoCertificate { .. }));
        assert_eq!(check(&[wanted("https=:443")], false, true, false), Ok(()));
        assert!(wanted("https=:443").speaks_tls(true) && !wanted(":80").speaks_tls(true));
    }
}
