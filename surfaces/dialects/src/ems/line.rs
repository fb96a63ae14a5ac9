//! Reading one command line: `command key=value key=one,two`. Not what the command means.
//!
//! The one idea: a backslash before a space, `=`, `,` or a backslash takes that character's meaning
//! away and nothing else does, so a line is cut apart first and the backslashes go last.

/// Longest command line, bytes, without its end: RMS closes the connection on a longer one
/// (`MAX_COMMAND_LENGTH`). What is read from it takes less than a megabyte, for as long as the answer
/// is being made.
pub const LONGEST_LINE: usize = 16 * 1024;

/// What is given to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// One text; empty where nothing follows the key.
    Text(String),
    /// Texts between commas that no backslash precedes, empty ones left out.
    Array(Vec<String>),
}

/// A command line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What stands before the first space, in lower case; empty if the line begins with a space.
    pub command: String,
    /// Keys as they were written and what is given to them, in the order of the line.
    pub arguments: Vec<(String, Argument)>,
    /// The text given as `commandId`, which the answer repeats; an empty one is none.
    pub response_id: Option<String>,
}

impl Call {
    /// Reads a line given without its end. Every line means something: whatever is not UTF-8 is
    /// replaced, and a word without `=` is a key to which nothing is given.
    #[must_use]
    pub fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let mut words = pieces(&line, ' ');
        let command = unescaped(trimmed(words.next().unwrap_or_default())).to_ascii_lowercase();
        let arguments = words.filter(|word| !word.is_empty()).filter_map(argument).collect();
        let mut call = Self { command, arguments, response_id: None };
        call.response_id = call.text("commandId").filter(|id| !id.is_empty()).map(str::to_owned);
        call
    }

    /// The text given to `key`, in whatever case it was written; the last one if there are several.
    /// `None` also if an array was given.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        let mut given = self.arguments.iter().rev();
        match given.find(|(name, _)| name.eq_ignore_ascii_case(key)) {
            Some((_, Argument::Text(text))) => Some(text),
            Some((_, Argument::Array(_))) | None => None,
        }
    }

    /// Whether `key` is given and true, as C's `atoi` reads it: by the number the text begins with.
    /// So `1` is true, and `true` is not.
    #[must_use]
    pub fn flag(&self, key: &str) -> Option<bool> {
        let text = self.text(key)?;
        let text = text.trim_ascii_start();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let mut number = digits.bytes().take_while(u8::is_ascii_digit);
        Some(number.any(|digit| digit != b'0'))
    }
}

/// The key and the argument of a word; `None` if it is an array of nothing.
fn argument(word: &str) -> Option<(String, Argument)> {
    let (key, value) = match free(word, '=') {
        Some(at) => (word.get(..at)?, word.get(at + 1..)?),
        None => (word, ""),
    };
    let value = trimmed(value);
    let argument = if free(value, ',').is_none() {
        Argument::Text(unescaped(value))
    } else {
        let texts = pieces(value, ',').map(trimmed).filter(|text| !text.is_empty());
        Argument::Array(texts.map(unescaped).collect())
    };
    let is_empty = matches!(&argument, Argument::Array(texts) if texts.is_empty());
    (!is_empty).then(|| (unescaped(trimmed(key)), argument))
}

/// Where `wanted`, one of the special letters, first stands without a backslash that belongs to it.
fn free(text: &str, wanted: char) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let counts = !is_escaped && letter == wanted;
        is_escaped = !is_escaped && letter == '\\';
        counts.then_some(at)
    })
}

/// The parts between `separator`s that no backslash precedes.
fn pieces(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let Some(at) = free(whole, separator) else {
            rest = None;
            return Some(whole);
        };
        rest = whole.get(at + separator.len_utf8()..);
        whole.get(..at)
    })
}

/// Without white space at both ends. A space there is never free: it would have ended the word.
fn trimmed(text: &str) -> &str {
    text.trim_matches(['\t', '\u{b}', '\u{c}'])
}

fn is_special(letter: char) -> bool {
    matches!(letter, ' ' | '=' | ',' | '\\')
}

/// The text meant, without the backslashes that take a meaning away.
fn unescaped(text: &str) -> String {
    let mut meant = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letters.peek() {
            Some(&next) if letter == '\\' && is_special(next) => {
                meant.push(next);
                letters.next();
            }
            _ => meant.push(letter),
        }
    }
    meant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_belongs_to_the_letter_after_it() {
        assert_eq!(free(r"a\,b,c", ','), Some(4));
        assert_eq!(free(r"a\\,b", ','), Some(3));
        assert_eq!(free(r"a\\\,b", ','), None);
        assert_eq!(unescaped(r"\\\ \=\,\n\"), r"\ =,\n\");
        assert_eq!(pieces(r"a  b\ c", ' ').collect::<Vec<_>>(), ["a", "", r"b\ c"]);
    }
}
