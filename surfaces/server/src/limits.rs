//! Limits on clients; `docs/agent-safety.md` is the table of them.

use std::time::Duration;

/// Limits on clients. The defaults suit a machine with other work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Clients connected at once, over all listeners.
    pub clients: usize,
    /// Clients connected at once to one listener.
    pub clients_per_listener: usize,
    /// Clients connected at once from one address (IPv6: one /64). Loopback and unix sockets are
    /// exempt, as all local users share them.
    pub clients_per_address: usize,
    /// Responses without an end (changes, events) at once, over all clients.
    pub streams: usize,
    /// Maximum length of an HTTP request head, bytes; hyper's minimum is 8192.
    pub head_bytes: usize,
    /// Request bodies and unfinished lines buffered at once, over all clients, bytes.
    pub bodies_bytes: usize,
    /// Bytes of responses in flight, over all clients; shared chunks count once.
    pub in_flight_bytes: usize,
    /// Between two requests of an HTTP client.
    pub idle_time: Duration,
    /// Between two lines on a line connection.
    pub line_idle_time: Duration,
    /// From the first byte of a request or TLS handshake to its last byte before the body.
    pub head_time: Duration,
    /// From the end of the head to the end of the body.
    pub body_time: Duration,
    /// From the first byte of a line to its end; people type them.
    pub line_time: Duration,
    /// From the end of a request to the start of its response.
    pub work_time: Duration,
    /// Time without a byte read after which a reader is closed.
    pub write_time: Duration,
    /// Minimum mean rate of a reader of a response of known length, bytes per second.
    pub answer_rate: u64,
    /// Time for requests in progress to end once the agent is asked to stop.
    pub stop_time: Duration,
}

impl Limits {
    /// 2 000 idle clients and some active ones, below the usual limit of open files.
    pub const CLIENTS: usize = 3072;
    /// One busy listener leaves slots for the others.
    pub const CLIENTS_PER_LISTENER: usize = 2560;
    /// One monitoring host needs few; one address may be several hosts.
    pub const CLIENTS_PER_ADDRESS: usize = 256;
    /// A slow reader of a stream keeps three batches of 256 KiB: 24 MiB in all.
    pub const STREAMS: usize = 32;
    /// The most common bound of servers is 8 to 16 KiB.
    pub const HEAD_BYTES: usize = 16 << 10;
    /// Thirty of the longest body a dialect takes (1 MiB).
    pub const BODIES_BYTES: usize = 32 << 20;
    /// Eight lists of ten thousand rows, of different updates or kinds.
    pub const IN_FLIGHT_BYTES: usize = 64 << 20;
    /// Longer than the usual scrape interval of a minute.
    pub const IDLE_TIME: Duration = Duration::from_secs(75);
    /// Longer than the usual poll of five minutes.
    pub const LINE_IDLE_TIME: Duration = Duration::from_secs(600);
    /// A head fits in a few packets, even over a path that loses some.
    pub const HEAD_TIME: Duration = Duration::from_secs(10);
    /// A body of 1 MiB over one megabit a second.
    pub const BODY_TIME: Duration = Duration::from_secs(10);
    /// For a line typed by hand.
    pub const LINE_TIME: Duration = Duration::from_secs(120);
    /// A response takes milliseconds; this is for a machine that swaps.
    pub const WORK_TIME: Duration = Duration::from_secs(30);
    /// Several retransmissions.
    pub const WRITE_TIME: Duration = Duration::from_secs(10);
    /// Half a megabit a second.
    pub const ANSWER_RATE: u64 = 64 << 10;
    /// Shorter than what service managers wait before they kill.
    pub const STOP_TIME: Duration = Duration::from_secs(5);
}

impl Limits {
    /// The same, reduced so that what clients occupy at once is at most a quarter of `memory_bytes`.
    #[must_use]
    pub fn within(self, memory_bytes: u64) -> Self {
        /// Buffers of a client with a request, bytes.
        const CLIENT_BYTES: u64 = 32 << 10;
        /// Batches of a slow reader of a stream, bytes.
        const STREAM_BYTES: u64 = 768 << 10;
        let part = |share: u64, each: u64, limit: usize| {
            limit.min(usize::try_from(memory_bytes / share / each).unwrap_or(usize::MAX).max(1))
        };
        Self {
            clients: part(10, CLIENT_BYTES, self.clients),
            clients_per_listener: part(12, CLIENT_BYTES, self.clients_per_listener),
            streams: part(40, STREAM_BYTES, self.streams),
            bodies_bytes: part(32, 1, self.bodies_bytes),
            in_flight_bytes: part(16, 1, self.in_flight_bytes),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: Self::CLIENTS,
            clients_per_listener: Self::CLIENTS_PER_LISTENER,
            clients_per_address: Self::CLIENTS_PER_ADDRESS,
            streams: Self::STREAMS,
            head_bytes: Self::HEAD_BYTES,
            bodies_bytes: Self::BODIES_BYTES,
            in_flight_bytes: Self::IN_FLIGHT_BYTES,
            idle_time: Self::IDLE_TIME,
            line_idle_time: Self::LINE_IDLE_TIME,
            head_time: Self::HEAD_TIME,
            body_time: Self::BODY_TIME,
            line_time: Self::LINE_TIME,
            work_time: Self::WORK_TIME,
            write_time: Self::WRITE_TIME,
            answer_rate: Self::ANSWER_RATE,
            stop_time: Self::STOP_TIME,
        }
    }
}
