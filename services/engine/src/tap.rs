//! Decodes the payload that a source hands over, steers the source, and reports the layers that changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conns_contract::{Clock, Payload, PayloadBatch, PayloadSource, Side};
use conns_core::decode::{DecodeCounts, Limits, MAX_STREAMS, Streams, registry};
use conns_core::model::{
    Application, ConnectionId, EventKind, LifecycleEvent, Loss, LossCause, LossTotals, Moment,
    Observation, ResolvedName, Source,
};
use foldhash::fast::RandomState;

use crate::peers::{Peers, row_of};

/// How long after its last payload the layers of a connection are computed again: some values depend on the time
/// alone (a node of Monero that waits for two seconds).
const SETTLE_TIME: Duration = Duration::from_secs(3);
/// A connection that no sample shows, and that is silent for this long, is closed: its closed event was lost, or there are no
/// events.
const ABSENT_TIME: Duration = Duration::from_secs(10);

/// A peer of an unconnected socket whose traffic does not change for this long is removed: twice the idle time after which servers of
/// QUIC close a connection.
const PEER_IDLE_TIME: Duration = Duration::from_secs(60);
/// How long payload waits at most until it is drained.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// The payload of the connections of this machine.
pub(crate) struct Tap {
    source: Box<dyn PayloadSource>,
    streams: Streams<ConnectionId>,
    open: HashMap<ConnectionId, Carrier, RandomState>,
    /// Those whose layers may still change.
    unsettled: Vec<ConnectionId>,
    /// Peers of unconnected sockets that have layers.
    peers: Arc<Peers>,
    lost: LossTotals,
    counted: DecodeCounts,
    swept: Moment,
}

/// A connection whose payload is decoded.
#[derive(Debug, Default)]
struct Carrier {
    /// When payload came last, as of the last report.
    changed: Moment,
    is_unsettled: bool,
    /// The layers as reported last.
    reported: Option<Arc<Application>>,
    /// Of a peer of an unconnected socket: its traffic in the last sample that was compared, bytes, and when that changed.
    traffic: (u64, Moment),
}

impl Tap {
    pub(crate) fn new(source: Box<dyn PayloadSource>) -> Self {
        Self {
            source,
            streams: Streams::default(),
            open: HashMap::default(),
            unsettled: Vec::new(),
            peers: Arc::default(),
            lost: LossTotals::default(),
            counted: DecodeCounts::default(),
            swept: Moment::default(),
        }
    }

    /// Sets what it keeps at most, before the first payload.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.streams = Streams::new(registry().collect(), limits);
    }

    /// Waits until there is much to drain, at most for `at_most` or [`MAX_WAIT`].
    pub(crate) fn wait(&mut self, at_most: Duration, clock: &dyn Clock) {
        let at_most = at_most.min(MAX_WAIT);
        if self.source.wait(at_most).is_err() {
            clock.sleep(at_most);
        }
    }

    /// Decodes what was handed over since the last call; returns whether there is more.
    pub(crate) fn drain(&mut self, now: Moment) -> bool {
        let Self { source, streams, open, peers, .. } = self;
        let PayloadBatch { losses, has_more } =
            source.drain(now, &mut |id, at, payload| match payload {
                Payload::Opened { ends, may_repeat } => {
                    let changed = at;
                    if may_repeat && streams.ends(id) == Some(ends) {
                        return;
                    }
                    // One that the kernel has forgotten begins anew.
                    if open.contains_key(&id) {
                        Arc::make_mut(peers).remove(id);
                    }
                    if streams.open(id, ends) {
                        open.insert(id, Carrier { changed, ..Carrier::default() });
                    }
                }
                Payload::Segment { side, segment, before } => {
                    streams.segment_after(id, side, before, segment, at);
                }
                Payload::Datagram { side, bytes, cut } => {
                    streams.datagram(id, side, bytes, cut, at);
                }
                Payload::Moved { side, bytes_total } => {
                    streams.moved_by_process(id, side, bytes_total, at);
                }
            });
        self.lost.add(losses);
        let steering = streams.take_steering();
        if !steering.is_empty() {
            source.steer(&steering);
        }
        has_more
    }

    /// Ends the connections that these events close, whose payload was drained after them; returns their last
    /// layers.
    pub(crate) fn close(&mut self, events: &[LifecycleEvent], now: Moment) -> Option<Observation> {
        let closed = events.iter().filter(|event| event.kind == EventKind::Closed);
        let mut layers = Vec::new();
        for event in closed {
            let id = ConnectionId::of_socket(event.socket.id);
            let Some(carrier) = self.open.remove(&id) else { continue };
            self.streams.close(id, event.at);
            if let Some(last) = self.streams.application(id, Side::Sent, event.at)
                && carrier.reported.as_ref() != Some(&last)
            {
                layers.push((id, last));
            }
            self.streams.remove(id);
            self.source.close(id);
        }
        observation(layers, self.streams.take_names(), now)
    }

    /// The layers that changed since the last call.
    pub(crate) fn report(&mut self, now: Moment) -> Option<Observation> {
        let Self { streams, open, unsettled, peers, .. } = self;
        for id in streams.take_changed() {
            let Some(carrier) = open.get_mut(&id) else { continue };
            carrier.changed = now;
            if !std::mem::replace(&mut carrier.is_unsettled, true) {
                unsettled.push(id);
            }
        }
        let mut layers = Vec::new();
        unsettled.retain(|id| {
            let Some(carrier) = open.get_mut(id) else { return false };
            let application = streams.application(*id, Side::Sent, now);
            carrier.is_unsettled =
                application.is_some() && now.since(carrier.changed) < SETTLE_TIME;
            if let Some(application) = application
                && carrier.reported.as_ref() != Some(&application)
            {
                if carrier.reported.replace(Arc::clone(&application)).is_none() {
                    Arc::make_mut(peers).add(*id);
                }
                layers.push((row_of(*id), application));
            }
            carrier.is_unsettled
        });
        observation(layers, Vec::new(), now)
    }

    /// The peers that have layers, for a row each.
    pub(crate) fn peers(&self) -> Arc<Peers> {
        Arc::clone(&self.peers)
    }

    /// Removes what no sample shows any more; `sampled` has the connections of the last one, with the traffic of those of UDP,
    /// bytes.
    pub(crate) fn remove_absent(
        &mut self,
        sampled: impl FnOnce() -> HashMap<ConnectionId, u64, RandomState>,
        now: Moment,
    ) {
        if now.since(self.swept) < ABSENT_TIME || self.open.is_empty() {
            return;
        }
        self.swept = now;
        let sampled = sampled();
        let Self { source, streams, open, peers, .. } = self;
        open.retain(|id, carrier| {
            let is_sampled = match sampled.get(&row_of(*id)) {
                Some(traffic) if id.flow.is_some() => {
                    if carrier.traffic.0 != *traffic {
                        carrier.traffic = (*traffic, now);
                    }
                    now.since(carrier.traffic.1) < PEER_IDLE_TIME
                }
                there => there.is_some(),
            };
            let is_kept = is_sampled || now.since(carrier.changed) < ABSENT_TIME;
            if !is_kept {
                streams.remove(*id);
                source.close(*id);
                if id.flow.is_some() {
                    Arc::make_mut(peers).remove(*id);
                }
            }
            is_kept
        });
    }

    /// What was not decoded, since the start.
    pub(crate) fn losses(&mut self) -> impl Iterator<Item = Loss> + '_ {
        let refused = |counts: &DecodeCounts| {
            counts.streams_refused + counts.recognitions_dropped + counts.decoders_dropped
        };
        let counts = *self.streams.counts();
        let before = std::mem::replace(&mut self.counted, counts);
        let new = refused(&counts).saturating_sub(refused(&before));
        let cause = LossCause::ApplicationsFull { bound: MAX_STREAMS as u64 };
        self.lost.add(Loss::counted(Source::Wire, cause, new).into_iter().collect());
        self.lost.losses()
    }
}

fn observation(
    applications: Vec<(ConnectionId, Arc<Application>)>,
    names: Vec<(ConnectionId, ResolvedName)>,
    now: Moment,
) -> Option<Observation> {
    let observation = Observation::new(Source::Wire, now);
    let is_empty = applications.is_empty() && names.is_empty();
    (!is_empty).then_some(Observation { applications, names, ..observation })
}

#[cfg(test)]
mod tests;
