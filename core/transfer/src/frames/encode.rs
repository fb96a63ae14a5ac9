//! Frames to bytes.

use super::fields::{write_frame, write_text};
use super::types::FrameType;
use super::{Failure, Frame, Hello, Offer, TransferId};
use crate::encoding::{Numbered, write_integer};
use crate::ranges::Ranges;

impl Frame {
    /// Appends the frame. Integers above 2^62 − 1 are written as that.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut fields = Vec::new();
        let of = self.write_fields(&mut fields);
        write_frame(out, of, &fields);
    }

    /// Appends the fields; returns the type.
    fn write_fields(&self, out: &mut Vec<u8>) -> FrameType {
        match self {
            Self::Hello(Hello { version, launch_id, server_uid }) => {
                write_integer(out, *version);
                out.extend(launch_id);
                out.extend(server_uid);
                FrameType::Hello
            }
            Self::Offer(offer) => {
                write_offer(out, offer);
                FrameType::Offer
            }
            Self::ManifestWanted(transfer) => {
                write_integer(out, transfer.0);
                FrameType::ManifestWanted
            }
            Self::Accepted(transfer, chunks) => {
                write_chunks(out, *transfer, chunks);
                FrameType::Accepted
            }
            Self::Durable(transfer, chunks) => {
                write_chunks(out, *transfer, chunks);
                FrameType::Durable
            }
            Self::Resend(transfer, chunks) => {
                write_chunks(out, *transfer, chunks);
                FrameType::Resend
            }
            Self::Committed(transfer) => {
                write_integer(out, transfer.0);
                FrameType::Committed
            }
            Self::Failed(transfer, Failure { code, text }) => {
                write_integer(out, transfer.0);
                write_integer(out, code.number());
                write_text(out, text);
                FrameType::Failed
            }
            Self::Withdraw(uid) => {
                out.extend(uid.0);
                FrameType::Withdraw
            }
            Self::Withdrawn(uid) => {
                out.extend(uid.0);
                FrameType::Withdrawn
            }
            Self::RateLimit(rate) => {
                write_integer(out, rate.0);
                FrameType::RateLimit
            }
        }
    }
}

fn write_offer(out: &mut Vec<u8>, offer: &Offer) {
    write_integer(out, offer.transfer.0);
    out.extend(offer.uid.0);
    out.extend(offer.manifest.0);
    write_integer(out, offer.manifest_bytes);
    write_integer(out, offer.overwrite.number());
    write_integer(out, offer.manifest_follows.into());
    out.extend(offer.priority.to_be_bytes());
}

fn write_chunks(out: &mut Vec<u8>, transfer: TransferId, chunks: &Ranges) {
    write_integer(out, transfer.0);
    chunks.encode(out);
}
