//! The contract of decoders, by a made-up protocol that writes down what it is handed.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests panic")]

use conns_core::decode::assembly::Segment;
use conns_core::decode::{
    Decoder, Ends, Inner, Limits, MAX_PREFIX_BYTES, Opening, Probe, ProtocolSpec, Side, Steering,
    StreamProtocol, Streams, Want,
};
use conns_core::model::{Certainty, FieldSpec, Kind, Known, Moment, Scalar, Source};

static DEMO: ProtocolSpec = ProtocolSpec {
    name: "demo",
    meaning: "made up",
    fields: &[FieldSpec::new("demo.log", Kind::Text, "What it was handed.", "made up")],
    stream: Some(StreamProtocol { probe, decoder, max_memory: 10_000 }),
};

static POSSIBLE: ProtocolSpec = ProtocolSpec {
    name: "possible",
    meaning: "never certain",
    fields: &[],
    stream: Some(StreamProtocol { probe: |_| Probe::Maybe, decoder, max_memory: 10_000 }),
};

/// DEMO at the begin, or anywhere if the begin was not seen.
fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    let begins = prefix.bytes.starts_with(b"DEMO");
    if begins || !prefix.is_from_start && prefix.bytes.windows(4).any(|four| four == b"DEMO") {
        Probe::Certain
    } else if b"DEMO".starts_with(prefix.bytes) || !prefix.is_from_start {
        Probe::NeedMore
    } else {
        Probe::NotMine
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    let log = if opening.first == Side::Sent { "first sent" } else { "first received" };
    Box::new(Log { log: log.into(), want: Want::Whole, inner: None })
}

/// `+9` asks to skip nine bytes, `!` wants no more, `@` begins an inner protocol.
#[derive(Debug)]
struct Log {
    log: String,
    want: Want,
    inner: Option<Box<Self>>,
}

impl Decoder for Log {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        let arrow = if side == Side::Sent { '>' } else { '<' };
        let text = String::from_utf8_lossy(bytes);
        self.log.push_str(&format!(" {}{arrow}{text}", at.monotonic_us));
        if let Some((_, count)) = text.rsplit_once('+') {
            self.want = Want::Skip(count.parse().expect("a number"));
        } else if text.ends_with('!') {
            self.want = Want::NoMore;
        } else if text.ends_with('@') {
            let inner = Self { log: "inner".into(), want: Want::Whole, inner: None };
            self.inner = Some(Box::new(inner));
        }
    }

    fn skipped(&mut self, _side: Side, bytes: u64, _at: Moment) {
        self.log.push_str(&format!(" skipped {bytes}"));
        self.want = Want::Whole;
    }

    fn gap(&mut self, _side: Side, bytes: u64, _at: Moment) {
        self.log.push_str(&format!(" gap {bytes}"));
    }

    fn end(&mut self, side: Side, _at: Moment) {
        self.log.push_str(if side == Side::Sent { " end>" } else { " end<" });
    }

    fn want(&self, _side: Side) -> Want {
        self.want
    }

    fn values(&self, seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let text = format!("{} ({seen_from:?})", self.log);
        Box::new([Known::Value(Scalar::Text(text.into()), Source::Wire)])
    }

    fn memory(&self) -> u64 {
        self.log.len() as u64
    }

    fn inner(&self) -> Option<Inner<'_>> {
        let decoder = self.inner.as_deref()?;
        let (protocol, since) = (&POSSIBLE, Moment::default());
        Some(Inner { protocol, certainty: Certainty::Likely, since, decoder })
    }
}

/// One connection of a source, key 1.
struct Run {
    streams: Streams<u8>,
    next: [u32; 2],
    now: u64,
}

impl Run {
    fn new() -> Self {
        Self::of(vec![&DEMO], Limits::default())
    }

    fn of(protocols: Vec<&'static ProtocolSpec>, limits: Limits) -> Self {
        let mut run = Self { streams: Streams::new(protocols, limits), next: [100; 2], now: 0 };
        assert!(run.streams.open(1, Ends::default()));
        run
    }

    fn with_syns(mut self) -> Self {
        for side in Side::ALL {
            self.segment(side, Segment { syn: true, ..Segment::default() });
        }
        self
    }

    /// A segment that follows the one before; one microsecond later.
    fn segment(&mut self, side: Side, segment: Segment<'_>) {
        self.now += 1;
        let at = Moment { monotonic_us: self.now, wall_us: 0 };
        let next = &mut self.next[usize::from(side == Side::Received)];
        self.streams.segment(1, side, Segment { sequence: *next, ..segment }, at);
        *next += segment.bytes.len() as u32 + u32::from(segment.syn);
    }

    fn sent(&mut self, text: &str) -> &mut Self {
        self.segment(Side::Sent, Segment { bytes: text.as_bytes(), ..Segment::default() });
        self
    }

    fn received(&mut self, text: &str) -> &mut Self {
        self.segment(Side::Received, Segment { bytes: text.as_bytes(), ..Segment::default() });
        self
    }

    fn lose(&mut self, side: Side, bytes: u32) -> &mut Self {
        self.next[usize::from(side == Side::Received)] += bytes;
        self
    }

    fn log(&self) -> Option<String> {
        let application = self.streams.application(1, Side::Sent, Moment::default())?;
        let Known::Value(Scalar::Text(log), Source::Wire) = &application.layers[0].values[0] else {
            panic!("{application:?}")
        };
        Some(log.strip_suffix(" (Sent)").expect("seen from the end that sends").to_owned())
    }
}

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

    let mut run = Run::of(vec![&DEMO], Limits { memory: 10, ..Limits::default() }).with_syns();
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
