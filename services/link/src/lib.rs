//! Transfers between hosts: encrypted, rate-controlled, relayed, and resumed after every kill.
//!
//! A [`Server`] sends the transfers of its queue, and receives those of others into a folder. QUIC (quinn) carries them; the pure
//! part (rate methods, chunks, frames, the order of the queue) is `conns-transfer`.

mod address;
mod congestion;
mod control_stream;
mod identity;
mod paths;
mod receive;
mod relay;
mod send;
mod server;
mod socket;
mod store;
mod tls;
mod unreached;
mod walk;

pub use address::{AddressError, DestinationAddress, RECEIVER_PORT, RELAY_PORT, RelayAddress};
pub use identity::{Identity, IdentityError, PublicKey, PublicKeyError};
pub use receive::{ReceiverError, ReceiverSettings};
pub use relay::{
    PortRange, PortRangeError, RegistrationState, Relay, RelayError, RelaySettings, RelayStatistics,
};
pub use server::{Server, ServerError, ServerSettings};
pub use store::StoreError;
