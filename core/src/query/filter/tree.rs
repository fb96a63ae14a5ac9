//! A compiled filter and its evaluation.
//!
//! Invariant: three-valued logic as in SQL. A comparison with an unknown value is `None`, neither true
//! nor false, and so is its negation.

use std::cmp::Ordering;
use std::fmt;

use super::super::{Field, Kind, Value};
use super::lex::Verb;
use super::number::Number;
use super::place::Place;
use super::text::{Folded, Pattern};
use super::truth::{any, not};
use super::word::Word;
use crate::model::{Class, Connection, Words};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    /// The empty filter.
    Everything,
    /// Never nested in another `And`, and at least two; the same for `Or`.
    And(Vec<Node>),
    Or(Vec<Node>),
    /// Never nested in another `Not`.
    Not(Box<Node>),
    Test(Test),
    Word(Word),
}

/// One comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Test {
    pub(super) subject: Subject,
    pub(super) check: Check,
    pub(super) negated: bool,
}

/// What is compared: a field, or the same field of both ends.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) field: &'static Field,
    pub(super) other_end: Option<&'static Field>,
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Subject {
    pub(super) fn kind(&self) -> Kind {
        self.field.kind
    }
}

/// How it is compared.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Check {
    /// Equal to, or in, any of these.
    Any(Vec<Operand>),
    /// `<`, `<=`, `>` or `>=`.
    Order(Verb, Number),
    Contains(Folded),
    Matches(Pattern),
    Is(Presence),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Known,
    Unknown,
    NotApplicable,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Number(Number),
    /// Both ends included.
    Range(Number, Number),
    Text(Folded),
    Place(Place),
    Bool(bool),
}

impl Node {
    /// `None` if the answer depends on an unknown value.
    pub(super) fn evaluate(&self, connection: &Connection) -> Option<bool> {
        match self {
            Self::Everything => Some(true),
            Self::And(parts) => not(any(parts.iter().map(|part| part.refuted(connection)))),
            Self::Or(parts) => any(parts.iter().map(|part| part.evaluate(connection))),
            Self::Not(part) => part.refuted(connection),
            Self::Test(test) => test.evaluate(connection),
            Self::Word(word) => word.evaluate(connection),
        }
    }

    /// Whether a test is of states.
    pub(super) fn names_states(&self) -> bool {
        match self {
            Self::Everything => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().any(Self::names_states),
            Self::Not(part) => part.names_states(),
            Self::Test(test) => test.subject.field.words == Some(Words::State),
            Self::Word(word) => word.names_state(),
        }
    }

    /// Whether a test is of this class of verdicts by its name.
    pub(super) fn names_class(&self, class: Class) -> bool {
        let is_it =
            |operand: &Operand| matches!(operand, Operand::Text(text) if text.equals(class.name()));
        match self {
            Self::Everything => false,
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.names_class(class)),
            Self::Not(part) => part.names_class(class),
            Self::Test(test) => {
                test.subject.field.words == Some(Words::Class)
                    && matches!(&test.check, Check::Any(operands) if operands.iter().any(is_it))
            }
            Self::Word(word) => word.names_class(class),
        }
    }

    /// The same filter with the cheap tests first: the order does not change the answer, and most rows
    /// are decided before the memory of their processes is read.
    pub(super) fn planned(&self) -> Self {
        let in_order = |parts: &[Self]| {
            let mut parts: Vec<Self> = parts.iter().map(Self::planned).collect();
            parts.sort_by_key(Self::cost);
            parts
        };
        match self {
            Self::And(parts) => Self::And(in_order(parts)),
            Self::Or(parts) => Self::Or(in_order(parts)),
            Self::Not(part) => Self::Not(Box::new(part.planned())),
            other => other.clone(),
        }
    }

    /// The approximate cost of one evaluation, in comparisons of two numbers.
    fn cost(&self) -> usize {
        match self {
            Self::Everything => 0,
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::cost).sum(),
            Self::Not(part) => part.cost(),
            Self::Test(test) => test.cost(),
            Self::Word(_) => 8,
        }
    }

    fn refuted(&self, connection: &Connection) -> Option<bool> {
        not(self.evaluate(connection))
    }
}

impl Test {
    fn cost(&self) -> usize {
        // Fields of processes are behind two pointers, and can have several values.
        let read = if self.subject.field.of_process { 8 } else { 1 };
        read + match &self.check {
            Check::Any(operands) => operands.len(),
            Check::Order(..) | Check::Is(_) => 1,
            Check::Contains(_) => 4,
            Check::Matches(_) => 32,
        }
    }

    fn evaluate(&self, connection: &Connection) -> Option<bool> {
        let value = self.subject.field.value(connection);
        let answer = match self.subject.other_end {
            None => self.check.holds(&value),
            Some(field) => match (value, field.value(connection)) {
                // A listener has one end; the missing one does not make the answer unknown.
                (value, Value::NotApplicable) | (Value::NotApplicable, value) => {
                    self.check.holds(&value)
                }
                (a, b) => any([self.check.holds(&a), self.check.holds(&b)]),
            },
        };
        answer.map(|answer| answer != self.negated)
    }
}

impl Check {
    fn holds(&self, value: &Value<'_>) -> Option<bool> {
        match (self, value) {
            (Self::Is(presence), Value::Several(values)) => {
                Some(values.iter().any(|value| presence.is_that_of(value)))
            }
            (Self::Is(presence), value) => Some(presence.is_that_of(value)),
            (check, Value::Several(values)) => check.any_holds(values),
            (_, Value::Unknown(_) | Value::NotApplicable) => None,
            (Self::Any(operands), value) => Some(operands.iter().any(|operand| operand.is(value))),
            (Self::Order(verb, number), value) => Some(in_order(*verb, order(value, *number)?)),
            (Self::Contains(part), Value::Text(text)) => Some(part.is_in(text)),
            (Self::Matches(pattern), Value::Text(text)) => Some(pattern.is_in(text)),
            // Unreachable: the parser rejects checks that do not fit the kind of the field.
            (Self::Contains(_) | Self::Matches(_), _) => None,
        }
    }

    /// Owners to which the field does not apply cannot match; if it applies to none of them, the
    /// answer is unknown.
    fn any_holds(&self, values: &[Value<'_>]) -> Option<bool> {
        let mut applicable =
            values.iter().filter(|value| !matches!(value, Value::NotApplicable)).peekable();
        applicable.peek()?;
        any(applicable.map(|value| self.holds(value)))
    }
}

impl Presence {
    fn is_that_of(self, value: &Value<'_>) -> bool {
        self == match value {
            Value::Unknown(_) => Self::Unknown,
            Value::NotApplicable => Self::NotApplicable,
            _ => Self::Known,
        }
    }
}

impl Operand {
    fn is(&self, value: &Value<'_>) -> bool {
        match (self, value) {
            (Self::Number(number), value) => order(value, *number) == Some(Ordering::Equal),
            (Self::Range(low, high), value) => {
                order(value, *low).is_some_and(Ordering::is_ge)
                    && order(value, *high).is_some_and(Ordering::is_le)
            }
            (Self::Text(expected), Value::Text(text)) => expected.equals(text),
            (Self::Place(place), Value::Endpoint(end)) => place.contains(*end),
            (Self::Place(place), Value::Address(address)) => place.contains_address(*address),
            (Self::Bool(expected), Value::Bool(truth)) => expected == truth,
            _ => false,
        }
    }
}

fn in_order(verb: Verb, order: Ordering) -> bool {
    match verb {
        Verb::Less => order.is_lt(),
        Verb::AtMost => order.is_le(),
        Verb::Greater => order.is_gt(),
        Verb::AtLeast => order.is_ge(),
        _ => order.is_eq(),
    }
}

/// The order of the value relative to the number; `None` if it is not a quantity.
fn order(value: &Value<'_>, number: Number) -> Option<Ordering> {
    match value {
        Value::Count(n) | Value::Bytes(n) | Value::Micros(n) => Some(number.order_of(*n)),
        Value::Port(port) => Some(number.order_of(u64::from(*port))),
        Value::BytesPerSecond(real) | Value::Percent(real) => Some(number.order_of_real(*real)),
        Value::Time(micros) => Some(match u64::try_from(*micros) {
            Ok(micros) => number.order_of(micros),
            // Before 1970, which is before every date of a filter.
            Err(_) => Ordering::Less,
        }),
        _ => None,
    }
}
