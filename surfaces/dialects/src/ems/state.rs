//! What the interfaces of a server share: options and counters.

use std::sync::{Mutex, PoisonError};

use conns_core::model::Update;
use conns_core::query::Filter;
use http::HeaderValue;

use super::counters::Counters;

/// What an operator configures.
#[derive(Debug, Clone)]
pub struct Options {
    /// The sockets of the media server: those that are connections are listed, all are counted.
    pub streams: Filter,
    /// Whether each answer of the JSON interface over TCP is preceded by its length in four bytes,
    /// big endian: EMS's `useLengthPadding`, which its shipped configuration turns on.
    pub length_prefix: bool,
    /// The product in the headers `Server`, `User-Agent` and `X-Powered-By` of the HTTP interface.
    /// Characters that are not allowed in a header are removed.
    pub brand: String,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) banner: HeaderValue,
    counters: Mutex<Counters>,
}

impl State {
    pub(super) fn new(options: Options) -> Self {
        let visible: String =
            options.brand.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').collect();
        let banner = HeaderValue::from_str(visible.trim())
            .unwrap_or_else(|_| HeaderValue::from_static("conns"));
        Self { options, banner, counters: Mutex::default() }
    }

    /// Counts `update`, then returns what `read` returns of the counters.
    pub(super) fn counters<T>(&self, update: &Update, read: impl FnOnce(&mut Counters) -> T) -> T {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.count(update, &self.options.streams);
        read(&mut counters)
    }
}
