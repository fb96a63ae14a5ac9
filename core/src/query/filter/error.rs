//! Errors of filters: position, what was found, what was expected, and a suggestion.

use std::fmt;
use std::ops::Range;

use super::super::Kind;
use super::super::nearest::field_hint;
use super::number::unit_names;

/// A syntax error of a filter. Printed as three lines: the message, the filter, and carets under the
/// position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Report(self))]
pub struct FilterError {
    text: Box<str>,
    span: Range<usize>,
    fault: Box<Fault>,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The filter is longer than [`MAX_BYTES`](super::MAX_BYTES).
    TooLong,
    /// Parentheses and `not` are nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    TooDeep,
    /// There are more patterns than [`MAX_PATTERNS`](super::MAX_PATTERNS).
    TooManyPatterns,
    /// A quote is opened and not closed.
    UnclosedQuote,
    /// Another token was expected here.
    Unexpected {
        /// The token found; empty at the end.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// No field has this name.
    UnknownField {
        /// The name.
        found: String,
        /// The most similar field.
        nearest: Option<&'static str>,
    },
    /// There is no such operator.
    UnknownOperator {
        /// What was found in place of an operator.
        found: String,
        /// The most similar operator.
        nearest: Option<&'static str>,
    },
    /// A field that is not a bool has no comparison.
    FieldAlone {
        /// The field.
        field: &'static str,
    },
    /// The operator does not apply to this field.
    UnfitOperator {
        /// The operator.
        found: &'static str,
        /// The field.
        field: &'static str,
        /// Its kind.
        kind: Kind,
    },
    /// The value is not of the field's kind.
    UnfitValue {
        /// The value.
        found: String,
        /// The field.
        field: &'static str,
        /// Its kind.
        kind: Kind,
        /// The most similar service, for ports.
        nearest: Option<&'static str>,
    },
    /// No interface can have this name.
    UnfitInterface {
        /// The name; empty if it is missing.
        found: String,
    },
    /// A number has no unit where one is required.
    UnitMissing {
        /// The number.
        found: String,
        /// The field.
        field: &'static str,
        /// Its kind.
        kind: Kind,
    },
    /// The unit is not one of the field's kind.
    UnfitUnit {
        /// The unit.
        found: String,
        /// The field.
        field: &'static str,
        /// Its kind.
        kind: Kind,
    },
    /// `Mb` can be megabit or megabyte.
    AmbiguousUnit {
        /// The unit.
        found: String,
    },
    /// The number is 2^64 or more.
    TooLarge {
        /// The number.
        found: String,
    },
    /// The end of a range is below its start.
    BackwardRange {
        /// The range.
        found: String,
    },
    /// The word is not one of the fixed list of the field.
    UnknownWord {
        /// The word.
        found: String,
        /// The field.
        field: &'static str,
        /// The most similar word.
        nearest: Option<&'static str>,
        /// All of them.
        known: Vec<&'static str>,
    },
    /// The pattern is not a regular expression.
    BadPattern {
        /// The reason.
        reason: String,
    },
    /// The pattern contains characters that must be quoted.
    UnquotedPattern,
}

impl FilterError {
    pub(super) fn new(text: &str, span: Range<usize>, fault: Fault) -> Self {
        Self { text: text.into(), span, fault: Box::new(fault) }
    }

    /// The position in the text of the filter, in bytes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The first column of the position, counted in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.chars_before(self.span.start) + 1
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The message alone: what is wrong, where, and a hint.
    #[must_use]
    pub fn message(&self) -> String {
        let (what, hint) = (self.fault.what(), self.fault.hint());
        let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
        // The text of the filter can contain control characters.
        let line = format!("{what} at column {}{hint}", self.column());
        line.chars().map(printable).collect()
    }

    fn chars_before(&self, at: usize) -> usize {
        self.text.char_indices().take_while(|(start, _)| *start < at).count()
    }
}

/// The three lines.
struct Report<'a>(&'a FilterError);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        /// Characters of a long filter shown before and after the start of the position.
        const AROUND: usize = 60;
        writeln!(f, "{}", error.message())?;
        let first = error.chars_before(error.span.start);
        let last = error.chars_before(error.span.end).max(first + 1);
        let all = error.text.chars().count();
        let from = first.saturating_sub(AROUND);
        let to = all.min(first + AROUND);
        let cut = |is_cut| if is_cut { "…" } else { "" };
        let shown: String =
            error.text.chars().skip(from).take(to.saturating_sub(from)).map(printable).collect();
        writeln!(f, "  {}{shown}{}", cut(from > 0), cut(to < all))?;
        let indent = 2 + usize::from(from > 0) + first - from;
        let carets = last.min(to.max(first + 1)) - first;
        write!(f, "{}{}", " ".repeat(indent), "^".repeat(carets))
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

/// A found text, truncated for messages.
fn short(found: &str) -> String {
    const MAX_CHARACTERS: usize = 60;
    if found.chars().count() <= MAX_CHARACTERS {
        return found.to_owned();
    }
    found.chars().take(MAX_CHARACTERS).chain(['…']).collect()
}

impl Fault {
    /// What is wrong, without the position.
    fn what(&self) -> String {
        match self {
            Self::TooLong => format!("filter longer than {} bytes", super::MAX_BYTES),
            Self::TooDeep => format!("more than {} nested parentheses", super::MAX_DEPTH),
            Self::TooManyPatterns => {
                format!("more than {} patterns in one filter", super::MAX_PATTERNS)
            }
            Self::UnclosedQuote => "quote not closed".to_owned(),
            Self::Unexpected { found, expected } if found.is_empty() => {
                format!("expected {expected}, found the end")
            }
            Self::Unexpected { found, expected } => {
                format!("expected {expected}, found `{}`", short(found))
            }
            Self::UnknownField { found, .. } => format!("unknown field `{}`", short(found)),
            Self::UnknownOperator { found, .. } => {
                format!("unknown operator `{}`", short(found))
            }
            Self::FieldAlone { field } => format!("field `{field}` compared with nothing"),
            Self::UnfitOperator { found, field, kind } => {
                format!("`{found}` does not work on `{field}`, {}", article(*kind))
            }
            Self::UnfitValue { found, field, kind, .. } => {
                format!("expected {} for `{field}`, found `{}`", article(*kind), short(found))
            }
            Self::UnfitInterface { found } if found.is_empty() => {
                "expected an interface after `%`".to_owned()
            }
            Self::UnfitInterface { found } => {
                format!("`{}` cannot be the name of an interface", short(found))
            }
            Self::UnitMissing { found, field, .. } => {
                format!("`{}` needs a unit for `{field}`", short(found))
            }
            Self::UnfitUnit { found, kind, .. } => {
                format!("`{}` is not a unit of {}", short(found), article(*kind))
            }
            Self::AmbiguousUnit { found } => format!("`{}` can be bits or bytes", short(found)),
            Self::TooLarge { found } => format!("number `{}` too large", short(found)),
            Self::BackwardRange { found } => {
                format!("range `{}` ends before it begins", short(found))
            }
            Self::UnknownWord { found, field, .. } => {
                format!("`{}` is not a {field}", short(found))
            }
            Self::BadPattern { reason } => format!("not a regular expression ({})", short(reason)),
            Self::UnquotedPattern => "pattern ends here".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::UnknownField { nearest, .. } => field_hint(*nearest),
            Self::UnknownOperator { nearest, .. } => match nearest {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "operators are == != < <= > >= ~ !~ in contains is".to_owned(),
            },
            Self::FieldAlone { field } => {
                format!("write `{field} == …`, or \"{field}\" in quotes to search for the word")
            }
            Self::UnfitOperator { kind, .. } => format!("it takes {}", operators(*kind)),
            Self::UnfitValue { nearest: Some(nearest), .. } => format!("did you mean `{nearest}`?"),
            Self::UnfitValue { kind, .. } => format!("such as {}", example(*kind)),
            Self::UnfitInterface { found } if found.is_empty() => {
                "such as fe80::1%eth0, or its index: fe80::1%2".to_owned()
            }
            Self::UnfitInterface { .. } => {
                "it has at most 15 bytes, and no `/`, `:`, `%` or space; `ip link` lists the names"
                    .to_owned()
            }
            Self::UnitMissing { kind, .. } | Self::UnfitUnit { kind, .. } => {
                format!("units are {}", unit_names(*kind))
            }
            Self::AmbiguousUnit { .. } => "write MB or Mbit, MB/s or Mbit/s".to_owned(),
            Self::UnknownWord { nearest: Some(nearest), .. } => {
                format!("did you mean `{nearest}`?")
            }
            Self::UnknownWord { known, .. } => format!("known are {}", known.join(" ")),
            Self::UnquotedPattern => "put the whole pattern in quotes".to_owned(),
            _ => return None,
        })
    }

    /// The most similar field, operator or word.
    #[must_use]
    pub fn nearest(&self) -> Option<&'static str> {
        match self {
            Self::UnknownField { nearest, .. }
            | Self::UnknownOperator { nearest, .. }
            | Self::UnfitValue { nearest, .. }
            | Self::UnknownWord { nearest, .. } => *nearest,
            _ => None,
        }
    }
}

/// The kind with its article.
fn article(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Count => "a number",
        Kind::Port => "a port",
        Kind::Bytes => "a number of bytes",
        Kind::BytesPerSecond => "a rate",
        Kind::Duration => "a duration",
        Kind::Percent => "a percentage",
        Kind::Address => "an address",
        Kind::Endpoint => "an address, a network or a port",
        Kind::Bool => "true or false",
        Kind::Time => "a date",
        Kind::List(_) => "a list",
    }
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "nginx",
        Kind::Count => "10",
        Kind::Port => "443, https or 8000-9000",
        Kind::Bytes => "64KiB",
        Kind::BytesPerSecond => "10Mbit/s",
        Kind::Duration => "50ms",
        Kind::Percent => "1.5%",
        Kind::Address => "10.0.0.1 or 10.0.0.0/8",
        Kind::Endpoint => "10.0.0.1, 10.0.0.0/8, 10.0.0.1:443, [::1]:443 or :443",
        Kind::Bool => "true",
        Kind::Time => "2026-01-31 or 2026-01-31T12:00:00Z",
        Kind::List(list) => list.compare_instead,
    }
}

fn operators(kind: Kind) -> String {
    let all = match kind {
        Kind::List(list) => {
            let instead = list.compare_instead;
            return format!("`is known` and `is unknown`; compare {instead} instead");
        }
        Kind::Text => "== != ~ !~ in contains is",
        Kind::Address | Kind::Endpoint => "== != in is",
        Kind::Bool => "== != is",
        _ => "== != < <= > >= in is",
    };
    all.to_owned()
}
