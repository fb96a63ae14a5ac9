//! Fields whose values are words of a fixed list: all spellings of a word are accepted, and an unknown
//! word is an error instead of a filter that never matches.

use crate::model::{Class, CloseReason, Closer, Direction, Family, Protocol, State, Words};

impl Words {
    /// The canonical spelling of a word.
    pub(super) fn canonical(self, word: &str) -> Option<&'static str> {
        match self {
            Self::State => State::from_name(word).map(State::name),
            Self::Protocol => protocol(word).map(Protocol::name),
            Self::Family => family(word).map(Family::name),
            Self::Direction => direction(word).map(Direction::name),
            Self::Class => class(word).map(Class::name),
            Self::Closer => closer(word).map(Closer::name),
            Self::CloseReason => ended(word),
            Self::List(words) => {
                words.iter().copied().find(|known| known.eq_ignore_ascii_case(word))
            }
        }
    }

    /// Every word, for messages.
    pub(super) fn words(self) -> Vec<&'static str> {
        match self {
            Self::State => State::ALL.map(State::name).to_vec(),
            Self::Protocol => Protocol::ALL.map(Protocol::name).to_vec(),
            Self::Family => Family::ALL.map(Family::name).to_vec(),
            Self::Direction => DIRECTIONS.map(Direction::name).to_vec(),
            Self::Class => Class::ALL.map(Class::name).to_vec(),
            Self::Closer => Closer::ALL.map(Closer::name).to_vec(),
            Self::CloseReason => CloseReason::ALL.map(CloseReason::name).to_vec(),
            Self::List(words) => words.to_vec(),
        }
    }

    /// Words and accepted spellings, for suggestions.
    #[must_use]
    pub fn spellings(self) -> Vec<&'static str> {
        let mut words = self.words();
        if self == Self::State {
            words.extend(["established", "syn-received", "listening", "closed", "unconnected"]);
            words.extend(["all", "connected", "synchronized", "bucket", "big"]);
        }
        words
    }
}

const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];

/// States that a word stands for: one by its name, or several by the words of `ss` (iproute2, `misc/ss.c`, `scan_state`).
pub(super) fn states(word: &str) -> Vec<State> {
    use State::{BoundInactive, Close, Listen, SynReceived, SynSent, TimeWait};
    let all_but = |omitted: &[State]| {
        State::ALL.iter().copied().filter(|state| !omitted.contains(state)).collect()
    };
    match word.to_ascii_lowercase().as_str() {
        "all" => all_but(&[]),
        "connected" => all_but(&[Close, Listen, BoundInactive]),
        "synchronized" => all_but(&[Close, Listen, BoundInactive, SynSent]),
        "bucket" => vec![SynReceived, TimeWait],
        "big" => all_but(&[SynReceived, TimeWait]),
        _ => State::from_name(word).into_iter().collect(),
    }
}

pub(super) fn protocol(word: &str) -> Option<Protocol> {
    Protocol::ALL.into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(word))
}

pub(super) fn family(word: &str) -> Option<Family> {
    let same = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(word));
    if same(&["ipv4", "inet", "v4", "4"]) {
        Some(Family::Ipv4)
    } else if same(&["ipv6", "inet6", "v6", "6"]) {
        Some(Family::Ipv6)
    } else {
        Family::ALL.into_iter().find(|family| same(&[family.name()]))
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

/// `_` and spaces count as `-`.
pub(super) fn class(word: &str) -> Option<Class> {
    let word = word.replace(['_', ' '], "-");
    Class::ALL.into_iter().find(|class| class.name().eq_ignore_ascii_case(&word))
}

fn closer(word: &str) -> Option<Closer> {
    Closer::ALL.into_iter().find(|closer| closer.name().eq_ignore_ascii_case(word))
}

/// A close reason by its name; `_` and spaces count as `-`.
pub(super) fn ended(word: &str) -> Option<&'static str> {
    let word = word.replace(['_', ' '], "-");
    CloseReason::ALL
        .map(CloseReason::name)
        .into_iter()
        .find(|name| name.eq_ignore_ascii_case(&word))
}
