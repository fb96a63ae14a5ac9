//! A connection to a destination: its control stream, and the transfers that run on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_core::model::TransferError;
use conns_transfer::frames::{Frame, TransferId, VERSION};
use conns_transfer::manifest::Manifest;
use conns_transfer::queue::{State, next_retry_us, to_start};
use quinn::Connection;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::connect::cause;
use super::destination::Destination;
use super::transfer::{Outcome, Run, below};
use super::walk_again;
use crate::control_stream::{FrameReader, send_frames};
use crate::unreached::Unreached;

/// Transfers of a destination at once; the end of one overlaps with the begin of the next.
const MAX_RUNNING: usize = 4;
/// A connection without transfers ends after this time.
const IDLE_CLOSE: Duration = Duration::from_secs(60);
/// The receiver has this long for its first frame.
const GREETING: Duration = Duration::from_secs(15);

/// Runs transfers on a connection until it ends; `Ok` if it was idle.
pub(super) async fn serve(
    destination: &Arc<Destination>,
    connection: Connection,
) -> Result<(), Unreached> {
    let lost = |connection: &Connection| match connection.close_reason() {
        Some(error) => cause(&error),
        None => Unreached::new(TransferError::Version, "the receiver ended the control stream"),
    };
    let (send, recv) = connection.open_bi().await.map_err(|error| cause(&error))?;
    let (control, queue) = mpsc::unbounded_channel();
    // The queue exists until the task below ends.
    let _ = control.send(Frame::Hello(destination.shared.hello));
    tokio::spawn(send_frames(send, queue));
    let mut reader = FrameReader::new(recv);
    let mut session = Session {
        destination: Arc::clone(destination),
        connection: connection.clone(),
        control,
        routes: HashMap::new(),
        tasks: JoinSet::new(),
        next_id: 1,
        idle_since: Instant::now(),
        is_greeted: false,
    };
    let greeting_ends = tokio::time::sleep(GREETING);
    tokio::pin!(greeting_ends);
    session.withdraw();
    loop {
        session.start_due();
        if session.tasks.is_empty() && session.idle_since.elapsed() >= IDLE_CLOSE {
            connection.close(0u32.into(), b"idle");
            return Ok(());
        }
        let wait = session.until_next();
        tokio::select! {
            frame = reader.next() => match frame {
                Ok(frame) => {
                    if let Err(error) = session.on_frame(frame) {
                        session.end_all().await;
                        return Err(error);
                    }
                }
                Err(error) => {
                    session.end_all().await;
                    return Err(error.connection().map_or_else(|| lost(&connection), cause));
                }
            },
            () = &mut greeting_ends, if !session.is_greeted => {
                session.end_all().await;
                return Err(Unreached::new(TransferError::Timeout, "the receiver sent no first frame"));
            }
            Some(ended) = session.tasks.join_next() => {
                if let Ok((id, transfer, outcome)) = ended {
                    session.routes.remove(&id);
                    session.idle_since = Instant::now();
                    session.ended(transfer, outcome).await;
                }
            }
            () = destination.changed() => session.withdraw(),
            () = tokio::time::sleep(wait) => {}
            () = destination.stopping() => {
                session.end_all().await;
                connection.close(0u32.into(), b"the sender stops");
                return Ok(());
            }
        }
    }
}

struct Session {
    destination: Arc<Destination>,
    connection: Connection,
    control: mpsc::UnboundedSender<Frame>,
    routes: HashMap<TransferId, mpsc::UnboundedSender<Frame>>,
    tasks: JoinSet<(TransferId, i64, Outcome)>,
    next_id: u64,
    idle_since: Instant,
    /// Whether the receiver's Hello has arrived. Offers do not wait for it.
    is_greeted: bool,
}

impl Session {
    /// Starts the transfers whose turn it is.
    fn start_due(&mut self) {
        let now_us = self.destination.now_us();
        for id in to_start(&self.destination.entries(), now_us, MAX_RUNNING) {
            if let Err(why) = self.start(id) {
                self.destination.end(id, State::Failed, Some(why));
            }
        }
    }

    fn start(&mut self, id: i64) -> Result<(), String> {
        let store = &self.destination.shared.store;
        let row = store.transfer(id).map_err(|error| error.to_string())?;
        let row = row.ok_or("the transfer is not stored")?;
        let manifest = store.manifest(row.manifest).map_err(|error| error.to_string())?;
        let encoded =
            manifest.and_then(|row| row.manifest).ok_or("its manifest is not complete")?;
        let manifest = Manifest::decode(&encoded).map_err(|error| error.to_string())?;
        let manifest = below(&manifest, &row.folder)?;
        let sources = store.sources(row.manifest).map_err(|error| error.to_string())?;
        let (stop, stopped) = watch::channel(false);
        let (route, frames) = mpsc::unbounded_channel();
        let transfer = TransferId(self.next_id);
        self.next_id += 1;
        self.routes.insert(transfer, route);
        let progress = self.destination.started(id, stop);
        let run = Run {
            id: transfer,
            row,
            manifest,
            sources,
            store: store.clone(),
            connection: self.connection.clone(),
            control: self.control.clone(),
            frames,
            stop: stopped,
            progress,
        };
        self.tasks.spawn(async move { (transfer, id, run.run().await) });
        Ok(())
    }

    fn on_frame(&mut self, frame: Frame) -> Result<(), Unreached> {
        if !self.is_greeted {
            return match frame {
                Frame::Hello(hello) if hello.version >= VERSION => {
                    self.is_greeted = true;
                    self.destination.greeted(hello);
                    Ok(())
                }
                _ => {
                    let why = "the receiver speaks no known version";
                    Err(Unreached::new(TransferError::Version, why))
                }
            };
        }
        let transfer = match &frame {
            Frame::RateLimit(rate) => {
                self.destination.set_allowance((rate.0 > 0).then_some(*rate));
                return Ok(());
            }
            Frame::Withdrawn(uid) => {
                // What stays in the store is withdrawn again with the next connection.
                let _ = self.destination.shared.store.forget_withdrawn(*uid);
                return Ok(());
            }
            Frame::Accepted(transfer, _)
            | Frame::Durable(transfer, _)
            | Frame::Resend(transfer, _)
            | Frame::ManifestWanted(transfer)
            | Frame::Committed(transfer)
            | Frame::Failed(transfer, _) => *transfer,
            Frame::Hello(_) | Frame::Offer(_) | Frame::Withdraw(_) => return Ok(()),
        };
        if let Some(route) = self.routes.get(&transfer) {
            // A transfer that ended reads nothing more.
            let _ = route.send(frame);
        }
        Ok(())
    }

    /// Asks the receiver to forget transfers that were cancelled or began again.
    fn withdraw(&self) {
        let withdrawn = self.destination.shared.store.withdrawn(self.destination.id());
        for uid in withdrawn.unwrap_or_default() {
            let _ = self.control.send(Frame::Withdraw(uid));
        }
    }

    async fn ended(&self, id: i64, outcome: Outcome) {
        let destination = &self.destination;
        match outcome {
            Outcome::Committed => destination.end(id, State::Done, None),
            Outcome::Failed(why) => {
                destination.end(id, State::Failed, Some(why));
                self.withdraw();
            }
            Outcome::Later(why) => destination.retry(id, why),
            Outcome::Changed(why) => {
                match walk_again(&destination.shared.store, id, &why).await {
                    Ok(()) => destination.retry(id, format!("{why}; it begins again")),
                    Err(error) => destination.end(id, State::Failed, Some(error)),
                }
                self.withdraw();
            }
            Outcome::Stopped => {
                destination.forget_running(id);
                self.withdraw();
            }
        }
    }

    /// Ends the transfers with the connection, and notes why.
    async fn end_all(&mut self) {
        self.routes.clear();
        while let Some(ended) = self.tasks.join_next().await {
            if let Ok((_, id, outcome)) = ended {
                self.ended(id, outcome).await;
            }
        }
    }

    fn until_next(&self) -> Duration {
        let now_us = self.destination.now_us();
        let retry = next_retry_us(&self.destination.entries())
            .map(|due_us| Duration::from_micros(due_us.saturating_sub(now_us)));
        retry.unwrap_or(IDLE_CLOSE).clamp(Duration::from_millis(10), IDLE_CLOSE)
    }
}
