//! `conns serve`: the agent. Opens everything, gives up what it needs no more, then watches and
//! answers until it is told to stop.
//!
//! The one idea is the order: configuration, ports, sources and the first look; then privileges
//! are dropped for good; only then threads are started, and strangers listened to.

mod dialects;
mod swap;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_api::UpdateReceiver;
use conns_contract::SystemClock;
use conns_core::track::Retention;
use conns_engine::{Engine, Purpose, Sampler};
use conns_privileges::{Confinement, Keep, becomes, shrink};
use conns_server::{
    About, Access, AccessConfig, BindError, ListenAddress, Listener, Plan, Protocol, Refusals,
    runtime, tls_from_files,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, FILE_VARIABLE, USUAL_FILE, load};
use crate::failure::Failure;
use crate::flags::serve::ServeFlags;
use crate::local::choice;
use dialects::Spoken;

/// Threads that answer. Two, so that a long answer does not keep a short one waiting; more would
/// only compete with what the machine is there for.
const SERVING_THREADS: usize = 2;

/// Lets this process have as many files open as it may: each client is one, and a login usually
/// starts with 1024. Where that is refused, fewer clients have room.
fn raise_open_files() {
    let limits = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
}

/// Runs the agent until SIGTERM or SIGINT.
pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    raise_open_files();
    let config = read_config(flags)?;
    let access = access(&config)?;
    let has_tls = access.tls.is_some();
    let keep = keep(flags, &config);
    make_socket_folders(&config, &keep)?;
    let listeners = config
        .listen
        .iter()
        .map(|wanted| {
            let mut listener = Listener::bind(wanted, wanted.uses_tls(has_tls))?;
            // Clients written for other systems know no tokens of ours. Where only this machine
            // reaches a port of theirs, or it was said that it is meant, none is asked for.
            let is_ours = wanted.protocol == Protocol::Http;
            listener.guarded &= is_ours || !(wanted.place.is_local() || config.insecure);
            Ok(listener)
        })
        .collect::<Result<Vec<_>, BindError>>()
        .map_err(no_answer)?;
    let memory = Retention::Window(config.window);
    let clock = Arc::new(SystemClock::start());
    let engine = Engine::open(choice(config.source), memory, Purpose::Agent, clock);
    let engine = engine.map_err(no_answer)?;
    let mut sampler = Sampler::open(engine, config.interval).map_err(no_answer)?;
    // Before this line nothing of what strangers send was read; after it nothing can be won back.
    let report = shrink(&keep).map_err(no_answer)?;
    let confinement = Confinement::prepare(&keep).map_err(no_answer)?;
    sampler.start().map_err(no_answer)?;
    let confined = confinement.clone();
    let runtime = runtime(SERVING_THREADS, move || {
        if let Err(error) = confined.confine_thread() {
            eprintln!("conns: {error}");
        }
    })
    .map_err(no_answer)?;
    let spoken = Spoken::new(&config).map_err(no_answer)?;
    let gate = Arc::new(AccessConfig::new(access));
    for (listener, wanted) in listeners.iter().zip(&config.listen) {
        eprintln!("conns: {} on {}", wanted.protocol, listener.shown());
    }
    let clock = sampler.clock();
    let plan = Plan {
        listeners,
        access: Arc::clone(&gate),
        dialects: spoken.dialects(),
        about: About {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            metrics_top: config.metrics_top,
            privileges: serde_json::to_value(report.renewed(Some(&confinement)))
                .unwrap_or_default(),
            now: Arc::new(move || clock.now()),
            refusals: Arc::new(Refusals::default()),
        },
    };
    let (feed, events) = (sampler.updates(), sampler.events());
    let mut running = Running { flags, config, sampler, gate, spoken };
    // This thread alone may still read files and keeps the signals.
    runtime.block_on(async {
        let signals = Signals::open().map_err(no_answer)?;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(conns_server::serve(plan, (feed.clone(), events), async {
            // Dropped or told, it is over.
            let _ = stopped.await;
        }));
        eprintln!("conns: ready");
        let why = running.until_told(signals, feed).await;
        drop(stop);
        serving.await.map_err(no_answer)?.map_err(no_answer)?;
        why
    })
}

fn no_answer(error: impl std::fmt::Display) -> Failure {
    Failure::NoAnswer(error.to_string())
}

/// The configuration of these flags, this process's environment and the file they name.
pub(crate) fn read_config(flags: &ServeFlags) -> Result<Config, Failure> {
    let env = |name: &str| std::env::var(name).ok();
    let read = |path: &Path| fs::read_to_string(path);
    load(flags, env, read).map_err(|errors| Failure::Usage(errors.to_string()))
}

fn access(config: &Config) -> Result<Access, Failure> {
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
        limits: config.limits,
    })
}

fn keep(flags: &ServeFlags, config: &Config) -> Keep {
    let named = flags.config.clone().or_else(|| std::env::var_os(FILE_VARIABLE).map(Into::into));
    let file = named.unwrap_or_else(|| PathBuf::from(USUAL_FILE));
    let of_tls = [&config.tls.certificate, &config.tls.key].into_iter().flatten().cloned();
    Keep {
        user: config.user.as_ref().map(|user| user.0.clone()),
        follow_namespaces: config.follow_namespaces,
        writable: socket_folders(config).map(Path::to_owned).collect(),
        readable: [file].into_iter().filter(|file| file.exists()).chain(of_tls).collect(),
    }
}

fn socket_folders(config: &Config) -> impl Iterator<Item = &Path> {
    config.listen.iter().filter_map(|wanted| match &wanted.place {
        ListenAddress::Unix(path) => path.parent(),
        ListenAddress::Tcp(_) => None,
    })
}

/// Makes the folders of unix sockets that are not there, for the account the agent will become, so
/// that it can remove its sockets at the end.
fn make_socket_folders(config: &Config, keep: &Keep) -> Result<(), Failure> {
    let missing: Vec<&Path> = socket_folders(config).filter(|folder| !folder.exists()).collect();
    let account = becomes(keep).map_err(no_answer)?;
    for folder in missing {
        let failed = |error: io::Error| {
            no_answer(format!(
                "cannot make {}, the folder of a unix socket: {error}",
                folder.display()
            ))
        };
        fs::create_dir(folder).map_err(failed)?;
        if let Some(account) = &account {
            let (uid, gid) = (Some(account.uid), Some(account.gid));
            std::os::unix::fs::chown(folder, uid, gid).map_err(failed)?;
        }
    }
    Ok(())
}

/// What the running agent can still be told.
struct Running<'a> {
    flags: &'a ServeFlags,
    config: Config,
    sampler: Sampler,
    gate: Arc<AccessConfig>,
    spoken: Spoken,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn open() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Running<'_> {
    /// Runs until told to end by a signal; an error if nobody watches any more.
    async fn until_told(
        &mut self,
        mut signals: Signals,
        mut feed: UpdateReceiver,
    ) -> Result<(), Failure> {
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return Ok(()),
                _ = signals.interrupt.recv() => return Ok(()),
                _ = signals.hang_up.recv() => self.reload(),
                update = feed.changed() => if update.is_err() {
                    return Err(no_answer("the thread that watches has ended; see the message before this one"));
                },
            }
        }
    }

    /// Reads the configuration anew and lets hold what may change while running; what is wrong in
    /// it is said, and then everything stays as it is.
    fn reload(&mut self) {
        let read = read_config(self.flags).and_then(|config| Ok((access(&config)?, config)));
        let (access, mut config) = match read {
            Ok(read) => read,
            Err(failure) => {
                eprintln!("conns: the configuration stays as it was: {failure}");
                return;
            }
        };
        let keys = self.config.needs_restart(&config);
        if !keys.is_empty() {
            eprintln!("conns: takes a restart to change: {}", keys.join(", "));
        }
        // Where it listens is as before, so what protects that must not become less.
        config.listen.clone_from(&self.config.listen);
        let (has_tls, has_tokens) = (access.tls.is_some(), !access.tokens.is_empty());
        if let Err(refusal) =
            conns_server::check(&config.listen, config.insecure, has_tls, has_tokens)
        {
            eprintln!("conns: the configuration stays as it was: {refusal}");
            return;
        }
        self.gate.replace(access);
        self.sampler.set_interval(config.interval);
        self.spoken.change(&self.config, &config);
        self.config = config;
        eprintln!("conns: configuration read again");
    }
}
