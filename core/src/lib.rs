//! The pure middle of `conns`: what a connection is, how observations become connections, and how
//! they are asked for. No clock, file, socket, thread or environment is read here; `clippy.toml`
//! beside this crate forbids them and CI runs it. Callers pass the time as an argument.

pub mod decode;
pub mod explain;
pub mod human;
pub mod media;
pub mod model;
pub mod query;
mod slots;
pub mod track;
pub mod units;
