//! Recursive descent parser: `or` over `and` over `not` over one test. Fields, addresses and patterns
//! are resolved here, so that evaluation cannot fail.

mod comparison;

use std::ops::Range;

use super::super::nearest::{nearest, nearest_field};
use super::super::{Kind, find_field};
use super::error::{Fault, FilterError};
use super::lex::{Lexeme, Token, tokens};
use super::tree::{Node, Subject};
use super::word::Word;
use super::{MAX_BYTES, MAX_DEPTH};
use comparison::{Named, OPERATOR_WORDS};

/// The span and the fault; the text is added at the boundary of this module.
type Failure = (Range<usize>, Fault);

pub(super) fn parse(text: &str) -> Result<Node, FilterError> {
    parse_text(text).map_err(|(span, fault)| FilterError::new(text, span, fault))
}

fn parse_text(text: &str) -> Result<Node, Failure> {
    if text.len() > MAX_BYTES {
        return Err((0..0, Fault::TooLong));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0, patterns: 0 };
    if parser.tokens.is_empty() {
        return Ok(Node::Everything);
    }
    let node = parser.alternatives()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.stray()),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    patterns: usize,
}

impl<'a> Parser<'a> {
    // === tokens ===

    fn peek(&self) -> Option<&Lexeme> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Lexeme> {
        self.tokens.get(self.at + ahead).map(|token| &token.lexeme)
    }

    /// The span of the next token; the end of the text after the last.
    fn span(&self) -> Range<usize> {
        self.tokens
            .get(self.at)
            .map_or(self.text.len()..self.text.len(), |token| token.span.clone())
    }

    fn source(&self, span: Range<usize>) -> &'a str {
        self.text.get(span).unwrap_or_default()
    }

    fn word_at(&self, ahead: usize) -> Option<&'a str> {
        let token = self.tokens.get(self.at + ahead)?;
        (token.lexeme == Lexeme::Word).then(|| self.source(token.span.clone()))
    }

    /// Consumes the next token if it is this word.
    fn take_word(&mut self, expected: &str) -> bool {
        let found = self.word_at(0).is_some_and(|word| word.eq_ignore_ascii_case(expected));
        self.at += usize::from(found);
        found
    }

    fn take(&mut self, expected: &Lexeme) -> bool {
        let found = self.peek() == Some(expected);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &'static str) -> Failure {
        let span = self.span();
        let found = self.source(span.clone()).to_owned();
        (span, Fault::Unexpected { found, expected })
    }

    // === structure ===

    fn enter(&mut self) -> Result<(), Failure> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err((self.span(), Fault::TooDeep));
        }
        Ok(())
    }

    fn alternatives(&mut self) -> Result<Node, Failure> {
        let mut parts = Vec::new();
        loop {
            match self.conjunction()? {
                Node::Or(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            if !(self.take(&Lexeme::Or) || self.take_word("or")) {
                return Ok(single(parts, Node::Or));
            }
        }
    }

    fn conjunction(&mut self) -> Result<Node, Failure> {
        let mut parts = Vec::new();
        loop {
            match self.negation()? {
                Node::And(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            let goes_on = self.take(&Lexeme::And) || self.take_word("and") || self.is_next_test();
            if !goes_on {
                return Ok(single(parts, Node::And));
            }
        }
    }

    /// Whether the next word is a field: `ss` leaves `and` out between tests.
    fn is_next_test(&self) -> bool {
        self.word_at(0).is_some_and(|word| subject(word).is_some())
    }

    fn negation(&mut self) -> Result<Node, Failure> {
        if !(self.take(&Lexeme::Not) || self.take_word("not")) {
            return self.test();
        }
        self.enter()?;
        let inner = self.negation()?;
        self.depth -= 1;
        Ok(match inner {
            Node::Not(twice) => *twice,
            inner => Node::Not(Box::new(inner)),
        })
    }

    fn test(&mut self) -> Result<Node, Failure> {
        const EXPECTED: &str = "a field, a word or `(`";
        let span = self.span();
        match self.peek() {
            Some(Lexeme::Open('(')) => {
                self.enter()?;
                self.at += 1;
                let inner = self.alternatives()?;
                if !self.take(&Lexeme::Close(')')) {
                    return Err(match self.peek() {
                        Some(Lexeme::Close(_)) | None => self.unexpected("`)`"),
                        Some(_) => self.stray(),
                    });
                }
                self.depth -= 1;
                Ok(inner)
            }
            Some(Lexeme::Quoted(text)) => {
                let word = Word::new(text, true);
                self.at += 1;
                if self.operator_ahead() {
                    return Err(unknown_field(self.source(span.clone()), span));
                }
                Ok(Node::Word(word))
            }
            Some(Lexeme::Word) => {
                let name = self.source(span.clone());
                if is_connective(name) {
                    return Err(self.unexpected(EXPECTED));
                }
                self.at += 1;
                match subject(name) {
                    Some((subject, by_key)) => self.comparison(Named { subject, by_key, span }),
                    None if self.operator_ahead() => Err(unknown_field(name, span)),
                    None => bare_word(name, span),
                }
            }
            _ => Err(self.unexpected(EXPECTED)),
        }
    }

    /// The error for a token after a complete filter.
    fn stray(&self) -> Failure {
        const EXPECTED: &str = "`and`, `or` or the end";
        // `process like x` read so far as `process == like`, and `proces nginx` as a word.
        let before = self.at.checked_sub(1).and_then(|at| self.tokens.get(at));
        let is_value = matches!(self.peek(), Some(Lexeme::Word | Lexeme::Quoted(_)));
        if let Some(token) = before
            && token.lexeme == Lexeme::Word
            && (is_value || self.peek() == Some(&Lexeme::Open('(')))
        {
            let span = token.span.clone();
            let word = self.source(span.clone());
            let follows_field = self
                .at
                .checked_sub(2)
                .and_then(|at| self.tokens.get(at))
                .filter(|token| token.lexeme == Lexeme::Word)
                .is_some_and(|token| subject(self.source(token.span.clone())).is_some());
            if follows_field {
                return (
                    span,
                    Fault::UnknownOperator {
                        found: word.to_owned(),
                        nearest: nearest(word, OPERATOR_WORDS),
                    },
                );
            }
            if is_value && nearest_field(word).is_some() && subject(word).is_none() {
                return unknown_field(word, span);
            }
        }
        self.unexpected(EXPECTED)
    }
}

fn is_connective(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|connective| connective.eq_ignore_ascii_case(word))
}

/// The field called `name`, or the fields of both ends if it names no end; and whether `name` is its key.
fn subject(name: &str) -> Option<(Subject, bool)> {
    if let Some(field) = find_field(name) {
        let subject = Subject { name: field.name, field, other_end: None };
        return Some((subject, field.key.eq_ignore_ascii_case(name)));
    }
    let (name, local, remote) = match name.to_ascii_lowercase().as_str() {
        "port" => ("port", "local_port", "remote_port"),
        "addr" | "address" | "host" | "ip" => ("addr", "local_addr", "remote_addr"),
        _ => return None,
    };
    let subject = Subject { name, field: find_field(local)?, other_end: find_field(remote) };
    Some((subject, false))
}

fn unknown_field(name: &str, span: Range<usize>) -> Failure {
    let fault = Fault::UnknownField { found: name.to_owned(), nearest: nearest_field(name) };
    (span, fault)
}

fn bare_word(text: &str, span: Range<usize>) -> Result<Node, Failure> {
    let word = Word::new(text, false);
    if word.is_no_port() {
        return Err((
            span,
            Fault::UnfitValue {
                found: text.to_owned(),
                field: "port",
                kind: Kind::Port,
                nearest: None,
            },
        ));
    }
    Ok(Node::Word(word))
}

/// The single part, or all parts joined.
fn single(mut parts: Vec<Node>, join: fn(Vec<Node>) -> Node) -> Node {
    match parts.pop() {
        Some(part) if parts.is_empty() => part,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}
