//! What a list shows of a connection, to find out whether anything has changed.

use std::sync::Arc;

use crate::model::{Application, Class, Connection, Direction, Known, Opened, Owner, SocketSample};

/// A smaller change of confidence marks no change: it varies with the number of samples in the window.
const MIN_CONFIDENCE_CHANGE_PERCENT: u8 = 10;

/// A connection as it was shown last. Rates are compared where they are computed.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    sample: SocketSample,
    owners: Known<Arc<[Owner]>>,
    owners_omitted: u32,
    direction: Known<Direction>,
    opened: Known<Arc<Opened>>,
    /// When it closed, by the monotonic clock.
    closed_us: Known<u64>,
    application: Known<Arc<Application>>,
    resolved_name: Option<Arc<str>>,
    class: Class,
    confidence_percent: u8,
}

impl Shown {
    /// What is shown of `connection`.
    pub(super) fn of(connection: &Connection) -> Self {
        Self {
            sample: connection.socket.clone(),
            owners: connection.owners.clone(),
            owners_omitted: connection.owners_omitted,
            direction: connection.direction,
            opened: connection.opened.clone(),
            closed_us: connection.closed.map(|closed| closed.at.monotonic_us),
            application: connection.application.clone(),
            resolved_name: connection.resolved_name.clone(),
            class: connection.verdict.class,
            confidence_percent: connection.verdict.confidence_percent,
        }
    }

    /// Whether a list shows `connection` as it showed this.
    pub(super) fn is_same(&self, connection: &Connection) -> bool {
        let confidence = connection.verdict.confidence_percent;
        self.class == connection.verdict.class
            && self.confidence_percent.abs_diff(confidence) < MIN_CONFIDENCE_CHANGE_PERCENT
            && self.direction == connection.direction
            && self.closed_us == connection.closed.map(|closed| closed.at.monotonic_us)
            && self.owners_omitted == connection.owners_omitted
            && same_owners(&self.owners, &connection.owners)
            && same_shared(&self.opened, &connection.opened)
            && same_shared(&self.application, &connection.application)
            && self.resolved_name == connection.resolved_name
            && self.sample.shows_the_same(&connection.socket)
    }

    /// Adopts the shared parts of a connection that is shown the same, so that older ones are
    /// freed and the next comparison finds the same pointers.
    pub(super) fn refresh(&mut self, connection: &Connection) {
        self.sample = connection.socket.clone();
        self.owners.clone_from(&connection.owners);
    }
}

fn same_shared<T: PartialEq>(one: &Known<Arc<T>>, other: &Known<Arc<T>>) -> bool {
    match (one, other) {
        (Known::Value(one, a), Known::Value(other, b)) => {
            a == b && (Arc::ptr_eq(one, other) || one == other)
        }
        _ => one == other,
    }
}

fn same_owners(one: &Known<Arc<[Owner]>>, other: &Known<Arc<[Owner]>>) -> bool {
    let same = |one: &Owner, other: &Owner| {
        one.descriptor == other.descriptor
            && (Arc::ptr_eq(&one.process, &other.process) || one.process == other.process)
    };
    match (one, other) {
        (Known::Value(one, a), Known::Value(other, b)) => {
            let same_list =
                || one.len() == other.len() && one.iter().zip(&**other).all(|(a, b)| same(a, b));
            a == b && (Arc::ptr_eq(one, other) || same_list())
        }
        _ => one == other,
    }
}
