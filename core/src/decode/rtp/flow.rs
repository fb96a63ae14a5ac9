//! The fields of a flow of its own: whose media it carries, and what is missing.

use crate::decode::{BothSides, Decoder, Side, Want, field};
use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown};

use super::{Packet, Read, read};

/// In the order of [`Flow::values`](Decoder::values).
pub(super) static FIELDS: &[FieldSpec] = &[
    field("rtp.ssrc", Kind::Count, "Source of the media that came last.", "RTP: SSRC"),
    field(
        "rtp.payload_type",
        Kind::Count,
        "Number under which the session description has the format of the media.",
        "RTP: PT",
    ),
    field("rtp.packets_sent", Kind::Count, "Packets of media this end sent.", "RTP: packets"),
    field(
        "rtp.packets_received",
        Kind::Count,
        "Packets of media this end received.",
        "RTP: packets",
    ),
    field(
        "rtp.lost_sent",
        Kind::Count,
        "Packets of media this end sent that were not seen.",
        "RTP: gaps in the sequence numbers",
    ),
    field(
        "rtp.lost_received",
        Kind::Count,
        "Packets of media the other end sent that were not seen.",
        "RTP: gaps in the sequence numbers",
    ),
    field("rtp.reports", Kind::Count, "Reports of both ends.", "RTCP: packets"),
];

/// A flow.
#[derive(Debug, Default)]
pub(super) struct Flow {
    latest: Option<(u32, u8)>,
    sides: BothSides<Counted>,
    reports: u64,
}

/// The packets of a side.
#[derive(Debug, Default)]
struct Counted {
    packets: u64,
    /// Of the source that sends now: the number of the packet that is expected next.
    expected: Option<(u32, u16)>,
    missing: u64,
}

/// A number that is further ahead is of another sequence, or late (RFC 3550 appendix A.1).
const MAX_MISSING: u16 = 3000;

impl Counted {
    fn packet(&mut self, packet: &Packet<'_>) {
        self.packets += 1;
        let next = packet.sequence.wrapping_add(1);
        match self.expected {
            Some((source, expected)) if source == packet.ssrc => {
                let ahead = packet.sequence.wrapping_sub(expected);
                let is_late = expected.wrapping_sub(packet.sequence) <= MAX_MISSING && ahead != 0;
                if is_late {
                    // It was taken for missing.
                    self.missing = self.missing.saturating_sub(1);
                    return;
                }
                if ahead <= MAX_MISSING {
                    self.missing += u64::from(ahead);
                }
                self.expected = Some((source, next));
            }
            _ => self.expected = Some((packet.ssrc, next)),
        }
    }
}

impl Decoder for Flow {
    fn data(&mut self, side: Side, bytes: &[u8], _at: Moment) {
        match read(bytes, 0) {
            // Players send empty packets to open the way through a firewall.
            Read::Media(packet) if packet.length > 0 => {
                self.latest = Some((packet.ssrc, packet.payload_type));
                self.sides.of_mut(side).packet(&packet);
            }
            Read::Report => self.reports += 1,
            Read::Media(_) | Read::Other => {}
        }
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn want(&self, _side: Side) -> Want {
        Want::Whole
    }

    fn values(&self, seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let optional = |value: Option<u64>| {
            Known::from_option(value.map(Scalar::Count), Source::Wire, Unknown::NothingMeasured)
        };
        let count = |count| optional(Some(count));
        let (own, other) = (self.sides.of(seen_from), self.sides.of(seen_from.other()));
        Box::new([
            optional(self.latest.map(|(ssrc, _)| ssrc.into())),
            optional(self.latest.map(|(_, payload_type)| payload_type.into())),
            count(own.packets),
            count(other.packets),
            count(own.missing),
            count(other.missing),
            count(self.reports),
        ])
    }

    fn memory(&self) -> u64 {
        size_of::<Self>() as u64
    }
}
