//! The netlink format: messages in a datagram, attributes in a message (RFC 3549, `linux/netlink.h`). Lengths in the
//! input are never trusted.

/// Bytes of `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Bytes of `struct nlattr`.
const ATTRIBUTE_HEADER_BYTES: usize = 4;
/// Messages and attributes start at multiples of this (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
const ALIGNMENT: usize = 4;
/// `NLA_TYPE_MASK`: the upper two bits of an attribute's type are flags.
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;

/// `NLMSG_ERROR`: an error or an acknowledgement.
pub const NLMSG_ERROR: u16 = 2;
/// `NLMSG_DONE`: end of a dump.
pub const NLMSG_DONE: u16 = 3;
/// `NLM_F_DUMP_INTR`: the table changed during the dump.
pub const NLM_F_DUMP_INTR: u16 = 0x10;

/// Bytes that break the netlink format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The length in a message header is impossible.
    #[error("message of {claimed} bytes where {available} are left")]
    MessageLength {
        /// `nlmsg_len`.
        claimed: u32,
        /// Bytes left in the datagram.
        available: usize,
    },
    /// The datagram ends within a message header.
    #[error("datagram ends within a message header: {available} of 16 bytes")]
    MessageHeader {
        /// Bytes left in the datagram.
        available: usize,
    },
    /// A row ends before the fixed part of `struct inet_diag_msg`.
    #[error("row of {available} bytes, shorter than the 72 of struct inet_diag_msg")]
    RowLength {
        /// Bytes in the row.
        available: usize,
    },
    /// A row ends before its fixed part.
    #[error("row of {available} bytes, shorter than the {needed} of struct {structure}")]
    ShortRow {
        /// Bytes in the row.
        available: usize,
        /// Bytes of the structure.
        needed: usize,
        /// The structure of the kernel.
        structure: &'static str,
    },
    /// An address family that was not requested.
    #[error("row of address family {0}, neither AF_INET nor AF_INET6")]
    Family(u8),
    /// A state `tcp_states.h` does not have.
    #[error("row in state {0}, which tcp_states.h does not have")]
    State(u8),
}

/// One netlink message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`, equal to that of the request.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// The error number of an `NLMSG_ERROR` or `NLMSG_DONE` message, positive; 0 is success.
    #[must_use]
    pub fn error_number(&self) -> i32 {
        let code = self.payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        code.checked_neg().filter(|number| *number > 0).unwrap_or(0)
    }
}

/// The messages of one datagram. Ends after the first malformed one.
#[must_use]
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram }
}

/// Iterator over the messages of a datagram.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.rest);
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Some(Err(Malformed::MessageHeader { available: bytes.len() }));
        };
        let [l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
        let claimed = u32::from_ne_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(claimed).unwrap_or(usize::MAX);
        let Some(payload) = bytes.get(HEADER_BYTES..length) else {
            return Some(Err(Malformed::MessageLength { claimed, available: bytes.len() }));
        };
        self.rest = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        Some(Ok(Message {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        }))
    }
}

/// The attributes in `bytes`: type and payload. Ends at the first malformed one: attributes that are missing are
/// unknown anyway.
#[must_use]
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

/// Iterator over attributes.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = std::mem::take(&mut self.rest);
        let (&[l0, l1, k0, k1], _) = bytes.split_first_chunk::<ATTRIBUTE_HEADER_BYTES>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let payload = bytes.get(ATTRIBUTE_HEADER_BYTES..length)?;
        self.rest = bytes.get(length.next_multiple_of(ALIGNMENT)..).unwrap_or(&[]);
        Some((u16::from_ne_bytes([k0, k1]) & ATTRIBUTE_TYPE_MASK, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + payload.len()).unwrap();
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend([0; 2]);
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.extend(payload);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
        bytes
    }

    #[test]
    fn messages_follow_each_other_at_aligned_offsets() {
        let datagram = [message(20, b"abc"), message(NLMSG_DONE, &[0; 4])].concat();
        let all: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].payload, all[0].sequence), (20, &b"abc"[..], 7));
        assert_eq!(all[1].kind, NLMSG_DONE);
    }

    #[test]
    fn an_impossible_length_ends_the_datagram_with_an_error() {
        for claimed in [0_u32, 15, 21, u32::MAX] {
            let mut datagram = message(20, b"abcd");
            datagram[..4].copy_from_slice(&claimed.to_ne_bytes());
            let all: Vec<_> = messages(&datagram).collect();
            assert_eq!(all, [Err(Malformed::MessageLength { claimed, available: 20 })]);
        }
        let all: Vec<_> = messages(&[0; 15]).collect();
        assert_eq!(all, [Err(Malformed::MessageHeader { available: 15 })]);
    }

    #[test]
    fn error_numbers_are_positive() {
        let payload = (-2_i32).to_ne_bytes();
        let error = Message { kind: NLMSG_ERROR, flags: 0, sequence: 0, payload: &payload };
        assert_eq!(error.error_number(), 2);
        let least = i32::MIN.to_ne_bytes();
        assert_eq!(Message { payload: &least, ..error }.error_number(), 0);
        assert_eq!(Message { payload: &[], ..error }.error_number(), 0);
    }

    #[test]
    fn attributes_end_at_an_impossible_length() {
        let mut bytes = vec![5, 0, 8, 0, 3, 0, 0, 0];
        bytes.extend([200, 0, 9, 0, 1]);
        let all: Vec<_> = attributes(&bytes).collect();
        assert_eq!(all, [(8, &[3_u8][..])]);
        assert_eq!(attributes(&[3, 0, 1, 0]).count(), 0);
    }
}
