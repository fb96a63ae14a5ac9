//! Parses a watcher's lines and ticks them off on the storm's records.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use conns_lab::storm::Done;
use serde_json::Value;

/// Reads one line of a watcher; nothing, if it is about no connection.
pub(super) type Parse = fn(&str) -> Option<Line>;

/// An end of a connection, as a line reports it. Of the nearer end the port is enough: no two ends of the storm have the same
/// port and the same other end, and one of the watchers shows no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    local_port: u16,
    remote: SocketAddr,
    /// Whether it names a process.
    has_owner: bool,
}

/// How much was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// Connections of the storm.
    pub(super) connections: u64,
    /// Those of which an end was seen.
    pub(super) seen: u64,
    /// Those of which both ends were seen.
    pub(super) both_ends: u64,
    /// Ends that were seen with a process, of twice as many as there are connections.
    pub(super) owned_ends: u64,
}

impl Seen {
    /// Ticks off every line. Lines about anything else are passed over.
    pub(super) fn count(
        done: &Done,
        lines: impl Iterator<Item = std::io::Result<String>>,
        parse: Parse,
    ) -> std::io::Result<Self> {
        let ends = done
            .ends
            .iter()
            .map(|end| ((end.local.port(), end.remote), (end.number, false, false)));
        let mut ends: HashMap<_, _> = ends.collect();
        for line in lines {
            let Some(Line { local_port, remote, has_owner }) = parse(&line?) else { continue };
            if let Some((_, is_seen, is_owned)) = ends.get_mut(&(local_port, remote)) {
                *is_seen = true;
                *is_owned |= has_owner;
            }
        }
        let mut seen = Self { connections: done.count(), ..Self::default() };
        let mut ends_seen: HashMap<u64, u64> = HashMap::new();
        for (number, is_seen, is_owned) in ends.into_values() {
            *ends_seen.entry(number).or_default() += u64::from(is_seen);
            seen.owned_ends += u64::from(is_owned);
        }
        for count in ends_seen.into_values() {
            seen.seen += u64::from(count > 0);
            seen.both_ends += u64::from(count > 1);
        }
        Ok(seen)
    }
}

fn address(host: &str, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(host.trim_matches(['[', ']']).parse::<IpAddr>().ok()?, port.parse().ok()?))
}

/// `conns events -o jsonl`.
pub(super) fn conns(line: &str) -> Option<Line> {
    let event: Value = serde_json::from_str(line).ok()?;
    let port = |key: &str| u16::try_from(event[key].as_u64()?).ok();
    let remote =
        SocketAddr::new(event["remote_addr"].as_str()?.parse().ok()?, port("remote_port")?);
    Some(Line { local_port: port("local_port")?, remote, has_owner: event["pid"].is_u64() })
}

/// `ESTAB 0 0 127.0.0.1:7100 127.0.0.1:20000`
pub(super) fn ss(line: &str) -> Option<Line> {
    let mut words = line.split_whitespace().skip(3);
    let (_, local_port) = words.next()?.rsplit_once(':')?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    let local_port = local_port.parse().ok()?;
    Some(Line { local_port, remote: address(host, port)?, has_owner: false })
}

/// `1234 name 127.0.0.1 7100 127.0.0.1 20000 0 1 0.12`; a name may have blanks.
pub(super) fn tcplife(line: &str) -> Option<Line> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let &[pid, .., local_port, host, port, _, _, _] = words.as_slice() else { return None };
    let has_owner = pid.parse::<u32>().is_ok_and(|pid| pid > 0);
    Some(Line { local_port: local_port.parse().ok()?, remote: address(host, port)?, has_owner })
}

/// The log of `rustnet --json-log`.
pub(super) fn rustnet(line: &str) -> Option<Line> {
    let event: Value = serde_json::from_str(line).ok()?;
    let port = |key: &str| u16::try_from(event[key].as_u64()?).ok();
    let remote =
        SocketAddr::new(event["destination_ip"].as_str()?.parse().ok()?, port("destination_port")?);
    let has_owner = ["pid", "process_name", "process"].iter().any(|key| !event[*key].is_null());
    Some(Line { local_port: port("source_port")?, remote, has_owner })
}

/// `connection: <17> <lo>:20000 => 127.0.0.1:7100 (tcp) up/down Bps: 200/0 process: "name"`
pub(super) fn bandwhich(line: &str) -> Option<Line> {
    let (local, rest) = line.strip_prefix("connection: ")?.split_once(" => ")?;
    let (_, local_port) = local.rsplit_once(':')?;
    let (host, port) = rest.split(' ').next()?.rsplit_once(':')?;
    let has_owner = rest.contains("process: ") && !rest.contains("<UNKNOWN>");
    Some(Line { local_port: local_port.parse().ok()?, remote: address(host, port)?, has_owner })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_watcher_is_read() {
        let line = |has_owner| {
            Some(Line { local_port: 20_000, remote: "127.2.0.1:7100".parse().unwrap(), has_owner })
        };
        let event = r#"{"event":"closed","local_addr":"127.0.0.1","local_port":20000,"remote_addr":"127.2.0.1","remote_port":7100,"pid":5}"#;
        assert_eq!(conns(event), line(true));
        assert_eq!(conns(&event.replace(":5}", ":null}")), line(false));
        assert_eq!(ss("ESTAB 0      0      127.0.0.1:20000    127.2.0.1:7100   "), line(false));
        assert_eq!(tcplife("5 a name 127.0.0.1 20000 127.2.0.1 7100 0 1 0.2"), line(true));
        assert_eq!(tcplife("PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS"), None);
        let event = r#"{"destination_ip":"127.2.0.1","destination_port":7100,"source_port":20000,"event":"new_connection"}"#;
        assert_eq!(rustnet(event), line(false));
        let text = "connection: <17> <lo>:20000 => 127.2.0.1:7100 (tcp) up/down Bps: 2/0 process: ";
        assert_eq!(bandwhich(&format!("{text}\"storm\"")), line(true));
        assert_eq!(bandwhich(&format!("{text}\"<UNKNOWN>\"")), line(false));
        assert_eq!(bandwhich("process: <17> \"storm\" up/down Bps: 2/0 connections: 1"), None);
        assert_eq!(ss("ESTAB 0 0 [::1]:7100 [::1]:20001").map(|line| line.local_port), Some(7100));
    }
}
