//! Rows of `ss`, one line a socket.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, anyhow};

use crate::netns::Namespace;

/// One socket as `ss` shows it.
#[derive(Clone, Debug)]
pub struct SsRow {
    /// State under the name `ss` gives it.
    pub state: String,
    /// Recv-Q in bytes; of a listener the connections waiting to be accepted.
    pub recv_queue: u64,
    /// Send-Q in bytes; of a listener its backlog limit.
    pub send_queue: u64,
    /// Local address; `*` is `::`.
    pub local: SocketAddr,
    /// Remote address; port 0 if there is none.
    pub remote: SocketAddr,
    /// Everything after the addresses, as printed.
    pub detail: String,
    fields: BTreeMap<String, String>,
}

impl SsRow {
    /// The text after `name:` in the details, for example `rtt`, `cwnd`, `ino`, `sk`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field as a number, leaving out what follows the first character that is not part of it.
    pub fn number(&self, name: &str) -> Option<f64> {
        let text = self.field(name)?;
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        text[..end].parse().ok()
    }

    /// The socket cookie (`sk:` is hexadecimal).
    pub fn cookie(&self) -> Option<u64> {
        u64::from_str_radix(self.field("sk")?, 16).ok()
    }

    /// The inode; 0 for sockets without a descriptor, which `ss` prints without one.
    pub fn inode(&self) -> u64 {
        self.field("ino").and_then(|text| text.parse().ok()).unwrap_or(0)
    }
}

/// Runs `ss -HOn` with further letters (such as `tai`) in a namespace.
pub fn ss(namespace: &Namespace, letters: &str) -> Result<Vec<SsRow>> {
    namespace
        .output("ss", &[&format!("-HOn{letters}")])?
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| parse(line).with_context(|| format!("reading the ss line {line:?}")))
        .collect()
}

fn parse(line: &str) -> Result<SsRow> {
    let mut words = line.split_whitespace();
    let mut next = || words.next().ok_or_else(|| anyhow!("it is too short"));
    let state = next()?.to_owned();
    let recv_queue = next()?.parse()?;
    let send_queue = next()?.parse()?;
    let local = address(next()?)?;
    let remote = address(next()?)?;
    let detail = words.collect::<Vec<_>>().join(" ");
    let mut fields = BTreeMap::new();
    let mut previous = "";
    for word in detail.split_whitespace() {
        if let Some((name, text)) = word.split_once(':') {
            fields.insert(name.to_owned(), text.to_owned());
        } else if matches!(previous, "send" | "pacing_rate" | "delivery_rate") {
            // These three are printed with a blank before their value.
            fields.insert(previous.to_owned(), word.to_owned());
        } else {
            fields.insert(word.to_owned(), String::new());
        }
        previous = word;
    }
    Ok(SsRow { state, recv_queue, send_queue, local, remote, detail, fields })
}

fn address(text: &str) -> Result<SocketAddr> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| anyhow!("no port in {text:?}"))?;
    let host = host.split('%').next().unwrap_or(host).trim_matches(['[', ']']);
    let host = if host == "*" { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { host.parse()? };
    let port = if port == "*" { 0 } else { port.parse()? };
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ss_is_read() {
        let row = parse(
            "ESTAB 0 17 [::ffff:10.77.0.1]:5000 *:60 uid:3 ino:77 sk:1f cubic rtt:80.1/0.2 send 3Mbps app_limited",
        )
        .unwrap();
        assert_eq!(row.local, "[::ffff:10.77.0.1]:5000".parse().unwrap());
        assert_eq!((row.inode(), row.cookie(), row.number("rtt")), (77, Some(31), Some(80.1)));
        assert_eq!(row.field("app_limited"), Some(""));
        assert_eq!(row.field("send"), Some("3Mbps"));
    }
}
