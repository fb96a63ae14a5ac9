//! The target: the address of an agent as users write it, a token, and trusted certificates.

use std::fmt;
use std::path::PathBuf;

use http::Uri;
use http::uri::Scheme;

use crate::error::RemoteError;

/// Longest token, bytes; one made by `conns token` has 49.
const MAX_TOKEN_BYTES: usize = 4096;

/// An agent, and how to authenticate.
#[derive(Clone, Default)]
pub struct Target {
    /// `http://host:port`, `https://host[:port]`, `host:port` (http), or `unix:/path`.
    pub url: String,
    /// The token, if the agent requires one.
    pub token: Option<String>,
    /// A file of the certificates (PEM) that are trusted instead of the system's own.
    pub ca: Option<PathBuf>,
}

/// Without the token.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        let Self { url, token: _, ca } = self;
        f.debug_struct("Target").field("url", url).field("token", &token).field("ca", ca).finish()
    }
}

/// Where an agent listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A host, by name or address (IPv6 without brackets).
    Host { host: String, port: u16, tls: bool },
    /// A socket file.
    File(PathBuf),
}

impl Address {
    /// Reads what a user wrote.
    pub(crate) fn parse(text: &str) -> Result<Self, RemoteError> {
        let refused = |reason| RemoteError::Address { address: text.to_owned(), reason };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(refused("a socket file is named by its whole path"));
            }
            return Ok(Self::File(path.into()));
        }
        let has_scheme = text.contains("://");
        let whole = if has_scheme { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| refused("it is no URL"))?;
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err(refused("only http, https and unix are known")),
        };
        let authority = uri.authority().ok_or_else(|| refused("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(refused("it has a user or password; a token goes into a file"));
        }
        if uri.path_and_query().is_some_and(|rest| !matches!(rest.as_str(), "" | "/")) {
            return Err(refused("an agent has no path of its own"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(refused("it names no host"));
        }
        let port = match (authority.port_u16(), tls) {
            (Some(0), _) => return Err(refused("port 0 is none")),
            (Some(port), _) => port,
            // `Uri` reads `host:` and `host:99999` as if there were no port.
            _ if authority.as_str() != authority.host() => {
                return Err(refused("its port is no number up to 65535"));
            }
            (None, _) if !has_scheme => return Err(refused("it names no port")),
            (None, true) => 443,
            (None, false) => 80,
        };
        Ok(Self::Host { host: host.to_owned(), port, tls })
    }

    /// The `Host` header.
    pub(crate) fn authority(&self) -> String {
        match self {
            Self::Host { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Host { host, port, .. } => format!("{host}:{port}"),
            // A client that can open the file is on the same machine.
            Self::File(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { tls, .. } => {
                let scheme = if *tls { "https" } else { "http" };
                write!(f, "{scheme}://{}", self.authority())
            }
            Self::File(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The value of the header with `token` (RFC 6750 section 2.1).
pub(crate) fn bearer(token: &str) -> Result<http::HeaderValue, RemoteError> {
    if token.is_empty() {
        return Err(RemoteError::Token("it is empty"));
    }
    if token.len() > MAX_TOKEN_BYTES {
        return Err(RemoteError::Token("it is longer than 4096 bytes"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(RemoteError::Token("it has blanks or characters that are not ASCII"));
    }
    let mut value = http::HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| RemoteError::Token("no header can carry it"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, shown, authority) in [
            ("http://10.0.0.5:7000", "http://10.0.0.5:7000", "10.0.0.5:7000"),
            ("http://10.0.0.5:7000/", "http://10.0.0.5:7000", "10.0.0.5:7000"),
            ("HTTPS://Agent.example", "https://Agent.example:443", "Agent.example:443"),
            ("http://agent.example", "http://agent.example:80", "agent.example:80"),
            ("agent:7000", "http://agent:7000", "agent:7000"),
            ("localhost:7000", "http://localhost:7000", "localhost:7000"),
            ("[::1]:7000", "http://[::1]:7000", "[::1]:7000"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("unix:/run/conns.sock", "unix:/run/conns.sock", "localhost"),
            ("unix:///run/conns.sock", "unix:/run/conns.sock", "localhost"),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(
                (address.to_string(), address.authority()),
                (shown.into(), authority.into())
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "no URL"),
            ("agent", "no port"),
            ("agent:", "no number"),
            ("agent:99999", "no number"),
            ("http://agent:0", "port 0"),
            ("http://:7000", "no host"),
            ("ftp://agent:21", "only http"),
            ("http://agent:7000/api", "no path"),
            ("http://agent:7000/?x", "no path"),
            ("http://me:secret@agent:7000", "user or password"),
            ("http://a b:1", "no URL"),
            ("::1:7000", "no URL"),
            ("unix:conns.sock", "whole path"),
        ] {
            match Address::parse(text) {
                Err(RemoteError::Address { reason, .. }) => {
                    assert!(reason.contains(part), "{text}: {reason}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let target = Target { token: Some("conns_secret".to_owned()), ..Target::default() };
        assert!(!format!("{target:?}").contains("secret"));
        assert!(!format!("{:?}", bearer("conns_secret").unwrap()).contains("secret"));
        for token in ["", "two words", "line\nend", "schlüssel", &"x".repeat(5000)] {
            assert!(matches!(bearer(token), Err(RemoteError::Token(_))), "{token}");
        }
    }
}
