//! Documents generated from the settings: the origin of each value, a file with all defaults, and
//! docs/config.md.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{Loaded, Origin, Settled};
use crate::flags::serve::ExplainFormat;
use crate::settings::{DEFAULT_FILE, FILE_VARIABLE, Kind, SETTINGS, Setting, Value};

/// Maximum width of a comment in the file with defaults.
const MAX_WIDTH: usize = 100;

/// Maximum width of a value in the text table; JSON has the whole value.
const MAX_VALUE_WIDTH: usize = 48;

/// Every setting: its value, where that comes from, and what it means.
pub(crate) fn explain(loaded: &Loaded, format: ExplainFormat) -> String {
    match format {
        ExplainFormat::Json => {
            let all: Vec<Json> = loaded.settled.iter().map(record).collect();
            format!("{:#}\n", json!({ "settings": all }))
        }
        ExplainFormat::Text => table(loaded),
    }
}

fn table(loaded: &Loaded) -> String {
    let row = |settled: &Settled| {
        let value = shown(settled).map_or("-".to_owned(), |value| value.to_string());
        let origin = settled.origin.to_string();
        [settled.setting.key.to_owned(), cut(&value), origin, settled.setting.meaning.to_owned()]
    };
    let titles = ["KEY", "VALUE", "FROM", "MEANING"].map(str::to_owned);
    let rows: Vec<_> = [titles].into_iter().chain(loaded.settled.iter().map(row)).collect();
    let mut widths = [0; 3];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [key_width, value_width, origin_width] = widths;
    let mut text = String::new();
    for [key, value, origin, meaning] in rows {
        let _ = writeln!(
            text,
            "{key:key_width$}  {value:value_width$}  {origin:origin_width$}  {meaning}"
        );
    }
    text
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_VALUE_WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The value without secrets.
fn shown(settled: &Settled) -> Option<Value> {
    match settled.value.clone()? {
        Value::Text(text) if text.is_empty() => None,
        Value::Text(text) if settled.setting.is_secret() => {
            let (user, _) = text.split_once(':').unwrap_or_default();
            Some(Value::Text(format!("{user}:…")))
        }
        value => Some(value),
    }
}

fn record(settled: &Settled) -> Json {
    let setting = settled.setting;
    let from = match &settled.origin {
        Origin::Default => json!({ "layer": "default" }),
        Origin::File { path, line } => {
            json!({ "layer": "file", "file": path.to_string_lossy(), "line": line })
        }
        Origin::Environment(variable) => {
            json!({ "layer": "environment", "variable": variable })
        }
        Origin::Flag(flag) => json!({ "layer": "flag", "flag": format!("--{flag}") }),
    };
    json!({
        "key": setting.key,
        "value": shown(settled).map_or(Json::Null, as_json),
        "unit": match setting.kind {
            Kind::Span(..) => Some("us"),
            Kind::Size(..) => Some("bytes"),
            _ => None,
        },
        "from": from,
        "flag": format!("--{}", setting.flag),
        "variable": setting.variable(),
        "restart": setting.restart,
        "meaning": setting.meaning,
    })
}

/// Spans in microseconds, as everywhere in JSON; sizes in bytes.
fn as_json(value: Value) -> Json {
    match value {
        Value::Switch(is) => json!(is),
        Value::Count(count) | Value::Size(count) => json!(count),
        Value::Span(span) => json!(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        Value::Text(text) => json!(text),
        Value::Texts(all) => json!(all),
    }
}

/// The default as written in a file; empty if there is none.
fn default(setting: &Setting) -> String {
    let written = match (setting.kind, setting.default) {
        (Kind::Texts, _) => setting.kind.value_of(setting.default),
        (_, "") => return String::new(),
        (kind, text) => kind.value_of(text),
    };
    written.map_or_else(|wrong| wrong, |value| value.to_string())
}

/// The table of a setting, and its name in the table.
fn place(setting: &Setting) -> (&'static str, &'static str) {
    setting.key.split_once('.').unwrap_or(("", setting.key))
}

/// A configuration file that changes nothing: every setting with its meaning and its default, as a
/// comment.
pub(crate) fn default_file() -> String {
    let mut text = format!(
        "# The configuration of `conns serve`, read from {DEFAULT_FILE} or from the file that\n\
         # --config or {FILE_VARIABLE} names. Each setting below has its default; uncomment it to\n\
         # change it. Variables override this file, and flags override both.\n\
         # `conns config explain` prints the effective values.\n"
    );
    let mut current = "";
    for setting in SETTINGS {
        let (table, name) = place(setting);
        if table != current {
            let _ = write!(text, "\n[{table}]\n");
            current = table;
        }
        let restart = if setting.restart { ". A change needs a restart" } else { "" };
        text.push('\n');
        for line in wrapped(&format!("{}{restart}.", setting.meaning)) {
            let _ = writeln!(text, "# {line}");
        }
        let value = default(setting);
        let value = if value.is_empty() { "\"\"".to_owned() } else { value };
        let _ = writeln!(text, "#{name} = {value}");
    }
    text
}

/// Lines of at most [`MAX_WIDTH`] characters, the `# ` before them included, broken between words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() + 3 <= MAX_WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The page docs/config.md.
pub(crate) fn markdown() -> String {
    let mut text = format!(
        "# Configuration\n\n\
         The settings of `conns serve`. This page is the output of `conns config default -o markdown`.\n\n\
         Each setting has a key in a TOML file, an environment variable and a flag. A flag overrides the variable, the variable overrides the\n\
         file, and the file overrides the default. The file is `{DEFAULT_FILE}`, unless `--config` or `{FILE_VARIABLE}` names another one.\n\n\
         - `conns config explain` prints the effective values and where each comes from; it takes the flags of `conns serve`.\n\
         - `conns config default` prints a file with every setting and its default.\n\n\
         An unknown key, a wrong type or a value outside its limits is an error. All errors are reported at once, with file and line. With an\n\
         invalid configuration the agent does not start; at a reload (SIGHUP) it logs the errors and keeps the old configuration.\n\n\
         A **list** is `[\"…\", \"…\"]` in the file, separated by commas in a variable, and a repeated flag; a layer replaces the list of the\n\
         layer below it. A flag can omit **true**: `--insecure`. **Times** have a unit (`ms`, `s`, `m`, `h`), **sizes** are bytes or have a\n\
         unit (`KiB`, `MiB`, `GiB`). An empty variable counts as unset. Filters are described in [filter.md](filter.md).\n\n\
         A reload applies all settings except those marked **restart**: the agent drops the privileges for them at the start.\n"
    );
    let mut current = None;
    for setting in SETTINGS {
        let (table, _) = place(setting);
        if current != Some(table) {
            let heading =
                if table.is_empty() { "The agent".to_owned() } else { format!("`[{table}]`") };
            let _ = write!(
                text,
                "\n## {heading}\n\n| Key | Default | Flag, variable | Meaning |\n|---|---|---|---|\n"
            );
            current = Some(table);
        }
        let default = match default(setting) {
            none if none.is_empty() || none == "[]" => "none".to_owned(),
            default => format!("`{default}`"),
        };
        let bounds = match setting.kind {
            Kind::Count(..) | Kind::Size(..) | Kind::Span(..) | Kind::Choice(_) => {
                format!(" ({})", setting.kind.expected().replace('"', ""))
            }
            Kind::Switch | Kind::Text | Kind::Texts => String::new(),
        };
        let restart = if setting.restart { ". **restart**" } else { "" };
        let _ = writeln!(
            text,
            "| `{}` | {default} | `--{} {}` `{}` | {}{bounds}{restart} |",
            setting.key,
            setting.flag,
            setting.placeholder,
            setting.variable(),
            setting.meaning.replace('|', "\\|"),
        );
    }
    text
}
