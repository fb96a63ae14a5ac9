//! Any bytes as `/proc/net/netstat`: a counter that is read is a number in its text, under its name.

#![no_main]

use conns_namespaces::listen_counters;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(counters) = listen_counters(bytes) else { return };
    let text = std::str::from_utf8(bytes).expect("only text has counters");
    let read = [
        ("ListenOverflows", counters.overflows),
        ("TCPReqQFullDrop", counters.syn_queue_drops),
        ("TCPReqQFullDoCookies", counters.syn_cookies),
    ];
    for (name, count) in read.into_iter().filter(|(_, count)| *count > 0) {
        assert!(text.contains(name), "{name}");
        // The first value may follow the colon of `TcpExt:` at once.
        let is_it = |word: &str| word.parse() == Ok(count);
        let mut words = text.split(|c: char| c.is_whitespace() || c == ':');
        assert!(words.any(is_it), "{name} {count}");
    }
});
