//! The probe client: sends a valid request to each protocol in turn, on a new connection each, and must be answered.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::context::{AttackContext, at};
use super::gauge::Gauge;
use super::requests::{REQUESTS, Request};

/// How long an answer may take. Long answers are written two at a time and the others wait, which takes seconds in a debug
/// build on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(250);
/// Enough of an answer to know it by.
const ENOUGH: usize = 4096;

/// Sends requests until the context stops.
pub(super) fn run(context: &AttackContext<'_>, gauge: &Gauge) {
    for request in REQUESTS.iter().cycle() {
        if !context.is_running() {
            return;
        }
        let asked = Instant::now();
        match request.ask() {
            Ok(()) => gauge.answered(request.name, asked.elapsed()),
            // While the agent is stopped it may not answer.
            Err(_) if !context.is_running() => {}
            Err(why) => gauge.refused(request.name, &why),
        }
        context.pause(INTERVAL.saturating_sub(asked.elapsed()));
    }
}

impl Request {
    fn ask(&self) -> Result<(), String> {
        let asked = Instant::now();
        let mut received = Vec::new();
        let mut exchange = || -> io::Result<bool> {
            let mut client = std::net::TcpStream::connect_timeout(&at(self.port), ANSWER_TIMEOUT)?;
            client.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            client.write_all(self.text.as_bytes())?;
            let mut chunk = [0; ENOUGH];
            while asked.elapsed() < ANSWER_TIMEOUT && received.len() < 2 * ENOUGH {
                let left = ANSWER_TIMEOUT.saturating_sub(asked.elapsed());
                client.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
                let read = client.read(&mut chunk)?;
                received.extend_from_slice(&chunk[..read]);
                let is_it = contains(&received, self.answer.as_bytes());
                if is_it || read == 0 {
                    return Ok(is_it);
                }
            }
            Ok(false)
        };
        let outcome = exchange();
        let shown = || String::from_utf8_lossy(&received[..received.len().min(200)]).into_owned();
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("answered {:?} after {:?}", shown(), asked.elapsed())),
            Err(error) => Err(format!("{error} after {:?} and {:?}", asked.elapsed(), shown())),
        }
    }
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}
