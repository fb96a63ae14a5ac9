//! Compares two ways to read the same sockets.
//!
//! Invariant: a reading by eBPF stands between two readings by netlink. Where these agree, it agrees with both; where they
//! differ, time has passed, and it lies between them. No list of fields names which may differ; only times that restart,
//! ages and a timer that counts down, are judged by whether they have restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::conns::Conns;

/// Network namespace and cookie.
pub type Key = (u64, u64);
/// Every socket of a reading.
pub type Reading = BTreeMap<Key, Value>;
/// Differences by socket and field; [`WHOLE`] is a socket that is missing or extra.
pub type Differences = BTreeMap<(Key, String), Difference>;

/// A difference; `None` where the field, or the socket, is absent.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Read by netlink before.
    pub before: Option<Value>,
    /// Read by eBPF.
    pub tested: Option<Value>,
    /// Read by netlink afterwards.
    pub after: Option<Value>,
    /// A description of the socket.
    pub socket: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, tested, after] = [&self.before, &self.tested, &self.after]
            .map(|value| value.as_ref().map_or_else(|| "absent".to_owned(), Value::to_string));
        write!(f, "{tested} instead of {before}, later {after}, in {}", self.socket)
    }
}

/// Times of the kernel are in ticks of its clock, of which there are at least 100 a second, and each reader rounds by
/// itself.
const TICKS_US: f64 = 20_000.0;

/// A difference of a whole socket.
pub const WHOLE: &str = "the socket";

/// `inet_diag` omits the congestion algorithm's fields from TIME-WAIT's number on, which CLOSE-WAIT, LAST-ACK and
/// CLOSING have (`sk_state < TCP_TIME_WAIT` in `inet_sk_diag_fill`); eBPF reads them.
const OMITTED_BY_NETLINK: &str = "bbr_";

/// All sockets, read by one source.
pub fn read(conns: &Conns, source: &str) -> Result<Reading> {
    keyed(conns.readable_records(&["-a", "--columns", "all", "--source", source])?)
}

/// Rows by socket.
pub fn keyed(rows: Vec<Value>) -> Result<Reading> {
    let number =
        |row: &Value, key: &str| row[key].as_u64().with_context(|| format!("no {key} in {row}"));
    rows.into_iter()
        .map(|row| Ok(((number(&row, "netns_inode")?, number(&row, "cookie")?), row)))
        .collect()
}

/// How `tested` differs from the readings before and after it, for the sockets of these namespaces. `apart` is the least time
/// between those two.
pub fn differences(
    before: &Reading,
    tested: &Reading,
    after: &Reading,
    namespaces: &BTreeSet<u64>,
    apart: Duration,
) -> Differences {
    let mut found = Differences::new();
    let is_compared = |key: &&Key| namespaces.contains(&key.0);
    let keys: BTreeSet<&Key> =
        before.keys().chain(tested.keys()).chain(after.keys()).filter(is_compared).collect();
    for key in keys {
        let rows = [before.get(key), tested.get(key), after.get(key)];
        let [Some(first), Some(row), Some(last)] = rows else {
            let there = rows.map(|row| row.map(|_| Value::from("there")));
            // Otherwise it was opened or closed meanwhile.
            if let [Some(first), None, Some(_)] | [None, Some(first), None] = rows {
                found.insert((*key, WHOLE.to_owned()), difference(there, first));
            }
            continue;
        };
        // A timer that was set again counts down from the top: less is missing from it than the time that has passed.
        let [before_us, after_us] = [first, last].map(|row| row["timer_expires_us"].as_f64());
        let counted_us = before_us.zip(after_us).map(|(before, after)| before - after);
        let has_fired = first["timer_retransmits"] != last["timer_retransmits"]
            || counted_us.is_none_or(|counted| counted < at_least_us(apart));
        for field in fields([first, row, last]) {
            let values = [first, row, last].map(|row| row.get(field));
            let is_of_timer = field == "timer_expires_us" && has_fired;
            if !is_of_timer && !is_between(field, values, apart) {
                let what = difference(values.map(Option::<&Value>::cloned), row);
                found.insert((*key, field.to_owned()), what);
            }
        }
    }
    found
}

fn difference([before, tested, after]: [Option<Value>; 3], row: &Value) -> Difference {
    let words = ["proto", "state", "local", "remote", "netns"].map(|key| row[key].as_str());
    let socket = words.map(|word| word.unwrap_or("-")).join(" ");
    Difference { before, tested, after, socket }
}

fn fields(rows: [&Value; 3]) -> BTreeSet<&str> {
    let objects = rows.into_iter().filter_map(Value::as_object);
    objects.flat_map(|row| row.keys().map(String::as_str)).collect()
}

/// The least that a time moves by while `apart` passes.
fn at_least_us(apart: Duration) -> f64 {
    apart.as_micros() as f64 - 2.0 * TICKS_US
}

/// Whether the field is the time since something that may happen again.
fn is_age(field: &str) -> bool {
    field.ends_with("_us") && (field.starts_with("last_") || field == "idle_us")
}

/// Whether the value in the middle is what it may be, with these before and after it.
fn is_between(field: &str, [before, tested, after]: [Option<&Value>; 3], apart: Duration) -> bool {
    if tested == before || tested == after {
        return true;
    }
    // A text with a time in it has no order.
    if let (Some(Value::String(first)), Some(Value::String(_)), Some(Value::String(last))) =
        (before, tested, after)
    {
        return first != last;
    }
    if before.is_none() && after.is_none() && field.starts_with(OMITTED_BY_NETLINK) {
        return true;
    }
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let (Some(first), Some(tested), Some(last)) = (number(before), number(tested), number(after))
    else {
        return false;
    };
    // What has not moved is no matter of ticks.
    let slack = if field.ends_with("_us") && first != last { TICKS_US } else { 0.0 };
    if is_age(field) && last - first < at_least_us(apart) {
        // It restarted at zero: after the value in the middle was read, or before.
        return tested >= first - slack || tested <= last + slack;
    }
    tested >= first.min(last) - slack && tested <= first.max(last) + slack
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_values_are_equal_and_moving_values_lie_between() {
        let of = |n: u64| Value::from(n);
        let at_once = Duration::ZERO;
        let between = |field: &str, a: u64, b: u64, c: u64| {
            is_between(field, [Some(&of(a)), Some(&of(b)), Some(&of(c))], at_once)
        };
        assert!(between("cwnd", 10, 10, 10) && !between("cwnd", 10, 11, 10));
        assert!(between("idle_us", 100, 150, 200) && between("idle_us", 0, 250, 200));
        assert!(!between("rtt_us", 100, 101, 100) && !between("idle_us", 0, 50_000, 200));
        assert!(!is_between("pid", [None, Some(&of(1)), None], at_once));
        let [one, two, three] = ["1s", "2s", "3s"].map(Value::from);
        assert!(is_between("why", [Some(&one), Some(&two), Some(&three)], at_once));
        assert!(!is_between("why", [Some(&one), Some(&two), Some(&one)], at_once));
    }

    #[test]
    fn an_age_that_restarted_was_read_before_or_after_it_did() {
        let between = |a: u64, b: u64, c: u64| {
            let values = [a, b, c].map(Value::from);
            is_between("last_ack_recv_us", values.each_ref().map(Some), Duration::from_millis(200))
        };
        // Not restarted: as long as the time that passed.
        assert!(between(100_000, 200_000, 300_000) && !between(100_000, 50_000, 300_000));
        // Restarted after it was read, before, and never at this value.
        assert!(between(280_000, 424_000, 44_000) && between(3_256_000, 668_000, 748_000));
        assert!(!between(3_256_000, 1_668_000, 748_000));
    }
}
