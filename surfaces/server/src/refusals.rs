//! Counters of refusals to clients, one per limit.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! refusals {
    ($($name:ident = $text:literal,)*) => {
        /// Why a client was refused or closed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Refused { $($name,)* }

        impl Refused {
            pub(crate) const ALL: &'static [Self] = &[$(Self::$name,)*];

            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }

        /// Refusals by limit.
        #[derive(Debug, Default)]
        pub struct Refusals([AtomicU64; { [$($text,)*].len() }]);
    };
}

refusals! {
    // A new client: all slots are taken by active clients.
    ClientsFull = "clients-full",
    ListenerFull = "listener-clients-full",
    AddressFull = "address-clients-full",
    // An idle client: another client needed its slot or descriptor.
    IdleEvicted = "idle-client-evicted",
    Accept = "accept-failed",
    Tls = "tls-failed",
    Host = "host-not-ours",
    CrossSite = "cross-site",
    Token = "token-missing-or-wrong",
    Malformed = "malformed-request",
    HttpOnLines = "http-on-line-port",
    HeadTooLong = "head-too-long",
    BodyTooLong = "body-too-long",
    LineTooLong = "line-too-long",
    BodiesFull = "bodies-full",
    StreamsFull = "streams-full",
    IdleTime = "idle-too-long",
    HeadTime = "head-too-slow",
    BodyTime = "body-too-slow",
    WorkTime = "answer-took-too-long",
    ReadTime = "reader-too-slow",
    InFlightFull = "in-flight-full",
}

impl Refusals {
    pub(crate) fn count(&self, refused: Refused) {
        if let Some(count) = self.0.get(refused as usize) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Each limit by its name, in lower case with dashes, and its refusals since the start.
    #[must_use]
    pub fn list(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|count| count.load(Relaxed));
        Refused::ALL.iter().map(|refused| refused.name()).zip(counts).collect()
    }
}
