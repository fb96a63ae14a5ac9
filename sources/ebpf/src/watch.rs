//! The sockets of the machine, looked at again and again: each look reads in full only those that
//! changed since the one before, of all network namespaces, without entering any.
//!
//! The one idea: the kernel marks sockets as they come (`bpf/watch.h`); what is remembered here
//! is what was told of each, and time passes for it by itself.

use std::collections::HashMap;
use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use aya::maps::{MapData, PerCpuArray, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSock};
use aya::{Btf, Ebpf};
use conns_contract::{Namespaces, Scope, SocketSource, SourceError, States};
use conns_core::model::{Loss, LossCause, Moment, Netns, Observation, SocketSample, Source, State};
use conns_namespaces::NamespaceSet;
use foldhash::fast::RandomState;

use crate::call::open_iterator;
use crate::flows::{Flows, Peers};
use crate::iterate::Reader;
use crate::object::{self, why_not_program};
use crate::row::RowReader;
use crate::sockets::{self, Copy};
use crate::split;
use crate::tables::{add_peers, unavailable, wants};
use crate::wire::Bytes;

/// A look is made in as many goes as the ring needs; 64 goes tell half a million sockets. What is left
/// then is told by the next look.
const GOES_MOST: u32 = 64;
/// The stub of a connection whose peer has not closed yet calls itself FIN-WAIT-2.
const STATES_OF_STUBS: [State; 2] = [State::TimeWait, State::FinWait2];

// `enum count` of `bpf/watch.h`.
const NOT_TOLD: u32 = 0;
const NOT_MARKED: u32 = 1;
const HANDSHAKES: u32 = 2;
const STUBS: u32 = 3;

/// The source of socket rows for somebody who looks again and again.
pub struct WatchedTables {
    _programs: Copy,
    look: OwnedFd,
    _marks: MapData,
    ring: RingBuf<MapData>,
    counts: PerCpuArray<MapData, u64>,
    reader: Reader,
    rows: RowReader,
    flows: Option<Flows>,
    /// Whether sockets are marked when they are made: else UDP and bound ones are another's to tell.
    sees_births: bool,
    known: HashMap<u64, Kept, RandomState>,
    goes: u32,
    not_marked: u64,
    handshakes: u64,
    stubs: u64,
    /// Whether there may be stubs of closed connections: they are another's to tell.
    may_have_stubs: bool,
    delegated: Vec<Scope>,
    /// What could not be marked at the start.
    standing: Vec<Loss>,
}

/// What is known of one socket.
struct Kept {
    row: SocketSample,
    told: Moment,
    /// The go that saw it last.
    seen_in: u32,
}

impl WatchedTables {
    /// Opens them, and says why peers of UDP sockets are not told, if they are not.
    pub(crate) fn open(copy: &Copy, types: &Btf) -> Result<(Self, Option<Box<str>>), Box<str>> {
        let mut programs = sockets::of(copy);
        let ring = object::map(&mut programs, "looks")?;
        let counts = object::map(&mut programs, "counts")?;
        let marks = object::bare_map(&mut programs, "kept_with")?;
        let sees_births = attach_births(&mut programs).is_ok();
        let (flows, no_flows) = split(Flows::open(&mut programs, types));
        let target = "bpf_sk_storage_map";
        let look = object::iterator(&mut programs, "look", target, types, Some(&marks))?;
        // After the programs that mark what comes: so nothing falls between.
        let standing = mark_all(&mut programs, types)?;
        let tables = Self {
            _programs: Arc::clone(copy),
            look,
            _marks: marks,
            ring,
            counts,
            reader: Reader::new(),
            rows: RowReader::new(),
            flows,
            sees_births,
            known: HashMap::default(),
            goes: 0,
            not_marked: 0,
            handshakes: 0,
            stubs: 0,
            may_have_stubs: true,
            delegated: Vec::new(),
            standing,
        };
        Ok((tables, no_flows))
    }

    /// How often something was counted in the kernel since the start.
    fn count(&self, what: u32) -> u64 {
        self.counts.get(&what, 0).map_or(0, |counts| counts.iter().sum())
    }

    /// Goes through the marked sockets once; false if the ring had no room for all.
    fn go(&mut self, now: Moment, peers: Option<&Peers>) -> io::Result<bool> {
        let not_told = self.count(NOT_TOLD);
        self.goes = self.goes.wrapping_add(1);
        let mut file = open_iterator(self.look.as_fd())?;
        // The program tells through the ring; the file only makes it go.
        self.reader.read(&mut file, |rest| Some(rest.len()))?;
        while let Some(record) = self.ring.next() {
            let cookie = Bytes(&record).u64(0);
            if record.len() == size_of::<u64>() {
                if let Some(kept) = self.known.get_mut(&cookie) {
                    kept.seen_in = self.goes;
                }
                continue;
            }
            if let Some(mut row) = self.rows.row(&record) {
                add_peers(&mut row, &record, peers);
                self.known.insert(cookie, Kept { row, told: now, seen_in: self.goes });
            }
        }
        Ok(self.count(NOT_TOLD) == not_told)
    }

    fn look(&mut self, now: Moment) -> io::Result<bool> {
        let peers = self.flows.as_ref().map(|flows| flows.read(&mut self.reader)).transpose()?;
        for _ in 0..GOES_MOST {
            if self.go(now, peers.as_ref())? {
                let goes = self.goes;
                self.known.retain(|_, kept| kept.seen_in == goes);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What another source has to tell.
    fn find_left_out(&mut self, scope: &Scope, sockets: &[SocketSample]) {
        self.delegated.clear();
        let mut others = Vec::new();
        let handshakes = self.count(HANDSHAKES);
        if std::mem::replace(&mut self.handshakes, handshakes) != handshakes {
            others.push(State::SynReceived);
        }
        // Counted after the stub is in its table: one that the other source misses is counted later.
        let stubs = self.count(STUBS);
        self.may_have_stubs |= std::mem::replace(&mut self.stubs, stubs) != stubs;
        if self.may_have_stubs {
            others.extend(STATES_OF_STUBS);
        }
        if !self.sees_births {
            others.push(State::BoundInactive);
        }
        others.retain(|state| scope.states.contains(*state));
        let only = |tcp, udp, mptcp| Scope { tcp, udp, mptcp, ..scope.clone() };
        if scope.tcp && !others.is_empty() {
            let states = States::of(&others);
            self.delegated.push(Scope { states, ..only(true, false, false) });
        }
        if scope.udp && !self.sees_births {
            self.delegated.push(only(false, true, false));
        }
        if scope.mptcp && sockets.iter().any(|socket| socket.is_subflow()) {
            self.delegated.push(only(false, false, true));
        }
    }

    fn losses(&mut self, is_whole: bool) -> Vec<Loss> {
        let mut losses = self.standing.clone();
        if !is_whole {
            let cause = LossCause::ChangesRingFull { passes: GOES_MOST as u32 };
            losses.push(Loss::one(Source::Ebpf, cause));
        }
        let not_marked = self.count(NOT_MARKED);
        let new = not_marked.saturating_sub(std::mem::replace(&mut self.not_marked, not_marked));
        losses.extend(Loss::counted(Source::Ebpf, LossCause::SocketsNotMarked, new));
        losses
    }
}

impl SocketSource for WatchedTables {
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        let is_whole =
            self.look(now).map_err(|cause| unavailable("look at the watched sockets", cause))?;
        let wanted = self.known.values().filter(|kept| wants(scope, &kept.row));
        let sockets: Vec<_> = wanted.map(|kept| kept.at(now)).collect();
        self.find_left_out(scope, &sockets);
        let losses = self.losses(is_whole);
        Ok(Observation::new(Source::Ebpf, now).with_sockets(sockets).with_losses(losses))
    }

    fn delegated(&self) -> Vec<Scope> {
        self.delegated.clone()
    }

    fn apply_delegated(&mut self, scope: &Scope, told: &Observation) {
        let mut rows = told.rows().iter();
        if scope.tcp && scope.states.contains(State::TimeWait) && told.losses.is_empty() {
            self.may_have_stubs = rows.any(|row| STATES_OF_STUBS.contains(&row.state));
        }
    }
}

impl Kept {
    /// The row as it is at `now`: nothing but time has passed since it was told.
    fn at(&self, now: Moment) -> SocketSample {
        let passed_ms = u32::try_from(now.since(self.told).as_millis()).unwrap_or(u32::MAX);
        let mut row = self.row.clone();
        row.advance(passed_ms);
        row
    }
}

/// Marks sockets when they are made, in every control group that can be seen.
fn attach_births(programs: &mut Ebpf) -> Result<(), Box<str>> {
    let group = object::open_control_groups()?;
    let program: &mut CgroupSock = object::program(programs, "mark_new")?;
    program.load().map_err(|error| why_not_program(&error))?;
    program
        .attach(&group, CgroupAttachMode::Single)
        .map(drop)
        .map_err(|error| why_not_program(&error))
}

/// Marks what is there already, in every namespace that can be entered; returns what could not.
fn mark_all(programs: &mut Ebpf, types: &Btf) -> Result<Vec<Loss>, Box<str>> {
    let failed = |error: &dyn Display| format!("cannot mark the sockets there are: {error}");
    let read = |link: &OwnedFd| {
        let mut file = open_iterator(link.as_fd())?;
        Reader::new().read(&mut file, |rest| Some(rest.len()))
    };
    let mut linked = |name, target| object::iterator(programs, name, target, types, None);
    let held = linked("mark_held", "task_file")?;
    let links = [linked("mark_tcp", "tcp")?, linked("mark_udp", "udp")?];
    read(&held).map_err(|error| failed(&error))?;
    let opener = move |netns: Arc<Netns>| links.iter().try_for_each(read).map(|()| netns);
    let mut losses = Vec::new();
    NamespaceSet::open(Source::Ebpf, Box::new(opener))
        .map_err(|error| failed(&error))?
        .refresh(&Namespaces::All, &mut losses)
        .map_err(|error| failed(&error))?;
    Ok(losses)
}
