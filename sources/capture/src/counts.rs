//! What a capture file does not have, and what was not read of it, as losses.

use conns_core::decode::{DecodeCounts, MAX_DECODER_MEMORY};
use conns_core::human;
use conns_core::model::{CaptureFault, Loss, LossCause, Source};

use crate::fragments::{self, Fragments};
use crate::records::{End, Records};
use crate::table;

/// What was counted of packets.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) cut: u64,
    pub(crate) repeated: u64,
    pub(crate) reordered: u64,
    pub(crate) missing_bytes: u64,
    pub(crate) back_in_time: u64,
    pub(crate) malformed: u64,
    pub(crate) unsupported: u64,
    /// The link type of the last of them.
    pub(crate) unsupported_link: u16,
    pub(crate) began_before: u64,
}

impl Counts {
    /// All losses so far.
    pub(crate) fn losses(
        &self,
        records: &Records,
        fragments: &Fragments,
        refused: u64,
        decoding: &DecodeCounts,
    ) -> Vec<Loss> {
        let DecodeCounts { streams_refused, recognitions_dropped, decoders_dropped, .. } = decoding;
        let undecoded = streams_refused + recognitions_dropped + decoders_dropped;
        let link = format!("link type {}", self.unsupported_link);
        let (packets, connections) =
            (fragments::MAX_PACKETS.to_string(), table::MAX_CONNECTIONS.to_string());
        let memory = human::bytes(MAX_DECODER_MEMORY);
        let counted = [
            (CaptureFault::PacketsCut, self.cut, ""),
            (CaptureFault::PacketsRepeated, self.repeated, ""),
            (CaptureFault::PacketsReordered, self.reordered, ""),
            (CaptureFault::BytesMissing, self.missing_bytes, ""),
            (CaptureFault::PacketsDropped, records.dropped(), ""),
            (CaptureFault::PacketsBackInTime, self.back_in_time, ""),
            (CaptureFault::PacketsMalformed, self.malformed, ""),
            (CaptureFault::LinkTypeUnsupported, self.unsupported, &*link),
            (CaptureFault::FragmentsIncomplete, fragments.incomplete(), ""),
            (CaptureFault::FragmentsRefused, fragments.refused(), &*packets),
            (CaptureFault::ConnectionsBeganBefore, self.began_before, ""),
            (CaptureFault::ConnectionsRefused, refused, &*connections),
            (CaptureFault::DecodersRefused, undecoded, &*memory),
        ];
        let counted = counted.into_iter().filter_map(|(fault, count, detail)| {
            let cause = LossCause::Capture { fault, detail: detail.into() };
            Loss::counted(Source::Capture, cause, count)
        });
        let end = match records.end() {
            Some(End::Early(fault, detail)) => {
                let cause = LossCause::Capture { fault: *fault, detail: detail.clone() };
                Some(Loss::one(Source::Capture, cause))
            }
            Some(End::Whole) | None => None,
        };
        end.into_iter().chain(counted).collect()
    }
}
