//! Why a capture file is not read at all.

use std::io;
use std::path::PathBuf;

/// Why a capture file is not read at all.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It cannot be opened.
    #[error("cannot open the capture file {}: {cause}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It cannot be read.
    #[error("cannot read the capture file {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// It has no byte.
    #[error("the capture file {} is empty: did the capture end before it wrote a packet?", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// It is of another type.
    #[error(
        "{} is not a capture file: it begins as neither pcap nor pcapng, plain or compressed with gzip or Zstandard",
        path.display()
    )]
    NotACapture {
        /// The file.
        path: PathBuf,
    },
    /// It has a header and no packet.
    #[error("the capture file {} has no packets{}", path.display(), why)]
    NoPackets {
        /// The file.
        path: PathBuf,
        /// The reason, after a colon, if it is known.
        why: String,
    },
    /// All its packets are of a link type that is not supported.
    #[error(
        "the packets of {} are of link type {link}, which is not supported: Ethernet, Linux cooked, raw IP and BSD \
         loopback are",
        path.display()
    )]
    LinkType {
        /// The file.
        path: PathBuf,
        /// Its number (tcpdump.org/linktypes.html).
        link: u16,
    },
}
