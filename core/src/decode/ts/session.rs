//! A transport stream of one side: its tables, and its programs.

use crate::decode::{Ends, Side};
use crate::model::Moment;

use super::packet::{MAX_PID, PACKET, Packet, is_header};
use super::program::Program;
use super::sections::{self, Section};
use super::sync::Packets;

/// Most programs that are read.
const MAX_PROGRAMS: usize = 32;
const PIDS: usize = MAX_PID as usize + 1;

/// One stream of bytes, or one flow.
#[derive(Debug)]
pub(super) struct Session {
    ends: Ends,
    pub(super) sender: Side,
    /// Of a stream of bytes, and of datagrams in which packets are cut.
    pub(super) sync: Option<Packets>,
    pub(super) packets: u64,
    /// Which numbers were seen, in bits.
    seen: Box<[u64; PIDS / 64]>,
    table: Section,
    pub(super) programs: Vec<Program>,
    last_number: u64,
}

impl Session {
    pub(super) fn over_stream(sender: Side, ends: Ends) -> Self {
        Self { sync: Some(Packets::default()), ..Self::over_datagrams(sender, ends) }
    }

    pub(super) fn over_datagrams(sender: Side, ends: Ends) -> Self {
        Self {
            ends,
            sender,
            sync: None,
            packets: 0,
            seen: Box::new([0; PIDS / 64]),
            table: Section::default(),
            programs: Vec::new(),
            last_number: 0,
        }
    }

    /// Takes bytes of the stream, or a datagram.
    pub(super) fn read(&mut self, bytes: &[u8], at: Moment) {
        let is_cut = !bytes.len().is_multiple_of(PACKET) || !is_header(bytes);
        if self.sync.is_none() && is_cut {
            self.sync = Some(Packets::default());
        }
        match self.sync.take() {
            Some(mut sync) => {
                let searches = sync.searches;
                sync.data(bytes, &mut |packet| self.packet(packet, at));
                if sync.searches > searches {
                    self.lose_programs();
                }
                self.sync = Some(sync);
            }
            None => {
                for packet in bytes.chunks(PACKET) {
                    self.packet(packet, at);
                }
            }
        }
    }

    fn packet(&mut self, bytes: &[u8], at: Moment) {
        let Some(packet) = Packet::read(bytes) else { return };
        self.packets += 1;
        if let Some(bits) = self.seen.get_mut(usize::from(packet.pid) / 64) {
            *bits |= 1 << (packet.pid % 64);
        }
        if packet.pid == 0 {
            return self.programs_listed(&packet);
        }
        for program in &mut self.programs {
            if program.packet(&packet, at) {
                return;
            }
        }
        let is_map = |one: &Program| one.map_pid == packet.pid;
        if let Some(index) = self.programs.iter().position(is_map) {
            self.streams_listed(index, &packet, at);
        }
    }

    fn programs_listed(&mut self, packet: &Packet<'_>) {
        let Some(payload) = packet.payload else { return };
        let Some(section) = self.table.packet(payload, packet.is_start) else { return };
        for (number, map_pid) in sections::programs(&section).into_iter().flatten() {
            let is_full = self.programs.len() >= MAX_PROGRAMS;
            match self.programs.iter_mut().find(|one| one.number == number) {
                Some(program) => program.map_pid = map_pid,
                None if is_full => return,
                None => self.programs.push(Program::new(number, map_pid)),
            }
        }
    }

    /// Takes a packet with the streams of a program. Several programs may be listed in the same place.
    fn streams_listed(&mut self, index: usize, packet: &Packet<'_>, at: Moment) {
        let Some(payload) = packet.payload else { return };
        let Some(program) = self.programs.get_mut(index) else { return };
        let Some(section) = program.section.packet(payload, packet.is_start) else { return };
        let Some((number, listed)) = sections::streams(&section) else { return };
        let Some(program) = self.programs.iter_mut().find(|one| one.number == number) else {
            return;
        };
        if program.stream.is_none() {
            self.last_number += 1;
        }
        program.list(&listed, self.last_number, self.sender, self.ends, at);
    }

    /// Bytes are missing.
    pub(super) fn lose(&mut self) {
        if let Some(sync) = &mut self.sync {
            sync.lose();
        }
        self.lose_programs();
    }

    fn lose_programs(&mut self) {
        self.table.lose();
        self.programs.iter_mut().for_each(Program::lose);
    }

    /// How many numbers were seen.
    pub(super) fn pids_seen(&self) -> u64 {
        self.seen.iter().map(|bits| u64::from(bits.count_ones())).sum()
    }

    pub(super) fn memory(&self) -> u64 {
        let programs = self.programs.iter().map(Program::memory).sum::<usize>()
            + self.programs.capacity() * size_of::<Program>();
        let sync = self.sync.as_ref().map_or(0, Packets::memory);
        let own = size_of::<Self>() + size_of_val(&*self.seen) + self.table.memory();
        (own + programs + sync) as u64
    }
}
