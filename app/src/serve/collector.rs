//! The collector: the process that samples the machine, where another serves clients.
//!
//! It reads no byte of a client. Of the serving process it reads one byte, before that has a client.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use conns_api::{EventReceiver, ReplicaError, ReplicaWriter, UpdateReceiver};
use conns_contract::Clock;
use conns_core::model::Moment;
use conns_engine::{Sampler, cost_of};
use conns_privileges::{LandlockState, Privileges, ServedBy, serving_account, shrink};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::serving_process::{Message, Start, landlock_of};
use super::system::{Signal, Signals};
use super::{Prepared, Settings, no_answer, report_kept, report_listeners};
use crate::failure::{Failure, log};
use crate::flags::serve::{SERVING_PROCESS, ServeFlags};

/// Beyond the time that requests in progress have, the serving process has this long to end.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Privileges are read from `/proc` at this interval, which takes a file of each thread.
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Runs the agent as two processes until a signal stops it.
pub(super) fn run(prepared: Prepared<'_>) -> Result<(), Failure> {
    let Prepared {
        settings,
        files,
        keep,
        account,
        listeners,
        mut link,
        mut sampler,
        mut history,
        asks_daemons,
        ..
    } = prepared;
    report_listeners(&listeners, &settings.config);
    // Without a number of its own it has the account of this process, and never stays root.
    let account = serving_account(account.as_ref()).or(account);
    let (stream, child) = start(settings.flags).map_err(|error| {
        no_answer(format!(
            "cannot start the serving process: {error}; set `serving_process` to `no` to serve \
             without it"
        ))
    })?;
    let pid = child.id();
    let mut writer = ReplicaWriter::new(stream.try_clone().map_err(no_answer)?);
    let account = account.map(|account| (account.uid, account.gid));
    let first =
        Start { account, memory_limit: settings.memory_limit, files, history: history.path() };
    send(&mut writer, &Message::Start(first)).map_err(no_answer)?;
    // The files of unix sockets are removed when this process ends.
    let mut socket_files = Vec::new();
    for listener in listeners {
        let (socket, file) = listener.into_parts();
        send_descriptor(&stream, socket.as_fd()).map_err(no_answer)?;
        socket_files.push(file);
    }
    if let Some(link) = &link {
        send_descriptor(&stream, link.control.as_fd()).map_err(no_answer)?;
    }
    let privileges = shrink(&keep).map_err(no_answer)?;
    report_kept(&privileges);
    super::start(&mut sampler, asks_daemons)?;
    history.start(&sampler)?;
    if let Some(link) = &mut link {
        link.watch()?;
    }
    let (messages, queue) = mpsc::unbounded_channel();
    let (landlock, confined) = oneshot::channel();
    let updates = UpdateWriter {
        writer,
        clock: sampler.clock(),
        updates: sampler.updates(),
        events: sampler.events(),
        queue,
        privileges: ReportedPrivileges {
            privileges,
            pid,
            landlock: None,
            sent: None,
            read_at: None,
        },
    };
    spawn("conns-updates", move || updates.run(confined))?;
    let (ended, mut end) = oneshot::channel();
    spawn("conns-wait", move || {
        let _ = ended.send(wait(child));
    })?;
    let Some(state) = ready(stream) else {
        let status = end.blocking_recv().unwrap_or_else(|_| "it cannot be waited for".to_owned());
        return Err(no_answer(format!(
            "the serving process ended before it was ready: {status}; see the message before this \
             one"
        )));
    };
    let _ = landlock.send(state);
    let mut running = Running { settings, sampler, messages: Some(messages) };
    let runtime = Builder::new_current_thread().enable_io().enable_time().build();
    let why = runtime.map_err(no_answer)?.block_on(running.until_stopped(&mut end));
    drop(socket_files);
    drop(history);
    if let Some(link) = link {
        link.stop();
    }
    why
}

/// Starts the serving process, which has its end of the stream as standard input.
fn start(flags: &ServeFlags) -> io::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    // The program that runs, also where its file was replaced since.
    let child = Command::new("/proc/self/exe")
        .arg0("conns")
        .arg(SERVING_PROCESS)
        .args(flags.arguments())
        .stdin(OwnedFd::from(theirs))
        .spawn()?;
    Ok((ours, child))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|error| no_answer(format!("cannot start a thread: {error}")))
}

/// Waits for the end of the process, and returns how it ended.
fn wait(mut child: Child) -> String {
    child.wait().map_or_else(|error| error.to_string(), |status: ExitStatus| status.to_string())
}

/// Waits until the serving process is confined and has copies of the first update and events; `None` if
/// it ended.
fn ready(mut stream: UnixStream) -> Option<LandlockState> {
    let mut byte = [0];
    stream.read_exact(&mut byte).ok()?;
    let [byte] = byte;
    landlock_of(byte)
}

fn send<W: io::Write>(
    writer: &mut ReplicaWriter<W>,
    message: &Message,
) -> Result<(), ReplicaError> {
    let text = serde_json::to_string(message);
    writer.text(&text.map_err(|error| ReplicaError::Unwritable(error.to_string()))?)
}

/// Sends a descriptor, with one byte (unix(7), `SCM_RIGHTS`).
fn send_descriptor(stream: &UnixStream, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(stream, &[io::IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Writes each update and event to the serving process. One that is slow gets what changed meanwhile at
/// once, and delays no sample.
struct UpdateWriter {
    writer: ReplicaWriter<UnixStream>,
    clock: Arc<dyn Clock>,
    updates: UpdateReceiver,
    events: EventReceiver,
    queue: mpsc::UnboundedReceiver<Message>,
    privileges: ReportedPrivileges,
}

impl UpdateWriter {
    /// Writes until the serving process, the sampler or the agent ends.
    fn run(mut self, confined: oneshot::Receiver<LandlockState>) {
        let Ok(runtime) = Builder::new_current_thread().build() else {
            return log("cannot start the runtime that writes to the serving process");
        };
        match runtime.block_on(self.write(confined)) {
            // The end of the serving process is reported with its exit status.
            Ok(()) | Err(ReplicaError::Stream(_)) => {}
            Err(error) => log(error),
        }
    }

    async fn write(
        &mut self,
        mut confined: oneshot::Receiver<LandlockState>,
    ) -> Result<(), ReplicaError> {
        self.write_update()?;
        self.write_events()?;
        let mut is_confined = false;
        loop {
            tokio::select! {
                message = self.queue.recv() => match message {
                    Some(message) => send(&mut self.writer, &message)?,
                    None => return Ok(()),
                },
                state = &mut confined, if !is_confined => {
                    is_confined = true;
                    self.privileges.landlock = state.ok();
                    self.write_privileges()?;
                }
                changed = self.updates.changed() => match changed {
                    Ok(()) => self.write_update()?,
                    Err(_) => return Ok(()),
                },
                changed = self.events.changed() => match changed {
                    Ok(()) => self.write_events()?,
                    Err(_) => return Ok(()),
                },
            }
        }
    }

    fn write_update(&mut self) -> Result<(), ReplicaError> {
        let update = Arc::clone(&self.updates.borrow_and_update());
        let readers = cost_of(self.privileges.pid);
        let now = self.clock.now();
        self.writer.update(&update, now, readers)?;
        if self.privileges.read_at.is_none_or(|then| now.since(then) >= REPORT_INTERVAL) {
            self.privileges.read_at = Some(now);
            self.write_privileges()?;
        }
        Ok(())
    }

    fn write_events(&mut self) -> Result<(), ReplicaError> {
        let log = Arc::clone(&self.events.borrow_and_update());
        let update = Arc::clone(&self.updates.borrow());
        self.writer.events(&log, &update)
    }

    fn write_privileges(&mut self) -> Result<(), ReplicaError> {
        match self.privileges.changed() {
            Some(report) => send(&mut self.writer, &Message::Privileges(report)),
            None => Ok(()),
        }
    }
}

/// The privileges of both processes, which `/health` reports.
struct ReportedPrivileges {
    privileges: Privileges,
    /// The serving process.
    pid: u32,
    /// How it is confined, once that is known.
    landlock: Option<LandlockState>,
    sent: Option<serde_json::Value>,
    read_at: Option<Moment>,
}

impl ReportedPrivileges {
    /// Reads them from the kernel; `None` if they are the same as before.
    fn changed(&mut self) -> Option<serde_json::Value> {
        let served_by = ServedBy::Process { pid: self.pid, landlock: self.landlock? };
        let report = super::privileges_report(&self.privileges, &served_by);
        if self.sent.as_ref() == Some(&report) {
            return None;
        }
        self.sent = Some(report.clone());
        Some(report)
    }
}

/// The parts of the running collector that a signal affects.
struct Running<'a> {
    settings: Settings<'a>,
    sampler: Sampler,
    /// To the serving process; `None` once it is asked to end.
    messages: Option<mpsc::UnboundedSender<Message>>,
}

impl Running<'_> {
    /// Runs until SIGTERM or SIGINT; fails if the sampler thread or the serving process ended.
    async fn until_stopped(&mut self, end: &mut oneshot::Receiver<String>) -> Result<(), Failure> {
        let mut signals = Signals::open().map_err(no_answer)?;
        let mut updates = self.sampler.updates();
        log("ready");
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Stop => break,
                    Signal::Reload => self.reload(),
                },
                update = updates.changed() => if update.is_err() {
                    return Err(super::sampler_ended());
                },
                status = &mut *end => {
                    let status = status.unwrap_or_default();
                    return Err(no_answer(format!(
                        "the serving process ended: {status}; the agent ends too, start it again"
                    )));
                }
            }
        }
        let stop_time = self.settings.limits().stop_time;
        // The end of the stream asks it to end.
        self.messages = None;
        let _ = timeout(stop_time + STOP_GRACE, end).await;
        Ok(())
    }

    /// Loads the configuration again, applies what concerns this process and passes on the rest.
    fn reload(&mut self) {
        let Some(reloaded) = self.settings.reload() else { return };
        self.sampler.set_interval(self.settings.config.interval);
        if let Some(messages) = &self.messages {
            // It fails only once the serving process has ended, which ends this one.
            let _ = messages.send(Message::Configuration(reloaded.files));
        }
        log("configuration reloaded");
    }
}
