//! Starts the link server with the process that supervises it, and reports its ends.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use conns_dialects::jetstream::{Backend, Forward as _};
use conns_privileges::Account;
use conns_transfer::record::ServerFacts;
use serde::Deserialize;

use super::calls::LinkCalls;
use super::ends::LinkEnds;
use crate::config::Config;
use crate::failure::{Failure, log};
use crate::link::places;
use crate::link::supervise::ServerChange;
use crate::serve::no_answer;
use crate::serve::system::give_directory;

/// A link server opens its store and its port within this time.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A link server closes its connections within this time.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running link server. It ends with the other end of `control`, so also with a killed agent.
#[derive(Debug)]
pub(in crate::serve) struct HostedLink {
    pub(in crate::serve) control: UnixStream,
    child: Option<Child>,
    is_stopping: Arc<AtomicBool>,
    ends: LinkEnds,
    /// Reports the end, once it is watched.
    end: Option<Receiver<()>>,
}

/// Starts the link server of `[link]`, if that is set, under `account`, and waits until it receives; its later ends are noted in
/// `ends`. Called before privileges are dropped.
pub(in crate::serve) fn start(
    config: &Config,
    account: Option<&Account>,
    ends: &LinkEnds,
) -> Result<Option<HostedLink>, Failure> {
    let Some(listen) = config.link.listen else { return Ok(None) };
    let failed = |error: io::Error| no_answer(format!("cannot start the link server: {error}"));
    let (control, theirs) = UnixStream::pair().map_err(failed)?;
    // The program that runs, also where its file was replaced since.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("conns")
        .args(arguments(config))
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped());
    if let Some(account) = account {
        is_lasting(config, account)?;
        let (state, sockets) = (places::state_base(), places::socket_folder());
        for (folder, variable) in [(state, "STATE_DIRECTORY"), (sockets, "RUNTIME_DIRECTORY")] {
            let parent = folder.parent().unwrap_or(&folder).to_owned();
            own(&parent, &folder, account)?;
            command.env(variable, parent);
        }
        // Its further groups are none: the standard library clears them with the user of root.
        command.uid(account.uid).gid(account.gid);
    }
    let mut child = command.spawn().map_err(failed)?;
    // Else its end of the pair stays open here.
    drop(command);
    let calls = LinkCalls::with_timeout(control.try_clone().map_err(failed)?, START_TIMEOUT);
    let facts = match calls.call(r#"{"jsonrpc":"2.0","method":"getServerInfo","id":0}"#) {
        Ok(answer) => facts(&answer)?,
        Err(reason) => {
            drop((calls, control));
            let status = match child.try_wait() {
                Ok(Some(status)) => format!("it ended: {status}"),
                _ => ended_soon(&mut child).unwrap_or(reason),
            };
            return Err(no_answer(format!(
                "the link server of `[link]` did not start: {status}; see the message before this one"
            )));
        }
    };
    let port = facts.receiver.map_or(listen.port(), |receiver| receiver.recv_port);
    log(format_args!(
        "link on {}@{}",
        facts.public_key,
        std::net::SocketAddr::new(listen.ip(), port)
    ));
    let is_stopping = Arc::default();
    let ends = ends.clone();
    Ok(Some(HostedLink { control, child: Some(child), is_stopping, ends, end: None }))
}

/// How a process that closed its socket ended, if it did within a second.
fn ended_soon(child: &mut Child) -> Option<String> {
    for _ in 0..100 {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(format!("it ended: {status}"));
        }
        thread::sleep(Duration::from_millis(10));
    }
    None
}

#[derive(Deserialize)]
struct Answer {
    result: ServerFacts,
}

fn facts(answer: &str) -> Result<ServerFacts, Failure> {
    let answer: Answer = serde_json::from_str(answer).map_err(|error| {
        no_answer(format!("the link server of `[link]` answers what is not readable: {error}"))
    })?;
    Ok(answer.result)
}

/// `conns link serve` with these settings, supervised.
fn arguments(config: &Config) -> Vec<OsString> {
    let link = &config.link;
    let texts = [
        ("listen", link.listen.map(|listen| listen.to_string().into())),
        ("key", link.key.clone().map(OsString::from)),
        ("folder", link.folder.clone().map(|folder| folder.0.into())),
        ("relay", link.relay.clone().map(|relay| relay.0.into())),
        ("incoming-limit", link.incoming_limit.clone().map(|rate| rate.0.into())),
        ("outgoing-limit", link.outgoing_limit.clone().map(|rate| rate.0.into())),
    ];
    let allowed = link.allow.iter().map(|key| ("allow", Some(OsString::from(&key.0))));
    let flags = texts.into_iter().chain(allowed).filter_map(|(flag, value)| {
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value?);
        Some(argument)
    });
    let command = ["link", "serve", "--supervise"].map(OsString::from);
    command.into_iter().chain(flags).collect()
}

/// Refuses a number that the next start may not have: the store and the received files would belong to it.
fn is_lasting(config: &Config, account: &Account) -> Result<(), Failure> {
    if config.user.is_none() && account.name == account.uid.to_string() {
        return Err(no_answer(
            "`link.listen` is set, and there is no account that received files can belong to: add the account \
             `conns` (packaging/systemd/conns.sysusers), or set `user`",
        ));
    }
    Ok(())
}

/// Creates `folder` below `parent` for `account`. One that exists must belong to it.
fn own(parent: &Path, folder: &Path, account: &Account) -> Result<(), Failure> {
    let failed = |path: &Path, error: io::Error| {
        no_answer(format!("cannot create {}, a folder of the link server: {error}", path.display()))
    };
    let above = parent.parent().unwrap_or(parent);
    fs::create_dir_all(above).map_err(|error| failed(above, error))?;
    for (path, mode) in [(parent, 0o755), (folder, 0o700)] {
        match fs::DirBuilder::new().mode(mode).create(path) {
            Ok(()) => give_directory(path, account).map_err(|error| failed(path, error))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, error)),
        }
    }
    let uid = fs::symlink_metadata(folder).map_err(|error| failed(folder, error))?.uid();
    if uid != account.uid {
        return Err(no_answer(format!(
            "{0} belongs to user {uid}, and the link server runs as `{1}`: run chown -R {1} {0}, or set `user`",
            folder.display(),
            account.name
        )));
    }
    Ok(())
}

/// Notes and logs what the supervisor reports, until it ends.
fn follow(output: ChildStdout, ends: &LinkEnds) {
    let mut has_ended = false;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        match serde_json::from_str(&line) {
            Ok(ServerChange::Started) => {
                ends.started();
                if std::mem::take(&mut has_ended) {
                    log("the link server of `[link]` runs again");
                }
            }
            Ok(ServerChange::Ended { status, pause_ms }) => {
                ends.ended(&status);
                has_ended = true;
                log(format_args!(
                    "the link server of `[link]` ended: {status}; see the messages before this one. It is started \
                     again in {} s",
                    pause_ms / 1000
                ));
            }
            Err(error) => {
                log(format_args!("the link server's supervisor reports `{line}`: {error}"))
            }
        }
    }
}

impl HostedLink {
    /// The backend of the dialect, for threads of this process.
    pub(in crate::serve) fn backend(&self) -> Result<Backend, Failure> {
        let control = self.control.try_clone().map_err(no_answer)?;
        Ok(Backend::Forward(Arc::new(LinkCalls::new(control))))
    }

    /// Starts the thread that reports its ends. Called after privileges are dropped.
    pub(in crate::serve) fn watch(&mut self) -> Result<(), Failure> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        let (ended, end) = channel();
        let is_stopping = Arc::clone(&self.is_stopping);
        let ends = self.ends.clone();
        let wait = move || {
            if let Some(output) = child.stdout.take() {
                follow(output, &ends);
            }
            let status = child.wait().map_or_else(|error| error.to_string(), |it| it.to_string());
            if !is_stopping.load(Ordering::Relaxed) {
                ends.ended(&format!("its supervisor ended: {status}"));
                log(format_args!(
                    "the process that supervises the link server of `[link]` ended: {status}; see the messages before \
                     this one. The agent cannot start it again, as it has dropped the privileges for it: start the \
                     agent again (systemctl restart conns)"
                ));
            }
            let _ = ended.send(());
        };
        let thread = thread::Builder::new().name("conns-link-wait".to_owned()).spawn(wait);
        thread.map_err(|error| no_answer(format!("cannot start a thread: {error}")))?;
        self.end = Some(end);
        Ok(())
    }

    /// Ends it, and waits until its port is free.
    pub(in crate::serve) fn stop(self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        // It has ended already, or reads the end now.
        let _ = self.control.shutdown(Shutdown::Both);
        if let Some(end) = self.end {
            let _ = end.recv_timeout(STOP_TIMEOUT);
        }
    }
}
