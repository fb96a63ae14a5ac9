//! What can be done, and the keys for it: one table, from which `?`, the documentation and the
//! configuration of keys come.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Something a key does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the table of bindings has what each does")]
pub enum Action {
    Up,
    Down,
    Left,
    Right,
    Top,
    Bottom,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
    Open,
    Back,
    Connections,
    Processes,
    Listeners,
    Events,
    Streams,
    Transfers,
    Filter,
    Filters,
    Loopback,
    Freeze,
    Earlier,
    Later,
    HourEarlier,
    HourLater,
    Refresh,
    Sort,
    Reverse,
    Group,
    Columns,
    Copy,
    Export,
    Missing,
    Mouse,
    Help,
    Suspend,
    Quit,
}

/// One row of the table.
pub struct Binding {
    /// What is done.
    pub action: Action,
    /// Its name in the configuration.
    pub name: &'static str,
    /// The keys for it by default.
    pub keys: &'static [&'static str],
    /// What it does, as a phrase.
    pub meaning: &'static str,
}

const fn row(
    action: Action,
    name: &'static str,
    keys: &'static [&'static str],
    meaning: &'static str,
) -> Binding {
    Binding { action, name, keys, meaning }
}

/// Every action.
pub const BINDINGS: &[Binding] = &[
    row(Action::Up, "up", &["up", "k"], "the row above"),
    row(Action::Down, "down", &["down", "j"], "the row below"),
    row(Action::Left, "left", &["left"], "close the group"),
    row(Action::Right, "right", &["right", "l"], "open the group"),
    row(Action::Top, "top", &["home"], "the first row; gg too"),
    row(Action::Bottom, "bottom", &["end", "G"], "the last row"),
    row(Action::PageUp, "page-up", &["pgup", "ctrl-b"], "a page up"),
    row(Action::PageDown, "page-down", &["pgdn", "ctrl-f"], "a page down"),
    row(Action::HalfUp, "half-up", &["ctrl-u"], "half a page up"),
    row(Action::HalfDown, "half-down", &["ctrl-d"], "half a page down"),
    row(
        Action::Open,
        "open",
        &["enter"],
        "open one connection: why, owners, layers, fields, charts, events",
    ),
    row(
        Action::Back,
        "back",
        &["esc", "backspace"],
        "back to the same row; without anything open, drop the filter",
    ),
    row(Action::Connections, "connections", &["1"], "connections"),
    row(Action::Processes, "processes", &["2"], "processes"),
    row(Action::Listeners, "listeners", &["3"], "listeners"),
    row(Action::Events, "events", &["4"], "events, with failures and what closed"),
    row(Action::Streams, "streams", &["5"], "media streams"),
    row(Action::Transfers, "transfers", &["6"], "transfers between hosts"),
    row(
        Action::Filter,
        "filter",
        &["/"],
        "narrow by a filter; Tab completes, Esc keeps the one before",
    ),
    row(Action::Filters, "filters", &["F"], "filters with a name: use, keep, forget"),
    row(
        Action::Loopback,
        "loopback",
        &["h", "H"],
        "hide or show loopback; among groups h is \u{2190}",
    ),
    row(Action::Freeze, "freeze", &["space"], "stop at this second; again goes on"),
    row(Action::Earlier, "earlier", &["["], "a minute back, by the history of the agent"),
    row(Action::Later, "later", &["]"], "a minute on, up to the present"),
    row(Action::HourEarlier, "hour-earlier", &["{"], "an hour back"),
    row(Action::HourLater, "hour-later", &["}"], "an hour on"),
    row(Action::Refresh, "refresh", &["r"], "sort anew, without what closed"),
    row(Action::Sort, "sort", &["s"], "choose what to sort by"),
    row(Action::Reverse, "reverse", &["S"], "reverse the order"),
    row(Action::Group, "group", &["g"], "choose what to group by; g again is the first row"),
    row(Action::Columns, "columns", &["c"], "choose columns"),
    row(Action::Copy, "copy", &["y"], "copy the row, a field or an address to the clipboard"),
    row(
        Action::Export,
        "export",
        &["e"],
        "write what is shown: JSON, CSV, or the command that gives it",
    ),
    row(Action::Missing, "missing", &["i"], "what is missing, and what the agent costs"),
    row(Action::Mouse, "mouse", &["m"], "give the mouse to the terminal, or take it back"),
    row(Action::Help, "help", &["?"], "these keys"),
    row(Action::Suspend, "suspend", &["ctrl-z"], "stop the program, as a shell does"),
    row(Action::Quit, "quit", &["q", "ctrl-c"], "leave"),
];

/// A key as it is written in the configuration: `G`, `ctrl-d`, `space`, `pgup`, `f5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    code: KeyCode,
    ctrl: bool,
}

const NAMED: [(&str, KeyCode); 15] = [
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pgup", KeyCode::PageUp),
    ("pgdn", KeyCode::PageDown),
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("tab", KeyCode::Tab),
    ("space", KeyCode::Char(' ')),
];

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ctrl, name) = match text.strip_prefix("ctrl-") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let named = NAMED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut letters = name.chars();
        let code = match (named, letters.next(), letters.next()) {
            (Some((_, code)), _, _) => *code,
            (None, Some(letter), None) if !letter.is_control() => KeyCode::Char(letter),
            (None, Some('f' | 'F'), Some(_)) => match name.get(1..).and_then(|n| n.parse().ok()) {
                Some(number @ 1..=12) => KeyCode::F(number),
                _ => return Err(unknown(text)),
            },
            _ => return Err(unknown(text)),
        };
        Ok(Self { code, ctrl })
    }
}

fn unknown(text: &str) -> String {
    let names = NAMED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    format!("`{text}` is no key; a letter, f1 to f12, {names}, each also behind `ctrl-`")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ctrl {
            f.write_str("ctrl-")?;
        }
        match (NAMED.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::Char(letter)) => write!(f, "{letter}"),
            (None, KeyCode::F(number)) => write!(f, "f{number}"),
            (None, _) => f.write_str("?"),
        }
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Self {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        // A terminal reports Ctrl-D as `d` with the modifier.
        let code = match event.code {
            KeyCode::Char(letter) if ctrl => KeyCode::Char(letter.to_ascii_lowercase()),
            code => code,
        };
        Self { code, ctrl }
    }
}

/// Which action each key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMap(HashMap<Key, Action>);

impl Default for KeyMap {
    fn default() -> Self {
        let mut map = Self(HashMap::new());
        for binding in BINDINGS {
            let keys = binding.keys.iter().filter_map(|text| text.parse().ok());
            map.0.extend(keys.map(|key: Key| (key, binding.action)));
        }
        map
    }
}

impl KeyMap {
    /// The action of a key.
    #[must_use]
    pub fn action(&self, key: Key) -> Option<Action> {
        self.0.get(&key).copied()
    }

    /// Gives an action these keys instead of those it has.
    pub fn set(&mut self, action: Action, keys: &[Key]) {
        self.0.retain(|_, known| *known != action);
        self.0.extend(keys.iter().map(|key| (*key, action)));
    }

    /// The keys of an action, for help: `down j`.
    #[must_use]
    pub fn keys_of(&self, action: Action) -> String {
        let mut keys: Vec<String> = self
            .0
            .iter()
            .filter(|(_, known)| **known == action)
            .map(|(key, _)| key.to_string())
            .collect();
        // Names before letters, whatever the order of the map.
        keys.sort_by_key(|key| (key.len() == 1, key.clone()));
        keys.join(" ")
    }
}

/// The table of keys as Markdown, for the documentation.
#[must_use]
pub fn markdown() -> String {
    let mut text = "| keys | name | what it does |\n| --- | --- | --- |\n".to_owned();
    for Binding { name, keys, meaning, .. } in BINDINGS {
        let keys = keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(" ");
        text.push_str(&format!("| {keys} | {name} | {meaning} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_key_is_one_and_has_one_action() {
        let keys =
            BINDINGS.iter().flat_map(|binding| binding.keys.iter().map(move |key| (binding, key)));
        let mut seen = HashMap::new();
        for (binding, text) in keys {
            let key: Key = text.parse().unwrap();
            assert_eq!(key.to_string(), *text);
            assert!(seen.insert(key, binding.name).is_none(), "{text} has two actions");
        }
        for text in ["", "ctrl-", "f13", "hyper-x", "\u{1b}"] {
            assert!(text.parse::<Key>().is_err(), "{text:?}");
        }
    }
}
