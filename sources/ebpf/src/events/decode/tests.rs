//! Interpretation of events, case by case. `lab` tests that the programs emit them.

use proptest::prelude::*;

use zerocopy::{FromZeros, IntoBytes};

use super::*;
use crate::layout::{LongEvent, ROW_FULL, ShortEvent};
use crate::row::interfaces;

fn event(flags: u8, last_state: State, error: u16) -> Event {
    let mut event = Event::new_zeroed();
    (event.flags, event.last_state) = (flags, last_state as u8);
    event.error = error.into();
    event
}

#[test]
fn close_reason_and_first_closer_follow_from_flags_state_and_error() {
    use CloseReason as How;
    use FLAG_FIN_RECEIVED as FIN_RECEIVED;
    use FLAG_LOCAL_FIRST as LOCAL_FIRST;
    use FLAG_ORPHAN as ORPHAN;
    use FLAG_REMOTE_FIRST as REMOTE_FIRST;
    use FLAG_RST_RECEIVED as RST_RECEIVED;
    for (flags, last_state, error, how, first) in [
        // Ours first, theirs received; or an orphan, whose minisock waits for theirs.
        (LOCAL_FIRST | FIN_RECEIVED, State::FinWait2, 0, How::Fin, Closer::Local),
        (LOCAL_FIRST | ORPHAN, State::FinWait2, 0, How::Fin, Closer::Local),
        (REMOTE_FIRST | FIN_RECEIVED, State::LastAck, 0, How::Fin, Closer::Remote),
        (LOCAL_FIRST | REMOTE_FIRST | FIN_RECEIVED, State::Closing, 0, How::Fin, Closer::Both),
        // RST received, also while we were closing.
        (RST_RECEIVED, State::Established, 104, How::ResetReceived, Closer::Remote),
        (LOCAL_FIRST | RST_RECEIVED, State::FinWait1, 104, How::ResetReceived, Closer::Local),
        // RST sent: unread data or SO_LINGER 0; after the peer's FIN; by `ss --kill`.
        (0, State::Established, 0, How::ResetSent, Closer::Local),
        (REMOTE_FIRST | FIN_RECEIVED, State::CloseWait, 0, How::ResetSent, Closer::Remote),
        (0, State::Established, 103, How::ResetSent, Closer::Local),
        (LOCAL_FIRST, State::FinWait2, 0, How::ResetSent, Closer::Local),
        (LOCAL_FIRST | ORPHAN, State::FinWait1, 0, How::ResetSent, Closer::Local),
        // Timeouts and unreachable peers.
        (0, State::Established, ETIMEDOUT, How::TimedOut, Closer::Neither),
        (LOCAL_FIRST, State::FinWait1, ETIMEDOUT, How::TimedOut, Closer::Local),
        (0, State::Established, EHOSTUNREACH, How::Unreachable, Closer::Neither),
        // Closing before the programs were attached.
        (FIN_RECEIVED, State::LastAck, 0, How::Fin, Closer::Remote),
        (FIN_RECEIVED, State::FinWait2, 0, How::Fin, Closer::Local),
    ] {
        let case = event(flags, last_state, error);
        let found = how_closed(&case);
        assert_eq!(found, how, "flags {flags}, last state {last_state:?}, error {error}");
        assert_eq!(first_closer(&case, found), value(first), "flags {flags}, {last_state:?}");
    }
}

#[test]
fn the_reason_of_a_failed_connect_follows_from_flags_and_error() {
    use CloseReason as How;
    use FLAG_OUTBOUND as OUTBOUND;
    use FLAG_RST_RECEIVED as RST_RECEIVED;
    for (flags, error, how) in [
        (RST_RECEIVED, ECONNREFUSED, How::Refused),
        (0, ECONNREFUSED, How::Refused),
        (0, ETIMEDOUT, How::TimedOut),
        (0, EHOSTUNREACH, How::Unreachable),
        (0, ENETUNREACH, How::Unreachable),
        (0, 0, How::GivenUp),
        (0, 99, How::Error(99)),
    ] {
        assert_eq!(how_failed(&event(OUTBOUND | flags, State::SynSent, error)), how);
    }
}

/// An event of `kind` about 10.0.0.1:4000 -> 10.0.0.2:443, pid 7 `curl`.
fn record(kind: u8, flags: u8, times: [u64; 4]) -> Vec<u8> {
    let mut event = event(flags, State::LastAck, 0);
    event.kind = kind;
    [event.at_ns, event.connect_ns, event.opened_ns, event.accepted_ns] = times.map(Into::into);
    event.pid = 7.into();
    event.name[..4].copy_from_slice(b"curl");
    let mut header = SocketHeader::new_zeroed();
    header.cookie = 99.into();
    header.netns = 42.into();
    (header.local_port, header.remote_port) = (4000.into(), 443.into());
    header.protocol = 6.into();
    (header.family, header.state, header.kind) = (2, State::Established as u8, ROW_FULL);
    header.local[..4].copy_from_slice(&[10, 0, 0, 1]);
    header.remote[..4].copy_from_slice(&[10, 0, 0, 2]);
    if kind != EVENT_CLOSED {
        return ShortEvent { event, header }.as_bytes().to_vec();
    }
    let mut row = TcpRow::new_zeroed();
    row.row.header = header;
    LongEvent { event, row }.as_bytes().to_vec()
}

fn decoder() -> Decoder {
    let mut decoder = Decoder::new(interfaces(), PairKey::new([7; 16]));
    let now = Moment { monotonic_us: 1_000_000, wall_us: 50_000_000 };
    decoder.clock.set(now, 9_000_000_000);
    decoder
}

#[test]
fn times_become_spans_and_moments() {
    let mut decoder = decoder();
    let opened = decoder.read(&record(
        EVENT_OPENED,
        FLAG_OUTBOUND,
        [8_500_000_000, 8_499_000_000, 8_500_000_000, 0],
    ));
    let opened = opened.unwrap();
    assert_eq!(opened.at, Moment { monotonic_us: 500_000, wall_us: 49_500_000 });
    assert_eq!(opened.kind, EventKind::Opened);
    assert_eq!(opened.socket.remote.unwrap().to_string(), "10.0.0.2:443");
    assert_eq!(opened.direction.get(), Some(Direction::Outbound));
    let opened = opened.opened.value().unwrap();
    assert_eq!(opened.handshake_us.get(), Some(1000));
    assert_eq!(opened.first_use_us, Known::NotApplicable);
    assert_eq!(&*opened.by.value().unwrap().name, "curl");

    let used =
        record(EVENT_ACCEPTED, FLAG_INBOUND, [8_600_000_000, 0, 8_500_000_000, 8_600_000_000]);
    let opened = decoder.read(&used).unwrap().opened;
    assert_eq!(opened.value().unwrap().first_use_us.get(), Some(100_000));

    let closed = record(
        EVENT_CLOSED,
        FLAG_OUTBOUND | FLAG_REMOTE_FIRST,
        [9_000_000_000, 1, 8_000_000_000, 0],
    );
    let closed = decoder.read(&closed).unwrap();
    assert_eq!(closed.closed.get().unwrap().duration_us.get(), Some(1_000_000));
    assert_eq!(closed.closed.get().unwrap().how, CloseReason::Fin);
    assert_eq!(closed.socket.state, State::Close);
}

#[test]
fn times_before_the_programs_were_attached_are_unknown_not_zero() {
    let closed =
        decoder().read(&record(EVENT_CLOSED, FLAG_REMOTE_FIRST, [9_000_000_000, 0, 0, 0])).unwrap();
    assert_eq!(closed.direction, Known::Unknown(Unknown::BeganBefore));
    assert_eq!(closed.opened, Known::Unknown(Unknown::BeganBefore));
    let duration = closed.closed.get().unwrap().duration_us;
    assert_eq!(duration, Known::Unknown(Unknown::BeganBefore));
}

#[test]
fn records_that_are_cut_or_unknown_are_refused() {
    let mut decoder = decoder();
    for kind in [0, 5, 255] {
        assert!(decoder.read(&record(kind, 0, [0; 4])).is_none());
    }
    for kind in 1..=4 {
        let whole = record(kind, 0, [0; 4]);
        for length in 0..whole.len() {
            assert!(decoder.read(&whole[..length]).is_none(), "kind {kind}, {length} bytes");
        }
        assert!(decoder.read(&whole).is_some());
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_readers_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut decoder = decoder();
        let _ = decoder.read(&bytes);
        let _ = decoder.rows.row(&bytes);
        let _ = decoder.rows.closed(&bytes);
    }
}
