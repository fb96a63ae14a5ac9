//! Completes a filter while it is typed: names of fields, operators, values of closed lists, connectives.

use std::ops::Range;

use super::super::{Kind, catalogue};
use super::lex::{Lexeme, Token, Verb, is_word, tokens};
use super::parse::{fits, is_connective, operator_word, subject};
use super::tree::Subject;

/// What may stand at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The bytes of the filter that a candidate replaces.
    pub replaced: Range<usize>,
    /// What may replace them, in the order of the catalogue.
    pub candidates: Vec<Candidate>,
}

/// One completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The text.
    pub text: String,
    /// What it means; empty for values.
    pub meaning: &'static str,
}

/// Operators that are offered, and what they mean.
const OPERATORS: [(&str, Verb, &str); 11] = [
    ("==", Verb::Equal, "equal"),
    ("!=", Verb::Equal, "not equal"),
    ("<", Verb::Less, "less"),
    ("<=", Verb::AtMost, "at most"),
    (">", Verb::Greater, "greater"),
    (">=", Verb::AtLeast, "at least"),
    ("in", Verb::In, "one of a list, a range or a network"),
    ("~", Verb::Matches, "matches a regular expression"),
    ("!~", Verb::Matches, "does not match a regular expression"),
    ("contains", Verb::Contains, "has this part"),
    ("is", Verb::Is, "known, unknown or n/a"),
];

const CONNECTIVES: [(&str, &str); 2] = [("and", "both hold"), ("or", "either holds")];
const NEGATION: (&str, &str) = ("not", "the next does not hold");
const PRESENCES: [(&str, &str); 3] = [
    ("known", "there is a value"),
    ("unknown", "there is a value, but it is not known"),
    ("n/a", "there is no such value"),
];
/// Names of the fields of both ends.
const EITHER_END: [(&str, &str); 2] =
    [("addr", "The address of either end."), ("port", "The port of either end.")];

/// What the grammar expects behind the tokens so far.
#[derive(Clone, Copy)]
enum Expected {
    /// A test, at the beginning or behind a connective.
    Test,
    /// An operator behind a field, or a value as in `state established`.
    Operator(Subject),
    /// A value; whether `is` asks for it.
    Value(Subject, bool),
    /// A value of a list in parentheses.
    Listed(Subject),
    /// A connective, or another test.
    Connective,
}

/// Completes `filter` at the byte `cursor`. A cursor within a character counts as before it. What is
/// replaced is the word at the cursor; candidates begin with its part before the cursor.
#[must_use]
pub fn complete(filter: &str, cursor: usize) -> Completion {
    let cursor = filter.floor_char_boundary(cursor);
    let (before, after) = filter.split_at(cursor);
    let Ok(mut tokens) = tokens(before) else {
        // Within quotes is text of one's own.
        return Completion { replaced: cursor..cursor, candidates: Vec::new() };
    };
    let is_in_word =
        tokens.last().is_some_and(|token| token.lexeme == Lexeme::Word && token.span.end == cursor);
    let word = if is_in_word { tokens.pop() } else { None };
    let mut start = word.map_or(cursor, |token| token.span.start);
    let end = if start < cursor { cursor + word_length(after) } else { cursor };
    let mut expected = tokens.iter().fold(Expected::Test, |so_far, token| {
        let text = before.get(token.span.clone()).unwrap_or_default();
        next(so_far, token, text)
    });
    let mut part = before.get(start..).unwrap_or_default();
    if matches!(expected, Expected::Test | Expected::Connective)
        && let Some((name, value)) = part.split_once(':')
        && let Some((subject, _)) = subject(name)
    {
        // `state:listen`
        start += name.len() + 1;
        (part, expected) = (value, Expected::Value(subject, false));
    }
    Completion { replaced: start..end, candidates: candidates(expected, part) }
}

fn word_length(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

/// What is expected behind one more token.
fn next(so_far: Expected, token: &Token, text: &str) -> Expected {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    match (so_far, &token.lexeme) {
        (_, Lexeme::And | Lexeme::Or) => Expected::Test,
        (Expected::Operator(subject), Lexeme::Operator(_)) => Expected::Value(subject, false),
        // `not in`, and what a shell makes of `!=`.
        (Expected::Operator(_), Lexeme::Not) => so_far,
        (Expected::Operator(_), Lexeme::Word) if is("not") => so_far,
        (Expected::Operator(subject), Lexeme::Word) => match operator_word(text) {
            Some(operator) => Expected::Value(subject, operator.verb == Verb::Is),
            None if is("and") || is("or") => Expected::Test,
            None => Expected::Connective,
        },
        (Expected::Value(..), Lexeme::Word) if is("not") => so_far,
        (Expected::Value(subject, _), Lexeme::Open(_)) => Expected::Listed(subject),
        (Expected::Listed(_), Lexeme::Word | Lexeme::Quoted(_) | Lexeme::Comma) => so_far,
        (Expected::Test | Expected::Connective, Lexeme::Word) => match subject(text) {
            _ if is_connective(text) => Expected::Test,
            _ if is("exclude") => subject("state")
                .map_or(Expected::Connective, |(state, _)| Expected::Value(state, false)),
            Some((subject, _)) => Expected::Operator(subject),
            None => Expected::Connective,
        },
        (_, Lexeme::Not | Lexeme::Open(_) | Lexeme::Operator(_) | Lexeme::Comma) => Expected::Test,
        (_, Lexeme::Word | Lexeme::Quoted(_) | Lexeme::Close(_)) => Expected::Connective,
    }
}

fn candidates(expected: Expected, part: &str) -> Vec<Candidate> {
    match expected {
        Expected::Test => {
            let names = beginning_with(part, [NEGATION]);
            fields(part).into_iter().chain(names).collect()
        }
        Expected::Connective => {
            let mut all = beginning_with(part, CONNECTIVES.into_iter().chain([NEGATION]));
            if !part.is_empty() {
                // Tests may stand side by side.
                all.extend(fields(part));
            }
            all
        }
        Expected::Value(subject, is_presence) => {
            let mut all = values(&subject, part);
            if is_presence {
                all.extend(beginning_with(part, PRESENCES));
            }
            all
        }
        Expected::Listed(subject) => values(&subject, part),
        Expected::Operator(subject) => {
            let kind = subject.kind();
            let fitting = OPERATORS.into_iter().filter(|(_, verb, _)| fits(*verb, kind));
            let mut all = beginning_with(part, fitting.map(|(text, _, meaning)| (text, meaning)));
            if kind == Kind::Bool {
                all.extend(beginning_with(part, CONNECTIVES));
            } else if !part.is_empty() {
                all.extend(values(&subject, part));
            }
            if all.is_empty() { fields(part) } else { all }
        }
    }
}

/// Fields whose name begins so; where none does, those with another name that does.
fn fields(part: &str) -> Vec<Candidate> {
    let part = part.replace('-', "_");
    let named = catalogue().iter().map(|field| (field.name, field.meaning));
    let all = beginning_with(&part, named.chain(EITHER_END));
    if !all.is_empty() {
        return all;
    }
    let others = catalogue().iter().flat_map(|field| {
        let names = field.aliases.iter().copied();
        names.map(|name| (name, field.meaning))
    });
    beginning_with(&part, others)
}

/// Values of the closed list of a field.
fn values(subject: &Subject, part: &str) -> Vec<Candidate> {
    if subject.kind() == Kind::Bool {
        return beginning_with(part, [("true", ""), ("false", "")]);
    }
    let spellings = subject.field.words.map(|words| words.spellings()).unwrap_or_default();
    beginning_with(part, spellings.into_iter().map(|value| (value, "")))
}

fn beginning_with<'a>(
    part: &str,
    all: impl IntoIterator<Item = (&'a str, &'static str)>,
) -> Vec<Candidate> {
    let begins =
        |text: &str| text.get(..part.len()).is_some_and(|start| start.eq_ignore_ascii_case(part));
    let all = all.into_iter().filter(|(text, _)| begins(text));
    all.map(|(text, meaning)| Candidate { text: text.to_owned(), meaning }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn offered(filter: &str) -> Vec<String> {
        let completion = complete(filter, filter.len());
        completion.candidates.into_iter().map(|candidate| candidate.text).collect()
    }

    #[test]
    fn names_of_fields_stand_where_a_test_does() {
        assert_eq!(offered("remote_n"), ["remote_name", "remote_name_origin"]);
        assert_eq!(offered("rtt > 5ms and verd"), ["verdict"]);
        assert_eq!(offered("rtt > 5ms verd"), ["verdict"], "side by side");
        assert_eq!(offered("not (por"), ["port"]);
        assert!(offered("").len() > catalogue().len(), "every field, and what stands before one");
        assert_eq!(offered("cwn"), ["cwnd"], "a name of ss");
    }

    #[test]
    fn operators_follow_a_field_and_fit_its_kind() {
        assert_eq!(offered("rtt "), ["==", "!=", "<", "<=", ">", ">=", "in", "is"]);
        assert_eq!(offered("process "), ["==", "!=", "in", "~", "!~", "contains", "is"]);
        assert_eq!(offered("process con"), ["contains"]);
        assert_eq!(offered("app_limited "), ["==", "!=", "is", "and", "or"]);
    }

    #[test]
    fn values_of_a_closed_list_follow_its_comparison() {
        assert_eq!(offered("direction == "), ["inbound", "outbound"]);
        assert_eq!(offered("state syn-s"), ["SYN-SENT"]);
        assert_eq!(offered("state:syn-s"), ["SYN-SENT"]);
        assert_eq!(offered("exclude b"), ["BOUND", "bucket", "big"]);
        assert_eq!(offered("direction in (inbound, o"), ["outbound"]);
        assert_eq!(offered("rtt is un"), ["unknown"]);
        assert_eq!(offered("app_limited == t"), ["true"]);
        assert!(offered("process == ngi").is_empty(), "its values are no closed list");
        assert!(offered("process == \"ngi").is_empty(), "text of one's own");
    }

    #[test]
    fn connectives_follow_a_comparison() {
        assert_eq!(offered("rtt > 5ms "), ["and", "or", "not"]);
        assert_eq!(offered("direction in (inbound) "), ["and", "or", "not"]);
        assert_eq!(offered("nginx ov"), ["overflows"]);
        assert_eq!(offered("nginx o")[0], "or");
    }

    #[test]
    fn the_word_at_the_cursor_is_replaced() {
        let completion = complete("proc == nginx", 2);
        assert_eq!(completion.replaced, 0..4);
        assert_eq!(complete("state:est", 9).replaced, 6..9);
        assert_eq!(complete("rtt  > 5", 4).replaced, 4..4);
    }

    proptest! {
        #[test]
        fn any_text_and_any_cursor_can_be_completed(text in any::<String>(), cursor in 0_usize..80) {
            let Completion { replaced, candidates } = complete(&text, cursor);
            prop_assert!(replaced.start <= replaced.end && replaced.end <= text.len());
            prop_assert!(text.is_char_boundary(replaced.start) && text.is_char_boundary(replaced.end));
            prop_assert!(candidates.iter().all(|candidate| !candidate.text.is_empty()));
        }

        /// Near filters, every state of the grammar is reached.
        #[test]
        fn texts_like_filters_can_be_completed(
            words in proptest::collection::vec(
                proptest::sample::select(vec![
                    "rtt", "state", "app_limited", "==", "!", "in", "is", "not", "(", ")", "{", ",",
                    "and", "or", "exclude", "é", "\"", "'x'", "state:es", "5", "ms", ":", " ",
                ]), 0..12),
            cursor in 0_usize..60,
        ) {
            let text = words.join(" ");
            let Completion { replaced, candidates } = complete(&text, cursor);
            prop_assert!(text.is_char_boundary(replaced.start) && text.is_char_boundary(replaced.end));
            prop_assert!(replaced.start <= replaced.end);
            for candidate in candidates {
                let part = &text[replaced.start..text.floor_char_boundary(cursor)];
                let part = part.replace('-', "_");
                let given = candidate.text.replace('-', "_").to_ascii_lowercase();
                prop_assert!(given.starts_with(&part.to_ascii_lowercase()));
            }
        }
    }
}
