//! How long `conns top` takes from a key to the screen that it changes, and what the screen costs while it is left alone.
//!
//! The terminal is a real one: a pseudo-terminal, whose other side shows what is written as a terminal does. The
//! sockets are those of the fixture, idle, so that nothing but a key moves rows.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use vt100::Parser;

use crate::agent::DEFAULT;
use crate::agent::served::{PORT, Served, cpu_of};
use crate::run::fixture::Fixture;
use crate::run::machine::Machine;

/// Size of the terminal: a window on a large display.
const SIZE: (u16, u16) = (50, 200);
/// The longest that anything may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Time before measuring, because the first updates are the most expensive.
const SETTLES: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Established sockets to open, one size after another.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000")]
    sizes: Vec<u32>,
    /// How often each key is pressed.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..))]
    presses: u32,
    /// Seconds the screen is left alone at each size.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..))]
    watch: u32,
    /// Processes that own the sockets.
    #[arg(long, default_value_t = 20)]
    processes: u32,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// What is done, and the keys for it, one after the other.
const TASKS: [(&str, [&str; 2]); 4] = [
    ("the row below, above", ["j", "k"]),
    ("the last row, the first", ["G", "gg"]),
    ("reverse the order", ["S", "S"]),
    ("a letter of the filter", ["1", "\x7f"]),
];

/// The latencies of one task, sorted.
struct Latencies(Vec<Duration>);

impl Latencies {
    fn percentile(&self, percent: usize) -> f64 {
        let at = (self.0.len() * percent / 100).min(self.0.len().saturating_sub(1));
        self.0.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}

/// What was measured at one size.
struct Figures {
    sockets: u32,
    tasks: Vec<Latencies>,
    cpu_percent: f64,
    /// A page that others map too counts as a share.
    memory_mb: f64,
    resident_mb: f64,
    peak_mb: f64,
}

/// Runs the plan and writes `<UTC>-screen.md`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read(&plan.conns);
    let mut all = Vec::new();
    for sockets in &plan.sizes {
        eprintln!("{sockets} sockets: setting up");
        let fixture = Fixture::start(*sockets, plan.processes)?;
        let served = Served::start(&plan.conns, fixture.netns(), DEFAULT)?;
        let mut screen = Screen::start(plan, fixture.netns())?;
        screen.wait("the list", |lines| lines.iter().any(|line| line.contains("RATE-OUT")))?;
        sleep(SETTLES);
        eprintln!("{sockets} sockets: leaving the screen alone for {} s", plan.watch);
        let (before, began) = (cpu_of(screen.pid()?)?, Instant::now());
        while began.elapsed() < Duration::from_secs(plan.watch.into()) {
            screen.take_for(Duration::from_millis(100));
        }
        let used = cpu_of(screen.pid()?)?.saturating_sub(before);
        let cpu_percent = 100.0 * used.as_secs_f64() / began.elapsed().as_secs_f64();
        eprintln!("{sockets} sockets: pressing keys");
        let tasks = TASKS.iter().map(|(name, keys)| {
            if name.contains("filter") {
                screen.press("/local_port == 700")?;
                screen
                    .wait("the filter", |lines| lines.iter().any(|line| line.contains("== 700")))?;
                screen.take_for(SETTLES);
            }
            screen.latencies(keys, plan.presses)
        });
        let tasks = tasks.collect::<anyhow::Result<_>>()?;
        let memory_mb = megabytes(screen.pid()?, "smaps_rollup", "Pss:")?;
        let resident_mb = megabytes(screen.pid()?, "status", "VmRSS:")?;
        let peak_mb = megabytes(screen.pid()?, "status", "VmHWM:")?;
        let figures =
            Figures { sockets: *sockets, tasks, cpu_percent, memory_mb, resident_mb, peak_mb };
        all.push(figures);
        drop(screen);
        served.end()?;
        fixture.end()?;
    }
    let text = markdown(&machine, plan, &all, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-screen", machine.stamp()));
    crate::run::write(&stem, &[("md", text)])
}

/// `conns top` on its terminal; ended when it is dropped.
struct Screen {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    chunks: Receiver<(Instant, Vec<u8>)>,
    parser: Parser,
}

impl Screen {
    fn start(plan: &Plan, netns: &str) -> anyhow::Result<Self> {
        let (rows, cols) = SIZE;
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size)?;
        let mut command = CommandBuilder::new(crate::own::program()?);
        command.args(["inside", "--netns", netns, "--"]);
        command.arg(&plan.conns);
        command.args(["top", "--agent", &format!("http://127.0.0.1:{PORT}")]);
        command.env("TERM", "xterm-256color");
        command.env("XDG_CONFIG_HOME", "/nonexistent");
        let child = pair.slave.spawn_command(command)?;
        let mut reader = pair.master.try_clone_reader()?;
        let (sender, chunks) = channel();
        std::thread::spawn(move || {
            let mut chunk = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = reader.read(&mut chunk) {
                let Some(read) = chunk.get(..length) else { return };
                if sender.send((Instant::now(), read.to_vec())).is_err() {
                    return;
                }
            }
        });
        let writer = pair.master.take_writer()?;
        let size = |size| NonZeroU16::new(size).context("no size");
        let parser = Parser::new(size(rows)?, size(cols)?, 0);
        Ok(Self { child, writer, chunks, parser })
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.child.process_id().context("the screen has no process")
    }

    fn press(&mut self, keys: &str) -> anyhow::Result<()> {
        self.writer.write_all(keys.as_bytes())?;
        Ok(self.writer.flush()?)
    }

    fn lines(&self) -> Vec<String> {
        self.parser.screen().contents().lines().map(str::to_owned).collect()
    }

    /// Shows what comes within this time.
    fn take_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Ok((_, chunk)) =
            self.chunks.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.parser.process(&chunk);
        }
    }

    fn wait(&mut self, what: &str, shows: impl Fn(&[String]) -> bool) -> anyhow::Result<()> {
        let until = Instant::now() + TIMEOUT;
        while !shows(&self.lines()) {
            ensure!(Instant::now() < until, "no {what}:\n{}", self.lines().join("\n"));
            self.take_for(Duration::from_millis(50));
        }
        Ok(())
    }

    /// What keys change: the chosen row and its ends, the ends of the first row, and how many there are.
    fn shown(&self) -> (Option<u16>, Vec<String>) {
        let screen = self.parser.screen();
        let is_chosen = |row: &u16| screen.cell(*row, 4).is_some_and(vt100::Cell::inverse);
        let chosen = (0..SIZE.0).find(is_chosen);
        let lines = self.lines();
        let ends = |line: Option<&String>| -> Vec<String> {
            let words = line.into_iter().flat_map(|line| line.split_whitespace());
            words.filter(|word| word.contains(':')).map(str::to_owned).collect()
        };
        let mut words = ends(chosen.and_then(|row| lines.get(usize::from(row))));
        words.extend(ends(lines.get(4)));
        words.extend(
            lines.get(2).and_then(|line| line.split_whitespace().next().map(str::to_owned)),
        );
        (chosen, words)
    }

    fn latencies(&mut self, keys: &[&str; 2], presses: u32) -> anyhow::Result<Latencies> {
        let mut all = Vec::new();
        for key in keys.iter().cycle().take(usize::try_from(presses)?) {
            // Apart from each other, and at no fixed time after an update.
            self.take_for(Duration::from_millis(130));
            let before = self.shown();
            let pressed = Instant::now();
            self.press(key)?;
            loop {
                let Ok((at, chunk)) = self.chunks.recv_timeout(TIMEOUT) else {
                    bail!("the key {key:?} changes nothing:\n{}", self.lines().join("\n"));
                };
                self.parser.process(&chunk);
                if self.shown() != before {
                    all.push(at - pressed);
                    break;
                }
                ensure!(pressed.elapsed() < TIMEOUT, "the key {key:?} changes nothing");
            }
        }
        all.sort_unstable();
        Ok(Latencies(all))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of the memory figures of a process (proc(5)), in MB.
fn megabytes(process: u32, file: &str, key: &str) -> anyhow::Result<f64> {
    let place = format!("/proc/{process}/{file}");
    let status = std::fs::read_to_string(&place).with_context(|| format!("cannot read {place}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib: f64 = line
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("{place} has no {key}"))?;
    Ok(kib * 1024.0 / 1e6)
}

fn markdown(machine: &Machine, plan: &Plan, all: &[Figures], took: Duration) -> String {
    let mut text = machine.heading("The screen", "idle sockets, ", took);
    text.push_str(&format!(
        "\n`{}`, {} presses of each key, {} x {} characters. Milliseconds from a key to the screen that it changes.\n\n",
        plan.conns.display(),
        plan.presses,
        SIZE.1,
        SIZE.0
    ));
    text.push_str(
        "| sockets | task | p50 ms | p99 ms | most ms |\n| --- | --- | --- | --- | --- |\n",
    );
    for of in all {
        for ((name, _), latencies) in TASKS.iter().zip(&of.tasks) {
            let figures =
                [50, 99, 100].map(|percent| format!("{:.1}", latencies.percentile(percent)));
            text.push_str(&format!("| {} | {name} | {} |\n", of.sockets, figures.join(" | ")));
        }
    }
    text.push_str("\nLeft alone, with an update each second:\n\n| sockets | % of a core | memory (Pss) MB | resident MB | most resident MB |\n| --- | --- | --- | --- | --- |\n");
    for of in all {
        text.push_str(&format!(
            "| {} | {:.1} | {:.0} | {:.0} | {:.0} |\n",
            of.sockets, of.cpu_percent, of.memory_mb, of.resident_mb, of.peak_mb
        ));
    }
    text
}
