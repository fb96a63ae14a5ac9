//! Relay frames in both directions, and which datagrams a flow forwards.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use std::net::SocketAddr;

use conns_transfer::frames::{Fault, FrameError, MAX_TEXT_BYTES};
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::relay::{
    Action, DropReason, Flow, FlowToken, IDLE_US, MAX_FRAME_BYTES, MIN_BURST_BYTES, RelayFrame,
    RelayRefusal, SharedRate, Side,
};
use proptest::prelude::*;

const TOKEN: FlowToken = FlowToken([7; 16]);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn frames() -> impl Strategy<Value = RelayFrame> {
    let flow = || any::<[u8; 16]>().prop_map(FlowToken);
    let reason = || (0..12u64).prop_map(RelayRefusal::from_number);
    let ip = any::<std::net::IpAddr>();
    prop_oneof![
        (0..1u64 << 62).prop_map(|version| RelayFrame::Hello { version }),
        Just(RelayFrame::Register),
        Just(RelayFrame::Registered),
        any::<[u8; 32]>().prop_map(|key| RelayFrame::Request { key }),
        (flow(), any::<u16>(), ip, any::<u16>()).prop_map(|(flow, port, ip, of)| {
            RelayFrame::Opened { flow, port, receiver: SocketAddr::new(ip, of) }
        }),
        (flow(), any::<u16>(), any::<[u8; 32]>())
            .prop_map(|(flow, port, sender_key)| RelayFrame::Invited { flow, port, sender_key }),
        flow().prop_map(|flow| RelayFrame::Bound { flow }),
        (flow(), reason()).prop_map(|(flow, reason)| RelayFrame::Closed { flow, reason }),
        (reason(), ".{0,50}").prop_map(|(reason, text)| RelayFrame::Refused { reason, text }),
        Just(RelayFrame::Ping),
        Just(RelayFrame::Pong),
    ]
}

/// A datagram: side, port of its source, whether it is the token, its bytes, and the time since the one before.
type Datagram = (Side, u16, bool, usize, u64);

fn datagrams() -> impl Strategy<Value = Vec<Datagram>> {
    let side = prop::sample::select(vec![Side::Sender, Side::Receiver]);
    let is_token = prop::bool::weighted(0.2);
    prop::collection::vec((side, 1..4u16, is_token, 0..1500usize, 0..20_000u64), 0..200)
}

proptest! {
    #[test]
    fn a_frame_is_decoded_as_it_was(frame in frames(), behind in prop::collection::vec(any::<u8>(), 0..5)) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let length = bytes.len();
        for end in 0..length {
            prop_assert_eq!(RelayFrame::decode(&bytes[..end]), Ok(None));
        }
        bytes.extend(behind);
        prop_assert_eq!(RelayFrame::decode(&bytes), Ok(Some((frame, length))));
    }

    /// What is decoded is the same when it is encoded and decoded again.
    #[test]
    fn any_bytes_are_decoded_or_refused(kind in 0..12u8, length in 0..64u8, rest in prop::collection::vec(any::<u8>(), 0..100)) {
        let bytes = [vec![kind, length.min(rest.len() as u8)], rest].concat();
        if let Ok(Some((frame, _))) = RelayFrame::decode(&bytes) {
            let mut again = Vec::new();
            frame.encode(&mut again);
            prop_assert_eq!(RelayFrame::decode(&again), Ok(Some((frame, again.len()))));
        }
    }

    /// Only the first token binds a side, only its source is forwarded, and only to the other bound side.
    #[test]
    fn a_flow_forwards_between_bound_addresses(list in datagrams(), rate in prop::option::of(0..200_000u64)) {
        let rate = rate.map(BytesPerSecond);
        let mut flow = Flow::new(TOKEN, rate.map(|rate| SharedRate::new(rate, 0)), 0);
        let mut bound: [Option<SocketAddr>; 2] = [None; 2];
        let (mut now_us, mut active_us, mut forwarded, mut dropped) = (0, 0, 0, 0);
        for (side, port, is_token, length, after_us) in list {
            now_us += after_us;
            let from = address(port);
            let bytes = if is_token { TOKEN.0.to_vec() } else { vec![1; length] };
            let (own, other) = (side as usize, 1 - side as usize);
            match flow.on_datagram(side, from, &bytes, now_us) {
                Action::Bind { side: of } => {
                    prop_assert_eq!((of, is_token, bound[own]), (side, true, None));
                    bound[own] = Some(from);
                }
                Action::Forward { to } => {
                    prop_assert!(!is_token);
                    prop_assert_eq!((bound[own], bound[other]), (Some(from), Some(to)));
                    forwarded += bytes.len() as u64;
                    active_us = now_us;
                }
                Action::Drop { why } => {
                    let expected = match (bound[own], bound[other]) {
                        (None, _) => DropReason::NotBound,
                        (Some(own), _) if own != from => DropReason::UnknownSource,
                        _ if is_token => DropReason::Repeated,
                        (_, None) => DropReason::OtherSideNotBound,
                        _ => DropReason::OverRate,
                    };
                    prop_assert_eq!(why, expected);
                    prop_assert!(!(is_token && bound[own].is_none()));
                    prop_assert!(rate.is_some() || why != DropReason::OverRate);
                    dropped += 1;
                }
            }
            prop_assert_eq!((flow.forwarded_bytes(), flow.dropped()), (forwarded, dropped));
            prop_assert_eq!([flow.address(Side::Sender), flow.address(Side::Receiver)], bound);
            prop_assert!(!flow.is_idle(active_us + IDLE_US - 1));
            prop_assert!(flow.is_idle(active_us + IDLE_US));
        }
    }

    /// In each interval, a flow forwards no more than its rate and 250 ms of it; a flow that always has datagrams
    /// uses the rate.
    #[test]
    fn the_rate_bounds_each_interval(rate in 20_000..10_000_000u64, steps in prop::collection::vec((1..1500usize, 0..5_000u64), 1..400)) {
        let burst = (rate / 4).max(MIN_BURST_BYTES);
        let mut flow = bound_flow(Some(BytesPerSecond(rate)));
        let (mut now_us, mut offered) = (0, 0);
        let mut sums = Vec::new();
        for (length, after_us) in steps {
            now_us += after_us;
            let before = flow.forwarded_bytes();
            flow.on_datagram(Side::Sender, address(1), &vec![0; length], now_us);
            offered += length as u64;
            sums.push((now_us, before, flow.forwarded_bytes()));
        }
        for (at, (start_us, before, _)) in sums.iter().enumerate() {
            for (end_us, _, after) in &sums[at..] {
                let most = burst + rate * (end_us - start_us) / 1_000_000 + 1;
                prop_assert!(after - before <= most);
            }
        }
        let least = offered.min(burst).saturating_sub(1500);
        prop_assert!(flow.forwarded_bytes() >= least);
    }
}

/// A flow whose sides are port 1 and port 2.
fn bound_flow(rate: Option<BytesPerSecond>) -> Flow {
    let mut flow = Flow::new(TOKEN, rate.map(|rate| SharedRate::new(rate, 0)), 0);
    for (side, port) in [(Side::Sender, 1), (Side::Receiver, 2)] {
        let bind = flow.on_datagram(side, address(port), &TOKEN.0, 0);
        assert_eq!(bind, Action::Bind { side });
    }
    flow
}

#[test]
fn a_token_binds_one_side_once() {
    let mut flow = Flow::new(TOKEN, None, 0);
    let drop = |why| Action::Drop { why };
    let longer = [&TOKEN.0[..], &[0]].concat();
    for bytes in [&longer[..], &TOKEN.0[..15], &[6; 16], &[]] {
        let action = flow.on_datagram(Side::Sender, address(1), bytes, 0);
        assert_eq!(action, drop(DropReason::NotBound));
    }
    let bind = Action::Bind { side: Side::Sender };
    assert_eq!(flow.on_datagram(Side::Sender, address(1), &TOKEN.0, 0), bind);
    let repeated = drop(DropReason::Repeated);
    assert_eq!(flow.on_datagram(Side::Sender, address(1), &TOKEN.0, 0), repeated);
    let unknown = drop(DropReason::UnknownSource);
    assert_eq!(flow.on_datagram(Side::Sender, address(2), &TOKEN.0, 0), unknown);
    let unbound = drop(DropReason::OtherSideNotBound);
    assert_eq!(flow.on_datagram(Side::Sender, address(1), b"quic", 0), unbound);
    assert_eq!((flow.forwarded_bytes(), flow.dropped()), (0, 7));
}

#[test]
fn a_busy_flow_has_its_rate() {
    let rate = BytesPerSecond(125_000);
    let mut flow = bound_flow(Some(rate));
    for now_us in (0..10_000_000).step_by(1000) {
        flow.on_datagram(Side::Receiver, address(2), &[0; 1200], now_us);
    }
    let most = rate.bytes_in(10_250_000);
    assert!((most - 2400..=most).contains(&flow.forwarded_bytes()));
}

#[test]
fn flows_of_one_rate_share_it() {
    let rate = BytesPerSecond(125_000);
    let shared = SharedRate::new(rate, 0);
    let mut flows = [1, 2].map(|_| Flow::new(TOKEN, Some(shared.clone()), 0));
    for flow in &mut flows {
        flow.on_datagram(Side::Sender, address(1), &TOKEN.0, 0);
        flow.on_datagram(Side::Receiver, address(2), &TOKEN.0, 0);
    }
    for now_us in (0..10_000_000).step_by(1000) {
        for flow in &mut flows {
            flow.on_datagram(Side::Sender, address(1), &[0; 1200], now_us);
        }
    }
    let most = rate.bytes_in(10_250_000);
    let forwarded: u64 = flows.iter().map(Flow::forwarded_bytes).sum();
    assert!((most - 2400..=most).contains(&forwarded));
}

#[test]
fn extreme_rates_and_times_do_not_overflow() {
    for rate in [0, 1, u64::MAX] {
        let mut flow = bound_flow(Some(BytesPerSecond(rate)));
        for now_us in [u64::MAX, 0, u64::MAX] {
            let action = flow.on_datagram(Side::Sender, address(1), &[0; 1000], now_us);
            assert!(rate == 0 || matches!(action, Action::Forward { .. } | Action::Drop { .. }));
        }
        assert!(flow.forwarded_bytes() >= 1000);
    }
}

#[test]
fn wrong_frames_are_refused() {
    let long = FrameError::TooLong { frame: "Ping", bytes: 4097, most: MAX_FRAME_BYTES };
    assert_eq!(RelayFrame::decode(&[9, 0x50, 1]), Err(long));
    assert_eq!(RelayFrame::decode(&[11]), Err(FrameError::UnknownType(11)));
    assert_eq!(RelayFrame::decode(&[9, 1, 0]), Err(FrameError::TrailingBytes("Ping")));
    let field = |field, fault| Err(FrameError::Field { frame: "Opened", field, fault });
    let opened = |rest: &[u8]| {
        let fields = [&[0; 16][..], rest].concat();
        RelayFrame::decode(&[&[4, fields.len() as u8][..], &fields].concat())
    };
    assert_eq!(opened(&[1, 5]), field("family", Fault::OutOfRange(5)));
    assert_eq!(opened(&[0x80, 1, 0, 0]), field("port", Fault::OutOfRange(0x1_0000)));
    assert_eq!(opened(&[1, 6, 0, 0, 0, 0, 1]), field("address", Fault::Truncated));
}

#[test]
fn the_longest_frame_fits_its_bound() {
    let text = "ä".repeat(MAX_TEXT_BYTES);
    let mut bytes = Vec::new();
    RelayFrame::Refused { reason: RelayRefusal::Other(1 << 61), text }.encode(&mut bytes);
    assert!(bytes.len() < MAX_FRAME_BYTES);
    let Ok(Some((RelayFrame::Refused { text, .. }, _))) = RelayFrame::decode(&bytes) else {
        panic!("not decoded");
    };
    assert_eq!(text, "ä".repeat(MAX_TEXT_BYTES / 2));
}

#[test]
fn a_token_is_not_printed() {
    assert_eq!(format!("{TOKEN:?}"), "FlowToken(0707…)");
}
