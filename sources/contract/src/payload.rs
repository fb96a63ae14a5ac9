//! Payload of connections: sources hand over chunks, and are steered by what decoders still want.

mod replay;

use conns_core::model::{ConnectionId, Loss, Moment};

pub use conns_core::decode::{Side, Want};
pub use replay::ReplaySource;

/// Consecutive payload bytes of one side of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The connection.
    pub connection: ConnectionId,
    /// The side.
    pub side: Side,
    /// Position of the first byte: how many payload bytes the side carried before it.
    pub position: u64,
    /// The bytes.
    pub bytes: &'a [u8],
    /// When they were sent or received.
    pub at: Moment,
}

/// A source of payload.
pub trait PayloadSource: Send {
    /// Hands over the chunks that arrived since the last call and that are wanted, in the order of
    /// their arrival. Positions of one side ascend; a gap in them is payload that was skipped or
    /// lost. Returns what was lost since the last call.
    fn drain(&mut self, now: Moment, sink: &mut dyn FnMut(Chunk<'_>)) -> Vec<Loss>;

    /// Applies wants, the later ones over the earlier; a side without one is not handed over. A skip is
    /// counted from the end of the chunk handed over last. They apply from the next
    /// [`PayloadSource::drain`] on.
    fn steer(&mut self, wants: &[(ConnectionId, Side, Want)]);
}
