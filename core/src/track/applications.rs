//! The latest application layers of each connection.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::decode::protocol_is_reported_only;
use crate::model::{Application, ConnectionId, Known, Layer, LayerOrigin, Source};

use super::precedence::{FieldGroup, outranks};

/// Most connections whose application layers are kept.
pub(super) const MAX_APPLICATIONS: usize = 262_144;
/// The layers of a connection that this many samples do not show are removed.
const MAX_ABSENT_SAMPLES: u64 = 2;

/// The application layers of all connections.
#[derive(Debug, Default)]
pub(super) struct Applications {
    by_id: HashMap<ConnectionId, Entry, RandomState>,
    /// How many the bound refused since that was last reported.
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    /// The layers of the winning source, completed by those of the other one.
    application: Arc<Application>,
    source: Source,
    /// The layers of a source that loses.
    other: Option<Box<(Arc<Application>, Source)>>,
    /// The last snapshot before it was reported.
    reported_after: u64,
    /// The last snapshot that had the connection.
    sampled_in: u64,
}

impl Entry {
    fn apply(&mut self, application: Arc<Application>, source: Source) {
        if outranks(FieldGroup::Application, self.source, source) {
            self.other = Some(Box::new((application, source)));
        } else {
            if outranks(FieldGroup::Application, source, self.source) {
                self.other = Some(Box::new((Arc::clone(&self.application), self.source)));
            }
            (self.application, self.source) = (application, source);
        }
        if let Some(other) = &self.other {
            complete(&mut self.application, &other.0, other.1);
        }
    }
}

/// Fills in what `application` does not know, or knows from an older answer of `source`, of the layers that
/// both have, and adds the layers that no bytes can show: those that the owner of the socket reports inside QUIC.
fn complete(application: &mut Arc<Application>, other: &Application, source: Source) {
    let is_inside = |layer: &&Layer| {
        layer.origin == LayerOrigin::Reported && protocol_is_reported_only(&layer.protocol)
    };
    if let Some(inside) = other.layers.iter().find(is_inside) {
        let outside = application.layers.iter().filter(|layer| layer.protocol != inside.protocol);
        let layers = outside.chain([inside]).cloned().collect();
        *application = Arc::new(Application { layers });
    }
    let is_open = |value: &Known<_>| match value {
        Known::Unknown(_) => true,
        Known::Value(_, of) => *of == source,
        Known::NotApplicable => false,
    };
    let is_incomplete =
        |layer: &Layer| other.layer(&layer.protocol).is_some() && layer.values.iter().any(is_open);
    if !application.layers.iter().any(is_incomplete) {
        return;
    }
    for layer in &mut Arc::make_mut(application).layers {
        let Some(other) = other.layer(&layer.protocol) else { continue };
        for (value, known) in layer.values.iter_mut().zip(&other.values) {
            if is_open(value) && known.value().is_some() {
                *value = known.clone();
            }
        }
    }
}

impl Applications {
    /// Stores what `source` reports after the snapshot `sequence`. Of two sources the winning one's layers
    /// are shown, and values that it does not know are taken from the other one.
    pub(super) fn apply(
        &mut self,
        id: ConnectionId,
        application: Arc<Application>,
        source: Source,
        sequence: u64,
    ) {
        let has_room = self.by_id.len() < MAX_APPLICATIONS;
        match self.by_id.get_mut(&id) {
            Some(entry) => {
                entry.reported_after = sequence;
                entry.sampled_in = sequence;
                entry.apply(application, source);
            }
            None if has_room => {
                let other = None;
                let (reported_after, sampled_in) = (sequence, sequence);
                self.by_id
                    .insert(id, Entry { application, source, other, reported_after, sampled_in });
            }
            None => self.refused += 1,
        }
    }

    /// The layers of a connection in the snapshot `sequence`.
    pub(super) fn sampled(
        &mut self,
        id: ConnectionId,
        sequence: u64,
    ) -> Option<Known<Arc<Application>>> {
        if self.by_id.is_empty() {
            return None;
        }
        let entry = self.by_id.get_mut(&id)?;
        entry.sampled_in = sequence;
        Some(Known::Value(Arc::clone(&entry.application), entry.source))
    }

    /// The layers of a connection.
    pub(super) fn get(&self, id: ConnectionId) -> Option<Known<Arc<Application>>> {
        let entry = self.by_id.get(&id)?;
        Some(Known::Value(Arc::clone(&entry.application), entry.source))
    }

    /// Removes the layers of a connection that was removed before the snapshot after `sequence`. What
    /// was reported since belongs to the next connection of that socket.
    pub(super) fn remove(&mut self, id: ConnectionId, sequence: u64) {
        if self.by_id.get(&id).is_some_and(|entry| entry.reported_after < sequence) {
            self.by_id.remove(&id);
        }
    }

    /// Removes the layers of a connection that closed.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.by_id.remove(&id);
    }

    /// Removes the layers of connections that the samples up to this snapshot did not show.
    pub(super) fn remove_absent(&mut self, sequence: u64) {
        self.by_id.retain(|_, entry| entry.sampled_in + MAX_ABSENT_SAMPLES >= sequence);
    }

    /// How many the bound refused since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}
