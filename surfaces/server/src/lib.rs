//! The agent's ways out over the network: HTTP, events, metrics, and the ports of the dialects.
//!
//! Nothing here measures: it is handed a feed of beats and answers from the latest one. The one
//! idea: whoever connects holds a seat, a seat says when its client must have moved on, and one
//! sweeper closes what did not; so no client can cost more than the limits say.

mod about;
mod access;
mod answer;
mod budget;
mod caches;
mod door;
mod held;
mod limits;
mod lines;
mod listen;
mod native;
mod refusals;
mod runtime;
mod seats;
mod serve;
mod snapshot;
mod token;
mod wanted;
mod web;
mod wire;

pub use about::About;
pub use access::{Access, Gate, TlsError, tls_from_files, tls_from_pem};
pub use limits::Limits;
pub use listen::{BindError, Listener, Socket};
pub use refusals::Refusals;
pub use runtime::runtime;
pub use serve::{Dialects, Plan, ServeError, serve};
pub use token::{TokenError, TokenHash, new_token};
pub use wanted::{Place, Protocol, Refusal, Wanted, WantedError, check};
