//! The process between an agent and its link server, which starts the server again when it ends.
//!
//! The agent cannot: it has dropped the privileges to start a process under another account. This process has that account and no
//! privilege. It copies requests and answers, one line each, so that a request is answered too when the server ends over it.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::CommandExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use conns_transfer::queue::retry_delay_us;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use super::no_answer;
use crate::failure::Failure;

/// Longest pause before a start after an end.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a server that ran for this time is the first one.
const STABLE_AFTER: Duration = Duration::from_secs(60);
/// A server that loses its input ends within this time; the agent waits for longer.
const STOP_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest answer that is copied; the agent keeps no longer one.
const MAX_ANSWER_BYTES: u64 = 33 << 20;

/// The pause after this number of ends, of which no server was stable: as between the attempts at a transfer, but shorter.
fn pause_after(ends: u32) -> Duration {
    Duration::from_micros(retry_delay_us(ends)).min(LONGEST_PAUSE)
}

/// What the agent reads of the server's process: one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ServerChange {
    /// It answers.
    Started,
    /// It ended, or could not be started.
    Ended {
        /// How.
        status: String,
        /// Time until the next start.
        pause_ms: u64,
    },
}

/// Supervises the server with the arguments of this process until the agent ends its stream.
pub(super) fn run(agent: StdStream) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(no_answer)?.block_on(async {
        let agent = UnixStream::from_std(agent).map_err(no_answer)?;
        let mut terminated = signal(SignalKind::terminate()).map_err(no_answer)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(no_answer)?;
        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = interrupted.recv() => {}
            }
            stop.send_replace(true);
        });
        let report = |change: &ServerChange| {
            if let Ok(line) = serde_json::to_string(change) {
                // An agent that has ended reads nothing.
                let _ = crate::terminal::write(format!("{line}\n").as_bytes());
            }
        };
        Supervisor { agent: Agent::new(agent, stopped), start: start_server, report, pause_after }
            .run()
            .await
    })
}

/// Starts `conns link serve` with the arguments of this process.
fn start_server() -> io::Result<(Child, StdStream)> {
    let (ours, theirs) = StdStream::pair()?;
    let arguments = std::env::args_os().skip(1).map(|argument| {
        if argument == "--supervise" { "--until-stdin-ends".into() } else { argument }
    });
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0("conns").args(arguments).stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    Ok((command.spawn()?, ours))
}

/// The agent's end of the stream.
struct Agent {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// What was read of the next request.
    request: Vec<u8>,
    stopped: tokio::sync::watch::Receiver<bool>,
}

impl Agent {
    fn new(stream: UnixStream, stopped: tokio::sync::watch::Receiver<bool>) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, request: Vec::new(), stopped }
    }

    /// The next request with its line end; `None` if the agent has ended, or a signal ends this process. May be dropped and called
    /// again.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let read = async {
            // What was read of a line before the future was dropped is kept.
            let read = self.reader.read_until(b'\n', &mut self.request).await;
            read.is_ok() && self.request.ends_with(b"\n")
        };
        let is_request = tokio::select! {
            is_request = read => is_request,
            _ = self.stopped.wait_for(|stopped| *stopped) => false,
        };
        is_request.then(|| std::mem::take(&mut self.request))
    }

    /// Waits until the agent has ended, or a signal ends this process.
    async fn ended(&mut self) {
        let closed = async {
            // An agent sends its next request after the answer, so that bytes are rare here.
            if self.reader.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = closed => {}
            _ = self.stopped.wait_for(|stopped| *stopped) => {}
        }
    }

    async fn answer(&mut self, line: &[u8]) {
        // The end of an agent is read with the next request.
        let _ = self.writer.write_all(line).await;
    }
}

/// A running server.
struct Server {
    child: Child,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    started: Instant,
}

/// What a request led to.
enum Exchanged {
    Answer(Vec<u8>),
    ServerEnded,
    AgentEnded,
}

/// What a start led to.
enum Started {
    Server(Box<Server>),
    Failed(String),
    AgentEnded,
}

impl Server {
    async fn exchange(&mut self, request: &[u8], agent: &mut Agent) -> Exchanged {
        let Self { reader, writer, .. } = self;
        let exchange = async {
            writer.write_all(request).await?;
            read_answer(reader).await
        };
        tokio::select! {
            answer = exchange => match answer {
                Ok(answer) => Exchanged::Answer(answer),
                Err(_) => Exchanged::ServerEnded,
            },
            () = agent.ended() => Exchanged::AgentEnded,
        }
    }

    /// Closes its input, and waits until it has ended.
    async fn stop(self) -> String {
        let Self { mut child, reader, writer, .. } = self;
        drop((reader, writer));
        let ended = tokio::time::timeout(STOP_TIMEOUT, child.wait()).await;
        match ended {
            Ok(status) => text_of(&status),
            Err(_) => {
                let killed = child.kill().await;
                let why = killed.map_or_else(|error| error.to_string(), |()| "killed".to_owned());
                format!("{why}, as it did not end within {} s", STOP_TIMEOUT.as_secs())
            }
        }
    }
}

fn text_of(status: &io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("it cannot be waited for: {error}"),
    }
}

/// Reads a line with its end. One that is too long is skipped, and replaced.
async fn read_answer(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    reader.take(MAX_ANSWER_BYTES).read_until(b'\n', &mut answer).await?;
    if answer.ends_with(b"\n") {
        return Ok(answer);
    }
    while !answer.is_empty() {
        answer.clear();
        reader.take(MAX_ANSWER_BYTES).read_until(b'\n', &mut answer).await?;
        if answer.ends_with(b"\n") {
            return Ok(error_line("its answer is too long; read pages with `limit`"));
        }
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// An answer without a result (JSON-RPC 2.0, section 5.1); the code is that of the dialect for a service that does not answer.
fn error_line(why: &str) -> Vec<u8> {
    let why = format!("the transfer service does not answer: {why}");
    let error = json!({"code": -32004, "message": "Unavailable", "data": why});
    format!("{}\n", json!({"jsonrpc": "2.0", "error": error, "id": null})).into_bytes()
}

struct Supervisor<S, R> {
    agent: Agent,
    start: S,
    report: R,
    pause_after: fn(u32) -> Duration,
}

impl<S, R> Supervisor<S, R>
where
    S: FnMut() -> io::Result<(Child, StdStream)>,
    R: Fn(&ServerChange),
{
    /// Runs until the agent ends; an error if the first start fails.
    async fn run(mut self) -> Result<(), Failure> {
        let mut server = match self.start().await {
            Started::Server(server) => server,
            Started::Failed(status) => return Err(no_answer(format!("it ended: {status}"))),
            Started::AgentEnded => return Ok(()),
        };
        let mut ends = 0;
        loop {
            (self.report)(&ServerChange::Started);
            let started = server.started;
            let Some(status) = self.serve(server).await else { return Ok(()) };
            if started.elapsed() >= STABLE_AFTER {
                ends = 0;
            }
            let Some(next) = self.start_again(status, &mut ends).await else { return Ok(()) };
            server = next;
        }
    }

    /// Copies requests and answers until the server has ended; `None` if the agent has.
    async fn serve(&mut self, mut server: Box<Server>) -> Option<String> {
        loop {
            let request = tokio::select! {
                request = self.agent.next() => request,
                status = server.child.wait() => return Some(text_of(&status)),
            };
            let Some(request) = request else {
                server.stop().await;
                return None;
            };
            match server.exchange(&request, &mut self.agent).await {
                Exchanged::Answer(answer) => self.agent.answer(&answer).await,
                Exchanged::ServerEnded => {
                    let status = server.stop().await;
                    let why = format!("it ended over this call: {status}; it is started again");
                    self.agent.answer(&error_line(&why)).await;
                    return Some(status);
                }
                Exchanged::AgentEnded => {
                    server.stop().await;
                    return None;
                }
            }
        }
    }

    /// Starts the server after a pause, again and again until it answers; `None` if the agent has ended.
    async fn start_again(&mut self, mut status: String, ends: &mut u32) -> Option<Box<Server>> {
        loop {
            *ends = ends.saturating_add(1);
            let pause = (self.pause_after)(*ends);
            let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            (self.report)(&ServerChange::Ended { status: status.clone(), pause_ms });
            let due = tokio::time::sleep(pause);
            tokio::pin!(due);
            loop {
                tokio::select! {
                    () = &mut due => break,
                    request = self.agent.next() => {
                        request?;
                        let s = pause.as_secs();
                        let why = format!("it ended: {status}; it is started again within {s} s");
                        self.agent.answer(&error_line(&why)).await;
                    }
                }
            }
            match self.start().await {
                Started::Server(server) => return Some(server),
                Started::Failed(failed) => status = failed,
                Started::AgentEnded => return None,
            }
        }
    }

    /// Starts the server, and waits until it answers.
    async fn start(&mut self) -> Started {
        let started = (self.start)().and_then(|(child, stream)| {
            stream.set_nonblocking(true)?;
            Ok((child, UnixStream::from_std(stream)?))
        });
        let (child, stream) = match started {
            Ok(started) => started,
            Err(error) => return Started::Failed(format!("cannot start it: {error}")),
        };
        let (reader, writer) = stream.into_split();
        let reader = BufReader::new(reader);
        let mut server = Server { child, reader, writer, started: Instant::now() };
        let request = b"{\"jsonrpc\":\"2.0\",\"method\":\"getServerInfo\",\"id\":0}\n";
        match server.exchange(request, &mut self.agent).await {
            Exchanged::Answer(_) => Started::Server(Box::new(server)),
            Exchanged::ServerEnded => Started::Failed(server.stop().await),
            Exchanged::AgentEnded => {
                server.stop().await;
                Started::AgentEnded
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

    use std::sync::{Arc, Mutex};

    use super::*;

    /// A server that answers each line with its number, and ends over a line that has `end`; it counts its starts in a file.
    const SERVER: &str = r#"while read -r line; do case "$line" in
        *end*) exit 3;; *) n=$((n + 1)); echo "answer $n" >&0;; esac; done"#;

    fn shell(script: &str) -> io::Result<(Child, StdStream)> {
        let (ours, theirs) = StdStream::pair()?;
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(OwnedFd::from(theirs)).kill_on_drop(true);
        Ok((command.spawn()?, ours))
    }

    struct Running {
        agent: BufReader<UnixStream>,
        changes: Arc<Mutex<Vec<ServerChange>>>,
        task: tokio::task::JoinHandle<Result<(), Failure>>,
    }

    fn run(mut start: impl FnMut() -> io::Result<(Child, StdStream)> + Send + 'static) -> Running {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let changes = Arc::<Mutex<Vec<ServerChange>>>::default();
        let noted = Arc::clone(&changes);
        let task = tokio::spawn(async move {
            let _stop = stop;
            let report = |change: &ServerChange| noted.lock().unwrap().push(change.clone());
            let agent = Agent::new(theirs, stopped);
            let pause_after = |_| Duration::ZERO;
            Supervisor { agent, start: || start(), report, pause_after }.run().await
        });
        Running { agent: BufReader::new(ours), changes, task }
    }

    impl Running {
        async fn call(&mut self, request: &str) -> String {
            self.agent.write_all(format!("{request}\n").as_bytes()).await.unwrap();
            let mut answer = String::new();
            self.agent.read_line(&mut answer).await.unwrap();
            answer
        }

        /// The first answer of a server that runs.
        async fn call_server(&mut self, request: &str) -> String {
            loop {
                let answer = self.call(request).await;
                if !answer.contains("-32004") {
                    return answer;
                }
            }
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let seconds: Vec<u64> = (1..=9).map(|ends| pause_after(ends).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause_after(u32::MAX), LONGEST_PAUSE);
    }

    #[tokio::test]
    async fn a_server_that_ends_over_a_call_is_started_again() {
        let mut running = run(|| shell(SERVER));
        // The supervisor's own call is the first.
        assert_eq!(running.call("a").await, "answer 2\n");
        let error = running.call("end").await;
        assert!(error.contains("-32004") && error.contains("exit status: 3"), "{error}");
        assert_eq!(running.call_server("b").await, "answer 2\n");
        let ended = ServerChange::Ended { status: "exit status: 3".to_owned(), pause_ms: 0 };
        let expected = [ServerChange::Started, ended, ServerChange::Started];
        assert_eq!(*running.changes.lock().unwrap(), expected);
        let Running { agent, task, .. } = running;
        drop(agent);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_killed_server_is_started_again() {
        let pids = Arc::<Mutex<Vec<u32>>>::default();
        let started = Arc::clone(&pids);
        let mut running = run(move || {
            let (child, stream) = shell(SERVER)?;
            started.lock().unwrap().extend(child.id());
            Ok((child, stream))
        });
        assert_eq!(running.call("a").await, "answer 2\n");
        let pid = i32::try_from(pids.lock().unwrap()[0]).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        assert_eq!(running.call_server("b").await, "answer 2\n");
        let changes = running.changes.lock().unwrap().clone();
        let [ServerChange::Started, ServerChange::Ended { status, .. }, ServerChange::Started] =
            &changes[..]
        else {
            panic!("{changes:?}")
        };
        assert!(status.contains("signal: 9"), "{status}");
    }

    #[tokio::test]
    async fn starts_that_fail_are_repeated_and_the_first_is_not() {
        let mut starts = 0;
        let mut running = run(move || {
            starts += 1;
            match starts {
                2 => Err(io::ErrorKind::OutOfMemory.into()),
                3 => shell("exit 4"),
                _ => shell(SERVER),
            }
        });
        assert!(running.call("end").await.contains("exit status: 3"));
        assert_eq!(running.call_server("a").await, "answer 2\n");
        let changes = running.changes.lock().unwrap().clone();
        assert_eq!(changes.len(), 5, "{changes:?}");
        assert!(format!("{changes:?}").contains("exit status: 4"), "{changes:?}");

        let Running { agent: _agent, task, .. } = run(|| shell("exit 5"));
        let failure = task.await.unwrap().unwrap_err();
        assert!(failure.to_string().contains("exit status: 5"), "{failure}");
    }

    #[tokio::test]
    async fn the_end_of_the_agent_ends_a_server_that_does_not_answer() {
        let mut running = run(|| shell("read -r line; echo ready >&0; read -r line; read -r line"));
        running.agent.write_all(b"a\n").await.unwrap();
        let Running { agent, task, .. } = running;
        drop(agent);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_answer_that_is_too_long_is_replaced() {
        let long = vec![b'x'; usize::try_from(MAX_ANSWER_BYTES).unwrap()];
        let stream = [&long[..], b"x\nnext\n"].concat();
        let mut reader = &stream[..];
        let answer = read_answer(&mut reader).await.unwrap();
        assert!(String::from_utf8(answer).unwrap().contains("too long"));
        assert_eq!(read_answer(&mut reader).await.unwrap(), b"next\n");
        assert!(read_answer(&mut reader).await.is_err());
    }
}
