//! Reads the cells of a kept row.

use std::borrow::Cow;
use std::net::IpAddr;

use conns_core::model::{Endpoint, Known, Source, Unknown};

use crate::cell::Cell;

/// The cells of a row by the names of their columns.
pub(super) struct Row<'r, 'a>(pub(super) &'r dyn Fn(&str) -> Cell<'a>);

/// A value of the history, or that it is not kept.
pub(super) fn known<T>(value: Option<T>) -> Known<T> {
    Known::from_option(value, Source::History, Unknown::NotKept)
}

/// As [`known`]; not applicable where it neither is kept nor `applies`.
pub(super) fn known_if<T>(applies: bool, value: Option<T>) -> Known<T> {
    match value {
        None if !applies => Known::NotApplicable,
        value => known(value),
    }
}

impl<'a> Row<'_, 'a> {
    /// A text.
    pub(super) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        match (self.0)(name) {
            Cell::Text(text) => Some(text),
            Cell::Null | Cell::Integer(_) | Cell::Real(_) => None,
        }
    }

    /// The one of `all` that has this name.
    pub(super) fn word<T: Copy>(
        &self,
        name: &str,
        all: impl IntoIterator<Item = T>,
        name_of: impl Fn(T) -> &'static str,
    ) -> Option<T> {
        let word = self.text(name)?;
        all.into_iter().find(|one| name_of(*one) == word)
    }

    /// A time, microseconds since 1970-01-01 UTC.
    pub(super) fn time(&self, name: &str) -> Option<i64> {
        match (self.0)(name) {
            Cell::Integer(us) => Some(us),
            Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
        }
    }

    /// A number.
    pub(super) fn whole(&self, name: &str) -> Option<u64> {
        match (self.0)(name) {
            Cell::Integer(number) => u64::try_from(number).ok(),
            // As `Cell::unsigned` writes what is beyond the range of INTEGER.
            Cell::Real(number) if number >= i64::MAX as f64 => Some(number as u64),
            Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
        }
    }

    /// A number of fewer bits.
    pub(super) fn small<T: TryFrom<u64>>(&self, name: &str) -> Option<T> {
        self.whole(name).and_then(|number| number.try_into().ok())
    }

    /// A number that may be fractional.
    pub(super) fn fraction(&self, name: &str) -> Option<f64> {
        match (self.0)(name) {
            Cell::Real(number) => Some(number),
            Cell::Integer(number) => Some(number as f64),
            Cell::Null | Cell::Text(_) => None,
        }
    }

    /// An end of the connection.
    pub(super) fn endpoint(&self, address: &str, port: &str) -> Option<Endpoint> {
        let address: IpAddr = self.text(address)?.parse().ok()?;
        Some(Endpoint { address, port: self.small(port)? })
    }
}
