//! The configuration file: TOML with known keys, every refusal with its line.
//!
//! The one idea: the text is read into values with places, not into a struct, so that all that is
//! wrong can be said at once and of each the line is known.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Given, Kind, Origin, SETTINGS, Setting, Value};

/// More mistakes of grammar follow from the first ones.
const MOST_SYNTAX_ERRORS: usize = 5;

/// Longest key a nearest one is looked for; the distance costs the product of both lengths.
const LONGEST_COMPARED: usize = 64;

/// What the file of this text gives; what is wrong goes into `wrong`.
pub(super) fn read(path: &Path, text: &str, wrong: &mut Vec<ConfigError>) -> Vec<Given> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut file = File { path, text, given: Vec::new(), wrong };
    if errors.is_empty() {
        file.table("", table.get_ref());
        return file.given;
    }
    for error in errors.iter().take(MOST_SYNTAX_ERRORS) {
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
            let is_table_of_ours = SETTINGS.iter().any(|setting| is_in(setting, &key));
            match (Setting::of_key(&key), value.get_ref()) {
                (Some(setting), found) => match value_of(setting.kind, found) {
                    Ok(value_of) => {
                        let origin = self.origin(value.span());
                        self.given.push((setting, value_of, origin));
                    }
                    Err(what) => self.refuse(value.span(), format!("`{key}`: {what}")),
                },
                (None, DeValue::Table(inner)) if is_table_of_ours || !inner.is_empty() => {
                    self.table(&key, inner);
                }
                (None, found) if is_table_of_ours => {
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

/// The known key with the fewest typing mistakes, or the one of that name in another table.
fn nearest(key: &str) -> Option<&'static str> {
    if key.len() > LONGEST_COMPARED {
        return None;
    }
    // Mistakes in the name count for themselves: a table says little about what is in it.
    let distance = |known: &str| match (split(key), split(known)) {
        ((table, name), (known_table, known_name)) if table == known_table => {
            (strsim::osa_distance(name, known_name), name.chars().count())
        }
        _ => (strsim::osa_distance(key, known), key.chars().count()),
    };
    // One mistake in three letters is still a typing mistake; more is another word.
    let near = SETTINGS.iter().filter_map(|setting| {
        let (mistakes, letters) = distance(setting.key);
        (mistakes <= (letters / 3).max(1)).then_some((mistakes, setting.key))
    });
    let elsewhere = SETTINGS.iter().find(|setting| split(setting.key).1 == split(key).1);
    near.min_by_key(|(mistakes, _)| *mistakes)
        .map(|(_, key)| key)
        .or(elsewhere.map(|setting| setting.key))
}

/// The table of a key, and its name there.
fn split(key: &str) -> (&str, &str) {
    key.rsplit_once('.').unwrap_or(("", key))
}

fn value_of(kind: Kind, found: &DeValue<'_>) -> Result<Value, String> {
    let refused = || format!("expected {}, found {}", kind.expected(), shown(found));
    let value = match (kind, found) {
        (Kind::Switch, DeValue::Boolean(is)) => Value::Switch(*is),
        (Kind::Count(..), _) => Value::Count(whole(found).ok_or_else(refused)?),
        (Kind::Size(..), DeValue::Integer(_)) => Value::Size(whole(found).ok_or_else(refused)?),
        // A number alone would leave the unit open.
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
    if kind.holds(&value) { Ok(value) } else { Err(refused()) }
}

fn whole(found: &DeValue<'_>) -> Option<u64> {
    let number = found.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// What was found, for messages.
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
