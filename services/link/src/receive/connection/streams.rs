//! Streams of a sender: manifests, chunks and hashes.

use std::sync::Arc;

use conns_transfer::frames::{Content, MAX_STREAM_HEADER_BYTES, StreamHeader, TransferId};
use conns_transfer::manifest::MAX_MANIFEST_BYTES;
use conns_transfer::tree::{CHUNK_BYTES, Hash};
use quinn::RecvStream;
use tokio::sync::mpsc;

use super::super::writer::Command;
use super::{GREETING, PROTOCOL_ERROR, Refusal, Session, lock};

impl Session {
    /// Accepts streams; returns why there is no further one.
    pub(super) async fn accept_streams(self: Arc<Self>) -> String {
        loop {
            let stream = match self.state.connection.accept_uni().await {
                Ok(stream) => stream,
                Err(error) => return error.to_string(),
            };
            let session = Arc::clone(&self);
            tokio::spawn(async move {
                if let Err(Refusal(code, why)) = session.read_stream(stream).await {
                    session.state.connection.close(code, why.as_bytes());
                }
            });
        }
    }

    async fn read_stream(&self, mut stream: RecvStream) -> Result<(), Refusal> {
        let mut buffer = Vec::new();
        let (header, header_bytes) = loop {
            if let Some((header, length)) = StreamHeader::decode(&buffer)? {
                buffer.drain(..length);
                break (header, length);
            }
            match stream.read_chunk(MAX_STREAM_HEADER_BYTES - buffer.len(), true).await {
                Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
                // A stream that the sender gave up.
                Ok(None) | Err(_) => return Ok(()),
            }
        };
        match header {
            StreamHeader::Manifest { transfer, bytes } => {
                let limit = usize::try_from(bytes.min(MAX_MANIFEST_BYTES)).unwrap_or(0);
                let Some(bytes) = read_rest(stream, buffer, limit).await? else { return Ok(()) };
                self.manifest(transfer, bytes).await
            }
            StreamHeader::Chunk(header) => {
                let length = match header.content {
                    Content::Data => header.bytes,
                    Content::Zeros => 0,
                };
                let length = usize::try_from(length.min(CHUNK_BYTES)).unwrap_or(0);
                let read = read_any_order(stream, header_bytes, buffer, length).await?;
                let Some(bytes) = read else { return Ok(()) };
                self.command(header.transfer, Command::Chunk(header, bytes)).await;
                Ok(())
            }
            StreamHeader::Roots { transfer } => {
                let limit = conns_transfer::manifest::MAX_ENTRIES * 32;
                let read = read_rest_at_most(stream, buffer, limit).await?;
                let Some(bytes) = read else { return Ok(()) };
                let (hashes, rest) = bytes.as_chunks::<32>();
                if !rest.is_empty() {
                    let why = "a list of hashes ends within a hash";
                    return Err(Refusal(PROTOCOL_ERROR, why.to_owned()));
                }
                let roots = hashes.iter().map(|hash| Hash(*hash)).collect();
                self.command(transfer, Command::Roots(roots)).await;
                Ok(())
            }
        }
    }

    /// Hands a command to the writer of a transfer; that of a transfer which ended is dropped.
    async fn command(&self, transfer: TransferId, command: Command) {
        if let Some(commands) = self.commands_of(transfer).await {
            let _ = commands.send(command).await;
        }
    }

    /// The writer of a transfer; waits for its offer, since streams overtake each other.
    async fn commands_of(&self, transfer: TransferId) -> Option<mpsc::Sender<Command>> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let found =
                    lock(&self.state.transfers).get(&transfer).and_then(|of| of.commands.clone());
                if found.is_some() {
                    return found;
                }
                changed.await;
            }
        };
        tokio::time::timeout(GREETING, wait).await.ok().flatten()
    }
}

/// The rest of a stream, of exactly `length` bytes; `None` if the sender gave it up.
async fn read_rest(
    stream: RecvStream,
    buffer: Vec<u8>,
    length: usize,
) -> Result<Option<Vec<u8>>, Refusal> {
    let read = read_rest_at_most(stream, buffer, length).await?;
    match read {
        Some(bytes) if bytes.len() != length => {
            let why = format!("a stream has {} bytes, and its header states {length}", bytes.len());
            Err(Refusal(PROTOCOL_ERROR, why))
        }
        read => Ok(read),
    }
}

/// The rest of a chunk stream, `length` bytes behind the header, in the order in which packets arrive: bytes that wait for
/// a lost packet would use up the receive window of the connection. `None` if the sender gave it up.
async fn read_any_order(
    mut stream: RecvStream,
    header_bytes: usize,
    buffer: Vec<u8>,
    length: usize,
) -> Result<Option<Vec<u8>>, Refusal> {
    let wrong = || {
        let why = format!("a chunk does not have the {length} bytes that its header states");
        Refusal(PROTOCOL_ERROR, why)
    };
    let mut read = buffer.len();
    let mut bytes = buffer;
    bytes.resize(length.max(read), 0);
    if read > length {
        return Err(wrong());
    }
    loop {
        match stream.read_chunk(length + 1, false).await {
            Ok(Some(chunk)) => {
                let from =
                    usize::try_from(chunk.offset).ok().and_then(|at| at.checked_sub(header_bytes));
                let place = from.and_then(|from| bytes.get_mut(from..from + chunk.bytes.len()));
                place.ok_or_else(wrong)?.copy_from_slice(&chunk.bytes);
                // quinn hands out each byte once.
                read += chunk.bytes.len();
            }
            Ok(None) if read == length => return Ok(Some(bytes)),
            Ok(None) => return Err(wrong()),
            Err(_) => return Ok(None),
        }
    }
}

async fn read_rest_at_most(
    mut stream: RecvStream,
    mut buffer: Vec<u8>,
    limit: usize,
) -> Result<Option<Vec<u8>>, Refusal> {
    loop {
        if buffer.len() > limit {
            return Err(Refusal(
                PROTOCOL_ERROR,
                "a stream is longer than its header states".to_owned(),
            ));
        }
        match stream.read_chunk(limit + 1 - buffer.len(), true).await {
            Ok(Some(chunk)) => buffer.extend_from_slice(&chunk.bytes),
            Ok(None) => return Ok(Some(buffer)),
            Err(_) => return Ok(None),
        }
    }
}
