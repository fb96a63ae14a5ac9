//! When and on which host a snapshot was made.

use conns_core::model::Snapshot;
use serde::Serialize;

/// Time and host of a snapshot, as answers and rows name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Stamp<'a> {
    /// When the sockets were read: microseconds since 1970-01-01 UTC.
    pub at_us: i64,
    /// The host name; `None` if it is unknown, as that of a capture file is.
    pub host: Option<&'a str>,
}

impl Stamp<'_> {
    /// Its keys, in the order of [`Stamp::cells`].
    pub const KEYS: [&'static str; 2] = ["at_us", "host"];

    /// Its values as cells of CSV.
    #[must_use]
    pub fn cells(self) -> [String; 2] {
        [self.at_us.to_string(), self.host.unwrap_or_default().to_owned()]
    }
}

impl<'a> From<&'a Snapshot> for Stamp<'a> {
    fn from(snapshot: &'a Snapshot) -> Self {
        let host = snapshot.machine.host.value().map(|host| &**host);
        Self { at_us: snapshot.at.wall_us, host }
    }
}
