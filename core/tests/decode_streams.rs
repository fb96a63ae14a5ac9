//! The contract of decoders, by a made-up protocol that writes down what it is handed.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests panic")]

#[path = "decode/demo.rs"]
mod demo;

use conns_core::decode::assembly::{MAX_AHEAD, MAX_GAP_SEGMENTS, MAX_GAP_WAIT_US, Segment};
use conns_core::decode::{Ends, Limits, MAX_PREFIX_BYTES, Side, Steering, Want};
use conns_core::model::{Certainty, Moment};
use demo::{DEMO, POSSIBLE, Run};

#[test]
fn the_first_bytes_are_handed_over_in_the_order_in_which_they_came() {
    let mut run = Run::new().with_syns();
    run.received("D").received("E").sent("hello").received("MO...").sent("more");
    let log = "first received 3<D 4<E 5>hello 6<MO... 7>more";
    assert_eq!(run.log().as_deref(), Some(log));
    let application =
        run.streams.application(1, Side::Received, Moment::default()).expect("recognised");
    let layer = &application.layers[0];
    assert_eq!(
        (&*layer.protocol, layer.certainty, layer.gap_bytes),
        ("demo", Certainty::Certain, 0)
    );
    assert_eq!(layer.since.monotonic_us, 6);
    assert_eq!(run.streams.take_changed(), [1]);
    assert_eq!(run.streams.take_changed(), [0; 0]);
}

#[test]
fn a_connection_of_no_known_protocol_is_not_wanted() {
    let mut run = Run::new().with_syns();
    run.received("DEN").sent("x");
    let no_more = |side, resume_at| Steering { key: 1, side, want: Want::NoMore, resume_at };
    let steering = [no_more(Side::Sent, Some(101)), no_more(Side::Received, Some(104))];
    assert_eq!(run.streams.take_steering(), steering);
    assert_eq!(run.log(), None);
    assert_eq!((run.streams.memory(), run.streams.counts().unrecognised), (0, 1));
    run.received("DEMO");
    assert_eq!((run.log(), run.streams.take_steering()), (None, Vec::new()));
}

#[test]
fn a_possible_protocol_is_chosen_when_none_is_certain() {
    let mut run = Run::of(vec![&POSSIBLE, &DEMO], Limits::default()).with_syns();
    run.received("DEMO");
    assert_eq!(run.log().as_deref(), Some("first received 3<DEMO"), "certain wins");

    let mut run = Run::of(vec![&POSSIBLE, &DEMO], Limits::default()).with_syns();
    run.received(&"x".repeat(MAX_PREFIX_BYTES - 1));
    assert_eq!(run.log(), None);
    run.received("xyz");
    let log = run.log().expect("likely");
    assert!(log.ends_with("x 4<x 4<yz"), "{log}");
    let layers = run.streams.application(1, Side::Sent, Moment::default()).expect("recognised");
    assert_eq!(layers.layers[0].certainty, Certainty::Likely);
}

#[test]
fn short_connections_are_decided_at_their_end() {
    let mut run = Run::of(vec![&POSSIBLE, &DEMO], Limits::default()).with_syns();
    run.sent("x");
    assert_eq!(run.log(), None);
    run.streams.close(1, Moment::default());
    assert_eq!(run.log().as_deref(), Some("first sent 3>x end> end<"));
}

#[test]
fn what_is_skipped_is_steered_if_it_is_long() {
    let mut run = Run::new().with_syns();
    run.sent("DEMO+4").sent("abcdefg").sent("+100000").lose(Side::Sent, 100_000).sent("z");
    let log = "first sent 3>DEMO+4 skipped 4 4>efg 5>+100000 skipped 100000 6>z";
    assert_eq!(run.log().as_deref(), Some(log));
    let want = Want::Skip(100_000);
    let steering = |side, want, resume_at| Steering { key: 1, side, want, resume_at };
    let all = [
        steering(Side::Sent, Want::Whole, Some(111)),
        steering(Side::Received, Want::Whole, Some(101)),
        steering(Side::Sent, want, Some(100_121)),
    ];
    assert_eq!(run.streams.take_steering(), all);
    run.sent("!").sent("unwanted").received("unwanted");
    assert!(run.log().expect("kept").ends_with("7>!"));
    let wants = run.streams.take_steering().iter().map(|new| new.want).collect::<Vec<_>>();
    assert_eq!(wants, [Want::NoMore; 2]);
}

#[test]
fn gaps_are_reported_to_the_decoder_and_counted() {
    let mut run = Run::new().with_syns();
    run.sent("DEMO").lose(Side::Sent, 7).sent("behind");
    run.streams.lost(1, Side::Sent, None, Moment::default());
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO gap 7 0>behind"));
    let application =
        run.streams.application(1, Side::Sent, Moment::default()).expect("recognised");
    assert_eq!(application.layers[0].gap_bytes, 7);
    run.lose(Side::Sent, 2).sent("x").streams.close(1, Moment::default());
    assert!(run.log().expect("kept").ends_with(" gap 2 0>x end> end<"));
    run.streams.remove(1);
    assert_eq!(run.streams.counts().assembly.gap_bytes, 9);
    assert_eq!((run.streams.memory(), run.streams.len()), (0, 0));
}

#[test]
fn a_connection_that_began_before_is_recognised_later() {
    let mut run = Run::new();
    run.sent(&"m".repeat(3 * MAX_PREFIX_BYTES)).sent("in the middle DEMO x");
    assert_eq!(run.log().as_deref(), Some("first sent 2>in the middle DEMO x"));

    let mut run = Run::new();
    for _ in 0..100 {
        run.sent(&"m".repeat(MAX_PREFIX_BYTES));
    }
    run.sent("DEMO");
    assert_eq!(run.log(), None, "it is not tried forever");
    assert_eq!(run.streams.counts().unrecognised, 1);
}

#[test]
fn a_gap_among_the_first_bytes_makes_the_rest_a_late_begin() {
    let mut run = Run::new().with_syns();
    run.sent("DE").lose(Side::Sent, 1).sent("xx DEMO");
    run.streams.lost(1, Side::Sent, None, Moment::default());
    assert_eq!(run.log().as_deref(), Some("first sent 0>xx DEMO"));
}

#[test]
fn layers_of_inner_protocols_follow_the_outer_one() {
    let mut run = Run::new().with_syns();
    run.sent("DEMO@");
    let application =
        run.streams.application(1, Side::Sent, Moment::default()).expect("recognised");
    let names = application.layers.iter().map(|layer| &*layer.protocol).collect::<Vec<_>>();
    assert_eq!(names, ["demo", "possible"]);
}

#[test]
fn chunks_in_order_need_no_segments() {
    let mut run = Run::new();
    let at = Moment::default();
    run.streams.chunk(1, Side::Sent, 0, b"DEMO", at);
    run.streams.chunk(1, Side::Sent, 2, b"MOre+5", at);
    run.streams.chunk(1, Side::Sent, 8, b"12345x", at);
    run.streams.chunk(1, Side::Sent, 16, b"y", at);
    let log = "first sent 0>DEMO 0>re+5 skipped 5 0>x gap 2 0>y";
    assert_eq!(run.log().as_deref(), Some(log));
}

#[test]
fn every_bound_refuses_and_counts() {
    let mut run = Run::of(vec![&DEMO], Limits { streams: 1, ..Limits::default() });
    assert!(!run.streams.open(2, Ends::default()));
    assert_eq!(run.streams.counts().streams_refused, 1);

    let mut run =
        Run::of(vec![&DEMO], Limits { recognition_bytes: 10, ..Limits::default() }).with_syns();
    run.sent("D");
    assert_eq!(run.streams.counts().recognitions_dropped, 1);
    assert_eq!(run.streams.memory(), 0);

    let mut run = Run::new().with_syns();
    run.sent("DEMO").sent(&"x".repeat(10_001));
    assert_eq!((run.log(), run.streams.counts().decoders_dropped), (None, 1));
    assert_eq!(run.streams.memory(), 0);

    let mut run = Run::of(vec![&DEMO], Limits { pending_bytes: 10, ..Limits::default() });
    run.segment(Side::Sent, Segment { syn: true, ..Segment::default() });
    run.sent("DEMO").lose(Side::Sent, 3).sent("behind");
    assert_eq!(run.log().as_deref(), Some("first sent 2>DEMO gap 3 3>behind"));
}

#[test]
fn datagrams_are_recognised_one_by_one_and_decoded_whole() {
    let mut run = Run::of(vec![&POSSIBLE, &DEMO], Limits::default());
    let at = |monotonic_us| Moment { monotonic_us, wall_us: 0 };
    run.streams.datagram(1, Side::Sent, b"nothing", 0, at(1));
    run.streams.datagram(1, Side::Received, b"D", 0, at(2));
    assert_eq!(run.log(), None);
    run.streams.datagram(1, Side::Received, b"DEMO", 0, at(3));
    run.streams.datagram(1, Side::Sent, b"", 0, at(4));
    run.streams.datagram(1, Side::Sent, b"cut", 9, at(5));
    run.streams.datagram(1, Side::Sent, b"last!", 0, at(6));
    run.streams.datagram(1, Side::Sent, b"unwanted", 0, at(7));
    assert_eq!(run.log().as_deref(), Some("flow 3<DEMO 4> 5>cut gap 9 6>last!"));
    assert_eq!(run.streams.take_changed(), [1]);
    let wants = run.steering().iter().map(|new| new.want).collect::<Vec<_>>();
    assert_eq!(wants, [Want::NoMore; 2]);
    assert!(run.streams.decoding_memory() > 0);
    run.streams.remove(1);
    assert_eq!(run.streams.memory(), 0);

    let mut run = Run::new();
    for _ in 0..100 {
        run.streams.datagram(1, Side::Sent, b"encrypted", 0, at(1));
    }
    assert_eq!((run.log(), run.streams.counts().unrecognised_flows), (None, 1));
    let wants = run.steering().iter().map(|new| new.want).collect::<Vec<_>>();
    assert_eq!(wants, [Want::NoMore; 2]);
}

#[test]
fn the_end_of_an_unwanted_side_is_reported() {
    let mut run = Run::new().with_syns();
    run.sent("DEMO!").sent("unwanted");
    run.segment(Side::Received, Segment { fin: true, ..Segment::default() });
    run.segment(Side::Sent, Segment { fin: true, bytes: b"x", ..Segment::default() });
    run.streams.close(1, Moment::default());
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO! end< end>"));

    // Behind a gap when the side becomes unwanted.
    let mut run = Run::new().with_syns();
    run.sent("DEMO").lose(Side::Sent, 1);
    run.segment(Side::Sent, Segment { fin: true, ..Segment::default() });
    assert!(!run.log().expect("recognised").contains("end"));
    run.received("!");
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO 5<! end>"));
}

#[test]
fn a_skip_longer_than_the_largest_window_goes_on() {
    let mut run = Run::new().with_syns();
    // 3 GiB, of which the source hands over the first byte behind each GiB.
    run.sent("DEMO+3221225472");
    for _ in 0..3 {
        let steering = run.steering();
        let [Steering { want: Want::Skip(bytes), resume_at: Some(at), .. }] = steering[..] else {
            panic!("{steering:?}")
        };
        assert!((MAX_AHEAD - 2..=MAX_AHEAD).contains(&bytes));
        run.next[0] = at;
        run.sent("x");
    }
    run.sent("y");
    let log = run.log().expect("recognised");
    let skipped = log
        .split(" skipped ")
        .skip(1)
        .map(|text| text.split(' ').next().expect("a number").parse::<u64>().expect("a number"));
    assert_eq!(skipped.sum::<u64>(), 3 << 30);
    assert!(log.ends_with(" 6>x 7>y"), "{log}");
}

#[test]
fn a_skip_begins_behind_what_the_source_has_handed_over_already() {
    let mut run = Run::new().with_syns();
    run.sent("DEMO").lose(Side::Sent, 7);
    // Behind the gap, and part of what is skipped.
    for _ in 0..10 {
        run.sent(&"x".repeat(5000));
    }
    run.next[0] -= 50_007;
    run.sent("+100000");
    run.next[0] += 50_000;
    let want = Want::Skip(50_000);
    let steering = Steering { key: 1, side: Side::Sent, want, resume_at: Some(100_112) };
    assert_eq!(run.steering(), [steering]);
}

#[test]
fn a_decoder_resumes_once_the_receiver_acknowledged_what_was_lost() {
    let lossy = || {
        let mut run = Run::new().with_syns();
        run.sent("DEMO").lose(Side::Sent, 7).sent("behind").acknowledge(Side::Received);
        assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO"));
        run
    };
    // By time.
    let mut run = lossy();
    run.now += MAX_GAP_WAIT_US;
    run.acknowledge(Side::Received);
    let log = format!("first sent 3>DEMO gap 7 {0}>behind", run.now);
    assert_eq!(run.log(), Some(log));
    run.streams.remove(1);
    let counts = run.streams.counts().assembly;
    assert_eq!((counts.gaps_acknowledged, counts.gaps_given_up, counts.gap_bytes), (1, 0, 7));
    // By segments.
    let mut run = lossy();
    for _ in 0..MAX_GAP_SEGMENTS - 1 {
        run.acknowledge(Side::Received);
    }
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO"));
    run.received("x");
    assert!(run.log().expect("kept").contains(" gap 7 "));
    // What comes late within that time is in order.
    let mut run = lossy();
    run.next[0] -= 13;
    run.sent("1234567");
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO 6>1234567 6>behind"));
    // What the receiver did not acknowledge is waited for.
    let mut run = Run::new().with_syns();
    run.sent("DEMO").acknowledge(Side::Received).lose(Side::Sent, 7).sent("behind");
    for _ in 0..2 * MAX_GAP_SEGMENTS {
        run.now += MAX_GAP_WAIT_US;
        run.received("");
    }
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO"));
}

#[test]
fn connections_with_gaps_leave_room_for_others() {
    let mut run = Run::of(vec![&DEMO], Limits { pending_bytes: 4 << 20, ..Limits::default() });
    let at = Moment::default();
    let block = [0; 1 << 16];
    for key in 2..100 {
        run.streams.open(key, Ends::default());
        run.streams.segment(key, Side::Sent, Segment { syn: true, ..Segment::default() }, at);
        let demo = Segment { sequence: 1, bytes: b"DEMO", ..Segment::default() };
        run.streams.segment(key, Side::Sent, demo, at);
        for number in 0..12 {
            let sequence = 100 + (number << 16);
            let segment = Segment { sequence, bytes: &block, ..Segment::default() };
            run.streams.segment(key, Side::Sent, segment, at);
        }
    }
    let mut run = run.with_syns();
    run.sent("DEMO").lose(Side::Sent, 7).sent("behind");
    run.next[0] -= 13;
    run.sent("1234567");
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO 5>1234567 5>behind"));
}

#[test]
fn recognition_takes_no_room_of_decoders() {
    let limits = Limits { recognition_bytes: 20_000, ..Limits::default() };
    let mut run = Run::of(vec![&DEMO], limits).with_syns();
    run.sent("DEMO");
    let at = Moment::default();
    for key in 2..200 {
        run.streams.open(key, Ends::default());
        run.streams.segment(key, Side::Sent, Segment { syn: true, ..Segment::default() }, at);
        let begin = Segment { sequence: 1, bytes: b"DEM", ..Segment::default() };
        run.streams.segment(key, Side::Sent, begin, at);
    }
    let counts = run.streams.counts();
    assert!(counts.recognitions_dropped > 0 && counts.decoders_dropped == 0);
    run.sent("more");
    assert_eq!(run.log().as_deref(), Some("first sent 3>DEMO 4>more"));
}
