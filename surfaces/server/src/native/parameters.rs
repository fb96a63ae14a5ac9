//! Query parameters: each declared once, and parsed by that declaration.

use std::collections::BTreeSet;

use axum::extract::Query as Pairs;
use conns_core::query::nearest;
use http::Uri;

use crate::problem::{Problem, repeated};

/// Maximum length of a query, bytes: more than the server takes as a whole request head.
const MAX_QUERY_BYTES: usize = 32 * 1024;

/// Maximum rows of one response. Ten thousand with all fields are 20 MB.
const MAX_ROWS: usize = 10_000;
/// Rows of one response without `limit`.
const DEFAULT_ROWS: usize = 1000;

/// The values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text; checked by the handler.
    Text,
    /// A whole number from 1 to `most`.
    Whole { usual: usize, most: usize },
    /// One of these words.
    Word(&'static [&'static str]),
}

/// One parameter of a route.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it may be given several times.
    pub(super) repeats: bool,
    pub(super) about: &'static str,
    /// For the docs page.
    pub(super) example: &'static str,
}

const fn text(name: &'static str, example: &'static str, about: &'static str) -> Parameter {
    Parameter { name, kind: Kind::Text, repeats: false, about, example }
}

const fn word(
    name: &'static str,
    words: &'static [&'static str],
    example: &'static str,
    about: &'static str,
) -> Parameter {
    Parameter { name, kind: Kind::Word(words), repeats: false, about, example }
}

pub(super) static FILTER: Parameter = text(
    "filter",
    "process == nginx and rtt > 50ms",
    "Only connections that match: the language of the command line (docs/filter.md).",
);
pub(super) static VIEW: Parameter = word(
    "view",
    &["connections", "listening", "all"],
    "all",
    "Which states: established TCP and connected UDP, listening endpoints, or everything.",
);
pub(super) static PROTO: Parameter =
    word("proto", &["tcp", "udp"], "tcp", "Only this protocol; tcp includes MPTCP.");
pub(super) static FAMILY: Parameter =
    word("family", &["ipv4", "ipv6"], "ipv4", "Only sockets of this address family.");
pub(super) static NETNS: Parameter = Parameter {
    repeats: true,
    ..text(
        "netns",
        "4026531840",
        "Only this network namespace: its name under /run/netns or its inode. May be repeated.",
    )
};
pub(super) static FIELDS: Parameter = text(
    "fields",
    "process,local_port,remote,rtt",
    "Fields of a record, by name; `+name` and `-name` change the usual ones, `all` is every field. \
     The `id` is always there.",
);
pub(super) static SORT: Parameter = text(
    "sort",
    "-rtt,process",
    "Sort by these fields, `-name` descending. Without it connections are in the order in which \
     they were first seen.",
);
pub(super) static GROUP_BY: Parameter = text(
    "group_by",
    "process",
    "Groups by the value of this field with sums, instead of connections. Excludes sort, fields and \
     cursor.",
);
pub(super) static LIMIT: Parameter = Parameter {
    name: "limit",
    kind: Kind::Whole { usual: DEFAULT_ROWS, most: MAX_ROWS },
    repeats: false,
    about: "Maximum number of rows.",
    example: "100",
};
pub(super) static CURSOR: Parameter =
    text("cursor", "", "`next_cursor` of the previous page, with the same parameters.");
pub(super) static CURSOR_IN_FILTER: Parameter =
    text("cursor", "", "The place in the filter, in bytes. Without it the end of the filter.");
pub(super) static ORDER: Parameter = text(
    "order",
    "new",
    "A window on the list instead of a page: `new` begins an order that is kept, and later the `order` of \
     the answer, with the same parameters (`limit` and `fields` may differ).",
);
pub(super) static OFFSET: Parameter =
    text("offset", "", "The first place of the window, from 0; together with `order`.");
pub(super) static FIND: Parameter = text(
    "find",
    "",
    "The `id` of a connection: the answer names its place in the order as `found`; together with `order`.",
);
pub(super) static GROUP: Parameter = text(
    "group",
    "=nginx",
    "The connections of one group instead of the groups; together with `group_by`. `=` and its value, `?` is the \
     group whose value is unknown, `-` that to which the field does not apply.",
);
pub(super) static AT: Parameter = text(
    "at",
    "",
    "What was true at this moment, by the history of the agent: RFC 3339, or seconds since 1970-01-01 UTC. \
     404 `not-kept` names the times of which there is something.",
);
pub(super) static EVENTS_UNTIL: Parameter = text(
    "at",
    "",
    "The last connections that ended and attempts that failed up to this moment, by the history of the agent, at most \
     `limit` of the day before: RFC 3339, or seconds since 1970-01-01 UTC. Serial numbers are those of the answer.",
);
pub(super) static FROM: Parameter = text(
    "from",
    "",
    "Since when: RFC 3339, or seconds since 1970-01-01 UTC. Without it an hour before `to`.",
);
pub(super) static TO: Parameter = text("to", "", "Until when. Without it the last sample.");
pub(super) static BUCKETS: Parameter = Parameter {
    name: "buckets",
    kind: Kind::Whole { usual: 60, most: 500 },
    repeats: false,
    about: "Most parts, and one more: each begins at a multiple of its length.",
    example: "60",
};
pub(super) static SINCE: Parameter = text(
    "since",
    "",
    "Resume behind this place: the `id` of an event of the stream. `Last-Event-ID` takes precedence.",
);
pub(super) static EVENTS_TOO: Parameter =
    word("events", &["true", "false"], "false", "`false` omits events.");
pub(super) static SINCE_EVENT: Parameter = text(
    "since",
    "",
    "Behind this place: `next_since` of a list, or the `id` of an event of the stream. `Last-Event-ID` \
     takes precedence. Without it a list has everything that is kept, and a stream begins with the next \
     event.",
);
pub(super) static EVENT: Parameter = Parameter {
    repeats: true,
    ..word(
        "event",
        &["opened", "accepted", "closed", "failed"],
        "closed",
        "Only events of this kind. May be repeated.",
    )
};
pub(super) static EXPLAIN: Parameter = word(
    "explain",
    &["1", "0"],
    "1",
    "`1` adds `explain` to each record: the source of each value and the reason of each unknown one.",
);
pub(super) static UPDATES: Parameter =
    word("updates", &["true", "false"], "false", "`false` omits changes of open connections.");

/// The parameters of one request.
#[derive(Debug, Default)]
pub(super) struct Query {
    given: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads the query of `uri`.
    pub(super) fn read(known: &[&'static Parameter], uri: &Uri) -> Result<Self, Problem> {
        if uri.query().is_some_and(|query| query.len() > MAX_QUERY_BYTES) {
            let message = format!("the query is longer than {MAX_QUERY_BYTES} bytes");
            return Err(Problem::bad("query-too-long", message, "ask for less at once"));
        }
        let Ok(Pairs(pairs)) = Pairs::<Vec<(String, String)>>::try_from_uri(uri) else {
            let hint = "write name=value&name=value, with %XX for special characters";
            return Err(Problem::bad("bad-query", "the query cannot be read", hint));
        };
        let mut query = Self::default();
        for (name, value) in pairs {
            let Some(parameter) = known.iter().find(|parameter| parameter.name == name) else {
                return Err(unknown(&name, known));
            };
            if !parameter.repeats && query.get(parameter.name).is_some() {
                let message = format!("`{name}` is given twice");
                return Err(Problem::bad("parameter-twice", message, "give it once"));
            }
            parameter.check(&value)?;
            query.given.push((parameter.name, value));
        }
        Ok(query)
    }

    /// The value of this name, the first if it repeats.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.given.iter().filter(move |(given, _)| *given == name).map(|(_, value)| &**value)
    }

    /// Whether it is given with the word `true`.
    pub(super) fn is_true(&self, name: &str, usual: bool) -> bool {
        self.get(name).map_or(usual, |word| word == "true")
    }

    /// The number of a parameter of [`Kind::Whole`].
    pub(super) fn whole(&self, parameter: &Parameter) -> usize {
        let usual = match parameter.kind {
            Kind::Whole { usual, .. } => usual,
            Kind::Text | Kind::Word(_) => 0,
        };
        self.get(parameter.name).and_then(|value| value.parse().ok()).unwrap_or(usual)
    }

    /// Whether every parameter has its default.
    pub(super) fn is_plain(&self) -> bool {
        let is_usual = |(name, value): &(&'static str, String)| match LIMIT.kind {
            Kind::Whole { usual, .. } => *name == LIMIT.name && value.parse() == Ok(usual),
            Kind::Text | Kind::Word(_) => false,
        };
        self.given.iter().all(is_usual)
    }

    /// The first of these that is given.
    pub(super) fn any_of<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.get(name).is_some())
    }

    /// The parameters but those that may differ from page to page.
    pub(super) fn without_paging(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let is_paging = |name: &str| {
            matches!(name, "cursor" | "limit" | "fields" | "order" | "offset" | "find")
        };
        self.given
            .iter()
            .filter(move |(name, _)| !is_paging(name))
            .map(|(name, value)| (*name, &**value))
    }
}

impl Parameter {
    fn check(&self, value: &str) -> Result<(), Problem> {
        let Self { name, .. } = self;
        let refuse = |hint: String| {
            let message = format!("`{name}` cannot be `{}`", repeated(value));
            Err(Problem::bad("bad-parameter", message, hint))
        };
        match self.kind {
            Kind::Text => Ok(()),
            Kind::Whole { most, .. } => match value.parse::<usize>() {
                Ok(number) if (1..=most).contains(&number) => Ok(()),
                _ => refuse(format!("it is a whole number from 1 to {most}")),
            },
            Kind::Word(words) if words.contains(&value) => Ok(()),
            Kind::Word(words) => refuse(format!("it is one of {}", words.join(", "))),
        }
    }
}

fn unknown(name: &str, known: &[&'static Parameter]) -> Problem {
    let names = || known.iter().map(|parameter| parameter.name);
    let hint = match nearest(name, names().collect::<BTreeSet<_>>()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None if known.is_empty() => "this path has no parameters".to_owned(),
        None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("unknown parameter `{}`", repeated(name));
    Problem::bad("unknown-parameter", message, hint)
}
