//! What is measured while the attack goes on: by the kernel, by a subscriber, by the agent's own word, and by a
//! thread that does nothing but wake up, so that a machine that is late itself is not held against the agent.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::agent::{Agent, HttpAnswer};

use super::context::{AttackContext, at};
use super::probe_client::REQUESTS;

/// As often as the agent's beat is due.
const INTERVAL_US: i64 = 1_000_000;
/// The control thread wakes up so often.
const WAKE_INTERVAL: Duration = Duration::from_millis(20);
/// The page of health is read so often, to see the time of each snapshot.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);
/// A beat comes each second; a stream that reported of none for so long has been forgotten. It waits for its turn among
/// those who ask for long answers.
const SILENCE: Duration = Duration::from_secs(20);
/// Beats after which the measuring can begin.
const WARM_UPDATES: u64 = 2;
/// Troubles that are kept; the rest is counted.
const MAX_ERRORS: usize = 20;

/// All that was read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings {
    /// Beats that were seen, and beats the subscriber was reported of.
    pub(super) updates: u64,
    pub(super) reported: u64,
    /// Farthest that two successive snapshots were from being a second apart.
    pub(super) gap_max: Duration,
    /// Latest that a thread which does nothing but wake up woke up.
    pub(super) control_lateness_max: Duration,
    /// As the agent says.
    pub(super) lateness_max: Duration,
    pub(super) samples_skipped: u64,
    pub(super) sockets: u64,
    pub(super) clients: u64,
    pub(super) refused: u64,
    /// As the kernel says.
    pub(super) resident: u64,
    pub(super) resident_peak: u64,
    pub(super) descriptors: usize,
    /// Questions of the client that behaves.
    pub(super) answers: u64,
    pub(super) answer_time_max: Duration,
    pub(super) answered: BTreeSet<&'static str>,
    /// What went wrong, the first of it.
    pub(super) errors: Vec<String>,
    pub(super) further_errors: u64,
    pub(super) has_exited: bool,
}

/// Where all write down what they read.
#[derive(Debug, Default)]
pub(super) struct Gauge(Mutex<Readings>);

impl Gauge {
    pub(super) fn readings(&self) -> Readings {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn answered(&self, name: &'static str, after: Duration) {
        let mut readings = self.lock();
        readings.answers += 1;
        readings.answered.insert(name);
        readings.answer_time_max = readings.answer_time_max.max(after);
    }

    pub(super) fn refused(&self, name: &str, why: &str) {
        self.record_error(format!("{name} was not answered: {why}"));
    }

    fn record_error(&self, what: String) {
        let mut readings = self.lock();
        if readings.errors.len() < MAX_ERRORS {
            readings.errors.push(what);
        } else {
            readings.further_errors += 1;
        }
    }

    /// Whether every request was answered once and beats come.
    pub(super) fn is_warm(&self) -> bool {
        let readings = self.lock();
        readings.answered.len() == REQUESTS.len()
            && readings.updates >= WARM_UPDATES
            && readings.reported >= WARM_UPDATES
    }

    /// Wakes up again and again.
    pub(super) fn control(&self, context: &AttackContext<'_>) {
        let mut due = Instant::now();
        while context.is_running() {
            due += WAKE_INTERVAL;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let late = due.elapsed();
            let mut readings = self.lock();
            readings.control_lateness_max = readings.control_lateness_max.max(late);
            // What was slept through is not made up for.
            due = due.max(Instant::now());
        }
    }

    /// Sees when each snapshot was made, on the page that is never kept waiting by long answers.
    pub(super) fn watch(&self, context: &AttackContext<'_>) {
        let mut last = None;
        while context.is_running() {
            // What goes wrong here goes wrong for the client that behaves too.
            if let Ok(snapshot) = snapshot() {
                if let Some((sequence, at_us)) =
                    last.filter(|last: &(u64, i64)| last.0 < snapshot.0)
                {
                    self.update(snapshot.0 - sequence, snapshot.1 - at_us);
                }
                last = Some(snapshot);
            }
            context.pause(SAMPLE_INTERVAL);
        }
    }

    /// So many beats later a snapshot was made so much later.
    fn update(&self, updates: u64, later_us: i64) {
        let due = i64::try_from(updates).unwrap_or(i64::MAX).saturating_mul(INTERVAL_US);
        let off = Duration::from_micros(later_us.abs_diff(due));
        let mut readings = self.lock();
        readings.updates += updates;
        readings.gap_max = readings.gap_max.max(off);
    }

    /// Listens to the agent's beats as they are reported.
    pub(super) fn subscribe(&self, context: &AttackContext<'_>) {
        while context.is_running() {
            if let Err(error) = self.listen(context)
                && context.is_running()
            {
                self.record_error(format!("the subscriber lost its stream: {error:#}"));
                context.pause(Duration::from_secs(1));
            }
        }
    }

    fn listen(&self, context: &AttackContext<'_>) -> Result<()> {
        let mut stream = TcpStream::connect_timeout(&at(7979), SILENCE)?;
        stream.set_read_timeout(Some(SILENCE))?;
        // Nothing matches: only beats are reported.
        stream.write_all(
            b"GET /api/v1/changes?updates=false&filter=local_port==1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )?;
        for line in BufReader::new(stream).lines() {
            if line? == "event: beat" {
                self.lock().reported += 1;
            }
            if !context.is_running() {
                return Ok(());
            }
        }
        anyhow::bail!("the agent ended the stream")
    }

    /// Asks the kernel and the agent.
    pub(super) fn sample(&self, agent: &Agent) -> Result<()> {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", agent.pid())) else {
            self.lock().has_exited = true;
            return Ok(());
        };
        if status.contains("State:\tZ") {
            self.lock().has_exited = true;
            return Ok(());
        }
        let descriptors = descriptors(agent.pid())?;
        {
            let mut readings = self.lock();
            readings.resident = kilobytes(&status, "VmRSS:")? << 10;
            readings.resident_peak = kilobytes(&status, "VmHWM:")? << 10;
            readings.descriptors = descriptors;
        }
        match agent.health(None) {
            Ok(health) => self.read_health(&health),
            Err(error) => self.record_error(format!("its health page: {error:#}")),
        }
        Ok(())
    }

    /// Notes what a health page says.
    fn read_health(&self, health: &Value) {
        let mut readings = self.lock();
        let number = |place: &str| health.pointer(place).and_then(Value::as_u64);
        match (number("/beats/slip_max_us"), number("/beats/missed")) {
            (Some(slip), Some(missed)) => {
                readings.lateness_max = Duration::from_micros(slip);
                readings.samples_skipped = missed;
            }
            _ => {
                drop(readings);
                return self.record_error(format!("its health page has no beats: {health}"));
            }
        }
        readings.sockets = number("/sockets").unwrap_or_default();
        readings.clients = number("/readers/clients").unwrap_or_default();
        let refused = health["readers"]["refused"].as_object();
        readings.refused = refused.map_or(0, |all| all.values().filter_map(Value::as_u64).sum());
    }

    /// One line of print.
    pub(super) fn line(&self, at: Duration) -> String {
        let r = self.lock();
        format!(
            "{:>5}s  clients {:>5}  sockets {:>6}  slip {:>7.3?}  gap {:>7.3?}  (machine {:>7.3?})  \
             resident {:>4} MB (peak {:>4})  fds {:>5}  answers {:>5} (worst {:.0?})  refused {:>6}  errors {}",
            at.as_secs(),
            r.clients,
            r.sockets,
            r.lateness_max,
            r.gap_max,
            r.control_lateness_max,
            r.resident / 1_000_000,
            r.resident_peak / 1_000_000,
            r.descriptors,
            r.answers,
            r.answer_time_max,
            r.refused,
            r.errors.len() as u64 + r.further_errors,
        )
    }
}

/// The number of the latest snapshot, and when it was made.
fn snapshot() -> Result<(u64, i64)> {
    let mut stream = TcpStream::connect_timeout(&at(7979), SILENCE)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let health: Value = serde_json::from_slice(&HttpAnswer::read(&mut stream)?.body)?;
    let sequence = health.pointer("/snapshot/sequence").and_then(Value::as_u64);
    let at_us = health.pointer("/snapshot/at_us").and_then(Value::as_i64);
    sequence.zip(at_us).context("a health page without a snapshot")
}

/// Open descriptors of a process.
pub(super) fn descriptors(pid: u32) -> Result<usize> {
    let place = format!("/proc/{pid}/fd");
    let count = fs::read_dir(&place).with_context(|| format!("reading {place}"))?.count();
    Ok(count)
}

fn kilobytes(status: &str, key: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.with_context(|| format!("no {key} in the status of the agent"))
}
