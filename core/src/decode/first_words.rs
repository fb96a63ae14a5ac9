//! The decoder of protocols of which only what both ends state first is read: names and versions of
//! software, in a few lines or messages.

use std::fmt;

use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown};

use super::{BothSides, Decoder, Side, Want, field};

/// Most bytes of each side that are read.
pub(super) const MAX_FIRST_BYTES: usize = 2048;
/// The most that a decoder holds: the bytes of both sides, whose buffers may have grown to twice of what
/// they need.
pub(super) const MAX_MEMORY: u64 = 4 * MAX_FIRST_BYTES as u64 + 1024;

/// A field of text that is in clear.
pub(super) const fn text_field(
    name: &'static str,
    meaning: &'static str,
    origin: &'static str,
) -> FieldSpec {
    field(name, Kind::Text, meaning, origin)
}

/// What is read of the first bytes, as the end that sent the first of both has it: a text for each field,
/// `None` if it is not there (yet). The second part is whether more bytes may change that.
pub(super) type Read = fn(first: &[u8], second: &[u8]) -> (Vec<Option<String>>, bool);

/// One connection.
pub(super) struct FirstWords {
    read: Read,
    /// The side that `read` gets first.
    first: Side,
    /// Of each field for the end that sends the first side, the index of that for the other end.
    seen_from_other: &'static [usize],
    kept: BothSides<Vec<u8>>,
    texts: Vec<Option<String>>,
    is_done: bool,
    is_missed: bool,
}

impl fmt::Debug for FirstWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstWords").field("texts", &self.texts).finish_non_exhaustive()
    }
}

impl FirstWords {
    /// Hands `read` the bytes of `first` and of the other side. `seen_from_other` has for each field the
    /// index of the text that the other end has there.
    pub(super) fn new(first: Side, seen_from_other: &'static [usize], read: Read) -> Self {
        let texts = Vec::new();
        let (kept, is_done, is_missed) = (BothSides::default(), false, false);
        Self { read, first, seen_from_other, kept, texts, is_done, is_missed }
    }

    fn finish(&mut self) {
        self.is_done = true;
        self.kept = BothSides::default();
    }
}

impl Decoder for FirstWords {
    fn data(&mut self, side: Side, bytes: &[u8], _at: Moment) {
        if self.is_done {
            return;
        }
        let kept = self.kept.of_mut(side);
        let room = MAX_FIRST_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        let is_full = kept.len() >= MAX_FIRST_BYTES;
        let may_change;
        (self.texts, may_change) =
            (self.read)(self.kept.of(self.first), self.kept.of(self.first.other()));
        if is_full || !may_change {
            self.finish();
        }
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, _side: Side, _bytes: u64, _at: Moment) {
        self.is_missed |= !self.is_done;
        self.finish();
    }

    fn want(&self, _side: Side) -> Want {
        if self.is_done { Want::NoMore } else { Want::Whole }
    }

    fn values(&self, seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let missing =
            if self.is_missed { Unknown::SourceDoesNotReport } else { Unknown::NothingMeasured };
        let value = |(index, other): (usize, &usize)| {
            let index = if seen_from == self.first { index } else { *other };
            match self.texts.get(index).and_then(Option::as_ref) {
                Some(text) => Known::Value(Scalar::Text(text.as_str().into()), Source::Wire),
                None => Known::Unknown(missing),
            }
        };
        self.seen_from_other.iter().enumerate().map(value).collect()
    }

    fn memory(&self) -> u64 {
        let texts = self.texts.iter().flatten().map(|text| text.capacity() + size_of::<String>());
        let kept = self.kept.sent.capacity() + self.kept.received.capacity();
        (size_of::<Self>() + kept + texts.sum::<usize>()) as u64
    }
}
