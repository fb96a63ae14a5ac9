//! eBPF: programs loaded before continue to report, and no more can be loaded.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use conns_contract::{
    DescriptorSource, EventSource, Payload, PayloadSource, Scope, Side, Steering, Want,
};
use conns_core::model::Moment;
use conns_ebpf::{Features, Opened};

use crate::harness::{Case, Need, shrunk};

pub(crate) const TESTS: &[Case] = &[Case(
    "programs_in_the_kernel_go_on_and_no_more_are_loaded",
    &[Need::Root, Need::Programs],
    programs,
)];

const ALL: Features =
    Features { sampling: true, descriptors: true, events: true, tap: true, ..Features::NONE };

fn programs() -> Result<()> {
    let Opened { tables, descriptors, events, tap, abilities } = conns_ebpf::open(ALL);
    let mut tables = tables.with_context(|| format!("no tables: {abilities:?}"))?;
    let mut descriptors = descriptors.with_context(|| format!("no descriptors: {abilities:?}"))?;
    let mut events = events.with_context(|| format!("no events: {abilities:?}"))?;
    let mut tap = tap.with_context(|| format!("no tap: {abilities:?}"))?;
    shrunk(false)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    client.write_all(b"seen")?;
    let mut carrier = None;
    tap.drain(Moment::default(), &mut |id, _, payload| match payload {
        Payload::Segment { side: Side::Sent, segment, .. } if segment.bytes == b"seen" => {
            carrier = Some(id);
        }
        _ => {}
    });
    let key = carrier.context("no payload of a connection of this process")?;
    let sides = [Side::Sent, Side::Received];
    tap.steer(&sides.map(|side| Steering { key, side, want: Want::Whole, resume_at: None }));
    let before = tap.copied_bytes();
    client.write_all(&[7; 100_000])?;
    let copied = tap.copied_bytes() - before;
    ensure!(copied >= 100_000, "steered to all, {copied} bytes were copied of 100 000");
    drop(client);
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
        again.tables.is_none()
            && again.descriptors.is_none()
            && again.events.is_none()
            && again.tap.is_none(),
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
