//! Splits the text into tokens with spans. Keywords are words here: the parser decides whether `in`
//! is an operator or the name of a process.

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use super::error::Fault;

/// The comparison of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Equal,
    Less,
    AtMost,
    Greater,
    AtLeast,
    Matches,
    Contains,
    In,
    Is,
}

impl Verb {
    /// The operator as written, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Matches => "~",
            Self::Contains => "contains",
            Self::In => "in",
            Self::Is => "is",
        }
    }
}

/// An operator: a comparison, possibly negated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Operator {
    pub(super) verb: Verb,
    pub(super) negated: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lexeme {
    /// A word, a number, an address: anything unquoted.
    Word,
    /// The text between quotes, escapes resolved.
    Quoted(String),
    Open(char),
    Close(char),
    Comma,
    Operator(Operator),
    Not,
    And,
    Or,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) lexeme: Lexeme,
    pub(super) span: Range<usize>,
}

/// Splits `text` into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, (Range<usize>, Fault)> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if first.is_whitespace() {
            continue;
        }
        let lexeme = match first {
            '(' | '{' => Lexeme::Open(first),
            ')' | '}' => Lexeme::Close(first),
            ',' => Lexeme::Comma,
            '"' | '\'' => Lexeme::Quoted(
                quoted(&mut chars, first).ok_or((start..text.len(), Fault::UnclosedQuote))?,
            ),
            '&' => {
                chars.next_if(|next| next.1 == '&');
                Lexeme::And
            }
            '|' => {
                chars.next_if(|next| next.1 == '|');
                Lexeme::Or
            }
            '=' | '!' | '<' | '>' | '~' => operator(&mut chars, first),
            _ => {
                while chars.next_if(|next| is_word(next.1)).is_some() {}
                Lexeme::Word
            }
        };
        let end = chars.peek().map_or(text.len(), |next| next.0);
        tokens.push(Token { lexeme, span: start..end });
    }
    Ok(tokens)
}

/// Whether an unquoted word goes on with it.
pub(super) fn is_word(c: char) -> bool {
    !c.is_whitespace() && !"(){},\"'&|=!<>~".contains(c)
}

fn operator(chars: &mut Peekable<CharIndices<'_>>, first: char) -> Lexeme {
    let mut followed_by = |wanted| chars.next_if(|next| next.1 == wanted).is_some();
    let (verb, negated) = match first {
        '=' if followed_by('~') => (Verb::Matches, false),
        '=' => {
            followed_by('=');
            (Verb::Equal, false)
        }
        '!' if followed_by('=') => (Verb::Equal, true),
        '!' if followed_by('~') => (Verb::Matches, true),
        '!' => return Lexeme::Not,
        '<' if followed_by('=') => (Verb::AtMost, false),
        '<' if followed_by('>') => (Verb::Equal, true),
        '<' => (Verb::Less, false),
        '>' if followed_by('=') => (Verb::AtLeast, false),
        '>' => (Verb::Greater, false),
        _ => (Verb::Matches, false),
    };
    Lexeme::Operator(Operator { verb, negated })
}

/// The text up to the closing quote; `None` if there is none.
///
/// Between `"`, a backslash escapes a quote or a backslash and is literal before any other character, so
/// that `"\d+"` is the regular expression `\d+`. Between `'` only `''` is special, as in SQL.
fn quoted(chars: &mut Peekable<CharIndices<'_>>, quote: char) -> Option<String> {
    let mut text = String::new();
    loop {
        let (_, next) = chars.next()?;
        if next == quote {
            if quote == '\'' && chars.next_if(|after| after.1 == quote).is_some() {
                text.push(quote);
                continue;
            }
            return Some(text);
        }
        if next == '\\'
            && quote == '"'
            && let Some((_, escaped)) = chars.next_if(|after| matches!(after.1, '"' | '\\'))
        {
            text.push(escaped);
            continue;
        }
        text.push(next);
    }
}

/// `text` in quotes, so that [`tokens`] reads it back.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}
