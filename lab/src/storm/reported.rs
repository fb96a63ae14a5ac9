//! Parses the events and losses that `conns` reports; `truth` compares them.

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
    /// `opened`, `accepted`, `closed` or `failed`; absent in a list of closed connections.
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    local_addr: Option<IpAddr>,
    local_port: Option<u16>,
    remote_addr: Option<IpAddr>,
    remote_port: Option<u16>,
    /// The network namespace by name.
    #[serde(borrow)]
    pub netns: Option<Cow<'a, str>>,
    /// The owner.
    pub pid: Option<u32>,
    /// That process's name.
    #[serde(borrow)]
    pub process: Option<Cow<'a, str>>,
    /// The process that called connect or accept.
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
    /// The side that closed first.
    #[serde(borrow)]
    pub closed_by: Option<Cow<'a, str>>,
}

impl Reported<'_> {
    /// Its kind.
    pub fn kind(&self) -> &str {
        self.event.as_deref().unwrap_or("closed")
    }

    /// Its two ends, local first; `None` of an event without them.
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let local = SocketAddr::new(self.local_addr?, self.local_port?);
        Some((local, SocketAddr::new(self.remote_addr?, self.remote_port?)))
    }
}

/// Events that `conns` reports as lost, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// `opened` events.
    pub opened: u64,
    /// `accepted` events.
    pub accepted: u64,
    /// `closed` events.
    pub closed: u64,
    /// Events of unknown kind: each may be any of the others.
    pub others: u64,
    /// The messages.
    pub messages: Vec<String>,
}

impl Lost {
    /// Adds a message with its count. Losses of other things are ignored.
    pub fn take(&mut self, message: &str, count: u64) {
        let place = if message.contains("opened events") {
            &mut self.opened
        } else if message.contains("accepted events") {
            &mut self.accepted
        } else if message.contains("closed events") {
            &mut self.closed
        } else if message.contains("failed events") {
            // No connect of a storm fails.
            return;
        } else if message.contains("events") {
            &mut self.others
        } else {
            return;
        };
        *place += count;
        self.messages.push(message.to_owned());
    }

    /// Adds the messages of a program's standard error, one a line with its count in front. A message is repeated with the
    /// sum so far, so the last of each counts.
    pub fn take_text(&mut self, text: &str) {
        let mut last = BTreeMap::new();
        for line in text.lines() {
            let message = line.strip_prefix("conns: ").unwrap_or(line);
            let (digits, words) = message.split_once(' ').unwrap_or_default();
            if let Ok(count) = digits.parse() {
                last.insert(words, (message, count));
            }
        }
        for (message, count) in last.into_values() {
            self.take(message, count);
        }
    }

    /// Adds the list `losses` of an agent's answer. Events dropped after they were numbered are a gap of the stream, which
    /// counts them.
    pub fn take_list(&mut self, losses: &Value) {
        for loss in losses.as_array().into_iter().flatten() {
            let message = loss["message"].as_str().unwrap_or_default();
            if !message.contains("dropped before they were published") {
                self.take(message, loss["count"].as_u64().unwrap_or(0));
            }
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, accepted, closed, others, messages } = self;
        let Some(first) = messages.first() else { return f.write_str("nothing") };
        write!(
            f,
            "{opened} opened, {accepted} accepted, {closed} closed, {others} of unknown kind; {} messages, the first: {first}",
            messages.len()
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
            "conns: 2 closed events are missing: the kernel's ring of 1 MiB was full\nconns: ready\n\
             conns: 12 closed events are missing: the kernel's ring of 1 MiB was full\n\
             3 accepted events are missing\n4 events are missing: so\n5 processes ended\n6 failed events are missing\n",
        );
        assert_eq!((lost.opened, lost.accepted, lost.closed, lost.others), (0, 3, 12, 4));
        assert_eq!(lost.messages.len(), 3);
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
