//! A program: its first video and its first audio, as a stream.

use crate::decode::media::{Role, Stream, Tracks};
use crate::decode::{BothSides, Ends, Side};
use crate::model::Moment;

use super::elementary::{Complete, Elementary, is_video, sum};
use super::packet::Packet;
use super::sections::{Listed, Section};

/// One program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) number: u16,
    /// Where its streams are listed.
    pub(super) map_pid: u16,
    pub(super) section: Section,
    /// At most one of video and one of audio.
    elementaries: Vec<Elementary>,
    /// All streams that it lists.
    pub(super) pids: Vec<u16>,
    /// From when on its streams are listed.
    pub(super) stream: Option<Stream>,
}

/// Most streams of a program that are shown.
const MAX_SHOWN: usize = 16;

impl Program {
    pub(super) fn new(number: u16, map_pid: u16) -> Self {
        Self {
            number,
            map_pid,
            section: Section::default(),
            elementaries: Vec::new(),
            pids: Vec::new(),
            stream: None,
        }
    }

    /// Takes the list of its streams.
    pub(super) fn list(
        &mut self,
        listed: &[Listed],
        number: u64,
        sender: Side,
        ends: Ends,
        at: Moment,
    ) {
        self.pids = listed.iter().take(MAX_SHOWN).map(|one| one.pid).collect();
        let first = |video: bool| {
            let codecs = listed.iter().filter_map(|one| Some((one.pid, one.codec?)));
            codecs.into_iter().find(|(_, codec)| is_video(*codec) == video)
        };
        let chosen = [first(true), first(false)];
        let before = std::mem::take(&mut self.elementaries);
        let mut before: Vec<_> = before.into_iter().map(Some).collect();
        for (pid, codec) in chosen.into_iter().flatten() {
            let mut same =
                before.iter_mut().filter(|one| one.as_ref().is_some_and(|one| one.codec == codec));
            // What is known of a codec stays known, also if it moves to another place.
            let elementary = match same.next() {
                Some(found) if found.as_ref().is_some_and(|one| one.pid == pid) => found.take(),
                Some(found) => {
                    let is_configured = found.take().is_some_and(|one| one.is_configured);
                    Some(Elementary::new(pid, codec, is_configured))
                }
                None => Some(Elementary::new(pid, codec, false)),
            };
            self.elementaries.extend(elementary);
        }
        let is_publication = ends.opener.is_none_or(|opener| opener == sender);
        let stream = self.stream.get_or_insert_with(|| Stream {
            number,
            role: if is_publication { Role::Publish } else { Role::Play },
            sender,
            name: None,
            ingest_point: None,
            since: BothSides { sent: Some(at), received: Some(at) },
            bandwidth_kbit_per_s: 0,
            tracks: Tracks::default(),
            is_linked: None,
            input: None,
            began_before: false,
        });
        for elementary in &self.elementaries {
            let tracks = &mut stream.tracks;
            let track = if elementary.is_video() { &mut tracks.video } else { &mut tracks.audio };
            track.codec = Some(elementary.codec);
        }
    }

    /// Takes a packet of one of its streams; whether it is one.
    pub(super) fn packet(&mut self, packet: &Packet<'_>, at: Moment) -> bool {
        let is_of = |one: &Elementary| one.pid == packet.pid;
        let Some(index) = self.elementaries.iter().position(is_of) else { return false };
        let Some(elementary) = self.elementaries.get_mut(index) else { return false };
        let is_video = elementary.is_video();
        if let Some(complete) = elementary.packet(packet) {
            let is_configured = elementary.is_configured;
            let are_all = self.elementaries.iter().all(|one| one.is_configured);
            self.count(is_video, &complete, is_configured, are_all, at);
        }
        true
    }

    /// Counts a packet. As long as a stream's configuration was not seen, a media server drops all.
    fn count(
        &mut self,
        is_video: bool,
        complete: &Complete,
        is_configured: bool,
        are_all: bool,
        at: Moment,
    ) {
        let Some(stream) = &mut self.stream else { return };
        let tracks = &mut stream.tracks;
        let track = if is_video { &mut tracks.video } else { &mut tracks.audio };
        let Complete { units, time_ms, span_ms, is_key, format, bytes } = *complete;
        track.is_configured |= is_configured;
        track.format = format.or(track.format);
        track.carried(bytes, at);
        if are_all {
            track.received = sum(track.received, units);
            track.sent = sum(track.sent, units);
        } else {
            track.dropped = sum(track.dropped, units);
        }
        if is_video && bytes > 0 {
            track.frame(time_ms, is_key, at);
        } else if !is_video {
            let last = units.packets.saturating_sub(1);
            for unit in 0..units.packets {
                let after_ms = span_ms.saturating_mul(unit).checked_div(last).unwrap_or(0);
                track.frame(time_ms.map(|ms| ms.saturating_add(after_ms)), false, at);
            }
        }
    }

    /// Bytes of the transport stream are missing.
    pub(super) fn lose(&mut self) {
        self.section.lose();
        self.elementaries.iter_mut().for_each(Elementary::lose);
    }

    pub(super) fn discontinuities(&self) -> u64 {
        self.elementaries.iter().map(|one| one.discontinuities).sum()
    }

    pub(super) fn memory(&self) -> usize {
        let elementaries = self.elementaries.iter().map(Elementary::memory).sum::<usize>();
        self.section.memory()
            + elementaries
            + self.elementaries.capacity() * size_of::<Elementary>()
            + self.pids.capacity() * size_of::<u16>()
    }
}
