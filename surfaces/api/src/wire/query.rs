//! A query as the query of a URL: written by the client, read by the agent.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use conns_core::model::Update;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use super::resume::ResumeId;
use super::version::VersionRange;
use crate::agent::{Ask, View};

/// Most namespaces in one query.
const MAX_NAMESPACES: usize = 256;

/// Everything but the unreserved characters (RFC 3986 section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a client asks about connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpdateQuery {
    /// Which connections.
    pub ask: Ask,
    /// What the client has: the agent waits for a newer snapshot, and sends the changes alone where
    /// it still has them.
    pub after: Option<ResumeId>,
    /// Versions of the format that the client reads.
    pub versions: VersionRange,
}

/// Behind which event a query begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventsFrom {
    /// Behind the latest when the query is made.
    #[default]
    Now,
    /// At the oldest that is buffered.
    Oldest,
    /// Behind this one.
    After(ResumeId),
}

impl fmt::Display for EventsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Now => f.write_str("now"),
            Self::Oldest => f.write_str("oldest"),
            Self::After(id) => id.fmt(f),
        }
    }
}

impl FromStr for EventsFrom {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        match text {
            "now" => Ok(Self::Now),
            "oldest" => Ok(Self::Oldest),
            id => id.parse().map(Self::After).map_err(|_| QueryError::EventsFrom),
        }
    }
}

/// What a client asks about events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventsQuery {
    /// Of which connections; the view does not matter.
    pub ask: Ask,
    /// From where on.
    pub from: EventsFrom,
    /// The agent waits this long for an event, if there is none.
    pub wait: Duration,
    /// Versions of the format that the client reads.
    pub versions: VersionRange,
}

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// A parameter that does not exist.
    #[error(
        "no parameter `{0}`; there are view, tcp, udp, ipv4, ipv6, netns, after, versions, and (of events) wait_us"
    )]
    Parameter(String),
    /// `view` is none.
    #[error("view is connections, listening or all")]
    View,
    /// A flag is neither 0 nor 1.
    #[error("{0} is 0 or 1")]
    Flag(&'static str),
    /// `after` is no resume id.
    #[error("after is INSTANCE-SEQUENCE-SERIAL, the id of an earlier answer")]
    After,
    /// `after` of events is none.
    #[error("after is now, oldest or INSTANCE-SEQUENCE-SERIAL, the id of an earlier answer")]
    EventsFrom,
    /// `wait_us` is no number.
    #[error("wait_us is a whole number of microseconds")]
    Wait,
    /// `versions` is no range.
    #[error("versions is a version of the format or a range, such as 1 or 1-2")]
    Versions,
    /// More namespaces than the bound.
    #[error("at most {MAX_NAMESPACES} parameters netns")]
    Namespaces,
    /// The percent signs do not encode text.
    #[error("the query is not UTF-8 in percent encoding (RFC 3986 section 2.1)")]
    Encoding,
}

impl UpdateQuery {
    /// The query of a URL, without the question mark.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = write_ask(&self.ask);
        if let Some(id) = self.after {
            query.push_str(&format!("&after={id}"));
        }
        query.push_str(&format!("&versions={}", self.versions));
        query
    }

    /// Reads the query of a URL.
    ///
    /// # Errors
    /// [`QueryError`] if it is none.
    pub fn from_query(text: &str) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for (key, value) in pairs(text) {
            let value = decode(value)?;
            match key {
                "after" => query.after = Some(value.parse().map_err(|_| QueryError::After)?),
                "versions" => query.versions = versions(&value)?,
                key => read_ask(&mut query.ask, key, value)?,
            }
        }
        Ok(query)
    }

    /// Whether `update` is newer than what the client has.
    #[must_use]
    pub fn is_due(&self, update: &Update) -> bool {
        self.after.is_none_or(|id| {
            id.is_of_other_instance(update) || id.sequence != update.snapshot.sequence
        })
    }
}

impl EventsQuery {
    /// The query of a URL, without the question mark.
    #[must_use]
    pub fn to_query(&self) -> String {
        let mut query = write_ask(&self.ask);
        query.push_str(&format!("&after={}", self.from));
        if !self.wait.is_zero() {
            query.push_str(&format!("&wait_us={}", self.wait.as_micros()));
        }
        query.push_str(&format!("&versions={}", self.versions));
        query
    }

    /// Reads the query of a URL.
    ///
    /// # Errors
    /// [`QueryError`] if it is none.
    pub fn from_query(text: &str) -> Result<Self, QueryError> {
        let mut query = Self::default();
        for (key, value) in pairs(text) {
            let value = decode(value)?;
            match key {
                "after" => query.from = value.parse()?,
                "wait_us" => {
                    let us = value.parse().map_err(|_| QueryError::Wait)?;
                    query.wait = Duration::from_micros(us);
                }
                "versions" => query.versions = versions(&value)?,
                key => read_ask(&mut query.ask, key, value)?,
            }
        }
        Ok(query)
    }
}

fn versions(text: &str) -> Result<VersionRange, QueryError> {
    text.parse().map_err(|_| QueryError::Versions)
}

/// The parameters for the connections asked about.
fn write_ask(ask: &Ask) -> String {
    let Ask { view, tcp, udp, ipv4, ipv6, others: _, namespaces } = ask;
    let mut query = format!("view={}", view_name(*view));
    for (name, yes) in [("tcp", tcp), ("udp", udp), ("ipv4", ipv4), ("ipv6", ipv6)] {
        if !yes {
            query.push_str(&format!("&{name}=0"));
        }
    }
    for name in namespaces {
        query.push_str("&netns=");
        query.extend(utf8_percent_encode(name, RESERVED));
    }
    query
}

/// Reads one of those parameters.
fn read_ask(ask: &mut Ask, key: &str, value: String) -> Result<(), QueryError> {
    match key {
        "view" => ask.view = view_named(&value).ok_or(QueryError::View)?,
        "tcp" => ask.tcp = flag("tcp", &value)?,
        "udp" => ask.udp = flag("udp", &value)?,
        "ipv4" => ask.ipv4 = flag("ipv4", &value)?,
        "ipv6" => ask.ipv6 = flag("ipv6", &value)?,
        "netns" if ask.namespaces.len() < MAX_NAMESPACES => ask.namespaces.push(value),
        "netns" => return Err(QueryError::Namespaces),
        _ => return Err(QueryError::Parameter(decode(key)?)),
    }
    Ok(())
}

/// Keys and values, both as they stand in the query.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn view_name(view: View) -> &'static str {
    match view {
        View::Connections => "connections",
        View::Listening => "listening",
        View::All => "all",
    }
}

fn view_named(name: &str) -> Option<View> {
    [View::Connections, View::Listening, View::All].into_iter().find(|v| view_name(*v) == name)
}

fn flag(name: &'static str, value: &str) -> Result<bool, QueryError> {
    match value {
        "0" | "false" => Ok(false),
        "1" | "true" => Ok(true),
        _ => Err(QueryError::Flag(name)),
    }
}

fn decode(text: &str) -> Result<String, QueryError> {
    // A percent sign without two digits is taken as it is by the decoder.
    let is_encoded = |part: &str| {
        part.get(..2).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if !text.split('%').skip(1).all(is_encoded) {
        return Err(QueryError::Encoding);
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode(spaced.as_bytes()).decode_utf8();
    decoded.map(Into::into).map_err(|_| QueryError::Encoding)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_query_is_read_from_its_text(
            view in prop::sample::select(vec![View::Connections, View::Listening, View::All]),
            [tcp, udp, ipv4, ipv6] in any::<[bool; 4]>(),
            namespaces in prop::collection::vec(".{0,12}", 0..4),
            after in any::<Option<(u64, u64, u64)>>(),
            newest in 1..u32::MAX,
        ) {
            let id = |(instance, sequence, serial)| ResumeId { instance, sequence, serial };
            let query = UpdateQuery {
                ask: Ask { view, tcp, udp, ipv4, ipv6, namespaces, ..Ask::default() },
                after: after.map(id),
                versions: VersionRange::new(1, newest).unwrap(),
            };
            let text = query.to_query();
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
            prop_assert_eq!(UpdateQuery::from_query(&text), Ok(query));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            if let Ok(query) = UpdateQuery::from_query(&text) {
                prop_assert_eq!(UpdateQuery::from_query(&query.to_query()), Ok(query));
            }
            if let Ok(query) = EventsQuery::from_query(&text) {
                prop_assert_eq!(EventsQuery::from_query(&query.to_query()), Ok(query));
            }
        }
    }

    #[test]
    fn an_empty_query_asks_for_the_plain_list() {
        assert_eq!(UpdateQuery::from_query(""), Ok(UpdateQuery::default()));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (query, expected) in [
            ("view=some", QueryError::View),
            ("tcp=yes", QueryError::Flag("tcp")),
            ("tcp", QueryError::Flag("tcp")),
            ("after=7", QueryError::After),
            ("after=7-", QueryError::After),
            ("after=-1-7", QueryError::After),
            ("after=feed000000000001-7", QueryError::After),
            ("versions=2-1", QueryError::Versions),
            ("span_us=5", QueryError::Parameter("span_us".to_owned())),
            ("netns=%", QueryError::Encoding),
            ("netns=%+1", QueryError::Encoding),
            ("netns=%ff", QueryError::Encoding),
            ("fields=pid", QueryError::Parameter("fields".to_owned())),
            (&"netns=a&".repeat(MAX_NAMESPACES + 1), QueryError::Namespaces),
        ] {
            assert_eq!(UpdateQuery::from_query(query), Err(expected), "{query}");
        }
    }
}
