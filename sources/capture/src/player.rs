//! Plays a capture file: its packets go, in the order of the file, to the connections that they are of. Their time is
//! the only clock.

use std::path::{Path, PathBuf};

use conns_contract::Scope;
use conns_core::model::{Loss, LossCause, Moment, Observation, Source};

use crate::connections::{Connections, MAX_QUEUED_EVENTS};
use crate::counts::Counts;
use crate::fragments::Fragments;
use crate::input::Input;
use crate::ip::IpPacket;
use crate::link::{Frame, Link};
use crate::records::Records;
use crate::transport::UDP;

/// How often connections are removed that are over, microseconds of the file's time.
const SWEEP_INTERVAL_US: u64 = 10_000_000;
/// How far a file is read beyond the moment until which it is played, microseconds of its time.
const MAX_FURTHER_US: i64 = 30_000_000;
/// Packets of one step of that.
const FURTHER_STEP_PACKETS: usize = 64;

/// A file, and the state of its connections at a moment of it.
pub(crate) struct Player {
    records: Records,
    /// Later packets are not read; microseconds since 1970-01-01 UTC.
    until_us: Option<i64>,
    /// Where it can be read again.
    again: Option<PathBuf>,
    now: Moment,
    is_ended: bool,
    fragments: Fragments,
    connections: Connections,
    counts: Counts,
    swept_us: u64,
}

impl Player {
    /// Stands before the first packet of `records`, whose time is returned too; `None` if there is none.
    pub(crate) fn new(
        mut records: Records,
        until_us: Option<i64>,
        again: Option<PathBuf>,
    ) -> Option<(Self, Moment)> {
        let first_us = records.peek()?.at_us.unwrap_or(0);
        let now = moment(first_us, Moment::default());
        let player = Self {
            records,
            until_us,
            again,
            now,
            is_ended: false,
            fragments: Fragments::default(),
            connections: Connections::default(),
            counts: Counts::default(),
            swept_us: now.monotonic_us,
        };
        Some((player, now))
    }

    /// Keeps events from now on, until they are taken.
    pub(crate) fn keep_events(&mut self) {
        self.connections.events.are_kept = true;
    }

    /// The moment of the file that it stands at.
    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    /// Whether no packet is left to play.
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// How many events wait to be taken.
    pub(crate) fn events(&self) -> usize {
        self.connections.events.queue.len()
    }

    /// Plays packets until the monotonic time `to_us`, if it is given, and at most `packets`. Returns whether more can
    /// be played until then.
    pub(crate) fn play(&mut self, to_us: Option<u64>, packets: usize) -> bool {
        for _ in 0..packets {
            if self.is_ended {
                return false;
            }
            let Some(record) = self.records.peek() else {
                self.end(self.now);
                return false;
            };
            let (at_us, cut, link) = (record.at_us, record.cut, record.link);
            let at = at_us.map_or(self.now, |at_us| moment(at_us, self.now));
            if let Some(to_us) = to_us.filter(|to_us| at.monotonic_us > *to_us) {
                let us = to_us.saturating_sub(self.now.monotonic_us);
                self.now = Moment {
                    monotonic_us: self.now.monotonic_us + us,
                    wall_us: self.now.wall_us.saturating_add_unsigned(us),
                };
                return false;
            }
            if let Some(until_us) = self.until_us.filter(|until_us| at.wall_us > *until_us) {
                self.end(moment(until_us, self.now));
                self.read_further(until_us);
                return false;
            }
            self.counts.back_in_time += u64::from(at_us.is_some_and(|us| us < self.now.wall_us));
            self.counts.cut += u64::from(cut > 0);
            self.now = at;
            self.frame(link);
            self.records.consume();
            if at.monotonic_us.saturating_sub(self.swept_us) >= SWEEP_INTERVAL_US {
                self.sweep();
            }
        }
        true
    }

    fn end(&mut self, now: Moment) {
        self.now = now;
        self.is_ended = true;
        self.sweep();
    }

    /// Finds out, by later packets, what they show of media at this moment.
    fn read_further(&mut self, until_us: i64) {
        let Some(path) = self.again.take() else { return };
        let further_us = until_us.saturating_add(MAX_FURTHER_US);
        self.find_receivers(further_us);
        if self.connections.streams.is_media_unsettled() {
            self.find_held_back(&path, further_us);
        }
    }

    /// Finds the sockets that receive a transport stream later.
    fn find_receivers(&mut self, further_us: i64) {
        let (mut ahead, mut counts) = (Connections::default(), Counts::default());
        while let Some(record) = self.records.peek() {
            let Some(at_us) = record.at_us.filter(|at_us| *at_us <= further_us) else { break };
            let link = Link::of(record.link);
            if let Some(Frame::Ip(bytes)) = link.map(|link| link.frame(self.records.bytes()))
                && let Some(packet) = IpPacket::read(bytes)
                && packet.protocol == UDP
                && packet.fragment.is_none()
            {
                ahead.packet(&packet, moment(at_us, self.now), &mut counts);
            }
            self.records.consume();
        }
        self.connections.adopt_receivers(&mut ahead, self.now);
    }

    /// Finds out, by what media servers send later, what they hold back now and how they name what they receive.
    fn find_held_back(&mut self, path: &Path, further_us: i64) -> Option<()> {
        let records = Records::open(Input::open(path).ok()?, path).ok()?;
        let (mut ahead, _) = Self::new(records, Some(further_us), None)?;
        ahead.connections.streams.read_further();
        while ahead.play(Some(self.now.monotonic_us), FURTHER_STEP_PACKETS) {}
        ahead.connections.streams.mark_media(self.now);
        while !ahead.connections.streams.is_marked_media_settled()
            && ahead.play(None, FURTHER_STEP_PACKETS)
        {}
        self.connections.streams.adopt_media(&ahead.connections.streams);
        Some(())
    }

    fn sweep(&mut self) {
        self.swept_us = self.now.monotonic_us;
        self.connections.sweep(self.now);
    }

    /// Reads the frame of the next record.
    fn frame(&mut self, link: u16) {
        let Self { records, counts, fragments, connections, now, .. } = self;
        let Some(link_type) = Link::of(link) else {
            counts.unsupported += 1;
            counts.unsupported_link = link;
            return;
        };
        let packet = match link_type.frame(records.bytes()) {
            Frame::Ip(bytes) => IpPacket::read(bytes),
            Frame::Other => return,
            Frame::Malformed => None,
        };
        let Some(packet) = packet else {
            counts.malformed += 1;
            return;
        };
        let Some(fragment) = packet.fragment else {
            connections.packet(&packet, *now, counts);
            return;
        };
        if let Some(payload) = fragments.add(&packet, fragment, now.monotonic_us) {
            let whole = IpPacket { fragment: None, payload: &payload, cut: 0, ..packet };
            connections.packet(&whole, *now, counts);
        }
    }

    /// The rows of `scope`, and what was not reported before.
    pub(crate) fn sample(&mut self, scope: &Scope) -> Observation {
        let mut observation = self.connections.sample(scope, self.now);
        observation.losses.extend(self.losses());
        observation
    }

    /// Takes the events that wait.
    pub(crate) fn take_events(&mut self) -> Observation {
        let mut observation = Observation::new(Source::Capture, self.now);
        let (events, applications) = self.connections.events.take();
        (observation.lifecycle, observation.applications) = (Some(events), applications);
        observation
    }

    /// All losses of the file so far.
    pub(crate) fn losses(&self) -> Vec<Loss> {
        let Connections { table, streams, events, .. } = &self.connections;
        let mut losses =
            self.counts.losses(&self.records, &self.fragments, table.refused, streams.counts());
        let cause = LossCause::EventsNotPublished { capacity: MAX_QUEUED_EVENTS as u64 };
        losses.extend(Loss::counted(Source::Capture, cause, events.dropped));
        losses
    }
}

/// The moment at which a player of `records` ends. With the last bytes of the file it is an estimate, which nearly always
/// holds; without them, all is read.
pub(crate) fn end_of(
    mut records: Records,
    tail: Option<&[u8]>,
    until_us: Option<i64>,
) -> Option<Moment> {
    let mut now = moment(records.peek()?.at_us.unwrap_or(0), Moment::default());
    if let Some(latest_us) = tail.and_then(|tail| records.latest_in(tail)) {
        let end_us = until_us.map_or(latest_us, |until_us| until_us.min(latest_us));
        return Some(moment(end_us, now));
    }
    while let Some(record) = records.peek() {
        let at = record.at_us.map_or(now, |at_us| moment(at_us, now));
        match until_us {
            Some(until_us) if at.wall_us > until_us => return Some(moment(until_us, now)),
            _ => now = at,
        }
        records.consume();
    }
    Some(now)
}

/// The moment of a time of the file, not before `now`.
fn moment(wall_us: i64, now: Moment) -> Moment {
    if wall_us <= now.wall_us && now != Moment::default() {
        return now;
    }
    let monotonic_us = u64::try_from(wall_us).unwrap_or(0).max(now.monotonic_us);
    Moment { monotonic_us, wall_us }
}
