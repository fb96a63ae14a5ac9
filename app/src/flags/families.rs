//! Flags of the list for sockets that are neither TCP nor UDP, as `ss` spells them.

use clap::{Args, ValueEnum};
use conns_api::Ask;
use conns_core::model::{OtherFamilies, OtherFamily};

use super::{Selection, SourceChoice};
use crate::failure::Failure;

/// The help heading of these flags.
const OTHER: &str =
    "Other sockets of this machine (with -a all states, with -l listening and unconnected)";

/// A kind of sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyChoice {
    /// Unix sockets, with the process at the other end
    Unix,
    /// Raw sockets of IPv4 and IPv6
    Raw,
    /// Packet sockets
    #[value(alias = "link")]
    Packet,
    /// Sockets between virtual machines and their host
    Vsock,
    /// Netlink sockets
    Netlink,
    /// UDP-Lite
    #[value(alias = "udp-lite")]
    Udplite,
    /// Sockets in no table: never bound, or closed while a process keeps the descriptor
    None,
    /// TCP and UDP over IPv4
    Inet,
    /// TCP and UDP over IPv6
    Inet6,
    /// Every kind, TCP and UDP included
    All,
}

/// Which sockets besides TCP and UDP.
#[derive(Debug, Args)]
pub(crate) struct FamilyFlags {
    /// Unix sockets, with the process at the other end
    #[arg(short = 'x', long, conflicts_with_all = ["agent", "read", "closed"], help_heading = OTHER)]
    pub(crate) unix: bool,
    /// Raw sockets
    #[arg(short = 'w', long, conflicts_with_all = ["agent", "read", "closed"], help_heading = OTHER)]
    pub(crate) raw: bool,
    /// Packet sockets
    #[arg(short = '0', long, conflicts_with_all = ["agent", "read", "closed"], help_heading = OTHER)]
    pub(crate) packet: bool,
    /// Sockets between virtual machines and their host
    #[arg(long, conflicts_with_all = ["agent", "read", "closed"], help_heading = OTHER)]
    pub(crate) vsock: bool,
    /// Sockets of these kinds, comma-separated or repeated
    #[arg(
        short = 'f', long, value_enum, value_name = "FAMILY", value_delimiter = ',',
        conflicts_with_all = ["agent", "read", "closed"], help_heading = OTHER
    )]
    pub(crate) family: Vec<FamilyChoice>,
}

impl FamilyFlags {
    /// The other sockets that are asked for.
    pub(crate) fn others(&self) -> OtherFamilies {
        let flags = [
            (self.unix, OtherFamily::Unix),
            (self.raw, OtherFamily::Raw),
            (self.packet, OtherFamily::Packet),
            (self.vsock, OtherFamily::Vsock),
        ];
        let mut others = OtherFamilies::EMPTY;
        for (_, family) in flags.into_iter().filter(|(is_set, _)| *is_set) {
            others = others.with(family);
        }
        for choice in &self.family {
            others = match choice {
                FamilyChoice::Unix => others.with(OtherFamily::Unix),
                FamilyChoice::Raw => others.with(OtherFamily::Raw),
                FamilyChoice::Packet => others.with(OtherFamily::Packet),
                FamilyChoice::Vsock => others.with(OtherFamily::Vsock),
                FamilyChoice::Netlink => others.with(OtherFamily::Netlink),
                FamilyChoice::Udplite => others.with(OtherFamily::UdpLite),
                FamilyChoice::None => others.with(OtherFamily::None),
                FamilyChoice::All => OtherFamilies::all(),
                FamilyChoice::Inet | FamilyChoice::Inet6 => others,
            };
        }
        others
    }

    /// The query of `selection` with these sockets: without TCP and UDP, unless they are asked for as well.
    pub(crate) fn ask(&self, selection: &Selection) -> Ask {
        let (others, among) = (self.others(), &selection.among);
        let has = |choice| self.family.contains(&choice);
        let (inet, inet6) = (has(FamilyChoice::Inet), has(FamilyChoice::Inet6));
        let is_internet = inet || inet6 || has(FamilyChoice::All) || among.tcp || among.udp;
        let ask = selection.ask();
        let both = inet == inet6 || has(FamilyChoice::All);
        Ask {
            tcp: ask.tcp && (others.is_empty() || is_internet),
            udp: ask.udp && (others.is_empty() || is_internet),
            ipv4: ask.ipv4 && (both || inet),
            ipv6: ask.ipv6 && (both || inet6),
            others,
            ..ask
        }
    }

    /// The source to read: only the kernel's tables have them.
    pub(crate) fn source(
        &self,
        chosen: Option<SourceChoice>,
        is_remote: bool,
    ) -> Result<Option<SourceChoice>, Failure> {
        if self.others().is_empty() {
            return Ok(chosen);
        }
        let refused = match chosen {
            _ if is_remote => {
                "an agent samples TCP and UDP only; unset CONNS_AGENT to read this machine"
            }
            Some(SourceChoice::Ebpf | SourceChoice::Portable) => {
                "this source reads TCP and UDP only; use --source kernel"
            }
            Some(SourceChoice::Auto | SourceChoice::Kernel) | None => {
                return Ok(Some(SourceChoice::Kernel));
            }
        };
        Err(Failure::Usage(format!("cannot list sockets of other families: {refused}")))
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::flags::Flags;

    fn ask(words: &str) -> Ask {
        let flags = Flags::try_parse_from(words.split(' ')).unwrap();
        flags.list.families.ask(&flags.list.selection)
    }

    #[test]
    fn tcp_and_udp_are_read_only_where_no_other_family_replaces_them() {
        let plain = ask("conns");
        assert!(plain.tcp && plain.udp && plain.others.is_empty());
        let unix = ask("conns -x");
        assert!(!unix.tcp && !unix.udp && unix.others.contains(OtherFamily::Unix));
        let both = ask("conns -tx");
        assert!(both.tcp && !both.udp && both.others.contains(OtherFamily::Unix));
        let all = ask("conns --family all");
        assert!(all.tcp && all.udp && all.ipv4 && all.ipv6 && all.others == OtherFamilies::all());
        let inet = ask("conns -f inet");
        assert!(inet.tcp && inet.udp && inet.ipv4 && !inet.ipv6 && inet.others.is_empty());
        let listed = ask("conns -w0 -f netlink,none --vsock");
        let has = OtherFamily::ALL.into_iter().filter(|f| listed.others.contains(*f)).count();
        assert_eq!((has, listed.tcp), (5, false));
    }

    #[test]
    fn other_sources_are_refused() {
        let flags = Flags::try_parse_from(["conns", "-x"]).unwrap().list.families;
        assert_eq!(flags.source(None, false).unwrap(), Some(SourceChoice::Kernel));
        assert!(flags.source(None, true).is_err());
        assert!(flags.source(Some(SourceChoice::Portable), false).is_err());
        let plain = Flags::try_parse_from(["conns"]).unwrap().list.families;
        assert_eq!(plain.source(None, true).unwrap(), None);
    }
}
