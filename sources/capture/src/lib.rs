//! Packets of a capture file (pcap, pcapng) as a source: which connections they are of, what they carry, and how they
//! fare, at a moment of the file's own time.
//!
//! A capture has no own side: each connection is two rows, one seen from each end. Bytes of the file are not trusted.

mod buffer;
mod connection;
mod connections;
mod counts;
mod error;
mod flow;
mod fragments;
mod half;
mod input;
mod ip;
mod link;
mod player;
mod records;
mod repeats;
mod round_trip;
mod rows;
mod table;
mod transport;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conns_contract::{EventSource, Scope, SocketSource, SourceError};
use conns_core::model::{Loss, Moment, Observation};

pub use error::CaptureError;
pub use input::Progress;

use input::Input;
use link::Link;
use player::Player;
use records::Records;

/// Packets played in one step, after which the caller may do something else.
const STEP_PACKETS: usize = 4096;
/// Events of one batch at least, if there are as many.
const BATCH_EVENTS: usize = 4096;

/// A capture file that is played.
#[derive(Clone)]
pub struct Capture {
    player: Arc<Mutex<Player>>,
    progress: Progress,
    begin: Moment,
}

impl Capture {
    /// Opens the file `path`, standard input if it is `-`, to play it until `until_us` (microseconds since 1970-01-01
    /// UTC), else to its end.
    ///
    /// # Errors
    /// [`CaptureError`] if it has nothing that can be read.
    pub fn open(path: &Path, until_us: Option<i64>) -> Result<Self, CaptureError> {
        Self::of(Input::open(path)?, path, until_us)
    }

    /// Plays the bytes of `reader`, as those of a file.
    ///
    /// # Errors
    /// As [`Capture::open`].
    pub fn read(reader: impl io::Read + Send + 'static) -> Result<Self, CaptureError> {
        let path = Path::new(input::STANDARD_INPUT);
        Self::of(Input::of(Box::new(reader), None, path)?, path, None)
    }

    fn of(input: Input, path: &Path, until_us: Option<i64>) -> Result<Self, CaptureError> {
        let mut records = Records::open(input, path)?;
        if let Some(link) = records.only_link().filter(|link| Link::of(*link).is_none()) {
            return Err(CaptureError::LinkType { path: path.to_owned(), link });
        }
        records.peek();
        let why = match records.end() {
            Some(records::End::Early(_, detail)) => format!(": it ends or breaks at {detail}"),
            Some(records::End::Whole) | None => String::new(),
        };
        let progress = records.progress().clone();
        let no_packets = CaptureError::NoPackets { path: path.to_owned(), why };
        let again = input::is_regular(path).then(|| path.to_owned());
        let (player, begin) = Player::new(records, until_us, again).ok_or(no_packets)?;
        Ok(Self { player: Arc::new(Mutex::new(player)), progress, begin })
    }

    fn player(&self) -> MutexGuard<'_, Player> {
        self.player.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much of it was read.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The time of its first packet.
    #[must_use]
    pub fn begin(&self) -> Moment {
        self.begin
    }

    /// The time it was played to.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.player().now()
    }

    /// Whether it was played to its end, or until the time it was opened for.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.player().is_ended()
    }

    /// Plays some packets, not beyond the monotonic time `to_us` if it is given, and returns whether there are more until
    /// then.
    pub fn step(&self, to_us: Option<u64>) -> bool {
        self.player().play(to_us, STEP_PACKETS)
    }

    /// When the file `path` ends if it is played until `until_us`; `None` if it is no regular file, which can be read
    /// once only. Of a large file the last packets show it, and one whose clock went back before them, or that breaks
    /// in its middle, ends at another time: that which it was played to is exact.
    #[must_use]
    pub fn end_of(path: &Path, until_us: Option<i64>) -> Option<Moment> {
        // Opening a pipe takes bytes from it.
        if !input::is_regular(path) {
            return None;
        }
        let input = Input::open(path).ok()?;
        let tail = input.tail(path, records::TAIL_BYTES);
        player::end_of(Records::open(input, path).ok()?, tail.as_deref(), until_us)
    }

    /// All losses so far.
    #[must_use]
    pub fn losses(&self) -> Vec<Loss> {
        self.player().losses()
    }

    /// Its connections as socket tables: each observation plays the file to its moment.
    #[must_use]
    pub fn tables(&self) -> CaptureTables {
        CaptureTables(self.clone())
    }

    /// Its events, which are kept from now on until they are taken.
    #[must_use]
    pub fn events(&self) -> CaptureEvents {
        self.player().keep_events();
        CaptureEvents(self.clone())
    }
}

/// The connections of a capture file.
pub struct CaptureTables(Capture);

impl SocketSource for CaptureTables {
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        let mut player = self.0.player();
        while player.play(Some(now.monotonic_us), STEP_PACKETS) {}
        let observation = player.sample(scope);
        Ok(Observation { at: now, ..observation })
    }
}

/// The events of a capture file.
pub struct CaptureEvents(Capture);

impl EventSource for CaptureEvents {
    /// Plays the file until there is a batch of events.
    fn observe(&mut self, _: Moment) -> Observation {
        let mut player = self.0.player();
        while player.events() < BATCH_EVENTS && player.play(None, STEP_PACKETS) {}
        player.take_events()
    }

    /// Events of a file are there at once.
    fn wait(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}
