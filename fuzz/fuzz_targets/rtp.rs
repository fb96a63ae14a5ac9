//! Any datagrams as packets of RTP and RTCP of media that a connection of RTSP has set up.
//!
//! An input is datagrams, each behind its length in two bytes, little endian.

#![no_main]

#[path = "shared/media.rs"]
mod media;

use conns_core::decode::Side;
use libfuzzer_sys::fuzz_target;

const SDP: &str = "v=0\r\ns=name\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:a\r\n\
                   m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MPEG4-GENERIC/44100/1\r\na=control:b\r\n\
                   m=video 0 RTP/AVP 98\r\na=rtpmap:98 H265/90000\r\na=control:c\r\n";

fuzz_target!(|bytes: &[u8]| {
    // The first byte chooses the media.
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let control = ["a", "b", "c"][usize::from(first % 3)];
    let mut run = media::Run::new(&["rtsp", "rtp"], true);
    let announce = format!(
        "ANNOUNCE rtsp://h/p RTSP/1.0\r\nCSeq: 1\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    );
    run.data(Side::Sent, announce.as_bytes());
    run.data(Side::Received, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n");
    let setup = format!("SETUP rtsp://h/p/{control} RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    run.data(Side::Sent, setup.as_bytes());
    run.data(
        Side::Received,
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: RTP/AVP;client_port=5000;server_port=6000\r\n\r\n",
    );
    run.data(Side::Sent, b"RECORD rtsp://h/p RTSP/1.0\r\nCSeq: 3\r\n\r\n");
    while let Some((&[low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high])).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        run.datagram(Side::Sent, datagram);
    }
    run.finish();
});
