//! Parses the text of a call: `Module.Name(arguments);`. 1E's variables and SQL are not supported.

use std::ops::Range;

use conns_core::query::nearest;

use super::error::{CallError, CallFault};
use super::method::Method;

/// Longest text of a call in bytes. The longest known call has 33; the rest is for white space, and
/// short enough to be shown whole in a message.
pub const MAX_BYTES: usize = 256;

impl Method {
    /// The method a text calls, such as `Network.GetConnections();`. The parentheses and the
    /// semicolon are optional, white space is allowed between the parts; names are case-sensitive,
    /// as in 1E.
    ///
    /// # Errors
    /// If `text` is no call of a known method; the error has the place and the nearest name.
    pub fn parse(text: &str) -> Result<Self, CallError> {
        parse(text)
    }
}

fn parse(text: &str) -> Result<Method, CallError> {
    if text.len() > MAX_BYTES {
        return Err(CallError::new(text, 0..text.len(), CallFault::TooLong { limit: MAX_BYTES }));
    }
    let mut cursor = Cursor { text, at: 0 };
    let module = cursor.name("a module and a method")?;
    if !cursor.take('.') {
        let word = text.get(module.clone()).unwrap_or_default();
        return Err(match method_named(word) {
            Some(meant) => CallError::new(text, module, CallFault::ModuleMissing { meant }),
            None => cursor.unexpected("`.` and a method"),
        });
    }
    let name = cursor.name("a method")?;
    let method = resolve(text, module, name)?;

    let has_parentheses = cursor.take('(');
    if has_parentheses && !cursor.take(')') {
        return Err(cursor.arguments(method));
    }
    let has_semicolon = cursor.take(';');
    if cursor.peek().is_some() {
        return Err(cursor.unexpected(match (has_parentheses, has_semicolon) {
            (_, true) => "the end of the call",
            (true, false) => "`;` or the end",
            (false, false) => "`(`, `;` or the end",
        }));
    }
    Ok(method)
}

fn method_named(name: &str) -> Option<Method> {
    Method::ALL.into_iter().find(|method| method.name() == name)
}

/// The method of this module and name, both given as ranges of `text`.
fn resolve(text: &str, module: Range<usize>, name: Range<usize>) -> Result<Method, CallError> {
    let place = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
    let (module_name, method_name) = (place(&module), place(&name));
    let is_module = Method::ALL.iter().any(|known| known.module() == module_name);
    let found = Method::ALL
        .into_iter()
        .find(|known| known.module() == module_name && known.name() == method_name);
    match (found, is_module) {
        (Some(method), _) => Ok(method),
        (None, true) => {
            let fault = CallFault::UnknownMethod {
                module: module_name.to_owned(),
                found: method_name.to_owned(),
                nearest: nearest(method_name, Method::ALL.map(Method::name))
                    .and_then(|name| Method::ALL.into_iter().find(|method| method.name() == name)),
            };
            Err(CallError::new(text, name, fault))
        }
        (None, false) => {
            let fault = CallFault::UnknownModule {
                found: module_name.to_owned(),
                nearest: nearest(module_name, Method::ALL.map(Method::module)),
            };
            Err(CallError::new(text, module, fault))
        }
    }
}

/// A position in the text; white space before each part is skipped.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let trimmed = rest.trim_start();
        self.at += rest.len() - trimmed.len();
        trimmed
    }

    fn peek(&mut self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self, expected: char) -> bool {
        let is_next = self.peek() == Some(expected);
        if is_next {
            self.at += expected.len_utf8();
        }
        is_next
    }

    fn name(&mut self, expected: &'static str) -> Result<Range<usize>, CallError> {
        match name_length(self.rest()) {
            0 => Err(self.unexpected(expected)),
            length => {
                let start = self.at;
                self.at += length;
                Ok(start..self.at)
            }
        }
    }

    fn unexpected(&mut self, expected: &'static str) -> CallError {
        let rest = self.rest();
        let one = rest.chars().next().map_or(0, char::len_utf8);
        let length = name_length(rest).max(one);
        let found = rest.get(..length).unwrap_or_default().to_owned();
        let span = self.at..self.at + length;
        CallError::new(self.text, span, CallFault::Unexpected { found, expected })
    }

    /// The error for parentheses with arguments, or without an end.
    fn arguments(&mut self, method: Method) -> CallError {
        let rest = self.rest();
        let end = rest.rfind(')').unwrap_or(rest.len());
        let inside = rest.get(..end).unwrap_or_default();
        let inside = inside.trim_end_matches(|c: char| c.is_whitespace() || c == ';');
        if inside.is_empty() {
            return self.unexpected("`)`");
        }
        let fault = CallFault::ArgumentsGiven { method, found: inside.to_owned() };
        CallError::new(self.text, self.at..self.at + inside.len(), fault)
    }
}

/// Length of the name at the start of `text`, bytes; 0 without one.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}
