//! The control stream of a connection: frames in both directions.

use conns_transfer::frames::{Frame, FrameError};
use quinn::{ConnectionError, ReadError, RecvStream, SendStream, WriteError};
use tokio::sync::mpsc;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;

/// Why no further frame comes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("{0}")]
    Frame(#[from] FrameError),
    #[error("{0}")]
    Read(#[from] ReadError),
    #[error("the peer ended the control stream")]
    Ended,
}

impl ControlError {
    /// The cause, if the connection ended.
    pub(crate) fn connection(&self) -> Option<&ConnectionError> {
        match self {
            Self::Read(ReadError::ConnectionLost(error)) => Some(error),
            _ => None,
        }
    }
}

/// Reads frames.
pub(crate) struct FrameReader {
    stream: RecvStream,
    buffer: Vec<u8>,
}

impl FrameReader {
    pub(crate) fn new(stream: RecvStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next frame. Safe to cancel: what was read stays in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Frame, ControlError> {
        loop {
            if let Some((frame, length)) = Frame::decode(&self.buffer)? {
                self.buffer.drain(..length);
                return Ok(frame);
            }
            let chunk = self.stream.read_chunk(READ_BYTES, true).await?;
            self.buffer.extend_from_slice(&chunk.ok_or(ControlError::Ended)?.bytes);
        }
    }
}

/// Sends the frames of a queue until the queue or the connection ends.
pub(crate) async fn send_frames(
    mut stream: SendStream,
    mut frames: mpsc::UnboundedReceiver<Frame>,
) -> Result<(), WriteError> {
    let mut bytes = Vec::new();
    while let Some(frame) = frames.recv().await {
        bytes.clear();
        frame.encode(&mut bytes);
        while let Ok(frame) = frames.try_recv() {
            frame.encode(&mut bytes);
        }
        stream.write_all(&bytes).await?;
    }
    // The peer reads the end of the stream after the last frame; a stream that is closed already needs none.
    let _ = stream.finish();
    Ok(())
}
