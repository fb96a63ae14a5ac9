//! Measures the agent during the attack: by the kernel, by a subscriber, by `/health`, and by a control thread that only
//! wakes up, whose lateness is the machine's own.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::agent::{Agent, HttpAnswer};
use crate::health::{Schedule, Snapshot, UPDATE_EVENT};

use super::context::{AttackContext, at};
use super::requests::REQUESTS;

/// The agent's sample interval.
const INTERVAL_US: i64 = 1_000_000;
/// How often the control thread wakes up.
const WAKE_INTERVAL: Duration = Duration::from_millis(20);
/// How often `/health` is read for the time of the snapshot.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(250);
/// How long a stream may lack updates, one of which is due each second. It waits for its turn behind long answers.
const SILENCE: Duration = Duration::from_secs(20);
/// Updates after which measuring can start.
const WARM_UPDATES: u64 = 2;
/// Errors that are kept; further ones are only counted.
const MAX_ERRORS: usize = 20;

/// All that was read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Readings {
    /// Snapshots seen by `/health`.
    pub(super) updates: u64,
    /// Updates the subscriber received.
    pub(super) received: u64,
    /// The largest deviation of two successive snapshots from the interval.
    pub(super) gap_max: Duration,
    /// The largest lateness of the control thread.
    pub(super) control_lateness_max: Duration,
    /// From `/health`.
    pub(super) lateness_max: Duration,
    pub(super) samples_skipped: u64,
    pub(super) sockets: u64,
    pub(super) clients: u64,
    pub(super) refused: u64,
    /// From `/proc`.
    pub(super) resident: u64,
    pub(super) resident_peak: u64,
    /// How many processes the agent has.
    pub(super) processes: usize,
    pub(super) descriptors: usize,
    /// Requests of the probe client.
    pub(super) answers: u64,
    pub(super) answer_time_max: Duration,
    pub(super) answered: BTreeSet<&'static str>,
    /// The first errors.
    pub(super) errors: Vec<String>,
    pub(super) further_errors: u64,
    pub(super) has_exited: bool,
}

/// The readings, shared by the threads that measure.
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

    /// Whether every request was answered once and updates arrive.
    pub(super) fn is_warm(&self) -> bool {
        let readings = self.lock();
        readings.answered.len() == REQUESTS.len()
            && readings.updates >= WARM_UPDATES
            && readings.received >= WARM_UPDATES
    }

    /// Wakes up at a fixed interval and measures its own lateness.
    pub(super) fn control(&self, context: &AttackContext<'_>) {
        let mut due = Instant::now();
        while context.is_running() {
            due += WAKE_INTERVAL;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let late = due.elapsed();
            let mut readings = self.lock();
            readings.control_lateness_max = readings.control_lateness_max.max(late);
            // Missed wake-ups are not made up for.
            due = due.max(Instant::now());
        }
    }

    /// Reads the time of each snapshot from `/health`, which does not wait behind long answers.
    pub(super) fn watch(&self, context: &AttackContext<'_>) {
        let mut last = None;
        while context.is_running() {
            // The probe client records errors of `/health`.
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

    /// Records that `updates` intervals took `later_us`.
    fn update(&self, updates: u64, later_us: i64) {
        let due = i64::try_from(updates).unwrap_or(i64::MAX).saturating_mul(INTERVAL_US);
        let off = Duration::from_micros(later_us.abs_diff(due));
        let mut readings = self.lock();
        readings.updates += updates;
        readings.gap_max = readings.gap_max.max(off);
    }

    /// Reads the agent's updates from its stream.
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
        // Nothing matches the filter: only updates are sent.
        stream.write_all(
            b"GET /api/v1/changes?updates=false&filter=local_port==1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )?;
        for line in BufReader::new(stream).lines() {
            if line?.strip_prefix("event: ") == Some(UPDATE_EVENT) {
                self.lock().received += 1;
            }
            if !context.is_running() {
                return Ok(());
            }
        }
        anyhow::bail!("the agent ended the stream")
    }

    /// Reads `/proc` and `/health`.
    pub(super) fn sample(&self, agent: &Agent) -> Result<()> {
        let Ok(status) = fs::read_to_string(format!("/proc/{}/status", agent.pid())) else {
            self.lock().has_exited = true;
            return Ok(());
        };
        if status.contains("State:\tZ") {
            self.lock().has_exited = true;
            return Ok(());
        }
        let descriptors = descriptors(agent)?;
        let (mut resident, mut resident_peak) = (0, 0);
        let pids = agent.pids()?;
        for pid in &pids {
            let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
            resident += kilobytes(&status, "VmRSS:")? << 10;
            resident_peak += kilobytes(&status, "VmHWM:")? << 10;
        }
        {
            let mut readings = self.lock();
            (readings.resident, readings.resident_peak) = (resident, resident_peak);
            readings.processes = pids.len();
            readings.descriptors = descriptors;
        }
        match agent.health(None) {
            Ok(health) => self.read_health(&health),
            Err(error) => self.record_error(format!("/health: {error:#}")),
        }
        Ok(())
    }

    /// Records the figures of `/health`.
    fn read_health(&self, health: &Value) {
        let mut readings = self.lock();
        let number = |place: &str| health.pointer(place).and_then(Value::as_u64);
        match Schedule::read(health) {
            Ok(schedule) => {
                readings.lateness_max = schedule.lateness_max;
                readings.samples_skipped = schedule.skipped;
            }
            Err(error) => {
                drop(readings);
                return self.record_error(format!("no schedule in /health: {error:#}"));
            }
        }
        readings.sockets = number("/sockets").unwrap_or_default();
        readings.clients = number("/readers/clients").unwrap_or_default();
        let refused = health["readers"]["refused"].as_object();
        readings.refused = refused.map_or(0, |all| all.values().filter_map(Value::as_u64).sum());
    }

    /// One line of the printed progress.
    pub(super) fn line(&self, at: Duration) -> String {
        let r = self.lock();
        format!(
            "{:>5}s  clients {:>5}  sockets {:>6}  lateness {:>7.3?}  gap {:>7.3?}  (machine {:>7.3?})  \
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

/// The number and time of the latest snapshot.
fn snapshot() -> Result<(u64, i64)> {
    let mut stream = TcpStream::connect_timeout(&at(7979), SILENCE)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let health: Value = serde_json::from_slice(&HttpAnswer::read(&mut stream)?.body)?;
    let snapshot = Snapshot::read(&health)?;
    Ok((snapshot.sequence, snapshot.at_us))
}

/// Open descriptors of the agent.
pub(super) fn descriptors(agent: &Agent) -> Result<usize> {
    let of_process = |pid: u32| {
        let place = format!("/proc/{pid}/fd");
        let entries = fs::read_dir(&place).with_context(|| format!("reading {place}"))?;
        Ok(entries.count())
    };
    agent.pids()?.into_iter().map(of_process).sum()
}

fn kilobytes(status: &str, key: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    number.with_context(|| format!("no {key} in the status of the agent"))
}
