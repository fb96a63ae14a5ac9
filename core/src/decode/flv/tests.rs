use proptest::prelude::*;

use crate::decode::media::{Codec, Counted, Publications};
use crate::decode::{Decoder, Ends, Side};
use crate::model::Moment;

use super::MAX_MEMORY;
use super::session::Session;

const HEADER: &[u8] = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";

/// A tag with the length behind it.
fn tag(kind: u8, time_ms: u32, body: &[u8]) -> Vec<u8> {
    let mut tag = vec![kind];
    tag.extend(&(body.len() as u32).to_be_bytes()[1..]);
    let [t3, t0, t1, t2] = time_ms.to_be_bytes();
    tag.extend([t0, t1, t2, t3, 0, 0, 0]);
    tag.extend(body);
    tag.extend((11 + body.len() as u32).to_be_bytes());
    tag
}

/// `onMetaData` with a name, then two tags of audio and one of video.
fn stream() -> Vec<u8> {
    let mut metadata = b"\x02\0\x0aonMetaData\x08\0\0\0\x01\0\x0astreamName\x02\0\x04cams".to_vec();
    metadata.extend([0, 0, 9]);
    let tags = [
        tag(18, 0, &metadata),
        tag(8, 0, &[0xaf, 0, 0x12, 0x10]),
        tag(9, 0, &[0x17, 1, 0, 0, 0, 9, 9, 9]),
        tag(8, 0x0100_0000, &[0xaf, 1, 1, 1, 1, 1]),
    ];
    [HEADER, &tags.concat()].concat()
}

fn session(is_from_start: bool) -> Session {
    Session::new(Side::Sent, Ends::default(), is_from_start, Publications::default())
}

#[test]
fn complete_tags_are_counted() {
    for chunk in [1, 7, 1000] {
        let mut session = session(true);
        let stream = stream();
        // All but the last byte of the last tag.
        let begin = &stream[..stream.len() - 5];
        begin.chunks(chunk).for_each(|part| session.data(Side::Sent, part, Moment::default()));
        let found = session.stream.as_ref().expect("a stream");
        assert_eq!(found.name.as_deref(), Some("cams"));
        assert_eq!(found.tracks.audio.received, Counted { packets: 1, bytes: 4 });
        assert!(found.tracks.audio.is_configured && found.tracks.audio.frames == 0);
        assert_eq!(found.tracks.video.received, Counted { packets: 1, bytes: 8 });
        assert_eq!(
            (found.tracks.video.codec, found.tracks.video.key_frames),
            (Some(Codec::H264), 1)
        );
        session.data(Side::Sent, &stream[stream.len() - 5..], Moment::default());
        let found = session.stream.as_ref().expect("a stream");
        assert_eq!(found.tracks.audio.received, Counted { packets: 2, bytes: 10 });
        assert_eq!(found.tracks.audio.highest_ms, Some(0x0100_0000));
    }
}

#[test]
fn behind_a_gap_a_tag_is_found() {
    let mut session = session(true);
    let stream = stream();
    session.data(Side::Sent, &stream[..40], Moment::default());
    session.gap(Side::Sent, 5000, Moment::default());
    let tags =
        [&b"rest of a tag"[..], &tag(8, 1, &[0xaf, 1, 5]), &tag(8, 2, &[0xaf, 1, 5])].concat();
    session.data(Side::Sent, &tags, Moment::default());
    let found = session.stream.as_ref().expect("a stream");
    assert_eq!(found.tracks.audio.received, Counted { packets: 2, bytes: 6 });
}

#[test]
fn a_body_may_be_passed_over() {
    let mut session = session(true);
    let body = vec![0x27; 100_000];
    let tag = tag(9, 0, &body);
    session.data(Side::Sent, &[HEADER, &tag[..20_000]].concat(), Moment::default());
    let crate::decode::Want::Skip(bytes) = session.want(Side::Sent) else { panic!("a skip") };
    session.skipped(Side::Sent, bytes, Moment::default());
    session.data(Side::Sent, &tag[20_000 + bytes as usize..], Moment::default());
    let found = session.stream.as_ref().expect("a stream");
    assert_eq!(found.tracks.video.received, Counted { packets: 1, bytes: 100_000 });
}

proptest! {
    #[test]
    fn any_tags_are_read(
        is_from_start in any::<bool>(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
        chunk in 1..60_usize,
        gap in 0..200_u64,
    ) {
        let mut bytes = [stream(), stream()].concat();
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut session = session(is_from_start);
        for part in bytes.chunks(chunk) {
            session.data(Side::Sent, part, Moment::default());
            prop_assert!(Session::memory(&session) <= MAX_MEMORY);
        }
        session.gap(Side::Sent, gap, Moment::default());
        bytes.chunks(chunk).for_each(|part| session.data(Side::Sent, part, Moment::default()));
    }
}
