//! What keeping ended connections costs, beside an ordinary table of SQLite with the same columns: CPU and bytes of a row, memory, and
//! how long queries take.
//!
//! The connections are made up, with the spread that those of a busy server have: few processes, some thousand remote addresses,
//! ports in order, times and bytes over several magnitudes. They are written a second at a time, without waiting for the clock.

mod open;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use conns_core::model::{
    CloseReason, Closed, Closer, Connection, Direction, Event, EventKind, EventLog, Known, Moment,
    Opened, Owner, Process, State, Update,
};
use conns_core::query::catalogue;
use conns_fixtures::{Tcp, connection, established, known, process, with_cookie};
use conns_history::{
    Cell, History, HistoryReader, QueryBounds, QueryError, ReadAccess, Scan, Times, kept_tables,
    query,
};
use rusqlite::ToSql;

use crate::run::machine::Machine;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Ended connections.
    #[arg(long, default_value_t = 10_000_000)]
    rows: u64,
    /// Of them, those that the ordinary table has too.
    #[arg(long, default_value_t = 1_000_000)]
    plain_rows: u64,
    /// Ended connections in a second of their time.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Size of the history in MiB.
    #[arg(long, default_value_t = 4096)]
    size: u64,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// When the first connection ends, microseconds since 1970-01-01 UTC.
const BEGIN_US: i64 = 1_790_000_000_000_000;
/// Connections that end in an hour at 50 a second, and the query about as many.
const SLOW_HOUR_ROWS: u64 = 180_000;
const TOP_TEN: &str = "top ten of 180 000 rows";

/// Made-up connections: a generator of random numbers that is the same in each run (xorshift64*).
struct Made {
    random: u64,
    cookie: u64,
    processes: Vec<Arc<Process>>,
    /// One connection, which is changed for each event.
    base: Connection,
}

impl Made {
    fn new() -> Self {
        let names =
            ["nginx", "postgres", "redis-server", "php-fpm8.2", "node", "sshd", "curl", "java"];
        let processes = (0..24).map(|at| {
            let mut made = process(800 + at, names.get(at as usize % names.len()).unwrap_or(&"x"));
            made.systemd_unit = known(format!("{}-{}.service", made.name, at / 8).into());
            Arc::new(made)
        });
        let base = connection(established("192.0.2.1:443", "198.51.100.1:50000"));
        Self {
            random: 88_172_645_463_325_252,
            cookie: 50_000_000,
            processes: processes.collect(),
            base,
        }
    }

    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(2_685_821_657_736_338_717) >> 16
    }

    /// A number whose magnitude is spread evenly between those of 1 and `most`.
    fn spread(&mut self, most: u64) -> u64 {
        let bits = self.next() % u64::from(most.ilog2() + 1);
        (1 << bits) | (self.next() & ((1 << bits) - 1))
    }

    /// A smaller number is likelier.
    fn few(&mut self, most: u64) -> u64 {
        self.spread(most) - 1
    }

    /// A connection that ended then.
    fn ended(&mut self, at: Moment) -> Connection {
        let is_inbound = !self.next().is_multiple_of(3);
        let remote = self.few(4000);
        let (near, far) = match is_inbound {
            true => (443, 32_768 + self.next() % 28_000),
            false => {
                (32_768 + self.next() % 28_000, [443, 5432, 6379, 53][self.few(4) as usize % 4])
            }
        };
        let address = format!(
            "{}.{}.{}.{}",
            100 + remote % 60,
            remote / 60 % 250,
            remote % 13,
            1 + remote % 200
        );
        let socket = established(&format!("192.0.2.1:{near}"), &format!("{address}:{far}"));
        self.cookie += 1 + self.few(16);
        let mut socket = with_cookie(self.cookie, socket);
        let (sent, received) = (self.spread(1 << 20), self.spread(1 << 18));
        let segments = (sent / 1448 + 1) as u32;
        let lost = if self.next().is_multiple_of(20) { self.few(8) as u32 } else { 0 };
        let rtt = 200 + self.spread(1 << 17) as u32;
        socket.tcp = Tcp {
            rtt_us: rtt,
            snd_mss_bytes: 1448,
            bytes_acked: sent + 1,
            bytes_received: received + 1,
            bytes_sent: sent,
            data_segs_out: segments,
            data_segs_in: (received / 1448 + 1) as u32,
            total_retrans: lost,
            bytes_retrans: u64::from(lost) * 1448,
            ..Tcp::ZERO
        }
        .known();
        socket.state = State::Close;
        let place = self.few(24) as usize % self.processes.len();
        let by = self.processes.get(place).cloned();
        let duration = 500 + self.spread(1 << 26);
        let opened_at = Moment {
            monotonic_us: at.monotonic_us.saturating_sub(duration),
            wall_us: at.wall_us - duration.cast_signed(),
        };
        let resets = self.next().is_multiple_of(25);
        let mut made = self.base.clone();
        made.socket = socket.into();
        if let Some(by) = by {
            made.owners = known(
                [Owner { process: Arc::clone(&by), descriptor: Some(7) }].into_iter().collect(),
            );
            let (handshake, first_use) =
                (u64::from(rtt) + self.next() % 90, 20 + self.spread(1 << 10));
            made.opened = known(Arc::new(Opened {
                at: opened_at,
                handshake_us: if is_inbound { Known::NotApplicable } else { known(handshake) },
                first_use_us: if is_inbound { known(first_use) } else { Known::NotApplicable },
                by: known(by),
            }));
        }
        made.direction = known(if is_inbound { Direction::Inbound } else { Direction::Outbound });
        made.closed = known(Closed {
            at,
            duration_us: known(duration),
            how: if resets { CloseReason::ResetReceived } else { CloseReason::Fin },
            first_closer: known(if self.next().is_multiple_of(2) {
                Closer::Local
            } else {
                Closer::Remote
            }),
            fin_received: !resets,
        });
        made
    }
}

/// What writing took.
struct Written {
    rows: u64,
    cpu: Duration,
    bytes: u64,
}

impl Written {
    fn us_of_row(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.rows as f64
    }

    fn bytes_of_row(&self) -> f64 {
        self.bytes as f64 / self.rows as f64
    }
}

fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Runs the plan and writes `<UTC>-history.md`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read(Path::new("conns"));
    let folder = tempfile::tempdir().context("cannot make a folder for the history")?;
    let path = folder.path().join("history.db");
    // First, so that no memory is reused that the events of the other rows had.
    let memory = memory_of_writer(plan, &folder.path().join("memory.db"))?;
    let kept = write_history(plan, &path)?;
    eprintln!("{} rows are kept; writing the ordinary table", kept.rows);
    let open = open::run(folder.path())?;
    let plain_path = folder.path().join("plain.db");
    let plain = write_plain(plan, &path, &plain_path)?;
    let hour = plan.rate * 3600;
    let middle = BEGIN_US + (plan.rows / plan.rate / 2).cast_signed() * 1_000_000;
    // An hour has at least this many rows, or all there are.
    let span = (hour.min(plan.rows / 10) / plan.rate).cast_signed() * 1_000_000;
    let times = format!("at_us between {middle} and {}", middle + span);
    // The rows of an hour in which 50 connections a second end: 4 days of them are kept in 1 GiB.
    let slow = (SLOW_HOUR_ROWS * 1_000_000 / plan.rate).cast_signed();
    let slow_hour = format!("at_us between {middle} and {}", middle + slow);
    let top_ten = |times: &str| {
        format!(
            "select process, remote_addr, sum(bytes_out) from closed where {times} group by 1, 2 order by 3 desc limit 10"
        )
    };
    let queries = [
        ("count", "select count(*) from closed".to_owned()),
        (TOP_TEN, top_ten(&slow_hour)),
        ("top ten of a tenth", top_ten(&times)),
        (
            "a tenth by reason",
            format!("select ended, count(*), avg(rtt_us) from closed where {times} group by 1"),
        ),
        (
            "all by process",
            "select process, count(*), sum(bytes_out) from closed group by 1".to_owned(),
        ),
        (
            "hours by process",
            "select process, sum(connections), sum(bytes_out) from hours group by 1".to_owned(),
        ),
    ];
    let plain_connection = rusqlite::Connection::open(&plain_path)?;
    let mut races = Vec::new();
    for (name, sql) in &queries {
        let reader = HistoryReader::open(&path, ReadAccess::OfUser, 1)?;
        let mut ours = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            let bounds = QueryBounds { time: Duration::from_secs(120), ..QueryBounds::default() };
            match query(&kept_tables(&Ok(reader.session()?)), sql, bounds) {
                Ok(answer) => ensure!(!answer.rows.is_empty(), "no rows for {sql}"),
                Err(QueryError::TooLarge(_)) => break,
                Err(error) => return Err(error.into()),
            }
            ours.push(began.elapsed());
        }
        ours.sort_unstable();
        // The ordinary table has fewer rows, so its time is that of the same share of them.
        let began = Instant::now();
        let theirs = (*name == "all by process").then(|| {
            let mut statement = plain_connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            anyhow::Ok(began.elapsed().mul_f64(plan.rows as f64 / plain.rows as f64))
        });
        races.push((*name, ours.get(2).copied(), theirs.transpose()?));
    }
    let text = markdown(&machine, plan, (&kept, memory, &open), &plain, &races, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-history", machine.stamp()));
    crate::run::write(&stem, &[("md", text)])
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

fn moment(second: u64, us: u64) -> Moment {
    let since = second * 1_000_000 + us;
    Moment { monotonic_us: since, wall_us: BEGIN_US + since.cast_signed() }
}

/// Events that are read at a time while memory is measured: those in memory then are a few of a second.
const FEW: u64 = 100;

/// By how much memory grows at most while a tenth of the rows is written, without those of the events but a few.
fn memory_of_writer(plan: &Plan, path: &Path) -> anyhow::Result<u64> {
    let mut made = Made::new();
    let before = resident();
    let mut writer = Writer::open(plan, path)?;
    let mut most = 0;
    for second in 0..(plan.rows / plan.rate / 10).max(1) {
        for first in (0..plan.rate).step_by(FEW as usize) {
            writer.record(plan, &mut made, second, first..plan.rate.min(first + FEW));
            most = most.max(resident());
        }
        writer.commit(second + 1)?;
        most = most.max(resident());
    }
    writer.history.close(&Update::default(), moment(plan.rows, 0))?;
    Ok(most.saturating_sub(before))
}

/// A history, and what writing it took.
struct Writer {
    history: History,
    serial: u64,
    cpu: Duration,
}

impl Writer {
    fn open(plan: &Plan, path: &Path) -> anyhow::Result<Self> {
        let opened = History::open(path, plan.size * 1024 * 1024, moment(0, 0))?;
        Ok(Self { history: opened.history, serial: 0, cpu: Duration::ZERO })
    }

    /// Makes events of a second, and records them.
    fn record(&mut self, plan: &Plan, made: &mut Made, second: u64, events: Range<u64>) {
        let mut log = EventLog::after(1, self.serial);
        let events: Vec<Arc<Event>> = events
            .map(|at| {
                self.serial += 1;
                let at = moment(second, at * 1_000_000 / plan.rate + made.next() % 40);
                let connection = made.ended(at);
                Arc::new(Event { serial: self.serial, at, kind: EventKind::Closed, connection })
            })
            .collect();
        log.append(events);
        let before = thread_cpu();
        self.history.record(&Update::default(), &log);
        self.cpu += thread_cpu() - before;
    }

    fn commit(&mut self, second: u64) -> anyhow::Result<()> {
        let before = thread_cpu();
        self.history.commit(moment(second, 0))?;
        self.cpu += thread_cpu() - before;
        Ok(())
    }
}

/// Writes the rows, and returns what that took.
fn write_history(plan: &Plan, path: &Path) -> anyhow::Result<Written> {
    let (mut writer, mut made) = (Writer::open(plan, path)?, Made::new());
    for second in 0..plan.rows / plan.rate {
        writer.record(plan, &mut made, second, 0..plan.rate);
        writer.commit(second + 1)?;
    }
    let Writer { history, serial, mut cpu } = writer;
    let before = thread_cpu();
    history.close(&Update::default(), moment(plan.rows / plan.rate, 0))?;
    cpu += thread_cpu() - before;
    let bytes = path.metadata().context("cannot read the size of the history")?.len();
    Ok(Written { rows: serial, cpu, bytes })
}

/// Writes rows of the history into an ordinary table, a transaction for each second of their time.
fn write_plain(plan: &Plan, history: &Path, path: &Path) -> anyhow::Result<Written> {
    let session = HistoryReader::open(history, ReadAccess::OfUser, 1)?.session()?;
    let tables = session.tables();
    let closed = tables.iter().find(|table| table.name() == "closed").context("no table closed")?;
    let columns: Vec<String> = closed
        .columns()
        .iter()
        .map(|column| format!("\"{}\" {}", column.name, column.kind.word()))
        .collect();
    let mut connection = rusqlite::Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.execute_batch(&format!("create table closed ({})", columns.join(", ")))?;
    let places = vec!["?"; columns.len()].join(", ");
    let sql = format!("insert into closed values ({places})");
    let mut scan = closed.scan(Times::ALL).map_err(anyhow::Error::msg)?;
    let (mut rows, mut cpu) = (0, Duration::ZERO);
    while rows < plan.plain_rows {
        let mut batch: Vec<Vec<Cell<'static>>> = Vec::new();
        while (batch.len() as u64) < plan.rate && scan.next().map_err(anyhow::Error::msg)? {
            batch.push(
                (0..columns.len()).map(|at| owned(&*scan, at)).collect::<anyhow::Result<_>>()?,
            );
        }
        if batch.is_empty() {
            break;
        }
        let before = thread_cpu();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(&sql)?;
            for row in &batch {
                let values: Vec<&dyn ToSql> = row.iter().map(|cell| cell as &dyn ToSql).collect();
                insert.execute(values.as_slice())?;
            }
        }
        transaction.commit()?;
        cpu += thread_cpu() - before;
        rows += batch.len() as u64;
    }
    connection.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(()))?;
    Ok(Written { rows, cpu, bytes: path.metadata().context("no ordinary table")?.len() })
}

fn owned(scan: &dyn Scan, column: usize) -> anyhow::Result<Cell<'static>> {
    Ok(match scan.cell(column).map_err(anyhow::Error::msg)? {
        Cell::Null => Cell::Null,
        Cell::Integer(number) => Cell::Integer(number),
        Cell::Real(number) => Cell::Real(number),
        Cell::Text(text) => Cell::Text(text.into_owned().into()),
    })
}

fn markdown(
    machine: &Machine,
    plan: &Plan,
    (kept, memory, open): (&Written, u64, &[(&str, Written)]),
    plain: &Written,
    races: &[(&str, Option<Duration>, Option<Duration>)],
    took: Duration,
) -> String {
    let mut text = machine.heading("The history", "", took);
    let mut goal = |name: &str, is_met: bool, found: String| {
        let verdict = if is_met { "met" } else { "missed" };
        text.push_str(&format!("- {name}: **{verdict}**, {found}\n"));
    };
    let core = kept.us_of_row() * 20_000.0 / 1e4;
    goal(
        "32 bytes a closed connection",
        kept.bytes_of_row() <= 32.0,
        format!("{:.1}", kept.bytes_of_row()),
    );
    goal("2 % of a core at 20 000 closed a second", core <= 2.0, format!("{core:.1} %"));
    goal("30 MB of memory", memory <= 30_000_000, format!("{:.1} MB", memory as f64 / 1e6));
    let top_ten = races.iter().find(|(name, ..)| *name == TOP_TEN).and_then(|(_, ours, _)| *ours);
    let top_ten = top_ten.unwrap_or(Duration::MAX);
    goal(
        "top ten of an hour at 50 a second in 1 s",
        top_ten <= Duration::from_secs(1),
        format!("{:.2} s", top_ten.as_secs_f64()),
    );
    // 60 % of seven eighths of a GiB, at 50 a second.
    let days = 1024.0f64.powi(3) * 0.6 * 0.875 / kept.bytes_of_row() / 50.0 / 86_400.0;
    goal("4 days of rows at 50 a second in 1 GiB", days >= 4.0, format!("{days:.1} days"));
    text.push_str(&format!(
        "\n| | rows | bytes a row | CPU µs a row |\n|---|--:|--:|--:|\n| history, with sums | {} | {:.1} | {:.2} |\n| ordinary table of SQLite | {} | {:.1} | {:.2} |\n| ÷ | | {:.2} | {:.2} |\n\n",
        kept.rows, kept.bytes_of_row(), kept.us_of_row(),
        plain.rows, plain.bytes_of_row(), plain.us_of_row(),
        kept.bytes_of_row() / plain.bytes_of_row(), kept.us_of_row() / plain.us_of_row(),
    ));
    text.push_str("| sample of an open connection that carries | rows | bytes a row | CPU µs a row |\n|---|--:|--:|--:|\n");
    for (name, written) in open {
        let (bytes, us) = (written.bytes_of_row(), written.us_of_row());
        text.push_str(&format!("| {name} | {} | {bytes:.1} | {us:.2} |\n", written.rows));
    }
    text.push_str("\n| query | history, median ms | ordinary table, ms | ÷ |\n|---|--:|--:|--:|\n");
    for (name, ours, theirs) in races {
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        let cell = |time: Option<f64>, none: &str, digits| {
            time.map_or_else(|| none.to_owned(), |time| format!("{time:.digits$}"))
        };
        let (ours, theirs) = (ours.as_ref().map(ms), theirs.as_ref().map(ms));
        text.push_str(&format!(
            "| {name} | {} | {} | {} |\n",
            cell(ours, "refused: too much memory", 1),
            cell(theirs, "-", 1),
            cell(ours.zip(theirs).map(|(ours, theirs)| ours / theirs), "-", 2),
        ));
    }
    let columns = catalogue().len();
    text.push_str(&format!(
        "\n{} rows, {} a second of their time; the catalogue has {columns} fields. Memory is what the process gained while a tenth of the rows was written, {FEW} events at a time. The \
         time of the ordinary table is scaled to as many rows.\n",
        plan.rows, plan.rate
    ));
    text
}
