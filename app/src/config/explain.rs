//! What is told of the settings: where each value comes from, a file with all defaults, the page
//! docs/config.md. All three from the table.

use std::fmt::Write as _;

use serde_json::{Value as Json, json};

use super::{Config, FILE_VARIABLE, Kind, Origin, SETTINGS, Setting, Settled, USUAL_FILE, Value};
use crate::flags::serve::ExplainFormat;

/// Widest comment of the file with defaults.
const WIDTH: usize = 100;

/// Widest value in the table for people; the rest of a longer one is in JSON.
const VALUE_WIDTH: usize = 48;

/// Every setting of `config`: its value, where that comes from, what it means.
pub(crate) fn explain(config: &Config, format: ExplainFormat) -> String {
    match format {
        ExplainFormat::Json => {
            let all: Vec<Json> = config.settled.iter().map(record).collect();
            format!("{:#}\n", json!({ "settings": all }))
        }
        ExplainFormat::Text => table(config),
    }
}

fn table(config: &Config) -> String {
    let row = |settled: &Settled| {
        let value = told(settled).map_or("-".to_owned(), |value| value.to_string());
        let origin = settled.origin.to_string();
        [settled.setting.key.to_owned(), cut(&value), origin, settled.setting.meaning.to_owned()]
    };
    let titles = ["KEY", "VALUE", "FROM", "MEANING"].map(str::to_owned);
    let rows: Vec<_> = [titles].into_iter().chain(config.settled.iter().map(row)).collect();
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
    match text.char_indices().nth(VALUE_WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The value as it may be shown.
fn told(settled: &Settled) -> Option<Value> {
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
        "value": told(settled).map_or(Json::Null, as_json),
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

/// Spans are microseconds, as everywhere in JSON; sizes bytes.
fn as_json(value: Value) -> Json {
    match value {
        Value::Switch(is) => json!(is),
        Value::Count(count) | Value::Size(count) => json!(count),
        Value::Span(span) => json!(u64::try_from(span.as_micros()).unwrap_or(u64::MAX)),
        Value::Text(text) => json!(text),
        Value::Texts(all) => json!(all),
    }
}

/// The default as it stands in a file; empty where there is none.
fn default(setting: &Setting) -> String {
    let written = match (setting.kind, setting.default) {
        (Kind::Texts, _) => setting.kind.value_of(setting.default),
        (_, "") => return String::new(),
        (kind, text) => kind.value_of(text),
    };
    written.map_or_else(|wrong| wrong, |value| value.to_string())
}

/// The table a setting stands in, and its name there.
fn place(setting: &Setting) -> (&'static str, &'static str) {
    setting.key.split_once('.').unwrap_or(("", setting.key))
}

/// A configuration file that changes nothing: every setting with its meaning and its default, as a
/// comment to be taken up.
pub(crate) fn default_file() -> String {
    let mut text = format!(
        "# The agent's configuration, read from {USUAL_FILE} or where --config or {FILE_VARIABLE}\n\
         # says. Each setting below has its default; take the # off to change it. Variables are\n\
         # over this file, and flags over both. `conns config explain` shows what holds.\n"
    );
    let mut current = "";
    for setting in SETTINGS {
        let (table, name) = place(setting);
        if table != current {
            let _ = write!(text, "\n[{table}]\n");
            current = table;
        }
        let restart = if setting.restart { ". A change takes a restart" } else { "" };
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

/// Lines of at most [`WIDTH`] characters with the `# ` before them, broken between words.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + word.chars().count() + 3 <= WIDTH => {
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
         What `conns serve` can be told. This page is printed by `conns config default -o markdown`.\n\n\
         Each setting has a key in a TOML file, a variable and a flag. Where several say something, the flag holds, then the\n\
         variable, then the file, then the default. The file is `{USUAL_FILE}`, unless `--config` or `{FILE_VARIABLE}` names another one.\n\n\
         - `conns config explain` prints what holds, and where each value comes from; give it the flags of `conns serve`.\n\
         - `conns config default` prints a file with every setting and its default.\n\n\
         An unknown key, a wrong type and a value out of its bounds are errors, all of them told at once, with file and line. What\n\
         cannot be read or understood stops the start; at a reload (SIGHUP) it is said, and the old configuration stays.\n\n\
         A **list** is `[\"…\", \"…\"]` in the file, separated by commas in a variable, and a repeated flag; a layer replaces the list of the\n\
         one below it. **true** may be left out of a flag: `--insecure`. **Times** have a unit (`ms`, `s`, `m`, `h`), **sizes** are bytes or\n\
         have one (`KiB`, `MiB`, `GiB`). An empty variable is none. Filters are described in [filter.md](filter.md).\n\n\
         Settings marked **restart** need what the agent gives up once it has started, and a reload leaves them as they are; all others are\n\
         taken over.\n"
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
