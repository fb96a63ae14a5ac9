//! Any text as a filter: it is refused with a place in it, or it is printed as a text that means
//! the same. Asked of sockets recorded from a kernel, and so is its negation.

#![no_main]

use std::sync::{Arc, LazyLock};

use conns_core::model::{Connection, Moment, Netns, Observation, Protocol, SocketSample, Source};
use conns_core::query::Filter;
use conns_core::query::filter::MAX_BYTES;
use conns_core::track::{Retention, Tracker};
use conns_sockdiag::{RowReader, wire};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(text.get(error.span()).is_some(), "a place that is not in the filter");
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let printed = filter.to_string();
    if printed.len() > MAX_BYTES {
        return;
    }
    let again = Filter::parse(&printed).unwrap_or_else(|error| panic!("{printed:?}: {error}"));
    assert_eq!(again, filter, "{printed:?}");
    assert_eq!(again.to_string(), printed);

    // Refused only for its length or depth; the empty filter has no negation.
    let negated = Filter::parse(&format!("not ({text})")).ok();
    for connection in CONNECTIONS.iter() {
        let answer = filter.evaluate(connection);
        assert_eq!(again.evaluate(connection), answer, "{printed:?}");
        if let Some(negated) = &negated {
            assert_eq!(negated.evaluate(connection), answer.map(|is| !is), "not {printed:?}");
        }
    }
});

static CONNECTIONS: LazyLock<Vec<Connection>> = LazyLock::new(|| {
    let mut reader = RowReader::new(Arc::new(Netns::new(1, None, true)));
    let mut sockets = Vec::new();
    for (protocol, datagram) in [
        (Protocol::Tcp, &include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-listen-0.bin")[..]),
        (Protocol::Tcp, include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-established-0.bin")),
        (Protocol::Tcp, include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-time-wait-0.bin")),
        (Protocol::Udp, include_bytes!("../../corpus/sockdiag/linux-6.18/udp4-0.bin")),
        (Protocol::Mptcp, include_bytes!("../../corpus/sockdiag/linux-6.18/mptcp4-0.bin")),
    ] {
        for message in wire::messages(datagram).flatten() {
            sockets.extend(reader.read(protocol, message.payload).map(SocketSample::from));
        }
    }
    let observation = Observation::new(Source::SockDiag, Moment::default()).with_sockets(sockets);
    let connections = Tracker::new(Retention::None).apply(vec![observation]).connections;
    assert!(connections.len() >= 5, "the corpus has sockets");
    connections
});
