//! The contract of decoders for a stream of tags.

use crate::decode::{Decoder, Side, Want};
use crate::model::{Known, Moment, Scalar};

use super::fields;
use super::session::Session;
use super::tags::Tags;

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        if side == self.sender {
            self.with_tags(at, |tags, sink| tags.data(bytes, sink));
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.gap(side, bytes, at);
    }

    fn gap(&mut self, side: Side, bytes: u64, at: Moment) {
        if side == self.sender {
            self.with_tags(at, |tags, sink| tags.skip(bytes, sink));
        }
    }

    fn end(&mut self, side: Side, _at: Moment) {
        if side == self.sender {
            self.close();
        }
    }

    fn want(&self, side: Side) -> Want {
        if side != self.sender {
            return Want::NoMore;
        }
        match self.tags.as_ref().map_or(0, Tags::skippable) {
            0 => Want::Whole,
            bytes => Want::Skip(bytes),
        }
    }

    fn values(&self, seen_from: Side, now: Moment) -> Box<[Known<Scalar>]> {
        fields::values(self, seen_from, now)
    }

    fn memory(&self) -> u64 {
        Session::memory(self)
    }
}
