//! Names of protocols, as `ss` prints them. A number without a name here is printed as a number.

/// A protocol of IP (IANA Protocol Numbers, `/etc/protocols`).
pub(crate) fn ip_protocol(number: u8) -> Box<str> {
    named(
        number.into(),
        match number {
            0 => "ip",
            1 => "icmp",
            2 => "igmp",
            4 => "ipencap",
            6 => "tcp",
            17 => "udp",
            41 => "ipv6",
            47 => "gre",
            50 => "esp",
            51 => "ah",
            58 => "ipv6-icmp",
            89 => "ospf",
            103 => "pim",
            112 => "vrrp",
            115 => "l2tp",
            132 => "sctp",
            136 => "udplite",
            255 => "raw",
            _ => "",
        },
    )
}

/// An Ethernet type (`linux/if_ether.h`); `*` is every one.
pub(crate) fn ethernet_type(number: u16) -> Box<str> {
    let name = match number {
        0x0003 => "*",
        0x0004 => "802.2",
        0x0800 => "ip",
        0x0806 => "arp",
        0x86dd => "ipv6",
        0x8100 => "802.1Q",
        0x8863 => "ppp_disc",
        0x8864 => "ppp_ses",
        0x888e => "pae",
        0x88cc => "lldp",
        _ => return format!("0x{number:04x}").into(),
    };
    name.into()
}

/// A subsystem of netlink (`linux/netlink.h`).
pub(crate) fn netlink_protocol(number: u8) -> Box<str> {
    named(
        number.into(),
        match number {
            0 => "rtnl",
            2 => "usersock",
            3 => "fw",
            4 => "tcpdiag",
            5 => "nflog",
            6 => "xfrm",
            7 => "selinux",
            8 => "iscsi",
            9 => "audit",
            10 => "fiblookup",
            11 => "connector",
            12 => "nft",
            13 => "ip6fw",
            14 => "dec-rt",
            15 => "uevent",
            16 => "genl",
            18 => "scsi-trans",
            19 => "ecryptfs",
            20 => "rdma",
            21 => "crypto",
            22 => "smc",
            _ => "",
        },
    )
}

fn named(number: u32, name: &str) -> Box<str> {
    if name.is_empty() { number.to_string().into() } else { name.into() }
}
