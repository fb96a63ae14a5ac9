//! Runs the program under test with a deadline, and checks its output.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// How long anything may take to come true; generous, because the machine may be compiling.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Where cargo built it.
pub(crate) const CONNS: &str = env!("CARGO_BIN_EXE_conns");

/// What a run ended with.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) shown: String,
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

/// `conns` with these arguments, in surroundings that do not depend on who runs the tests.
pub(crate) fn conns<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(CONNS);
    plain_surroundings(&mut command);
    command.args(words);
    command
}

/// Takes away what would change the output: width, colours, language.
pub(crate) fn plain_surroundings(command: &mut Command) {
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LINES", "RUST_BACKTRACE"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm").env("LC_ALL", "C.UTF-8");
}

/// Runs to the end with pipes for output.
pub(crate) fn finish(command: &mut Command) -> Result<Ran> {
    let shown = short(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("starting {shown}"))?;
    collect(child, shown)
}

/// Waits for a child and gathers what it writes to its pipes; ends it if it takes too long.
pub(crate) fn collect(mut child: Child, shown: String) -> Result<Ran> {
    let gather = |stream: Option<Box<dyn Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // A stream that breaks off is judged by what came.
            let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
            bytes
        })
    };
    let out = gather(child.stdout.take().map(|s| Box::new(s) as _));
    let err = gather(child.stderr.take().map(|s| Box::new(s) as _));
    let until = Instant::now() + SOON;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            bail!("{shown} did not end within {SOON:?}");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let joined = |gathered: thread::JoinHandle<Vec<u8>>| {
        gathered.join().map_err(|_| anyhow::anyhow!("reading the output of {shown} panicked"))
    };
    let (out, err) = (joined(out)?, joined(err)?);
    let err = String::from_utf8(err).with_context(|| format!("standard error of {shown}"))?;
    Ok(Ran { shown: shown.clone(), code: status.code(), out, err })
}

/// The first line a child writes; after it the pipe is closed, as by `head -1`.
pub(crate) fn first_line(child: &mut Child) -> Result<String> {
    let output = child.stdout.take().context("its output is no pipe")?;
    let (send, line) = channel();
    thread::spawn(move || {
        let mut line = String::new();
        let read = BufReader::new(output).read_line(&mut line);
        let _ = send.send(read.map(|_| line));
    });
    let Ok(line) = line.recv_timeout(SOON) else {
        child.kill()?;
        child.wait()?;
        bail!("no line was written within {SOON:?}");
    };
    Ok(line?)
}

/// Runs `conns` with these arguments.
pub(crate) fn run(words: &[&str]) -> Result<Ran> {
    finish(&mut conns(words))
}

/// The command as it may stand in a message.
pub(crate) fn short(command: &Command) -> String {
    let words: Vec<_> =
        command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let text = format!("conns {}", words.join(" "));
    text.chars().take(300).collect()
}

impl Ran {
    /// Fails unless it ended with this exit code.
    pub(crate) fn code(&self, expected: i32) -> Result<&Self> {
        let (shown, code, err) = (&self.shown, self.code, self.err.trim());
        ensure!(
            code == Some(expected),
            "{shown}: exit code {code:?} instead of {expected}; its standard error: {err:?}"
        );
        Ok(self)
    }

    /// Standard output as text.
    pub(crate) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.out).with_context(|| format!("the output of {}", self.shown))
    }

    /// Standard output as one JSON value.
    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.out).with_context(|| format!("the JSON of {}", self.shown))
    }

    /// Standard output as one JSON value a line.
    pub(crate) fn lines_of_json(&self) -> Result<Vec<Value>> {
        let lines = self.text()?.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().with_context(|| format!("a line of {}", self.shown))
    }

    /// Standard output as CSV: the header and the rows.
    pub(crate) fn csv(&self) -> Result<(Vec<String>, Vec<Vec<String>>)> {
        let mut reader = csv::Reader::from_reader(&*self.out);
        let header = reader.headers()?.iter().map(str::to_owned).collect();
        let rows = reader
            .records()
            .map(|row| Ok(row?.iter().map(str::to_owned).collect()))
            .collect::<Result<_>>()
            .with_context(|| format!("the CSV of {}", self.shown))?;
        Ok((header, rows))
    }

    /// Lines on standard error, without those about privileges and other tests, which depend on the machine
    /// and have tests of their own.
    pub(crate) fn complaints(&self) -> Vec<&str> {
        let depends_on_machine =
            |line: &&str| is_about_privileges(line) || is_of_another_test(line);
        self.err.lines().filter(|line| !depends_on_machine(line)).collect()
    }

    /// Fails unless it exited with 0 and without messages.
    pub(crate) fn good(&self) -> Result<&Self> {
        self.code(0)?;
        ensure!(self.complaints().is_empty(), "{} complains: {:?}", self.shown, self.complaints());
        Ok(self)
    }

    /// Fails unless it refused the command line: exit code 2, nothing on standard output, and all
    /// of these on standard error.
    pub(crate) fn refused(&self, expected: &[&str]) -> Result<()> {
        self.code(2)?;
        ensure!(self.out.is_empty(), "{} is refused and still prints", self.shown);
        for part in expected {
            ensure!(self.err.contains(part), "{}: {part:?} is not in {:?}", self.shown, self.err);
        }
        Ok(())
    }
}

/// Whether a line is about missing privileges.
pub(crate) fn is_about_privileges(line: &str) -> bool {
    line.contains("cannot be inspected by this user")
}

/// Whether a line is about a namespace that a test made after the agent of another test started.
fn is_of_another_test(line: &str) -> bool {
    let names = line
        .split_once("cannot enter network namespace ")
        .or_else(|| line.split_once(" network namespaces ("));
    names
        .is_some_and(|(_, names)| ["conns-cli-", "lab-"].iter().any(|test| names.starts_with(test)))
}

/// Waits until `condition` gives a value.
pub(crate) fn wait_for<T>(
    what: &str,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let until = Instant::now() + SOON;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        ensure!(Instant::now() < until, "waited {SOON:?} in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
