//! `bytes_out` and `bytes_in` to the byte, as the peers count them themselves.

use std::time::Duration;

use anyhow::{Context, Result};
use conns_lab::netns::Namespace;
use conns_lab::path::{Path, Shape};
use conns_lab::process::Peer;

use crate::fixture::{number, peer, port_of, record, shows, wait_state};

const MOVE_TIMEOUT: Duration = Duration::from_secs(60);

fn agrees(
    namespace: &Namespace,
    local: u16,
    remote: u16,
    sent: u64,
    received: u64,
    state: &str,
) -> Result<()> {
    let row = record(namespace, local, remote)?;
    shows(&row, "bytes_out", sent)
        .and_then(|()| shows(&row, "bytes_in", received))
        .and_then(|()| shows(&row, "state", state))
        .with_context(|| {
            format!("{local}→{remote}, which sent {sent} and received {received} bytes, in {state}")
        })?;
    number(&row, "cookie").map(|_| ())
}

fn moved(peer: &mut Peer, sent: u64, received: u64) -> Result<()> {
    let event = peer.wait("moved", MOVE_TIMEOUT)?;
    anyhow::ensure!(
        event["sent"] == sent && event["received"] == received,
        "the peer itself reports {event}"
    );
    Ok(())
}

/// Retransmissions are no bytes of the program, and neither SYN nor FIN is one.
pub(crate) fn exact_with_loss() -> Result<()> {
    const OUT: u64 = 3_000_001;
    const BACK: u64 = 2_000_007;
    let lossy = |seed| Shape { loss: 0.02, seed, ..Shape::delay(Duration::from_millis(2)) };
    let path = Path::build(lossy(1), lossy(2))?;
    let mut server =
        peer(path.b(), &format!("listen --at 10.77.0.2:7010 --do exact:{BACK}:{OUT}"))?;
    let mut client =
        peer(path.a(), &format!("connect --to 10.77.0.2:7010 --do exact:{OUT}:{BACK}"))?;
    let port = port_of(&client)?;
    moved(&mut client, OUT, BACK)?;
    moved(&mut server, BACK, OUT)?;
    agrees(path.a(), port, 7010, OUT, BACK, "ESTAB")?;
    agrees(path.b(), 7010, port, BACK, OUT, "ESTAB")?;

    client.send("fin")?;
    wait_state(path.a(), port, 7010, "FIN-WAIT-2")?;
    wait_state(path.b(), 7010, port, "CLOSE-WAIT")?;
    agrees(path.a(), port, 7010, OUT, BACK, "FIN-WAIT-2")?;
    agrees(path.b(), 7010, port, BACK, OUT, "CLOSE-WAIT")
}

/// No counter is 32 bits wide.
pub(crate) fn beyond_4_gib() -> Result<()> {
    const OUT: u64 = 4_800_000_123;
    let namespace = Namespace::create("a")?;
    let mut server = peer(&namespace, &format!("listen --at 127.0.0.1:7011 --do exact:5:{OUT}"))?;
    let mut client = peer(&namespace, &format!("connect --to 127.0.0.1:7011 --do exact:{OUT}:5"))?;
    let port = port_of(&client)?;
    moved(&mut client, OUT, 5)?;
    moved(&mut server, 5, OUT)?;
    agrees(&namespace, port, 7011, OUT, 5, "ESTAB")?;
    agrees(&namespace, 7011, port, 5, OUT, "ESTAB")
}
