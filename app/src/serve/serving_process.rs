//! The serving process: it has copies of the collector's updates and events, and serves clients from them.
//!
//! Invariant: it gives up everything before the collector's first update, and so before the first byte of a
//! client. It has no file but the history, to read, and no other stream than standard input, which is a socket of the collector.

mod message;
mod updates;

use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use conns_api::{Replica, ReplicaChange, ReplicaError};
use conns_core::model::{EventLog, Update};
use conns_dialects::jetstream::Backend;
use conns_history::HistoryReader;
use conns_privileges::{Account, LandlockState, confine_process};
use conns_server::{About, AccessConfig, Listener, Plan, Refusals, runtime};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use tokio::sync::{oneshot, watch};

use super::dialects::Served;
use super::link::LinkCalls;
use super::{Loaded, SERVING_THREADS, is_guarded, load_with, no_answer};
use crate::config::Config;
use crate::failure::{Failure, log};
use crate::flags::serve::ServeFlags;
pub(super) use message::{Message, Start, landlock_of, ready_byte};
use updates::{CollectorClock, Updates};

/// Serves until the collector closes its end.
pub(crate) fn run(flags: &ServeFlags) -> Result<(), Failure> {
    conns_engine::share_heap();
    let mut stream = collector()?;
    // It was started as /proc/self/exe; `ps` and `conns` show this name.
    rustix::thread::set_name(c"conns").map_err(no_answer)?;
    // They are sent to the whole group of processes; the collector decides when to stop.
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false))).map_err(no_answer)?;
    }
    let mut replica = Replica::default();
    let Start { account, memory_limit, files, history } = start(&mut replica, &mut stream)?;
    let loaded = load_with(flags, |path: &Path| files.kept(path), memory_limit)?;
    let listeners = listeners(&stream, &loaded)?;
    let backend = backend(&stream, &loaded)?;
    let served = Served::new(&loaded.config, backend).map_err(no_answer)?;
    let history = super::history::reader(history);
    let account = account.map(|(uid, gid)| Account { name: uid.to_string(), uid, gid });
    // Nothing of a client was read before this line.
    let landlock = confine_process(account.as_ref()).map_err(no_answer)?;

    let clock = Arc::new(CollectorClock::start());
    let privileges = Arc::new(RwLock::new(serde_json::Value::Null));
    let first = first(&mut replica, &mut stream, &clock)?;
    let (updates, latest) = watch::channel(first.0);
    let (events, log_receiver) = watch::channel(first.1);
    let access = Arc::new(AccessConfig::new(loaded.access));
    let dialects = served.dialects();
    let about = about(&loaded.config, history, &clock, &privileges);
    let ready = stream.try_clone().map_err(no_answer)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let reader = Updates {
        stream,
        replica,
        updates,
        events,
        clock,
        privileges,
        access: Arc::clone(&access),
        flags: flags.clone(),
        config: loaded.config,
        memory_limit,
        served,
        _stop: stop,
    };
    let name = "conns-updates".to_owned();
    thread::Builder::new().name(name).spawn(move || reader.read()).map_err(no_answer)?;
    let runtime = runtime(SERVING_THREADS, || {}).map_err(no_answer)?;
    let plan = Plan { listeners, access, dialects, about };
    runtime.block_on(async move {
        report_ready(ready, landlock)?;
        let stop = async {
            // Dropping the sender is the sign.
            let _ = stopped.await;
        };
        conns_server::serve(plan, (latest, log_receiver), stop).await.map_err(no_answer)
    })
}

/// The socket of the collector, which is standard input.
fn collector() -> Result<UnixStream, Failure> {
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(no_answer)?;
    if rustix::net::getpeername(&input).is_err() {
        let message = "`conns serving-process` serves for `conns serve`, which starts it; start `conns serve`";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(input.into())
}

fn start(replica: &mut Replica, stream: &mut UnixStream) -> Result<Start, Failure> {
    match replica.next(stream).map_err(no_answer)? {
        Some(ReplicaChange::Text(text)) => match serde_json::from_str(&text) {
            Ok(Message::Start(start)) => Ok(start),
            Ok(_) => Err(no_answer("the collector begins with another message than its start")),
            Err(error) => Err(no_answer(error)),
        },
        _ => Err(no_answer("the collector ended before it had started")),
    }
}

/// The listeners of the configuration, whose sockets the collector has opened and sends in this order.
fn listeners(stream: &UnixStream, loaded: &Loaded) -> Result<Vec<Listener>, Failure> {
    let has_tls = loaded.access.tls.is_some();
    let one = |spec: &conns_server::ListenSpec| -> Result<Listener, Failure> {
        let socket = receive_descriptor(stream).map_err(|error| {
            no_answer(format!("cannot receive the socket of {}: {error}", spec.place))
        })?;
        let mut listener = Listener::from_open(spec, spec.uses_tls(has_tls), socket);
        listener.guarded &= is_guarded(spec, &loaded.config);
        Ok(listener)
    };
    loaded.config.listen.iter().map(one).collect()
}

/// The link server, if there is one: its socket follows those of the listeners.
fn backend(stream: &UnixStream, loaded: &Loaded) -> Result<Backend, Failure> {
    if loaded.config.link.listen.is_none() {
        return Ok(Backend::None);
    }
    let control = receive_descriptor(stream).map_err(|error| {
        no_answer(format!("cannot receive the socket of the link server: {error}"))
    })?;
    Ok(Backend::Forward(Arc::new(LinkCalls::new(control.into()))))
}

/// One descriptor, sent with one byte (unix(7), `SCM_RIGHTS`).
fn receive_descriptor(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut byte = [0];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let bytes = &mut [io::IoSliceMut::new(&mut byte)];
    recvmsg(stream, bytes, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut received = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    received.next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// The first update and event log.
fn first(
    replica: &mut Replica,
    stream: &mut UnixStream,
    clock: &CollectorClock,
) -> Result<(Arc<Update>, Arc<EventLog>), Failure> {
    let (mut first, mut log) = (None, None);
    loop {
        match replica.next(stream).map_err(no_answer)? {
            None => {
                return Err(no_answer(ReplicaError::Stream(io::ErrorKind::UnexpectedEof.into())));
            }
            Some(ReplicaChange::Update { update, at }) => {
                clock.set(at);
                first = Some(update);
            }
            Some(ReplicaChange::Events(events)) => log = Some(events),
            Some(ReplicaChange::Text(_)) => {}
        }
        if let (Some(update), Some(events)) = (&first, &log) {
            return Ok((Arc::clone(update), Arc::clone(events)));
        }
    }
}

fn about(
    config: &Config,
    history: Option<Arc<HistoryReader>>,
    clock: &Arc<CollectorClock>,
    privileges: &Arc<RwLock<serde_json::Value>>,
) -> About {
    let (clock, privileges) = (Arc::clone(clock), Arc::clone(privileges));
    About {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        metrics_top: config.metrics_top,
        sql: config.history.sql,
        history,
        privileges: Arc::new(move || {
            privileges.read().unwrap_or_else(PoisonError::into_inner).clone()
        }),
        now: Arc::new(move || clock.now()),
        refusals: Arc::new(Refusals::default()),
    }
}

/// The only byte that the collector ever reads of this process.
fn report_ready(mut stream: UnixStream, landlock: LandlockState) -> Result<(), Failure> {
    stream.write_all(&[ready_byte(landlock)]).map_err(no_answer)
}

/// Logs why the stream ended.
fn log_end(error: &ReplicaError) {
    log(format_args!("{error}; the serving process ends"));
}
