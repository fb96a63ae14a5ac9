//! `conns link relay`: copies datagrams between senders and receivers that accept no incoming connection.

use conns_link::{Relay, RelaySettings};
use tokio::signal::unix::{SignalKind, signal};

use super::{no_answer, places, runtime};
use crate::failure::{Failure, log};
use crate::flags::link::RelayFlags;

pub(super) fn run(flags: &RelayFlags) -> Result<(), Failure> {
    let identity = places::identity(flags.key.key.as_deref())?;
    let settings = RelaySettings {
        listen: flags.listen,
        identity,
        allow: flags.allow.clone(),
        rate_per_key: flags.rate,
        udp_ports: flags.udp_ports,
    };
    runtime()?.block_on(async {
        let mut terminated = signal(SignalKind::terminate()).map_err(no_answer)?;
        let mut interrupted = signal(SignalKind::interrupt()).map_err(no_answer)?;
        let relay = Relay::start(settings).await.map_err(no_answer)?;
        if flags.allow.is_empty() {
            log("any receiver may register; --allow ck1… names those that may");
        }
        crate::terminal::write(
            format!("relaying at {}@{}\n", relay.public_key(), relay.local_addr()).as_bytes(),
        )?;
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
        relay.stop().await;
        Ok(())
    })
}
