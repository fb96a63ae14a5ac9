//! A call with all that its reply depends on, and the reply.

use std::borrow::Cow;

use bytes::Bytes;
use conns_core::model::{Connection, Snapshot};

use crate::cache::ResponseCache;
use crate::ems::entry::{Entry, Role};
use crate::ems::line::Call;
use crate::ems::print::{Form, Printer};
use crate::ems::server;
use crate::ems::state::State;

/// Room for a short answer, bytes.
pub(super) const SHORT: usize = 256;

/// The reply to a call, before framing.
#[derive(Debug)]
pub(in crate::ems) struct Reply {
    /// Whether `status` is SUCCESS.
    pub(in crate::ems) is_success: bool,
    /// The result or the error, as text.
    pub(in crate::ems) description: Cow<'static, str>,
    /// The data, in the form requested.
    pub(in crate::ems) data: Bytes,
    /// Whether the connection is closed after the reply.
    pub(in crate::ems) closes: bool,
}

impl Reply {
    pub(super) fn success(description: &'static str, data: Bytes) -> Self {
        Self { is_success: true, description: description.into(), data, closes: false }
    }

    pub(super) fn fail(description: impl Into<Cow<'static, str>>, form: Form) -> Self {
        let data = written(form, Printer::null);
        Self { is_success: false, description: description.into(), data, closes: false }
    }
}

/// A call and everything its reply depends on.
pub(super) struct Request<'a> {
    pub(super) state: &'a State,
    pub(super) call: &'a Call,
    pub(super) cache: &'a ResponseCache,
    pub(super) form: Form,
}

impl Request<'_> {
    /// The key of a list in the response cache: all it depends on besides the update.
    pub(super) fn list_name(&self, what: &str) -> String {
        format!("ems {what} {:?} {}", self.form, self.state.options.streams)
    }
}

/// The entries of the selected connections, in ascending order of their ids.
pub(super) fn entries(request: &Request<'_>, snapshot: &Snapshot) -> Vec<Entry> {
    let mut listed: Vec<&Connection> = snapshot
        .connections
        .iter()
        .filter(|one| Role::of(one).is_some_and(Role::is_carrier))
        .filter(|one| request.state.options.streams.matches(one))
        .collect();
    listed.sort_unstable_by_key(|one| one.stats.serial);
    server::entries(&listed, &request.cache.update().files, snapshot.at)
}

/// An integer in its canonical form: neither `+5` nor `007`. At most `i64::MAX`, because RMS parses
/// it with `atoll`.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim_ascii();
    let number: i64 = text.parse().ok()?;
    let is_as_printed = itoa::Buffer::new().format(number) == text;
    u64::try_from(number).ok().filter(|_| is_as_printed)
}

/// An object of one number.
pub(super) fn count_of(form: Form, key: &'static str, count: u64) -> Bytes {
    written(form, |printer| {
        printer.object(|printer| {
            printer.key(key);
            printer.unsigned(count);
        });
    })
}

pub(super) fn written(form: Form, write: impl FnOnce(&mut Printer)) -> Bytes {
    let mut printer = Printer::new(form, SHORT);
    write(&mut printer);
    printer.into_bytes().into()
}
