//! A connection of RTMP behind its handshake.

use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Limits, RTMP, Side, Streams};
use conns_core::model::{Moment, Scalar};

/// Version and 1536 bytes; an answer of 1536 bytes follows.
const HELLO: usize = 1 + 1536;

/// The side of a step.
pub fn side(kind: u8) -> Side {
    if kind & 1 == 0 { Side::Sent } else { Side::Received }
}

/// A connection whose client is this end.
pub struct Connection {
    streams: Streams<u8>,
    next: [u32; 2],
    now: Moment,
}

impl Connection {
    /// Both SYNs and both handshakes.
    pub fn new() -> Self {
        let mut streams = Streams::new(vec![&RTMP], Limits::default());
        let ends = Ends { opener: Some(Side::Sent), ..Ends::default() };
        assert!(streams.open(0, ends));
        let mut new = Self { streams, next: [u32::MAX - 5000; 2], now: Moment::default() };
        for side in Side::ALL {
            new.segment(side, Segment { syn: true, ..Segment::default() });
            new.lose(side, 1);
        }
        // A client waits for the server before it sends the second half.
        let mut hello = vec![0; HELLO];
        hello[0] = 3;
        new.send(Side::Sent, &hello);
        new.send(Side::Received, &hello);
        for side in [Side::Received, Side::Sent] {
            new.send(side, &[0; HELLO - 1]);
        }
        assert!(new.streams.application(0, Side::Sent, new.now).is_some(), "it is recognised");
        new
    }

    fn number(&mut self, side: Side) -> &mut u32 {
        &mut self.next[usize::from(side == Side::Received)]
    }

    fn segment(&mut self, side: Side, segment: Segment<'_>) {
        let ack = Some(*self.number(side.other()));
        let sequence = *self.number(side);
        self.streams.segment(0, side, Segment { sequence, ack, ..segment }, self.now);
    }

    /// Payload that follows.
    pub fn send(&mut self, side: Side, bytes: &[u8]) {
        self.segment(side, Segment { bytes, ..Segment::default() });
        self.lose(side, bytes.len() as u32);
    }

    /// A segment of which only the length is known.
    pub fn cut(&mut self, side: Side, cut: u32) {
        self.segment(side, Segment { cut, ..Segment::default() });
        self.lose(side, cut);
    }

    /// Bytes that are not seen.
    pub fn lose(&mut self, side: Side, bytes: u32) {
        let number = self.number(side);
        *number = number.wrapping_add(bytes);
    }

    /// Time passes.
    pub fn wait(&mut self, micros: u64) {
        self.now.monotonic_us += micros;
        self.now.wall_us += micros as i64;
    }

    /// What is held is bounded, and every value is of its field, without control characters.
    pub fn check(&mut self) {
        let memory = self.streams.decoding_memory();
        assert!(memory <= RTMP.stream.as_ref().expect("a stream protocol").max_memory, "{memory}");
        for side in Side::ALL {
            let Some(application) = self.streams.application(0, side, self.now) else { continue };
            for layer in &application.layers {
                assert_eq!(layer.values.len(), RTMP.fields.len());
                for value in &layer.values {
                    if let Some(Scalar::Text(text)) = value.value() {
                        assert!(
                            text.len() <= 1024 && !text.chars().any(char::is_control),
                            "{text:?}"
                        );
                    }
                }
            }
        }
    }

    /// Everything is released.
    pub fn end(mut self) {
        self.streams.close(0, self.now);
        self.check();
        self.streams.take_changed();
        self.streams.take_steering();
        self.streams.remove(0);
        assert_eq!((self.streams.memory(), self.streams.len()), (0, 0));
    }
}
