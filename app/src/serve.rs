//! `conns serve`: the agent. It samples the machine and serves clients until a signal stops it.
//!
//! Invariant: configuration, ports, sources and the first sample come first; then privileges are
//! dropped for good; only then threads start and clients are accepted.

mod dialects;
mod swap;
mod system;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_api::UpdateReceiver;
use conns_contract::SystemClock;
use conns_core::track::Retention;
use conns_engine::{Engine, MemoryBounds, Purpose, Sampler, memory_limit};
use conns_privileges::{Account, Confinement, Keep, Privileges, becomes, shrink};
use conns_server::{
    About, Access, AccessConfig, BindError, ListenAddress, Listener, Plan, Protocol, Refusals,
    runtime, tls_from_files,
};
use tokio::runtime::Runtime;

use crate::config::{Config, Loaded, load, needs_restart};
use crate::failure::{Failure, log};
use crate::flags::serve::ServeFlags;
use crate::local::choice;
use crate::settings::{DEFAULT_FILE, FILE_VARIABLE};
use dialects::Served;
use system::{Signal, Signals};

/// Threads that serve clients. Two, so that a long answer does not delay a short one; more would
/// compete with the workload of the machine.
const SERVING_THREADS: usize = 2;

/// Runs the agent until SIGTERM or SIGINT.
pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    system::raise_open_files().map_err(no_answer)?;
    let config = load_config(flags)?.config;
    // Read once: after the drop of privileges the file may be out of reach.
    let memory_limit = memory_limit();
    let access = access(&config, memory_limit)?;
    let has_tls = access.tls.is_some();
    let mut keep = keep(flags, &config);
    let account = becomes(&keep).map_err(no_answer)?;
    create_socket_directories(&config, account.as_ref())?;
    // Decided once: a number without an account that is free now may be used by another agent later.
    keep.user = account.map(|account| account.uid.to_string()).or(keep.user);
    let listeners = config
        .listen
        .iter()
        .map(|spec| {
            let mut listener = Listener::bind(spec, spec.uses_tls(has_tls))?;
            // Clients of other systems send no tokens of this agent. Their ports require none if
            // only this machine can connect, or with `insecure`.
            let is_native = spec.protocol == Protocol::Http;
            listener.guarded &= is_native || !(spec.place.is_local() || config.insecure);
            Ok(listener)
        })
        .collect::<Result<Vec<_>, BindError>>()
        .map_err(no_answer)?;
    let memory = Retention::Window(config.window);
    let clock = Arc::new(SystemClock::start());
    let engine = Engine::open(choice(config.source), memory, Purpose::Agent, clock);
    let mut engine = engine.map_err(no_answer)?;
    if let Some(limit) = memory_limit {
        let bounds = MemoryBounds::within(limit);
        let sockets = bounds.sockets;
        log(format_args!(
            "memory is limited to {limit} bytes: at most {sockets} sockets are listed"
        ));
        engine.set_bounds(bounds);
    }
    let mut sampler = Sampler::open(engine, config.interval).map_err(no_answer)?;
    // No byte of a client is read before this line; no privilege can be regained after it.
    let privileges = shrink(&keep).map_err(no_answer)?;
    if let Err(kept) = privileges.report(None) {
        log(&kept);
    }
    let confinement = Confinement::prepare(&keep).map_err(no_answer)?;
    sampler.start().map_err(no_answer)?;
    let runtime = confined_runtime(&confinement)?;
    let served = Served::new(&config).map_err(no_answer)?;
    let access_config = Arc::new(AccessConfig::new(access));
    for (listener, spec) in listeners.iter().zip(&config.listen) {
        log(format_args!("{} on {}", spec.protocol, listener.shown()));
    }
    let clock = sampler.clock();
    let plan = Plan {
        listeners,
        access: Arc::clone(&access_config),
        dialects: served.dialects(),
        about: About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            metrics_top: config.metrics_top,
            privileges: privileges_reader(privileges, confinement),
            now: Arc::new(move || clock.now()),
            refusals: Arc::new(Refusals::default()),
        },
    };
    let (updates, events) = (sampler.updates(), sampler.events());
    let mut running = Running { flags, config, sampler, access_config, served, memory_limit };
    // Only this thread may still read files, and it handles the signals.
    runtime.block_on(async {
        let signals = Signals::open().map_err(no_answer)?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(conns_server::serve(plan, (updates.clone(), events), async {
            // Dropping the sender stops the server too.
            let _ = stopped.await;
        }));
        log("ready");
        let why = running.until_stopped(signals, updates).await;
        drop(stop);
        serving.await.map_err(no_answer)?.map_err(no_answer)?;
        why
    })
}

/// The runtime that serves. The process ends if one of its threads cannot be confined: such a thread
/// would read what clients send with the privileges of the whole process.
fn confined_runtime(confinement: &Confinement) -> Result<Runtime, Failure> {
    let confined = confinement.clone();
    let confine = move || {
        if let Err(error) = confined.confine_thread() {
            log(format_args!("{error}. No thread serves without confinement: the agent ends"));
            std::process::exit(1);
        }
    };
    runtime(SERVING_THREADS, confine).map_err(no_answer)
}

/// Reads the privileges from the kernel at each call.
fn privileges_reader(
    privileges: Privileges,
    confinement: Confinement,
) -> Arc<dyn Fn() -> serde_json::Value + Send + Sync> {
    Arc::new(move || match privileges.report(Some(&confinement)) {
        Ok(report) => serde_json::to_value(report).unwrap_or_default(),
        Err(error) => serde_json::json!({ "unreadable": error.to_string() }),
    })
}

fn no_answer(error: impl std::fmt::Display) -> Failure {
    Failure::NoAnswer(error.to_string())
}

/// Loads the configuration of these flags, the environment of this process and the file.
pub(crate) fn load_config(flags: &ServeFlags) -> Result<Loaded, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let read = |path: &Path| fs::read_to_string(path);
    load(flags, env, read).map_err(|errors| Failure::Usage(errors.to_string()))
}

/// The rules for clients; `memory_limit` is in bytes.
fn access(config: &Config, memory_limit: Option<u64>) -> Result<Access, Failure> {
    let tls = match (&config.tls.certificate, &config.tls.key) {
        (Some(certificate), Some(key)) => {
            Some(tls_from_files(certificate, key).map_err(no_answer)?)
        }
        _ => None,
    };
    Ok(Access {
        tokens: config.tokens.clone(),
        hosts: config.hosts.iter().map(|name| name.0.as_str().into()).collect(),
        tls,
        limits: memory_limit.map_or(config.limits, |limit| config.limits.within(limit)),
    })
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

/// The parts of the running agent that a signal affects.
struct Running<'a> {
    flags: &'a ServeFlags,
    config: Config,
    sampler: Sampler,
    access_config: Arc<AccessConfig>,
    served: Served,
    memory_limit: Option<u64>,
}

impl Running<'_> {
    /// Runs until SIGTERM or SIGINT; fails if the sampler thread ended.
    async fn until_stopped(
        &mut self,
        mut signals: Signals,
        mut updates: UpdateReceiver,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => return Ok(()),
                    Signal::Reload => self.reload(),
                },
                update = updates.changed() => if update.is_err() {
                    return Err(no_answer("the sampler thread ended; see the message before this one"));
                },
            }
        }
    }

    /// Loads the configuration again and applies the settings that need no restart. If it is invalid,
    /// logs the errors and changes nothing.
    fn reload(&mut self) {
        let loaded = load_config(self.flags)
            .and_then(|loaded| Ok((access(&loaded.config, self.memory_limit)?, loaded.config)));
        let (access, mut config) = match loaded {
            Ok(loaded) => loaded,
            Err(failure) => {
                log(format_args!("configuration not reloaded: {failure}"));
                return;
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
            return;
        }
        self.access_config.replace(access);
        self.sampler.set_interval(config.interval);
        self.served.change(&self.config, &config);
        self.config = config;
        log("configuration reloaded");
    }
}
