//! The shapes of answers: a connection as a record of the catalogue's fields, and what is around.
//!
//! The one idea: a key that is absent does not apply, a key that is `null` is unknown, and no key
//! is ever 0 because nobody knew.

use conns_core::model::{Connection, Holder, Known, Loss};
use conns_core::query::{Field, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// One connection as an object: the keys of `fields`, in their order.
pub struct Record<'a> {
    /// The fields to tell.
    pub fields: &'a [&'a Field],
    /// Of this connection.
    pub connection: &'a Connection,
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        fields(&mut map, self.fields, self.connection)?;
        map.end()
    }
}

fn fields<M: SerializeMap>(map: &mut M, fields: &[&Field], c: &Connection) -> Result<(), M::Error> {
    for field in fields {
        match field.value(c) {
            Value::NotApplicable => {}
            value => map.serialize_entry(&*field.key, &Shape(&value))?,
        }
    }
    Ok(())
}

/// A value in JSON: numbers in the unit of the key, text, or `null`.
struct Shape<'a>(&'a Value<'a>);

impl Serialize for Shape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Count(n) | Value::Bytes(n) | Value::Micros(n) => serializer.serialize_u64(*n),
            Value::Port(port) => serializer.serialize_u16(*port),
            Value::BytesPerSecond(n) => whole_or_float(*n, serializer),
            Value::Percent(n) => serializer.serialize_f64((n * 1e4).round() / 1e4),
            Value::Address(address) => serializer.collect_str(address),
            Value::Endpoint(end) => serializer.collect_str(end),
            Value::Bool(yes) => serializer.serialize_bool(*yes),
            Value::Time(us) => serializer.serialize_i64(*us),
            Value::Holders(held) => {
                let mut seq = serializer.serialize_seq(Some(held.len()))?;
                for holder in *held {
                    seq.serialize_element(&HolderShape(holder))?;
                }
                seq.end()
            }
            // The type of a key does not depend on how many hold the socket: the first is told
            // here, all of them under `owners`.
            Value::Several(values) => match values.first() {
                Some(first) => Shape(first).serialize(serializer),
                None => serializer.serialize_none(),
            },
            Value::Unknown(_) | Value::NotApplicable => serializer.serialize_none(),
        }
    }
}

/// Rates are told as whole bytes a second where they are large enough for that.
fn whole_or_float<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    if value >= 100.0 {
        // `as` saturates: the kernel's "no limit" stays the largest number.
        serializer.serialize_u64(value.round() as u64)
    } else {
        serializer.serialize_f64((value * 1e3).round() / 1e3)
    }
}

/// One hold on a socket.
struct HolderShape<'a>(&'a Holder);

impl Serialize for HolderShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let process = &self.0.process;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &process.pid)?;
        map.serialize_entry("process", &process.name)?;
        if let Some(descriptor) = self.0.descriptor {
            map.serialize_entry("fd", &descriptor)?;
        }
        if let Known::Value(user, _) = &process.user {
            map.serialize_entry("user", user)?;
        }
        map.end()
    }
}

/// The answer of a list.
pub struct ListAnswer<'a> {
    /// The fields to tell of each.
    pub fields: &'a [&'a Field],
    /// The connections.
    pub connections: &'a [&'a Connection],
    /// What is missing from them.
    pub losses: &'a [Loss],
}

impl Serialize for ListAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("connections", &Each(self.connections, |&connection| Record {
            fields: self.fields,
            connection,
        }))?;
        map.serialize_entry("losses", &Each(self.losses, LossShape))?;
        map.end()
    }
}

/// The answer of `why`.
pub struct VerdictsAnswer<'a> {
    /// The fields by which each connection is named.
    pub fields: &'a [&'a Field],
    /// The connections.
    pub connections: &'a [&'a Connection],
    /// What is missing from them.
    pub losses: &'a [Loss],
}

impl Serialize for VerdictsAnswer<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("verdicts", &Each(self.connections, |&connection| VerdictShape {
            fields: self.fields,
            connection,
        }))?;
        map.serialize_entry("losses", &Each(self.losses, LossShape))?;
        map.end()
    }
}

/// One verdict: who it is about, the class, the sentence, the numbers and the advice.
pub struct VerdictShape<'a> {
    /// The fields by which the connection is named.
    pub fields: &'a [&'a Field],
    /// The connection.
    pub connection: &'a Connection,
}

impl Serialize for VerdictShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let verdict = &self.connection.verdict;
        let socket = &self.connection.socket;
        let mut map = serializer.serialize_map(None)?;
        fields(&mut map, self.fields, self.connection)?;
        map.serialize_entry("verdict", verdict.class.name())?;
        map.serialize_entry("confidence_percent", &verdict.confidence_percent)?;
        map.serialize_entry("why", &verdict.why(socket))?;
        map.serialize_entry("advice", verdict.advice(socket))?;
        map.serialize_entry("evidence", &EvidenceShape(&verdict.evidence))?;
        map.end()
    }
}

struct EvidenceShape<'a>(&'a conns_core::track::Evidence);

impl Serialize for EvidenceShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use conns_core::track::Basis;
        let e = self.0;
        let mut map = serializer.serialize_map(None)?;
        match e.basis {
            Basis::Life => map.serialize_entry("window_us", &())?,
            Basis::Window { us } => map.serialize_entry("window_us", &us)?,
        }
        let numbers: [(&str, u64); 20] = [
            ("looks", e.looks.into()),
            ("bytes_out", e.bytes_out),
            ("bytes_in", e.bytes_in),
            ("segments_out", e.segments_out.into()),
            ("segments_lost", e.segments_lost.into()),
            ("timeouts", e.timeouts.into()),
            ("busy_us", e.busy_us),
            ("rwnd_limited_us", e.rwnd_limited_us),
            ("sndbuf_limited_us", e.sndbuf_limited_us),
            ("drops", e.drops.into()),
            ("rtt_us", e.rtt_us.into()),
            ("min_rtt_us", e.min_rtt_us.into()),
            ("looks_unread", e.looks_unread.into()),
            ("looks_reader_behind", e.looks_reader_behind.into()),
            ("looks_window_closed", e.looks_window_closed.into()),
            ("looks_unsent", e.looks_unsent.into()),
            ("looks_cwnd_full", e.looks_cwnd_full.into()),
            ("looks_app_limited", e.looks_app_limited.into()),
            ("looks_timed_out", e.looks_timed_out.into()),
            ("looks_accept_full", e.looks_accept_full.into()),
        ];
        for (key, number) in numbers {
            map.serialize_entry(key, &number)?;
        }
        map.end()
    }
}

/// Something that is missing from an answer.
pub struct LossShape<'a>(pub &'a Loss);

impl Serialize for LossShape<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("kind", self.0.kind.name())?;
        map.serialize_entry("count", &self.0.count)?;
        map.serialize_entry("source", &Text(&self.0.source))?;
        map.serialize_entry("message", &*self.0.sentence)?;
        map.end()
    }
}

struct Text<'a, T>(&'a T);

impl<T: std::fmt::Display> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// A list in which each thing is told in a shape made when its turn comes.
struct Each<'a, T, F>(&'a [T], F);

impl<'a, T, F, U> Serialize for Each<'a, T, F>
where
    F: Fn(&'a T) -> U,
    U: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(&self.1))
    }
}
