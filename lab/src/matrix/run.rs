//! Runs one case: builds the path, starts the peers, applies the events, asks `conns`, compares.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Judge;
use super::record::record;
use super::report::{Answer, Outcome};
use crate::netns::Namespace;
use crate::oracle::{SsRow, ss};
use crate::path::Path;
use crate::process::Peer;
use crate::scenario::{Case, Event, Pick, Side, Steer};

/// How long `conns why` samples.
const WATCH: Duration = Duration::from_secs(4);
/// A path is not the one that the case names if a packet arrives by more than this too late: what has waited meanwhile comes
/// at once, and fills or overflows the queue.
const LATE: Duration = Duration::from_millis(5);
/// A peer that waits for a processor for longer than this while it is watched is slow itself.
const STARVED: Duration = Duration::from_secs(1);
/// A virtual machine whose processors stand still for more than this, all together, while a case is watched, is slow itself: on
/// loopback no packet shows that.
const STOLEN: Duration = Duration::from_millis(400);
/// How often a case is caused at most.
const ATTEMPTS: usize = 4;

/// The network of a case.
enum Network {
    Path(Box<Path>),
    Loopback(Namespace),
}

impl Network {
    fn set(case: &Case) -> Result<Self> {
        let Some(text) = &case.path else {
            return Ok(Self::Loopback(Namespace::create("a")?));
        };
        let path = Path::build(text.a_to_b.shape(), text.b_to_a.shape())?;
        if let Some(segments) = text.cwnd_clamp_of_a {
            path.clamp_cwnd_of_a(segments)?;
        }
        Ok(Self::Path(Box::new(path)))
    }

    fn side(&self, side: Side) -> &Namespace {
        match (self, side) {
            (Self::Loopback(only), _) => only,
            (Self::Path(path), Side::A) => path.a(),
            (Self::Path(path), Side::B) => path.b(),
        }
    }

    fn sides(&self) -> Vec<Side> {
        match self {
            Self::Loopback(_) => vec![Side::A],
            Self::Path(_) => vec![Side::A, Side::B],
        }
    }

    fn steer(&self, steer: Steer) {
        let Self::Path(path) = self else { return };
        if steer != Steer::SwallowBToA {
            path.swallow_a_to_b(true);
        }
        if steer != Steer::SwallowAToB {
            path.swallow_b_to_a(true);
        }
    }
}

/// Runs a case once; an error of the lab itself becomes the outcome's error.
pub(super) fn run(case: &Case, judge: &Judge) -> Outcome {
    let mut outcome = Outcome::new(&case.name);
    if let Err(error) = run_case(case, judge, &mut outcome) {
        outcome.error = Some(format!("{error:#}"));
    }
    outcome
}

/// Runs a case whose first outcome is not as expected until one is, up to [`ATTEMPTS`] times. That the machine was too busy each
/// time is an error; a wrong answer is the answer of the case if it is the last one, else a miss, whose share
/// [`super::report::summary`] bounds.
pub(super) fn run_again(case: &Case, judge: &Judge, first: Outcome) -> Outcome {
    let (mut outcome, mut misses) = (first, 0);
    for attempt in 1.. {
        outcome.misses = misses;
        if matches!(judge, Judge::Ss) || outcome.is_as_expected() {
            break;
        }
        let busy = outcome.busy.take();
        if attempt == ATTEMPTS {
            if let Some(busy) = busy {
                outcome.answers.clear();
                outcome.forbidden.clear();
                outcome.error = Some(format!("not caused in {ATTEMPTS} attempts: {busy}"));
            }
            break;
        }
        if busy.is_none() {
            misses += 1;
            outcome.print();
        }
        println!("AGAIN    {:<38} {}", case.name, busy.as_deref().unwrap_or("not as expected"));
        outcome = run(case, judge);
    }
    outcome
}

fn run_case(case: &Case, judge: &Judge, outcome: &mut Outcome) -> Result<()> {
    let network = Network::set(case)?;
    let lab: PathBuf = std::env::current_exe().context("finding the own executable")?;
    let peers = case
        .peer
        .iter()
        .map(|peer| Peer::start(&lab, network.side(peer.side), &peer.run))
        .collect::<Result<Vec<Peer>>>()?;
    let ready = Instant::now();
    let mut events = case.event.clone();
    events.sort_by_key(|event| event.after_ms);
    let (before, rows, waited, stolen) = std::thread::scope(|scope| {
        scope.spawn(|| follow(&events, &network, ready));
        // A verdict is about the steady state, and the case states how long that takes.
        sleep_until(ready + Duration::from_millis(case.warm_ms));
        let before = Shown::of(&network)?;
        let waited: Vec<Duration> = peers.iter().map(Peer::waited).collect();
        let stolen = stolen()?;
        let rows = match judge {
            Judge::Conns(conns) => {
                let watch = format!("{}s", WATCH.as_secs());
                let mut arguments = vec!["-a", "--for", &watch];
                for side in network.sides() {
                    arguments.extend(["--netns", network.side(side).name()]);
                }
                conns.verdicts(&arguments)?
            }
            Judge::Ss => {
                std::thread::sleep(WATCH);
                Vec::new()
            }
        };
        anyhow::Ok((before, rows, waited, stolen))
    })?;
    let waited =
        peers.iter().zip(waited).map(|(peer, before)| peer.waited().saturating_sub(before));
    let stolen = self::stolen()?.saturating_sub(stolen);
    outcome.busy = busy(waited.max().unwrap_or_default(), stolen, &network);
    let after = Shown::of(&network)?;
    for expect in &case.expect {
        let rows = picked(&rows, &expect.pick, &network);
        record(judge, case, expect, &rows)?;
        let shown = [before.of_pick(&expect.pick), after.of_pick(&expect.pick)].concat();
        outcome.answers.push(Answer::of(expect, &rows, shown));
    }
    for not in &case.must_not {
        for row in picked(&rows, &not.pick, &network) {
            if not.classes.iter().any(|class| row["verdict"] == **class) {
                outcome
                    .forbidden
                    .push(format!("{:?}: {} – {}", not.pick, row["verdict"], row["why"]));
            }
        }
    }
    if let Network::Path(path) = &network {
        outcome.path = format!("a→b {:?}\n         b→a {:?}", path.a_to_b(), path.b_to_a());
    }
    Ok(())
}

/// Why the machine was too busy for the case, if it was.
fn busy(waited: Duration, stolen: Duration, network: &Network) -> Option<String> {
    let late = match network {
        Network::Path(path) => path.a_to_b().late_us.max(path.b_to_a().late_us),
        Network::Loopback(_) => 0,
    };
    let late = Duration::from_micros(late);
    (late > LATE || waited > STARVED || stolen > STOLEN).then(|| {
        format!(
            "the machine was busy: a packet arrived {late:.1?} late, a peer waited {waited:.1?} for a processor, the hypervisor took {stolen:.1?}"
        )
    })
}

/// How long the hypervisor has kept the processors from this machine, all together: `steal` of proc_stat(5).
fn stolen() -> Result<Duration> {
    let text = std::fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
    let ticks = text.split_whitespace().nth(8).and_then(|ticks| ticks.parse::<u64>().ok());
    let ticks = ticks.context("/proc/stat has no steal time in its first line")?;
    Ok(Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second()))
}

fn follow(events: &[Event], network: &Network, ready: Instant) {
    for event in events {
        sleep_until(ready + Duration::from_millis(event.after_ms));
        network.steer(event.what);
    }
}

fn sleep_until(time: Instant) {
    std::thread::sleep(time.saturating_duration_since(Instant::now()));
}

fn picked<'a>(rows: &'a [Value], pick: &Pick, network: &Network) -> Vec<&'a Value> {
    let port = |row: &Value, key: &str, expected: Option<u16>| {
        expected.is_none_or(|port| row[key] == port)
    };
    rows.iter()
        .filter(|row| row["netns"] == network.side(pick.side).name())
        .filter(|row| {
            port(row, "local_port", pick.local_port) && port(row, "remote_port", pick.remote_port)
        })
        .filter(|row| pick.state.as_ref().is_none_or(|state| row["state"] == **state))
        .collect()
}

/// What `ss` shows before and after the observation.
struct Shown(Vec<(Side, SsRow)>);

impl Shown {
    fn of(network: &Network) -> Result<Self> {
        let mut rows = Vec::new();
        for side in network.sides() {
            rows.extend(ss(network.side(side), "taimo")?.into_iter().map(|row| (side, row)));
        }
        Ok(Self(rows))
    }

    /// At most two rows, which suffice to explain an answer.
    fn of_pick(&self, pick: &Pick) -> Vec<String> {
        self.0
            .iter()
            .filter(|(side, row)| {
                *side == pick.side
                    && pick.local_port.is_none_or(|port| row.local.port() == port)
                    && pick.remote_port.is_none_or(|port| row.remote.port() == port)
                    && pick.state.as_ref().is_none_or(|state| *state == row.state)
            })
            .take(2)
            .map(|(_, row)| {
                format!("{} {} {} {}", row.state, row.recv_queue, row.send_queue, row.detail)
            })
            .collect()
    }
}
