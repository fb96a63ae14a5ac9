//! A connection between two nodes: both sides cut into messages, and what each node knows of the other.

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
}

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
        }
    }

    /// Lets a side read something, and applies the messages that are complete then.
    pub(super) fn apply(
        &mut self,
        side: Side,
        at: Moment,
        read: impl FnOnce(&mut Frames, &mut dyn FnMut(Message)),
    ) {
        let Self { frames, views, messages, handshake_at, .. } = self;
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
            views.of_mut(side.other()).received(&message, at);
        });
        if is_handshake_over {
            self.frames.sent.is_first = false;
            self.frames.received.is_first = false;
        }
    }
}
