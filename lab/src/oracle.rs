//! What the kernel itself reports, by independent tools: `ss`, `/proc/net`, `/proc/*/fd`.
//!
//! Parsing here is deliberately naive and separate from the product's; agreement of the two is the proof.

mod owners;
mod proc_net;
mod ss;

pub use owners::owners;
pub use proc_net::{ProcRow, proc_net, tcp_ext_counter};
pub use ss::{SsRow, ss};
