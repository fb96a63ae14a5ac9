//! One connection of a sender: its control stream, its chunk streams, and the transfers that they belong to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conns_transfer::frames::{
    Content, Failure, FailureCode, Frame, MAX_STREAM_HEADER_BYTES, Offer, StreamHeader, TransferId,
    TransferUid, VERSION,
};
use conns_transfer::manifest::{MAX_MANIFEST_BYTES, Manifest};
use conns_transfer::ranges::Ranges;
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::tree::{CHUNK_BYTES, Hash};
use quinn::{Connection, RecvStream, VarInt};
use tokio::sync::{Notify, mpsc};

use super::incoming::{Incoming, failure};
use super::writer::{self, Command, Progress, Report};
use super::{MAX_RECEIVE_WINDOW, MIN_RECEIVE_WINDOW, Receiver};
use crate::control_stream::{FrameReader, send_frames};
use crate::identity::PublicKey;
use crate::socket::wall_us;
use crate::store::{ReceivedRow, ReceivedState};
use crate::tls::peer_key;

/// A sender has this long for its first frame, and a stream for the offer it belongs to.
const GREETING: Duration = Duration::from_secs(15);
/// Transfers of a connection at once.
const MAX_TRANSFERS: usize = 64;
/// Transfers of a connection that are listed.
const MAX_LISTED: usize = 256;
/// Time between two measurements of the receive window.
const WINDOW_INTERVAL: Duration = Duration::from_millis(100);
/// Why a connection is closed, as QUIC's application error code.
pub(crate) const PROTOCOL_ERROR: VarInt = VarInt::from_u32(1);
pub(crate) const VERSION_ERROR: VarInt = VarInt::from_u32(2);

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    pub(crate) key: PublicKey,
    pub(crate) started: Instant,
    connection: Connection,
    frames: mpsc::UnboundedSender<Frame>,
    received: Mutex<HashMap<TransferUid, Arc<Mutex<Progress>>>>,
    transfers: Mutex<HashMap<TransferId, Transfer>>,
    rate: Mutex<Rate>,
}

/// Received bytes a second.
#[derive(Debug, Default, Clone, Copy)]
struct Rate {
    recent: Option<f64>,
}

/// Transfers of a connection by how they stand, and its rates in bytes a second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub(crate) active: u64,
    pub(crate) complete: u64,
    pub(crate) failed: u64,
    pub(crate) average_rate: f64,
    pub(crate) recent_rate: Option<f64>,
}

impl ConnectionState {
    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    pub(super) fn set_share(&self, share: Option<BytesPerSecond>) {
        // 0 stands for no limit.
        let _ = self.frames.send(Frame::RateLimit(share.unwrap_or(BytesPerSecond(0))));
    }

    /// Ends the writer of a transfer, which keeps what has arrived.
    fn drop_transfer(&self, uid: TransferUid) {
        lock(&self.transfers).retain(|_, transfer| transfer.offer.uid != uid);
    }

    /// How each transfer stands.
    pub(crate) fn transfers(&self) -> Vec<(TransferUid, Progress)> {
        let received = lock(&self.received);
        received.iter().map(|(uid, progress)| (*uid, lock(progress).clone())).collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, progress) in self.transfers() {
            if progress.error.is_some() {
                counts.failed += 1;
            } else if progress.is_complete {
                counts.complete += 1;
            } else {
                counts.active += 1;
            }
        }
        let bytes = self.connection.stats().udp_rx.bytes;
        counts.average_rate = bytes as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        counts.recent_rate = lock(&self.rate).recent;
        counts
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session with its transfers.
struct Session {
    receiver: Receiver,
    state: Arc<ConnectionState>,
    changed: Notify,
}

#[derive(Debug)]
struct Transfer {
    offer: Offer,
    /// `None` until the manifest is known.
    commands: Option<mpsc::Sender<Command>>,
}

/// Serves a connection until it ends.
pub(super) async fn serve(receiver: Receiver, connection: Connection) {
    let key = connection
        .peer_identity()
        .and_then(|identity| {
            identity.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().ok()
        })
        .and_then(|certificates| peer_key(&certificates));
    let Some(key) = key else { return connection.close(PROTOCOL_ERROR, b"no key") };
    let greeted = tokio::time::timeout(GREETING, greet(&receiver, &connection)).await;
    let (reader, frames) = match greeted {
        Ok(Ok(greeted)) => greeted,
        Ok(Err(Refusal(code, why))) => return connection.close(code, why.as_bytes()),
        Err(_) => return connection.close(PROTOCOL_ERROR, b"no frame came in time"),
    };
    let state = Arc::new(ConnectionState {
        key,
        started: Instant::now(),
        connection: connection.clone(),
        frames,
        received: Mutex::default(),
        transfers: Mutex::default(),
        rate: Mutex::default(),
    });
    receiver.lock_connections().push(Arc::clone(&state));
    receiver.share_limit();
    let session = Arc::new(Session {
        receiver: receiver.clone(),
        state: Arc::clone(&state),
        changed: Notify::new(),
    });
    let why = tokio::select! {
        why = Arc::clone(&session).read_frames(reader) => why,
        why = Arc::clone(&session).accept_streams() => why,
        () = adapt_window(&state) => String::new(),
    };
    connection.close(PROTOCOL_ERROR, why.as_bytes());
    // Their writers note what has arrived, and end.
    lock(&state.transfers).clear();
    receiver.lock_connections().retain(|other| !Arc::ptr_eq(other, &state));
    receiver.share_limit();
}

struct Refusal(VarInt, String);

impl<E: std::error::Error> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self(PROTOCOL_ERROR, error.to_string())
    }
}

async fn greet(
    receiver: &Receiver,
    connection: &Connection,
) -> Result<(FrameReader, mpsc::UnboundedSender<Frame>), Refusal> {
    let (send, recv) = connection.accept_bi().await?;
    let mut reader = FrameReader::new(recv);
    let Frame::Hello(hello) = reader.next().await? else {
        return Err(Refusal(PROTOCOL_ERROR, "the first frame is not Hello".to_owned()));
    };
    if hello.version < VERSION {
        let why = format!("version {} is too old, {VERSION} is needed", hello.version);
        return Err(Refusal(VERSION_ERROR, why));
    }
    let (frames, queue) = mpsc::unbounded_channel();
    // Sending fails only when the queue is dropped.
    let _ = frames.send(Frame::Hello(receiver.0.hello));
    tokio::spawn(send_frames(send, queue));
    Ok((reader, frames))
}

/// Sets the receive window to twice the bytes of a round trip.
async fn adapt_window(state: &ConnectionState) {
    let connection = &state.connection;
    let mut window = MIN_RECEIVE_WINDOW;
    let mut before = (Instant::now(), connection.stats().udp_rx.bytes);
    let mut second = before;
    loop {
        tokio::time::sleep(WINDOW_INTERVAL).await;
        let now = (Instant::now(), connection.stats().udp_rx.bytes);
        let rate = rate_between(before, now);
        before = now;
        if now.0.duration_since(second.0) >= Duration::from_secs(1) {
            lock(&state.rate).recent = Some(rate_between(second, now));
            second = now;
        }
        let round_trip = connection.rtt().as_secs_f64();
        let wanted = ((2.0 * rate * round_trip) as u64).clamp(window, MAX_RECEIVE_WINDOW);
        if wanted > window {
            window = wanted;
            connection.set_receive_window(VarInt::from_u64(window).unwrap_or(VarInt::MAX));
        }
    }
}

/// Bytes a second.
fn rate_between(before: (Instant, u64), now: (Instant, u64)) -> f64 {
    let seconds = now.0.duration_since(before.0).as_secs_f64().max(1e-3);
    now.1.saturating_sub(before.1) as f64 / seconds
}

impl Session {
    /// Reads frames; returns why there is no further one.
    async fn read_frames(self: Arc<Self>, mut reader: FrameReader) -> String {
        loop {
            let frame = match reader.next().await {
                Ok(frame) => frame,
                Err(error) => return error.to_string(),
            };
            match frame {
                Frame::Offer(offer) => {
                    if let Err((transfer, failure)) = self.offer(offer) {
                        self.send(Frame::Failed(transfer, failure));
                    }
                }
                Frame::Withdraw(uid) => self.withdraw(uid),
                // The sender gave the transfer up for now.
                Frame::Failed(transfer, _) => {
                    lock(&self.state.transfers).remove(&transfer);
                }
                _ => return "a frame that only a receiver sends".to_owned(),
            }
        }
    }

    fn send(&self, frame: Frame) {
        // A frame of a connection that ended is not sent.
        let _ = self.state.frames.send(frame);
    }

    fn offer(self: &Arc<Self>, offer: Offer) -> Result<(), (TransferId, Failure)> {
        let transfer = offer.transfer;
        let refuse = |code, text: &str| (transfer, failure(code, text));
        if offer.manifest_bytes > MAX_MANIFEST_BYTES {
            return Err(refuse(FailureCode::PathRefused, "the manifest is too long"));
        }
        let known = self
            .receiver
            .0
            .store
            .received(self.state.key, offer.uid)
            .map_err(|error| (transfer, error.into()))?;
        {
            // The same transfer, continued: the writer of the earlier offer ends, also that of an earlier connection, which may
            // not have noticed yet that its sender has ended.
            for other in self.receiver.connections() {
                if other.key == self.state.key {
                    other.drop_transfer(offer.uid);
                }
            }
            let mut transfers = lock(&self.state.transfers);
            if transfers.len() >= MAX_TRANSFERS {
                return Err(refuse(FailureCode::NotAllowed, "too many transfers at once"));
            }
            transfers.insert(transfer, Transfer { offer, commands: None });
        }
        match known {
            Some(row) if row.manifest.len() as u64 == offer.manifest_bytes => {
                self.start_writer(transfer, row)?;
            }
            _ if !offer.manifest_follows => self.send(Frame::ManifestWanted(transfer)),
            _ => {}
        }
        self.changed.notify_waiters();
        Ok(())
    }

    fn start_writer(
        &self,
        transfer: TransferId,
        row: ReceivedRow,
    ) -> Result<(), (TransferId, Failure)> {
        let progress = {
            let mut received = lock(&self.state.received);
            if received.len() >= MAX_LISTED {
                received.retain(|_, progress| !lock(progress).is_complete);
            }
            Arc::clone(received.entry(row.uid).or_default())
        };
        *lock(&progress) = Progress::default();
        let report = Report { transfer, frames: self.state.frames.clone(), progress };
        let shared = &self.receiver.0;
        let open_lock = self.receiver.lock_of(self.state.key, row.uid);
        let started =
            writer::start(shared.store.clone(), self.receiver.folder(), row, open_lock, report);
        let commands = started.map_err(|error| {
            (transfer, failure(FailureCode::TargetUnwritable, format!("no thread: {error}")))
        })?;
        if let Some(of) = lock(&self.state.transfers).get_mut(&transfer) {
            of.commands = Some(commands);
        }
        self.changed.notify_waiters();
        Ok(())
    }

    /// Removes what was received of a transfer, on a thread of its own, since the writer may still hold it.
    fn withdraw(self: &Arc<Self>, uid: TransferUid) {
        self.state.drop_transfer(uid);
        lock(&self.state.received).remove(&uid);
        let session = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let shared = &session.receiver.0;
            let open_lock = session.receiver.lock_of(session.state.key, uid);
            let _locked = lock(&open_lock);
            let discarded = match shared.store.received(session.state.key, uid) {
                Ok(None) => Ok(()),
                Ok(Some(row)) => {
                    Incoming::open(shared.store.clone(), session.receiver.folder(), row)
                        .and_then(|mut incoming| incoming.discard())
                }
                Err(error) => Err(error.into()),
            };
            // Without an answer the sender asks again with the next connection.
            if discarded.is_ok() {
                session.send(Frame::Withdrawn(uid));
            }
        });
    }

    /// Accepts streams; returns why there is no further one.
    async fn accept_streams(self: Arc<Self>) -> String {
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

    async fn manifest(&self, transfer: TransferId, bytes: Vec<u8>) -> Result<(), Refusal> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                let found = lock(&self.state.transfers).get(&transfer).map(|of| of.offer);
                if let Some(offer) = found {
                    return offer;
                }
                changed.await;
            }
        };
        let Ok(offer) = tokio::time::timeout(GREETING, wait).await else { return Ok(()) };
        if lock(&self.state.transfers).get(&transfer).is_some_and(|of| of.commands.is_some()) {
            return Ok(());
        }
        let is_offered = *blake3::hash(&bytes).as_bytes() == offer.manifest.0;
        let checked = match Manifest::decode(&bytes) {
            Ok(manifest) if is_offered => Ok(manifest),
            Ok(_) => Err("the manifest is not the one that was offered".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = checked {
            self.send(Frame::Failed(transfer, failure(FailureCode::PathRefused, why)));
            lock(&self.state.transfers).remove(&transfer);
            return Ok(());
        }
        if let Err((transfer, failure)) = self.add(transfer, &offer, bytes) {
            self.send(Frame::Failed(transfer, failure));
            lock(&self.state.transfers).remove(&transfer);
        }
        Ok(())
    }

    fn add(
        &self,
        transfer: TransferId,
        offer: &Offer,
        manifest: Vec<u8>,
    ) -> Result<(), (TransferId, Failure)> {
        let store = &self.receiver.0.store;
        let failed = |error: crate::store::StoreError| (transfer, error.into());
        if let Some(other) = store.received(self.state.key, offer.uid).map_err(failed)? {
            store.remove_received(other.id).map_err(failed)?;
        }
        let mut row = ReceivedRow {
            id: 0,
            sender: self.state.key,
            uid: offer.uid,
            state: ReceivedState::Receiving,
            overwrite: offer.overwrite,
            manifest,
            durable: Ranges::default(),
            started_us: wall_us(),
            active_us: wall_us(),
        };
        row.id = store.add_received(&row).map_err(failed)?;
        self.start_writer(transfer, row)
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
