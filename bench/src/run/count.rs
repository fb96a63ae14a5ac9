//! Counts the sockets a command lists, in a run of its own that is not timed.
//!
//! The output is read as a stream and never kept: at 100 000 sockets it reaches hundreds of megabytes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::contenders::Rows;

/// The answer of `conns -o json`; an `IgnoredAny` takes no room, so the vector is only a counter.
#[derive(Deserialize)]
struct Answer {
    connections: Vec<IgnoredAny>,
}

/// Runs the command inside the namespace and counts the sockets it lists.
pub(crate) fn rows(netns: &str, command: &[String], rows: Rows) -> anyhow::Result<u64> {
    let mut child = Command::new(crate::own::program()?)
        .args(["inside", "--netns", netns, "--"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the counting run")?;
    let stdout = child.stdout.take().context("the counting run has no stdout")?;
    let mut stderr = child.stderr.take().context("the counting run has no stderr")?;
    let complaints = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Complaints only explain a failure; one that cannot be read leaves the status.
        let _ = stderr.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).trim().to_owned()
    });
    let counted = count(BufReader::new(stdout), rows);
    let status = child.wait().context("cannot wait for the counting run")?;
    let complaints = complaints.join().unwrap_or_default();
    ensure!(status.success(), "it ended with {status}: {complaints}");
    counted
}

fn count(mut output: impl BufRead, rows: Rows) -> anyhow::Result<u64> {
    if rows == Rows::Json {
        let answer: Answer = serde_json::from_reader(output)
            .context("its output is not one JSON object with an array \"connections\"")?;
        return Ok(answer.connections.len() as u64);
    }
    let mut counted = 0u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        if output.read_until(b'\n', &mut line).context("cannot read its output")? == 0 {
            break;
        }
        match rows {
            Rows::Json => {}
            Rows::Unindented { .. } => counted += u64::from(!line[0].is_ascii_whitespace()),
            Rows::BeginWith(start) => counted += u64::from(line.starts_with(start.as_bytes())),
            Rows::FirstNumber => {
                let text = String::from_utf8_lossy(&line);
                let number = text.split_whitespace().next().unwrap_or_default();
                return number
                    .parse()
                    .with_context(|| format!("its first line {text:?} begins with no number"));
            }
        }
    }
    Ok(match rows {
        Rows::Unindented { heading } => counted.saturating_sub(heading),
        _ => counted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_output_is_counted() {
        let json = br#"{"connections":[{"pid":1},{"pid":null}],"notices":["x"]}"#;
        assert_eq!(count(&json[..], Rows::Json).unwrap(), 2);
        assert!(count(&b"[]"[..], Rows::Json).is_err());
        let ss = b"State Recv-Q\nESTAB 0\n\t bbr rtt:1\nESTAB 0\n\t bbr\n";
        assert_eq!(count(&ss[..], Rows::Unindented { heading: 1 }).unwrap(), 2);
        assert_eq!(
            count(&b"Proto\ntcp 1\ntcp6 2\nudp 3\n"[..], Rows::BeginWith("tcp")).unwrap(),
            2
        );
        assert_eq!(count(&b"42 sockets, 7 bytes\n"[..], Rows::FirstNumber).unwrap(), 42);
    }
}
