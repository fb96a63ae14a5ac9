//! The contract of decoders for a connection of RTMP.

use crate::decode::{Decoder, Side, Want};
use crate::model::{Known, Moment, Scalar};

use super::fields;
use super::reader::Reader;
use super::session::Session;

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        self.read(side, bytes, at);
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.skip(side, bytes, at);
    }

    fn gap(&mut self, side: Side, _bytes: u64, at: Moment) {
        self.lose(side, at);
    }

    fn end(&mut self, _side: Side, _at: Moment) {
        self.close_all();
    }

    fn want(&self, side: Side) -> Want {
        if self.is_lost(side) || self.is_encrypted() && self.handshakes.of(side).is_complete() {
            return Want::NoMore;
        }
        match self.reader(side).map_or(0, Reader::skippable) {
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
