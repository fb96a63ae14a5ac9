//! Version 1 of the format: shapes of their own for everything that crosses, with conversions from
//! and to the model.

mod application;
mod basic;
mod connection;
mod decode;
mod encode;
mod frame;
mod health;
mod loss;
mod process;
mod socket;
mod tables;
mod transfer;

pub use decode::Decoder;
pub(super) use encode::{EventsParts, UpdateParts, encode_events, encode_update};
