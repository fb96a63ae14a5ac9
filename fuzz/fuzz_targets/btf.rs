//! Any bytes as the kernel's description of its types (BTF): trimming it does not panic, and its result is a BTF that
//! trimming does not change.

#![no_main]
#![cfg_attr(not(target_os = "linux"), allow(unused))]

use conns_ebpf::trim_btf;
use libfuzzer_sys::fuzz_target;

const NAMES: [&[u8]; 3] = [b"sock", b"row", b"task_struct"];

fuzz_target!(|bytes: &[u8]| {
    let Some(trimmed) = trim_btf(bytes, &NAMES) else { return };
    // Header, types and strings, which may overlap in the input.
    assert!(trimmed.len() <= 24 + 2 * bytes.len());
    assert_eq!(trim_btf(&trimmed, &NAMES).as_ref(), Some(&trimmed));
});
