use proptest::prelude::*;

use crate::decode::{Datagram, Decoder, Ends, Probe, Side};
use crate::model::{Moment, Scalar};

use super::probe;
use super::session::{FIELDS, Session};

/// A handshake packet: version, encryption and extension field, type, and extensions.
fn handshake(version: u32, fields: [u16; 2], kind: u32, extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    bytes.extend(version.to_be_bytes());
    fields.iter().for_each(|field| bytes.extend(field.to_be_bytes()));
    [7_u32, 1500, 8192, kind, 99, 5, 0x0100_007f, 0, 0, 0]
        .iter()
        .for_each(|word| bytes.extend(word.to_be_bytes()));
    for (kind, content) in extensions {
        bytes.extend(kind.to_be_bytes());
        bytes.extend((content.len() as u16 / 4).to_be_bytes());
        bytes.extend(*content);
    }
    bytes
}

fn shown(bytes: &[u8]) -> Probe {
    probe(&Datagram { bytes, cut: 0, side: Side::Sent, ends: Ends::default() })
}

fn value(session: &Session, name: &str) -> Option<Scalar> {
    let at = FIELDS.iter().position(|field| field.name == name).expect("a field");
    session.values(Side::Sent, Moment::default())[at].value().cloned()
}

const SETTINGS: [u8; 12] = [0, 1, 5, 3, 0, 0, 0, 0xbf, 0, 120, 0, 200];
const INDUCTION: u32 = 1;
const CONCLUSION: u32 = u32::MAX;

#[test]
fn a_handshake_has_stream_id_latency_and_encryption() {
    let first = handshake(4, [0, 2], INDUCTION, &[]);
    assert_eq!(shown(&first), Probe::NeedMore);
    let answer = handshake(5, [0, 0x4a17], INDUCTION, &[]);
    assert_eq!(shown(&answer), Probe::Certain);
    // "live/one", each word the other way around.
    let request =
        handshake(5, [4, 7], CONCLUSION, &[(1, &SETTINGS), (3, &[0; 8]), (5, b"evileno/")]);
    let response = handshake(5, [4, 3], CONCLUSION, &[(2, &SETTINGS), (4, &[0; 8])]);
    let mut session = Session::default();
    let at = Moment::default();
    session.data(Side::Received, &answer, at);
    session.data(Side::Sent, &request, at);
    let text = |text: &str| Some(Scalar::Text(text.into()));
    assert_eq!(value(&session, "srt.state"), text("handshake"));
    session.data(Side::Received, &response, at);
    assert_eq!(value(&session, "srt.state"), text("connected"));
    assert_eq!(value(&session, "srt.stream_id"), text("live/one"));
    assert_eq!(value(&session, "srt.latency"), Some(Scalar::Micros(200_000)));
    assert_eq!(value(&session, "srt.encryption"), text("aes-256"));
    assert_eq!(value(&session, "srt.version"), text("1.5.3"));
    session.data(Side::Sent, &[0, 0, 0, 1, 0xe0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x47], at);
    session.data(Side::Sent, &[0, 0, 0, 1, 0xe4, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x47], at);
    assert_eq!(value(&session, "srt.data_packets_sent"), Some(Scalar::Count(2)));
    assert_eq!(value(&session, "srt.data_packets_resent"), Some(Scalar::Count(1)));
    session.data(Side::Sent, &[0x80, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], at);
    assert_eq!(value(&session, "srt.state"), text("closed"));
}

#[test]
fn a_rejection_has_its_reason() {
    let mut session = Session::default();
    session.data(Side::Sent, &handshake(5, [0, 0], 1007, &[]), Moment::default());
    assert_eq!(value(&session, "srt.rejection"), Some(Scalar::Count(1007)));
    assert_eq!(shown(&[0x80, 0, 0, 0]), Probe::NotMine);
    assert_eq!(shown(&handshake(3, [0, 2], INDUCTION, &[])), Probe::NotMine);
}

proptest! {
    #[test]
    fn any_datagrams_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let mut datagram = handshake(5, [2, 7], CONCLUSION, &[(1, &SETTINGS), (5, &bytes[..bytes.len() / 4 * 4])]);
        let at = at.index(datagram.len());
        datagram[at] ^= bytes.first().copied().unwrap_or(1);
        let mut session = Session::default();
        session.data(Side::Sent, &datagram, Moment::default());
        session.data(Side::Sent, &bytes, Moment::default());
        prop_assert_eq!(session.values(Side::Sent, Moment::default()).len(), FIELDS.len());
        prop_assert!(session.memory() <= super::MAX_MEMORY);
    }
}
