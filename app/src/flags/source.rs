//! Where connections are read from: the value of `--source`, and a capture file in the place of this machine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use conns_core::query::parse_date;

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

/// The help heading of the flags of a capture file.
const FILE: &str = "Capture file";

/// Which capture file is read in the place of this machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct ReadFlags {
    /// Read the packets of FILE (pcap or pcapng, also with gzip or Zstandard; - is standard input) instead of this
    /// machine; each connection is two rows, one seen from each end
    #[arg(long, global = true, value_name = "FILE", help_heading = FILE, conflicts_with = "agent")]
    pub(crate) read: Option<PathBuf>,
    /// The moment of the file to show, in RFC 3339 or in microseconds since 1970 [default: its end]
    #[arg(
        long, global = true, value_name = "TIME", help_heading = FILE, value_parser = parse_moment, requires = "read"
    )]
    pub(crate) until: Option<i64>,
}

/// Microseconds since 1970-01-01 UTC.
fn parse_moment(text: &str) -> Result<i64, String> {
    let micros = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => text.parse().ok(),
        false => parse_date(text).and_then(|micros| i64::try_from(micros).ok()),
    };
    micros.ok_or_else(|| {
        format!(
            "expected a time such as 2026-01-31T12:00:00Z, or microseconds since 1970, found `{text}`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::parse_moment;

    #[test]
    fn a_moment_is_a_date_or_microseconds() {
        for (text, us) in [
            ("0", 0),
            ("1767225600000001", 1_767_225_600_000_001),
            ("2026-01-01T00:00:00.000001Z", 1_767_225_600_000_001),
            ("2026-01-01T01:00:00.000001+01:00", 1_767_225_600_000_001),
        ] {
            assert_eq!(parse_moment(text), Ok(us), "{text}");
        }
        for text in ["", "now", "-5", "99999999999999999999", "2026-13-01"] {
            assert!(parse_moment(text).is_err(), "{text}");
        }
    }
}
