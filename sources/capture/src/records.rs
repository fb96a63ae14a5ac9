//! The packets of a capture file, pcap or pcapng, in the order of the file.
//!
//! A file that ends or breaks within a record is read up to there, and reports that.

mod pcap;
mod pcapng;
mod record;
mod tail;

use std::io;
use std::path::Path;

use conns_core::model::CaptureFault;

use crate::buffer::{Buffer, MAX_RECORD_BYTES};
use crate::error::CaptureError;
use crate::input::{Input, Progress};
use pcap::Pcap;
use pcapng::Pcapng;
use record::{Located, Record};

pub(crate) use tail::TAIL_BYTES;

/// The packets of a file.
pub(crate) struct Records {
    buffer: Buffer,
    format: Format,
    progress: Progress,
    /// The record that is read next.
    next: Option<Record>,
    end: Option<End>,
}

#[derive(Clone)]
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Format {
    /// The record at the begin of `bytes`.
    fn locate(&mut self, bytes: &[u8]) -> Located {
        match self {
            Self::Pcap(pcap) => pcap.locate(bytes),
            Self::Pcapng(pcapng) => pcapng.locate(bytes),
        }
    }
}

/// How the file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// After a whole record.
    Whole,
    /// Otherwise, at the place that the text names.
    Early(CaptureFault, Box<str>),
}

impl Records {
    /// Reads the header of `input`, which is of the file `path`.
    pub(crate) fn open(input: Input, path: &Path) -> Result<Self, CaptureError> {
        let Input { reader, progress, .. } = input;
        let mut buffer = Buffer::new(reader);
        let failed = |cause| CaptureError::Read { path: path.to_owned(), cause };
        buffer.fill(pcap::HEADER_BYTES).map_err(failed)?;
        if buffer.bytes().is_empty() {
            return Err(CaptureError::Empty { path: path.to_owned() });
        }
        let format = if let Some(pcap) = Pcap::read(buffer.bytes()) {
            buffer.consume(pcap::HEADER_BYTES);
            Format::Pcap(pcap)
        } else if pcapng::is_section(buffer.bytes()) {
            Format::Pcapng(Pcapng::default())
        } else {
            return Err(CaptureError::NotACapture { path: path.to_owned() });
        };
        Ok(Self { buffer, format, progress, next: None, end: None })
    }

    /// How much of the file was read.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How the file ended; `None` before.
    pub(crate) fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Packets that the capturing program dropped, by its own count.
    pub(crate) fn dropped(&self) -> u64 {
        match &self.format {
            Format::Pcap(_) => 0,
            Format::Pcapng(pcapng) => pcapng.dropped(),
        }
    }

    /// The link type of a file that has one for all packets.
    pub(crate) fn only_link(&self) -> Option<u16> {
        match &self.format {
            Format::Pcap(pcap) => Some(pcap.link),
            Format::Pcapng(_) => None,
        }
    }

    /// The next packet, which stays the next one until it is consumed; `None` at the end.
    pub(crate) fn peek(&mut self) -> Option<&Record> {
        if self.next.is_none() && self.end.is_none() {
            self.locate();
        }
        self.next.as_ref()
    }

    /// The bytes of the packet that [`Records::peek`] returned, as far as they were captured.
    pub(crate) fn bytes(&self) -> &[u8] {
        let range = self.next.as_ref().map(|record| record.bytes.clone());
        range.and_then(|range| self.buffer.bytes().get(range)).unwrap_or_default()
    }

    /// Goes on to the packet after that.
    pub(crate) fn consume(&mut self) {
        if let Some(record) = self.next.take() {
            self.buffer.consume(record.length);
        }
    }

    fn locate(&mut self) {
        let mut needed = 1;
        loop {
            match self.buffer.fill(needed) {
                Ok(true) => {}
                Ok(false) if self.buffer.available() == 0 => return self.end = Some(End::Whole),
                Ok(false) => return self.ends(CaptureFault::FileCut, ""),
                Err(error) => return self.fails(&error),
            }
            match self.format.locate(self.buffer.bytes()) {
                Located::Packet(record) => {
                    self.next = Some(record);
                    return;
                }
                Located::Other(length) => {
                    self.buffer.consume(length);
                    needed = 1;
                }
                Located::Needs(count) if count > MAX_RECORD_BYTES => {
                    return self.ends(CaptureFault::FileCorrupt, "a record is longer than 1 MiB");
                }
                Located::Needs(count) => needed = count,
                Located::Broken(why) => return self.ends(CaptureFault::FileCorrupt, why),
            }
        }
    }

    /// The file could not be read: a compressed one that is cut is a cut one.
    fn fails(&mut self, error: &io::Error) {
        let fault = match error.kind() {
            io::ErrorKind::UnexpectedEof => CaptureFault::FileCut,
            _ => CaptureFault::FileCorrupt,
        };
        self.ends(fault, &error.to_string());
    }

    fn ends(&mut self, fault: CaptureFault, why: &str) {
        let at = self.buffer.position();
        let detail =
            if why.is_empty() { format!("byte {at}") } else { format!("byte {at}: {why}") };
        self.end = Some(End::Early(fault, detail.into()));
    }
}
