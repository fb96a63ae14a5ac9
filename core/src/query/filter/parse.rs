//! Recursive descent parser: `or` over `and` over `not` over one test. Fields, addresses and patterns
//! are resolved here, so that evaluation cannot fail.

mod comparison;

use std::ops::Range;

use super::super::nearest::nearest_field;
use super::super::{Kind, find_field};
use super::error::{Fault, FilterError};
use super::lex::{Lexeme, Token, tokens};
use super::operand::operands;
use super::place::{HostNames, Place, parse_ports};
use super::text::Folded;
use super::tree::{Check, Node, Operand, Subject, Test};
use super::word::Word;
use super::zone;
use super::{MAX_BYTES, MAX_DEPTH};
use crate::model::Words;
use comparison::{Named, nearest_operator};
pub(super) use comparison::{fits, operator_word};

/// The span and the fault; the text is added at the boundary of this module.
type Failure = (Range<usize>, Fault);

pub(super) fn parse(text: &str, names: HostNames<'_>) -> Result<Node, FilterError> {
    parse_text(text, names).map_err(|(span, fault)| FilterError::new(text, span, fault))
}

fn parse_text(text: &str, names: HostNames<'_>) -> Result<Node, Failure> {
    if text.len() > MAX_BYTES {
        return Err((0..0, Fault::TooLong));
    }
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0, patterns: 0, names };
    if parser.tokens.is_empty() {
        return Ok(Node::Everything);
    }
    let node = parser.alternatives()?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.unexpected("`and`, `or` or the end")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    patterns: usize,
    names: HostNames<'a>,
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

    /// Tests joined by `and`, or by nothing as in `ss`; there two states without `and` are either.
    fn conjunction(&mut self) -> Result<Node, Failure> {
        let mut parts: Vec<Node> = Vec::new();
        let mut is_joined = true;
        loop {
            match self.negation()? {
                Node::And(inner) => parts.extend(inner),
                Node::Test(test) if !is_joined && add_states(&mut parts, &test) => {}
                part => parts.push(part),
            }
            is_joined = self.take(&Lexeme::And) || self.take_word("and");
            if !is_joined && !self.is_next_test(parts.last())? {
                return Ok(single(parts, Node::And));
            }
        }
    }

    /// Whether a test follows the one before without `and`. A misspelt field or operator looks like that.
    fn is_next_test(&self, before: Option<&Node>) -> Result<bool, Failure> {
        let follows = match self.peek() {
            Some(Lexeme::Word) => {
                !self.word_at(0).is_some_and(|word| word.eq_ignore_ascii_case("or"))
            }
            Some(Lexeme::Quoted(_) | Lexeme::Not | Lexeme::Open('(')) => true,
            _ => false,
        };
        if follows && let Some(error) = self.misspelling(before) {
            return Err(error);
        }
        Ok(follows)
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
        if let Some(excluded) = self.excluded() {
            return Ok(excluded);
        }
        match self.peek() {
            Some(Lexeme::Open('(')) => {
                self.enter()?;
                self.at += 1;
                let inner = self.alternatives()?;
                if !self.take(&Lexeme::Close(')')) {
                    return Err(self.unexpected("`)`"));
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
                    None => self.bare_word(name, span),
                }
            }
            _ => Err(self.unexpected(EXPECTED)),
        }
    }

    /// `exclude time-wait` of `ss`.
    fn excluded(&mut self) -> Option<Node> {
        let is_exclude = self.word_at(0).is_some_and(|word| word.eq_ignore_ascii_case("exclude"));
        let word = self.word_at(1).filter(|_| is_exclude)?;
        let (subject, by_key) = subject("state")?;
        // Another word is none of `ss`, so that `exclude` is one itself.
        let states = operands(&subject, by_key, word, self.names).ok()?;
        self.at += 2;
        Some(Node::Test(Test { subject, check: Check::Any(states), negated: true }))
    }

    /// A word without a field: `nginx`, `443`, `10.0.0.0/8`; also `nginx:443`, a word at a port, and `process:nginx`.
    fn bare_word(&self, text: &str, span: Range<usize>) -> Result<Node, Failure> {
        if let Some(node) = self.zoned_word(text, &span)? {
            return Ok(node);
        }
        let word = Word::new(text, false);
        let unfit = |field, kind| {
            let found = text.to_owned();
            Err((span.clone(), Fault::UnfitValue { found, field, kind, nearest: None }))
        };
        if word.is_no_number() {
            return unfit("port", Kind::Port);
        }
        if word.is_place() || word.is_number() {
            return Ok(Node::Word(word));
        }
        if looks_like_address(text) {
            return unfit("addr", Kind::Address);
        }
        if let Some(node) = self.host(text) {
            return Ok(node);
        }
        let Some((head, tail)) = text.split_once(':').filter(|(_, tail)| !tail.is_empty()) else {
            return Ok(Node::Word(word));
        };
        if let Some((subject, by_key)) = subject(head) {
            let named = Named { subject, by_key, span: span.clone() };
            return self.with_colon(&named, tail).map_err(|fault| (span, fault));
        }
        let (before, at_port) = (Word::new(head, false), Word::new(&format!(":{tail}"), false));
        if at_port.is_place() && !head.is_empty() {
            // What is no word by itself is none at a port.
            if before.is_no_number() || !before.is_number() && looks_like_address(head) {
                return unfit("local", Kind::Endpoint);
            }
            return Ok(Node::And(vec![Node::Word(before), Node::Word(at_port)]));
        }
        Ok(Node::Word(word))
    }

    /// `fe80::1%eth0`, `127.0.0.1%lo:53`: an address at either end, and the interface.
    fn zoned_word(&self, text: &str, span: &Range<usize>) -> Result<Option<Node>, Failure> {
        let Some((plain, zone)) = zone::split(text) else { return Ok(None) };
        let word = Word::new(&plain, false);
        let at = if word.is_place() { Some(Node::Word(word)) } else { self.host(&plain) };
        let Some(at) = at else { return Ok(None) };
        self.has_room(span)?;
        let bound = zone::bound_to(zone).map_err(|fault| (span.clone(), fault))?;
        Ok(Some(Node::And(vec![at, bound])))
    }

    /// `localhost`, `localhost:5432`, `db.example:5432`: either end. Other words are not looked up as hosts.
    fn host(&self, text: &str) -> Option<Node> {
        let (host, has_port) = text.split_once(':').map_or((text, false), |(host, _)| (host, true));
        let is_host = host.eq_ignore_ascii_case("localhost") || has_port && host.contains('.');
        if !is_host {
            return None;
        }
        let places = Place::of_host(text, self.names);
        if places.is_empty() {
            return None;
        }
        let at = |end| {
            let check = Check::Any(places.iter().copied().map(Operand::Place).collect());
            Some(Node::Test(Test { subject: subject(end)?.0, check, negated: false }))
        };
        Some(Node::Or(vec![at("local")?, at("remote")?]))
    }

    /// `process:nginx`, `port:443`, `state:listen`. A text without a list of words is a part, as it is of a bare word.
    fn with_colon(&self, named: &Named, text: &str) -> Result<Node, Fault> {
        let subject = named.subject;
        let check = match subject.kind() {
            Kind::Text if subject.field.words.is_none() => Check::Contains(Folded::new(text)),
            Kind::Endpoint if !parse_ports(text).is_empty() => {
                let at_port = format!(":{text}");
                Check::Any(operands(&subject, named.by_key, &at_port, self.names)?)
            }
            _ => Check::Any(operands(&subject, named.by_key, text, self.names)?),
        };
        Ok(Node::Test(Test { subject, check, negated: false }))
    }

    /// The error if the test before ended with a word that is close to an operator or a field: `process like x` was read so
    /// far as `process == like`, and `proces nginx` as a word.
    fn misspelling(&self, before: Option<&Node>) -> Option<Failure> {
        if !matches!(self.peek(), Some(Lexeme::Word | Lexeme::Quoted(_) | Lexeme::Open('('))) {
            return None;
        }
        let token = self.tokens.get(self.at.checked_sub(1)?)?;
        if token.lexeme != Lexeme::Word {
            return None;
        }
        let span = token.span.clone();
        let word = self.source(span.clone());
        let follows_field = self
            .at
            .checked_sub(2)
            .and_then(|at| self.tokens.get(at))
            .filter(|token| token.lexeme == Lexeme::Word)
            .is_some_and(|token| subject(self.source(token.span.clone())).is_some());
        if follows_field {
            let nearest = Some(nearest_operator(word)?);
            let found = word.to_owned();
            return Some((span, Fault::UnknownOperator { found, nearest }));
        }
        let is_bare = matches!(before, Some(Node::Word(bare)) if *bare.text == *word);
        /// Shorter words are names of programs as often as misspelt fields.
        const MIN_BYTES: usize = 5;
        let is_close = word.len() >= MIN_BYTES && nearest_field(word).is_some();
        (is_bare && is_close && !Word::is_listed(word)).then(|| unknown_field(word, span))
    }
}

/// Adds the states of `test` to those of the test before; whether both are of states.
fn add_states(parts: &mut [Node], test: &Test) -> bool {
    let Some(Node::Test(before)) = parts.last_mut() else { return false };
    let is_state = |test: &Test| test.subject.field.words == Some(Words::State) && !test.negated;
    match (&mut before.check, &test.check) {
        (Check::Any(states), Check::Any(more)) if before.subject == test.subject => {
            let is_of_states = is_state(test) && !before.negated;
            if is_of_states {
                states.extend(more.iter().cloned());
            }
            is_of_states
        }
        _ => false,
    }
}

pub(super) fn is_connective(word: &str) -> bool {
    ["and", "or", "not"].iter().any(|connective| connective.eq_ignore_ascii_case(word))
}

/// The field called `name`, or the fields of both ends if it names no end; and whether `name` is its key.
pub(super) fn subject(name: &str) -> Option<(Subject, bool)> {
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

/// Whether it has the form of an address or a network, so that it is one that cannot exist: `300.1.1.1`, `10.0.0.0/33`.
fn looks_like_address(text: &str) -> bool {
    let address = text.split('/').next().unwrap_or_default();
    let is_of = |allowed: fn(u8) -> bool| !address.is_empty() && address.bytes().all(allowed);
    let is_v4 = is_of(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_v6 = is_of(|byte| byte.is_ascii_hexdigit() || byte == b':');
    let colons = address.bytes().filter(|byte| *byte == b':').count();
    is_v4 && (address.contains('.') || text.contains('/')) || is_v6 && colons > 1
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
