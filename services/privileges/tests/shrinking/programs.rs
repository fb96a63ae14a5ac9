//! eBPF: programs loaded before continue to report, and no more can be loaded.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conns_contract::{DescriptorSource, EventSource, Scope};
use conns_core::model::Moment;
use conns_ebpf::{Features, Opened};

use crate::harness::{Case, Need, shrunk};

pub(crate) const TESTS: &[Case] = &[Case(
    "programs_in_the_kernel_go_on_and_no_more_are_loaded",
    &[Need::Root, Need::Programs],
    programs,
)];

const ALL: Features = Features { tables: false, sampling: true, descriptors: true, events: true };

fn programs() -> Result<()> {
    let Opened { tables, descriptors, events, abilities } = conns_ebpf::open(ALL);
    let mut tables = tables.with_context(|| format!("no tables: {abilities:?}"))?;
    let mut descriptors = descriptors.with_context(|| format!("no descriptors: {abilities:?}"))?;
    let mut events = events.with_context(|| format!("no events: {abilities:?}"))?;
    shrunk(false)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    drop(TcpStream::connect((Ipv4Addr::LOCALHOST, port))?);
    // Reported once a connection exists; it need not be the first report.
    let start = Instant::now();
    let is_reported = loop {
        let seen = events.observe(Moment::default());
        if seen.events().iter().any(|event| event.socket.local.port == port) {
            break true;
        }
        if start.elapsed() > Duration::from_secs(10) {
            break false;
        }
        events.wait(Duration::from_millis(100))?;
    };
    ensure!(is_reported, "no event of a connection to port {port} in 10 s");
    let seen = tables.observe(&Scope::everything(), Moment::default())?;
    let listens = seen.rows().iter().any(|socket| socket.local.port == port);
    ensure!(listens, "the listener made after the start is not in the table");
    let owners = descriptors.observe()?;
    let own = std::process::id();
    ensure!(
        owners.tasks.iter().any(|task| task.pid == own),
        "this process owns sockets, but is not reported"
    );
    let again = conns_ebpf::open(ALL);
    ensure!(
        again.tables.is_none() && again.descriptors.is_none() && again.events.is_none(),
        "programs can still be loaded"
    );
    let reasons =
        again.abilities.iter().map(|ability| ability.missing.as_ref().map(ToString::to_string));
    for reason in reasons {
        let reason = reason.context("an ability is reported as available")?;
        ensure!(reason.contains("not permitted"), "the reason is `{reason}`");
    }
    Ok(())
}
