//! The filter language, in the manner of Wireshark's display filters, `ss` and SQL's `WHERE`;
//! described in `docs/filter.md`.
//!
//! The one idea: a filter is compiled once, and refused there with the place of the fault. What
//! compiles cannot fail on a row.

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
mod word;
mod words;

use std::fmt;
use std::str::FromStr;

pub use error::{Fault, FilterError};

use crate::model::Connection;
use tree::Node;

/// Longest filter in bytes. People write hundreds; programs that list every pid of a service
/// write thousands.
pub const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of parentheses and `not`. Parsing, evaluating and dropping are recursive, and
/// this keeps them on any thread's stack.
pub const MAX_DEPTH: usize = 64;
/// Most regular expressions in one filter: each takes memory, and time on every row.
pub const MAX_PATTERNS: usize = 32;

/// A condition on connections, ready to be asked of many.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// As it was written, to be printed.
    root: Node,
    /// As it is evaluated.
    plan: Node,
}

impl Filter {
    /// Compiles a filter. The empty filter matches everything.
    ///
    /// # Errors
    /// If `text` is no filter; the error says where and what was expected.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let root = parse::parse(text)?;
        let plan = root.planned();
        Ok(Self { root, plan })
    }

    /// Whether `connection` is certainly meant: a comparison with an unknown value is not true,
    /// and neither is its negation.
    #[must_use]
    pub fn matches(&self, connection: &Connection) -> bool {
        self.evaluate(connection) == Some(true)
    }

    /// The same with its third answer: `None` where what is asked is not known.
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

/// One spelling for each meaning. It parses to the same filter, unless that spelling is longer than
/// [`MAX_BYTES`].
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}
