//! One transfer on a connection: offers it, sends its chunks, and follows what the receiver reports.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conns_transfer::chunks::{Chunk, Chunks};
use conns_transfer::frames::{
    ChunkHeader, Content, Failure, FailureCode, Frame, Offer, StreamHeader, TransferId,
};
use conns_transfer::manifest::{Entry, Manifest};
use conns_transfer::names::RelativePath;
use conns_transfer::ranges::Ranges;
use conns_transfer::tree::{Hash, Tree};
use quinn::{Connection, SendStream, VarInt};
use tokio::sync::{mpsc, watch};

use super::source::{self, Read, Reader, Request, SourceError};
use crate::store::{Sent, Source, Store, TransferRow};

/// Bytes of a chunk that are handed to quinn at once.
const WRITE_BYTES: usize = 256 << 10;

/// How a transfer ended on this connection.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The receiver has committed it.
    Committed,
    /// It failed for good.
    Failed(String),
    /// It is tried again later: the receiver's disk is full, or the connection ended.
    Later(String),
    /// The source changed; it begins again.
    Changed(String),
    /// It was stopped from outside, which has set its state.
    Stopped,
}

/// What is known of a running transfer while it runs.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) chunks: Option<Arc<Chunks>>,
    pub(super) durable: Ranges,
    pub(super) durable_bytes: u64,
    /// What was sent on this connection.
    pub(super) sent: Sent,
    pub(super) accepted: bool,
}

/// What a transfer needs.
pub(super) struct Run {
    pub(super) id: TransferId,
    pub(super) row: TransferRow,
    pub(super) manifest: Manifest,
    pub(super) sources: Vec<Source>,
    pub(super) store: Store,
    pub(super) connection: Connection,
    pub(super) control: mpsc::UnboundedSender<Frame>,
    pub(super) frames: mpsc::UnboundedReceiver<Frame>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) progress: Arc<Mutex<Progress>>,
}

/// The manifest as the receiver sees it: below the folder of the transfer.
pub(super) fn below(manifest: &Manifest, folder: &[u8]) -> Result<Manifest, String> {
    if folder.is_empty() {
        return Ok(manifest.clone());
    }
    let moved: Result<Vec<Entry>, String> = manifest
        .entries()
        .iter()
        .map(|entry| {
            let path = [folder, b"/", entry.path.as_bytes()].concat();
            let path = RelativePath::new(&path).map_err(|error| error.to_string())?;
            Ok(Entry { path, ..entry.clone() })
        })
        .collect();
    Manifest::new(moved?).map_err(|error| error.to_string())
}

impl Run {
    /// Runs the transfer to its end on this connection.
    pub(super) async fn run(mut self) -> Outcome {
        let mut stop = self.stop.clone();
        let id = self.id;
        let control = self.control.clone();
        let outcome = tokio::select! {
            outcome = self.send() => outcome,
            // The sender of the channel is dropped only after the transfer ended.
            _ = stop.wait_for(|stop| *stop) => Outcome::Stopped,
        };
        if !matches!(outcome, Outcome::Committed) {
            let text = String::new();
            let _ = control.send(Frame::Failed(id, Failure { code: FailureCode::Cancelled, text }));
        }
        outcome
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&mut self) -> Outcome {
        let manifest = self.manifest.encode();
        let chunks = Arc::new(Chunks::new(&self.manifest));
        self.progress().chunks = Some(Arc::clone(&chunks));
        // The first attempt sends the manifest at once; later ones only if the receiver has lost it.
        let is_first = self.row.started_us.is_none();
        let follows = is_first || self.row.durable.is_empty();
        let offer = Frame::Offer(Offer {
            transfer: self.id,
            uid: self.row.uid,
            manifest: Hash(*blake3::hash(&manifest).as_bytes()),
            manifest_bytes: manifest.len() as u64,
            overwrite: self.row.overwrite,
            manifest_follows: follows,
            priority: self.row.priority,
        });
        if self.control.send(offer).is_err() {
            return connection_lost(&self.connection);
        }
        if follows && let Err(outcome) = self.send_manifest(&manifest).await {
            return outcome;
        }
        // Nothing can be durable before the first attempt, so its chunks do not wait for an answer.
        let durable = if is_first {
            Ranges::default()
        } else {
            match self.accepted(&manifest).await {
                Ok(durable) => durable,
                Err(outcome) => return outcome,
            }
        };
        drop(manifest);
        self.send_chunks(chunks, durable).await
    }

    /// Waits until the receiver accepts, and reports what is durable.
    async fn accepted(&mut self, manifest: &[u8]) -> Result<Ranges, Outcome> {
        loop {
            match self.frames.recv().await {
                None => return Err(connection_lost(&self.connection)),
                Some(Frame::Accepted(_, durable)) => return Ok(durable),
                Some(Frame::Committed(_)) => return Err(Outcome::Committed),
                Some(Frame::Failed(_, failure)) => return Err(failed(failure)),
                Some(Frame::ManifestWanted(_)) => self.send_manifest(manifest).await?,
                Some(_) => {}
            }
        }
    }

    async fn send_manifest(&self, manifest: &[u8]) -> Result<(), Outcome> {
        let header = StreamHeader::Manifest { transfer: self.id, bytes: manifest.len() as u64 };
        let sent = send_stream(&self.connection, &header, manifest, i32::MAX).await;
        sent.map_err(|()| connection_lost(&self.connection))
    }

    async fn send_chunks(&mut self, chunks: Arc<Chunks>, durable: Ranges) -> Outcome {
        let mut hashes = match self.store.sent_hashes(self.row.id) {
            Ok(hashes) => hashes,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let sources = std::mem::take(&mut self.sources);
        let Reader { requests, chunks: read } = match source::start(Arc::clone(&chunks), sources) {
            Ok(reader) => reader,
            Err(error) => return Outcome::Later(format!("no thread to read with: {error}")),
        };
        let mut waiting = 0u64;
        for chunk in 0..chunks.count() {
            let is_durable = durable.contains(chunk..chunk + 1);
            let is_part = matches!(chunks.get(chunk), Some(Chunk::Part { .. }));
            if !is_durable || (is_part && !hashes.contains_key(&chunk)) {
                waiting += 1;
                // The thread ends only after an error, which is read below.
                let _ = requests.send(Request { chunk, is_sent: !is_durable });
            }
        }
        {
            let mut progress = self.progress();
            progress.durable_bytes = chunks.bytes_of(&durable);
            progress.durable = durable;
            progress.accepted = true;
        }
        let (sent, mut sent_chunks) = mpsc::unbounded_channel();
        let stream = tokio::spawn(send_read(
            self.connection.clone(),
            self.id,
            self.row.priority,
            read,
            sent,
        ));
        let _abort = AbortOnDrop(stream);
        let mut unsaved: BTreeMap<u64, Hash> = BTreeMap::new();
        loop {
            if waiting == 0 {
                // All is sent; the hashes prove it. Chunks that are asked for again lead here again.
                waiting = u64::MAX;
                if let Err(outcome) = self.send_roots(&chunks, &hashes).await {
                    return outcome;
                }
            }
            tokio::select! {
                sent = sent_chunks.recv() => match sent {
                    None => return connection_lost(&self.connection),
                    Some(Err(SourceError::Unreadable(why))) => return Outcome::Failed(why),
                    Some(Err(SourceError::Changed(why))) => return Outcome::Changed(why),
                    Some(Ok(SentChunk { chunk, is_sent, bytes, hash })) => {
                        waiting = waiting.saturating_sub(1);
                        let mut progress = self.progress();
                        if is_sent {
                            progress.sent.bytes += bytes;
                            progress.sent.chunks += 1;
                        }
                        if matches!(chunks.get(chunk), Some(Chunk::Part { .. })) {
                            hashes.insert(chunk, hash);
                            unsaved.insert(chunk, hash);
                        }
                    }
                },
                frame = self.frames.recv() => match frame {
                    None => return connection_lost(&self.connection),
                    Some(Frame::Committed(_)) => return Outcome::Committed,
                    Some(Frame::Failed(_, failure)) => return failed(failure),
                    Some(Frame::Durable(_, ranges)) => {
                        if let Err(error) = self.note_durable(&ranges, &mut unsaved).await {
                            return Outcome::Later(error);
                        }
                    }
                    Some(Frame::Resend(_, ranges)) => {
                        if waiting == u64::MAX {
                            waiting = 0;
                        }
                        for chunk in ranges.iter().flatten().take_while(|chunk| *chunk < chunks.count()) {
                            waiting += 1;
                            self.progress().sent.repeated_chunks += 1;
                            let _ = requests.send(Request { chunk, is_sent: true });
                        }
                    }
                    Some(_) => {}
                },
            }
        }
    }

    /// Notes chunks that became durable, with their hashes.
    async fn note_durable(
        &self,
        ranges: &Ranges,
        unsaved: &mut BTreeMap<u64, Hash>,
    ) -> Result<(), String> {
        let mut hashes = Vec::new();
        let (durable, durable_bytes, sent) = {
            let mut progress = self.progress();
            for range in ranges.iter() {
                hashes.extend(unsaved.range(range.clone()).map(|(chunk, hash)| (*chunk, *hash)));
                progress.durable.insert(range).map_err(|error| error.to_string())?;
            }
            if let Some(chunks) = &progress.chunks {
                progress.durable_bytes = chunks.bytes_of(&progress.durable);
            }
            let sent = self.row.sent + progress.sent;
            (progress.durable.clone(), progress.durable_bytes, sent)
        };
        for (chunk, _) in &hashes {
            unsaved.remove(chunk);
        }
        let (store, id) = (self.store.clone(), self.row.id);
        let saved = tokio::task::spawn_blocking(move || {
            store.set_durable(id, &durable, durable_bytes, sent, &hashes)
        });
        saved.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    }

    async fn send_roots(
        &self,
        chunks: &Chunks,
        hashes: &BTreeMap<u64, Hash>,
    ) -> Result<(), Outcome> {
        let mut roots = Vec::new();
        for entry in chunks.long_files() {
            let root = root_of(chunks, hashes, entry);
            let Some(root) = root else {
                return Err(Outcome::Later("the hash of a file is not complete".to_owned()));
            };
            roots.extend(root.0);
        }
        let header = StreamHeader::Roots { transfer: self.id };
        let sent = send_stream(&self.connection, &header, &roots, i32::MIN).await;
        sent.map_err(|()| connection_lost(&self.connection))
    }
}

fn root_of(chunks: &Chunks, hashes: &BTreeMap<u64, Hash>, entry: usize) -> Option<Hash> {
    let range = chunks.parts_of(entry)?;
    let Chunk::Part { layout, .. } = chunks.get(range.start)? else { return None };
    let mut tree = Tree::new(layout);
    for (index, hash) in hashes.range(range.clone()) {
        tree.set(index - range.start, *hash).ok()?;
    }
    tree.root()
}

/// A chunk that was handed to quinn, or only hashed.
struct SentChunk {
    chunk: u64,
    is_sent: bool,
    bytes: u64,
    hash: Hash,
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends each chunk that was read as a stream. quinn's send window holds it back, and with it the reader.
async fn send_read(
    connection: Connection,
    transfer: TransferId,
    priority: i64,
    mut read: mpsc::Receiver<Result<Read, SourceError>>,
    sent: mpsc::UnboundedSender<Result<SentChunk, SourceError>>,
) {
    while let Some(read) = read.recv().await {
        let result = match read {
            Err(error) => Err(error),
            Ok(Read { chunk, is_sent, length, bytes, content, hash }) => {
                if is_sent {
                    let header = StreamHeader::Chunk(ChunkHeader {
                        transfer,
                        chunk,
                        bytes: length,
                        content,
                        hash,
                    });
                    let priority = stream_priority(priority, chunk);
                    if send_stream(&connection, &header, &bytes, priority).await.is_err() {
                        return;
                    }
                }
                let bytes = if content == Content::Zeros { 0 } else { length };
                Ok(SentChunk { chunk, is_sent, bytes, hash })
            }
        };
        if sent.send(result).is_err() {
            return;
        }
    }
}

/// quinn sends streams of a greater number first: those of a lower priority number of the queue, and of them those
/// of earlier chunks.
fn stream_priority(priority: i64, chunk: u64) -> i32 {
    const STEP: i64 = 1_000_000;
    let order = i64::try_from(chunk).unwrap_or(i64::MAX).min(STEP - 1);
    let priority = priority.clamp(-1000, 1000) * STEP + order;
    i32::try_from(-priority).unwrap_or(0)
}

async fn send_stream(
    connection: &Connection,
    header: &StreamHeader,
    bytes: &[u8],
    priority: i32,
) -> Result<(), ()> {
    let mut begin = Vec::new();
    header.encode(&mut begin);
    let stream = connection.open_uni().await.map_err(drop)?;
    // A stream that is closed already fails below.
    let _ = stream.set_priority(priority);
    let mut stream = ResetOnDrop(Some(stream));
    stream.write_all(&begin).await?;
    for part in bytes.chunks(WRITE_BYTES) {
        stream.write_all(part).await?;
    }
    stream.0.take().ok_or(())?.finish().map_err(drop)
}

/// A stream that is reset unless it is finished; quinn would finish it where it was dropped.
struct ResetOnDrop(Option<SendStream>);

impl ResetOnDrop {
    async fn write_all(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0.as_mut().ok_or(())?.write_all(bytes).await.map_err(drop)
    }
}

impl Drop for ResetOnDrop {
    fn drop(&mut self) {
        if let Some(mut stream) = self.0.take() {
            // A stream that ended with its connection needs no reset.
            let _ = stream.reset(VarInt::from_u32(0));
        }
    }
}

fn connection_lost(connection: &Connection) -> Outcome {
    let reason = connection.close_reason();
    Outcome::Later(reason.map_or_else(|| "the connection ended".to_owned(), |why| why.to_string()))
}

fn failed(failure: Failure) -> Outcome {
    let Failure { code, text } = failure;
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    match code {
        FailureCode::NoSpace => Outcome::Later(format!("the receiver has no space: {text}")),
        FailureCode::NotAllowed => Outcome::Later(format!("the receiver refuses: {text}")),
        _ => Outcome::Failed(format!("the receiver refuses: {text}")),
    }
}
