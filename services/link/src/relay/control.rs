//! A control connection: relay frames over TLS, with the pings that find a lost peer.

use std::io;
use std::time::Duration;

use conns_transfer::relay::{FrameError, RelayFrame, VERSION};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;

/// Time between two pings.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// A peer that sends nothing for this time is lost.
const SILENCE: Duration = Duration::from_secs(45);
/// Bytes that wait for a peer that does not read.
const MAX_WAITING_BYTES: usize = 64 << 10;
/// First size of the buffer of received bytes; a frame is shorter.
const BUFFER_BYTES: usize = 8 << 10;

/// Why a control connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the peer closed it")]
    Ended,
    #[error("a malformed frame: {0}")]
    Frame(#[from] FrameError),
    #[error("nothing was received for {} s", SILENCE.as_secs())]
    Silent,
    #[error("the peer does not read")]
    NotRead,
    #[error("the peer has version {0} of the relay's protocol, {VERSION} is needed")]
    Version(u64),
    #[error("the frame {0:?} is not expected")]
    Unexpected(RelayFrame),
}

/// A control connection over a stream.
pub(super) struct ControlConnection<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    received: Vec<u8>,
    waiting: Vec<u8>,
    is_flushed: bool,
    received_at: Instant,
    ping_at: Instant,
}

impl<S: AsyncRead + AsyncWrite> ControlConnection<S> {
    pub(super) fn new(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let now = Instant::now();
        Self {
            reader,
            writer,
            received: Vec::with_capacity(BUFFER_BYTES),
            waiting: Vec::new(),
            is_flushed: true,
            received_at: now,
            ping_at: now + PING_INTERVAL,
        }
    }

    /// Queues a frame; [`Self::next`] writes it.
    pub(super) fn queue(&mut self, frame: &RelayFrame) -> Result<(), ControlError> {
        if self.waiting.len() > MAX_WAITING_BYTES {
            return Err(ControlError::NotRead);
        }
        frame.encode(&mut self.waiting);
        self.is_flushed = false;
        Ok(())
    }

    /// Sends `Hello`, and waits for that of the peer.
    pub(super) async fn greet(&mut self) -> Result<(), ControlError> {
        self.queue(&RelayFrame::Hello { version: VERSION })?;
        self.flush().await?;
        match self.next().await? {
            RelayFrame::Hello { version } if version >= VERSION => Ok(()),
            RelayFrame::Hello { version } => Err(ControlError::Version(version)),
            other => Err(ControlError::Unexpected(other)),
        }
    }

    /// The next frame of the peer, except pings, which it answers. It writes what is queued. Safe to cancel.
    pub(super) async fn next(&mut self) -> Result<RelayFrame, ControlError> {
        loop {
            if let Some((frame, length)) = RelayFrame::decode(&self.received)? {
                self.received.drain(..length);
                match frame {
                    RelayFrame::Ping => self.queue(&RelayFrame::Pong)?,
                    RelayFrame::Pong => {}
                    frame => return Ok(frame),
                }
                continue;
            }
            tokio::select! {
                read = self.reader.read_buf(&mut self.received) => {
                    match read {
                        Ok(0) => return Err(ControlError::Ended),
                        // TLS without its last alert: the peer was killed.
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                            return Err(ControlError::Ended);
                        }
                        read => read?,
                    };
                    self.received_at = Instant::now();
                }
                written = write(&mut self.writer, &mut self.waiting), if !self.is_flushed => {
                    self.is_flushed = written?;
                }
                () = tokio::time::sleep_until(self.ping_at) => {
                    self.ping_at = Instant::now() + PING_INTERVAL;
                    self.queue(&RelayFrame::Ping)?;
                }
                () = tokio::time::sleep_until(self.received_at + SILENCE) => {
                    return Err(ControlError::Silent);
                }
            }
        }
    }

    /// Writes what is queued.
    async fn flush(&mut self) -> io::Result<()> {
        while !self.is_flushed {
            self.is_flushed = write(&mut self.writer, &mut self.waiting).await?;
        }
        Ok(())
    }

    /// Writes what is queued, and closes the stream, so that the peer reads the last frame.
    pub(super) async fn close(mut self) {
        let closed = async {
            self.flush().await?;
            self.writer.shutdown().await
        };
        // A peer that does not read loses the last frame.
        let _ = tokio::time::timeout(Duration::from_secs(1), closed).await;
    }
}

/// Writes a part of the bytes, or flushes when there is none left; whether all is flushed. Safe to cancel.
async fn write(writer: &mut (impl AsyncWrite + Unpin), waiting: &mut Vec<u8>) -> io::Result<bool> {
    if waiting.is_empty() {
        writer.flush().await?;
        return Ok(true);
    }
    let written = writer.write(waiting).await?;
    waiting.drain(..written);
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn both_sides_greet_and_ping() {
        let (a, b) = tokio::io::duplex(64);
        let (mut a, mut b) = (ControlConnection::new(a), ControlConnection::new(b));
        let (greeted, other) = tokio::join!(a.greet(), b.greet());
        greeted.unwrap();
        other.unwrap();
        let idle = tokio::time::timeout(3 * SILENCE, async { tokio::join!(a.next(), b.next()) });
        assert!(idle.await.is_err(), "pings keep the connection");
        let began = Instant::now();
        assert!(matches!(a.next().await, Err(ControlError::Silent)));
        assert!(began.elapsed() <= SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_closed() {
        let (a, _b) = tokio::io::duplex(64);
        let mut a = ControlConnection::new(a);
        let error = (0..MAX_WAITING_BYTES).find_map(|_| a.queue(&RelayFrame::Register).err());
        assert!(matches!(error, Some(ControlError::NotRead)), "{error:?}");
    }

    #[tokio::test]
    async fn the_first_frame_is_hello_of_a_known_version() {
        for (frame, is_version) in
            [(RelayFrame::Register, false), (RelayFrame::Hello { version: 0 }, true)]
        {
            let (a, b) = tokio::io::duplex(64);
            let (mut a, mut b) = (ControlConnection::new(a), ControlConnection::new(b));
            b.queue(&frame).unwrap();
            let (greeted, _) = tokio::join!(a.greet(), b.flush());
            assert_eq!(matches!(greeted, Err(ControlError::Version(0))), is_version);
            assert!(greeted.is_err());
        }
    }
}
