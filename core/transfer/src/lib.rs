//! The pure part of a file transfer between hosts: how fast a sender may send, which chunks are durable, how a file is
//! verified, which names a receiver accepts, the messages of both sides and of a relay, and the order of a queue.
//!
//! No clock, file, socket, thread or environment is read here; `core/clippy.toml` forbids them. Callers pass the
//! time as an argument, in microseconds since any fixed start that never steps back.

pub mod chunks;
pub mod control;
mod encoding;
pub mod frames;
pub mod manifest;
pub mod names;
pub mod queue;
pub mod ranges;
pub mod rate;
pub mod record;
pub mod relay;
pub mod tree;
