//! Which sockets besides TCP and UDP are asked for. None by default: reading them costs time, and they are no connections of
//! the machine to others.

use serde::{Deserialize, Serialize};

/// A kind of socket that is read only if it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OtherFamily {
    /// `AF_UNIX`, unix(7).
    Unix,
    /// `SOCK_RAW` over IPv4 and IPv6, raw(7).
    Raw,
    /// UDP-Lite, RFC 3828, udplite(7).
    UdpLite,
    /// `AF_PACKET`, packet(7).
    Packet,
    /// `AF_NETLINK`, netlink(7).
    Netlink,
    /// `AF_VSOCK`, vsock(7).
    Vsock,
    /// Sockets in no table: created and never bound, or closed at both ends while a process keeps the descriptor.
    None,
}

impl OtherFamily {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Unix,
        Self::Raw,
        Self::UdpLite,
        Self::Packet,
        Self::Netlink,
        Self::Vsock,
        Self::None,
    ];
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct OtherFamilies(u8);

impl OtherFamilies {
    /// No kind.
    pub const EMPTY: Self = Self(0);

    /// Every kind.
    #[must_use]
    pub fn all() -> Self {
        OtherFamily::ALL.into_iter().fold(Self::EMPTY, Self::with)
    }

    /// The same and `family`.
    #[must_use]
    pub fn with(self, family: OtherFamily) -> Self {
        Self(self.0 | 1 << (family as u8))
    }

    /// Whether `family` is one of them.
    #[must_use]
    pub fn contains(self, family: OtherFamily) -> bool {
        self.0 & 1 << (family as u8) != 0
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::EMPTY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_added() {
        let set = OtherFamilies::EMPTY.with(OtherFamily::Raw).with(OtherFamily::None);
        let has: Vec<_> = OtherFamily::ALL.into_iter().filter(|f| set.contains(*f)).collect();
        assert_eq!(has, [OtherFamily::Raw, OtherFamily::None]);
        assert!(OtherFamily::ALL.into_iter().all(|f| OtherFamilies::all().contains(f)));
        assert!(OtherFamilies::default().is_empty() && !set.is_empty());
    }
}
