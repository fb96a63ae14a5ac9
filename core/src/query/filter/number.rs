//! Numbers of a field's kind: [`units`] by the dimension of the kind.

use super::super::Kind;
use crate::units::{self, Dimension};

pub(super) use crate::units::{Number, UnitError, is_plain_number, is_unit, suffix};

fn dimension(kind: Kind) -> Dimension {
    match kind {
        Kind::Duration => Dimension::Duration,
        Kind::Bytes => Dimension::Bytes,
        Kind::BytesPerSecond => Dimension::BytesPerSecond,
        Kind::Percent => Dimension::Percent,
        Kind::Count => Dimension::Count,
        _ => Dimension::Plain,
    }
}

/// The units of a kind, for messages.
pub(super) fn unit_names(kind: Kind) -> &'static str {
    units::unit_names(dimension(kind))
}

/// Parses a number of `kind`. With `bare` a number without a unit is in the base unit.
pub(super) fn parse(text: &str, kind: Kind, bare: bool) -> Result<Number, UnitError> {
    units::parse(text, dimension(kind), bare)
}

/// The number as [`parse`] reads it back.
pub(super) fn text(number: Number, kind: Kind) -> String {
    number.text(dimension(kind))
}
