//! The configuration of the agent: every setting from its default, the file, the environment or a
//! flag; each of these layers overrides the ones before it. Readers are passed in.

mod error;
mod explain;
mod file;
#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use conns_server::ListenAddress;

use crate::flags::serve::ServeFlags;
use crate::settings::{DEFAULT_FILE, FILE_VARIABLE, Kind, Link, SETTINGS, Setting, Value};

pub(crate) use crate::settings::Config;
pub(crate) use error::{ConfigError, ConfigErrors, Origin};
pub(crate) use explain::{default_file, explain, markdown};

/// A configuration as it was loaded: the values, and where each comes from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    settled: Vec<Settled>,
}

/// A setting with its effective value.
#[derive(Debug, Clone)]
struct Settled {
    setting: &'static Setting,
    value: Option<Value>,
    origin: Origin,
}

/// Loads the configuration: `flags` override the variables that `env` returns (an empty one counts
/// as unset), these override the file that `read` reads, and that overrides the defaults.
///
/// # Errors
/// Every error in every layer, overridden values included.
pub(crate) fn load(
    flags: &ServeFlags,
    env: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Result<Loaded, ConfigErrors> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let mut wrong = Vec::new();
    let mut loaded = match Loaded::with_defaults(&env, &mut wrong) {
        Ok(loaded) => loaded,
        Err(what) => return Err(ConfigErrors(vec![ConfigError::new(Origin::Default, what)])),
    };
    let given = from_file(flags, &env, read, &mut wrong)
        .into_iter()
        .chain(from_environment(&env, &mut wrong))
        .chain(from_flags(flags, &mut wrong));
    for (setting, value, origin) in given.collect::<Vec<_>>() {
        loaded.set(setting, value, origin, &mut wrong);
    }
    // Combinations are checked only if every single value is valid.
    if wrong.is_empty() {
        loaded.check_combinations(&mut wrong);
    }
    if wrong.is_empty() {
        return Ok(loaded);
    }
    wrong.sort_by_key(|error| error.at.order());
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
        (None, None) => (DEFAULT_FILE.into(), None),
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

impl Loaded {
    fn with_defaults(
        env: &impl Fn(&str) -> Option<String>,
        wrong: &mut Vec<ConfigError>,
    ) -> Result<Self, String> {
        let mut loaded = Self { config: Config::blank()?, settled: Vec::new() };
        for setting in SETTINGS {
            loaded.settled.push(Settled { setting, value: None, origin: Origin::Default });
            let text = setting.default_in(env);
            if text.is_empty() {
                continue;
            }
            match setting.kind.value_of(&text) {
                Ok(value) => loaded.set(setting, value, Origin::Default, wrong),
                Err(what) => wrong.push(ConfigError::of(setting, Origin::Default, what)),
            }
        }
        Ok(loaded)
    }

    fn set(
        &mut self,
        setting: &'static Setting,
        value: Value,
        origin: Origin,
        wrong: &mut Vec<ConfigError>,
    ) {
        let set = setting.field.0;
        if let Err(what) = set(&mut self.config, &value) {
            wrong.push(ConfigError::of(setting, origin, what));
            return;
        }
        if let Some(settled) = self.settled.iter_mut().find(|it| it.setting.key == setting.key) {
            settled.value = Some(value);
            settled.origin = origin;
        }
    }

    /// Checks settings that depend on each other.
    fn check_combinations(&mut self, wrong: &mut Vec<ConfigError>) {
        let has_tls = match (&self.config.tls.certificate, &self.config.tls.key) {
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
        let Config { listen, insecure, tokens, .. } = &self.config;
        let safe = conns_server::check(listen, *insecure, has_tls, !tokens.is_empty());
        if let Err(refusal) = safe {
            wrong.push(ConfigError::new(self.origin("listen"), refusal.to_string()));
        }
        for (index, one) in listen.iter().enumerate() {
            // Port 0 is any free port, a different one each time.
            let is_any = matches!(&one.place, ListenAddress::Tcp(address) if address.port() == 0);
            let is_again = listen.iter().take(index).any(|other| other.place == one.place);
            if is_again && !is_any {
                let what = format!("`listen` names {} twice", one.place);
                wrong.push(ConfigError::new(self.origin("listen"), what));
            }
        }
        self.check_link(wrong);
        // A verdict needs two samples.
        self.config.window = self.config.window.max(self.config.interval * 2);
    }

    fn check_link(&self, wrong: &mut Vec<ConfigError>) {
        let Link { listen, key, folder, allow, relay, incoming_limit, outgoing_limit } =
            &self.config.link;
        if listen.is_some() {
            if folder.is_none() {
                let what = "`link.listen` is set and `link.folder` is not; set the folder for received files";
                wrong.push(ConfigError::new(self.origin("link.listen"), what.to_owned()));
            }
            if cfg!(not(target_os = "linux")) {
                let what =
                    "`link.listen` is set, and there is a link server on Linux only; omit it";
                wrong.push(ConfigError::new(self.origin("link.listen"), what.to_owned()));
            }
            return;
        }
        for (key, is_set) in [
            ("link.key", key.is_some()),
            ("link.folder", folder.is_some()),
            ("link.allow", !allow.is_empty()),
            ("link.relay", relay.is_some()),
            ("link.incoming_limit", incoming_limit.is_some()),
            ("link.outgoing_limit", outgoing_limit.is_some()),
        ] {
            if is_set {
                let what = format!(
                    "`{key}` is set and `link.listen` is not, so there is no link server; set both or none"
                );
                wrong.push(ConfigError::new(self.origin(key), what));
            }
        }
    }

    fn one_of_two(&self, given: &str, missing: &str) -> ConfigError {
        let what = format!("`{given}` is set and `{missing}` is not; give both or none");
        ConfigError::new(self.origin(given), what)
    }

    fn origin(&self, key: &str) -> Origin {
        let settled = self.settled.iter().find(|settled| settled.setting.key == key);
        settled.map_or(Origin::Default, |settled| settled.origin.clone())
    }
}

/// The keys that differ in `new` and that only a restart can change, because the agent has dropped
/// the privileges for them.
pub(crate) fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let differs = |setting: &&Setting| setting.restart && (setting.field.1)(old, new);
    SETTINGS.iter().filter(differs).map(|setting| setting.key).collect()
}
