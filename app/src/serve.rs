//! `conns serve`: the agent. It samples the machine, or reads a capture file, and serves clients until a signal stops
//! it.
//!
//! Invariant: configuration, ports and sources come first; then privileges are dropped for good; only then
//! threads start and clients are accepted. What serves clients is threads of this process, or a process of its
//! own.

#[cfg(target_os = "linux")]
mod collector;
mod dialects;
mod files;
pub(crate) mod history;
mod link;
mod one_process;
#[cfg(target_os = "linux")]
pub(crate) mod serving_process;
mod swap;
mod system;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_contract::SystemClock;
use conns_core::track::Retention;
use conns_engine::{Engine, MemoryBounds, Purpose, Sampler, memory_limit, share_heap};
use conns_privileges::{Account, Keep, Privileges, ServedBy, becomes, confine_asking_thread};
use conns_server::{
    Access, BindError, Limits, ListenAddress, ListenSpec, Listener, Protocol, tls_from_files,
};

use crate::config::{self, Config, load, needs_restart};
use crate::failure::{Failure, log};
use crate::file;
use crate::flags::ReadFlags;
use crate::flags::serve::ServeFlags;
use crate::local::choice;
use crate::pair_key;
use crate::settings::{DEFAULT_FILE, FILE_VARIABLE, ServingProcess};
use files::FileContents;

/// Threads that serve clients. Two, so that a long answer does not delay a short one; more would
/// compete with the workload of the machine.
const SERVING_THREADS: usize = 2;

/// Runs the agent until SIGTERM or SIGINT; over the file of `read` if that names one.
pub(crate) fn run(flags: &ServeFlags, read: &ReadFlags) -> Result<(), Failure> {
    share_heap();
    system::raise_open_files().map_err(no_answer)?;
    let prepared = prepare(flags, read)?;
    #[cfg(target_os = "linux")]
    if has_serving_process(&prepared.settings.config) {
        return collector::run(prepared);
    }
    one_process::run(prepared)
}

/// Whether a process of its own serves clients.
fn has_serving_process(config: &Config) -> bool {
    match config.serving_process {
        ServingProcess::Auto if cfg!(target_os = "linux") => {
            config.listen.iter().any(|spec| !spec.place.is_local())
        }
        ServingProcess::Auto | ServingProcess::No => false,
        ServingProcess::Yes => true,
    }
}

/// Everything that is open before privileges are dropped.
struct Prepared<'a> {
    settings: Settings<'a>,
    /// The files that the configuration was read from.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for a serving process"))]
    files: FileContents,
    access: Access,
    keep: Keep,
    /// The account that the process is to become.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for a serving process"))]
    account: Option<Account>,
    listeners: Vec<Listener>,
    /// The link server of `[link]`.
    link: Option<link::HostedLink>,
    sampler: Sampler,
    history: history::KeptHistory,
    /// Whether daemons of this machine are asked: never for a file of another one.
    asks_daemons: bool,
}

/// Starts the threads of the sampler, after privileges are dropped.
fn start(sampler: &mut Sampler, asks_daemons: bool) -> Result<(), Failure> {
    if asks_daemons {
        let confine = || confine_asking_thread().map_err(|error| error.to_string());
        sampler.ask_daemons(confine).map_err(no_answer)?;
    }
    sampler.start().map_err(no_answer)
}

fn prepare<'a>(flags: &'a ServeFlags, read: &ReadFlags) -> Result<Prepared<'a>, Failure> {
    // Read once: after the drop of privileges the file may be out of reach.
    let memory_limit = memory_limit();
    let files = FileContents::default();
    let Loaded { config, access } = load_with(flags, |path| files.read(path), memory_limit)?;
    if config.serving_process == ServingProcess::Yes && cfg!(not(target_os = "linux")) {
        return Err(no_answer(
            "there is no serving process on this system, only on Linux: omit the setting \
             `serving_process`",
        ));
    }
    let mut keep = keep(flags, &config);
    let account = becomes(&keep).map_err(no_answer)?;
    create_socket_directories(&config, account.as_ref())?;
    // Decided once: a number without an account that is free now may be used by another agent later.
    keep.user = account.as_ref().map(|account| account.uid.to_string()).or(keep.user);
    let listeners = config
        .listen
        .iter()
        .map(|spec| {
            let mut listener = Listener::bind(spec, spec.uses_tls(access.tls.is_some()))?;
            listener.guarded &= is_guarded(spec, &config);
            Ok(listener)
        })
        .collect::<Result<Vec<_>, BindError>>()
        .map_err(no_answer)?;
    if config.show_credentials {
        conns_core::decode::show_credentials();
    }
    let mut engine = match file::engine(read, Purpose::Agent { tap: false })? {
        Some(engine) => engine.into_engine(),
        None => {
            let memory = Retention::Window(config.window);
            let clock = Arc::new(SystemClock::start());
            let purpose = Purpose::Agent { tap: config.tap };
            let pair_key = pair_key::read(config.pair_key.as_deref())?;
            let engine = Engine::open(choice(config.source), memory, purpose, pair_key, clock);
            engine.map_err(no_answer)?
        }
    };
    engine.also_list_files_of(config.files_of.iter().map(|name| name.0.as_str().into()).collect());
    if let Some(limit) = memory_limit {
        let bounds = MemoryBounds::within(limit, has_serving_process(&config));
        let sockets = bounds.sockets;
        log(format_args!(
            "memory is limited to {limit} bytes: at most {sockets} sockets are listed"
        ));
        engine.set_bounds(bounds);
    }
    #[cfg(target_os = "linux")]
    if read.read.is_none() {
        engine.read_transfers(crate::link::observe::on_a_thread());
    }
    let link_ends = link::LinkEnds::default();
    let noted_ends = link_ends.clone();
    let history_failure = history::HistoryFailure::default();
    let noted_failure = history_failure.clone();
    engine.report_losses(Box::new(move || {
        let mut losses = noted_ends.losses();
        losses.extend(noted_failure.losses());
        losses
    }));
    let sampler = Sampler::open(engine, config.interval).map_err(no_answer)?;
    // A file is of another machine, or of another time.
    let mut kept = config.history.clone();
    if read.read.is_some() {
        kept.size_bytes = 0;
    }
    let history = history::KeptHistory::open(&kept, &*sampler.clock(), history_failure);
    let link = link::start(&config, account.as_ref(), &link_ends)?;
    let asks_daemons = config.ask_daemons && read.read.is_none();
    let settings = Settings { flags, config, memory_limit };
    Ok(Prepared {
        settings,
        files,
        access,
        keep,
        account,
        listeners,
        link,
        sampler,
        history,
        asks_daemons,
    })
}

/// Whether a port asks for a token, if any is configured. Clients of other systems send no tokens of this
/// agent: their ports require none if only this machine can connect, or with `insecure`.
fn is_guarded(spec: &ListenSpec, config: &Config) -> bool {
    spec.protocol == Protocol::Http || !(spec.place.is_local() || config.insecure)
}

/// Logs where it listens.
fn report_listeners(listeners: &[Listener], config: &Config) {
    for (listener, spec) in listeners.iter().zip(&config.listen) {
        log(format_args!("{} on {}", spec.protocol, listener.shown()));
    }
}

/// Logs that no privilege was dropped, where that is so.
fn report_kept(privileges: &Privileges) {
    if let Err(kept) = privileges.report(&ServedBy::Nothing) {
        log(&kept);
    }
}

/// The privileges as the kernel has them now.
fn privileges_report(privileges: &Privileges, served_by: &ServedBy) -> serde_json::Value {
    match privileges.report(served_by) {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(error) => serde_json::json!({ "unreadable": error.to_string() }),
    }
}

fn sampler_ended() -> Failure {
    no_answer("the sampler thread ended; see the message before this one")
}

fn no_answer(error: impl std::fmt::Display) -> Failure {
    Failure::NoAnswer(error.to_string())
}

/// Loads the configuration of these flags, the environment of this process and the file.
pub(crate) fn load_config(flags: &ServeFlags) -> Result<config::Loaded, Failure> {
    load_config_with(flags, |path| fs::read(path))
}

fn load_config_with(
    flags: &ServeFlags,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<config::Loaded, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    load(flags, env, |path| files::text(read(path)))
        .map_err(|errors| Failure::Usage(errors.to_string()))
}

/// A configuration, and the rules for clients that follow from it.
struct Loaded {
    config: Config,
    access: Access,
}

/// Loads the configuration from files that `read` reads; `memory_limit` is in bytes.
fn load_with(
    flags: &ServeFlags,
    read: impl Fn(&Path) -> io::Result<Vec<u8>>,
    memory_limit: Option<u64>,
) -> Result<Loaded, Failure> {
    let config = load_config_with(flags, &read)?.config;
    let tls = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => {
            Some(tls_from_files(certificate, key, read).map_err(no_answer)?)
        }
        _ => None,
    };
    let access = Access {
        tokens: config.tokens.clone(),
        hosts: config.hosts.iter().map(|name| name.0.as_str().into()).collect(),
        tls,
        limits: limits(&config, memory_limit),
    };
    Ok(Loaded { config, access })
}

fn limits(config: &Config, memory_limit: Option<u64>) -> Limits {
    memory_limit.map_or(config.limits, |limit| config.limits.within(limit))
}

fn keep(flags: &ServeFlags, config: &Config) -> Keep {
    let named = flags.config.clone().or_else(|| std::env::var_os(FILE_VARIABLE).map(Into::into));
    let file = named.unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    let tls_files = [&config.tls.certificate, &config.tls.key].into_iter().flatten().cloned();
    Keep {
        user: config.user.as_ref().map(|user| user.0.clone()),
        follow_namespaces: config.follow_namespaces,
        writable: socket_directories(config).map(Path::to_owned).collect(),
        readable: [file].into_iter().filter(|file| file.exists()).chain(tls_files).collect(),
    }
}

fn socket_directories(config: &Config) -> impl Iterator<Item = &Path> {
    config.listen.iter().filter_map(|spec| match &spec.place {
        ListenAddress::Unix(path) => path.parent(),
        ListenAddress::Tcp(_) => None,
    })
}

/// Creates missing directories of unix sockets, owned by the account that the agent switches to, so
/// that it can remove its sockets when it stops.
fn create_socket_directories(config: &Config, account: Option<&Account>) -> Result<(), Failure> {
    let missing: Vec<&Path> =
        socket_directories(config).filter(|directory| !directory.exists()).collect();
    for directory in missing {
        let failed = |error: io::Error| {
            no_answer(format!(
                "cannot create {}, the directory of a unix socket: {error}",
                directory.display()
            ))
        };
        fs::create_dir(directory).map_err(failed)?;
        if let Some(account) = account {
            system::give_directory(directory, account).map_err(failed)?;
        }
    }
    Ok(())
}

/// The configuration in force.
struct Settings<'a> {
    flags: &'a ServeFlags,
    config: Config,
    memory_limit: Option<u64>,
}

/// A configuration that was loaded again, as far as it is not in [`Settings`].
struct Reloaded {
    /// The configuration before.
    before: Config,
    access: Access,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "for a serving process"))]
    files: FileContents,
}

impl Settings<'_> {
    /// The limits on clients.
    #[cfg(target_os = "linux")]
    fn limits(&self) -> Limits {
        limits(&self.config, self.memory_limit)
    }

    /// Loads the configuration again, and keeps what needs a restart as it is. If it is invalid, logs the
    /// errors and changes nothing.
    fn reload(&mut self) -> Option<Reloaded> {
        let files = FileContents::default();
        let loaded = load_with(self.flags, |path| files.read(path), self.memory_limit);
        let Loaded { mut config, access } = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => {
                log(format_args!("configuration not reloaded: {failure}"));
                return None;
            }
        };
        let keys = needs_restart(&self.config, &config);
        if !keys.is_empty() {
            log(format_args!("changed settings that need a restart: {}", keys.join(", ")));
        }
        // The addresses stay the same, so their protection must not become weaker.
        config.listen.clone_from(&self.config.listen);
        let (has_tls, has_tokens) = (access.tls.is_some(), !access.tokens.is_empty());
        if let Err(refusal) =
            conns_server::check(&config.listen, config.insecure, has_tls, has_tokens)
        {
            log(format_args!("configuration not reloaded: {refusal}"));
            return None;
        }
        let before = std::mem::replace(&mut self.config, config);
        Some(Reloaded { before, access, files })
    }
}
