//! The UDP ports that flows have.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering};

/// UDP ports of flows, both bounds included, for firewalls that open ports by range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

/// The text is no range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a range of ports such as 40000-41999, with at least two ports, found `{0}`")]
pub struct PortRangeError(String);

impl FromStr for PortRange {
    type Err = PortRangeError;

    fn from_str(text: &str) -> Result<Self, PortRangeError> {
        let range = text.split_once('-').and_then(|(first, last)| {
            Some(Self { first: first.parse().ok()?, last: last.parse().ok()? })
        });
        // A flow has two ports, and port 0 is one that the kernel chooses.
        let is_valid = |range: &Self| range.first > 0 && range.first < range.last;
        range.filter(is_valid).ok_or_else(|| PortRangeError(text.to_owned()))
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl PortRange {
    fn count(self) -> usize {
        usize::from(self.last - self.first) + 1
    }
}

/// Chooses the port of each side of a flow.
#[derive(Debug)]
pub(super) struct PortChoice {
    /// `None` leaves the choice to the kernel.
    range: Option<PortRange>,
    /// Where in the range the next search begins: a port is used again as late as possible.
    next: AtomicUsize,
}

impl PortChoice {
    pub(super) fn new(range: Option<PortRange>) -> Self {
        Self { range, next: AtomicUsize::new(0) }
    }

    /// Opens a socket at a free port of an address.
    pub(super) fn open<T>(
        &self,
        mut local: SocketAddr,
        open: impl Fn(SocketAddr) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(range) = self.range else {
            local.set_port(0);
            return open(local);
        };
        for _ in 0..range.count() {
            let at = self.next.fetch_add(1, Ordering::Relaxed) % range.count();
            local.set_port(range.first.saturating_add(u16::try_from(at).unwrap_or(0)));
            match open(local) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                opened => return opened,
            }
        }
        let why = format!("all UDP ports {range} of {} are in use (--udp-ports)", local.ip());
        Err(io::Error::new(io::ErrorKind::AddrInUse, why))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot continue fails")]

    use std::cell::RefCell;

    use super::*;

    #[test]
    fn a_range_has_two_ports_at_least() {
        for text in ["40000-41999", "1-2", "65534-65535"] {
            assert_eq!(text.parse::<PortRange>().unwrap().to_string(), text);
        }
        for text in ["", "1", "0-5", "5-5", "6-5", "1-65536", "a-b", "1-2-3", "-1-2"] {
            let error = text.parse::<PortRange>().unwrap_err().to_string();
            assert!(error.contains("such as 40000-41999"), "{text}: {error}");
        }
    }

    #[test]
    fn ports_are_used_in_turn_and_those_in_use_are_omitted() {
        let choice = PortChoice::new(Some("7-9".parse().unwrap()));
        let local = SocketAddr::from(([127, 0, 0, 1], 8887));
        let used = RefCell::new(vec![8]);
        let open = |at: SocketAddr| {
            if used.borrow().contains(&at.port()) {
                return Err(io::ErrorKind::AddrInUse.into());
            }
            used.borrow_mut().push(at.port());
            Ok(at.port())
        };
        assert_eq!((choice.open(local, open).unwrap(), choice.open(local, open).unwrap()), (7, 9));
        let error = choice.open(local, open).unwrap_err().to_string();
        assert!(error.contains("all UDP ports 7-9 of 127.0.0.1 are in use"), "{error}");
        used.borrow_mut().retain(|port| *port != 8);
        assert_eq!(choice.open(local, open).unwrap(), 8);
        let denied = |_| Err::<(), _>(io::ErrorKind::PermissionDenied.into());
        let error = choice.open(local, denied).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        let kernel = PortChoice::new(None);
        assert_eq!(kernel.open(local, |at| Ok(at.port())).unwrap(), 0);
    }
}
