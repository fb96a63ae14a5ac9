//! RTP (RFC 3550): packets of media over UDP, or interleaved in a connection of RTSP. A flow of its own shows
//! nothing that other datagrams do not have, so that it is known by who set it up.

mod flow;
mod packet;
mod receiver;
mod units;

use super::{DatagramProtocol, Probe, ProtocolSpec};

pub(in crate::decode) use packet::{Packet, Read, read};
pub(in crate::decode) use receiver::Receiver;
pub(in crate::decode) use units::Format;

use flow::Flow;

/// RTP.
pub(in crate::decode) static RTP: ProtocolSpec = ProtocolSpec {
    name: "rtp",
    meaning: "Real-time Transport Protocol: packets of media and their reports, set up by RTSP",
    fields: flow::FIELDS,
    ports: &[],
    stream: None,
    datagram: Some(DatagramProtocol {
        probe: |_| Probe::NotMine,
        decoder: |_| Box::new(Flow::default()),
        max_memory: size_of::<Flow>() as u64,
    }),
};

#[cfg(test)]
mod tests;
