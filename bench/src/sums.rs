//! What sums of an hour cost: to add an ended connection, in one group and in as many as there may be, to write and read them, and memory.
//!
//! Of each group the round trips are near each other, and the durations spread over several magnitudes.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use conns_history::sums::{Ended, MAX_GROUPS, PeriodSums};

use crate::run::machine::Machine;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Connections of each group.
    #[arg(long, default_value_t = 10)]
    connections: usize,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// Runs the plan and writes `<UTC>-sums.md`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read("target/release/conns".as_ref());
    let all = made(plan.connections);
    let before = resident_bytes()?;
    let mut sums = PeriodSums::default();
    let added = timed(|| all.iter().for_each(|ended| sums.add(ended)));
    let memory = resident_bytes()?.saturating_sub(before);
    let began = Instant::now();
    let encoded = sums.encode()?;
    let encoding = began.elapsed();
    let mut decoded = Ok(PeriodSums::default());
    let decoding = timed(|| decoded = PeriodSums::decode(&encoded));
    let mut day = decoded?;
    let merging = timed(|| day.merge(&sums));
    let adding = all.first().map_or(Duration::ZERO, one_group);
    let each = |took: Duration, count: usize| took.as_secs_f64() * 1e6 / count as f64;
    let mut text = machine.heading("Sums of an hour", "", started.elapsed());
    text.push_str(&format!(
        "| | |\n|---|--:|\n\
         | add it to the one group | {:.2} µs |\n\
         | add to one of {} groups at random, of {} connections each | {:.2} µs |\n\
         | memory of these | {:.1} MB |\n\
         | write them | {:.0} ms, {:.1} bytes a group |\n\
         | read them | {:.0} ms |\n\
         | merge them into as many | {:.0} ms |\n",
        each(adding, TURNS),
        sums.groups(),
        plan.connections,
        each(added, all.len()),
        memory as f64 / 1e6,
        encoding.as_secs_f64() * 1e3,
        encoded.len() as f64 / sums.groups() as f64,
        decoding.as_secs_f64() * 1e3,
        merging.as_secs_f64() * 1e3,
    ));
    print!("{text}");
    let stem = plan.out.join(format!("{}-sums", machine.stamp()));
    crate::run::write(&stem, &[("md", text)])
}

/// How often the one connection is added.
const TURNS: usize = 1_000_000;

/// How long it takes to add a connection to its group.
fn one_group(ended: &Ended<'_>) -> Duration {
    let mut sums = PeriodSums::default();
    timed(|| (0..TURNS).for_each(|_| sums.add(black_box(ended))))
}

fn timed(run: impl FnOnce()) -> Duration {
    let began = Instant::now();
    run();
    began.elapsed()
}

/// Connections of all groups in a random order, which is the same in each run (xorshift64).
fn made(connections: usize) -> Vec<Ended<'static>> {
    let mut random = 88_172_645_463_325_252_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let one = |_| {
        let group = next() % MAX_GROUPS as u64;
        Ended {
            process: Some(format!("worker-{}", group % 40).into()),
            unit: Some(format!("worker-{}.service", group % 40).into()),
            direction: Some("inbound".into()),
            proto: Some("tcp".into()),
            app: Some("tls".into()),
            service_port: Some(443),
            remote: Some(format!("198.51.{}.0/24", group / 40).into()),
            verdict: Some("healthy".into()),
            reason: Some(if next() % 9 == 0 { "rst-in" } else { "fin" }.into()),
            bytes_out: Some(next() >> 44),
            bytes_in: Some(next() >> 50),
            data_segs_out: Some(next() % 100),
            total_retrans: Some(next() % 3),
            bytes_retrans: Some(next() % 3000),
            rtt_us: Some(5000 + group + next() % 1000),
            duration_us: Some(next() % 1000 * (next() % 4000)),
            ..Ended::default()
        }
    };
    (0..MAX_GROUPS * connections).map(one).collect()
}

/// Resident memory of this process.
fn resident_bytes() -> anyhow::Result<u64> {
    let path = "/proc/self/statm";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let pages = text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    let pages = pages.with_context(|| format!("{path} has no resident pages"))?;
    Ok(pages * rustix::param::page_size() as u64)
}
