//! The link server of `[link]`: a process that the agent starts before it drops privileges, and asks over a socket pair.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod ends;
#[cfg(target_os = "linux")]
mod hosted;

#[cfg(target_os = "linux")]
pub(super) use calls::LinkCalls;
#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{HostedLink, start};
pub(super) use ends::LinkEnds;
#[cfg(target_os = "linux")]
pub(super) use hosted::{HostedLink, start};
