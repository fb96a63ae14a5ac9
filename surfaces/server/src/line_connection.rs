//! A connection in lines over TCP.
//!
//! Invariant: one line is read, answered and its answer sent before the next is parsed, so a client
//! that sends faster than it reads waits for itself, and at most one line is buffered.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use bytes::{Buf as _, Bytes, BytesMut};
use conns_core::model::Update;
use conns_dialects::LineOutcome;
use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::budget::Grant;
use crate::client_socket::ClientSocket;
use crate::connection_table::{ClientSlot, Phase};
use crate::context::{LineService, ServerContext};
use crate::refusals::Refused;

/// Room made before each read.
const READ_BYTES: usize = 4 << 10;
/// Maximum chunks per write.
const MAX_CHUNKS_PER_WRITE: usize = 16;

/// One client in lines.
pub(crate) struct LineClient {
    pub(crate) context: Arc<ServerContext>,
    pub(crate) service: LineService,
    pub(crate) slot: Arc<ClientSlot>,
}

/// Bytes that were read and not yet answered.
struct Unread {
    bytes: BytesMut,
    /// Length of the prefix without a line terminator.
    searched: usize,
    /// Whether the rest of a line that was too long is skipped.
    skipping: bool,
    grant: Grant,
    is_first: bool,
}

/// The next step after a line.
enum Next {
    Line,
    Read,
    Close,
}

/// Serves a client until either side closes.
pub(crate) async fn serve(client: LineClient, mut socket: ClientSocket) -> io::Result<()> {
    let stopping = client.context.stopping.clone();
    client.slot.set_lines();
    let mut unread = Unread {
        bytes: BytesMut::new(),
        searched: 0,
        skipping: false,
        grant: client.context.bodies.grant(),
        is_first: true,
    };
    loop {
        loop {
            match client.answer_one(&mut unread, &mut socket).await? {
                Next::Line => {}
                Next::Read => break,
                Next::Close => return socket.shutdown().await,
            }
        }
        if unread.bytes.is_empty() {
            // Release the buffer of an idle client.
            unread.bytes = BytesMut::new();
            client.slot.enter(Phase::Idle);
            tokio::select! {
                readable = socket.readable() => readable?,
                () = stopping.cancelled() => return socket.shutdown().await,
            }
        }
        unread.bytes.reserve(READ_BYTES);
        let read = tokio::select! {
            read = socket.read_buf(&mut unread.bytes) => read?,
            () = stopping.cancelled() => return socket.shutdown().await,
        };
        if read == 0 {
            // A line without a terminator is ignored.
            return Ok(());
        }
        let most = client.slot.limits().bodies_bytes;
        if !unread.grant.resize(unread.bytes.len(), most) {
            client.context.refusals.count(Refused::BodiesFull);
            return Ok(());
        }
    }
}

impl LineClient {
    async fn answer_one(&self, unread: &mut Unread, socket: &mut ClientSocket) -> io::Result<Next> {
        // Lines without an answer must not keep a worker busy.
        tokio::task::coop::consume_budget().await;
        let longest = self.service.dialect.longest_line();
        let fresh = unread.bytes.get(unread.searched..).unwrap_or_default();
        let end = fresh.iter().position(|byte| self.service.dialect.ends_line(*byte));
        let Some(end) = end.map(|end| end + unread.searched) else {
            if unread.skipping {
                unread.bytes.clear();
            } else if unread.bytes.len() > longest {
                unread.bytes.clear();
                unread.skipping = true;
                return self.refuse_long(socket).await;
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
            return self.refuse_long(socket).await;
        }
        if std::mem::take(&mut unread.is_first) && is_http(&line) {
            self.context.refusals.count(Refused::HttpOnLines);
            return Ok(Next::Close);
        }
        self.slot.enter(Phase::Work);
        let dialect = Arc::clone(&self.service.dialect);
        let length = line.len();
        let is_brief = |update: &Update| self.service.dialect.is_brief(length, update);
        let answer = self.service.runner.run(is_brief, move |cache| dialect.answer(&line, cache));
        match answer.await {
            Ok(outcome) => self.send(outcome, socket).await,
            Err(_) => Ok(Next::Close),
        }
    }

    async fn refuse_long(&self, socket: &mut ClientSocket) -> io::Result<Next> {
        self.context.refusals.count(Refused::LineTooLong);
        self.send(self.service.dialect.line_too_long(), socket).await
    }

    async fn send(&self, outcome: LineOutcome, socket: &mut ClientSocket) -> io::Result<Next> {
        if !outcome.chunks.is_empty() {
            let bytes = outcome.chunks.iter().map(|chunk| chunk.len() as u64).sum();
            self.slot.enter_answer(bytes);
            let track = |chunk| self.context.in_flight.track(chunk, &self.slot);
            write_all(socket, outcome.chunks.into_iter().map(track).collect()).await?;
        }
        // Part of the next line may be buffered; its deadline starts now.
        self.slot.enter(Phase::Head);
        Ok(if outcome.close { Next::Close } else { Next::Line })
    }
}

/// Whether a line is a request line of HTTP (RFC 9112 section 3). A page in a browser can post to any
/// port, and its body would be read as lines; no command looks like a request line.
fn is_http(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    [b" HTTP/1.1", b" HTTP/1.0"].iter().any(|version| line.ends_with(*version))
}

async fn write_all(
    socket: &mut (impl AsyncWrite + Unpin),
    mut chunks: VecDeque<Bytes>,
) -> io::Result<()> {
    chunks.retain(|chunk| !chunk.is_empty());
    while !chunks.is_empty() {
        let slices: Vec<_> =
            chunks.iter().take(MAX_CHUNKS_PER_WRITE).map(|chunk| IoSlice::new(chunk)).collect();
        let mut written = socket.write_vectored(&slices).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        while let Some(first) = chunks.front_mut() {
            let taken = written.min(first.len());
            first.advance(taken);
            written -= taken;
            if !first.is_empty() {
                break;
            }
            chunks.pop_front();
        }
    }
    Ok(())
}
