//! What the programs are to copy: an entry for each connection of which more than the first bytes is wanted.

use std::collections::HashMap;
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, MapData};
use conns_contract::{Side, Steering, Want};
use conns_core::model::{ConnectionId, Moment};
use foldhash::fast::RandomState;
use zerocopy::IntoBytes;

use crate::layout::WantEntry;
use crate::object;

/// How long after a skip was wanted an entry still has it. Sequence numbers repeat after 4 GiB, which take longer.
const RESUME_LIFETIME: Duration = Duration::from_secs(1);

/// The map of wants, and its entries as far as they were written.
pub(super) struct Wants {
    map: aya::maps::HashMap<MapData, u64, [u8; size_of::<WantEntry>()]>,
    generation: Array<MapData, u32>,
    /// Of the last change.
    current: u32,
    entries: HashMap<u64, Entry, RandomState>,
}

/// By [`Side`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entry {
    is_wanted: [bool; 2],
    resume: [Option<(u32, Moment)>; 2],
    /// Whether the programs copy more than first bytes, or have an entry.
    is_known: bool,
}

impl Wants {
    pub(super) fn open(programs: &mut Ebpf) -> Result<Self, Box<str>> {
        let map = object::map(programs, "wants")?;
        let generation = object::map(programs, "want_generation")?;
        Ok(Self { map, generation, current: 0, entries: HashMap::default() })
    }

    /// The programs hand over all of this connection, without an entry.
    pub(super) fn note_whole(&mut self, cookie: u64) {
        let entry = Entry { is_wanted: [true; 2], is_known: true, ..Entry::default() };
        self.entries.insert(cookie, entry);
    }

    pub(super) fn steer(&mut self, steering: &[Steering<ConnectionId>], now: Moment) {
        let mut changed: Vec<u64> = Vec::new();
        for one in steering.iter().filter(|one| one.key.flow.is_none()) {
            let cookie = one.key.socket.cookie;
            let before = self.entries.get(&cookie).copied();
            if let Some(entry) = steered(before, one, now) {
                self.entries.insert(cookie, entry);
                changed.push(cookie);
            }
        }
        changed.sort_unstable();
        changed.dedup();
        if changed.is_empty() {
            return;
        }
        // 0 is the serial number of none.
        self.current = self.current.wrapping_add(1).max(1);
        for cookie in &changed {
            let Some(entry) = self.entries.get_mut(cookie) else { continue };
            if !entry.is_known && entry.is_wanted == [false; 2] {
                // Wanted, and not any more: the programs need no entry.
                self.entries.remove(cookie);
                continue;
            }
            entry.is_known = true;
            // If the map is full, or there is no memory, the connection stays as it is.
            let _ = self.map.insert(cookie, entry.to_kernel(self.current, now), 0);
        }
        // If that fails, the entries apply with the next change.
        let _ = self.generation.set(0, self.current, 0);
    }

    pub(super) fn close(&mut self, cookie: u64) {
        if self.entries.remove(&cookie).is_some() {
            // One that the programs handed over without an entry has none.
            let _ = self.map.remove(&cookie);
        }
    }
}

/// The entry after a steering; `None` if nothing is to be written: what has no entry is not wanted.
pub(super) fn steered(
    before: Option<Entry>,
    one: &Steering<ConnectionId>,
    now: Moment,
) -> Option<Entry> {
    let mut entry = before.unwrap_or_default();
    let side = index(one.side);
    let wanted = entry.is_wanted.get_mut(side)?;
    *wanted = one.want != Want::NoMore;
    let resume = match one.want {
        Want::Skip(_) => one.resume_at.map(|sequence| (sequence, now)),
        Want::Whole | Want::NoMore => None,
    };
    *entry.resume.get_mut(side)? = resume;
    (before.unwrap_or_default() != entry).then_some(entry)
}

impl Entry {
    fn to_kernel(self, serial: u32, now: Moment) -> [u8; size_of::<WantEntry>()] {
        let is_fresh = |resume: &(u32, Moment)| now.since(resume.1) < RESUME_LIFETIME;
        let resume = self.resume.map(|resume| resume.filter(is_fresh));
        let entry = WantEntry {
            serial: serial.into(),
            resume: resume.map(|resume| resume.map_or(0, |(sequence, _)| sequence).into()),
            is_wanted: self.is_wanted.map(u8::from),
            resumes: resume.map(|resume| u8::from(resume.is_some())),
        };
        let mut bytes = [0; size_of::<WantEntry>()];
        bytes.copy_from_slice(entry.as_bytes());
        bytes
    }
}

/// As in `bpf/tap.h`.
fn index(side: Side) -> usize {
    match side {
        Side::Sent => 0,
        Side::Received => 1,
    }
}
