//! What the programs tell and what it means, case by case; that they tell it is shown in `lab`.

use proptest::prelude::*;

use super::*;
use crate::wire::TCP_ROW_BYTES;

fn told(flags: u8, last_state: State, error: u16) -> Told {
    Told { flags, last_state: Some(last_state), error }
}

#[test]
fn every_way_to_end_is_told_apart() {
    use CloseReason as How;
    for (flags, last_state, error, how, first) in [
        // Ours first, theirs came; the same where nobody holds the socket and a stub waits for it.
        (LOCAL_FIRST | FIN_RECEIVED, State::FinWait2, 0, How::Fin, Closer::Local),
        (LOCAL_FIRST | ORPHAN, State::FinWait2, 0, How::Fin, Closer::Local),
        (REMOTE_FIRST | FIN_RECEIVED, State::LastAck, 0, How::Fin, Closer::Remote),
        (LOCAL_FIRST | REMOTE_FIRST | FIN_RECEIVED, State::Closing, 0, How::Fin, Closer::Both),
        // RST from there, also where we were already closing.
        (RST_RECEIVED, State::Established, 104, How::ResetReceived, Closer::Remote),
        (LOCAL_FIRST | RST_RECEIVED, State::FinWait1, 104, How::ResetReceived, Closer::Local),
        // RST from here: unread data or SO_LINGER 0; after the peer's FIN; an administrator's.
        (0, State::Established, 0, How::ResetSent, Closer::Local),
        (REMOTE_FIRST | FIN_RECEIVED, State::CloseWait, 0, How::ResetSent, Closer::Remote),
        (0, State::Established, 103, How::ResetSent, Closer::Local),
        (LOCAL_FIRST, State::FinWait2, 0, How::ResetSent, Closer::Local),
        (LOCAL_FIRST | ORPHAN, State::FinWait1, 0, How::ResetSent, Closer::Local),
        // The kernel gave up.
        (0, State::Established, ETIMEDOUT, How::TimedOut, Closer::Neither),
        (LOCAL_FIRST, State::FinWait1, ETIMEDOUT, How::TimedOut, Closer::Local),
        (0, State::Established, EHOSTUNREACH, How::Unreachable, Closer::Neither),
        // Closing before anybody watched.
        (FIN_RECEIVED, State::LastAck, 0, How::Fin, Closer::Remote),
        (FIN_RECEIVED, State::FinWait2, 0, How::Fin, Closer::Local),
    ] {
        let case = told(flags, last_state, error);
        let found = how_closed(case);
        assert_eq!(found, how, "flags {flags}, last state {last_state:?}, error {error}");
        assert_eq!(first_closer(case, found), value(first), "flags {flags}, {last_state:?}");
    }
}

#[test]
fn every_way_to_fail_is_told_apart() {
    use CloseReason as How;
    for (flags, error, how) in [
        (RST_RECEIVED, ECONNREFUSED, How::Refused),
        (0, ECONNREFUSED, How::Refused),
        (0, ETIMEDOUT, How::TimedOut),
        (0, EHOSTUNREACH, How::Unreachable),
        (0, ENETUNREACH, How::Unreachable),
        (0, 0, How::GivenUp),
        (0, 99, How::Error(99)),
    ] {
        assert_eq!(how_failed(told(OUTBOUND | flags, State::SynSent, error)), how);
    }
}

/// An event of `kind` about 10.0.0.1:4000 -> 10.0.0.2:443, pid 7 `curl`.
fn record(kind: u8, flags: u8, times: [u64; 4]) -> Vec<u8> {
    let mut b = vec![0; if kind == 3 { LONG_EVENT_BYTES } else { SHORT_EVENT_BYTES }];
    for (at, time) in [0, 8, 16, 24].into_iter().zip(times) {
        b[at..at + 8].copy_from_slice(&time.to_ne_bytes());
    }
    b[40..44].copy_from_slice(&7_u32.to_ne_bytes());
    b[48..52].copy_from_slice(b"curl");
    (b[64], b[65], b[66]) = (kind, flags, State::LastAck as u8);
    let ends = &mut b[EVENT_BYTES..];
    ends[0..8].copy_from_slice(&99_u64.to_ne_bytes());
    ends[8..12].copy_from_slice(&42_u32.to_ne_bytes());
    ends[20..22].copy_from_slice(&4000_u16.to_ne_bytes());
    ends[22..24].copy_from_slice(&443_u16.to_ne_bytes());
    ends[24..26].copy_from_slice(&6_u16.to_ne_bytes());
    (ends[26], ends[27], ends[28]) = (2, 1, 1);
    ends[32..36].copy_from_slice(&[10, 0, 0, 1]);
    ends[48..52].copy_from_slice(&[10, 0, 0, 2]);
    b
}

fn decoder() -> Decoder {
    let mut decoder = Decoder::new();
    decoder.now = Moment { monotonic_us: 1_000_000, wall_us: 50_000_000 };
    decoder.kernel_now_ns = 9_000_000_000;
    decoder
}

#[test]
fn times_become_spans_and_moments() {
    let mut decoder = decoder();
    let opened =
        decoder.read(&record(1, OUTBOUND, [8_500_000_000, 8_499_000_000, 8_500_000_000, 0]));
    let opened = opened.unwrap();
    assert_eq!(opened.at, Moment { monotonic_us: 500_000, wall_us: 49_500_000 });
    assert_eq!(opened.kind, EventKind::Opened);
    assert_eq!(opened.socket.remote.unwrap().to_string(), "10.0.0.2:443");
    assert_eq!(opened.direction.get(), Some(Direction::Outbound));
    let opened = opened.opened.value().unwrap();
    assert_eq!(opened.handshake_us.get(), Some(1000));
    assert_eq!(opened.accept_wait_us, Known::NotApplicable);
    assert_eq!(&*opened.by.value().unwrap().name, "curl");

    let accepted = record(2, INBOUND, [8_600_000_000, 0, 8_500_000_000, 8_600_000_000]);
    let opened = decoder.read(&accepted).unwrap().opened;
    assert_eq!(opened.value().unwrap().accept_wait_us.get(), Some(100_000));

    let closed = record(3, OUTBOUND | REMOTE_FIRST, [9_000_000_000, 1, 8_000_000_000, 0]);
    let closed = decoder.read(&closed).unwrap();
    assert_eq!(closed.closed.get().unwrap().duration_us.get(), Some(1_000_000));
    assert_eq!(closed.closed.get().unwrap().how, CloseReason::Fin);
    assert_eq!(closed.socket.state, State::Close);
}

#[test]
fn what_began_before_is_unknown_not_zero() {
    let closed = decoder().read(&record(3, REMOTE_FIRST, [9_000_000_000, 0, 0, 0])).unwrap();
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
    assert_eq!(LONG_EVENT_BYTES - EVENT_BYTES, TCP_ROW_BYTES);
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
