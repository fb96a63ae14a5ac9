//! The records of a storm: one line for each end of each connection, written by the process that had the end.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Which end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The side that connected.
    Client,
    /// The side that accepted.
    Server,
}

/// One end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The connection's number in the storm.
    pub number: u64,
    /// Which end.
    pub side: Side,
    /// Its own address.
    pub local: SocketAddr,
    /// The other's.
    pub remote: SocketAddr,
    /// Payload bytes it wrote.
    pub sent: u64,
    /// Payload bytes it read.
    pub received: u64,
    /// Whether it closed before the other did.
    pub closed_first: bool,
}

/// Writes them to a file, one a line.
pub fn write_ends(place: &Path, ends: &[End]) -> Result<()> {
    let file = File::create(place).with_context(|| format!("making {}", place.display()))?;
    let mut out = BufWriter::new(file);
    for end in ends {
        let End { number, side, local, remote, sent, received, closed_first } = end;
        let side = match side {
            Side::Client => "client",
            Side::Server => "server",
        };
        writeln!(out, "{number} {side} {local} {remote} {sent} {received} {closed_first}")?;
    }
    out.flush().with_context(|| format!("writing {}", place.display()))
}

/// Reads what [`write_ends`] wrote.
pub fn read_ends(place: &Path) -> Result<Vec<End>> {
    let file = File::open(place).with_context(|| format!("cannot open {}", place.display()))?;
    BufReader::new(file)
        .lines()
        .map(|line| {
            let line = line?;
            parse(&line).with_context(|| format!("reading the line {line:?}"))
        })
        .collect::<Result<_>>()
        .with_context(|| format!("reading {}", place.display()))
}

fn parse(line: &str) -> Result<End> {
    let words: Vec<&str> = line.split(' ').collect();
    let &[number, side, local, remote, sent, received, closed_first] = words.as_slice() else {
        bail!("it has {} words instead of seven", words.len());
    };
    Ok(End {
        number: number.parse()?,
        side: match side {
            "client" => Side::Client,
            "server" => Side::Server,
            other => bail!("`{other}` is no side"),
        },
        local: local.parse()?,
        remote: remote.parse()?,
        sent: sent.parse()?,
        received: received.parse()?,
        closed_first: closed_first.parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_and_a_wrong_one_refused() {
        let end = parse("7 server [::1]:7100 [::1]:40000 10 20 true").unwrap();
        assert_eq!((end.number, end.side, end.sent, end.closed_first), (7, Side::Server, 10, true));
        assert!(parse("7 server [::1]:7100 10 20 true").is_err());
        assert!(parse("7 both 1.1.1.1:1 1.1.1.1:2 10 20 true").is_err());
    }
}
