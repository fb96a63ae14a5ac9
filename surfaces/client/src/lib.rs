//! A remote agent: an [`Agent`](conns_api::Agent) over HTTP. The state is fetched once, and after that
//! only what changed.

mod abilities;
mod connection;
mod error;
mod events;
mod media;
mod refusal;
mod remote;
mod session;
mod target;
mod timeouts;
mod tls;
mod updates;

pub use error::RemoteError;
pub use remote::Remote;
pub use target::Target;
pub use timeouts::Timeouts;
