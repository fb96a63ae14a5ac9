//! Frames to bytes.

use super::{ChunkHeader, Failure, Frame, Hello, MAX_TEXT_BYTES, Offer, TransferId};
use crate::encoding::{write_bytes, write_integer};

impl Frame {
    /// Appends the frame. Integers above 2^62 − 1 are written as that.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::new();
        let number = self.write_fields(&mut fields);
        write_integer(out, number);
        write_bytes(out, &fields);
    }

    /// Appends the fields; returns the type.
    fn write_fields(&self, out: &mut Vec<u8>) -> u64 {
        match self {
            Self::Hello(Hello { version, launch_id, server_uid }) => {
                write_integer(out, *version);
                out.extend(launch_id);
                out.extend(server_uid);
                0
            }
            Self::Offer(offer) => {
                write_offer(out, offer);
                1
            }
            Self::Accepted(TransferId(transfer), ranges) => {
                write_integer(out, *transfer);
                ranges.encode(out);
                2
            }
            Self::Durable(TransferId(transfer), ranges) => {
                write_integer(out, *transfer);
                ranges.encode(out);
                3
            }
            Self::Done(TransferId(transfer), hash) => {
                write_integer(out, *transfer);
                out.extend(hash.0);
                4
            }
            Self::Committed(TransferId(transfer)) => {
                write_integer(out, *transfer);
                5
            }
            Self::Failed(TransferId(transfer), Failure { code, text }) => {
                write_integer(out, *transfer);
                write_integer(out, code.number());
                let end = text.floor_char_boundary(MAX_TEXT_BYTES);
                write_bytes(out, text.get(..end).unwrap_or_default().as_bytes());
                6
            }
            Self::Pause(TransferId(transfer)) => {
                write_integer(out, *transfer);
                7
            }
            Self::Resume(TransferId(transfer)) => {
                write_integer(out, *transfer);
                8
            }
            Self::RateLimit(rate) => {
                write_integer(out, rate.0);
                9
            }
        }
    }
}

fn write_offer(out: &mut Vec<u8>, offer: &Offer) {
    write_integer(out, offer.transfer.0);
    write_bytes(out, offer.path.as_bytes());
    write_integer(out, offer.bytes);
    write_integer(out, offer.mode.into());
    out.extend(offer.modified.seconds.to_be_bytes());
    write_integer(out, offer.modified.nanoseconds.into());
    write_bytes(out, offer.hash.as_ref().map_or(&[], |hash| &hash.0));
}

impl ChunkHeader {
    /// Appends the header.
    pub fn encode(&self, out: &mut Vec<u8>) {
        write_integer(out, self.transfer.0);
        write_integer(out, self.offset);
        write_integer(out, self.length);
        out.extend(self.hash.0);
    }
}
