//! `srt-file-transmit` of srt-tools: one file, to a receiver that waits for one sender.

use super::super::host::Port;
use super::super::payload::NAME;
use super::super::transfer::{Ended, Transfer};

const PORT: u16 = 9000;

pub(super) fn send(transfer: &Transfer<'_>) -> Ended {
    let srt = transfer.program("srt-file-transmit")?;
    let address = transfer.to.address;
    let listen = format!("srt://{address}:{PORT}?mode=listener");
    let target = format!("file://{}/", transfer.target());
    transfer.to.serve("srt", &srt, &[&listen, &target], Port::Udp(PORT))?;
    let source = format!("file://{}", transfer.source());
    let destination = format!("srt://{address}:{PORT}/{NAME}");
    transfer.send_to_the_end(&srt, &[&source, &destination])
}
