use proptest::prelude::*;

use super::*;

fn netns() -> Arc<Netns> {
    Arc::new(Netns::new(7, None, true))
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap();
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn read_as(family: DiagFamily, payload: &[u8]) -> Result<Socket, Malformed> {
    read(family, &netns(), payload, &mut |index| (index == 2).then(|| "eth0".to_owned()))
}

#[test]
fn a_connected_unix_socket_has_name_peer_and_queues() {
    let mut row = vec![1, 1, 1, 0];
    row.extend(words(&[4711, 5, 1]));
    row.extend(attribute(UNIX_DIAG_NAME, b"/run/x\0"));
    row.extend(attribute(UNIX_DIAG_PEER, &words(&[4712])));
    row.extend(attribute(UNIX_DIAG_RQLEN, &words(&[10, 20])));
    row.extend(attribute(UNIX_DIAG_UID, &words(&[1000])));
    let socket = read_as(DiagFamily::Unix, &row).unwrap();
    assert_eq!((socket.protocol, socket.family), (Protocol::Unix, Family::Unix));
    assert_eq!((socket.id.cookie, socket.inode.get()), (1 << 32 | 5, Some(4711)));
    assert_eq!(socket.state, State::Established);
    assert_eq!(socket.queues.get(), Some(Queues { receive_bytes: 10, send_bytes: 20 }));
    let other = socket.other.unwrap();
    assert_eq!(other.local_name.value().map(|name| &**name), Some("/run/x"));
    assert_eq!(other.peer.value().map(|peer| peer.inode), Some(4712));
    assert_eq!(other.socket_type.get(), Some(SocketType::Stream));
}

#[test]
fn a_listening_unix_socket_has_an_accept_queue() {
    let mut row = vec![1, 5, 10, 0];
    row.extend(words(&[1, 2, 0]));
    row.extend(attribute(UNIX_DIAG_NAME, b"\0a\0b"));
    row.extend(attribute(UNIX_DIAG_RQLEN, &words(&[3, 128])));
    let socket = read_as(DiagFamily::Unix, &row).unwrap();
    assert_eq!(socket.accept_queue.get(), Some(AcceptQueue { length: 3, limit: 128 }));
    assert_eq!(socket.queues, Known::NotApplicable);
    let other = socket.other.unwrap();
    assert_eq!(other.local_name.value().map(|name| &**name), Some("@a@b"));
    assert_eq!(other.socket_type.get(), Some(SocketType::SeqPacket));
}

#[test]
fn packet_netlink_and_vsock_have_their_ends() {
    let mut row = vec![17, 3];
    row.extend(0x800_u16.to_ne_bytes());
    row.extend(words(&[9, 1, 0]));
    row.extend(attribute(PACKET_DIAG_INFO, &words(&[2, 0, 0, 0, 0, 0])));
    let packet = read_as(DiagFamily::Packet, &row).unwrap();
    assert_eq!((packet.interface, packet.inode.get()), (2, Some(9)));
    let other = packet.other.unwrap();
    assert_eq!(other.protocol.value().map(|name| &**name), Some("ip"));
    assert_eq!(other.local_name.value().map(|name| &**name), Some("eth0"));

    let mut row = vec![16, 3, 15, 0];
    row.extend(words(&[321, 0, 0, 77, 6, 0]));
    row.extend(attribute(NETLINK_DIAG_GROUPS, &words(&[3])));
    let netlink = read_as(DiagFamily::Netlink, &row).unwrap();
    assert_eq!((netlink.inode.get(), netlink.id.cookie), (Some(77), 6));
    let other = netlink.other.unwrap();
    assert_eq!(other.protocol.value().map(|name| &**name), Some("uevent"));
    assert_eq!(other.local_name.value().map(|name| &**name), Some("321"));
    assert_eq!(other.groups.get(), Some(3));

    let mut row = vec![40, 1, 10, 0];
    row.extend(words(&[u32::MAX, 5555, u32::MAX, u32::MAX, 88, 4, 0]));
    let vsock = read_as(DiagFamily::Vsock, &row).unwrap();
    assert_eq!((vsock.state, vsock.inode.get(), vsock.id.cookie), (State::Listen, Some(88), 4));
    let other = vsock.other.unwrap();
    assert_eq!(other.local_name.value().map(|name| &**name), Some("*:5555"));
    assert_eq!(other.peer_name, Known::NotApplicable);
}

#[test]
fn a_short_row_is_refused_by_the_name_of_its_structure() {
    for family in DiagFamily::ALL {
        let refused = read_as(family, &[0; 15]).unwrap_err().to_string();
        assert!(refused.contains("_diag_msg"), "{refused}");
    }
    assert_eq!(read_as(DiagFamily::Unix, &[0xff; 16]).unwrap_err(), Malformed::State(255));
}

#[test]
fn requests_have_the_length_of_their_structures() {
    let lengths = DiagFamily::ALL.map(|family| family.request().len());
    assert_eq!(lengths, [24, 20, 20, 24]);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        for family in DiagFamily::ALL {
            if let Ok(socket) = read_as(family, &bytes) {
                prop_assert!(socket.other.is_some() && !socket.has_internet_ends());
            }
        }
    }
}
