//! What `conns` reports an event, and of what it lost. Only reading; what is right is `truth`'s business.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;
use serde_json::Value;

/// The fields asked for: all that is compared, so that a storm is not one of text.
pub const FIELDS: &str = "local_addr,local_port,remote_addr,remote_port,netns,pid,process,opener_pid,opener,direction,\
    bytes_out,bytes_in,ended,closed_by";

/// One event. A key that does not apply is absent, one that is not known is `null`; both are `None` here.
#[derive(Debug, Deserialize)]
pub struct Reported<'a> {
    /// `opened`, `accepted`, `closed` or `failed`; a list of what closed does not say it.
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    local_addr: Option<IpAddr>,
    local_port: Option<u16>,
    remote_addr: Option<IpAddr>,
    remote_port: Option<u16>,
    /// The network namespace by name.
    #[serde(borrow)]
    pub netns: Option<Cow<'a, str>>,
    /// Who holds it.
    pub pid: Option<u32>,
    /// That process's name.
    #[serde(borrow)]
    pub process: Option<Cow<'a, str>>,
    /// Who called connect or accept.
    pub opener_pid: Option<u32>,
    /// That process's name.
    #[serde(borrow)]
    pub opener: Option<Cow<'a, str>>,
    /// `inbound` or `outbound`.
    #[serde(borrow)]
    pub direction: Option<Cow<'a, str>>,
    /// Payload sent.
    pub bytes_out: Option<u64>,
    /// Payload received.
    pub bytes_in: Option<u64>,
    /// How it ended.
    #[serde(borrow)]
    pub ended: Option<Cow<'a, str>>,
    /// Who closed first.
    #[serde(borrow)]
    pub closed_by: Option<Cow<'a, str>>,
}

impl Reported<'_> {
    /// What happened.
    pub fn kind(&self) -> &str {
        self.event.as_deref().unwrap_or("closed")
    }

    /// Its two ends, local first; `None` of an event without them.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let local = SocketAddr::new(self.local_addr?, self.local_port?);
        Some((local, SocketAddr::new(self.remote_addr?, self.remote_port?)))
    }
}

/// Events `conns` itself says it has lost, by what they were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Beginnings.
    pub opened: u64,
    /// Accepts.
    pub accepted: u64,
    /// Ends.
    pub closed: u64,
    /// Of no one kind, or of one this lab does not know: each stands for an event of any kind.
    pub others: u64,
    /// The sentences.
    pub stderr: Vec<String>,
}

impl Lost {
    /// Takes a sentence with its count. A loss that is not of events says nothing about them.
    pub fn take(&mut self, sentence: &str, count: u64) {
        let place = if sentence.contains("beginnings of connections") {
            &mut self.opened
        } else if sentence.contains("accepts are missing") {
            &mut self.accepted
        } else if sentence.contains("ends of connections") {
            &mut self.closed
        } else if sentence.contains("events") {
            &mut self.others
        } else {
            return;
        };
        *place += count;
        self.stderr.push(sentence.to_owned());
    }

    /// Takes what a program stderr on standard error: one sentence a line, each with its count in front. The same is stderr
    /// again with the sum so far, so the last of each counts.
    pub fn take_text(&mut self, text: &str) {
        let mut last = BTreeMap::new();
        for line in text.lines() {
            let sentence = line.strip_prefix("conns: ").unwrap_or(line);
            let (digits, words) = sentence.split_once(' ').unwrap_or_default();
            if let Ok(count) = digits.parse() {
                last.insert(words, (sentence, count));
            }
        }
        for (sentence, count) in last.into_values() {
            self.take(sentence, count);
        }
    }

    /// Takes the list `losses` of an answer of an agent. What it dropped after it had numbered it is a gap in its stream, and
    /// counted there.
    pub fn take_list(&mut self, losses: &Value) {
        for loss in losses.as_array().into_iter().flatten() {
            let sentence = loss["message"].as_str().unwrap_or_default();
            if !sentence.contains("dropped before they were published") {
                self.take(sentence, loss["count"].as_u64().unwrap_or(0));
            }
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, accepted, closed, others, stderr } = self;
        let Some(first) = stderr.first() else { return f.write_str("nothing") };
        write!(
            f,
            "{opened} beginnings, {accepted} accepts, {closed} ends, {others} of any kind; {} sentences, the first: {first}",
            stderr.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_counted_by_what_was_lost() {
        let mut lost = Lost::default();
        lost.take_text(
            "conns: 2 ends of connections are missing: the kernel's ring was full\nconns: ready\n\
             conns: 12 ends of connections are missing: the kernel's ring was full\n\
             3 accepts are missing: so\n4 events are not kept any more\n5 processes are gone\n",
        );
        assert_eq!((lost.opened, lost.accepted, lost.closed, lost.others), (0, 3, 12, 4));
        assert_eq!(lost.stderr.len(), 3);
    }

    #[test]
    fn absent_and_unknown_are_none() {
        let text = r#"{"event":"opened","local_addr":"::1","local_port":5,"remote_addr":"::1",
            "remote_port":6,"pid":null,"extra":[1]}"#;
        let reported: Reported<'_> = serde_json::from_str(text).unwrap();
        assert_eq!(reported.ends(), Some(("[::1]:5".parse().unwrap(), "[::1]:6".parse().unwrap())));
        assert_eq!(
            (reported.kind(), reported.pid, reported.ended.as_deref()),
            ("opened", None, None)
        );
    }
}
