//! A connection between two nodes: both sides cut into messages, and what each node knows of the other.

use std::collections::VecDeque;

use crate::decode::{BothSides, Opening, Side};
use crate::model::Moment;

use super::frames::{Frames, Message};
use super::header::{COMMANDS, HANDSHAKE};
use super::traffic::Traffic;
use super::view::View;

/// A connection between two nodes.
#[derive(Debug)]
pub(super) struct Session {
    /// By the side that is cut.
    pub(super) frames: BothSides<Frames>,
    /// By the side that the node sends.
    pub(super) views: BothSides<View>,
    /// Messages of each command, by the side; the last one counts the others.
    pub(super) messages: BothSides<[u64; COMMANDS.len() + 1]>,
    /// When the answer to the handshake was complete.
    pub(super) handshake_at: Option<Moment>,
    /// Whether the connection was seen from its begin.
    pub(super) is_from_start: bool,
    /// Of the process that sends [`Side::Sent`].
    pub(super) traffic: Traffic,
    /// Bytes of [`Side::Received`] so far.
    received_bytes: u64,
    /// Messages that the process has not read yet, each with how much is read then.
    unread: VecDeque<(u64, Message)>,
}

/// Most messages that wait to be read; the oldest is taken for read if there are more. A node whose rate is limited has a few.
const MAX_UNREAD: usize = 8;

impl Session {
    pub(super) fn new(opening: &Opening<'_>) -> Self {
        let is_from_start = |side| {
            let prefix = opening.of(side);
            prefix.bytes.is_empty() || prefix.is_from_start
        };
        let is_whole = Side::ALL.into_iter().all(is_from_start);
        Self {
            frames: BothSides {
                sent: Frames::new(is_from_start(Side::Sent)),
                received: Frames::new(is_from_start(Side::Received)),
            },
            views: BothSides { sent: View::new(is_whole), received: View::new(is_whole) },
            messages: BothSides::default(),
            handshake_at: None,
            is_from_start: is_whole,
            traffic: Traffic::new(is_whole),
            received_bytes: 0,
            unread: VecDeque::new(),
        }
    }

    /// Counts `bytes` of a side, lets it read them, and applies the messages that are complete then.
    pub(super) fn read(
        &mut self,
        side: Side,
        bytes: u64,
        at: Moment,
        read: impl FnOnce(&mut Frames, &mut dyn FnMut(Message)),
    ) {
        if side == Side::Received {
            self.received_bytes += bytes;
        }
        // Reads are reported where writes are, and only of a connection that was seen from its begin in full.
        let are_reads_known = side == Side::Received
            && self.is_from_start
            && Side::ALL.into_iter().any(|side| self.traffic.moved(side).is_some());
        let read_bytes = self.traffic.moved(Side::Received).map_or(0, |moved| moved.bytes);
        let is_unread = are_reads_known && read_bytes < self.received_bytes;
        let Self { frames, views, messages, handshake_at, unread, received_bytes, .. } = self;
        let counts = messages.of_mut(side);
        let mut is_handshake_over = false;
        read(frames.of_mut(side), &mut |message| {
            let command = message.header.command;
            let known = COMMANDS.iter().position(|known| known.number == command);
            if let Some(count) = counts.get_mut(known.unwrap_or(COMMANDS.len())) {
                *count += 1;
            }
            if command == HANDSHAKE && message.header.is_response() && handshake_at.is_none() {
                *handshake_at = Some(at);
            }
            is_handshake_over |= handshake_at.is_some();
            views.of_mut(side).sent(&message, at);
            if is_unread {
                if unread.len() >= MAX_UNREAD
                    && let Some((_, oldest)) = unread.pop_front()
                {
                    views.sent.received(&oldest, at);
                }
                unread.push_back((*received_bytes, message));
            } else {
                views.of_mut(side.other()).received(&message, at);
            }
        });
        if is_handshake_over {
            self.frames.sent.is_first = false;
            self.frames.received.is_first = false;
        }
    }

    /// The process has written or read bytes: a node knows what it has read.
    pub(super) fn moved(&mut self, side: Side, bytes_total: u64, at: Moment) {
        self.traffic.add(side, bytes_total, at);
        if side == Side::Received {
            while let Some((_, message)) = self.unread.pop_front_if(|(end, _)| *end <= bytes_total)
            {
                self.views.sent.received(&message, at);
            }
        }
    }

    /// Bytes held by messages that are not read.
    pub(super) fn unread_memory(&self) -> usize {
        self.unread.capacity() * size_of::<(u64, Message)>()
    }
}
