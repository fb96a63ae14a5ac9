//! Makes a connection of a sample and of what is known besides it. Single samples, repeated samples
//! and events all use [`assemble`].

use std::sync::Arc;

use crate::model::{
    Application, Closed, Connection, Direction, EventKind, Evidence, Flow, FlowKey, Known, Moment,
    Opened, Socket, SocketSample, State, Stats, Totals, UdpTraffic, Unknown, Verdict,
};

use super::counters::Counters;
use super::direction::{InferredDirection, Listeners};
use super::gauges::Gauges;
use super::lifecycle::lifecycle_of;
use super::listeners::ListenStates;
use super::owners::OwnersOfSocket;
use super::shown::Shown;
use super::stats::kernel_age_us;
use super::verdict::{evidence_of_life, judge, judge_closed};

/// What a connection is assembled for.
#[derive(Debug)]
pub(super) enum Occasion<'a> {
    /// A snapshot.
    Sample {
        /// Its sequence number.
        sequence: u64,
        /// The connection in the snapshot before; `None` if it was not there.
        shown: Option<&'a Shown>,
        /// Whether its rates have changed since.
        rates_changed: bool,
    },
    /// An event.
    Event(EventKind),
}

/// What is known of a connection besides its sample: by its history, by events, or by nothing.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) occasion: Occasion<'a>,
    pub(super) owners: OwnersOfSocket,
    pub(super) direction: Known<Direction>,
    pub(super) opened: Known<Arc<Opened>>,
    pub(super) closed: Known<Closed>,
    pub(super) application: Option<Known<Arc<Application>>>,
    pub(super) resolved_name: Option<Arc<str>>,
    pub(super) stats: Stats,
    pub(super) totals: Option<Totals>,
    pub(super) overflows: Known<u64>,
    pub(super) evidence: Evidence,
}

/// The snapshot that a sample belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleContext {
    pub(super) sequence: u64,
    pub(super) at: Moment,
    /// Whether a source reports events.
    pub(super) has_events: bool,
}

impl Facts<'_> {
    /// The facts of a connection without history.
    pub(super) fn of_single_sample(
        sample: &SocketSample,
        owners: OwnersOfSocket,
        (application, resolved_name): (Option<Known<Arc<Application>>>, Option<Arc<str>>),
        listeners: &Listeners,
        listen_states: &ListenStates,
        SampleContext { sequence, at, has_events }: SampleContext,
    ) -> Self {
        let (opened, closed) = lifecycle_of(None, sample, has_events);
        let fin = fin_received(closed, sample);
        let mut stats = without_rates(Stats::new(0, sequence, at), sample, fin);
        if let Some(age) = kernel_age_us(sample, fin) {
            stats.age_us = Known::Value(age, sample.source);
        }
        let listener = listen_states.of(sample);
        let gauges = Gauges::of(sample).with_queues(listener.map(|listener| listener.ever));
        let evidence = evidence_of_life(sample, Counters::of(sample, fin), gauges);
        let mut direction = InferredDirection::UNKNOWN;
        Self {
            occasion: Occasion::Sample { sequence, shown: None, rates_changed: false },
            owners,
            direction: direction.apply_sample(sample, listeners),
            opened,
            closed,
            application,
            resolved_name,
            stats,
            totals: None,
            overflows: listener.map_or(Known::NotApplicable, |listener| listener.overflows),
            evidence,
        }
    }
}

/// The connection of a sample.
pub(super) fn assemble(sample: SocketSample, facts: Facts<'_>) -> Connection {
    let Facts {
        occasion,
        owners,
        direction,
        opened,
        closed,
        application,
        resolved_name,
        stats,
        totals,
        overflows,
        evidence,
    } = facts;
    let verdict = match occasion {
        Occasion::Sample { .. } => judge(&sample, evidence),
        Occasion::Event(kind @ (EventKind::Closed | EventKind::Failed)) => {
            judge_closed(&sample, kind, closed.get().map(|closed| closed.how), evidence)
        }
        // No data was sent yet.
        Occasion::Event(EventKind::Opened | EventKind::Accepted) => Verdict::UNKNOWN,
    };
    let application = application.unwrap_or(if sample.state == State::Listen {
        Known::NotApplicable
    } else {
        Known::Unknown(Unknown::SourceDoesNotReport)
    });
    let flow = flow_of_peer(&sample).map(Arc::new);
    let mut connection = Connection {
        socket: sample,
        owners: owners.listed,
        owners_omitted: owners.omitted,
        direction,
        opened,
        closed,
        stats,
        totals,
        overflows,
        flow,
        application,
        resolved_name,
        verdict,
    };
    if let Occasion::Sample { sequence, shown, rates_changed } = occasion {
        let is_same = shown.is_some_and(|shown| shown.is_same(&connection));
        if rates_changed || !is_same {
            connection.stats.changed_sequence = sequence;
        }
    }
    connection
}

/// The flow that the row of a peer of an unconnected UDP socket is.
fn flow_of_peer(sample: &Socket) -> Option<Flow> {
    let remote = sample.remote.filter(|_| sample.peer_of.is_some())?;
    let UdpTraffic { bytes_out, bytes_in, .. } = *sample.udp.value()?;
    let (key, local) = (FlowKey::Peer(remote), sample.local);
    Some(Flow { key, local, remote, bytes_out, bytes_in })
}

/// Whether the peer's FIN was received, by the final event or else by the state.
pub(super) fn fin_received(closed: Known<Closed>, socket: &Socket) -> bool {
    closed.get().map_or(socket.state.has_received_fin(), |closed| closed.fin_received)
}

/// `stats`, with the reason why there are no rates if there are none: where bytes do not apply or are
/// not reported, neither are their rates.
pub(super) fn without_rates(stats: Stats, socket: &Socket, fin_received: bool) -> Stats {
    if stats.rates.value().is_some() {
        return stats;
    }
    let none = socket.bytes_in(fin_received).and_then(Unknown::NeedsTwoObservations, |_| None);
    Stats { rates: none, slot_rates: none, ..stats }
}
