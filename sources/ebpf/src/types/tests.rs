use super::*;
use crate::object::compiled;

/// The result of trimming must not depend on what was removed: each named structure is unchanged, and so is all it
/// contains. Tested on the types of our own programs, which every machine has.
#[test]
fn named_structures_keep_all_they_contain() {
    let all = btf::section(compiled!("sockets")).unwrap();
    assert!(composite_names(all).contains(&&b"task_struct"[..]));
    let names: Names<'_> =
        [&b"tcp_sock"[..], b"inet_connection_sock", b"timer_list", b"sock"].into_iter().collect();
    let Some(Trimmed::Complete(trimmed)) = trim(all, &names) else { panic!("it is cut") };
    let (before, after) = (Parts::of(all).unwrap(), Parts::of(&trimmed).unwrap());
    let (old, new) = (before.entries().known, after.entries().known);
    assert_eq!(old.len(), new.len(), "type ids must not change");
    let mut found = 0;
    for (old_entry, new_entry) in old.iter().zip(&new) {
        let is_named = names.contains(before.name(old_entry.name));
        if !(old_entry.is_composite() && is_named) {
            continue;
        }
        found += 1;
        let bytes = |parts: &Parts<'_>, entry: &Entry| parts.types[entry.at..entry.end].to_vec();
        assert_eq!(bytes(&before, old_entry), bytes(&after, new_entry));
        let mut members = Vec::new();
        new_entry.add_contained(&after, &mut members);
        for member in members.into_iter().filter(|id| *id > 0) {
            assert_eq!(new[member - 1].kind, old[member - 1].kind);
        }
    }
    assert_eq!(found, names.len());
    let is_left = |name: &[u8]| new.iter().any(|entry| after.name(entry.name) == name);
    assert!(is_left(b"tcp_sock") && !is_left(b"task_struct") && trimmed.len() < all.len());
}

#[test]
fn bytes_that_are_no_btf_are_refused() {
    let names = HashSet::default();
    for bytes in [&b""[..], &[0; 24], &[0x9f, 0xeb, 1, 0, 255, 255, 255, 255]] {
        assert!(trim(bytes, &names).is_none());
    }
}

/// A BTF of one structure `sock` of four bytes, and behind it a type of `kind`.
fn followed_by(kind: u32) -> Vec<u8> {
    let mut types = Vec::new();
    for (name, info, size) in [(1_u32, STRUCT << 24, 4_u32), (0, kind << 24, 0)] {
        types.extend([name, info, size].map(u32::to_ne_bytes).concat());
    }
    let strings = b"\0sock\0";
    let mut btf = vec![0x9f, 0xeb, 1, 0];
    let header = [24, 0, types.len(), types.len(), strings.len()];
    btf.extend(header.map(|number| u32::try_from(number).unwrap().to_ne_bytes()).concat());
    btf.extend(types);
    btf.extend(strings);
    btf
}

#[test]
fn an_unknown_kind_is_reported_and_the_types_before_it_are_kept() {
    let names: Names<'_> = [&b"sock"[..]].into_iter().collect();
    let Some(Trimmed::Complete(whole)) = trim(&followed_by(FWD), &names) else {
        panic!("kind {FWD} is known")
    };
    assert_eq!(whole, followed_by(FWD));
    for unknown in [0, 20, 31] {
        let Some(Trimmed::UntilUnknownKind(trimmed)) = trim(&followed_by(unknown), &names) else {
            panic!("kind {unknown} is unknown")
        };
        let parts = Parts::of(&trimmed).unwrap();
        let entries = parts.entries();
        assert!(!entries.is_cut);
        let kept: Vec<_> = entries.known.iter().map(|entry| parts.name(entry.name)).collect();
        assert_eq!(kept, [b"sock"]);
        parse(&trimmed).unwrap();
    }
}
