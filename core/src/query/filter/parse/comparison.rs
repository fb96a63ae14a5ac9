//! Parses one comparison: a field, an operator and a value.

use std::ops::Range;

use super::super::super::Kind;
use super::super::super::nearest::nearest;
use super::super::error::Fault;
use super::super::lex::{Lexeme, Operator, Verb};
use super::super::number::{is_plain_number, is_unit};
use super::super::operand::{number, operands, truth};
use super::super::text::{Folded, Pattern};
use super::super::tree::{Check, Node, Operand, Presence, Subject, Test};
use super::super::word::Word;
use super::super::zone;
use super::super::{MAX_DEPTH, MAX_PATTERNS};
use super::{Failure, Parser, is_connective, single};

/// A field name, and its span.
pub(super) struct Named {
    pub(super) subject: Subject,
    /// Named by its key, which implies the unit.
    pub(super) by_key: bool,
    pub(super) span: Range<usize>,
}

impl Parser<'_> {
    /// Whether an operator follows, so that the previous word must be a field.
    pub(super) fn operator_ahead(&self) -> bool {
        match self.peek() {
            Some(Lexeme::Operator(_)) => true,
            Some(Lexeme::Not) => self.word_at(1).is_some_and(is_negatable),
            Some(Lexeme::Word) => self.word_at(0).is_some_and(|word| {
                operator_word(word).is_some()
                    || word.eq_ignore_ascii_case("not") && self.word_at(1).is_some_and(is_negatable)
            }),
            _ => false,
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        if let Some(Lexeme::Operator(operator)) = self.peek() {
            let operator = *operator;
            self.at += 1;
            return Some(operator);
        }
        if !self.operator_ahead() {
            return None;
        }
        let negated = self.take(&Lexeme::Not) || self.take_word("not");
        let mut operator = operator_word(self.word_at(0)?)?;
        self.at += 1;
        operator.negated ^= negated;
        if operator.verb == Verb::Is && self.take_word("not") {
            operator.negated ^= true;
        }
        Some(operator)
    }

    pub(super) fn comparison(&mut self, named: Named) -> Result<Node, Failure> {
        let subject = named.subject;
        let at = self.span();
        let Some(operator) = self.operator() else {
            return self.without_operator(named);
        };
        let kind = subject.kind();
        if !fits(operator.verb, kind) {
            let fault =
                Fault::UnfitOperator { found: operator.verb.name(), field: subject.name, kind };
            return Err((at, fault));
        }
        let negated = operator.negated;
        let check = match operator.verb {
            Verb::Equal | Verb::Is => match self.presence(&subject) {
                Some(presence) => Check::Is(presence),
                None => return Ok(any_of(subject, self.value(&named)?, negated)),
            },
            Verb::In => return Ok(any_of(subject, self.list(&named)?, negated)),
            Verb::Matches => Check::Matches(self.pattern()?),
            Verb::Contains => Check::Contains(Folded::new(&self.plain_value()?.0)),
            verb => {
                let (text, span) = self.quantity(kind)?;
                let number =
                    number(&subject, named.by_key, &text).map_err(|fault| (span, fault))?;
                Check::Order(verb, number)
            }
        };
        Ok(Node::Test(Test { subject, check, negated }))
    }

    /// `state established`, `dst 10.0.0.0/8`, `app_limited`, `idle`.
    fn without_operator(&mut self, named: Named) -> Result<Node, Failure> {
        let Named { subject, span, .. } = &named;
        let is_bool = subject.kind() == Kind::Bool;
        let has_value = match self.peek() {
            Some(Lexeme::Quoted(_)) => !is_bool,
            Some(Lexeme::Word) => self
                .word_at(0)
                .is_some_and(|word| !is_connective(word) && (!is_bool || truth(word).is_some())),
            _ => false,
        };
        let name = self.source(span.clone());
        let check = if has_value {
            return Ok(any_of(*subject, self.value(&named)?, false));
        } else if is_bool {
            Check::Any(vec![Operand::Bool(true)])
        } else if Word::is_listed(name) {
            return Ok(Node::Word(Word::new(name, false)));
        } else {
            let field = subject.name;
            return Err((span.clone(), Fault::FieldAlone { field }));
        };
        Ok(Node::Test(Test { subject: *subject, check, negated: false }))
    }

    /// `known`, `unknown` or `n/a`, unquoted, unless it is a value of the field.
    fn presence(&mut self, subject: &Subject) -> Option<Presence> {
        let word = self.word_at(0)?;
        let presence = [
            ("known", Presence::Known),
            ("unknown", Presence::Unknown),
            ("n/a", Presence::NotApplicable),
        ]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))?
        .1;
        let own = subject.field.words.and_then(|words| words.canonical(word));
        if own.is_some() {
            return None;
        }
        self.at += 1;
        Some(presence)
    }

    fn value(&mut self, named: &Named) -> Result<Values, Failure> {
        let is_quoted = matches!(self.peek(), Some(Lexeme::Quoted(_)));
        let subject = &named.subject;
        let (text, span) = self.quantity(subject.kind())?;
        let mut values = Values::default();
        match (subject.kind(), zone::split(&text)) {
            _ if zone::is_interface(subject) && !is_quoted && zone::index(&text).is_some() => {
                values.tests.push(zone::bound_to(&text).map_err(|fault| (span, fault))?);
            }
            (Kind::Address | Kind::Endpoint, Some((plain, zone))) => {
                self.has_room(&span)?;
                let read = |plain| operands(subject, named.by_key, plain, self.names);
                let zoned = read(&plain).and_then(|places| {
                    let check = Check::Any(places);
                    let at = Node::Test(Test { subject: *subject, check, negated: false });
                    Ok(Node::And(vec![at, zone::bound_to(zone)?]))
                });
                values.tests.push(zoned.map_err(|fault| (span, fault))?);
            }
            _ => {
                let read = operands(subject, named.by_key, &text, self.names);
                values.operands = read.map_err(|fault| (span, fault))?;
            }
        }
        Ok(values)
    }

    /// Refuses what is nested deeper in its canonical spelling than a filter may be: a test of an address with a zone.
    pub(super) fn has_room(&self, span: &Range<usize>) -> Result<(), Failure> {
        /// `not` and two pairs of parentheses.
        const LEVELS: usize = 3;
        if self.depth + LEVELS > MAX_DEPTH {
            return Err((span.clone(), Fault::TooDeep));
        }
        Ok(())
    }

    fn list(&mut self, named: &Named) -> Result<Values, Failure> {
        let close = match self.peek() {
            Some(Lexeme::Open('(')) => Lexeme::Close(')'),
            Some(Lexeme::Open(_)) => Lexeme::Close('}'),
            _ => return self.value(named),
        };
        self.at += 1;
        let mut all = self.value(named)?;
        loop {
            if self.take(&close) {
                return Ok(all);
            }
            let has_comma = self.take(&Lexeme::Comma);
            if !has_comma && !matches!(self.peek(), Some(Lexeme::Word | Lexeme::Quoted(_))) {
                return Err(self.unexpected("`,` or the end of the list"));
            }
            let Values { operands, tests } = self.value(named)?;
            all.operands.extend(operands);
            all.tests.extend(tests);
        }
    }

    /// A word or a quoted text, and its span.
    fn plain_value(&mut self) -> Result<(String, Range<usize>), Failure> {
        let span = self.span();
        let text = match self.peek() {
            Some(Lexeme::Quoted(text)) => text.clone(),
            Some(Lexeme::Word) => self.source(span.clone()).to_owned(),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += 1;
        Ok((text, span))
    }

    /// A value whose unit may be separated by a space: `50 ms`.
    fn quantity(&mut self, kind: Kind) -> Result<(String, Range<usize>), Failure> {
        let (mut text, mut span) = self.plain_value()?;
        let takes_unit = kind.is_quantity() && is_plain_number(&text);
        if takes_unit
            && let Some(unit) = self.word_at(0)
            && is_unit(unit)
        {
            text.push_str(unit);
            span.end = self.span().end;
            self.at += 1;
        }
        Ok((text, span))
    }

    fn pattern(&mut self) -> Result<Pattern, Failure> {
        let is_quoted = matches!(self.peek(), Some(Lexeme::Quoted(_)));
        let (text, span) = self.plain_value()?;
        let next = self.span();
        let is_cut =
            next.start == span.end && !matches!(self.peek(), None | Some(Lexeme::Close(_)));
        if !is_quoted && is_cut {
            return Err((next, Fault::UnquotedPattern));
        }
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            return Err((span, Fault::TooManyPatterns));
        }
        Pattern::new(&text).map_err(|reason| (span, Fault::BadPattern { reason }))
    }
}

/// The values of a comparison: operands of its field, and tests of more than that.
#[derive(Default)]
struct Values {
    operands: Vec<Operand>,
    tests: Vec<Node>,
}

/// Whether the field has one of the values.
fn any_of(subject: Subject, values: Values, negated: bool) -> Node {
    let Values { operands, tests: mut parts } = values;
    if !operands.is_empty() {
        let check = Check::Any(operands);
        parts.insert(0, Node::Test(Test { subject, check, negated: false }));
    }
    match single(parts, Node::Or) {
        Node::Test(test) => Node::Test(Test { negated, ..test }),
        node if negated => Node::Not(Box::new(node)),
        node => node,
    }
}

/// Operators that are words, for messages.
const OPERATOR_WORDS: [&str; 10] =
    ["in", "contains", "matches", "is", "eq", "ne", "lt", "le", "gt", "ge"];
/// Operators of other languages, and what they are called here.
const FOREIGN_OPERATORS: [(&str, &str); 9] = [
    ("like", "contains"),
    ("ilike", "contains"),
    ("has", "contains"),
    ("includes", "contains"),
    ("startswith", "matches"),
    ("regexp", "matches"),
    ("rlike", "matches"),
    ("equals", "eq"),
    ("between", "in"),
];

/// The operator that a word is close to but is not; `None` if there is none. Words of one or two letters are too close to all.
pub(super) fn nearest_operator(word: &str) -> Option<&'static str> {
    let foreign = FOREIGN_OPERATORS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
    foreign.map(|(_, known)| *known).or_else(|| {
        let long = OPERATOR_WORDS.into_iter().filter(|operator| operator.len() > 2);
        nearest(word, long)
    })
}

/// The operator that a word is.
pub(in super::super) fn operator_word(word: &str) -> Option<Operator> {
    let (verb, negated) = match word.to_ascii_lowercase().as_str() {
        "in" => (Verb::In, false),
        "contains" => (Verb::Contains, false),
        "matches" => (Verb::Matches, false),
        "is" => (Verb::Is, false),
        "eq" => (Verb::Equal, false),
        "ne" | "neq" => (Verb::Equal, true),
        "lt" => (Verb::Less, false),
        "le" | "leq" => (Verb::AtMost, false),
        "gt" => (Verb::Greater, false),
        "ge" | "geq" => (Verb::AtLeast, false),
        _ => return None,
    };
    Some(Operator { verb, negated })
}

/// Whether the word is an operator that `not` can precede.
fn is_negatable(word: &str) -> bool {
    ["in", "contains", "matches"].iter().any(|operator| operator.eq_ignore_ascii_case(word))
}

/// Whether fields of this kind can be compared so.
pub(in super::super) fn fits(verb: Verb, kind: Kind) -> bool {
    match verb {
        Verb::Is => true,
        // `owners == unknown` is valid; `owners == 5` is refused with its value.
        Verb::Equal => true,
        Verb::In => kind != Kind::Bool && !kind.is_list(),
        Verb::Less | Verb::AtMost | Verb::Greater | Verb::AtLeast => has_order(kind),
        Verb::Matches | Verb::Contains => kind == Kind::Text,
    }
}

fn has_order(kind: Kind) -> bool {
    kind.is_quantity() || matches!(kind, Kind::Port | Kind::Time)
}
