//! Both ends may be of different versions: the bytes of each version are checked in, and an answer of
//! a newer minor version is read.

use std::path::PathBuf;

use conns_api::{Decoder, UpdateQuery, View, WireError};
use conns_core::model::Update;

use super::sample::{Agent, everything, listener, socket, udp};
use super::{behind, encode, events, query, received};

/// The first update, and the changes that lead to the second: one of each kind.
fn two() -> [Update; 2] {
    let web = |bytes| socket(1, "10.0.0.5:443", "192.0.2.7:51000", bytes);
    let mut agent = Agent::new();
    let owners = &[(100, 1), (100, 3), (200, 4)];
    [
        agent.update(vec![web(1), listener(3, "0.0.0.0:443"), udp(4, "10.0.0.5:53")], owners),
        agent.update(vec![web(9), socket(6, "10.0.0.5:1", "192.0.2.9:80", 5)], owners),
    ]
}

fn delta() -> Vec<u8> {
    let [first, second] = two();
    encode(&second, &UpdateQuery { after: behind(&first), ..query(View::All) }).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/wire/v1");
    PathBuf::from(root).join(format!("{name}.bin"))
}

/// An update that was encoded, decoded and encoded again.
fn update_again(bytes: &[u8]) -> Vec<u8> {
    let update = Decoder::default().decode_update(bytes).unwrap().apply(None).unwrap();
    encode(&update, &query(View::All)).unwrap()
}

/// The same of changes.
fn delta_again(bytes: &[u8]) -> Vec<u8> {
    let before = received(&two()[0], &query(View::All));
    let after = UpdateQuery { after: behind(&before), ..query(View::All) };
    let delta = Decoder::default().decode_update(bytes).unwrap();
    encode(&delta.apply(Some(before.into())).unwrap(), &after).unwrap()
}

/// The same of events.
fn events_again(bytes: &[u8]) -> Vec<u8> {
    events::encode_again(&Decoder::default().decode_events(bytes).unwrap())
}

/// A change of these bytes is a change of the format. What is appended to a record or to the answer
/// counts the minor version up, and the fixtures of the old one stay beside the new; anything else is
/// a new version. `CONNS_UPDATE_GOLDEN=1` writes the files.
#[test]
#[cfg(target_endian = "little")]
fn the_checked_in_bytes_are_read_and_written_as_they_are() {
    let whole = encode(&everything(), &query(View::All)).unwrap();
    /// Decodes bytes, and encodes what they mean again.
    type Again = fn(&[u8]) -> Vec<u8>;
    let fixtures: [(&str, Vec<u8>, Again); 3] = [
        ("update", whole, update_again),
        ("delta", delta(), delta_again),
        ("events", events::encoded_whole(), events_again),
    ];
    for (name, encoded, again) in fixtures {
        let path = fixture(name);
        // What is equal is one object only after it was decoded.
        let bytes = again(&encoded);
        if std::env::var_os("CONNS_UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        assert!(kept == bytes, "the format of {name} changed");
        assert!(again(&kept) == kept, "{name} is written otherwise than it was read");
    }
}

/// Reads a number as postcard writes it.
fn varint(bytes: &mut &[u8]) -> usize {
    let (number, rest) = postcard::take_from_bytes(bytes).unwrap();
    *bytes = rest;
    number
}

/// The answer as a newer minor version writes it: each record has more fields, and more lists follow.
fn of_newer_minor_version(mut bytes: &[u8]) -> Vec<u8> {
    let push = |out: &mut Vec<u8>, number: usize| {
        out.extend(postcard::to_allocvec(&number).unwrap());
    };
    let longer_record = |out: &mut Vec<u8>, bytes: &mut &[u8]| {
        let length = varint(bytes);
        let (record, rest) = bytes.split_at(length);
        *bytes = rest;
        push(out, length + 3);
        out.extend_from_slice(record);
        out.extend([0xff, 0, 7]);
    };
    let mut out = Vec::new();
    let (version, minor) = (varint(&mut bytes), varint(&mut bytes));
    push(&mut out, version);
    push(&mut out, minor + 1);
    out.push(bytes[0]);
    bytes = &bytes[1..];
    longer_record(&mut out, &mut bytes);
    while !bytes.is_empty() {
        let count = varint(&mut bytes);
        push(&mut out, count);
        for _ in 0..count {
            longer_record(&mut out, &mut bytes);
        }
    }
    // A list that this version does not know.
    push(&mut out, 1);
    push(&mut out, 2);
    out.extend([1, 2]);
    out
}

#[test]
fn an_answer_of_a_newer_minor_version_is_read() {
    let whole = encode(&everything(), &query(View::All)).unwrap();
    let read = |bytes: &[u8]| format!("{:?}", Decoder::default().decode_update(bytes).unwrap());
    assert_eq!(read(&of_newer_minor_version(&whole)), read(&whole));
    assert_eq!(read(&of_newer_minor_version(&delta())), read(&delta()));
    let whole = events::encoded_whole();
    let read = |bytes: &[u8]| format!("{:?}", Decoder::default().decode_events(bytes).unwrap());
    assert_eq!(read(&of_newer_minor_version(&whole)), read(&whole));
}

#[test]
fn what_follows_a_record_of_the_same_minor_version_is_refused() {
    let mut bytes = of_newer_minor_version(&delta());
    bytes[1] = 0;
    let error = Decoder::default().decode_update(&bytes).unwrap_err();
    assert!(error.to_string().contains("3 bytes follow its fields"), "{error}");
}

#[test]
fn another_version_or_byte_order_is_named() {
    let mut bytes = delta();
    bytes[0] = 9;
    let error = Decoder::default().decode_update(&bytes).unwrap_err();
    assert_eq!(error, WireError::Version { theirs: 9 });
    assert_eq!(
        error.to_string(),
        "the answer is in version 9 of the format, and this conns reads 1; upgrade the older of the \
         two"
    );
    bytes[0] = 1;
    bytes[2] = u8::from(cfg!(target_endian = "big"));
    let error = Decoder::default().decode_update(&bytes).unwrap_err();
    assert_eq!(error, WireError::ByteOrder);
}
