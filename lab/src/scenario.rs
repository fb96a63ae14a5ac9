//! A scenario: what is caused, with which parameters, and which verdict must then be named. All of it is data.
//!
//! A file of `scenarios/` is a template and a list of `[[case]]` tables; `{key}` in the template is replaced by the
//! case's value. A case is what runs.

use std::path::Path as FilePath;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use toml::{Table, Value};

mod lane;
pub use lane::LaneText;

/// Every class a verdict can name, in the order of the contract.
pub const CLASSES: [&str; 15] = [
    "healthy",
    "idle",
    "app-limited",
    "slow-reader-local",
    "slow-reader-remote",
    "sndbuf-limited",
    "path-loss",
    "bufferbloat",
    "cwnd-limited",
    "path-limited",
    "stalled",
    "handshake-failing",
    "accept-overflow",
    "syn-queue-full",
    "close-wait-leak",
];
/// The class for evidence that does not suffice.
pub const UNKNOWN: &str = "unknown";

/// One side of a path; a loopback scenario has only A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Address 10.77.0.1.
    A,
    /// Address 10.77.0.2.
    B,
}

/// A scenario with the parameters of one case filled in.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `scenario/case`.
    pub name: String,
    /// One sentence: what is caused.
    pub about: String,
    /// Needs the machine for itself, so that nothing else runs beside it.
    #[serde(default)]
    pub alone: bool,
    /// The path; none means one namespace with loopback only.
    pub path: Option<PathText>,
    /// The peers, started in this order, each when the one before is ready.
    pub peer: Vec<PeerText>,
    /// What happens later.
    #[serde(default)]
    pub event: Vec<Event>,
    /// Time between the last peer's readiness and the start of the observation, in milliseconds.
    pub warm_ms: u64,
    /// Which sockets must be named how.
    pub expect: Vec<Expect>,
    /// Which classes must not be named for which sockets.
    #[serde(default)]
    pub must_not: Vec<MustNot>,
}

/// The path as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathText {
    /// Direction A to B.
    pub a_to_b: LaneText,
    /// Direction B to A.
    pub b_to_a: LaneText,
    /// Clamp of the congestion window of A's connections, in segments.
    pub cwnd_clamp_of_a: Option<u32>,
}

/// One peer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerText {
    /// Where it runs.
    pub side: Side,
    /// Its arguments, as after `conns-lab peer`.
    pub run: String,
}

/// Something that happens a while after the last peer is ready.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Milliseconds after the last peer is ready.
    pub after_ms: u64,
    /// What happens.
    #[serde(rename = "do")]
    pub what: Steer,
}

/// A change of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Steer {
    /// Direction A to B swallows everything.
    SwallowAToB,
    /// Direction B to A swallows everything.
    SwallowBToA,
    /// Both do.
    SwallowBoth,
}

/// Which sockets are meant.
#[derive(Clone, Debug, Deserialize)]
pub struct Pick {
    /// Where the socket is.
    pub side: Side,
    /// Its local port.
    pub local_port: Option<u16>,
    /// Its remote port.
    pub remote_port: Option<u16>,
    /// Its state, as `ss` names it.
    pub state: Option<String>,
}

/// A class that must be named.
#[derive(Clone, Debug, Deserialize)]
pub struct Expect {
    /// The sockets.
    #[serde(flatten)]
    pub pick: Pick,
    /// The class.
    pub class: String,
}

/// Classes that must not be named.
#[derive(Clone, Debug, Deserialize)]
pub struct MustNot {
    /// The sockets; none at all is no error.
    #[serde(flatten)]
    pub pick: Pick,
    /// The classes.
    pub classes: Vec<String>,
}

/// All cases of all files of a folder, in order of file and place.
pub fn read_folder(folder: &FilePath) -> Result<Vec<Case>> {
    let mut places = std::fs::read_dir(folder)
        .with_context(|| format!("reading the folder of scenarios {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    places.retain(|place| place.extension().is_some_and(|extension| extension == "toml"));
    places.sort();
    let mut cases = Vec::new();
    for place in places {
        let text = std::fs::read_to_string(&place)
            .with_context(|| format!("reading {}", place.display()))?;
        cases.extend(read(&text).with_context(|| format!("in the scenario {}", place.display()))?);
    }
    Ok(cases)
}

/// The cases of one file.
pub fn read(text: &str) -> Result<Vec<Case>> {
    let mut template: Table = text.parse().context("parsing TOML")?;
    let Some(Value::Array(cases)) = template.remove("case") else {
        bail!("there is no [[case]]; write at least one");
    };
    let scenario = template.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
    cases
        .iter()
        .map(|case| {
            let values = case.as_table().ok_or_else(|| anyhow!("a case must be a table"))?;
            let label = values
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| anyhow!("a case has no name"))?;
            let mut filled = template.clone();
            filled.insert("name".into(), Value::String(format!("{scenario}/{label}")));
            let filled = fill(Value::Table(filled), values)
                .with_context(|| format!("in the case {label}"))?;
            let case: Case = filled.try_into().with_context(|| format!("in the case {label}"))?;
            check(&case).with_context(|| format!("in the case {label}"))?;
            Ok(case)
        })
        .collect()
}

fn fill(value: Value, values: &Table) -> Result<Value> {
    Ok(match value {
        Value::String(text) => fill_text(&text, values)?,
        Value::Array(items) => {
            Value::Array(items.into_iter().map(|item| fill(item, values)).collect::<Result<_>>()?)
        }
        Value::Table(table) => Value::Table(
            table
                .into_iter()
                .map(|(key, item)| Ok((key, fill(item, values)?)))
                .collect::<Result<_>>()?,
        ),
        other => other,
    })
}

/// A text which is nothing but one `{key}` becomes the value itself, so that numbers stay numbers.
fn fill_text(text: &str, values: &Table) -> Result<Value> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after
            .split_once('}')
            .ok_or_else(|| anyhow!("`{text}` opens a brace and never closes it"))?;
        let value =
            values.get(key).ok_or_else(|| anyhow!("`{{{key}}}` in `{text}` has no value"))?;
        if before.is_empty() && after.is_empty() && out.is_empty() {
            return Ok(value.clone());
        }
        out.push_str(before);
        match value {
            Value::String(value) => out.push_str(value),
            Value::Integer(value) => out.push_str(&value.to_string()),
            Value::Float(value) => out.push_str(&value.to_string()),
            other => bail!(
                "`{{{key}}}` is a {}; only text and numbers can be filled in",
                other.type_str()
            ),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(Value::String(out))
}

fn check(case: &Case) -> Result<()> {
    let named = case.expect.iter().map(|expect| &expect.class);
    let classes = named.chain(case.must_not.iter().flat_map(|not| &not.classes));
    for class in classes {
        if !CLASSES.contains(&class.as_str()) && class != UNKNOWN {
            bail!("`{class}` is no class; known are {}, {UNKNOWN}", CLASSES.join(", "));
        }
    }
    let sides = case.peer.iter().map(|peer| peer.side);
    if case.path.is_none()
        && sides.chain(case.expect.iter().map(|one| one.pick.side)).any(|side| side == Side::B)
    {
        bail!("there is no path, so there is no side b");
    }
    if case.path.is_none() && !case.event.is_empty() {
        bail!("there is no path, so nothing can be steered");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        name = "x"
        about = "y"
        warm_ms = "{warm}"
        peer = [{ side = "a", run = "listen --at 127.0.0.1:{port} --do sink" }]
        expect = [{ side = "a", local_port = "{port}", class = "healthy" }]
        case = [{ name = "one", port = 5, warm = 7 }, { name = "two", port = 6, warm = 8 }]
    "#;

    #[test]
    fn each_case_fills_the_template_with_its_own_values() {
        let cases = read(TEXT).unwrap();
        assert_eq!(cases[1].name, "x/two");
        assert_eq!(cases[1].warm_ms, 8);
        assert_eq!(cases[1].peer[0].run, "listen --at 127.0.0.1:6 --do sink");
        assert_eq!(cases[0].expect[0].pick.local_port, Some(5));
    }

    #[test]
    fn an_error_in_a_scenario_names_what_is_wrong() {
        let wrong = |text: String| format!("{:#}", read(&text).unwrap_err());
        assert!(wrong(TEXT.replace("healthy", "wealthy")).contains("`wealthy` is no class"));
        assert!(
            wrong(TEXT.replace("{warm}", "{worm}")).contains("`{worm}` in `{worm}` has no value")
        );
        assert!(wrong(TEXT.replace("case =", "cases =")).contains("no [[case]]"));
    }

    #[test]
    fn the_shipped_scenarios_can_be_read_and_cause_every_class() {
        let folder = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let cases = read_folder(&folder).unwrap();
        for class in CLASSES.iter().chain([&UNKNOWN]) {
            assert!(
                cases.iter().any(|case| case.expect.iter().any(|expect| expect.class == *class)),
                "no scenario causes {class}"
            );
        }
    }
}
