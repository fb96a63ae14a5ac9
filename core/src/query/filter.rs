//! The filter language, similar to Wireshark's display filters, `ss` and SQL's `WHERE`; described in
//! `docs/filter.md`.
//!
//! Invariant: all errors are found when a filter is parsed. Evaluation cannot fail.

mod complete;
mod date;
mod error;
mod lex;
mod number;
mod operand;
mod parse;
mod place;
mod print;
mod text;
mod tree;
mod truth;
mod word;
mod words;
mod zone;

use std::fmt;
use std::str::FromStr;

pub use complete::{Candidate, Completion, complete};
pub use date::parse as parse_date;
pub use error::{Fault, FilterError};
pub use place::HostNames;

use crate::model::{Class, Connection};
use tree::Node;

/// Maximum length of a filter in bytes. Filters typed by hand have hundreds; generated ones that list
/// every pid of a service have thousands.
pub const MAX_BYTES: usize = 64 * 1024;
/// Maximum nesting of parentheses and `not`. Parsing, evaluation and drop are recursive; the limit
/// bounds their use of the stack.
pub const MAX_DEPTH: usize = 64;
/// Maximum regular expressions in one filter: each takes memory, and time per row.
pub const MAX_PATTERNS: usize = 32;

/// A compiled condition on connections.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// In the order as written, for printing.
    root: Node,
    /// In the order of evaluation.
    plan: Node,
}

impl Filter {
    /// Compiles a filter. The empty filter matches everything.
    ///
    /// # Errors
    /// If `text` is not a filter; the error contains the position and what was expected.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_with(text, &place::no_names)
    }

    /// Compiles a filter in which host names may be values of addresses; `names` finds their addresses.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn parse_with(text: &str, names: HostNames<'_>) -> Result<Self, FilterError> {
        let root = parse::parse(text, names)?;
        let plan = root.planned();
        Ok(Self { root, plan })
    }

    /// Whether `connection` certainly matches: a comparison with an unknown value is not true,
    /// and neither is its negation.
    #[must_use]
    pub fn matches(&self, connection: &Connection) -> bool {
        self.evaluate(connection) == Some(true)
    }

    /// Whether it asks for states, so that a list must not leave any out.
    #[must_use]
    pub fn names_states(&self) -> bool {
        self.root.names_states()
    }

    /// Whether it names the verdict `class`, so that a list must not leave it out.
    #[must_use]
    pub fn names_class(&self, class: Class) -> bool {
        self.root.names_class(class)
    }

    /// The word, if the filter is a single bare word.
    #[must_use]
    pub fn single_word(&self) -> Option<&str> {
        match &self.root {
            Node::Word(word) => Some(&word.text),
            _ => None,
        }
    }

    /// The three-valued answer: `None` if it depends on an unknown value.
    #[must_use]
    pub fn evaluate(&self, connection: &Connection) -> Option<bool> {
        self.plan.evaluate(connection)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The canonical spelling. It parses to the same filter, unless it is longer than [`MAX_BYTES`].
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
