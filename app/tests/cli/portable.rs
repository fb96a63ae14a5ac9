//! `--source portable` on Linux against `--source kernel`: the same TCP sockets, and no measures.

use std::collections::BTreeSet;
use std::net::Shutdown;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::program::{Ran, conns, wait_for};
use crate::sandbox::Sandbox;
use crate::scene::{ends_of, same};
use crate::{Case, Need};

pub(crate) const TESTS: &[Case] = &[
    Case("portable_lists_the_tcp_sockets_the_kernel_lists", &[Need::Ipv6], same_sockets),
    Case("portable_has_no_latency_and_no_verdict_on_it", &[], no_measures),
    Case("portable_refuses_to_name_namespaces", &[], no_namespaces),
];

/// Runs with a source; the portable one sees the namespace it runs in and no other.
fn listed(sandbox: &Sandbox, source: &str, words: &[&str]) -> Result<Vec<Value>> {
    let mut command = conns([words, &["--source", source, "-o", "jsonl"]].concat());
    if source == "kernel" || sandbox.name().is_err() {
        command.args(sandbox.narrowed("")?);
    }
    let ran: Ran = sandbox.finish(&mut command)?;
    ran.good()?.lines_of_json()
}

fn same_sockets() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let four = sandbox.listen("127.0.0.1:0")?;
    let six = sandbox.listen("[::]:0")?;
    let port = six.local_addr()?.port();
    let (_client, _server) = sandbox.connect(four.local_addr()?, &four)?;
    let (_mapped, _mapped_server) = sandbox.connect(([127, 0, 0, 1], port).into(), &six)?;
    let (_client6, _server6) =
        sandbox.connect((std::net::Ipv6Addr::LOCALHOST, port).into(), &six)?;
    let (half, waiting) = sandbox.connect(four.local_addr()?, &four)?;
    half.shutdown(Shutdown::Write)?;
    let (over, closed) = sandbox.connect(four.local_addr()?, &four)?;
    drop(over);
    drop(closed);
    let keys = |records: Vec<Value>| -> BTreeSet<_> {
        records.iter().map(|record| (ends_of(record), record["pid"].to_string())).collect()
    };
    // Closing takes the two ends through some states; then they stay.
    let kernel = wait_for("CLOSE-WAIT, FIN-WAIT-2 and TIME-WAIT", || {
        let kernel = keys(listed(&sandbox, "kernel", &["-a", "-t"])?);
        let states: BTreeSet<String> =
            kernel.iter().map(|((_, state, ..), _)| state.clone()).collect();
        Ok(["CLOSE-WAIT", "FIN-WAIT-2", "TIME-WAIT"]
            .iter()
            .all(|s| states.contains(*s))
            .then_some(kernel))
    })?;
    let portable = keys(listed(&sandbox, "portable", &["-a", "-t"])?);
    drop(waiting);
    let only =
        |a: &BTreeSet<_>, b: &BTreeSet<_>| format!("{:?}", a.difference(b).collect::<Vec<_>>());
    ensure!(
        portable == kernel,
        "only in portable: {}; only in kernel: {}",
        only(&portable, &kernel),
        only(&kernel, &portable)
    );
    ensure!(kernel.len() >= 11, "only {} sockets", kernel.len());
    Ok(())
}

fn no_measures() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let (_client, _server) = sandbox.connect(listener.local_addr()?, &listener)?;
    let records = listed(&sandbox, "portable", &["-t"])?;
    same("connections", records.len(), 2)?;
    for record in records {
        for key in ["rtt_us", "loss_percent", "bytes_out", "bytes_in", "idle_us"] {
            // Unknown: there is a latency, but this source does not measure it.
            same(key, record.get(key), Some(&Value::Null))?;
        }
        same("the verdict", &record["verdict"], &"unknown".into())?;
    }
    Ok(())
}

fn no_namespaces() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let inode = sandbox.inode()?.to_string();
    let mut command = conns(["-a", "--source", "portable", "--netns", &inode]);
    sandbox.finish(&mut command)?.refused(&[&format!("`{inode}`"), "portable"])
}
