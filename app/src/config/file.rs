//! The configuration file: TOML with known keys.
//!
//! The text is parsed into values with spans instead of a struct, so that all errors are reported at
//! once, each with its line.

use std::ops::Range;
use std::path::Path;

use conns_core::query;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Given, Origin};
use crate::settings::{Kind, SETTINGS, Setting, Value};

/// Maximum syntax errors reported; later ones mostly follow from the first.
const MAX_SYNTAX_ERRORS: usize = 5;

/// The settings in the text of a file; errors are added to `wrong`.
pub(super) fn read(path: &Path, text: &str, wrong: &mut Vec<ConfigError>) -> Vec<Given> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut file = File { path, text, given: Vec::new(), wrong };
    if errors.is_empty() {
        file.table("", table.get_ref());
        return file.given;
    }
    for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
        let at = error.span().unwrap_or_default();
        file.refuse(at, format!("not TOML: {}", error.message()));
    }
    Vec::new()
}

struct File<'a> {
    path: &'a Path,
    text: &'a str,
    given: Vec<Given>,
    wrong: &'a mut Vec<ConfigError>,
}

impl File<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            let is_known_table = SETTINGS.iter().any(|setting| is_in(setting, &key));
            match (Setting::of_key(&key), value.get_ref()) {
                (Some(setting), found) => match value_of(setting.kind, found) {
                    Ok(value_of) => {
                        let origin = self.origin(value.span());
                        self.given.push((setting, value_of, origin));
                    }
                    Err(what) => self.refuse(value.span(), format!("`{key}`: {what}")),
                },
                (None, DeValue::Table(inner)) if is_known_table || !inner.is_empty() => {
                    self.table(&key, inner);
                }
                (None, found) if is_known_table => {
                    let what = format!("`{key}` is a table: write [{key}], not {}", shown(found));
                    self.refuse(value.span(), what);
                }
                (None, _) => self.refuse(name.span(), unknown(&key)),
            }
        }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let before = self.text.as_bytes().get(..span.start).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line: Some(line) }
    }

    fn refuse(&mut self, span: Range<usize>, what: String) {
        let at = self.origin(span);
        self.wrong.push(ConfigError::new(at, what));
    }
}

fn is_in(setting: &Setting, table: &str) -> bool {
    setting.key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

fn unknown(key: &str) -> String {
    let hint = match nearest(key) {
        Some(nearest) => format!("did you mean `{nearest}`? "),
        None => String::new(),
    };
    format!("there is no key `{key}`; {hint}`conns config explain` lists all")
}

/// The known key that was probably meant: a similar name in the same table, a similar key, or the
/// same name in another table.
fn nearest(key: &str) -> Option<&'static str> {
    let (table, name) = split(key);
    let keys = || SETTINGS.iter().map(|setting| setting.key);
    let is_in_table = |known: &&str| split(known).0 == table;
    let in_table = || keys().filter(is_in_table);
    let by_name = query::nearest(name, in_table().map(|known| split(known).1))
        .and_then(|name| in_table().find(|known| split(known).1 == name));
    by_name
        .or_else(|| query::nearest(key, keys().filter(|known| !is_in_table(known))))
        .or_else(|| keys().find(|known| split(known).1 == name))
}

/// The table of a key, and its name in the table.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn value_of(kind: Kind, found: &DeValue<'_>) -> Result<Value, String> {
    let refused = || format!("expected {}, found {}", kind.expected(), shown(found));
    let value = match (kind, found) {
        (Kind::Switch, DeValue::Boolean(is)) => Value::Switch(*is),
        (Kind::Count(..), _) => Value::Count(whole(found).ok_or_else(refused)?),
        (Kind::Size(..), DeValue::Integer(_)) => Value::Size(whole(found).ok_or_else(refused)?),
        // A number without a unit is rejected.
        (Kind::Size(..) | Kind::Span(..), DeValue::String(text))
            if text.ends_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            return kind.value_of(text);
        }
        (Kind::Text | Kind::Choice(_), DeValue::String(text)) => Value::Text(text.to_string()),
        (Kind::Texts, DeValue::Array(all)) => {
            let texts = all.iter().map(|one| one.get_ref().as_str().map(str::to_owned));
            Value::Texts(texts.collect::<Option<_>>().ok_or_else(refused)?)
        }
        _ => return Err(refused()),
    };
    if kind.accepts(&value) { Ok(value) } else { Err(refused()) }
}

fn whole(found: &DeValue<'_>) -> Option<u64> {
    let number = found.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A value as written, for messages.
fn shown(found: &DeValue<'_>) -> String {
    match found {
        DeValue::String(text) => Value::Text(text.to_string()).to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is) => is.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(all) => {
            format!(
                "[{}]",
                all.iter().map(|one| shown(one.get_ref())).collect::<Vec<_>>().join(", ")
            )
        }
        DeValue::Table(_) => "a table".to_owned(),
    }
}
