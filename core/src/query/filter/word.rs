//! A bare word, without field or operator: whatever it may be the name of.

use super::place::{Place, Ports, parse_ports};
use super::text::Folded;
use super::tree::any;
use super::words;
use crate::model::Class;
use crate::model::{Connection, Direction, Endpoint, Family, Known, Protocol, State};

/// Everything a word may mean; a connection matches if it is any of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) text: Box<str>,
    /// Part of a process name; not of what can only be an address or a port.
    process: Option<Folded>,
    places: Vec<Place>,
    ports: Vec<Ports>,
    state: Option<State>,
    protocol: Option<Protocol>,
    family: Option<Family>,
    direction: Option<Direction>,
    class: Option<Class>,
    ended: Option<&'static str>,
}

impl Word {
    /// Makes out what `text` may mean. In quotes a number is text and not a port.
    pub(super) fn new(text: &str, is_quoted: bool) -> Self {
        let is_number = is_number(text);
        let places = Place::parse(text);
        let ports = if is_quoted && is_number { Vec::new() } else { parse_ports(text) };
        // Digits alone are a name for an address family only where one is asked for.
        let named = |word| if is_number { None } else { Some(word) };
        let is_other = !places.is_empty() || is_number && !is_quoted;
        Self {
            text: text.into(),
            process: (!is_other).then(|| Folded::new(text)),
            places,
            ports,
            state: named(text).and_then(State::from_name),
            protocol: named(text).and_then(words::protocol),
            family: named(text).and_then(words::family),
            direction: named(text).and_then(words::direction),
            class: named(text).and_then(words::class),
            ended: named(text).and_then(words::ended),
        }
    }

    /// Whether it is a number or a range of numbers that can be no port.
    pub(super) fn is_no_port(&self) -> bool {
        self.process.is_none() && self.places.is_empty() && self.ports.is_empty()
    }

    /// Whether it stands for ports as a number, and so must stay unquoted.
    pub(super) fn is_number(&self) -> bool {
        self.process.is_none() && self.places.is_empty()
    }

    /// Whether it is a word of one of the fixed lists.
    pub(super) fn is_listed(text: &str) -> bool {
        State::from_name(text).is_some()
            || words::protocol(text).is_some()
            || words::class(text).is_some()
    }

    pub(super) fn evaluate(&self, connection: &Connection) -> Option<bool> {
        let socket = &connection.socket;
        let direction = match (self.direction, &connection.direction) {
            (None, _) | (_, Known::NotApplicable) => Some(false),
            (Some(_), Known::Unknown(_)) => None,
            (Some(wanted), Known::Value(direction, _)) => Some(wanted == *direction),
        };
        any([
            Some(self.state == Some(socket.state)),
            Some(self.protocol == Some(socket.protocol)),
            Some(self.family == Some(socket.family)),
            Some(self.class == Some(connection.verdict.class)),
            Some(self.is_at(socket.local) || socket.remote.is_some_and(|end| self.is_at(end))),
            direction,
            self.is_how_it_ended(connection),
            self.is_in_process_name(connection),
        ])
    }

    fn is_at(&self, end: Endpoint) -> bool {
        self.places.iter().any(|place| place.contains(end))
            || self.ports.iter().any(|(low, high)| (*low..=*high).contains(&end.port))
    }

    fn is_how_it_ended(&self, connection: &Connection) -> Option<bool> {
        match (self.ended, &connection.closed) {
            (None, _) | (_, Known::NotApplicable) => Some(false),
            (Some(_), Known::Unknown(_)) => None,
            (Some(wanted), Known::Value(closed, _)) => Some(wanted == closed.how.name()),
        }
    }

    fn is_in_process_name(&self, connection: &Connection) -> Option<bool> {
        let Some(name) = &self.process else {
            return Some(false);
        };
        match &connection.owners {
            Known::Value(held, _) if !held.is_empty() => {
                Some(held.iter().any(|owner| name.is_in(&owner.process.name)))
            }
            // Whoever opened it may not hold it any more.
            Known::Value(..) | Known::Unknown(_) => {
                let opener = connection.opened.value().and_then(|opened| opened.by.value());
                opener.is_some_and(|opener| name.is_in(&opener.name)).then_some(true)
            }
            // What no process can hold has no process name.
            Known::NotApplicable => Some(false),
        }
    }
}

/// A number, or a range of them.
fn is_number(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    digits(text)
        || text
            .split_once("..")
            .or_else(|| text.split_once('-'))
            .is_some_and(|(low, high)| digits(low) && digits(high))
}
