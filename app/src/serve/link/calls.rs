//! Calls of the link server, over its end of the socket pair.
//!
//! One call at a time. The server answers every request with one line, in their order. A call that was given up is
//! still answered; that line is skipped before the next request is written.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use conns_dialects::jetstream::{Forward, MAX_TRANSFER_BYTES};

use crate::link::MAX_FORWARDED_EXTRA_BYTES;

/// A call waits this long for its answer, that of an earlier one included.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is kept.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// The link server, as the JetStream dialect calls it.
#[derive(Debug)]
pub(in crate::serve) struct LinkCalls {
    timeout: Duration,
    exchange: Mutex<Exchange>,
}

#[derive(Debug)]
struct Exchange {
    stream: UnixStream,
    /// The rest of the latest request.
    unsent: Vec<u8>,
    /// Whether the latest request is not answered.
    is_answer_due: bool,
    /// What was read of the answer.
    answer: Vec<u8>,
    is_too_long: bool,
    has_ended: bool,
}

enum Stop {
    Timeout,
    Ended,
}

impl LinkCalls {
    pub(in crate::serve) fn new(stream: UnixStream) -> Self {
        Self::with_timeout(stream, CALL_TIMEOUT)
    }

    pub(super) fn with_timeout(stream: UnixStream, timeout: Duration) -> Self {
        let exchange = Exchange {
            stream,
            unsent: Vec::new(),
            is_answer_due: false,
            answer: Vec::new(),
            is_too_long: false,
            has_ended: false,
        };
        Self { timeout, exchange: Mutex::new(exchange) }
    }
}

impl Forward for LinkCalls {
    fn call(&self, request: &str) -> Result<String, String> {
        const ENDED: &str = "it has ended, and its supervisor too; see the log of the agent, and start the agent again";
        if request.len() > MAX_TRANSFER_BYTES + MAX_FORWARDED_EXTRA_BYTES {
            return Err("the request is too long; send smaller batches".to_owned());
        }
        let until = Instant::now() + self.timeout;
        let mut exchange = self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        if exchange.has_ended {
            return Err(ENDED.to_owned());
        }
        let seconds = self.timeout.as_secs();
        let reason = match exchange.finish(until) {
            Ok(_) => match exchange.run(request, until) {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) => format!(
                    "its answer is longer than {} MiB or not text; read pages with `limit`",
                    MAX_ANSWER_BYTES >> 20
                ),
                Err(Stop::Timeout) => format!(
                    "no answer within {seconds} s; the call may run nevertheless, so list what there is before \
                     another attempt"
                ),
                Err(Stop::Ended) => ENDED.to_owned(),
            },
            Err(Stop::Timeout) => format!(
                "an earlier call is not answered after another {seconds} s; try again later, or start the agent again"
            ),
            Err(Stop::Ended) => ENDED.to_owned(),
        };
        Err(reason)
    }
}

impl Exchange {
    /// Ends the call before, if that was given up.
    fn finish(&mut self, until: Instant) -> Result<Option<String>, Stop> {
        if self.is_answer_due { self.exchange(until) } else { Ok(None) }
    }

    /// The answer to a request; `None` if it is not kept.
    fn run(&mut self, request: &str, until: Instant) -> Result<Option<String>, Stop> {
        self.unsent = format!("{request}\n").into_bytes();
        self.is_answer_due = true;
        self.exchange(until)
    }

    fn exchange(&mut self, until: Instant) -> Result<Option<String>, Stop> {
        while !self.unsent.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?)).map_err(|_| self.end())?;
            match self.stream.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) => self.check(&error)?,
            }
        }
        let mut buffer = vec![0; READ_BYTES];
        loop {
            self.stream.set_read_timeout(Some(left(until)?)).map_err(|_| self.end())?;
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.end()),
                Ok(length) => {
                    let read = buffer.get(..length).unwrap_or_default();
                    let (line, is_end) = match read.strip_suffix(b"\n") {
                        Some(line) => (line, true),
                        None => (read, false),
                    };
                    if self.answer.len() + line.len() > MAX_ANSWER_BYTES {
                        self.is_too_long = true;
                        self.answer = Vec::new();
                    }
                    if !self.is_too_long {
                        self.answer.extend_from_slice(line);
                    }
                    if is_end {
                        self.is_answer_due = false;
                        let is_kept = !std::mem::take(&mut self.is_too_long);
                        let answer = String::from_utf8(std::mem::take(&mut self.answer));
                        return Ok(answer.ok().filter(|_| is_kept));
                    }
                }
                Err(error) => self.check(&error)?,
            }
        }
    }

    /// Whether an error only interrupts: the time that is left is checked next.
    fn check(&mut self, error: &io::Error) -> Result<(), Stop> {
        match error.kind() {
            ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(()),
            _ => Err(self.end()),
        }
    }

    fn end(&mut self) -> Stop {
        self.has_ended = true;
        Stop::Ended
    }
}

/// The time left until then.
fn left(until: Instant) -> Result<Duration, Stop> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Stop::Timeout) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::thread;

    use super::*;

    /// Calls of a server that answers each line by `answer`.
    fn calls(answer: impl Fn(&str) -> String + Send + 'static) -> LinkCalls {
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            let mut write = theirs.try_clone().unwrap();
            for line in BufReader::new(theirs).lines().map_while(Result::ok) {
                if write.write_all(answer(&line).as_bytes()).is_err() {
                    return;
                }
            }
        });
        LinkCalls::with_timeout(ours, Duration::from_millis(200))
    }

    #[test]
    fn a_late_answer_is_not_that_of_the_next_call() {
        let calls = calls(|request| {
            if request == "slow" {
                thread::sleep(Duration::from_millis(300));
            }
            format!("to {request}\n")
        });
        assert_eq!(calls.call("1").unwrap(), "to 1");
        assert!(calls.call("slow").unwrap_err().contains("no answer within"));
        assert_eq!(calls.call("2").unwrap(), "to 2");
    }

    #[test]
    fn a_server_that_does_not_answer_gets_no_second_request() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let calls = LinkCalls::with_timeout(ours, Duration::from_millis(50));
        let long = "x".repeat(MAX_TRANSFER_BYTES);
        assert!(calls.call(&long).unwrap_err().contains("no answer within"));
        assert!(calls.call("2").unwrap_err().contains("an earlier call"));
        let reader = thread::spawn(move || {
            let mut lines = BufReader::new(theirs.try_clone().unwrap());
            let mut write = theirs;
            for _ in 0..2 {
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                writeln!(write, "{}", line.trim().len()).unwrap();
            }
        });
        assert_eq!(calls.call("three").unwrap(), "5");
        reader.join().unwrap();
    }

    #[test]
    fn a_server_that_has_ended_is_named() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let calls = LinkCalls::new(ours);
        drop(theirs);
        for _ in 0..2 {
            assert!(calls.call("1").unwrap_err().contains("it has ended"));
        }
        assert!(calls.call(&"x".repeat(2 << 20)).unwrap_err().contains("too long"));
    }

    #[test]
    fn an_answer_that_is_too_long_is_skipped() {
        let calls = calls(|request| match request {
            "long" => format!("{}\n", "x".repeat(MAX_ANSWER_BYTES + 1)),
            other => format!("{other}\n"),
        });
        let calls = LinkCalls { timeout: Duration::from_secs(20), ..calls };
        assert!(calls.call("long").unwrap_err().contains("longer than 32 MiB"));
        assert_eq!(calls.call("1").unwrap(), "1");
    }
}
