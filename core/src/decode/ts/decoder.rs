//! The contract of decoders for a transport stream.

use crate::decode::{Decoder, Side, Want};
use crate::model::{Known, Moment, Scalar};

use super::fields;
use super::session::Session;

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        if side == self.sender {
            self.read(bytes, at);
        }
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.gap(side, bytes, at);
    }

    fn gap(&mut self, side: Side, _bytes: u64, _at: Moment) {
        if side == self.sender {
            self.lose();
        }
    }

    fn want(&self, side: Side) -> Want {
        if side == self.sender { Want::Whole } else { Want::NoMore }
    }

    fn values(&self, seen_from: Side, now: Moment) -> Box<[Known<Scalar>]> {
        fields::values(self, seen_from, now)
    }

    fn memory(&self) -> u64 {
        Session::memory(self)
    }
}
