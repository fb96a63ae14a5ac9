//! The user's own configuration of the screen: keys and colours (`top.toml`), and filters that were
//! given a name (`filters.toml`). What is wrong is named, and the default is used instead.

use std::collections::BTreeMap;

use ratatui::style::Color;
use toml::Value;

use crate::keys::{BINDINGS, Key, KeyMap};
use crate::theme::Theme;

/// Keys and colours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which action each key has.
    pub keys: KeyMap,
    /// Its colours.
    pub theme: Theme,
}

impl Settings {
    /// Reads `[keys]` and `[colors]`; and what is wrong, one sentence each.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let mut settings = Self::default();
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return (settings, vec![first_line(&error.to_string())]),
        };
        let mut wrong = Vec::new();
        for (name, value) in &table {
            match (name.as_str(), value) {
                ("keys", Value::Table(keys)) => settings.read_keys(keys, &mut wrong),
                ("colors", Value::Table(colours)) => settings.read_colours(colours, &mut wrong),
                _ => wrong.push(format!("`{name}` is neither [keys] nor [colors]")),
            }
        }
        (settings, wrong)
    }

    fn read_keys(&mut self, keys: &toml::Table, wrong: &mut Vec<String>) {
        for (name, value) in keys {
            let Some(binding) = BINDINGS.iter().find(|binding| binding.name == name) else {
                let names = BINDINGS.iter().map(|binding| binding.name);
                let hint = conns_core::query::nearest(name, names);
                let hint = hint.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
                wrong.push(format!("keys.{name}: there is no such action{hint}"));
                continue;
            };
            let texts = match value {
                Value::String(text) => vec![text.as_str()],
                Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            let read: Result<Vec<Key>, String> = texts.into_iter().map(str::parse).collect();
            match read {
                Ok(keys) if !keys.is_empty() => self.keys.set(binding.action, &keys),
                Ok(_) => wrong.push(format!("keys.{name}: expected a key or a list of keys")),
                Err(error) => wrong.push(format!("keys.{name}: {error}")),
            }
        }
    }

    fn read_colours(&mut self, colours: &toml::Table, wrong: &mut Vec<String>) {
        for (name, value) in colours {
            let theme = &mut self.theme;
            let place = match name.as_str() {
                "accent" => &mut theme.accent,
                "warning" => &mut theme.warning,
                "danger" => &mut theme.danger,
                _ => {
                    wrong.push(format!("colors.{name}: there are accent, warning and danger"));
                    continue;
                }
            };
            match value.as_str().and_then(|text| text.parse::<Color>().ok()) {
                Some(colour) => *place = colour,
                None => wrong.push(format!(
                    "colors.{name}: expected a colour such as \"blue\", \"lightred\", \"208\" or \"#5f87ff\""
                )),
            }
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(2)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Filters by name, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(pub BTreeMap<String, String>);

impl Named {
    /// Reads the file of named filters: `name = "filter"`.
    ///
    /// # Errors
    /// If it is no such file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| first_line(&error.to_string()))?;
        let read = |(name, value): (String, Value)| match value {
            Value::String(filter) => Ok((name, filter)),
            _ => Err(format!("`{name}` is no filter in quotes")),
        };
        table.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// As [`Named::parse`] reads it.
    #[must_use]
    pub fn text(&self) -> String {
        // Every string of JSON is one of TOML.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let lines =
            self.0.iter().map(|(name, filter)| format!("{} = {}\n", quoted(name), quoted(filter)));
        lines.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Action;

    #[test]
    fn what_is_wrong_is_named_and_the_rest_is_used() {
        let text = "[keys]\nfreeze = [\"p\", \"space\"]\nquti = \"x\"\nopen = \"hyper-x\"\n\
                    [colors]\naccent = \"blue\"\ndanger = 7\n[sounds]\n";
        let (settings, wrong) = Settings::parse(text);
        assert_eq!(settings.keys.action("p".parse().unwrap()), Some(Action::Freeze));
        assert_eq!(settings.keys.action("enter".parse().unwrap()), Some(Action::Open), "unchanged");
        assert_eq!(settings.theme.accent, Color::Blue);
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong.iter().any(|line| line.contains("did you mean `quit`?")), "{wrong:?}");
        let (settings, wrong) = Settings::parse("keys = [");
        assert_eq!((settings, wrong.len()), (Settings::default(), 1));
    }

    #[test]
    fn named_filters_are_read_as_they_were_written() {
        let mut named = Named::default();
        named.0.insert(
            "slow \"web\"".to_owned(),
            "rtt > 50ms and process ~ \"^nginx\\\\d\"".to_owned(),
        );
        assert_eq!(Named::parse(&named.text()).unwrap(), named);
        assert!(Named::parse("a = 5").is_err() && Named::parse("=").is_err());
    }
}
