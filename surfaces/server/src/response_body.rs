//! Response bodies.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body as RoutedBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::connection_table::{ClientSlot, Phase};
use crate::in_flight::InFlightBytes;

/// Chunks of known length, passed on without copying.
#[derive(Debug)]
pub(crate) struct Chunks(VecDeque<Bytes>);

impl Chunks {
    pub(crate) fn new(chunks: Vec<Bytes>) -> Self {
        let mut chunks: VecDeque<_> = chunks.into();
        chunks.retain(|chunk| !chunk.is_empty());
        Self(chunks)
    }
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|chunk| Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|chunk| chunk.len() as u64).sum())
    }
}

/// The body of a response on its way to a client: counts the bytes in flight, and moves the client
/// to the next phase when the last chunk is handed over.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    body: RoutedBody,
    reader: Reader,
}

#[derive(Debug)]
struct Reader {
    slot: Arc<ClientSlot>,
    in_flight: Arc<InFlightBytes>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.slot.enter(Phase::Flush);
    }
}

impl ResponseBody {
    pub(crate) fn new(
        body: RoutedBody,
        slot: &Arc<ClientSlot>,
        in_flight: &Arc<InFlightBytes>,
    ) -> Self {
        match body.size_hint().exact() {
            Some(bytes) => slot.enter_answer(bytes),
            None => slot.enter(Phase::Stream),
        }
        let reader = Reader { slot: Arc::clone(slot), in_flight: Arc::clone(in_flight) };
        Self { body, reader }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, reader } = &mut *self;
        let track = |chunk| reader.in_flight.track(chunk, &reader.slot);
        let frame = Pin::new(body).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(track))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
