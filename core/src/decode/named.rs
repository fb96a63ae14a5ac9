//! The decoder of protocols that are named and not read.

use crate::model::{Known, Moment, Scalar};

use super::{Decoder, Side, Want};

/// A connection of a protocol without fields.
#[derive(Debug)]
pub(super) struct Named;

impl Decoder for Named {
    fn data(&mut self, _side: Side, _bytes: &[u8], _at: Moment) {}

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn want(&self, _side: Side) -> Want {
        Want::NoMore
    }

    fn values(&self, _seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        Box::default()
    }

    fn memory(&self) -> u64 {
        0
    }
}
