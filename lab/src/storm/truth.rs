//! Compares every reported event with the storm's own records.
//!
//! Invariant: each reported event is ticked off on the list of records, so that duplicates, inventions and missing events
//! are counted exactly.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;

use super::record::{End, Side};
use super::reported::{Lost, Reported};
use super::run::Done;

/// Examples shown of each kind of mistake.
const MAX_EXAMPLES: usize = 1;
/// Kinds of events of an end.
const KINDS: [&str; 3] = ["opened", "accepted", "closed"];

/// The records, and what was reported of each.
#[derive(Debug)]
pub struct Truth<'a> {
    done: &'a Done,
    netns: &'a str,
    seen: HashMap<(SocketAddr, SocketAddr), Seen<'a>>,
    wrong: BTreeMap<&'static str, (u64, Vec<String>)>,
}

#[derive(Debug)]
struct Seen<'a> {
    end: &'a End,
    /// How often each of [`KINDS`] was reported.
    reported: [u32; KINDS.len()],
}

/// The result.
#[derive(Debug)]
pub struct Report {
    rows: Vec<Row>,
    wrong: BTreeMap<&'static str, (u64, Vec<String>)>,
    lost: Lost,
}

#[derive(Debug)]
struct Row {
    side: Side,
    kind: &'static str,
    happened: u64,
    /// Ends of which it was reported at least once.
    reported: u64,
    /// Ends of which it was reported more than once.
    again: u64,
}

impl<'a> Truth<'a> {
    /// The records of a storm that ran in the namespace called `netns`.
    pub fn of(done: &'a Done, netns: &'a str) -> Self {
        let seen = done
            .ends
            .iter()
            .map(|end| ((end.local, end.remote), Seen { end, reported: [0; KINDS.len()] }));
        Self { done, netns, seen: seen.collect(), wrong: BTreeMap::new() }
    }

    /// Ticks off one event; events of other namespaces are ignored.
    pub fn take(&mut self, reported: &Reported<'_>) {
        if reported.netns.as_deref() != Some(self.netns) {
            return;
        }
        let known = reported.ends().and_then(|ends| self.seen.get_mut(&ends));
        let kind = KINDS.iter().position(|kind| *kind == reported.kind());
        let (Some(seen), Some(kind)) = (known, kind) else {
            note(&mut self.wrong, "without a record", || format!("{reported:?}"));
            return;
        };
        if let Some(count) = seen.reported.get_mut(kind) {
            *count += 1;
        }
        let end = seen.end;
        let (pid, process) = (self.done.pid(end), self.done.process(end));
        for (field, is_right) in compare(end, pid, &process, reported) {
            if !is_right {
                note(&mut self.wrong, field, || {
                    format!("{reported:?}, but it was {end:?} of {process} ({pid})")
                });
            }
        }
    }

    /// The result; `kinds` are those the observer reports.
    pub fn report(self, kinds: &[&str], lost: Lost) -> Report {
        let mut rows = Vec::new();
        for side in [Side::Client, Side::Server] {
            for (index, kind) in KINDS.into_iter().enumerate() {
                let is_meant = kinds.contains(&kind) && (kind, side) != ("accepted", Side::Client);
                if !is_meant {
                    continue;
                }
                let counts = self.seen.values().filter(|seen| seen.end.side == side);
                let counts = counts.filter_map(|seen| seen.reported.get(index));
                let mut row = Row { side, kind, happened: 0, reported: 0, again: 0 };
                for count in counts {
                    row.happened += 1;
                    row.reported += u64::from(*count > 0);
                    row.again += u64::from(*count > 1);
                }
                rows.push(row);
            }
        }
        Report { rows, wrong: self.wrong, lost }
    }
}

fn note(
    wrong: &mut BTreeMap<&'static str, (u64, Vec<String>)>,
    what: &'static str,
    example: impl FnOnce() -> String,
) {
    let (count, examples) = wrong.entry(what).or_default();
    *count += 1;
    if examples.len() < MAX_EXAMPLES {
        examples.push(example());
    }
}

/// Whether each reported field equals the record. An end that no process has accepted yet has no owner.
fn compare<'t>(
    end: &End,
    pid: u32,
    process: &str,
    reported: &'t Reported<'_>,
) -> impl Iterator<Item = (&'static str, bool)> + use<'t> {
    let is_text =
        |reported: &Option<Cow<'_, str>>, expected: &str| reported.as_deref() == Some(expected);
    let is_client = end.side == Side::Client;
    let is_owned = is_client || reported.kind() != "opened";
    let is_end = reported.kind() == "closed";
    let owner = is_owned.then_some(pid);
    let name = |reported: &Option<Cow<'_, str>>| match is_owned {
        true => is_text(reported, process),
        false => reported.is_none(),
    };
    let closer = if end.closed_first { "local" } else { "remote" };
    [
        ("direction", is_text(&reported.direction, if is_client { "outbound" } else { "inbound" })),
        ("pid", reported.pid == owner),
        ("process", name(&reported.process)),
        ("opener_pid", reported.opener_pid == owner),
        ("opener", name(&reported.opener)),
        ("bytes_out", !is_end || reported.bytes_out == Some(end.sent)),
        ("bytes_in", !is_end || reported.bytes_in == Some(end.received)),
        ("ended", if is_end { is_text(&reported.ended, "fin") } else { reported.ended.is_none() }),
        (
            "closed_by",
            if is_end {
                is_text(&reported.closed_by, closer)
            } else {
                reported.closed_by.is_none()
            },
        ),
    ]
    .into_iter()
}

impl Report {
    /// Events that were not reported.
    pub fn missing(&self) -> u64 {
        self.rows.iter().map(Row::missing).sum()
    }

    /// Whether every reported event is right and reported once, and the missing ones are exactly those that `conns` reports as
    /// lost, by kind.
    pub fn is_ok(&self) -> bool {
        let overstated = self.lost_by_kind().iter().any(|(kind, lost)| {
            self.rows.iter().any(|row| row.kind == *kind) && self.missing_of(kind) < *lost
        });
        self.is_right() && self.unexplained() == self.lost.others && !overstated
    }

    /// Whether every reported event is right and reported once, and none is missing that `conns` does not report as lost.
    /// Unlike for [`Report::is_ok`], events of other connections of the machine may be among the lost ones.
    pub fn is_all_counted(&self) -> bool {
        self.is_right() && self.unexplained() <= self.lost.others
    }

    /// Whether every reported event is right and reported once.
    fn is_right(&self) -> bool {
        self.wrong.is_empty() && self.rows.iter().all(|row| row.again == 0)
    }

    fn lost_by_kind(&self) -> [(&'static str, u64); 3] {
        let lost = &self.lost;
        [("opened", lost.opened), ("accepted", lost.accepted), ("closed", lost.closed)]
    }

    fn missing_of(&self, kind: &str) -> u64 {
        self.rows.iter().filter(|row| row.kind == kind).map(Row::missing).sum()
    }

    /// Missing events beyond those reported as lost by kind. A loss of unknown kind can be part of any.
    fn unexplained(&self) -> u64 {
        let unexplained = |(kind, lost): &(&str, u64)| self.missing_of(kind).saturating_sub(*lost);
        self.lost_by_kind().iter().map(unexplained).sum()
    }
}

impl Row {
    fn missing(&self) -> u64 {
        self.happened - self.reported
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| end | event | happened | reported | missing | repeated |")?;
        writeln!(f, "|---|---|--:|--:|--:|--:|")?;
        for row in &self.rows {
            let side = match row.side {
                Side::Client => "client",
                Side::Server => "server",
            };
            let Row { kind, happened, reported, again, .. } = row;
            let missing = row.missing();
            writeln!(f, "| {side} | {kind} | {happened} | {reported} | {missing} | {again} |")?;
        }
        writeln!(f, "\nLost, as conns reports: {}.", self.lost)?;
        if self.wrong.is_empty() {
            writeln!(f, "Wrong: nothing.")?;
        }
        for (what, (count, examples)) in &self.wrong {
            writeln!(f, "Wrong: {what}, {count} times. For example:")?;
            for example in examples {
                writeln!(f, "  {example}")?;
            }
        }
        let judged = match (self.is_ok(), self.missing()) {
            (true, 0) => "every event reported once, and as recorded",
            (true, _) => {
                "the missing events are exactly those conns reports as lost, and the rest is as recorded"
            }
            (false, _) => "NOT as recorded",
        };
        writeln!(f, "Result: {judged}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETNS: &str = "storm";

    /// Two connections: the first the client closed first, the second the server.
    fn done() -> Done {
        let end = |number: u64, side: Side| {
            let (client, server) =
                (([127, 0, 0, 1], 1000 + number as u16).into(), ([127, 0, 0, 2], 80).into());
            let is_client = side == Side::Client;
            let (local, remote) = if is_client { (client, server) } else { (server, client) };
            let (sent, received) = if is_client { (5, 7) } else { (7, 5) };
            End {
                number,
                side,
                local,
                remote,
                sent,
                received,
                closed_first: is_client == (number == 0),
            }
        };
        let ends =
            [0, 1].into_iter().flat_map(|n| [end(n, Side::Client), end(n, Side::Server)]).collect();
        Done::of(ends, &[(Side::Client, 0, 11), (Side::Client, 1, 12), (Side::Server, 0, 21)])
    }

    fn line(done: &Done, index: usize, event: &str) -> String {
        let end = &done.ends[index];
        let (pid, process) = (done.pid(end), done.process(end));
        let is_client = end.side == Side::Client;
        let owner = if is_client || event != "opened" {
            format!(r#""pid":{pid},"process":"{process}","opener_pid":{pid},"opener":"{process}""#)
        } else {
            r#""pid":null,"process":null,"opener_pid":null,"opener":null"#.to_owned()
        };
        let last = if event == "closed" {
            let by = if end.closed_first { "local" } else { "remote" };
            let (sent, received) = (end.sent, end.received);
            format!(r#","bytes_out":{sent},"bytes_in":{received},"ended":"fin","closed_by":"{by}""#)
        } else {
            String::new()
        };
        let (local, remote) = (end.local, end.remote);
        let direction = if is_client { "outbound" } else { "inbound" };
        format!(
            r#"{{"event":"{event}","netns":"{NETNS}","local_addr":"{}","local_port":{},"remote_addr":"{}","remote_port":{},"direction":"{direction}",{owner}{last}}}"#,
            local.ip(),
            local.port(),
            remote.ip(),
            remote.port()
        )
    }

    fn report(change: impl FnOnce(&mut Vec<String>), lost: Lost) -> Report {
        let done = done();
        let mut lines: Vec<String> = (0..4).map(|index| line(&done, index, "closed")).collect();
        lines.push(line(&done, 1, "opened"));
        change(&mut lines);
        let mut truth = Truth::of(&done, NETNS);
        for line in &lines {
            truth.take(&serde_json::from_str(line).unwrap());
        }
        truth.report(&["closed"], lost)
    }

    #[test]
    fn events_as_recorded_are_ok() {
        let report = report(|_| {}, Lost::default());
        assert!(report.is_ok() && report.missing() == 0, "{report}");
    }

    #[test]
    fn missing_events_are_ok_only_if_exactly_they_are_reported_as_lost() {
        let lost = |closed| Lost { closed, ..Lost::default() };
        assert!(report(|lines| drop(lines.remove(0)), lost(1)).is_ok());
        for (missing, reported) in [(1, 0), (1, 2), (2, 1), (0, 1)] {
            let report = report(|lines| drop(lines.drain(..missing)), lost(reported));
            assert_eq!(report.missing(), missing as u64);
            assert!(!report.is_ok(), "{missing} missing and {reported} reported: {report}");
            assert_eq!(report.is_all_counted(), missing as u64 <= reported, "{report}");
        }
    }

    #[test]
    fn wrong_repeated_and_invented_events_are_found() {
        let is_found = |change: fn(&mut Vec<String>)| !report(change, Lost::default()).is_ok();
        assert!(is_found(|lines| lines.push(lines[0].clone())));
        assert!(is_found(|lines| lines.push(lines[0].replace("1000", "999"))));
        for (right, wrong) in [
            ("\"pid\":11", "\"pid\":12"),
            ("\"process\":\"storm-client-0\"", "\"process\":\"storm-thread\""),
            ("\"opener_pid\":11", "\"opener_pid\":null"),
            ("\"bytes_out\":5", "\"bytes_out\":6"),
            ("\"bytes_in\":7", "\"bytes_in\":8"),
            ("\"ended\":\"fin\"", "\"ended\":\"rst-in\""),
            ("\"closed_by\":\"local\"", "\"closed_by\":\"remote\""),
            ("outbound", "inbound"),
        ] {
            let report = report(
                |lines| {
                    assert!(lines[0].contains(right), "{}", lines[0]);
                    lines[0] = lines[0].replace(right, wrong);
                },
                Lost::default(),
            );
            assert!(!report.is_ok(), "{wrong} is not found");
        }
        // Of another namespace.
        assert!(!is_found(
            |lines| lines.push(lines[0].replace("\"netns\":\"storm\"", "\"netns\":\"b\""))
        ));
    }
}
