//! The body of an answer, in pieces that are handed on as they are.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body as RoutedBody;
use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::held::Ledger;
use crate::seats::{Seat, Stage, StreamSeat};

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    pieces: Content,
    reader: Reader,
}

#[derive(Debug)]
enum Content {
    Pieces(VecDeque<Bytes>),
    Routed { body: RoutedBody, _room: Option<StreamSeat> },
}

/// Who it is for. Its seat is told when the last piece was handed over.
#[derive(Debug)]
struct Reader {
    seat: Arc<Seat>,
    ledger: Arc<Ledger>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.seat.enter(Stage::Rest);
    }
}

impl AnswerBody {
    /// These pieces.
    pub(crate) fn pieces(pieces: Vec<Bytes>, seat: &Arc<Seat>, ledger: &Arc<Ledger>) -> Self {
        let mut pieces: VecDeque<_> = pieces.into();
        pieces.retain(|piece| !piece.is_empty());
        Self::new(Content::Pieces(pieces), seat, ledger)
    }

    /// What a handler made; with room for a stream if it has no known end.
    pub(crate) fn routed(
        body: RoutedBody,
        room: Option<StreamSeat>,
        seat: &Arc<Seat>,
        ledger: &Arc<Ledger>,
    ) -> Self {
        Self::new(Content::Routed { body, _room: room }, seat, ledger)
    }

    fn new(pieces: Content, seat: &Arc<Seat>, ledger: &Arc<Ledger>) -> Self {
        let reader = Reader { seat: Arc::clone(seat), ledger: Arc::clone(ledger) };
        let body = Self { pieces, reader };
        match body.size_hint().exact() {
            Some(bytes) => seat.enter_answer(bytes),
            None => seat.enter(Stage::Stream),
        }
        body
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { pieces, reader } = &mut *self;
        let hold = |piece| reader.ledger.hold(piece, &reader.seat);
        match pieces {
            Content::Pieces(pieces) => {
                Poll::Ready(pieces.pop_front().map(|piece| Ok(Frame::data(hold(piece)))))
            }
            Content::Routed { body, .. } => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(hold)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.pieces {
            Content::Pieces(pieces) => pieces.is_empty(),
            Content::Routed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.pieces {
            Content::Pieces(pieces) => {
                SizeHint::with_exact(pieces.iter().map(|piece| piece.len() as u64).sum())
            }
            Content::Routed { body, .. } => body.size_hint(),
        }
    }
}
