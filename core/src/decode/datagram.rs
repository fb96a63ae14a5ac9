//! The contract of protocols over datagrams (UDP): each datagram of a flow is shown to the probes until
//! one recognises it; then the decoder gets all of them.

use crate::model::Certainty;

use super::{Decoder, Ends, Probe, ProtocolSpec, Side};

/// How a protocol over datagrams is recognised and decoded.
#[derive(Debug)]
pub struct DatagramProtocol {
    /// Whether a datagram is of this protocol. [`Probe::NeedMore`] shows it the next one.
    pub probe: fn(&Datagram<'_>) -> Probe,
    /// A decoder for a flow that was recognised by this datagram, which it is handed after that.
    pub decoder: fn(&Datagram<'_>) -> Box<dyn Decoder>,
    /// The most bytes one decoder may hold ([`Decoder::memory`]). One that holds more is dropped.
    pub max_memory: u64,
}

/// A datagram.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Its payload as captured.
    pub bytes: &'a [u8],
    /// Payload bytes that followed and were not captured.
    pub cut: u32,
    /// Which end sent it.
    pub side: Side,
    /// What is known of the ends.
    pub ends: Ends,
}

/// The protocol of a datagram: one that is certain, else the first one that is possible.
pub(super) fn recognise(
    protocols: &[&'static ProtocolSpec],
    datagram: &Datagram<'_>,
) -> Option<(&'static ProtocolSpec, &'static DatagramProtocol, Certainty)> {
    let mut possible = None;
    for protocol in protocols {
        let Some(spec) = &protocol.datagram else { continue };
        match (spec.probe)(datagram) {
            Probe::Certain => return Some((protocol, spec, Certainty::Certain)),
            Probe::Maybe if possible.is_none() => {
                possible = Some((*protocol, spec, Certainty::Likely));
            }
            Probe::Maybe | Probe::NeedMore | Probe::NotMine => {}
        }
    }
    possible
}
