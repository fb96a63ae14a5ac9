//! What a node knows of its peer, inferred from the messages of both: the rules of
//! `cryptonote_protocol_handler.inl` as far as they show on the wire.

use crate::model::Moment;

use super::facts::{BlockId, Facts, NodeData, SyncData};
use super::frames::Message;
use super::header::{
    CHAIN, HANDSHAKE, NEW_BLOCK, NEW_FLUFFY_BLOCK, OBJECTS, PING, REQUEST_CHAIN, REQUEST_OBJECTS,
    SUPPORT_FLAGS, TIMED_SYNC,
};

/// A node that is behind requests the chain at once. One that did not within this time has the block
/// from another peer.
const CONFIRM_US: u64 = 1_000_000;
/// A node that waits for nothing from this peer and has requested nothing within this time has fetched
/// the rest from others.
const FETCHED_US: u64 = 2_000_000;

/// Where a node is with a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    BeforeHandshake,
    Synchronizing,
    Normal,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BeforeHandshake => "before_handshake",
            Self::Synchronizing => "synchronizing",
            Self::Normal => "normal",
        }
    }
}

/// One node, and what it knows of the other one.
#[derive(Debug, Default)]
pub(super) struct View {
    /// `None` if the connection began before it was seen, and nothing shows it.
    state: Option<State>,
    /// When it became synchronizing, or last requested something.
    active_at: Moment,
    /// What the peer announced in its handshake.
    pub(super) peer: Option<NodeData>,
    /// The peer's id and flags by other answers.
    pub(super) peer_id: Option<u64>,
    pub(super) support_flags: Option<u64>,
    /// What the peer claimed last, as far as the node accepts it.
    pub(super) sync: Option<SyncData>,
    pub(super) height: Option<u64>,
    /// The node's own height and last block.
    pub(super) own_height: Option<u64>,
    own_top: Option<BlockId>,
    fetch: Fetch,
    /// Whether the node has sent blocks to the peer.
    has_served: bool,
}

/// What a node fetches from its peer.
#[derive(Debug, Default)]
struct Fetch {
    chains: u32,
    objects: u32,
    /// The height after the last block of the last chain, and the id of that block.
    end: u64,
    last_id: Option<BlockId>,
    has_requested_last: bool,
    has_requested: bool,
}

impl View {
    pub(super) fn new(is_from_start: bool) -> Self {
        let state = is_from_start.then_some(State::BeforeHandshake);
        Self { state, ..Self::default() }
    }

    /// The state at a moment.
    pub(super) fn state(&self, now: Moment) -> Option<State> {
        if self.state != Some(State::Synchronizing) {
            return self.state;
        }
        let quiet_us = now.monotonic_us.saturating_sub(self.active_at.monotonic_us);
        let is_done = if self.fetch.has_requested {
            self.fetch.chains == 0 && self.fetch.objects == 0 && quiet_us >= FETCHED_US
        } else {
            // A node that has sent blocks synchronizes without a request until it is idle.
            !self.has_served && quiet_us >= CONFIRM_US
        };
        Some(if is_done { State::Normal } else { State::Synchronizing })
    }

    /// The node received a message.
    pub(super) fn received(&mut self, message: &Message, at: Moment) {
        let Some(facts) = &message.facts else { return };
        match message.header.command {
            HANDSHAKE | TIMED_SYNC => {
                self.peer = facts.node.or(self.peer);
                if let Some(sync) = &facts.sync {
                    self.sync_received(message.header.command, sync, at);
                }
            }
            PING => self.peer_id = facts.peer_id.or(self.peer_id),
            SUPPORT_FLAGS => self.support_flags = facts.support_flags.or(self.support_flags),
            CHAIN => self.chain_received(facts),
            OBJECTS => self.objects_received(facts),
            NEW_BLOCK | NEW_FLUFFY_BLOCK => self.block_received(facts),
            _ => {}
        }
    }

    /// The node sent a message.
    pub(super) fn sent(&mut self, message: &Message, at: Moment) {
        let command = message.header.command;
        match command {
            REQUEST_CHAIN => self.fetch.chains = self.fetch.chains.saturating_add(1),
            REQUEST_OBJECTS => {
                self.fetch.objects = self.fetch.objects.saturating_add(1);
                let last_id = message.facts.as_ref().and_then(|facts| facts.last_id);
                self.fetch.has_requested_last |= last_id.is_some() && last_id == self.fetch.last_id;
            }
            OBJECTS => self.has_served = true,
            _ => {}
        }
        if command == REQUEST_CHAIN || command == REQUEST_OBJECTS {
            self.fetch.has_requested = true;
            self.set(State::Synchronizing, at);
        }
        let Some(facts) = &message.facts else { return };
        if let Some(sync) = &facts.sync {
            self.own_height = Some(sync.height);
            self.own_top = Some(sync.top_id);
            let is_level = self.height.is_some_and(|height| sync.height >= height);
            if is_level && self.state == Some(State::Synchronizing) {
                self.state = Some(State::Normal);
            }
        } else if let Some(height) = facts.blockchain_height {
            self.own_height = Some(height);
        }
    }

    fn set(&mut self, state: State, at: Moment) {
        self.state = Some(state);
        self.active_at = at;
    }

    fn sync_received(&mut self, command: u32, sync: &SyncData, at: Moment) {
        let is_before = self.state == Some(State::BeforeHandshake);
        if is_before && command != HANDSHAKE || self.state(at) == Some(State::Synchronizing) {
            return;
        }
        self.sync = Some(*sync);
        self.height = Some(sync.height);
        let is_behind = self.own_height.is_some_and(|own| own < sync.height);
        if is_behind && self.own_top != Some(sync.top_id) {
            self.fetch = Fetch::default();
            self.set(State::Synchronizing, at);
        } else {
            self.set(State::Normal, at);
        }
    }

    fn chain_received(&mut self, facts: &Facts) {
        self.fetch.chains = self.fetch.chains.saturating_sub(1);
        self.height = facts.total_height.or(self.height);
        self.fetch.end = facts.start_height.unwrap_or(0).saturating_add(facts.ids);
        self.fetch.last_id = facts.last_id;
        self.fetch.has_requested_last = false;
        if self.own_height.is_some_and(|own| own >= self.fetch.end) {
            self.end_fetch();
        }
    }

    fn objects_received(&mut self, facts: &Facts) {
        self.fetch.objects = self.fetch.objects.saturating_sub(1);
        self.height = facts.blockchain_height.or(self.height);
        if self.fetch.objects == 0 && self.fetch.has_requested_last {
            self.own_height = self.own_height.max(Some(self.fetch.end));
            self.end_fetch();
        }
    }

    /// Nothing of the last chain is missing.
    fn end_fetch(&mut self) {
        let is_complete = self.height.is_none_or(|height| self.fetch.end >= height);
        if is_complete && self.state == Some(State::Synchronizing) {
            self.state = Some(State::Normal);
        }
    }

    fn block_received(&mut self, facts: &Facts) {
        let (Some(own), Some(height)) = (self.own_height, facts.blockchain_height) else { return };
        // A claim further ahead would have to be fetched first.
        if self.state == Some(State::Normal) && own.checked_add(1) == Some(height) {
            self.own_height = Some(height);
        }
    }
}
