//! One connection of a sender: its greeting, its receive window, and what is listed of it.

mod offers;
mod streams;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conns_transfer::frames::{Frame, Offer, TransferId, TransferUid, VERSION};
use conns_transfer::rate::BytesPerSecond;
use quinn::{Connection, VarInt};
use tokio::sync::{Notify, mpsc};

use super::writer::{Command, Progress};
use super::{MAX_RECEIVE_WINDOW, MIN_RECEIVE_WINDOW, Receiver};
use crate::control_stream::{FrameReader, send_frames};
use crate::identity::PublicKey;
use crate::tls::peer_key;

/// A sender has this long for its first frame, and a stream for the offer it belongs to.
const GREETING: Duration = Duration::from_secs(15);
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
