//! `conns-lab soak`: a real `conns serve` under attack in a namespace of its own, measured from outside. Not a
//! benchmark: nothing here asks how fast it is, only whether it keeps its limits.
//!
//! While many clients misbehave in every known way, a probe client must be answered, and the lateness of samples, memory
//! and descriptors must stay within the limits of `docs/agent-safety.md`. Then the agent must stop on SIGTERM.

mod attacks;
mod context;
mod gauge;
mod idle_load;
mod malformed;
mod memory_hog;
mod noise;
mod probe_client;
mod random;
mod requests;
mod slow_clients;
mod unreachable;
mod verdict;

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::agent::Agent;
use crate::conns::Conns;
use crate::memory_group::MemoryGroup;
use crate::netns::Namespace;
use crate::process::wait_for;

use attacks::ATTACKS;
use context::{AttackContext, PORTS};
use gauge::Gauge;
use idle_load::IdleLoad;
pub use verdict::Verdict;

/// How long the agent may take to end after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the kernel may take to end the process after that.
const GRACE: Duration = Duration::from_secs(3);
/// The shortest duration of an attack, and how long the agent may then keep unreachable clients. Short attacks omit clients
/// whose timeout is longer than the attack.
const CLEANUP_TIMEOUTS: [(Duration, Duration); 3] = [
    // `line_idle_time` is 10 min.
    (Duration::from_secs(3600), Duration::from_secs(620)),
    // `idle_time` is 75 s.
    (Duration::from_secs(120), Duration::from_secs(80)),
    // `head_time`, `body_time` and `write_time` are 10 s, and the sweeper runs once a second.
    (Duration::ZERO, Duration::from_secs(14)),
];
/// Bounds the sockets that churn leaves in TIME-WAIT; the memory limit is for about ten thousand sockets.
const MAX_TIME_WAIT: &str = "4096";
/// Between two lines of progress.
const TICK: Duration = Duration::from_secs(1);

/// What to do.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// How long the attack lasts: `20s`, `10m`, `8h`.
    #[arg(long = "for", value_name = "TIME", default_value = "60s", value_parser = span)]
    pub attack: Duration,
    /// The conns binary; else $CONNS, else the one beside this program.
    #[arg(long)]
    pub conns: Option<PathBuf>,
    /// Seed of the random numbers of the attack.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Idle connections beside the attack, so that lists are long; each is two sockets.
    #[arg(long, default_value_t = 2000)]
    pub idle_connections: usize,
    /// Clients that connect and send nothing.
    #[arg(long, default_value_t = 2000)]
    pub idle: usize,
    /// Memory that the control group of the agent has, MiB; 0 for no limit. The unit in `packaging/systemd` has 1024.
    #[arg(long, default_value_t = 1024)]
    pub memory_mib: u64,
    /// Whether a process of its own serves clients.
    #[arg(long)]
    pub serving_process: bool,
}

impl Options {
    /// How long the agent may keep unreachable clients.
    fn cleanup_timeout(&self) -> Duration {
        let fits = |(attack, _): &&(Duration, Duration)| self.attack >= *attack;
        CLEANUP_TIMEOUTS.iter().find(fits).map_or(Duration::ZERO, |(_, forgets)| *forgets)
    }
}

/// Attacks, prints a line a second, and returns which limits were exceeded.
pub fn run(options: &Options, print: impl Fn(&str) + Sync) -> Result<Verdict> {
    let conns = Conns::find(options.conns.as_deref())?;
    raise_descriptors()?;
    let namespace = Namespace::create("soak")?;
    namespace.set("net/ipv4/tcp_max_tw_buckets", MAX_TIME_WAIT)?;
    let limit = options.memory_mib << 20;
    let group = (limit > 0).then(|| MemoryGroup::create("conns-soak", limit)).transpose()?;
    let mut agent = start(options, group.as_ref(), conns.path(), &namespace)?;
    let before = gauge::descriptors(&agent)?;
    print(&format!(
        "soak: {:?}, seed {}, {} idle connections, {} idle clients, {} MiB, agent {} with {before} descriptors",
        options.attack,
        options.seed,
        options.idle_connections,
        options.idle,
        options.memory_mib,
        agent.pid()
    ));
    let gauge = namespace.inside(|| attack(options, &agent, &namespace, &print))??;
    let mut after = 0;
    // The verdict judges whether they were closed.
    let _ = wait_for("descriptors to be closed", options.cleanup_timeout(), || {
        after = gauge::descriptors(&agent)?;
        Ok((after <= before).then_some(()))
    });
    let last = agent.health(Some(&namespace)).context("asking for its health after the attack")?;
    let asked = Instant::now();
    agent.signal(Signal::TERM)?;
    let ended = agent.wait(STOP_TIMEOUT + GRACE).map(|status| (status, asked.elapsed()));
    let verdict =
        Verdict::of(&gauge.readings(), &last, (before, after), ended, &agent.stderr_lines());
    for line in verdict.lines() {
        print(&line);
    }
    Ok(verdict)
}

/// The agent with its default limits, and every classic port.
fn start(
    options: &Options,
    group: Option<&MemoryGroup>,
    conns: &Path,
    namespace: &Namespace,
) -> Result<Agent> {
    let serving_process = if options.serving_process { "yes" } else { "no" };
    let mut arguments = vec![format!("--serving-process={serving_process}")];
    for (protocol, port) in PORTS {
        arguments.push("--listen".to_owned());
        arguments.push(format!("{protocol}=127.0.0.1:{port}"));
    }
    for flag in ["--monero-peers", "--ems-streams"] {
        arguments.push(flag.to_owned());
        arguments.push(idle_load::filter());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Agent::start_in(group, conns, Some(namespace), &arguments)
}

fn attack(
    options: &Options,
    agent: &Agent,
    namespace: &Namespace,
    print: &(impl Fn(&str) + Sync),
) -> Result<Gauge> {
    let _idle_load = IdleLoad::open(options.idle_connections)?;
    let context = AttackContext::new(options, namespace);
    let gauge = Gauge::default();
    wait_for("the agent to list the idle connections", Duration::from_secs(30), || {
        gauge.sample(agent)?;
        let seen = usize::try_from(gauge.readings().sockets).unwrap_or(usize::MAX);
        Ok((seen >= 2 * options.idle_connections).then_some(()))
    })?;
    thread::scope(|scope| {
        scope.spawn(|| gauge.control(&context));
        scope.spawn(|| gauge.watch(&context));
        scope.spawn(|| gauge.subscribe(&context));
        scope.spawn(|| probe_client::run(&context, &gauge));
        let outcome = lead(options, agent, &context, &gauge, print, |attack, number| {
            scope.spawn(move || attack(number));
        });
        context.stop_all();
        outcome
    })?;
    Ok(gauge)
}

/// Waits until every protocol is answered, starts the attacks, and samples the agent until their time is over.
fn lead<'f>(
    options: &Options,
    agent: &Agent,
    context: &'f AttackContext<'f>,
    gauge: &Gauge,
    print: &(impl Fn(&str) + Sync),
    mut spawn: impl FnMut(Box<dyn FnOnce(u64) + Send + 'f>, u64),
) -> Result<()> {
    wait_for("every protocol to be answered, and two updates", Duration::from_secs(30), || {
        gauge.sample(agent)?;
        Ok(gauge.is_warm().then_some(()))
    })
    .with_context(|| gauge.readings().errors.join("; "))?;
    print(&gauge.line(Duration::ZERO));
    let started = Instant::now();
    for (number, attack) in (0..).zip(ATTACKS) {
        let run = attack.run;
        spawn(
            Box::new(move |number| {
                context::lower_priority();
                run(context, number);
            }),
            number,
        );
    }
    while started.elapsed() < options.attack {
        thread::sleep(TICK);
        gauge.sample(agent)?;
        print(&gauge.line(started.elapsed()));
        if gauge.readings().has_exited {
            bail!("the agent ended during the attack: {}", agent.stderr_lines().join("\n"));
        }
    }
    Ok(())
}

/// Raises the limit of open files: both ends of the idle connections and the attackers are in this process, and the agent
/// inherits the limit.
fn raise_descriptors() -> Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .context("raising the limit of open files to its hard limit")
}

/// `20s`, `10m`, `8h`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time; write 20s, 10m or 8h");
    let unit = match text.chars().next_back() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(Duration::from_secs(number * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(span("8h"), Ok(Duration::from_secs(28_800)));
        assert!(span("10").unwrap_err().contains("`10`"));
        assert!(span("").is_err() && span("m").is_err());
    }
}
