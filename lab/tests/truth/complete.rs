//! Completeness: while a thousand connections come and go each second, those that stay are each shown once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use conns_lab::netns::Namespace;
use conns_lab::oracle::{SsRow, owners, proc_net, ss};
use serde_json::Value;

use crate::fixture::{conns, peer};
use crate::owners::pids_of;

const CHURN_PORT: u16 = 7020;
const STABLE: usize = 200;
/// Fewest samples.
const ROUNDS: usize = 5;
/// Shortest time of all samples together, for a thousand connections and more.
const MIN_CHURN_TIME: Duration = Duration::from_secs(2);

type Key = (SocketAddr, SocketAddr);

/// Samples under churn, each between two samples of the oracles.
pub(crate) fn under_churn() -> Result<()> {
    let namespace = Namespace::create("a")?;
    let _server = peer(&namespace, &format!("listen --at [::]:{CHURN_PORT} --do answer:16:16"))?;
    let _six =
        peer(&namespace, &format!("connect --to [::1]:{CHURN_PORT} --count 20 --do ignore"))?;
    let run = format!("churn --to 127.0.0.1:{CHURN_PORT} --per-second 1000 --stable {STABLE}");
    let mut churn = peer(&namespace, &run)?;
    // A fast machine makes the rounds before enough connections have come and ended.
    let (mut round, start) = (0, Instant::now());
    while round < ROUNDS || start.elapsed() < MIN_CHURN_TIME {
        sample(&namespace).with_context(|| format!("in round {round}"))?;
        round += 1;
    }
    churn.send("report")?;
    let exchanged =
        churn.wait("report", crate::fixture::TIMEOUT)?["exchanged"].as_u64().unwrap_or(0);
    ensure!(exchanged > 500, "only {exchanged} connections came and went, so this proved nothing");
    Ok(())
}

fn sample(namespace: &Namespace) -> Result<()> {
    let (ss_before, proc_before, owned_before) =
        (keyed(ss(namespace, "tae")?), proc_keys(namespace)?, owners());
    let text = conns()?.run(&["-a", "-t", "-o", "jsonl", "--netns", namespace.name()])?;
    let (ss_after, proc_after, owned_after) =
        (keyed(ss(namespace, "tae")?), proc_keys(namespace)?, owners());
    let rows = text
        .lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("parsing the line {line}")))
        .collect::<Result<Vec<Value>>>()?;

    let mut shown: BTreeMap<Key, Vec<&Value>> = BTreeMap::new();
    let mut cookies = BTreeSet::new();
    for row in &rows {
        let cookie =
            row["cookie"].as_u64().with_context(|| format!("a row has no cookie: {row}"))?;
        ensure!(cookies.insert(cookie), "the cookie {cookie} is shown twice; once as {row}");
        shown.entry(key(row)?).or_default().push(row);
    }

    let mut stable = 0;
    for (key, before) in &ss_before {
        let Some(after) = ss_after.get(key) else { continue };
        if before.state != after.state || before.cookie() != after.cookie() {
            continue;
        }
        stable += 1;
        let fitting = shown.get(key).map_or(&[][..], Vec::as_slice);
        let [row] = fitting else {
            bail!(
                "ss saw {key:?} in {} before and after; conns shows it {} times",
                before.state,
                fitting.len()
            );
        };
        ensure!(row["state"] == *before.state, "{key:?} is in {}, conns shows {row}", before.state);
        if let Some(cookie) = before.cookie() {
            ensure!(
                row["cookie"] == cookie,
                "the cookie of {key:?} is {cookie}, conns shows {row}"
            );
        }
        let inode = before.inode();
        let (owned, then) = (owned_before.get(&inode), owned_after.get(&inode));
        if inode != 0 && owned == then {
            let owned = owned.cloned().unwrap_or_default();
            ensure!(pids_of(row) == owned, "{key:?} is owned by {owned:?}, conns shows {row}");
        }
    }
    // The listener, both ends of the stable set and of the twenty over IPv6.
    ensure!(stable > 2 * STABLE, "ss itself saw only {stable} stable sockets");
    for key in proc_before.intersection(&proc_after) {
        ensure!(
            shown.contains_key(key),
            "/proc/net saw {key:?} before and after; conns does not show it"
        );
    }
    for key in shown.keys() {
        let seen = ss_before.contains_key(key)
            || ss_after.contains_key(key)
            || proc_before.contains(key)
            || proc_after.contains(key);
        let churn = key.0.port() == CHURN_PORT || key.1.port() == CHURN_PORT;
        ensure!(seen || churn, "conns shows {key:?}, which no oracle saw");
    }
    Ok(())
}

fn keyed(rows: Vec<SsRow>) -> BTreeMap<Key, SsRow> {
    rows.into_iter().map(|row| ((row.local, row.remote), row)).collect()
}

fn proc_keys(namespace: &Namespace) -> Result<BTreeSet<Key>> {
    let rows = [proc_net(namespace, "tcp")?, proc_net(namespace, "tcp6")?].concat();
    // TIME-WAIT (6) and its neighbours are churn; established (1) and listening (10) sockets stay.
    Ok(rows
        .iter()
        .filter(|row| matches!(row.state, 1 | 10))
        .map(|row| (row.local, row.remote))
        .collect())
}

fn key(row: &Value) -> Result<Key> {
    let address = |host: &str, port: &str| -> Result<SocketAddr> {
        let text = row[host].as_str().with_context(|| format!("no {host} in {row}"))?;
        Ok(SocketAddr::new(text.parse()?, u16::try_from(row[port].as_u64().unwrap_or(0))?))
    };
    let local = address("local_addr", "local_port")?;
    let remote = match address("remote_addr", "remote_port") {
        Ok(remote) => remote,
        // A listener has no remote end: absent, where the oracles print zeros.
        Err(_) if row["state"] == "LISTEN" && local.is_ipv4() => "0.0.0.0:0".parse()?,
        Err(_) if row["state"] == "LISTEN" => "[::]:0".parse()?,
        Err(error) => return Err(error),
    };
    Ok((local, remote))
}
