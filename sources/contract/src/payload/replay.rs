//! A payload source that replays a list of chunks, for tests and for capture files.

use std::collections::{HashMap, VecDeque};

use conns_core::model::{ConnectionId, Loss, LossCause, Moment, Source};

use super::{Chunk, PayloadSource, Side, Want};

/// A chunk that owns its bytes.
struct Recorded {
    connection: ConnectionId,
    side: Side,
    position: u64,
    bytes: Box<[u8]>,
    at: Moment,
}

/// How far one side of a connection is.
#[derive(Default)]
struct Progress {
    is_wanted: bool,
    /// The bytes before this position are skipped.
    skip_until: u64,
    /// The end of the chunk handed over or skipped last.
    position: u64,
}

/// Hands over recorded chunks once their moment is reached, each at most once.
#[derive(Default)]
pub struct ReplaySource {
    chunks: VecDeque<Recorded>,
    sides: HashMap<(ConnectionId, Side), Progress>,
    dropped: u64,
}

impl ReplaySource {
    /// A source without chunks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a chunk. Chunks are handed over in the order they are appended.
    pub fn push(&mut self, chunk: Chunk<'_>) {
        let Chunk { connection, side, position, bytes, at } = chunk;
        self.chunks.push_back(Recorded { connection, side, position, bytes: bytes.into(), at });
    }

    /// Notes that `bytes` of payload were lost, as a source under pressure does.
    pub fn lose(&mut self, bytes: u64) {
        self.dropped += bytes;
    }

    /// Whether every chunk was handed over or passed over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.chunks.is_empty()
    }
}

impl PayloadSource for ReplaySource {
    fn drain(&mut self, now: Moment, sink: &mut dyn FnMut(Chunk<'_>)) -> Vec<Loss> {
        let is_due = |chunk: &mut Recorded| chunk.at.monotonic_us <= now.monotonic_us;
        while let Some(chunk) = self.chunks.pop_front_if(is_due) {
            let Recorded { connection, side, position, bytes, at } = &chunk;
            let progress = self.sides.entry((*connection, *side)).or_default();
            let end = position.saturating_add(bytes.len() as u64);
            let skipped = progress.skip_until.saturating_sub(*position);
            let rest = usize::try_from(skipped).ok().and_then(|skipped| bytes.get(skipped..));
            progress.position = progress.position.max(end);
            match rest {
                Some(rest) if progress.is_wanted && !rest.is_empty() => sink(Chunk {
                    connection: *connection,
                    side: *side,
                    position: position + skipped,
                    bytes: rest,
                    at: *at,
                }),
                _ => {}
            }
        }
        let dropped = std::mem::take(&mut self.dropped);
        Loss::counted(Source::Derived, LossCause::PayloadDropped, dropped).into_iter().collect()
    }

    fn steer(&mut self, wants: &[(ConnectionId, Side, Want)]) {
        for (connection, side, want) in wants {
            let progress = self.sides.entry((*connection, *side)).or_default();
            (progress.is_wanted, progress.skip_until) = match want {
                Want::Whole => (true, 0),
                Want::Skip(bytes) => (true, progress.position.saturating_add(*bytes)),
                Want::NoMore => (false, 0),
            };
        }
    }
}
