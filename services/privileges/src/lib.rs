//! Drops privileges once everything is open, and reports the result. `docs/privileges.md` gives the
//! reason for each privilege that is kept or dropped.
//!
//! Invariant: privileges are dropped while the process has one thread, so that later threads inherit
//! the result, and the report is read back from the kernel.

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod asking;
#[cfg(target_os = "linux")]
mod capabilities;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod error;
mod keep;
mod report;
#[cfg(target_os = "linux")]
mod serving;
#[cfg(target_os = "linux")]
mod serving_process;
#[cfg(target_os = "linux")]
mod shrink;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod syscalls;
#[cfg(target_os = "linux")]
mod unprivileged;

#[cfg(target_os = "linux")]
pub use account::{Account, becomes, serving_account};
#[cfg(target_os = "linux")]
pub use asking::{confine_asking_thread, confine_link_thread};
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{
    Account, Confinement, Privileges, ServedBy, becomes, confine_asking_thread, shrink,
};
pub use error::PrivilegeError;
pub use keep::Keep;
pub use report::{
    Landlock, LandlockState, Missing, Report, Seccomp, Serving, ServingProcess, ThreadGroup,
};
#[cfg(target_os = "linux")]
pub use serving::Confinement;
#[cfg(target_os = "linux")]
pub use serving_process::confine_process;
#[cfg(target_os = "linux")]
pub use shrink::{Privileges, ServedBy, shrink};
#[cfg(target_os = "linux")]
pub use unprivileged::drop_all;
