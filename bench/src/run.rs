//! The bench itself: opens sockets, lets every contender list them, round by round, and writes the result.
//!
//! The contenders of a round run one after another against the same sockets, and each round starts with the
//! next contender: a ratio compares two runs of one round, so a busy minute hits both sides of it.

pub(crate) mod contenders;
mod count;
pub(crate) mod figures;
pub(crate) mod fixture;
pub(crate) mod machine;
mod report;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::measure::Usage;
use contenders::{CONTENDERS, Contender, Listed};
use fixture::Fixture;

/// No contender gets more measured time than this at one size, so that the whole bench stays under six minutes
/// though ss and netstat need nine seconds a run at 100 000 sockets.
const BUDGET_PER_CONTENDER: Duration = Duration::from_secs(30);
/// Fewer runs than this show no spread.
const FEWEST_ROUNDS: u32 = 2;

/// Readings of those that only read; the best counts.
const READINGS_ALONE: u32 = 10;

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Established sockets to open, one size after another.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    sizes: Vec<u32>,
    /// Measured runs of each command; slow ones get fewer, and the result has the number.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Processes that own the sockets.
    #[arg(long, default_value_t = 20)]
    processes: u32,
    /// The conns binary to measure.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// One measured run.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// 0-based.
    round: u32,
    /// Place in the order of its round, 0-based.
    place: u32,
    usage: Usage,
}

/// One contender at one size.
#[derive(Clone, Debug)]
struct Performance {
    contender: &'static Contender,
    /// `None` if the program is not installed.
    listed: Option<u64>,
    /// Why `listed` differs from the fixture.
    remark: Option<String>,
    samples: Vec<Sample>,
}

/// All contenders at one size.
#[derive(Clone, Debug)]
struct Bout {
    sockets: u32,
    listeners: u32,
    processes: u32,
    performances: Vec<Performance>,
    /// Of those that only read: milliseconds of the reading alone, without the start of a process.
    alone: Vec<(&'static str, Option<f64>)>,
}

/// Runs the plan and writes `<UTC>-<sizes>.md` and `.csv`; fails, after writing, if conns is missing or listed wrongly.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = machine::Machine::read(&plan.conns);
    let mut bouts = Vec::new();
    for &sockets in &plan.sizes {
        bouts.push(bout(plan, sockets)?);
    }
    let text = report::markdown(&machine, &bouts, plan.rounds, started.elapsed());
    print!("{text}");

    let sizes: Vec<String> = plan.sizes.iter().map(u32::to_string).collect();
    let stem = plan.out.join(format!("{}-{}", machine.stamp(), sizes.join("-")));
    write(&stem, &[("md", text), ("csv", report::csv(&bouts))])?;
    verdict(plan, &bouts)
}

/// Writes a result: `stem` with each extension, and its text.
pub(crate) fn write(stem: &Path, texts: &[(&str, String)]) -> anyhow::Result<()> {
    if let Some(folder) = stem.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the result folder {}", folder.display()))?;
    }
    for (extension, text) in texts {
        let path = stem.with_added_extension(extension);
        std::fs::write(&path, text)
            .with_context(|| format!("cannot write the result {}", path.display()))?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// conns that lists too few sockets quickly has won nothing.
fn verdict(plan: &Plan, bouts: &[Bout]) -> anyhow::Result<()> {
    for bout in bouts {
        for performance in bout.performances.iter().filter(|p| p.contender.is_subject()) {
            if performance.contender.is_by_ebpf() && performance.listed.is_none() {
                continue;
            }
            ensure!(
                performance.listed.is_some(),
                "conns was not measured: there is no program at {}; build it (cargo build --release) or give --conns",
                plan.conns.display()
            );
            if let Some(remark) = &performance.remark {
                anyhow::bail!(
                    "`{}` at {} sockets {remark}: its figures are void until that is fixed",
                    performance.contender.label,
                    bout.sockets
                );
            }
        }
    }
    Ok(())
}

fn bout(plan: &Plan, sockets: u32) -> anyhow::Result<Bout> {
    eprintln!("{sockets} sockets: setting up");
    let fixture = Fixture::start(sockets, plan.processes)?;
    let mut performances = Vec::new();
    let mut rounds_of = Vec::new();
    for contender in &CONTENDERS {
        let started = Instant::now();
        let performance = appear(plan, &fixture, contender)?;
        rounds_of.push(rounds_within_budget(plan.rounds, started.elapsed()));
        performances.push(performance);
    }
    for round in 0..plan.rounds {
        eprintln!("{sockets} sockets: round {} of {}", round + 1, plan.rounds);
        let contenders = performances.len();
        for place in 0..contenders {
            let turn = (place + round as usize) % contenders;
            let performance = &mut performances[turn];
            if performance.listed.is_some() && round < rounds_of[turn] {
                let command = performance.contender.command(&plan.conns, fixture.netns());
                let usage = measure_in(fixture.netns(), &command)?;
                performance.samples.push(Sample { round, place: place as u32, usage });
            }
        }
    }
    let alone = [contenders::TABLE, contenders::DRAIN].map(|label| (label, alone(&fixture, label)));
    let listeners = fixture.listeners();
    fixture.end()?;
    for performance in &mut performances {
        note_failures(performance);
    }
    Ok(Bout { sockets, listeners, processes: plan.processes, performances, alone: alone.into() })
}

/// The best of several readings in one process, milliseconds; `None` where it does not work.
fn alone(fixture: &Fixture, label: &str) -> Option<f64> {
    let contender = CONTENDERS.iter().find(|contender| contender.label == label)?;
    let command = contender.command(Path::new(""), fixture.netns());
    let output = Command::new(crate::own::program().ok()?)
        .args(["inside", "--netns", fixture.netns(), "--"])
        .args(command)
        .args(["--readings", &READINGS_ALONE.to_string()])
        .output()
        .ok()?;
    let line = String::from_utf8_lossy(&output.stdout);
    let ms = line.trim_end().strip_suffix(crate::drain::ALONE)?.trim_end().rsplit(' ').next()?;
    ms.parse().ok()
}

/// The untimed run: is it installed, and does it list what is there?
fn appear(
    plan: &Plan,
    fixture: &Fixture,
    contender: &'static Contender,
) -> anyhow::Result<Performance> {
    let mut performance =
        Performance { contender, listed: None, remark: None, samples: Vec::new() };
    if contender.find(&plan.conns).is_none() {
        eprintln!("{}: not installed", contender.label);
        return Ok(performance);
    }
    let listed = count::rows(
        fixture.netns(),
        &contender.command(&plan.conns, fixture.netns()),
        contender.rows,
    )
    .with_context(|| format!("cannot count what `{}` lists", contender.label));
    let listed = match listed {
        // A machine may not permit to load programs: that is a result.
        Err(error) if contender.is_by_ebpf() => {
            performance.remark = Some(format!("does not work here: {error:#}"));
            return Ok(performance);
        }
        listed => listed?,
    };
    let expected = match contender.lists {
        Listed::Established => fixture.sockets(),
        Listed::Everything => fixture.sockets() + fixture.listeners(),
    };
    performance.listed = Some(listed);
    if listed != u64::from(expected) {
        performance.remark = Some(format!("listed {listed} sockets where {expected} are open"));
    }
    Ok(performance)
}

fn rounds_within_budget(expected: u32, one_run: Duration) -> u32 {
    let affordable = (BUDGET_PER_CONTENDER.as_millis() / one_run.as_millis().max(1)) as u32;
    affordable.max(FEWEST_ROUNDS).min(expected)
}

/// What a command uses inside the namespace.
pub(crate) fn measure_in(netns: &str, command: &[String]) -> anyhow::Result<Usage> {
    let words = command.join(" ");
    let output = Command::new(crate::own::program()?)
        .args(["measure", "--netns", netns, "--"])
        .args(command)
        .output()
        .with_context(|| format!("cannot start the measurement of `{words}`"))?;
    ensure!(
        output.status.success(),
        "cannot measure `{words}`: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout)
        .parse()
        .with_context(|| format!("cannot read the measurement of `{words}`"))
}

fn note_failures(performance: &mut Performance) {
    let failed = performance.samples.iter().find(|sample| sample.usage.status != 0);
    if let (Some(sample), None) = (failed, &performance.remark) {
        performance.remark = Some(format!(
            "ended with status {} in round {}",
            sample.usage.status,
            sample.round + 1
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_contender_gets_fewer_rounds_and_never_less_than_two() {
        assert_eq!(rounds_within_budget(5, Duration::from_millis(10)), 5);
        assert_eq!(rounds_within_budget(5, Duration::from_secs(9)), 3);
        assert_eq!(rounds_within_budget(5, Duration::from_secs(100)), 2);
        assert_eq!(rounds_within_budget(1, Duration::from_secs(100)), 1);
    }
}
