//! Parses one command line: `command key=value key=one,two`.
//!
//! A backslash escapes a space, `=`, `,` or a backslash and nothing else. A line is split first and
//! unescaped last.

/// Longest command line, bytes, without its end: RMS closes the connection on a longer one
/// (`MAX_COMMAND_LENGTH`). The parsed line takes less than a megabyte.
pub const LONGEST_LINE: usize = 16 * 1024;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// One text; empty for a key without a value.
    Text(String),
    /// The texts between unescaped commas, without empty ones.
    Array(Vec<String>),
}

/// A parsed command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The text before the first space, in lower case; empty if the line begins with a space.
    pub command: String,
    /// The keys as written and their values, in the order of the line.
    pub arguments: Vec<(String, Argument)>,
    /// The value of `commandId`, which the answer repeats; `None` if empty.
    pub response_id: Option<String>,
}

impl Call {
    /// Parses a line without its end. Every line is valid: bytes that are not UTF-8 are replaced, and
    /// a word without `=` is a key without a value.
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let mut words = split_unescaped(&line, ' ');
        let command = unescaped(trimmed(words.next().unwrap_or_default())).to_ascii_lowercase();
        let arguments = words.filter(|word| !word.is_empty()).filter_map(argument).collect();
        let mut call = Self { command, arguments, response_id: None };
        call.response_id = call.text("commandId").filter(|id| !id.is_empty()).map(str::to_owned);
        call
    }

    /// The text of `key`, compared in any case; the last one if there are several. `None` also for an
    /// array.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let mut given = self.arguments.iter().rev();
        match given.find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            Some((_, Argument::Text(text))) => Some(text),
            Some((_, Argument::Array(_))) | None => None,
        }
    }

    /// Whether `key` is true by C's `atoi`, which reads the number at the start of the text: `1` is
    /// true, `true` is false. `None` if it is absent.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        let text = self.text(key)?;
        let text = text.trim_ascii_start();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let mut number = digits.bytes().take_while(u8::is_ascii_digit);
        Some(number.any(|digit| digit != b'0'))
    }
}

/// The key and the argument of a word; `None` for an empty array.
fn argument(word: &str) -> Option<(String, Argument)> {
    let (key, value) = match find_unescaped(word, '=') {
        Some(at) => (word.get(..at)?, word.get(at + 1..)?),
        None => (word, ""),
    };
    let value = trimmed(value);
    let argument = if find_unescaped(value, ',').is_none() {
        Argument::Text(unescaped(value))
    } else {
        let texts = split_unescaped(value, ',').map(trimmed).filter(|text| !text.is_empty());
        Argument::Array(texts.map(unescaped).collect())
    };
    let is_empty = matches!(&argument, Argument::Array(texts) if texts.is_empty());
    (!is_empty).then(|| (unescaped(trimmed(key)), argument))
}

/// The position of the first unescaped `separator`.
fn find_unescaped(text: &str, separator: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let is_found = !is_escaped && letter == separator;
        is_escaped = !is_escaped && letter == '\\';
        is_found.then_some(at)
    })
}

/// The parts between unescaped `separator`s.
fn split_unescaped(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let Some(at) = find_unescaped(whole, separator) else {
            rest = None;
            return Some(whole);
        };
        rest = whole.get(at + separator.len_utf8()..);
        whole.get(..at)
    })
}

/// Without white space at both ends. A space there is always escaped.
fn trimmed(text: &str) -> &str {
    text.trim_matches(['\t', '\u{b}', '\u{c}'])
}

fn is_special(letter: char) -> bool {
    matches!(letter, ' ' | '=' | ',' | '\\')
}

/// The text without the backslashes that escape.
fn unescaped(text: &str) -> String {
    let mut unescaped = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(&next) if letter == '\\' && is_special(next) => {
                unescaped.push(next);
                letters.next();
            }
            _ => unescaped.push(letter),
        }
    }
    unescaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_escapes_the_letter_after_it() {
        assert_eq!(find_unescaped(r"a\,b,c", ','), Some(4));
        assert_eq!(find_unescaped(r"a\\,b", ','), Some(3));
        assert_eq!(find_unescaped(r"a\\\,b", ','), None);
        assert_eq!(unescaped(r"\\\ \=\,\n\"), r"\ =,\n\");
        assert_eq!(split_unescaped(r"a  b\ c", ' ').collect::<Vec<_>>(), ["a", "", r"b\ c"]);
    }
}
