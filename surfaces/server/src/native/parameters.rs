//! Query parameters: each declared once, read and refused by that declaration.

use std::collections::BTreeSet;

use axum::extract::Query as Pairs;
use conns_core::query::nearest;
use http::Uri;

use super::problem::{Problem, repeated};
use super::routes::LIMIT;

/// Longest query of a request, bytes: more than the shell takes as the whole head of a request.
const QUERY_BYTES: usize = 32 * 1024;

/// What may stand behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text; checked by whoever uses it.
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

/// The parameters of one request.
#[derive(Debug, Default)]
pub(super) struct Query {
    given: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads the query of `uri`.
    pub(super) fn read(known: &[&'static Parameter], uri: &Uri) -> Result<Self, Problem> {
        if uri.query().is_some_and(|query| query.len() > QUERY_BYTES) {
            let message = format!("the query is longer than {QUERY_BYTES} bytes");
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

    /// Whether nothing at all is asked but what is usual.
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

    /// What is asked apart from which page of it: parameters that may differ from page to page are
    /// left out.
    pub(super) fn without_paging(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let is_paging = |name: &str| matches!(name, "cursor" | "limit" | "fields");
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
        None if known.is_empty() => "this path takes no parameters".to_owned(),
        None => format!("known are {}", names().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("unknown parameter `{}`", repeated(name));
    Problem::bad("unknown-parameter", message, hint)
}
