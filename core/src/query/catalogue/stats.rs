//! Fields that an agent, or `--watch`, derives from more than one sample.

use crate::model::{Connection, Known, Peaks, Unknown};
use crate::model::{FieldSpec, Kind, Part};
use crate::query::Value;

use super::{Row, unless_kept};

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "age",
            Kind::Duration,
            "Time since it was established: reported by the kernel until payload went both ways, else known if it was seen to come.",
            "eBPF events; else derived from tcp_info: last_data_sent, last_data_recv",
        ).part(Part::Age),
        |c| Value::known(c.stats.age_us, Value::Micros),
    ),
    (
        FieldSpec::new(
            "first_seen",
            Kind::Time,
            "When it was first seen: it is at least that old.",
            "derived",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| unless_kept(c, || Value::Time(c.stats.first_seen.wall_us)),
    ),
    (
        FieldSpec::new(
            "serial",
            Kind::Count,
            "Number in the order in which connections were met, from 1; never given twice.",
            "derived",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| watched(c, Value::Count(c.stats.serial)),
    ),
    (
        FieldSpec::new(
            "last_sent",
            Kind::Duration,
            "Time since payload was last sent; unknown before the first.",
            "tcp_info.tcpi_last_data_sent",
        ).part(Part::Tcp),
        |c| Value::known(c.last_sent_us(), Value::Micros),
    ),
    (
        FieldSpec::new(
            "last_received",
            Kind::Duration,
            "Time since payload last arrived; unknown before the first.",
            "tcp_info.tcpi_last_data_recv",
        ).part(Part::Tcp),
        |c| Value::known(c.last_received_us(), Value::Micros),
    ),
    (
        FieldSpec::new(
            "avg_out",
            Kind::BytesPerSecond,
            "Payload sent a second over its whole life, where its age is known.",
            "derived",
        ).part(Part::Derived),
        |c| Value::known(c.average_rates(), |r| Value::BytesPerSecond(r.out_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "avg_in",
            Kind::BytesPerSecond,
            "Payload received a second over its whole life, where its age is known.",
            "derived",
        ).part(Part::Derived),
        |c| Value::known(c.average_rates(), |r| Value::BytesPerSecond(r.in_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "slot_rate_out",
            Kind::BytesPerSecond,
            "Payload sent a second over nine one-second slots, as monerod computes: stays what it was while idle.",
            "derived",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| Value::known(c.stats.slot_rates, |r| Value::BytesPerSecond(r.out_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "slot_rate_in",
            Kind::BytesPerSecond,
            "Payload received a second over nine one-second slots, as monerod computes: stays what it was while idle.",
            "derived",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| Value::known(c.stats.slot_rates, |r| Value::BytesPerSecond(r.in_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "peak_rate_out",
            Kind::BytesPerSecond,
            "Most payload sent a second between two samples.",
            "derived",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| peak(c, |p| Value::BytesPerSecond(p.out_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "peak_rate_in",
            Kind::BytesPerSecond,
            "Most payload received a second between two samples.",
            "derived",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| peak(c, |p| Value::BytesPerSecond(p.in_bytes_per_s)),
    ),
    (
        FieldSpec::new(
            "peak_send_queue",
            Kind::Bytes,
            "Most bytes written and not acknowledged in any sample.",
            "derived from idiag_wqueue",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| peak(c, |p| Value::Bytes(u64::from(p.send_queue_bytes))),
    ),
    (
        FieldSpec::new(
            "peak_recv_queue",
            Kind::Bytes,
            "Most bytes received and not read in any sample.",
            "derived from idiag_rqueue",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| peak(c, |p| Value::Bytes(u64::from(p.receive_queue_bytes))),
    ),
    (
        FieldSpec::new(
            "peak_rtt",
            Kind::Duration,
            "Highest smoothed round trip in any sample.",
            "derived from tcp_info.tcpi_rtt",
        ).part(Part::Derived)
        .after_two_samples(),
        |c| peak(c, |p| Value::Micros(u64::from(p.rtt_us))),
    ),
];

/// A high-water mark: there is one once the connection was sampled twice.
fn peak(c: &Connection, read: impl FnOnce(&Peaks) -> Value<'static>) -> Value<'static> {
    match c.stats.rates {
        Known::Value(..) => unless_kept(c, || read(&c.stats.peaks)),
        Known::Unknown(why) => Value::Unknown(why),
        Known::NotApplicable => Value::NotApplicable,
    }
}

/// What only a tracker with a memory gives.
fn watched(c: &Connection, value: Value<'static>) -> Value<'static> {
    unless_kept(c, || match c.stats.serial {
        0 => Value::Unknown(Unknown::NeedsTwoObservations),
        _ => value,
    })
}
