//! The contract of decoders for a connection between two nodes.

use crate::decode::{Decoder, Side, Want};
use crate::model::{Known, Moment, Scalar};

use super::fields;
use super::session::Session;

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        self.read(side, bytes.len() as u64, at, |frames, sink| frames.data(bytes, sink));
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.read(side, bytes, at, |frames, sink| frames.skip(bytes, sink));
    }

    fn gap(&mut self, side: Side, bytes: u64, at: Moment) {
        self.read(side, bytes, at, |frames, sink| frames.gap(bytes, sink));
    }

    fn moved_by_process(&mut self, side: Side, bytes_total: u64, at: Moment) {
        self.moved(side, bytes_total, at);
    }

    fn want(&self, side: Side) -> Want {
        let frames = self.frames.of(side);
        match frames.skippable() {
            _ if frames.is_done() => Want::NoMore,
            0 => Want::Whole,
            bytes => Want::Skip(bytes),
        }
    }

    fn values(&self, seen_from: Side, now: Moment) -> Box<[Known<Scalar>]> {
        fields::values(self, seen_from, now)
    }

    fn memory(&self) -> u64 {
        let frames = self.frames.sent.memory() + self.frames.received.memory();
        (size_of::<Self>() + frames + self.unread_memory()) as u64
    }
}
