//! The fields whose values are words of a fixed list, so that any spelling of a word is understood
//! and a misspelt one is an error instead of a filter that never matches.

use crate::model::{Direction, Family, Protocol, State};
use crate::track::Class;

/// A field with a fixed list of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Vocabulary {
    State,
    Protocol,
    Family,
    Direction,
    Class,
}

impl Vocabulary {
    /// That of the field called `name`, if it has one.
    pub(super) fn of_field(name: &str) -> Option<Self> {
        Some(match name {
            "state" => Self::State,
            "proto" => Self::Protocol,
            "family" => Self::Family,
            "direction" => Self::Direction,
            "verdict" => Self::Class,
            _ => return None,
        })
    }

    /// The word as the field's value has it, from any spelling.
    pub(super) fn canonical(self, word: &str) -> Option<&'static str> {
        match self {
            Self::State => State::from_name(word).map(State::name),
            Self::Protocol => protocol(word).map(Protocol::name),
            Self::Family => family(word).map(Family::name),
            Self::Direction => direction(word).map(Direction::name),
            Self::Class => class(word).map(Class::name),
        }
    }

    /// Every word, for messages.
    pub(super) fn words(self) -> Vec<&'static str> {
        match self {
            Self::State => State::ALL.map(State::name).to_vec(),
            Self::Protocol => PROTOCOLS.map(Protocol::name).to_vec(),
            Self::Family => FAMILIES.map(Family::name).to_vec(),
            Self::Direction => DIRECTIONS.map(Direction::name).to_vec(),
            Self::Class => Class::ALL.map(Class::name).to_vec(),
        }
    }

    /// Words that are not printed but meant, to compare a misspelt one with.
    pub(super) fn spellings(self) -> Vec<&'static str> {
        let mut words = self.words();
        if self == Self::State {
            words.extend(["established", "syn-received", "listening", "closed", "unconnected"]);
        }
        words
    }
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Mptcp];
const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

pub(super) fn protocol(word: &str) -> Option<Protocol> {
    PROTOCOLS.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(word))
}

pub(super) fn family(word: &str) -> Option<Family> {
    let same = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    if same(&["ipv4", "inet", "v4", "4"]) {
        Some(Family::Ipv4)
    } else if same(&["ipv6", "inet6", "v6", "6"]) {
        Some(Family::Ipv6)
    } else {
        None
    }
}

pub(super) fn direction(word: &str) -> Option<Direction> {
    let same = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    if same(&["inbound", "incoming"]) {
        Some(Direction::Inbound)
    } else if same(&["outbound", "outgoing"]) {
        Some(Direction::Outbound)
    } else {
        None
    }
}

/// With `_` and spaces as good as `-`.
pub(super) fn class(word: &str) -> Option<Class> {
    let word = word.replace(['_', ' '], "-");
    Class::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(&word))
}
