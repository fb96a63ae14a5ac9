//! What a client may take, as numbers; `docs/agent-safety.md` is the table of them.

use std::time::Duration;

/// Bounds of the serving shell. The defaults fit a machine that has other things to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Clients connected at once, over all listeners.
    pub clients: usize,
    /// Clients connected at once to one listener.
    pub clients_per_listener: usize,
    /// Clients connected at once from one address (IPv6: one /64); loopback and unix sockets are not
    /// counted so, as all local users share them.
    pub clients_per_address: usize,
    /// Answers without an end (events) at once.
    pub streams: usize,
    /// Longest head of an HTTP request, bytes; hyper takes no less than 8192.
    pub head_bytes: usize,
    /// Request bodies and unfinished lines held at once, over all clients, bytes.
    pub bodies_bytes: usize,
    /// Answers on their way held at once, over all clients, bytes; shared pieces count once.
    pub in_flight_bytes: usize,
    /// Between two requests of an HTTP client.
    pub idle_time: Duration,
    /// Between two lines of a client that speaks in lines; those stay connected for long.
    pub line_idle_time: Duration,
    /// From the first byte of a request or TLS handshake to its last byte before the body.
    pub head_time: Duration,
    /// From the end of the head to the end of the body.
    pub body_time: Duration,
    /// From the first byte of a line to its end; people type them.
    pub line_time: Duration,
    /// From the end of a request to the beginning of its answer.
    pub work_time: Duration,
    /// A reader that takes nothing at all for so long is dropped.
    pub write_time: Duration,
    /// A reader of an answer of known length must be at least so fast over all of it, bytes a second.
    pub answer_rate: u64,
    /// Time for requests under way to end once the agent is asked to stop.
    pub stop_time: Duration,
}

impl Limits {
    /// Room for 2 000 idle clients and some at work; under it the open files of one process.
    pub const CLIENTS: usize = 3072;
    /// One busy listener leaves seats for the others.
    pub const CLIENTS_PER_LISTENER: usize = 2560;
    /// A machine that watches ours needs few; behind one address may be several.
    pub const CLIENTS_PER_ADDRESS: usize = 256;
    /// A slow reader of a stream keeps three batches of 256 KiB: 24 MiB in all.
    pub const STREAMS: usize = 32;
    /// The most common bound of servers is 8 to 16 KiB.
    pub const HEAD_BYTES: usize = 16 << 10;
    /// Thirty of the longest body a dialect takes (1 MiB).
    pub const BODIES_BYTES: usize = 32 << 20;
    /// Eight lists of ten thousand rows, of eight different seconds or kinds.
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
    /// Any answer takes milliseconds; this is for a machine that swaps.
    pub const WORK_TIME: Duration = Duration::from_secs(30);
    /// Several retransmissions.
    pub const WRITE_TIME: Duration = Duration::from_secs(10);
    /// Half a megabit a second.
    pub const ANSWER_RATE: u64 = 64 << 10;
    /// Shorter than what service managers wait before they kill.
    pub const STOP_TIME: Duration = Duration::from_secs(5);
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
