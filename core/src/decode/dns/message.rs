//! One message.

use std::net::IpAddr;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, OPCODE, Packet, PacketFlag, QTYPE, TYPE};

use crate::decode::text::text;

/// Bytes of the header.
const HEADER: usize = 12;
/// Least bytes of a question: the root, type and class.
const MIN_QUESTION: usize = 5;
/// Least bytes of a record: the root, type, class, TTL and length.
const MIN_RECORD: usize = 11;
/// Most addresses of an answer that are kept.
const MAX_ADDRESSES: usize = 32;

/// What is read of a message with one question.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) is_response: bool,
    /// The code of an answer, by its name.
    pub(super) code: String,
    pub(super) name: String,
    pub(super) kind: String,
    /// The addresses of an answer, with the seconds that they may be used for.
    pub(super) addresses: Vec<(IpAddr, u32)>,
}

impl Message {
    /// Reads a message; `None` if it is none, or no query of a name in the Internet.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        if !is_plausible(bytes) {
            return None;
        }
        let packet = Packet::parse(bytes).ok()?;
        let [question] = &*packet.questions else { return None };
        let is_response = packet.has_flags(PacketFlag::RESPONSE);
        if packet.opcode() != OPCODE::StandardQuery || question.qclass != CLASS::IN.into() {
            return None;
        }
        if !is_response && !packet.answers.is_empty() {
            return None;
        }
        let mut addresses = Vec::new();
        for record in packet.answers.iter().filter(|_| is_response) {
            let address = match &record.rdata {
                RData::A(a) => IpAddr::from(a.address.to_be_bytes()),
                RData::AAAA(aaaa) => IpAddr::from(aaaa.address.to_be_bytes()),
                _ => continue,
            };
            if addresses.len() < MAX_ADDRESSES {
                addresses.push((address, record.ttl));
            }
        }
        let name = text(question.qname.to_string().as_bytes()).to_ascii_lowercase();
        let kind = match question.qtype {
            // RFC 3597 section 5.
            QTYPE::TYPE(TYPE::Unknown(number)) => format!("TYPE{number}"),
            QTYPE::TYPE(kind) => format!("{kind:?}"),
            other => format!("{other:?}"),
        };
        Some(Self {
            id: packet.id(),
            is_response,
            code: code_name(bytes),
            name: if name.is_empty() { ".".into() } else { name },
            kind,
            addresses,
        })
    }
}

/// Whether there is room for as many entries as the header states, so that no more memory is allocated for
/// them than for as many bytes.
fn is_plausible(bytes: &[u8]) -> bool {
    let count = |at: usize| match bytes.get(at..at + 2) {
        Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
        _ => usize::MAX,
    };
    let Some(body) = bytes.get(HEADER..).map(<[u8]>::len) else { return false };
    let records = count(6) + count(8) + count(10);
    count(4) == 1 && MIN_QUESTION + records * MIN_RECORD <= body
}

/// The name of the code (RFC 1035 section 4.1.1, RFC 6895 section 2.3).
fn code_name(bytes: &[u8]) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    let code = usize::from(bytes.get(3).copied().unwrap_or(0) & 15);
    NAMES.get(code).map_or_else(|| code.to_string(), |name| (*name).to_owned())
}
