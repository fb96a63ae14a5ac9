//! What link servers report of their connections, joined with their UDP sockets.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use conns_core::decode::link_application;
use conns_core::model::{
    Application, ConnectionId, Loss, Moment, Observation, Protocol, Source, Transfer, unmapped,
};

/// Reads the connections of link servers. Called once a sample, so that it must not wait for a server.
pub type ReadTransfers = Box<dyn FnMut() -> Vec<ReportedTransfer> + Send>;

/// Reads what the agent reports as missing beside its sources. Called once a sample.
pub type ReadLosses = Box<dyn FnMut() -> Vec<Loss> + Send>;

/// A connection of a link server.
#[derive(Debug, Clone)]
pub struct ReportedTransfer {
    /// The network namespace of the server; `None` if it is not known.
    pub netns: Option<u64>,
    /// What the server reports.
    pub transfer: Transfer,
}

/// The connections of link servers at the latest sample.
#[derive(Default)]
pub(crate) struct Transfers {
    read: Option<ReadTransfers>,
    latest: Arc<[Transfer]>,
}

impl Transfers {
    pub(crate) fn set(&mut self, read: ReadTransfers) {
        self.read = Some(read);
    }

    /// The latest, sorted by their id.
    pub(crate) fn latest(&self) -> Arc<[Transfer]> {
        Arc::clone(&self.latest)
    }

    /// Reads them, and finds the sockets that they are of.
    pub(crate) fn read(
        &mut self,
        observations: &[Observation],
        now: Moment,
    ) -> Option<Observation> {
        let reported = (self.read.as_mut()?)();
        let mut by_end: HashMap<(SocketAddr, u16), &ReportedTransfer> = HashMap::new();
        for one in &reported {
            let transfer = &one.transfer;
            // Packets go to the relay if there is one.
            let remote = match (transfer.relay_ip, transfer.relay_port) {
                (Some(address), Some(port)) => SocketAddr::new(address, port),
                _ => SocketAddr::new(transfer.destination_ip, transfer.destination_port),
            };
            if let Some(port) = transfer.sender_port {
                by_end.insert((remote, port), one);
            }
        }
        let mut applications = Vec::new();
        if !by_end.is_empty() {
            let rows = observations.iter().flat_map(Observation::rows);
            for row in rows.filter(|row| row.protocol == Protocol::Udp) {
                let Some(remote) = row.remote else { continue };
                let remote = SocketAddr::new(unmapped(remote.address), remote.port);
                let Some(one) = by_end.get(&(remote, row.local.port)) else { continue };
                if one.netns.is_none_or(|netns| netns == row.id.netns) {
                    let layers: Application = link_application(&one.transfer, now);
                    applications.push((ConnectionId::of_socket(row.id), Arc::new(layers)));
                }
            }
        }
        let mut transfers: Vec<Transfer> = reported.into_iter().map(|one| one.transfer).collect();
        transfers.sort_by(|a, b| a.connection_id.cmp(&b.connection_id));
        self.latest = transfers.into();
        Some(Observation { applications, ..Observation::new(Source::Reported, now) })
    }
}
