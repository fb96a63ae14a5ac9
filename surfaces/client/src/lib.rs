//! A `Agent` of an agent elsewhere: asks over HTTP what a `Agent` here would look at itself.
//!
//! The one idea: the state is fetched once, and after that only what changed; whoever asks cannot
//! tell the agent's answers from those of this machine.

mod carrier;
mod error;
mod remote;
mod target;
mod tls;

pub use error::RemoteError;
pub use remote::{Patience, Remote};
pub use target::Target;
