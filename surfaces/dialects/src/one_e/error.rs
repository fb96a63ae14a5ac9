//! Errors of a call: what is wrong, where, and the nearest known name.
//!
//! Printed as three lines: the message, the text, and carets under the place.

use std::fmt;
use std::ops::Range;

use super::method::Method;

/// A text that is no call of a known method, with the place of the error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", Report(self))]
pub struct CallError {
    text: Box<str>,
    span: Range<usize>,
    fault: CallFault,
}

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallFault {
    /// The text is too long.
    TooLong {
        /// Longest text allowed, bytes.
        limit: usize,
    },
    /// Something else was expected here.
    Unexpected {
        /// What is here; empty at the end.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
    /// A method without its module.
    ModuleMissing {
        /// The method of that name.
        meant: Method,
    },
    /// No module has this name.
    UnknownModule {
        /// The name.
        found: String,
        /// The nearest module, if one is near.
        nearest: Option<&'static str>,
    },
    /// The module has no method of this name.
    UnknownMethod {
        /// The module.
        module: String,
        /// The name.
        found: String,
        /// The nearest method, if one is near.
        nearest: Option<Method>,
    },
    /// Arguments for a method that takes none.
    ArgumentsGiven {
        /// The method.
        method: Method,
        /// The text between the parentheses.
        found: String,
    },
}

impl CallError {
    pub(super) fn new(text: &str, span: Range<usize>, fault: CallFault) -> Self {
        Self { text: text.into(), span, fault }
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &CallFault {
        &self.fault
    }

    /// The place in the text, in bytes.
    #[must_use]
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The place's first column, counted in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.chars_before(self.span.start) + 1
    }

    /// The message alone: what is wrong, where, and what to do.
    #[must_use]
    pub fn message(&self) -> String {
        let (what, hint) = (self.fault.what(), self.fault.hint());
        let line = match self.fault {
            CallFault::TooLong { .. } => format!("{what}; {hint}"),
            _ => format!("{what} at column {}; {hint}", self.column()),
        };
        // The text may contain control characters that act on a terminal.
        line.chars().map(printable).collect()
    }

    fn chars_before(&self, at: usize) -> usize {
        self.text.char_indices().take_while(|(start, _)| *start < at).count()
    }
}

impl CallFault {
    /// What is wrong, without the place.
    pub(super) fn what(&self) -> String {
        match self {
            Self::TooLong { limit } => format!("call longer than {limit} bytes"),
            Self::Unexpected { found, expected } if found.is_empty() => {
                format!("expected {expected}, found the end")
            }
            Self::Unexpected { found, expected } => format!("expected {expected}, found `{found}`"),
            Self::ModuleMissing { meant } => {
                format!("method `{}` without its module", meant.name())
            }
            Self::UnknownModule { found, .. } => format!("unknown module `{found}`"),
            Self::UnknownMethod { module, found, .. } => {
                format!("unknown method `{found}` of module `{module}`")
            }
            Self::ArgumentsGiven { method, found } => {
                format!("`{method}` takes no arguments, found `{found}`")
            }
        }
    }

    /// What to do.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::TooLong { .. } | Self::Unexpected { .. } => {
                format!("a call is written `{}();`", Method::GetConnections)
            }
            Self::ModuleMissing { meant } => format!("write `{meant}();`"),
            Self::UnknownModule { found, nearest } => {
                suggestion(found, *nearest, known(Method::module))
            }
            Self::UnknownMethod { found, nearest, .. } => {
                suggestion(found, nearest.map(Method::name), known(Method::name))
            }
            Self::ArgumentsGiven { method, .. } => format!("write `{method}();`"),
        }
    }
}

/// The nearest name, and all known ones.
fn suggestion(found: &str, nearest: Option<&str>, known: Vec<&'static str>) -> String {
    let verb = if known.len() == 1 { "is" } else { "are" };
    let known = format!("known {verb} {}", known.join(" "));
    match nearest {
        Some(nearest) if nearest.to_lowercase() == found.to_lowercase() => {
            format!("did you mean `{nearest}`? names are case-sensitive; {known}")
        }
        Some(nearest) => format!("did you mean `{nearest}`? {known}"),
        None => known,
    }
}

/// The names that `named` returns, each once.
fn known(named: fn(Method) -> &'static str) -> Vec<&'static str> {
    let mut names = Method::ALL.map(named).to_vec();
    names.dedup();
    names
}

/// The three lines; the message only for a text that is too long.
struct Report<'a>(&'a CallError);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        f.write_str(&error.message())?;
        if matches!(error.fault, CallFault::TooLong { .. }) {
            return Ok(());
        }
        let text: String = error.text.chars().map(printable).collect();
        let first = error.chars_before(error.span.start);
        let last = error.chars_before(error.span.end).max(first + 1);
        write!(f, "\n  {text}\n  {}{}", " ".repeat(first), "^".repeat(last - first))
    }
}

fn printable(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}
