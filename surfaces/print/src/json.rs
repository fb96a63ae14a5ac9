//! JSON and JSON lines, in the shapes of `surfaces/api`.

use std::io::{self, Write};

use conns_api::{ListAnswer, Record, VerdictShape, VerdictsAnswer};
use conns_core::model::{Connection, Loss};
use conns_core::query::Field;
use serde::Serialize;

/// Writes one object with all connections and what is missing from them.
///
/// # Errors
/// What the writer says.
pub fn json(
    out: &mut impl Write,
    fields: &[&Field],
    connections: &[&Connection],
    losses: &[Loss],
) -> io::Result<()> {
    one(out, &ListAnswer { fields, connections, losses })
}

/// Writes one object a line for each connection.
///
/// # Errors
/// What the writer says.
pub fn json_lines(
    out: &mut impl Write,
    fields: &[&Field],
    connections: &[&Connection],
) -> io::Result<()> {
    connections.iter().try_for_each(|connection| one(out, &Record { fields, connection }))
}

/// Writes one object with all verdicts and what is missing from them.
///
/// # Errors
/// What the writer says.
pub fn json_verdicts(
    out: &mut impl Write,
    fields: &[&Field],
    connections: &[&Connection],
    losses: &[Loss],
) -> io::Result<()> {
    one(out, &VerdictsAnswer { fields, connections, losses })
}

/// Writes one object a line for each verdict.
///
/// # Errors
/// What the writer says.
pub fn json_verdict_lines(
    out: &mut impl Write,
    fields: &[&Field],
    connections: &[&Connection],
) -> io::Result<()> {
    connections.iter().try_for_each(|connection| one(out, &VerdictShape { fields, connection }))
}

fn one(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
