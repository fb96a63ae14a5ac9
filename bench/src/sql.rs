//! How long queries in SQL over the live tables of an agent take, beside Debian's sqlite3 over a table of the same rows.
//!
//! Both answer over and over in turn. sqlite3 reads columns that are there; the agent makes each when a query names it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use crate::agent::DEFAULT;
use crate::agent::dialect::Dialect;
use crate::agent::served::{PORT, Served};
use crate::run::fixture::Fixture;
use crate::run::machine::Machine;

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Established sockets to open.
    #[arg(long, default_value_t = 100_000)]
    sockets: u32,
    /// Turns of each query.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
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

/// Longest median of a query over 100 000 connections, the goal.
const GOAL: Duration = Duration::from_millis(100);

/// The queries.
static QUERIES: [Dialect; 4] = [
    Dialect::post("count", "/api/v1/sql", "select count(*) as n from connections"),
    Dialect::post(
        "group by process",
        "/api/v1/sql",
        "select process, count(*) as n, sum(bytes_out) as out from connections group by process order by n desc limit 10",
    ),
    Dialect::post(
        "top ten by rtt",
        "/api/v1/sql",
        "select local, remote, rtt_us from connections order by rtt_us desc limit 10",
    ),
    Dialect::post(
        "where",
        "/api/v1/sql",
        "select count(*) as n from connections where local_port = 7001 and rtt_us > 0 and state = 'ESTAB'",
    ),
];

/// Durations of one query: of the agent, and of sqlite3.
struct Race {
    name: &'static str,
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

/// Runs the plan and writes `<UTC>-sql.md`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let machine = Machine::read(&plan.conns);
    let fixture = Fixture::start(plan.sockets, plan.processes)?;
    let served = Served::start(&plan.conns, fixture.netns(), DEFAULT)?;
    let folder = tempfile::tempdir().context("cannot make a folder for the table of sqlite3")?;
    let database = folder.path().join("connections.db");
    import(plan, &fixture, &database)?;
    let mut races = Vec::new();
    for query in &QUERIES {
        let mut race = Race { name: query.name, ours: Vec::new(), theirs: Vec::new() };
        for _ in 0..plan.rounds {
            let began = Instant::now();
            query.fetch(fixture.netns())?;
            race.ours.push(began.elapsed());
            let began = Instant::now();
            let sql = query.body.unwrap_or_default();
            let output = Command::new("sqlite3").arg(&database).arg(sql).output();
            let output = output.context("cannot run sqlite3")?;
            race.theirs.push(began.elapsed());
            ensure!(
                output.status.success(),
                "sqlite3: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        race.ours.sort_unstable();
        race.theirs.sort_unstable();
        races.push(race);
    }
    served.end()?;
    fixture.end()?;
    let text = markdown(&machine, plan, &races, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-sql", machine.stamp()));
    crate::run::write(&stem, &[("md", text)])
}

/// Makes the table that sqlite3 reads, of the columns that the queries name.
fn import(plan: &Plan, fixture: &Fixture, database: &std::path::Path) -> anyhow::Result<()> {
    let csv = database.with_extension("csv");
    let out = std::fs::File::create(&csv).context("cannot create the CSV file")?;
    let agent = format!("http://127.0.0.1:{PORT}");
    let columns = "process,state,local,local_port,remote,bytes_out,rtt";
    let status = Command::new(crate::own::program()?)
        .args(["inside", "--netns", fixture.netns(), "--"])
        .arg(&plan.conns)
        .args(["-a", "-o", "csv", "-H", "--columns", columns, "--agent", &agent])
        .stdout(out)
        .status()
        .context("cannot list the connections")?;
    ensure!(status.success(), "the list ended with {status}");
    let script = format!(
        "create table connections(process text, state text, local text, local_port integer, remote text, bytes_out integer, rtt_us integer);\n\
         .mode csv\n.import {} connections\n",
        csv.display()
    );
    let mut sqlite = Command::new("sqlite3")
        .arg(database)
        .stdin(std::process::Stdio::piped())
        .spawn()
        .context("cannot run sqlite3")?;
    let input = sqlite.stdin.take().context("sqlite3 has no standard input")?;
    std::io::Write::write_all(&mut { input }, script.as_bytes()).context("cannot import")?;
    ensure!(sqlite.wait()?.success(), "sqlite3 could not import");
    Ok(())
}

fn median(sorted: &[Duration]) -> Duration {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn markdown(machine: &Machine, plan: &Plan, races: &[Race], took: Duration) -> String {
    let mut text = machine.heading("SQL over live tables", "", took);
    text.push_str("## Goals\n\n");
    for race in races {
        let ours = median(&race.ours);
        let verdict = if ours <= GOAL { "met" } else { "missed" };
        text.push_str(&format!(
            "- `{}` over {} sockets within {} ms: **{verdict}**, {:.1} ms\n",
            race.name,
            plan.sockets,
            GOAL.as_millis(),
            ours.as_secs_f64() * 1e3
        ));
    }
    text.push_str(
        "\n| query | conns, median ms | most ms | sqlite3, median ms | ÷ |\n|---|--:|--:|--:|--:|\n",
    );
    for race in races {
        let (ours, theirs) = (median(&race.ours), median(&race.theirs));
        text.push_str(&format!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.2} |\n",
            race.name,
            ours.as_secs_f64() * 1e3,
            race.ours.last().copied().unwrap_or_default().as_secs_f64() * 1e3,
            theirs.as_secs_f64() * 1e3,
            ours.as_secs_f64() / theirs.as_secs_f64()
        ));
    }
    text.push_str("\nOver HTTP, with a connection each; sqlite3 starts anew each time, and has the rows in a file that is cached.\n");
    text
}
