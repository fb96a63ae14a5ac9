//! Rows made by hand: complete, shortened and lengthened.

use super::*;

fn netns() -> Arc<Netns> {
    Arc::new(Netns::new(42, None, true))
}

/// An established IPv4 row: 10.0.0.1:443 <- 10.0.0.2:50000, cookie 0x1_0000_0007, inode 99.
fn row() -> Vec<u8> {
    let mut b = vec![0_u8; ROW_BYTES];
    b[0] = AF_INET;
    b[1] = 1;
    b[4..6].copy_from_slice(&443_u16.to_be_bytes());
    b[6..8].copy_from_slice(&50_000_u16.to_be_bytes());
    b[8..12].copy_from_slice(&[10, 0, 0, 1]);
    b[24..28].copy_from_slice(&[10, 0, 0, 2]);
    b[44..48].copy_from_slice(&7_u32.to_ne_bytes());
    b[48..52].copy_from_slice(&1_u32.to_ne_bytes());
    b[56..60].copy_from_slice(&5_u32.to_ne_bytes());
    b[60..64].copy_from_slice(&6_u32.to_ne_bytes());
    b[64..68].copy_from_slice(&1000_u32.to_ne_bytes());
    b[68..72].copy_from_slice(&99_u32.to_ne_bytes());
    b
}

fn with_attribute(mut row: Vec<u8>, kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    row.extend(length.to_ne_bytes());
    row.extend(kind.to_ne_bytes());
    row.extend(payload);
    row.resize(row.len().next_multiple_of(4), 0);
    row
}

#[test]
fn the_fixed_part_is_read_and_what_was_not_sent_stays_unknown() {
    let socket = RowReader::new(netns()).read(Protocol::Tcp, &row()).unwrap();
    assert_eq!(socket.id, SocketId { netns: 42, cookie: 0x1_0000_0007 });
    assert_eq!(socket.local.to_string(), "10.0.0.1:443");
    assert_eq!(socket.remote.unwrap().to_string(), "10.0.0.2:50000");
    assert_eq!(socket.inode.get(), Some(99));
    assert_eq!(socket.uid.get(), Some(1000));
    assert_eq!(socket.queues.get(), Some(Queues { receive_bytes: 5, send_bytes: 6 }));
    assert_eq!(socket.timer, Known::NotApplicable);
    assert_eq!(socket.accept_queue, Known::NotApplicable);
    assert_eq!(socket.memory, Known::Unknown(Unknown::KernelDoesNotReport));
    assert_eq!(socket.mark, Known::Unknown(Unknown::NotPrivileged));
    assert_eq!(socket.tcp, Known::Unknown(Unknown::KernelDoesNotReport));
    assert_eq!(socket.mptcp, Known::NotApplicable);
}

#[test]
fn attributes_are_read_by_length() {
    let mut reader = RowReader::new(netns());
    let eight: Vec<u8> = (1..=8_u32).flat_map(u32::to_ne_bytes).collect();
    let socket =
        reader.read(Protocol::Tcp, &with_attribute(row(), INET_DIAG_SKMEMINFO, &eight)).unwrap();
    let memory = socket.memory.get().unwrap();
    assert_eq!((memory.send_limit_bytes, memory.backlog_bytes, memory.drops), (4, 8, None));
    // Seven of the eight that every kernel sends: unknown, not partly zero.
    let socket = reader
        .read(Protocol::Tcp, &with_attribute(row(), INET_DIAG_SKMEMINFO, &eight[..28]))
        .unwrap();
    assert_eq!(socket.memory, Known::Unknown(Unknown::KernelDoesNotReport));

    let bytes = with_attribute(row(), INET_DIAG_CONG, b"bbr\0");
    let bbr: Vec<u8> = [9_u32, 1, 80, 739, 512].into_iter().flat_map(u32::to_ne_bytes).collect();
    let socket =
        reader.read(Protocol::Tcp, &with_attribute(bytes, INET_DIAG_BBRINFO, &bbr)).unwrap();
    let congestion = socket.congestion.value().unwrap();
    assert_eq!(&*congestion.algorithm, "bbr");
    let CongestionDetail::Bbr(state) = congestion.detail else { panic!("{congestion:?}") };
    assert_eq!(state.bandwidth_bytes_per_s, 1 << 32 | 9);
    assert_eq!(state.min_rtt_us, 80);
}

#[test]
fn a_listener_has_an_accept_queue_and_no_data_queues() {
    let mut bytes = row();
    bytes[1] = State::Listen as u8;
    bytes[6..8].fill(0);
    bytes[24..28].fill(0);
    let info = with_attribute(bytes, INET_DIAG_INFO, &[1; 280]);
    let socket = RowReader::new(netns()).read(Protocol::Tcp, &info).unwrap();
    assert_eq!(socket.accept_queue.get(), Some(AcceptQueue { length: 5, limit: 6 }));
    assert_eq!(socket.queues, Known::NotApplicable);
    assert_eq!(socket.remote, None);
    assert_eq!(socket.tcp, Known::NotApplicable);
}

#[test]
fn invalid_rows_are_refused_with_the_reason() {
    let mut reader = RowReader::new(netns());
    let short = &row()[..71];
    assert_eq!(
        reader.read(Protocol::Tcp, short).unwrap_err(),
        Malformed::RowLength { available: 71 }
    );
    let mut family = row();
    family[0] = 1;
    assert_eq!(reader.read(Protocol::Tcp, &family).unwrap_err(), Malformed::Family(1));
    let mut state = row();
    state[1] = 14;
    assert_eq!(reader.read(Protocol::Tcp, &state).unwrap_err(), Malformed::State(14));
}

/// A row of IPv6 on `[::]:443` in this state.
fn wildcard(state: State) -> Vec<u8> {
    let mut bytes = row();
    (bytes[0], bytes[1]) = (AF_INET6, state as u8);
    bytes[6..40].fill(0);
    bytes
}

#[test]
fn v6only_is_of_ipv6_sockets_without_a_peer() {
    let read = |bytes: &[u8]| RowReader::new(netns()).read(Protocol::Tcp, bytes).unwrap().ipv6_only;
    let sent = |bytes, byte| with_attribute(bytes, INET_DIAG_SKV6ONLY, &[byte]);
    for (byte, expected) in [(0, Some(false)), (1, Some(true))] {
        for state in [State::Listen, State::Close] {
            assert_eq!(read(&sent(wildcard(state), byte)).get(), expected);
        }
        assert_eq!(read(&sent(wildcard(State::Established), byte)), Known::NotApplicable);
        assert_eq!(read(&sent(row(), byte)), Known::NotApplicable);
    }
    // Before Linux 4.3.
    assert_eq!(read(&wildcard(State::Listen)), Known::Unknown(Unknown::KernelDoesNotReport));
}

#[test]
fn the_name_of_an_interface_is_unknown_until_it_is_asked_for() {
    let read = |bytes: &[u8]| RowReader::new(netns()).read(Protocol::Tcp, bytes).unwrap();
    assert_eq!(read(&row()).interface_name, Known::NotApplicable);
    let mut bound = row();
    bound[40..44].copy_from_slice(&7_u32.to_ne_bytes());
    let mut socket = read(&bound);
    assert_eq!(socket.interface, 7);
    assert_eq!(socket.interface_name, Known::Unknown(Unknown::KernelDoesNotReport));
    socket.name_interface(Some("eth0".into()));
    assert_eq!(socket.interface_name.value().map(|name| &**name), Some("eth0"));
}
