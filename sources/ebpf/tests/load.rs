//! Every program loads, attaches and reads what this process does. Needs the right to load programs; without it, the
//! test is listed as ignored.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test panics on failure")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use conns_contract::{
    DescriptorSource, EventSource, Payload, PayloadSource, Scope, Side, SocketSource,
};
use conns_core::model::{EventKind, Moment, Protocol, State};
use conns_ebpf::{Features, Opened};
use libtest_mimic::{Arguments, Failed, Trial, run};

fn main() -> ExitCode {
    let is_possible = conns_ebpf::are_possible();
    let tests = [
        ("an_iterator_reads_a_listener_of_this_process", tables as fn() -> Result<(), Failed>),
        ("a_second_sample_still_has_an_unchanged_listener", sampling),
        ("descriptors_name_this_process_as_an_owner", descriptors),
        ("a_connection_is_opened_and_closed", events),
        ("what_a_connection_carries_is_handed_over", payload),
    ];
    let tests = tests
        .into_iter()
        .map(|(name, test)| Trial::test(name, test).with_ignored_flag(!is_possible))
        .collect();
    run(&Arguments::from_args(), tests).exit_code()
}

/// Fails if a feature is missing.
fn open(features: Features) -> Opened {
    let opened = conns_ebpf::open(features);
    let missing: Vec<_> =
        opened.abilities.iter().filter(|ability| ability.missing.is_some()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    opened
}

fn now() -> Moment {
    Moment { monotonic_us: 1_000_000, wall_us: 1_700_000_000_000_000 }
}

fn has_listener(tables: &mut dyn SocketSource, port: u16) -> bool {
    let observation = tables.observe(&Scope::everything(), now()).unwrap();
    observation.rows().iter().any(|row| {
        row.protocol == Protocol::Tcp && row.state == State::Listen && row.local.port == port
    })
}

fn tables() -> Result<(), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut tables = open(Features { tables: true, ..Features::NONE }).tables.unwrap();
    assert!(has_listener(&mut *tables, listener.local_addr()?.port()));
    Ok(())
}

fn sampling() -> Result<(), Failed> {
    let before = TcpListener::bind("127.0.0.1:0")?;
    let mut tables =
        open(Features { sampling: true, events: true, ..Features::NONE }).tables.unwrap();
    let after = TcpListener::bind("[::1]:0")?;
    for listener in [&before, &after, &before, &after] {
        assert!(has_listener(&mut *tables, listener.local_addr()?.port()));
    }
    let port = after.local_addr()?.port();
    drop(after);
    assert!(!has_listener(&mut *tables, port));
    Ok(())
}

fn descriptors() -> Result<(), Failed> {
    let _listener = TcpListener::bind("127.0.0.1:0")?;
    let features = Features { sampling: true, descriptors: true, ..Features::NONE };
    let mut source = open(features).descriptors.unwrap();
    let found = source.observe()?;
    assert!(found.tasks.iter().any(|task| task.pid == std::process::id()));
    assert!(source.changes().is_some());
    Ok(())
}

fn events() -> Result<(), Failed> {
    let mut events = open(Features { events: true, ..Features::NONE }).events.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let client = TcpStream::connect(address)?;
    let local = client.local_addr()?;
    drop(client);
    let observation = events.observe(now());
    let kinds: Vec<_> = observation
        .events()
        .iter()
        .filter(|event| event.socket.local.port == local.port())
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds.first(), Some(&EventKind::Opened), "{kinds:?}");
    Ok(())
}

/// Both sockets of a connection over loopback, each with what it sent and received.
fn payload() -> Result<(), Failed> {
    let mut tap = open(Features { tap: true, ..Features::NONE }).tap.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let mut client = TcpStream::connect(("127.0.0.1", port))?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"request")?;
    server.read_exact(&mut [0; 7])?;
    server.write_all(b"answer")?;
    client.read_exact(&mut [0; 6])?;
    let mut openers = HashMap::new();
    let mut texts = HashMap::<_, Vec<u8>>::new();
    let mut take = |id, _, payload: Payload<'_>| match payload {
        Payload::Opened { ends, .. } => {
            let remote = ends.remote.unwrap().port;
            if remote == port || ends.local.unwrap().port == port {
                openers.insert(id, (remote == port, ends.opener.unwrap()));
            }
        }
        Payload::Segment { side, segment, .. } => {
            texts.entry((id, side)).or_default().extend_from_slice(segment.bytes);
        }
        Payload::Moved { .. } | Payload::Datagram { .. } => {}
    };
    // The payload of other programs of the machine comes as well.
    while tap.drain(now(), &mut take).has_more {}
    assert_eq!(openers.len(), 2, "{openers:?}");
    for (id, (is_client, opener)) in openers {
        assert_eq!(opener, if is_client { Side::Sent } else { Side::Received });
        let text = |side| String::from_utf8_lossy(&texts[&(id, side)]).into_owned();
        let [request, answer] =
            if is_client { [Side::Sent, Side::Received] } else { [Side::Received, Side::Sent] };
        assert_eq!((&*text(request), &*text(answer)), ("request", "answer"));
    }
    Ok(())
}
