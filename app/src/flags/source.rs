//! The value of `--source`.

use clap::ValueEnum;

/// Where connections are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceChoice {
    /// The kernel's tables if they can be read, else portable
    Auto,
    /// sock_diag and procfs (Linux)
    Kernel,
    /// eBPF programs of its own (Linux), or an error if they cannot be loaded
    Ebpf,
    /// The operating system's common interfaces: no latency, loss or bytes
    Portable,
}
