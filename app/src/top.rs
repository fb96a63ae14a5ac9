//! `conns top`: the live screen, of this machine or of an agent.

use std::fs;
use std::io::{self, IsTerminal};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_api::{Agent, AgentError, Pace, Times, View, kept_events, next_update};
use conns_core::track::Retention;
use conns_engine::Purpose;
use conns_print::EventTime;
use conns_tui::{
    Channels, Files, MAX_BUCKETS, Named, Open, PastMoment, REACH_US, ReadPast, RunError, Settings,
    Start,
};

use crate::agent;
use crate::environment::variable;
use crate::failure::Failure;
use crate::flags::AgentFlags;
use crate::flags::top::TopFlags;
use crate::list::addresses_of;
use crate::past::{self, Asked};
use crate::terminal;
use crate::when;

/// Half of the longest time that a verdict of this machine covers.
const WINDOW: Duration = Duration::from_secs(5);

/// Runs the screen until it is left.
pub(crate) fn run(flags: &TopFlags, agent_flags: &AgentFlags) -> Result<(), Failure> {
    if agent_flags.file.read.is_some() {
        return Err(Failure::Usage(
            "a capture file does not change: list it with `conns --read FILE`".to_owned(),
        ));
    }
    if flags.among.resolve {
        return Err(Failure::Usage(
            "--resolve does not go with `conns top`: its screen does not wait for a name server; \
             `remote_name` is what was seen of names"
                .to_owned(),
        ));
    }
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(Failure::Usage(
            "`conns top` needs a terminal for its keys and its screen; `conns --watch` writes to a pipe"
                .to_owned(),
        ));
    }
    conns_engine::give_back_soon();
    let filter = flags.among.filter.join(" ");
    // With the resolver: while it is typed, only hosts that are known without a name server are found.
    crate::list::parse_filter(&flags.among.filter)?;
    let folder = configuration_folder()?;
    let (mut settings, mut warnings) = settings_in(folder.as_deref());
    settings.theme.coloured = terminal::is_coloured(flags.among.color);
    settings.theme.ascii = flags.ascii || !is_utf8()?;
    let named_path = folder.map(|folder| folder.join("filters.toml"));
    let named = named_in(named_path.as_deref(), &mut warnings);
    let url = agent::url(agent_flags, flags.among.source)?;
    let channels = if url.is_some() { Channels::Apart } else { Channels::Shared };
    let start = Start {
        observed: url.unwrap_or_else(|| "this machine".to_owned()),
        agent_flags: agent_words(agent_flags),
        history_flags: flags
            .kept
            .path
            .iter()
            .map(|path| word("--history", &path.display()))
            .collect(),
        filter,
        sort: flags.sort.clone(),
        columns: flags.columns.clone(),
        group_by: flags.group_by.clone(),
        screen: flags.view.into(),
        settings,
        named,
        warnings,
        time: EventTime::for_terminal(true),
        addresses: known_addresses,
    };
    let ask = flags.among.ask(View::All);
    let pace = Pace::every(flags.interval);
    let began = Instant::now();
    let open = opened_by(agent_flags.clone(), flags);
    let past = past_by(agent_flags.clone(), flags);
    let files = Files { named: named_path };
    match conns_tui::run(start, &files, (open, channels, past), (ask, pace), || began.elapsed()) {
        Ok(()) => Ok(()),
        Err(RunError::Usage(why)) => Err(Failure::Usage(why)),
        Err(error @ (RunError::NoAgent(_) | RunError::Terminal(_) | RunError::Panicked)) => {
            Err(Failure::NoAnswer(error.to_string()))
        }
    }
}

/// Opens the agent, also again after it was lost.
fn opened_by(agent_flags: AgentFlags, flags: &TopFlags) -> Open {
    let source = flags.among.source;
    let memory = Retention::Window(WINDOW);
    let purpose = Purpose::Agent { tap: true };
    Arc::new(move || -> Result<Box<dyn Agent>, String> {
        agent::open(&agent_flags, source, memory, purpose).map_err(|failure| failure.to_string())
    })
}

/// Reads the history of the same agent.
fn past_by(agent_flags: AgentFlags, flags: &TopFlags) -> ReadPast {
    let (kept, ask) = (flags.kept.clone(), flags.among.ask(View::All));
    Arc::new(move |at_us| {
        let mut agent = past::open(&agent_flags, &kept, Asked::At(at_us))
            .map_err(|failure| failure.to_string())?;
        let reason = |error: AgentError| error.to_string();
        let updates = agent.updates(&ask, Pace::default());
        let update = updates.and_then(|mut updates| next_update(&mut *updates)).map_err(reason)?;
        let events = kept_events(&mut *agent, &ask).map_err(reason)?.events;
        let (from_us, to_us) = (at_us.saturating_sub(REACH_US), at_us.saturating_add(REACH_US));
        let now_us = when::parse("now")?;
        let times = Times { from_us, to_us: to_us.min(now_us) };
        let time_line = agent.timeline(times, MAX_BUCKETS).map_err(reason);
        Ok(PastMoment { update, events, time_line })
    })
}

fn word(name: &str, value: &dyn std::fmt::Display) -> String {
    format!("{name}={value}")
}

/// The flags that lead to the same agent.
fn agent_words(flags: &AgentFlags) -> Vec<String> {
    let url = flags.agent.iter().map(|url| word("--agent", url));
    let token = flags.token_file.iter().map(|path| word("--token-file", &path.display()));
    let ca = flags.agent_ca.iter().map(|path| word("--agent-ca", &path.display()));
    url.chain(token).chain(ca).collect()
}

/// Addresses that are known without a name server: a screen does not wait for one at each key.
fn known_addresses(host: &str) -> Vec<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") { addresses_of(host) } else { Vec::new() }
}

/// `conns` in the user's directory of configurations (XDG Base Directory Specification).
fn configuration_folder() -> Result<Option<PathBuf>, Failure> {
    let config = variable("XDG_CONFIG_HOME")?.map(PathBuf::from);
    let home = variable("HOME")?.map(|home| Path::new(&home).join(".config"));
    Ok(config.filter(|path| path.is_absolute()).or(home).map(|folder| folder.join("conns")))
}

/// The text of a file; none if it does not exist.
fn text_of(path: &Path, warnings: &mut Vec<String>) -> Option<String> {
    match fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            warnings.push(format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

fn settings_in(folder: Option<&Path>) -> (Settings, Vec<String>) {
    let mut warnings = Vec::new();
    let path = folder.map(|folder| folder.join("top.toml"));
    let text = path.as_deref().and_then(|path| text_of(path, &mut warnings));
    let (settings, wrong) = Settings::parse(&text.unwrap_or_default());
    let path = path.map(|path| path.display().to_string()).unwrap_or_default();
    warnings.extend(wrong.into_iter().map(|what| format!("{path}: {what}")));
    (settings, warnings)
}

fn named_in(path: Option<&Path>, warnings: &mut Vec<String>) -> Named {
    let Some(path) = path else { return Named::default() };
    let text = text_of(path, warnings).unwrap_or_default();
    Named::parse(&text).unwrap_or_else(|what| {
        warnings.push(format!("{}: {what}", path.display()));
        Named::default()
    })
}

/// Whether the locale is one of UTF-8 (locale(7)): the first of these variables that is set decides.
fn is_utf8() -> Result<bool, Failure> {
    for name in ["LC_ALL", "LC_CTYPE", "LANG"] {
        if let Some(locale) = variable(name)? {
            let locale = locale.to_ascii_lowercase();
            return Ok(locale.contains("utf-8") || locale.contains("utf8"));
        }
    }
    // No locale is `C`, in which terminals of today show UTF-8 nevertheless.
    Ok(true)
}
