//! The canonical spelling of a filter, which parses to the same filter.

use std::fmt::{self, Display};

use super::super::Kind;
use super::date;
use super::lex::quote;
use super::number::{self, Number};
use super::tree::{Check, Node, Operand, Presence, Test};
use super::word::Word;

impl Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => Ok(()),
            Self::And(parts) => joined(f, parts, " and "),
            Self::Or(parts) => joined(f, parts, " or "),
            Self::Not(inner) => {
                f.write_str("not ")?;
                part(f, inner)
            }
            Self::Test(test) => test.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Node], between: &str) -> fmt::Result {
    for (index, node) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        // Parentheses around `and` below `or` are redundant, but easier to read.
        part(f, node)?;
    }
    Ok(())
}

fn part(f: &mut fmt::Formatter<'_>, node: &Node) -> fmt::Result {
    match node {
        Node::And(_) | Node::Or(_) => write!(f, "({node})"),
        _ => node.fmt(f),
    }
}

impl Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_number() { f.write_str(&self.text) } else { f.write_str(&quote(&self.text)) }
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.subject.kind();
        let not = |plain, negated| if self.negated { negated } else { plain };
        write!(f, "{} ", self.subject.name)?;
        match &self.check {
            Check::Any(operands) => match operands.as_slice() {
                [one @ Operand::Range(..)] => {
                    write!(f, "{} {}", not("in", "not in"), operand(one, kind))
                }
                [one] => write!(f, "{} {}", not("==", "!="), operand(one, kind)),
                several => {
                    let all: Vec<String> = several.iter().map(|one| operand(one, kind)).collect();
                    write!(f, "{} ({})", not("in", "not in"), all.join(", "))
                }
            },
            Check::Order(verb, number) => {
                write!(f, "{} {}", verb.name(), number_text(*number, kind))
            }
            Check::Contains(text) => {
                write!(f, "{} {}", not("contains", "not contains"), quote(&text.text))
            }
            Check::Matches(pattern) => {
                write!(f, "{} {}", not("~", "!~"), quote(pattern.text()))
            }
            Check::Is(presence) => {
                let word = match presence {
                    Presence::Known => "known",
                    Presence::Unknown => "unknown",
                    Presence::NotApplicable => "n/a",
                };
                write!(f, "{} {word}", not("is", "is not"))
            }
        }
    }
}

fn operand(operand: &Operand, kind: Kind) -> String {
    match operand {
        Operand::Number(number) => number_text(*number, kind),
        Operand::Range(low, high) => {
            format!("{}..{}", number_text(*low, kind), number_text(*high, kind))
        }
        Operand::Text(text) => quote(&text.text),
        Operand::Place(place) => place.to_string(),
        Operand::Bool(truth) => truth.to_string(),
    }
}

fn number_text(number: Number, kind: Kind) -> String {
    match (kind, number) {
        (Kind::Time, Number::Whole(micros)) => date::text(micros),
        _ => number::text(number, kind),
    }
}
