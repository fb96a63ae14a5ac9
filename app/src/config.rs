//! What the agent is told to do: every setting, from the built-in default, the file, the environment
//! or a flag, each over the ones before it. Reads nothing by itself: it is handed the readers.
//!
//! The one idea: a setting is one row of `settings.rs`; its flag, its variable, its key, its help,
//! its page and the way into `Config` all come from that row.

mod error;
mod explain;
mod file;
mod kind;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conns_core::query::Filter;
use conns_dialects::monero::Era;
use conns_server::{Limits, ListenAddress, ListenSpec, TokenHash};

use crate::flags::SourceChoice;
use crate::flags::serve::ServeFlags;

pub(crate) use error::{ConfigError, ConfigErrors, Origin};
pub(crate) use explain::{default_file, explain, markdown};
pub(crate) use kind::{Kind, Value};
pub(crate) use read::{HostName, Login, UserName};
pub(crate) use settings::{SETTINGS, Setting};

/// Read if neither `--config` nor `CONNS_CONFIG` names another; the only one that may be missing.
pub(crate) const USUAL_FILE: &str = "/etc/conns/conns.toml";

/// The variable that names the file.
pub(crate) const FILE_VARIABLE: &str = "CONNS_CONFIG";

/// Everything the agent is told.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Time between two looks.
    pub(crate) interval: Duration,
    /// Half of the time a verdict looks back; at least two intervals, whatever was set.
    pub(crate) window: Duration,
    /// Where connections are read from.
    pub(crate) source: SourceChoice,
    /// Whether namespaces that appear later are followed, which keeps `CAP_SYS_ADMIN`.
    pub(crate) follow_namespaces: bool,
    /// Who to be once everything is open; `None` is for the program to choose.
    pub(crate) user: Option<UserName>,
    /// What is spoken where.
    pub(crate) listen: Vec<ListenSpec>,
    /// Others may read without TLS and token.
    pub(crate) insecure: bool,
    /// Names accepted in `Host` besides addresses and `localhost`.
    pub(crate) hosts: Vec<HostName>,
    /// Hashes of the bearer tokens that are let in; everybody if there is none.
    pub(crate) tokens: Vec<TokenHash>,
    /// Certificate and key.
    pub(crate) tls: Tls,
    /// Bounds of what clients may cost.
    pub(crate) limits: Limits,
    /// The Monero dialect.
    pub(crate) monero: Monero,
    /// The EMS dialect.
    pub(crate) ems: Ems,
    /// Most processes and remote addresses with series of their own.
    pub(crate) metrics_top: usize,
    settled: Vec<Settled>,
}

/// PEM files; both or none.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tls {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Monero {
    pub(crate) peers: Filter,
    pub(crate) node: Option<Filter>,
    pub(crate) era: Era,
    pub(crate) restricted: bool,
    pub(crate) login: Option<Login>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ems {
    pub(crate) streams: Filter,
    pub(crate) length_prefix: bool,
}

/// The value that won.
#[derive(Debug, Clone)]
struct Settled {
    setting: &'static Setting,
    value: Option<Value>,
    origin: Origin,
}

/// Reads the configuration: `flags` over what `env` tells of a variable (an empty one is none) over
/// the file that `read` reads over the defaults. Touches nothing itself.
///
/// # Errors
/// Everything that is wrong, in every layer, also in those that another one is over.
pub(crate) fn load(
    flags: &ServeFlags,
    env: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Config, ConfigErrors> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let mut wrong = Vec::new();
    let mut config = match Config::with_defaults(&env, &mut wrong) {
        Ok(config) => config,
        Err(what) => return Err(ConfigErrors(vec![ConfigError::new(Origin::Default, what)])),
    };
    let given = from_file(flags, &env, read, &mut wrong)
        .into_iter()
        .chain(from_environment(&env, &mut wrong))
        .chain(from_flags(flags, &mut wrong));
    for (setting, value, origin) in given.collect::<Vec<_>>() {
        config.set(setting, value, origin, &mut wrong);
    }
    // What hangs together is weighed only when each for itself is right.
    if wrong.is_empty() {
        config.weigh(&mut wrong);
    }
    if wrong.is_empty() {
        return Ok(config);
    }
    wrong.sort_by_key(|error| error.at.place());
    Err(ConfigErrors(wrong))
}

type Given = (&'static Setting, Value, Origin);

fn from_file(
    flags: &ServeFlags,
    env: &impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> io::Result<String>,
    wrong: &mut Vec<ConfigError>,
) -> Vec<Given> {
    let (path, named_by) = match (&flags.config, env(FILE_VARIABLE)) {
        (Some(path), _) => (path.clone(), Some(Origin::Flag("config"))),
        (None, Some(path)) => (path.into(), Some(Origin::Environment(FILE_VARIABLE.to_owned()))),
        (None, None) => (USUAL_FILE.into(), None),
    };
    match read(&path) {
        Ok(text) => file::read(&path, &text, wrong),
        Err(error) if error.kind() == io::ErrorKind::NotFound && named_by.is_none() => Vec::new(),
        Err(error) => {
            let at = named_by.unwrap_or(Origin::File { path: path.clone(), line: None });
            wrong.push(ConfigError::new(at, format!("cannot read {}: {error}", path.display())));
            Vec::new()
        }
    }
}

fn from_environment(
    env: &impl Fn(&str) -> Option<String>,
    wrong: &mut Vec<ConfigError>,
) -> Vec<Given> {
    let mut given = Vec::new();
    for setting in SETTINGS {
        let variable = setting.variable();
        let Some(text) = env(&variable) else { continue };
        let origin = Origin::Environment(variable);
        match setting.kind.value_of(&text) {
            Ok(value) => given.push((setting, value, origin)),
            Err(what) => wrong.push(ConfigError::new(origin, what)),
        }
    }
    given
}

fn from_flags(flags: &ServeFlags, wrong: &mut Vec<ConfigError>) -> Vec<Given> {
    let mut given = Vec::new();
    for (setting, texts) in &flags.given {
        let origin = Origin::Flag(setting.flag);
        let value = match (setting.kind, texts.as_slice()) {
            (Kind::Texts, all) => Ok(Value::Texts(all.to_vec())),
            (kind, [.., last]) => kind.value_of(last),
            (_, []) => continue,
        };
        match value {
            Ok(value) => given.push((*setting, value, origin)),
            Err(what) => wrong.push(ConfigError::new(origin, what)),
        }
    }
    given
}

impl Config {
    fn with_defaults(
        env: &impl Fn(&str) -> Option<String>,
        wrong: &mut Vec<ConfigError>,
    ) -> Result<Self, String> {
        let mut config = Self::blank()?;
        for setting in SETTINGS {
            config.settled.push(Settled { setting, value: None, origin: Origin::Default });
            let text = setting.default_in(env);
            if text.is_empty() {
                continue;
            }
            match setting.kind.value_of(&text) {
                Ok(value) => config.set(setting, value, Origin::Default, wrong),
                Err(what) => wrong.push(ConfigError::of(setting, Origin::Default, what)),
            }
        }
        Ok(config)
    }

    /// What the defaults are written over.
    fn blank() -> Result<Self, String> {
        let all = Filter::parse("").map_err(|error| error.message())?;
        Ok(Self {
            interval: Duration::ZERO,
            window: Duration::ZERO,
            source: SourceChoice::Auto,
            follow_namespaces: false,
            user: None,
            listen: Vec::new(),
            insecure: false,
            hosts: Vec::new(),
            tokens: Vec::new(),
            tls: Tls::default(),
            limits: Limits::default(),
            monero: Monero {
                peers: all.clone(),
                node: None,
                era: Era::default(),
                restricted: false,
                login: None,
            },
            ems: Ems { streams: all, length_prefix: false },
            metrics_top: 0,
            settled: Vec::new(),
        })
    }

    fn set(
        &mut self,
        setting: &'static Setting,
        value: Value,
        origin: Origin,
        wrong: &mut Vec<ConfigError>,
    ) {
        let set = setting.field.0;
        if let Err(what) = set(self, &value) {
            wrong.push(ConfigError::of(setting, origin, what));
            return;
        }
        if let Some(settled) = self.settled.iter_mut().find(|it| it.setting.key == setting.key) {
            settled.value = Some(value);
            settled.origin = origin;
        }
    }

    /// What several settings together must be.
    fn weigh(&mut self, wrong: &mut Vec<ConfigError>) {
        let has_tls = match (&self.tls.certificate, &self.tls.key) {
            (Some(_), None) => {
                wrong.push(self.one_of_two("tls.certificate", "tls.key"));
                false
            }
            (None, Some(_)) => {
                wrong.push(self.one_of_two("tls.key", "tls.certificate"));
                false
            }
            (certificate, _) => certificate.is_some(),
        };
        let safe =
            conns_server::check(&self.listen, self.insecure, has_tls, !self.tokens.is_empty());
        if let Err(refusal) = safe {
            wrong.push(ConfigError::new(self.origin("listen"), refusal.to_string()));
        }
        for (index, one) in self.listen.iter().enumerate() {
            // Port 0 is whichever is free, another one each time.
            let is_any = matches!(&one.place, ListenAddress::Tcp(address) if address.port() == 0);
            let is_again = self.listen.iter().take(index).any(|other| other.place == one.place);
            if is_again && !is_any {
                let what = format!("`listen` names {} twice", one.place);
                wrong.push(ConfigError::new(self.origin("listen"), what));
            }
        }
        // One look says nothing about change.
        self.window = self.window.max(self.interval * 2);
    }

    fn one_of_two(&self, given: &str, missing: &str) -> ConfigError {
        let what = format!("`{given}` is set and `{missing}` is not; give both or none");
        ConfigError::new(self.origin(given), what)
    }

    fn origin(&self, key: &str) -> Origin {
        let settled = self.settled.iter().find(|settled| settled.setting.key == key);
        settled.map_or(Origin::Default, |settled| settled.origin.clone())
    }

    /// The keys in which `new` differs and which only a restart changes: those that need what the
    /// agent gave up after it had started. All others can be taken over while it runs.
    pub(crate) fn needs_restart(&self, new: &Self) -> Vec<&'static str> {
        let differs = |setting: &&Setting| setting.restart && (setting.field.1)(self, new);
        SETTINGS.iter().filter(differs).map(|setting| setting.key).collect()
    }
}
