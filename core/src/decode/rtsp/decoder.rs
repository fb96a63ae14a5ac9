//! The contract of decoders for a connection of RTSP.

use crate::decode::{Decoder, ExpectedFlow, Side, Want};
use crate::model::{Known, Moment, Scalar};

use super::fields;
use super::session::Session;

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        self.read(side, bytes, at);
    }

    fn skipped(&mut self, side: Side, bytes: u64, at: Moment) {
        self.gap(side, bytes, at);
    }

    fn gap(&mut self, side: Side, bytes: u64, _at: Moment) {
        self.framings.of_mut(side).gap(bytes);
    }

    fn end(&mut self, _side: Side, _at: Moment) {
        self.close();
    }

    fn want(&self, _side: Side) -> Want {
        Want::Whole
    }

    fn values(&self, seen_from: Side, now: Moment) -> Box<[Known<Scalar>]> {
        fields::values(self, seen_from, now)
    }

    fn memory(&self) -> u64 {
        Session::memory(self)
    }

    fn take_expected_flows(&mut self) -> Vec<ExpectedFlow> {
        std::mem::take(&mut self.expected)
    }

    fn flow_datagram(&mut self, number: u32, side: Side, bytes: &[u8], cut: u32, at: Moment) {
        // The first flow of a media is that of its packets, the second one that of its reports.
        if number.is_multiple_of(2) {
            self.packet(side, Some(number as usize / 2), bytes, cut.into(), at);
        }
    }
}
