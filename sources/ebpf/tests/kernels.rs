//! The programs against the recorded types of other kernels, from `corpus/kernels`: each offset and size can be adapted, whichever
//! fields are bit fields there.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test panics on failure")]

use std::fs;
use std::path::Path;

use aya_obj::Object;
use aya_obj::btf::Btf;

/// The objects that are loaded.
const OBJECTS: &[&str] = &["tables", "sockets", "owners", "descriptors"];

#[test]
fn the_programs_fit_the_types_of_recorded_kernels() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = fs::read_dir(root.join("../../corpus/kernels")).unwrap();
    let mut count = 0;
    for file in recorded.map(|entry| entry.unwrap().path()) {
        let types = Btf::parse(&fs::read(&file).unwrap(), aya::Endianness::Little).unwrap();
        for name in OBJECTS {
            let bytes = fs::read(root.join(format!("objects/{name}.bpf.o"))).unwrap();
            let mut object = Object::parse(&bytes).unwrap();
            let adapted = object.relocate_btf(&types);
            assert!(adapted.is_ok(), "{name} on {}: {adapted:?}", file.display());
        }
        count += 1;
    }
    assert!(count >= 5, "only {count} kernels are recorded");
}
