//! A dialect that a reload of the configuration can replace.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use conns_core::model::Update;
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, ResponseCache};
use http::Request;

/// The current dialect. It receives updates after the first request only, so that an unused dialect
/// keeps no counters.
pub(super) struct Swap<D: ?Sized> {
    dialect: RwLock<Arc<D>>,
    was_asked: AtomicBool,
}

impl<D: ?Sized> Swap<D> {
    pub(super) fn new(dialect: Arc<D>) -> Arc<Self> {
        Arc::new(Self { dialect: RwLock::new(dialect), was_asked: AtomicBool::new(false) })
    }

    /// Replaces the dialect, from the next request on.
    pub(super) fn put(&self, dialect: Arc<D>) {
        *self.dialect.write().unwrap_or_else(PoisonError::into_inner) = dialect;
    }

    fn now(&self) -> Arc<D> {
        Arc::clone(&self.dialect.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn asked(&self) -> Arc<D> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.now()
    }
}

impl HttpDialect for Swap<dyn HttpDialect> {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        self.asked().answer(request, cache)
    }

    fn longest_body(&self) -> usize {
        self.now().longest_body()
    }

    fn body_too_long(&self) -> HttpOutcome {
        self.now().body_too_long()
    }

    fn on_update(&self, update: &Update) {
        if self.was_asked.load(Ordering::Relaxed) {
            self.now().on_update(update);
        }
    }
}

impl LineDialect for Swap<dyn LineDialect> {
    fn ends_line(&self, byte: u8) -> bool {
        self.now().ends_line(byte)
    }

    fn longest_line(&self) -> usize {
        self.now().longest_line()
    }

    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome {
        self.asked().answer(line, cache)
    }

    fn line_too_long(&self) -> LineOutcome {
        self.now().line_too_long()
    }

    fn on_update(&self, update: &Update) {
        if self.was_asked.load(Ordering::Relaxed) {
            self.now().on_update(update);
        }
    }
}
