//! The value of a comparison: parses a text for the kind of a field.

use super::super::Kind;
use super::super::nearest::nearest;
use super::super::services::service_names;
use super::date;
use super::error::Fault;
use super::number::{self, Number, UnitError};
use super::place::{HostNames, Place, parse_ports};
use super::text::Folded;
use super::tree::{Operand, Subject};
use super::words::states;
use super::zone;
use crate::model::Words;

/// Parses `text` for `subject`; several operands if a name stands for several ports.
/// With `bare` a number without a unit is in the base unit. `names` finds the addresses of host names.
pub(super) fn operands(
    subject: &Subject,
    bare: bool,
    text: &str,
    names: HostNames<'_>,
) -> Result<Vec<Operand>, Fault> {
    let kind = subject.kind();
    match kind {
        Kind::Text => text_operands(subject, text),
        Kind::Bool => bool_operand(subject, text).map(|operand| vec![operand]),
        Kind::Port => port_operands(subject, text),
        Kind::Address | Kind::Endpoint => place_operands(subject, text, names),
        Kind::List(_) => Err(Fault::UnfitOperator { found: "==", field: subject.name, kind }),
        Kind::Count
        | Kind::Bytes
        | Kind::BytesPerSecond
        | Kind::Duration
        | Kind::Percent
        | Kind::Time => match split_range(kind, text) {
            Some((low, high)) => {
                let low = low_end(kind, bare, low, high);
                let low = number(subject, bare, &low)?;
                let high = number(subject, bare, high)?;
                range(low, high, text).map(|operand| vec![operand])
            }
            None => Ok(vec![Operand::Number(number(subject, bare, text)?)]),
        },
    }
}

fn unfit(subject: &Subject, text: &str) -> Fault {
    Fault::UnfitValue {
        found: text.to_owned(),
        field: subject.name,
        kind: subject.kind(),
        nearest: None,
    }
}

fn text_operands(subject: &Subject, text: &str) -> Result<Vec<Operand>, Fault> {
    let of = |word| Operand::Text(Folded::new(word));
    if zone::is_interface(subject) {
        return Ok(vec![Operand::Text(zone::name(text)?)]);
    }
    let Some(vocabulary) = subject.field.words else {
        return Ok(vec![of(text)]);
    };
    if vocabulary == Words::State {
        let states = states(text);
        if !states.is_empty() {
            return Ok(states.into_iter().map(|state| of(state.name())).collect());
        }
    }
    match vocabulary.canonical(text) {
        Some(word) => Ok(vec![of(word)]),
        None => Err(Fault::UnknownWord {
            found: text.to_owned(),
            field: subject.name,
            nearest: nearest(text, vocabulary.spellings()),
            known: vocabulary.words(),
        }),
    }
}

fn bool_operand(subject: &Subject, text: &str) -> Result<Operand, Fault> {
    truth(text).map(Operand::Bool).ok_or_else(|| unfit(subject, text))
}

/// Parses a boolean.
pub(super) fn truth(word: &str) -> Option<bool> {
    let same = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    if same(&["true", "yes", "1"]) {
        Some(true)
    } else if same(&["false", "no", "0"]) {
        Some(false)
    } else {
        None
    }
}

fn port_operands(subject: &Subject, text: &str) -> Result<Vec<Operand>, Fault> {
    // `ss` writes ports as `:22`.
    let plain = text.strip_prefix(':').unwrap_or(text);
    let ports = parse_ports(plain);
    if ports.is_empty() {
        let range = split_range(Kind::Port, plain);
        let ends = |(low, high): (&str, &str)| Some((port(low)?, port(high)?));
        if range.and_then(ends).is_some_and(|(low, high)| low > high) {
            return Err(Fault::BackwardRange { found: text.to_owned() });
        }
        return Err(Fault::UnfitValue {
            found: text.to_owned(),
            field: subject.name,
            kind: Kind::Port,
            nearest: nearest(plain, service_names()),
        });
    }
    let whole = |port| Number::Whole(u64::from(port));
    Ok(ports
        .into_iter()
        .map(|(low, high)| {
            if low == high {
                Operand::Number(whole(low))
            } else {
                Operand::Range(whole(low), whole(high))
            }
        })
        .collect())
}

fn port(text: &str) -> Option<u16> {
    text.parse().ok()
}

fn place_operands(
    subject: &Subject,
    text: &str,
    names: HostNames<'_>,
) -> Result<Vec<Operand>, Fault> {
    let mut places = Place::parse(text);
    if places.is_empty() {
        places = Place::of_host(text, names);
    }
    let has_ports = places.iter().any(|place| place.ports.is_some());
    if places.is_empty() || has_ports && subject.kind() == Kind::Address {
        return Err(unfit(subject, text));
    }
    Ok(places.into_iter().map(Operand::Place).collect())
}

/// The ends of `8000-9000` or `8000..9000`; dates contain dashes.
fn split_range(kind: Kind, text: &str) -> Option<(&str, &str)> {
    let ends = text.split_once("..").or_else(|| match kind {
        Kind::Time => None,
        _ => text.split_once('-'),
    })?;
    let is_number = |end: &str| end.trim_start().starts_with(|c: char| c.is_ascii_digit());
    (is_number(ends.0) && is_number(ends.1)).then(|| (ends.0.trim(), ends.1.trim()))
}

/// The low end of a range, with the unit of the high end if it has none: `10-50ms`.
fn low_end(kind: Kind, bare: bool, low: &str, high: &str) -> String {
    if number::parse(low, kind, bare) == Err(UnitError::UnitMissing)
        || number::is_plain_number(low) && !number::suffix(high).is_empty()
    {
        format!("{low}{}", number::suffix(high))
    } else {
        low.to_owned()
    }
}

fn range(low: Number, high: Number, text: &str) -> Result<Operand, Fault> {
    if low.is_at_most(high) {
        Ok(Operand::Range(low, high))
    } else {
        Err(Fault::BackwardRange { found: text.to_owned() })
    }
}

/// One number of the subject's kind, for `<` and similar operators.
pub(super) fn number(subject: &Subject, bare: bool, text: &str) -> Result<Number, Fault> {
    let kind = subject.kind();
    match kind {
        Kind::Port => match port_operands(subject, text)?.as_slice() {
            [Operand::Number(port)] => Ok(*port),
            _ => Err(unfit(subject, text)),
        },
        Kind::Time => time(subject, bare, text),
        _ => {
            // Rates and durations have no default unit.
            let bare = bare || !matches!(kind, Kind::Duration | Kind::BytesPerSecond);
            number::parse(text, kind, bare).map_err(|refusal| refused(subject, text, refusal))
        }
    }
}

fn time(subject: &Subject, bare: bool, text: &str) -> Result<Number, Fault> {
    if let Some(micros) = date::parse(text) {
        return Ok(Number::Whole(micros));
    }
    match number::parse(text, Kind::Time, bare) {
        Ok(Number::Whole(micros)) if bare && micros <= date::LAST => Ok(Number::Whole(micros)),
        _ => Err(unfit(subject, text)),
    }
}

fn refused(subject: &Subject, text: &str, refusal: UnitError) -> Fault {
    let (field, kind) = (subject.name, subject.kind());
    match refusal {
        UnitError::NotANumber => unfit(subject, text),
        UnitError::UnitMissing => Fault::UnitMissing { found: text.to_owned(), field, kind },
        UnitError::UnitUnfit(unit) => Fault::UnfitUnit { found: unit, field, kind },
        UnitError::UnitAmbiguous(unit) => Fault::AmbiguousUnit { found: unit },
        UnitError::TooLarge => Fault::TooLarge { found: text.to_owned() },
    }
}
