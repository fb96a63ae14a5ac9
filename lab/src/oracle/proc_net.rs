//! `/proc/net/tcp`, `tcp6`, `udp`, `udp6` and the extended TCP counters, as text.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, anyhow};

use crate::netns::Namespace;

/// One line of `/proc/net/tcp` and its kin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcRow {
    /// Local address.
    pub local: SocketAddr,
    /// Remote address.
    pub remote: SocketAddr,
    /// State number of `include/net/tcp_states.h`: 1 established, 10 listening.
    pub state: u8,
    /// Inode, 0 if no descriptor refers to the socket.
    pub inode: u64,
}

/// Reads `/proc/net/<table>` of a namespace.
pub fn proc_net(namespace: &Namespace, table: &str) -> Result<Vec<ProcRow>> {
    namespace
        .read(&format!("/proc/thread-self/net/{table}"))?
        .lines()
        .skip(1)
        .map(|line| parse(line).with_context(|| format!("reading the line {line:?} of {table}")))
        .collect()
}

/// A counter of the `TcpExt` lines of `/proc/net/netstat`, as `nstat` shows it.
pub fn tcp_ext_counter(namespace: &Namespace, name: &str) -> Result<u64> {
    let text = namespace.read("/proc/thread-self/net/netstat")?;
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:"));
    let names = lines.next().unwrap_or_default().split_whitespace();
    let values = lines.next().unwrap_or_default().split_whitespace();
    let value = names
        .zip(values)
        .find(|(one, _)| *one == name)
        .ok_or_else(|| anyhow!("no counter {name} in /proc/net/netstat"))?
        .1;
    Ok(value.parse()?)
}

fn parse(line: &str) -> Result<ProcRow> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied().ok_or_else(|| anyhow!("it is too short"));
    Ok(ProcRow {
        local: address(word(1)?)?,
        remote: address(word(2)?)?,
        state: u8::from_str_radix(word(3)?, 16)?,
        inode: word(9)?.parse()?,
    })
}

fn address(text: &str) -> Result<SocketAddr> {
    let (host, port) = text.split_once(':').ok_or_else(|| anyhow!("no port in {text:?}"))?;
    let port = u16::from_str_radix(port, 16)?;
    // The kernel prints each 32-bit word of the address in its own byte order.
    let bytes = host
        .as_bytes()
        .chunks(8)
        .map(|word| Ok(u32::from_str_radix(std::str::from_utf8(word)?, 16)?.to_ne_bytes()))
        .collect::<Result<Vec<[u8; 4]>>>()?
        .concat();
    let host = match <[u8; 4]>::try_from(bytes.as_slice()) {
        Ok(four) => IpAddr::V4(Ipv4Addr::from(four)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes.as_slice())?)),
    };
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_net_tcp_is_read() {
        let row = parse("   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0 100 0 0 10 0").unwrap();
        assert_eq!(row.local, "127.0.0.1:8080".parse().unwrap());
        assert_eq!((row.state, row.inode), (10, 12345));
        assert_eq!(
            address("0000000000000000FFFF00000100007F:0001").unwrap(),
            "[::ffff:127.0.0.1]:1".parse().unwrap()
        );
    }
}
