//! A bare word without field or operator: matches everything that it can name.

use super::place::{Place, Ports, parse_ports};
use super::text::Folded;
use super::truth::any;
use super::words;
use crate::model::Class;
use crate::model::{Connection, Direction, Endpoint, Family, Known, Protocol, State};

/// All meanings of a word; a connection matches if one of them applies.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) text: Box<str>,
    /// Part of a process name; `None` if the word can only be an address or a port.
    process: Option<Folded>,
    places: Vec<Place>,
    ports: Vec<Ports>,
    /// Owner with this pid.
    pid: Option<u32>,
    state: Option<State>,
    protocol: Option<Protocol>,
    family: Option<Family>,
    direction: Option<Direction>,
    class: Option<Class>,
    ended: Option<&'static str>,
}

impl Word {
    /// Finds the meanings of `text`. In quotes a number is text and not a port.
    pub(super) fn new(text: &str, is_quoted: bool) -> Self {
        let is_number = is_number(text);
        let places = Place::parse(text);
        let ports = if is_quoted && is_number { Vec::new() } else { parse_ports(text) };
        // `4` and `6` are address families only as a value of `family`.
        let named = |word| if is_number { None } else { Some(word) };
        let is_other = !places.is_empty() || is_number && !is_quoted;
        Self {
            text: text.into(),
            process: (!is_other).then(|| Folded::new(text)),
            places,
            ports,
            pid: if is_quoted { None } else { pid(text) },
            state: named(text).and_then(State::from_name),
            protocol: named(text).and_then(words::protocol),
            family: named(text).and_then(words::family),
            direction: named(text).and_then(words::direction),
            class: named(text).and_then(words::class),
            ended: named(text).and_then(words::ended),
        }
    }

    /// Whether it is a number or a range of numbers that can be neither a port nor a pid.
    pub(super) fn is_no_number(&self) -> bool {
        self.process.is_none()
            && self.places.is_empty()
            && self.ports.is_empty()
            && self.pid.is_none()
    }

    /// Whether it is an address, a network or a port.
    pub(super) fn is_place(&self) -> bool {
        !self.places.is_empty()
    }

    /// Whether states are among its meanings.
    pub(super) fn names_state(&self) -> bool {
        self.state.is_some()
    }

    /// Whether this class of verdicts is among its meanings.
    pub(super) fn names_class(&self, class: Class) -> bool {
        self.class == Some(class)
    }

    /// Whether it is a numeric port, which must be printed without quotes.
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
            (Some(direction_is), Known::Value(direction, _)) => Some(direction_is == *direction),
        };
        any([
            Some(self.state == Some(socket.state)),
            Some(self.protocol == Some(socket.protocol)),
            Some(self.family == Some(socket.family)),
            Some(self.class == Some(connection.verdict.class)),
            Some(
                socket.has_internet_ends()
                    && (self.is_at(socket.local)
                        || socket.remote.is_some_and(|end| self.is_at(end))),
            ),
            Some(self.is_in_name(connection)),
            direction,
            self.is_how_it_ended(connection),
            self.is_of_pid(connection),
            self.is_in_process_name(connection),
        ])
    }

    fn is_at(&self, end: Endpoint) -> bool {
        self.places.iter().any(|place| place.contains(end))
            || self.ports.iter().any(|(low, high)| (*low..=*high).contains(&end.port))
    }

    /// Whether it is a part of the name of an end: a path, an interface.
    fn is_in_name(&self, connection: &Connection) -> bool {
        let (Some(other), Some(word)) = (&connection.socket.other, &self.process) else {
            return false;
        };
        [&other.local_name, &other.peer_name]
            .into_iter()
            .any(|name| name.value().is_some_and(|name| word.is_in(name)))
    }

    fn is_how_it_ended(&self, connection: &Connection) -> Option<bool> {
        match (self.ended, &connection.closed) {
            (None, _) | (_, Known::NotApplicable) => Some(false),
            (Some(_), Known::Unknown(_)) => None,
            (Some(reason), Known::Value(closed, _)) => Some(reason == closed.how.name()),
        }
    }

    fn is_of_pid(&self, connection: &Connection) -> Option<bool> {
        let Some(pid) = self.pid else { return Some(false) };
        match &connection.owners {
            Known::Value(owners, _) => Some(owners.iter().any(|owner| owner.process.pid == pid)),
            // A port that matches decides; an unknown pid does not make other numbers unknown.
            Known::Unknown(_) | Known::NotApplicable => Some(false),
        }
    }

    fn is_in_process_name(&self, connection: &Connection) -> Option<bool> {
        let Some(name) = &self.process else {
            return Some(false);
        };
        match &connection.owners {
            Known::Value(owners, _) if !owners.is_empty() => {
                Some(owners.iter().any(|owner| name.is_in(&owner.process.name)))
            }
            // The process that opened it may have closed it.
            Known::Value(..) | Known::Unknown(_) => {
                let opener = connection.opened.value().and_then(|opened| opened.by.value());
                opener.is_some_and(|opener| name.is_in(&opener.name)).then_some(true)
            }
            // Without an owner there is no process name.
            Known::NotApplicable => Some(false),
        }
    }
}

/// A number that can be a pid (`PID_MAX_LIMIT` of `include/linux/threads.h`).
fn pid(text: &str) -> Option<u32> {
    const MAX_PID: u32 = 1 << 22;
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_decimal);
    number.filter(|number| (1..=MAX_PID).contains(number))
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
