//! The lab: real kernels, namespaces of its own, and paths whose faults are known because the lab made them.
//!
//! Nothing here is part of `conns`, and no oracle reads `conns` code: the kernel's own tools and the path's
//! own counters are the truth; `conns` is only under test.

pub mod agent;
pub mod compare;
pub mod conns;
pub mod follow;
pub mod health;
pub mod matrix;
pub mod memory_group;
pub mod netns;
pub mod oracle;
pub mod path;
pub mod peer;
pub mod process;
pub mod scenario;
pub mod soak;
pub mod storm;
pub mod try_path;
