//! The agent's server: HTTP, events, metrics, and the ports of the dialects.
//!
//! It measures nothing: it receives updates and answers from the latest one. Each client has a slot
//! with a deadline, and one sweeper closes the clients past theirs, so that no client costs more than
//! the limits allow.

mod about;
mod access;
mod bind_error;
mod blocking;
mod budget;
mod caches;
mod client_socket;
mod connection_table;
mod context;
mod dialect_runner;
mod http_client;
mod http_connection;
mod in_flight;
mod limits;
mod line_connection;
mod listen;
mod listen_spec;
mod malformed;
mod native;
mod problem;
mod refusals;
mod request_guard;
mod response;
mod response_body;
mod routing;
mod runtime;
mod serve;
mod snapshot;
mod stream_slots;
mod token;
mod unix_socket;

pub use about::About;
pub use access::{Access, AccessConfig, TlsError, tls_from_files, tls_from_pem};
pub use bind_error::BindError;
pub use limits::Limits;
pub use listen::{Listener, Socket};
pub use listen_spec::{
    ListenAddress, ListenSpec, ListenSpecError, Protocol, UnsafeListener, check,
};
pub use native::openapi_document;
pub use refusals::Refusals;
pub use runtime::runtime;
pub use serve::{Dialects, Plan, ServeError, serve};
pub use token::{TokenError, TokenHash, new_token};
pub use unix_socket::SocketFile;
