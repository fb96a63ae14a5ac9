//! The tables and owners by eBPF are those by sock_diag and `/proc`, field by field, while others come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use conns_lab::agent::Agent;
use conns_lab::compare::{Difference, Key, Reading, WHOLE, differences, keyed, read};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns, peer};
use crate::fixture_sockets::FixtureSockets;

/// How often everything is compared.
const ROUNDS: usize = 6;
/// Rounds in which one field of one socket may differ: a timer that fires between two readings changes it once.
const MAX_ROUNDS_OFF: usize = 1;
/// Fields that may differ, of a million compared in all rounds.
const MAX_OFF_PER_MILLION: usize = 1000;
/// As `ss` names them; NEW-SYN-RECV shows as SYN-RECV.
const STATES: [&str; 12] = [
    "ESTAB",
    "SYN-SENT",
    "SYN-RECV",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "TIME-WAIT",
    "UNCONN",
    "CLOSE-WAIT",
    "LAST-ACK",
    "LISTEN",
    "CLOSING",
    "BOUND",
];

fn rows<'a>(
    reading: &'a Reading,
    namespaces: &'a BTreeSet<u64>,
) -> impl Iterator<Item = &'a Value> {
    reading.iter().filter(|(key, _)| namespaces.contains(&key.0)).map(|(_, row)| row)
}

/// Fails unless the fixture has sockets of all kinds, so that the comparison covers them.
fn is_complete(reading: &Reading, namespaces: &BTreeSet<u64>) -> Result<()> {
    let mut kinds: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for row in rows(reading, namespaces) {
        let text = |key: &str| row[key].as_str().with_context(|| format!("no {key} in {row}"));
        for kind in
            [("state", text("state")?), ("proto", text("proto")?), ("family", text("family")?)]
        {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let states = STATES.map(|state| ("state", state));
    let others = [
        ("proto", "tcp"),
        ("proto", "udp"),
        ("proto", "mptcp"),
        ("family", "IPv4"),
        ("family", "IPv6"),
    ];
    for kind in states.iter().chain(&others) {
        ensure!(
            kinds.contains_key(kind),
            "the fixture has no socket with {} {}: {kinds:?}",
            kind.0,
            kind.1
        );
    }
    for (key, value) in [
        ("ipv6_only", Value::Bool(true)),
        ("ipv6_only", Value::Bool(false)),
        ("interface", Value::from("lo")),
    ] {
        let has = rows(reading, namespaces).any(|row| row[key] == value);
        ensure!(has, "the fixture has no socket with {key} {value}");
    }
    Ok(())
}

/// What the rounds of a comparison found.
struct Comparison {
    /// Fields compared in all rounds.
    compared: usize,
    /// Rounds in which a field of a socket differed, and how it did last.
    off: BTreeMap<(Key, String), (usize, Difference)>,
}

impl Comparison {
    /// Reads by netlink before and after each reading that is tested. `is_expected` names differences that are none.
    fn run(
        namespaces: &BTreeSet<u64>,
        mut read_tested: impl FnMut() -> Result<Reading>,
        is_expected: impl Fn(&str, &Difference) -> bool,
    ) -> Result<Self> {
        let mut comparison = Self { compared: 0, off: BTreeMap::new() };
        let mut before = read(&conns()?, "kernel")?;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let tested = read_tested()?;
            let apart = begun.elapsed();
            let after = read(&conns()?, "kernel")?;
            let fields = rows(&tested, namespaces).filter_map(Value::as_object);
            comparison.compared += fields.map(serde_json::Map::len).sum::<usize>();
            for (what, how) in differences(&before, &tested, &after, namespaces, apart) {
                if !is_expected(&what.1, &how) {
                    let rounds = comparison.off.get(&what).map_or(0, |(rounds, _)| *rounds);
                    comparison.off.insert(what, (rounds + 1, how));
                }
            }
            before = after;
        }
        Ok(comparison)
    }

    /// Fails where a field differs in too many rounds, and where too many fields differ.
    fn check(&self) -> Result<()> {
        let off: usize = self.off.values().map(|(rounds, _)| rounds).sum();
        let lasts = self.off.values().any(|(rounds, _)| *rounds > MAX_ROUNDS_OFF);
        ensure!(self.compared > 0, "nothing was compared");
        ensure!(
            !lasts && off * 1_000_000 <= self.compared * MAX_OFF_PER_MILLION,
            "{off} of {} fields differ in {ROUNDS} rounds:\n{}",
            self.compared,
            self.shown()
        );
        Ok(())
    }

    fn shown(&self) -> String {
        let lines = self
            .off
            .iter()
            .map(|((_, field), (rounds, how))| format!("{field}, in {rounds} rounds: {how}"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(crate) fn under_churn() -> Result<()> {
    let fixture = FixtureSockets::open()?;
    let others = Namespace::create("churn")?;
    let _server = peer(&others, "listen --at 127.0.0.1:7020 --do answer:16:16")?;
    let mut churn = peer(&others, "churn --to 127.0.0.1:7020 --per-second 300 --stable 50")?;
    let namespaces = fixture
        .namespaces()
        .into_iter()
        .map(Namespace::inode)
        .collect::<Result<BTreeSet<u64>>>()?;
    let reading = read(&conns()?, "kernel")?;
    is_complete(&reading, &namespaces)?;
    Comparison::run(&namespaces, || read(&conns()?, "ebpf"), is_of_programs)?
        .check()
        .context("by eBPF")?;
    churn.send("report")?;
    let report = churn.wait("report", TIMEOUT)?;
    ensure!(report["exchanged"].as_u64() > Some(100), "there was no churn: {report}");
    Ok(())
}

/// Fields that need several samples.
const OF_MEMORY: [&str; 20] = [
    "id",
    "serial",
    "first_seen_us",
    "verdict",
    "why",
    "confidence_percent",
    "rate_out_bytes_per_s",
    "rate_in_bytes_per_s",
    "avg_out_bytes_per_s",
    "avg_in_bytes_per_s",
    "slot_rate_out_bytes_per_s",
    "slot_rate_in_bytes_per_s",
    "peak_rate_out_bytes_per_s",
    "peak_rate_in_bytes_per_s",
    "peak_send_queue_bytes",
    "peak_recv_queue_bytes",
    "peak_rtt_us",
    "age_us",
    // What programs keep with a socket is charged to it, also those of another agent; that one's end changes nothing else.
    "option_mem_bytes",
    // Events report it; a single sample infers it, and from FIN-WAIT-1 on may err.
    "direction",
];
/// Fields of events, and counts of UDP sockets, which a single sample lacks.
const OF_EVENTS: [&str; 16] = [
    "duration_us",
    "opened_at_us",
    "handshake_us",
    "first_use_us",
    "opener",
    "opener_pid",
    "closed_at_us",
    "closed_by",
    "ended",
    "errno",
    "bytes_in",
    "bytes_out",
    "last_received_us",
    "last_sent_us",
    "peers",
    "peers_omitted",
];

/// The agent's list after two more samples.
fn listed(agent: &Agent, home: &Namespace) -> Result<Reading> {
    let list = || -> Result<Value> {
        let answer =
            agent.get(Some(home), "/api/v1/connections?view=all&limit=10000&fields=all")?;
        ensure!(answer.status == 200, "the list answers {}", answer.status);
        Ok(serde_json::from_slice(&answer.body)?)
    };
    let sequence = |list: &Value| list["snapshot"]["sequence"].as_u64();
    let first = sequence(&list()?).context("the list reports no sequence")?;
    let mut list = wait_for("two more samples of the agent", TIMEOUT, || {
        let list = list()?;
        Ok((sequence(&list) >= Some(first + 2)).then_some(list))
    })?;
    match list["connections"].take() {
        Value::Array(rows) => keyed(rows),
        other => bail!("the list has no connections but {other}"),
    }
}

/// An agent reads again only what has changed: what it lists is what there is, all the same, of sockets that were there
/// before it, that came since, and that have moved since.
pub(crate) fn of_an_agent() -> Result<()> {
    let (home, before) = (Namespace::create("home")?, FixtureSockets::open()?);
    let agent = Agent::start(
        conns()?.path(),
        Some(&home),
        &["--listen", "http=127.0.0.1:0", "--follow-namespaces"],
    )?;
    let after = FixtureSockets::open()?;
    let namespaces = before.namespaces().into_iter().chain(after.namespaces());
    let namespaces = namespaces.map(Namespace::inode).collect::<Result<BTreeSet<u64>>>()?;
    // For a while nothing moves, so that nothing is read again; then one connection does.
    for stir in [false, true] {
        if stir {
            before.stir()?;
            after.stir()?;
        }
        Comparison::run(&namespaces, || listed(&agent, &home), is_known_otherwise)?
            .check()
            .with_context(|| format!("the agent, after one connection moved: {stir}"))?;
    }
    Ok(())
}

/// What an owner gives a row.
const OF_OWNERS: [&str; 10] = [
    "owners",
    "pid",
    "ppid",
    "process",
    "process_uid",
    "exe",
    "cmdline",
    "cgroup",
    "started_us",
    "user",
];

fn is_null(value: &Option<Value>) -> bool {
    value.as_ref().is_none_or(Value::is_null)
}

/// Whether only programs in the kernel report the field.
fn is_of_programs(field: &str, what: &Difference) -> bool {
    field == "pair" && is_null(&what.before) && is_null(&what.after)
}

/// Whether an agent knows this field otherwise than one reading by netlink.
fn is_known_otherwise(field: &str, what: &Difference) -> bool {
    // Events report to the agent what a single sample cannot know.
    let is_more = is_null(&what.before) && is_null(&what.after) && OF_EVENTS.contains(&field);
    // Netlink, which lists MPTCP, reports the mark to CAP_NET_ADMIN, which an agent gives up.
    let is_kept_back = field == "mark" && is_null(&what.tested) && what.socket.starts_with("mptcp");
    // A minisock has no inode, by which `/proc` joins; a process may still have the descriptor, and that is joined by cookie.
    let is_minisock = is_null(&what.before)
        && is_null(&what.after)
        && what.socket.starts_with("tcp TIME-WAIT")
        && OF_OWNERS.contains(&field);
    is_more
        || is_kept_back
        || is_minisock
        || is_of_programs(field, what)
        || is_of_bbr_module(field, what)
        || is_bound_and_unlisted(field, what)
        || OF_MEMORY.contains(&field)
}

/// The kernel describes the types of a module apart from its own, and programs read only those (docs/ebpf.md).
fn is_of_bbr_module(field: &str, what: &Difference) -> bool {
    let is_module = Path::new("/sys/module/tcp_bbr/initstate").exists();
    field.starts_with("bbr_") && what.tested.as_ref().is_none_or(Value::is_null) && is_module
}

/// Netlink lists bound sockets that neither listen nor connect since Linux 6.8 (`TCPF_BOUND_INACTIVE`).
fn is_bound_and_unlisted(field: &str, what: &Difference) -> bool {
    let is_unlisted = what.before.is_none() && what.after.is_none();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split('.').map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(u32::MAX), numbers.next().unwrap_or(u32::MAX));
    field == WHOLE && is_unlisted && what.socket.starts_with("tcp BOUND") && version < (6, 8)
}

/// The sets of owners, and that there are sockets with one, several and none.
pub(crate) fn owners() -> Result<()> {
    let fixture = FixtureSockets::open()?;
    let namespaces = fixture
        .namespaces()
        .into_iter()
        .map(Namespace::inode)
        .collect::<Result<BTreeSet<u64>>>()?;
    let (kernel, ebpf) = (read(&conns()?, "kernel")?, read(&conns()?, "ebpf")?);
    let mut counts = BTreeMap::new();
    let mut wrong = Vec::new();
    for (key, row) in kernel.iter().filter(|(key, _)| namespaces.contains(&key.0)) {
        let is = [&row["proto"], &row["state"], &row["local"], &row["remote"]];
        let Some(other) = ebpf.get(key) else {
            wrong.push(format!("not there by eBPF: {is:?}"));
            continue;
        };
        if row["owners"] != other["owners"] {
            wrong.push(format!("{} by eBPF instead of {}: {is:?}", other["owners"], row["owners"]));
        }
        *counts.entry(row["owners"].as_array().map(Vec::len)).or_insert(0) += 1;
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    for expected in [None, Some(1), Some(2), Some(3)] {
        ensure!(
            counts.contains_key(&expected),
            "no socket of the fixture has {expected:?} owners: {counts:?}"
        );
    }
    Ok(())
}

/// Marked sockets are seen wherever they are: also in a namespace that was made after the agent gave up what it takes to
/// enter one.
pub(crate) fn later_namespace() -> Result<()> {
    let home = Namespace::create("home")?;
    let agent = Agent::start(conns()?.path(), Some(&home), &["--listen", "http=127.0.0.1:0"])?;
    let later = Namespace::create("later")?;
    let listener = peer(&later, "listen --at 127.0.0.1:9005 --do ignore")?;
    let inode = later.inode()?;
    wait_for("the listener of a namespace made later", TIMEOUT, || {
        // Other tests use the port in their own namespaces, which the agent sees too.
        let filter = format!("netns_inode=={inode}%20and%20local_port==9005");
        let path = format!("/api/v1/connections?view=all&filter={filter}&fields=all");
        let list: Value = serde_json::from_slice(&agent.get(Some(&home), &path)?.body)?;
        let rows = list["connections"].as_array().cloned().unwrap_or_default();
        Ok((rows.len() == 1 && rows[0]["pid"] == listener.pid()).then_some(()))
    })?;
    // What netlink may not enter hides none.
    let health = agent.health(Some(&home))?;
    let abilities = health["abilities"].as_array().context("no abilities")?;
    let all = abilities.iter().find(|ability| ability["name"] == "all-namespaces");
    ensure!(
        all.is_some_and(|all| all["missing"].is_null()),
        "it lists a namespace made later, but the ability is {all:?}"
    );
    Ok(())
}
