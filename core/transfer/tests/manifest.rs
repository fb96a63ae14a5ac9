//! Manifests: which entries are refused, and the encoding in both directions.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use std::collections::BTreeSet;

use conns_transfer::manifest::{
    Entry, EntryKind, MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_PATHS_BYTES, MAX_TOTAL_BYTES, MODE_BITS,
    Manifest, ManifestError, Modified,
};
use conns_transfer::names::{NameError, RelativePath};
use conns_transfer::tree::{Hash, MAX_FILE_BYTES};
use proptest::prelude::*;

const TIME: Modified = Modified { seconds: 0, nanoseconds: 0 };

fn entry(path: impl AsRef<[u8]>, kind: EntryKind) -> Entry {
    let path = RelativePath::new(path.as_ref()).expect("a path");
    Entry { path, kind, mode: 0, modified: TIME }
}

fn file(path: impl AsRef<[u8]>, bytes: u64) -> Entry {
    entry(path, EntryKind::File { bytes })
}

fn folder(path: impl AsRef<[u8]>) -> Entry {
    entry(path, EntryKind::Folder)
}

/// Entries whose paths often share a begin, are equal, or are below each other.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let path = "[ab\\-/]{1,8}|[a-c]{1,3}/[a-z]{1,40}"
        .prop_filter_map("not a path", |path| RelativePath::new(path.as_bytes()).ok());
    let kind = prop_oneof![
        Just(EntryKind::Folder),
        (0..1u64 << 40).prop_map(|bytes| EntryKind::File { bytes })
    ];
    let modified = (any::<i64>(), 0..1_000_000_000u32)
        .prop_map(|(seconds, nanoseconds)| Modified { seconds, nanoseconds });
    let entry = (path, kind, 0..=MODE_BITS, modified)
        .prop_map(|(path, kind, mode, modified)| Entry { path, kind, mode, modified });
    prop::collection::vec(entry, 1..12)
}

/// The same check of all pairs.
fn fits(entries: &[Entry]) -> bool {
    let below = |entry: &Entry, file: &Entry| {
        let start = [file.path.as_bytes(), b"/"].concat();
        matches!(file.kind, EntryKind::File { .. }) && entry.path.as_bytes().starts_with(&start)
    };
    let paths: BTreeSet<&RelativePath> = entries.iter().map(|entry| &entry.path).collect();
    paths.len() == entries.len()
        && !entries.iter().any(|entry| entries.iter().any(|file| below(entry, file)))
}

proptest! {
    #[test]
    fn a_manifest_is_decoded_as_it_was(entries in entries()) {
        let manifest = Manifest::new(entries.clone());
        prop_assert_eq!(manifest.is_ok(), fits(&entries));
        if let Ok(manifest) = manifest {
            prop_assert_eq!(manifest.entries(), &entries[..]);
            let bytes = manifest.encode();
            prop_assert_eq!(manifest.hash(), Hash(*blake3::hash(&bytes).as_bytes()));
            for end in 0..bytes.len() {
                prop_assert!(Manifest::decode(&bytes[..end]).is_err());
            }
            prop_assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        }
    }

    /// Bytes that are decoded are the encoding.
    #[test]
    fn a_changed_encoding_is_another_manifest_or_none(
        entries in entries(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = match Manifest::new(entries) {
            Ok(manifest) => manifest.encode(),
            Err(error) => {
                prop_assert!(!error.to_string().is_empty());
                return Ok(());
            }
        };
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match Manifest::decode(&bytes) {
            Ok(manifest) => prop_assert_eq!(manifest.encode(), bytes),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn sums_are_those_of_the_files() {
    let manifest = Manifest::new(vec![folder("d"), file("d/a", 5), file("d/b", 0), file("c", 7)]);
    let manifest = manifest.expect("four paths");
    assert_eq!((manifest.total_bytes(), manifest.files()), (12, 3));
}

#[test]
fn wrong_entries_are_refused() {
    let refused = |entries| Manifest::new(entries).expect_err("wrong").to_string();
    assert_eq!(refused(vec![]), "the manifest has no entry");
    assert_eq!(
        refused(vec![file("a", 1), file("b", 1), folder("a")]),
        "a: the manifest has two entries of this path"
    );
    assert_eq!(
        refused(vec![file("x/a/b/c", 1), file("x/a-b", 1), file("x/a", 1)]),
        "x/a/b/c: the manifest has a file at x/a, so nothing can be below it"
    );
    let mode = Entry { mode: 0o10_000, ..folder("a") };
    assert_eq!(refused(vec![mode]), "a: mode 10000 has other bits than 7777");
    let modified = Modified { seconds: -1, nanoseconds: 1_000_000_000 };
    let late = Entry { modified, ..folder("a") };
    assert!(matches!(Manifest::new(vec![late]), Err(ManifestError::Nanoseconds { .. })));
    let too_long = ManifestError::FileTooLong { path: "a".into(), bytes: MAX_FILE_BYTES + 1 };
    assert_eq!(Manifest::new(vec![file("a", MAX_FILE_BYTES + 1)]), Err(too_long));
    let total = vec![file("a", MAX_TOTAL_BYTES), file("b", 0), file("c", 1)];
    assert_eq!(Manifest::new(total), Err(ManifestError::TotalTooLong { path: "c".into() }));
    let name = [&[b'\xff'; 200][..], b"/a"].concat();
    let shown = format!("{}…", "\u{fffd}".repeat(120));
    let error = ManifestError::DuplicatePath { path: shown };
    assert_eq!(Manifest::new(vec![folder(&name), folder(&name)]), Err(error));
}

#[test]
fn numbers_are_bounded() {
    let list = |count: usize| (0..count).map(|of| file(format!("{of:07}"), 0)).collect::<Vec<_>>();
    let many = ManifestError::TooManyEntries(MAX_ENTRIES as u64 + 1);
    assert_eq!(Manifest::new(list(MAX_ENTRIES + 1)), Err(many));
    let manifest = Manifest::new(list(MAX_ENTRIES)).expect("the most entries");
    let bytes = manifest.encode();
    assert!(bytes.len() < 20 * MAX_ENTRIES);
    assert_eq!(Manifest::decode(&bytes), Ok(manifest));
    assert_eq!(
        Manifest::decode(&[1, 0x80, 0x0f, 0x42, 0x41]),
        Err(ManifestError::TooManyEntries(MAX_ENTRIES as u64 + 1))
    );
}

/// A short encoding does not become a manifest of many long paths.
#[test]
fn shared_paths_are_bounded() {
    let long = b"a/".repeat(32_000);
    let count = MAX_PATHS_BYTES / long.len() as u64 + 1;
    let mut bytes = vec![1, 0x40 | (count >> 8) as u8, count as u8];
    let rest = [0; 10];
    // Neighbours differ in their first digit.
    let digits = |of: u64| format!("{of:04}").bytes().rev().collect::<Vec<_>>();
    bytes.extend([&[0, 0, 0x80, 0, 0xfa, 0x04][..], &long, &digits(0), &rest].concat());
    for of in 1..count {
        bytes.extend([&[0, 0x80, 0, 0xfa, 0, 4][..], &digits(of), &rest].concat());
    }
    assert!(bytes.len() < 200_000);
    assert!(matches!(Manifest::decode(&bytes), Err(ManifestError::PathsTooLong(_))));
    let name = |of: u64| [long.clone(), digits(of)].concat();
    let entries: Vec<Entry> = (0..count).map(|of| folder(name(of))).collect();
    assert!(matches!(Manifest::new(entries), Err(ManifestError::PathsTooLong(_))));
}

/// The paths and numbers of the longest manifest.
#[test]
fn the_longest_encoding_is_within_its_bound() {
    let longest_numbers = 1 + 4 + 4 + 2 + 8 + 4 + 8;
    let start = 1 + 4;
    let most = start + MAX_ENTRIES as u64 * longest_numbers + MAX_PATHS_BYTES;
    assert!(most <= MAX_MANIFEST_BYTES);
}

/// The bytes of a manifest of a folder and two files.
#[test]
fn a_recorded_manifest_is_decoded() {
    let time = [0, 0, 0, 0, 0x69, 0, 0, 0, 0x41, 0];
    let bytes = [
        &[1, 3, 0, 0, 1, b'd', 0x41, 0xed][..],
        &time,
        &[1, 1, 2, b'/', b'a', 0x41, 0xa4],
        &time,
        &[0x80, 0x10, 0, 0, 1, 2, 1, b'b', 0x41, 0xa4],
        &time,
        &[0],
    ]
    .concat();
    let modified = Modified { seconds: 0x6900_0000, nanoseconds: 256 };
    let entries = vec![
        Entry { mode: 0o755, modified, ..folder("d") },
        Entry { mode: 0o644, modified, ..file("d/a", 1 << 20) },
        Entry { mode: 0o644, modified, ..file("d/b", 0) },
    ];
    assert_eq!(Manifest::decode(&bytes), Manifest::new(entries));
    assert!(Manifest::decode(&bytes).is_ok());
}

#[test]
fn wrong_bytes_are_refused() {
    let rest = [0; 10];
    let decode = |bytes: &[u8]| Manifest::decode(&[bytes, &rest].concat());
    let entry = 0;
    assert_eq!(Manifest::decode(&[]), Err(ManifestError::Truncated { entry }));
    assert_eq!(Manifest::decode(&[2, 1]), Err(ManifestError::UnknownVersion(2)));
    assert_eq!(Manifest::decode(&[1, 0]), Err(ManifestError::NoEntry));
    assert_eq!(Manifest::decode(&[0x40, 1, 0]), Err(ManifestError::NotCanonical { entry }));
    let out_of_range = |field, value| Err(ManifestError::OutOfRange { entry, field, value });
    assert_eq!(decode(&[1, 1, 2]), out_of_range("kind", 2));
    assert_eq!(decode(&[1, 1, 0, 1, 1, b'a']), out_of_range("shared", 1));
    let error = NameError::DotComponent(1);
    assert_eq!(decode(&[1, 1, 0, 0, 1, b'.']), Err(ManifestError::Path { entry, error }));
    assert!(decode(&[1, 1, 0, 0, 1, b'a']).is_ok());
    let trailing = Manifest::decode(&[&[1, 1, 0, 0, 1, b'a'][..], &rest, &[0]].concat());
    assert_eq!(trailing, Err(ManifestError::TrailingBytes));
    let long = decode(&[1, 1, 0, 0, 0x40, 1, b'a']);
    assert_eq!(long, Err(ManifestError::NotCanonical { entry }));
    // The second path shares a byte that is written again.
    let again = [&[1, 2, 0, 0, 1, b'a'][..], &rest, &[0, 0, 2, b'a', b'b'], &rest].concat();
    assert_eq!(Manifest::decode(&again), Err(ManifestError::NotCanonical { entry: 1 }));
}
