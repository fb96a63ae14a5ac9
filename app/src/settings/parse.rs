//! Converts the values of settings to the types of `Config`, or explains what is wrong with them.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use conns_core::query::Filter;
use conns_dialects::monero::Era;
use conns_server::{ListenSpec, TokenHash};

use super::kind::Value;
use crate::flags::SourceChoice;

/// A type that is parsed from the text of a setting.
pub(super) trait FromText: Sized {
    fn from_text(text: &str) -> Result<Self, String>;
}

/// Unreachable: the kind of a value is checked before it is converted.
fn other(value: &Value) -> String {
    format!("{value} is of another kind")
}

pub(super) fn switch(value: &Value) -> Result<bool, String> {
    if let Value::Switch(is) = value { Ok(*is) } else { Err(other(value)) }
}

/// A count or a size, as any integer type that can represent it.
pub(super) fn number<T: TryFrom<u64>>(value: &Value) -> Result<T, String> {
    match value {
        Value::Count(count) | Value::Size(count) => T::try_from(*count).map_err(|_| other(value)),
        _ => Err(other(value)),
    }
}

pub(super) fn span(value: &Value) -> Result<Duration, String> {
    if let Value::Span(span) = value { Ok(*span) } else { Err(other(value)) }
}

pub(super) fn text<T: FromText>(value: &Value) -> Result<T, String> {
    if let Value::Text(text) = value { T::from_text(text) } else { Err(other(value)) }
}

/// An optional text; an empty one clears the value of a lower layer.
pub(super) fn maybe<T: FromText>(value: &Value) -> Result<Option<T>, String> {
    match value {
        Value::Text(text) if text.is_empty() => Ok(None),
        _ => text(value).map(Some),
    }
}

pub(super) fn texts<T: FromText>(value: &Value) -> Result<Vec<T>, String> {
    match value {
        Value::Texts(all) => all.iter().map(|one| T::from_text(one)).collect(),
        _ => Err(other(value)),
    }
}

impl FromText for Filter {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text).map_err(|error| format!("not a filter: {}", error.message()))
    }
}

impl FromText for ListenSpec {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_str(text).map_err(|error| error.to_string())
    }
}

impl FromText for TokenHash {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_str(text).map_err(|error| error.to_string())
    }
}

impl FromText for PathBuf {
    fn from_text(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }
}

impl FromText for SourceChoice {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::from_str(text, false)
    }
}

/// When clients are served from a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServingProcess {
    /// Where other machines can connect.
    Auto,
    /// Always.
    Yes,
    /// Never.
    No,
}

impl FromText for ServingProcess {
    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "yes" => Ok(Self::Yes),
            "no" => Ok(Self::No),
            _ => Err(format!("expected auto, yes or no, found `{text}`")),
        }
    }
}

impl FromText for Era {
    fn from_text(text: &str) -> Result<Self, String> {
        let all = [Self::Current, Self::V0_11];
        all.into_iter().find(|era| era.name() == text).ok_or_else(|| format!("no era `{text}`"))
    }
}

/// A host name as in a `Host` header, in lower case and without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostName(pub(crate) String);

impl FromText for HostName {
    fn from_text(text: &str) -> Result<Self, String> {
        // RFC 1123 section 2.1, and the underscore, which is in common use.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
            let example = "host7.example.org";
            return Err(format!(
                "expected names without port such as \"{example}\", found `{text}`"
            ));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

/// The name of a process (proc(5), `comm`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProcessName(pub(crate) String);

impl FromText for ProcessName {
    fn from_text(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > 64 || text.chars().any(char::is_control) {
            return Err(format!("expected the name of a process such as `ffmpeg`, found `{text}`"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of an account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserName(pub(crate) String);

impl FromText for UserName {
    fn from_text(text: &str) -> Result<Self, String> {
        let fits = |c: char| !c.is_control() && !c.is_whitespace() && !matches!(c, ':' | '/');
        if text.len() > 256 || !text.chars().all(fits) {
            return Err(format!("expected the name of an account, found `{text}`"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A user of the Monero API, and the digest of the password (RFC 7616 section
/// 3.4.2: MD5 of `USER:monero-rpc:PASSWORD`).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: String,
    /// 32 hexadecimal digits in lower case.
    pub(crate) ha1: String,
}

impl FromText for Login {
    fn from_text(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once(':').filter(|(user, ha1)| {
            let is_digest = ha1.len() == 32 && ha1.bytes().all(|byte| byte.is_ascii_hexdigit());
            !user.is_empty() && !user.contains(':') && is_digest
        });
        // The text is a secret, or nearly one: the message does not repeat it.
        let (user, ha1) = parts.ok_or_else(|| {
            "expected USER:DIGEST, the digest being the output of: \
             printf %s USER:monero-rpc:PASSWORD | md5sum"
                .to_owned()
        })?;
        Ok(Self { user: user.to_owned(), ha1: ha1.to_ascii_lowercase() })
    }
}

/// Omits the digest: it is sufficient to log in.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}
