//! A conversation in lines over TCP.
//!
//! The one idea: one line at a time is read, answered, and its answer sent before the next is looked at; so a
//! client that sends faster than it reads waits for itself, and only the longest line is ever held.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use conns_dialects::{LineDialect, LineOutcome};
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::watch;

use crate::budget::Grant;
use crate::refusals::Refused;
use crate::seats::{Seat, Stage};
use crate::serve::House;
use crate::web::stopped;
use crate::wire::Wire;

/// Room made before each read.
const READ_BYTES: usize = 4 << 10;
/// Most pieces given to the kernel at once.
const PIECES_AT_ONCE: usize = 16;

/// One client that speaks in lines.
pub(crate) struct LineClient {
    pub(crate) house: Arc<House>,
    pub(crate) dialect: Arc<dyn LineDialect>,
    pub(crate) seat: Arc<Seat>,
}

/// What was read and not yet answered.
struct Unread {
    bytes: BytesMut,
    /// So many of them are known not to end a line.
    searched: usize,
    /// The rest of a line that was too long is coming.
    skipping: bool,
    grant: Grant,
    is_first: bool,
}

/// What to do after a line.
enum Next {
    Line,
    Read,
    Close,
}

/// Speaks in lines with a client until one of the two has enough.
pub(crate) async fn converse(
    client: LineClient,
    mut wire: Wire,
    stopping: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    client.seat.speaks_lines();
    let mut unread = Unread {
        bytes: BytesMut::new(),
        searched: 0,
        skipping: false,
        grant: client.house.bodies.grant(),
        is_first: true,
    };
    loop {
        loop {
            match client.answer_one(&mut unread, &mut wire).await? {
                Next::Line => {}
                Next::Read => break,
                Next::Close => return wire.shutdown().await,
            }
        }
        if unread.bytes.is_empty() {
            // Nothing is kept for a client that only stays.
            unread.bytes = BytesMut::new();
            client.seat.enter(Stage::Idle);
            tokio::select! {
                readable = wire.readable() => readable?,
                () = stopped(stopping) => return wire.shutdown().await,
            }
        }
        unread.bytes.reserve(READ_BYTES);
        let read = tokio::select! {
            read = wire.read_buf(&mut unread.bytes) => read?,
            () = stopped(stopping) => return wire.shutdown().await,
        };
        if read == 0 {
            // A line without an end is none.
            return Ok(());
        }
        let most = client.seat.limits().bodies_bytes;
        if !unread.grant.resize(unread.bytes.len(), most) {
            client.house.refusals.count(Refused::BodiesFull);
            return Ok(());
        }
    }
}

impl LineClient {
    async fn answer_one(&self, unread: &mut Unread, wire: &mut Wire) -> io::Result<Next> {
        // A client that sends nothing but lines without an answer must not keep a worker.
        tokio::task::coop::consume_budget().await;
        let longest = self.dialect.longest_line();
        let fresh = unread.bytes.get(unread.searched..).unwrap_or_default();
        let end = fresh.iter().position(|byte| self.dialect.ends_line(*byte));
        let Some(end) = end.map(|end| end + unread.searched) else {
            if unread.skipping {
                unread.bytes.clear();
            } else if unread.bytes.len() > longest {
                unread.bytes.clear();
                unread.skipping = true;
                return self.refuse_long(wire).await;
            }
            unread.searched = unread.bytes.len();
            return Ok(Next::Read);
        };
        let line = unread.bytes.split_to(end);
        unread.bytes.advance(1);
        unread.searched = 0;
        if std::mem::take(&mut unread.skipping) {
            return Ok(Next::Line);
        }
        if line.len() > longest {
            return self.refuse_long(wire).await;
        }
        if std::mem::take(&mut unread.is_first) && is_http(&line) {
            self.house.refusals.count(Refused::HttpOnLines);
            return Ok(Next::Close);
        }
        self.seat.enter(Stage::Work);
        let outcome = self.dialect.answer(&line, &self.house.caches.latest());
        drop(line);
        self.send(outcome, wire).await
    }

    async fn refuse_long(&self, wire: &mut Wire) -> io::Result<Next> {
        self.house.refusals.count(Refused::LineTooLong);
        self.send(self.dialect.line_too_long(), wire).await
    }

    async fn send(&self, outcome: LineOutcome, wire: &mut Wire) -> io::Result<Next> {
        if !outcome.pieces.is_empty() {
            let bytes = outcome.pieces.iter().map(|piece| piece.len() as u64).sum();
            self.seat.enter_answer(bytes);
            let hold = |piece| self.house.ledger.hold(piece, &self.seat);
            write_all(wire, outcome.pieces.into_iter().map(hold).collect()).await?;
        }
        // The next line may already be there in part; its time begins now.
        self.seat.enter(Stage::Head);
        Ok(if outcome.close { Next::Close } else { Next::Line })
    }
}

/// A page in a browser can post to any port, and its body would be read as lines. No command looks
/// like the first line of a request (RFC 9112 section 3).
fn is_http(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    [b" HTTP/1.1", b" HTTP/1.0"].iter().any(|version| line.ends_with(*version))
}

async fn write_all(
    wire: &mut (impl AsyncWrite + Unpin),
    mut pieces: VecDeque<Bytes>,
) -> io::Result<()> {
    pieces.retain(|piece| !piece.is_empty());
    while !pieces.is_empty() {
        let slices: Vec<_> =
            pieces.iter().take(PIECES_AT_ONCE).map(|piece| IoSlice::new(piece)).collect();
        let mut written = wire.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = pieces.front_mut() {
            let taken = written.min(first.len());
            first.advance(taken);
            written -= taken;
            if !first.is_empty() {
                break;
            }
            pieces.pop_front();
        }
    }
    Ok(())
}
