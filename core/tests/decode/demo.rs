//! A made-up protocol that writes down what it is handed, and one connection that carries it.

use conns_core::decode::assembly::Segment;
use conns_core::decode::{
    DatagramProtocol, Decoder, Ends, Inner, Limits, Opening, Probe, ProtocolSpec, Side, Steering,
    StreamProtocol, Streams, Want,
};
use conns_core::model::{Certainty, FieldSpec, Kind, Known, Moment, Scalar, Source};

pub(crate) static DEMO: ProtocolSpec = ProtocolSpec {
    name: "demo",
    meaning: "made up",
    fields: &[FieldSpec::new("demo.log", Kind::Text, "What it was handed.", "made up")],
    ports: &[7],
    stream: Some(StreamProtocol { probe, decoder, max_memory: 10_000 }),
    datagram: Some(DatagramProtocol {
        probe: |datagram| match datagram.bytes {
            [b'D', b'E', b'M', b'O', ..] => Probe::Certain,
            [b'D', ..] => Probe::NeedMore,
            _ => Probe::NotMine,
        },
        decoder: |_| Box::new(Log { log: "flow".into(), want: Want::Whole, inner: None }),
        max_memory: 10_000,
    }),
};

pub(crate) static POSSIBLE: ProtocolSpec = ProtocolSpec {
    name: "possible",
    meaning: "never certain",
    fields: &[],
    ports: &[],
    stream: Some(StreamProtocol { probe: |_| Probe::Maybe, decoder, max_memory: 10_000 }),
    datagram: None,
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
        self.want = match self.want {
            Want::Skip(wanted) if wanted > bytes => Want::Skip(wanted - bytes),
            _ => Want::Whole,
        };
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
pub(crate) struct Run {
    pub(crate) streams: Streams<u8>,
    pub(crate) next: [u32; 2],
    pub(crate) now: u64,
}

impl Run {
    pub(crate) fn new() -> Self {
        Self::of(vec![&DEMO], Limits::default())
    }

    pub(crate) fn of(protocols: Vec<&'static ProtocolSpec>, limits: Limits) -> Self {
        let mut run = Self { streams: Streams::new(protocols, limits), next: [100; 2], now: 0 };
        assert!(run.streams.open(1, Ends::default()));
        run
    }

    pub(crate) fn with_syns(mut self) -> Self {
        for side in Side::ALL {
            self.segment(side, Segment { syn: true, ..Segment::default() });
        }
        self
    }

    /// A segment that follows the one before; one microsecond later.
    pub(crate) fn segment(&mut self, side: Side, segment: Segment<'_>) {
        self.now += 1;
        let at = Moment { monotonic_us: self.now, wall_us: 0 };
        let next = &mut self.next[usize::from(side == Side::Received)];
        self.streams.segment(1, side, Segment { sequence: *next, ..segment }, at);
        *next += segment.bytes.len() as u32 + u32::from(segment.syn);
    }

    pub(crate) fn sent(&mut self, text: &str) -> &mut Self {
        self.segment(Side::Sent, Segment { bytes: text.as_bytes(), ..Segment::default() });
        self
    }

    pub(crate) fn received(&mut self, text: &str) -> &mut Self {
        self.segment(Side::Received, Segment { bytes: text.as_bytes(), ..Segment::default() });
        self
    }

    /// A segment without payload that acknowledges everything that the other side sent.
    pub(crate) fn acknowledge(&mut self, side: Side) -> &mut Self {
        let ack = Some(self.next[usize::from(side == Side::Sent)]);
        self.segment(side, Segment { ack, ..Segment::default() });
        self
    }

    pub(crate) fn lose(&mut self, side: Side, bytes: u32) -> &mut Self {
        self.next[usize::from(side == Side::Received)] += bytes;
        self
    }

    /// What is new of it, but that everything is wanted.
    pub(crate) fn steering(&mut self) -> Vec<Steering<u8>> {
        let mut steering = self.streams.take_steering();
        steering.retain(|new| new.want != Want::Whole);
        steering
    }

    pub(crate) fn log(&self) -> Option<String> {
        let application = self.streams.application(1, Side::Sent, Moment::default())?;
        let Known::Value(Scalar::Text(log), Source::Wire) = &application.layers[0].values[0] else {
            panic!("{application:?}")
        };
        Some(log.strip_suffix(" (Sent)").expect("seen from the end that sends").to_owned())
    }
}
