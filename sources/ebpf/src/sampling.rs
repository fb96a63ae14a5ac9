//! Samples the sockets of all network namespaces without entering any. The programs of `bpf/sampling.h` emit full
//! rows only for sockets that changed since the last sample; the rows of the others are cached here, and their
//! times advanced.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use aya::programs::{CgroupAttachMode, CgroupSock};
use aya::{Btf, Ebpf};
use conns_contract::{Namespaces, Scope, SocketSource, SourceError, States};
use conns_core::model::{
    Loss, LossCause, Moment, Netns, Observation, PairKey, SocketSample, Source, State,
};
use conns_namespaces::NamespaceSet;
use foldhash::fast::RandomState;
use zerocopy::FromBytes;

use crate::call::open_iterator;
use crate::flows::{Flows, MAX_FLOWS, Peers};
use crate::iterate::RecordReader;
use crate::layout::{COUNT_HANDSHAKES, COUNT_NO_MEMORY, COUNT_RING_FULL, COUNT_TIME_WAITS};
use crate::object::{self, split, why_not_program};
use crate::row::{RowReader, SharedInterfaces, lock};
use crate::shared_object::{self, SharedObject};
use crate::tables::{add_peers, is_in_scope, unavailable};

/// Most passes over the sockets in one sample. Rows that found no room in the ring come with the next pass, or the next sample.
const MAX_PASSES: u32 = 64;
/// From this many sockets on the ring is drained while a pass lasts: it has room for 130 000 unchanged sockets.
const MANY_ROWS: usize = 50_000;
/// The name of the thread that drains it, and its pause: the program writes at most 100 MB a second.
const THREAD: &str = "sample-drain";
const DRAIN_INTERVAL: Duration = Duration::from_millis(1);
/// Room for fewer cached rows than this is not worth giving back.
const MAX_FREE_ROWS: usize = 1024;
/// States of a TIME-WAIT minisock: until the peer's FIN arrives, it is in FIN-WAIT-2.
const MINISOCK_STATES: [State; 2] = [State::TimeWait, State::FinWait2];

/// The source of socket rows for repeated samples.
pub struct SampledTables {
    _programs: SharedObject,
    pass: OwnedFd,
    /// Keeps the map that the iterator reads.
    _storage: MapData,
    ring: RingBuf<MapData>,
    counters: PerCpuArray<MapData, u64>,
    reader: RecordReader,
    rows: CachedRows,
    flows: Option<Flows>,
    /// Whether sockets are tracked from their creation, those of the kernel, too; if not, UDP and bound sockets are delegated.
    tracks_new: bool,
    /// A number that rows were emitted with; a new one makes the next pass emit all rows.
    generation: Array<MapData, u32>,
    untracked: u64,
    handshakes: u64,
    time_waits: u64,
    /// Whether there may be TIME-WAIT minisocks, which are delegated.
    may_have_minisocks: bool,
    delegated: Vec<Scope>,
    /// Namespaces whose existing sockets could not be tracked.
    permanent_losses: Vec<Loss>,
    /// Finds the namespaces that a scope names, once one does.
    named: Option<NamespaceSet<Arc<Netns>>>,
}

/// The last rows of all sockets.
struct CachedRows {
    reader: RowReader,
    /// Changes with the name of an interface.
    names: u64,
    by_cookie: HashMap<u64, CachedRow, RandomState>,
    passes: u32,
    /// Sockets that the last pass found and there is no room for.
    omitted: u64,
}

/// The last row of a socket.
struct CachedRow {
    row: SocketSample,
    read_at: Moment,
    /// The last pass that saw the socket.
    pass: u32,
    /// Peers of the socket that the kernel's table has evicted.
    evicted_peers: u64,
}

impl SampledTables {
    /// Attaches the programs; also returns why there are no peers of UDP sockets, if there are none.
    pub(crate) fn open(
        shared: &SharedObject,
        types: &Btf,
        interfaces: SharedInterfaces,
        pair_key: PairKey,
    ) -> Result<(Self, Option<Box<str>>), Box<str>> {
        let mut programs = shared_object::lock(shared);
        let ring = object::map(&mut programs, "samples")?;
        let counters = object::map(&mut programs, "counters")?;
        let generation = object::map(&mut programs, "generation")?;
        let storage = object::iterated_map(&mut programs, "storage")?;
        let tracks_new = attach_track_new(&mut programs).is_ok();
        let (flows, no_flows) = split(Flows::open(&mut programs, types));
        let target = "bpf_sk_storage_map";
        let pass = object::iterator(&mut programs, "sample", target, types, Some(&storage))?;
        // After the programs that track new sockets, so that none is missed in between.
        let permanent_losses = track_existing(&mut programs, types)?;
        // The agent may lose the privilege to enter namespaces.
        lock(&interfaces).open_all();
        let tables = Self {
            _programs: Arc::clone(shared),
            pass,
            _storage: storage,
            ring,
            counters,
            reader: RecordReader::new(),
            rows: CachedRows {
                reader: RowReader::new(interfaces, pair_key),
                names: 0,
                by_cookie: HashMap::default(),
                passes: 0,
                omitted: 0,
            },
            flows,
            tracks_new,
            generation,
            untracked: 0,
            handshakes: 0,
            time_waits: 0,
            may_have_minisocks: true,
            delegated: Vec::new(),
            permanent_losses,
            named: None,
        };
        Ok((tables, no_flows))
    }

    /// A counter of the programs, summed over CPUs.
    fn count(&self, counter: u32) -> u64 {
        self.counters.get(&counter, 0).map_or(0, |counts| counts.iter().sum())
    }

    /// Makes one pass over the tracked sockets, during which the ring is drained if `is_drained`; false if the ring was full.
    fn pass(
        &mut self,
        now: Moment,
        peers: Option<&Peers>,
        max_sockets: usize,
        is_drained: bool,
    ) -> io::Result<bool> {
        let full_before = self.count(COUNT_RING_FULL);
        self.rows.passes = self.rows.passes.wrapping_add(1);
        self.rows.omitted = 0;
        let mut file = open_iterator(self.pass.as_fd())?;
        let Self { reader, ring, rows, .. } = self;
        let is_read = AtomicBool::new(false);
        let mut drain = || {
            while let Some(record) = ring.next() {
                rows.take(&record, now, peers, max_sockets);
            }
        };
        // Reading the file runs the program, which writes to the ring.
        let mut read = || {
            let read = reader.read(&mut file, |rest| Some(rest.len()));
            is_read.store(true, Ordering::Release);
            read
        };
        let read = if is_drained {
            thread::scope(|scope| {
                // Without a thread the ring is drained afterwards, as far as it had room.
                let _ = thread::Builder::new().name(THREAD.to_owned()).spawn_scoped(scope, || {
                    while !is_read.load(Ordering::Acquire) {
                        drain();
                        thread::sleep(DRAIN_INTERVAL);
                    }
                });
                read()
            })
        } else {
            read()
        };
        drain();
        read?;
        Ok(self.count(COUNT_RING_FULL) == full_before)
    }

    /// Updates the cached rows; false if no pass was complete.
    fn sample(&mut self, now: Moment, max_sockets: usize) -> io::Result<bool> {
        let peers = self.flows.as_ref().map(|flows| flows.read(&mut self.reader)).transpose()?;
        for pass in 0..MAX_PASSES {
            // A thread costs more than a pass over a few sockets.
            let is_drained = pass > 0 || self.rows.by_cookie.len() >= MANY_ROWS;
            if self.pass(now, peers.as_ref(), max_sockets, is_drained)? {
                if self.rows.retain_last_pass() < max_sockets && self.rows.omitted > 0 {
                    self.emit_all_rows();
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the next pass emit the rows of unchanged sockets, too: some that were omitted fit now.
    fn emit_all_rows(&mut self) {
        let generation = self.generation.get(&0, 0).unwrap_or(0);
        // If that fails, they appear with their next change.
        let _ = self.generation.set(0, generation.wrapping_add(1), 0);
    }

    /// The inodes of the namespaces that `choice` names; `None` for all of them, which are not searched.
    fn chosen_inodes(
        &mut self,
        choice: &Namespaces,
        losses: &mut Vec<Loss>,
    ) -> Result<Option<HashSet<u64>>, SourceError> {
        if *choice == Namespaces::All {
            return Ok(None);
        }
        let named = match &mut self.named {
            Some(named) => named,
            none => none.insert(
                NamespaceSet::open(Source::Ebpf, Box::new(Ok))
                    .map_err(|cause| unavailable("find the network namespaces", cause))?,
            ),
        };
        Ok(Some(named.refresh(choice, losses)?.into_iter().collect()))
    }

    /// Finds what another source has to read.
    fn find_delegated(&mut self, scope: &Scope, sockets: &[SocketSample]) {
        self.delegated.clear();
        let mut others = Vec::new();
        let handshakes = self.count(COUNT_HANDSHAKES);
        if std::mem::replace(&mut self.handshakes, handshakes) != handshakes {
            others.push(State::SynReceived);
        }
        // The kernel counts after the minisock is in its table, so one that the other source misses is counted later.
        let time_waits = self.count(COUNT_TIME_WAITS);
        self.may_have_minisocks |=
            std::mem::replace(&mut self.time_waits, time_waits) != time_waits;
        if self.may_have_minisocks {
            others.extend(MINISOCK_STATES);
        }
        if !self.tracks_new {
            others.push(State::BoundInactive);
        }
        others.retain(|state| scope.states.contains(*state));
        let only = |tcp, udp, mptcp| Scope { tcp, udp, mptcp, ..scope.clone() };
        if scope.tcp && !others.is_empty() {
            let states = States::of(&others);
            self.delegated.push(Scope { states, ..only(true, false, false) });
        }
        if scope.udp && !self.tracks_new {
            self.delegated.push(only(false, true, false));
        }
        if scope.mptcp && sockets.iter().any(|socket| socket.is_subflow()) {
            self.delegated.push(only(false, false, true));
        }
    }

    fn losses(&mut self, is_whole: bool, max_sockets: usize) -> Vec<Loss> {
        let mut losses = self.permanent_losses.clone();
        let bound = LossCause::SocketsBeyondBound { bound: max_sockets as u64 };
        losses.extend(Loss::counted(Source::Ebpf, bound, self.rows.omitted));
        if !is_whole {
            let cause = LossCause::ChangesRingFull { passes: MAX_PASSES };
            losses.push(Loss::one(Source::Ebpf, cause));
        }
        let evicted = self.rows.by_cookie.values().map(|cached| cached.evicted_peers).sum();
        let cause = LossCause::UdpPeersEvicted { capacity: MAX_FLOWS };
        losses.extend(Loss::counted(Source::Ebpf, cause, evicted));
        losses.extend(lock(&self.rows.reader.interfaces).losses());
        let untracked = self.count(COUNT_NO_MEMORY);
        let new = untracked.saturating_sub(std::mem::replace(&mut self.untracked, untracked));
        losses.extend(Loss::counted(Source::Ebpf, LossCause::SocketsNotMarked, new));
        losses
    }
}

impl SocketSource for SampledTables {
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        self.rows.refresh_names();
        let is_whole = self
            .sample(now, scope.max_sockets)
            .map_err(|cause| unavailable("sample the tracked sockets", cause))?;
        self.rows.forget_interfaces();
        let mut losses = self.losses(is_whole, scope.max_sockets);
        let inodes = self.chosen_inodes(&scope.namespaces, &mut losses)?;
        let is_chosen = |netns| inodes.as_ref().is_none_or(|inodes| inodes.contains(&netns));
        let all = self.rows.by_cookie.values();
        let chosen =
            all.filter(|cached| is_in_scope(scope, &cached.row) && is_chosen(cached.row.id.netns));
        let sockets: Vec<_> = chosen.map(|cached| cached.at(now)).collect();
        self.find_delegated(scope, &sockets);
        Ok(Observation::new(Source::Ebpf, now).with_sockets(sockets).with_losses(losses))
    }

    fn delegated(&self) -> Vec<Scope> {
        self.delegated.clone()
    }

    fn apply_delegated(&mut self, scope: &Scope, fallback: &Observation) {
        let mut rows = fallback.rows().iter();
        if scope.tcp && scope.states.contains(State::TimeWait) && fallback.losses.is_empty() {
            self.may_have_minisocks = rows.any(|row| MINISOCK_STATES.contains(&row.state));
        }
    }
}

impl CachedRows {
    /// Takes a record of the ring, which begins with the cookie. Nothing else follows if the socket is unchanged.
    fn take(&mut self, record: &[u8], now: Moment, peers: Option<&Peers>, max_sockets: usize) {
        let Ok((cookie, rest)) = u64::read_from_prefix(record) else { return };
        let has_room = self.by_cookie.len() < max_sockets;
        match self.by_cookie.get_mut(&cookie) {
            Some(cached) if rest.is_empty() => {
                cached.pass = self.passes;
                return;
            }
            None if !has_room => {
                self.omitted += 1;
                return;
            }
            _ => {}
        }
        if let Some(mut row) = self.reader.row(record) {
            let evicted_peers = add_peers(&mut row, record, peers);
            let cached = CachedRow { row, read_at: now, pass: self.passes, evicted_peers };
            self.by_cookie.insert(cookie, cached);
        }
    }

    /// Removes the rows that the last pass did not see, and returns how many are left.
    fn retain_last_pass(&mut self) -> usize {
        let pass = self.passes;
        self.by_cookie.retain(|_, cached| cached.pass == pass);
        if self.by_cookie.capacity() > MAX_FREE_ROWS.max(4 * self.by_cookie.len()) {
            self.by_cookie.shrink_to(2 * self.by_cookie.len());
        }
        self.by_cookie.len()
    }

    /// Renames the namespaces and interfaces of the rows.
    fn refresh_names(&mut self) {
        let mut interfaces = lock(&self.reader.interfaces);
        let names = interfaces.refresh(Instant::now());
        if std::mem::replace(&mut self.names, names) != names {
            for cached in self.by_cookie.values_mut().filter(|cached| cached.row.interface != 0) {
                let row = &cached.row;
                let name = interfaces.get(row.id.netns, row.interface);
                if row.interface_name.value() != name.as_ref() {
                    cached.row.name_interface(name);
                }
            }
        }
        drop(interfaces);
        if !self.reader.namespaces.refresh() {
            return;
        }
        for cached in self.by_cookie.values_mut() {
            let netns = self.reader.namespaces.get(cached.row.netns.inode);
            if !Arc::ptr_eq(&cached.row.netns, &netns) {
                cached.row.netns = netns;
            }
        }
    }

    /// Removes the interfaces that no row is bound to.
    fn forget_interfaces(&mut self) {
        let mut interfaces = lock(&self.reader.interfaces);
        if interfaces.is_empty() {
            return;
        }
        let rows = self.by_cookie.values().map(|cached| &cached.row);
        let bound = rows.filter(|row| row.interface != 0).map(|row| (row.id.netns, row.interface));
        let used: HashSet<(u64, u32)> = bound.collect();
        interfaces.retain(|netns, index| used.contains(&(netns, index)));
    }
}

impl CachedRow {
    /// The row at `now`: only times have changed since it was read.
    fn at(&self, now: Moment) -> SocketSample {
        let passed_ms = u32::try_from(now.since(self.read_at).as_millis()).unwrap_or(u32::MAX);
        let mut row = self.row.clone();
        row.advance(passed_ms);
        row
    }
}

/// Tracks sockets from their creation, in the root cgroup.
fn attach_track_new(programs: &mut Ebpf) -> Result<(), Box<str>> {
    let group = object::open_cgroup_root()?;
    for name in ["track_new", "track_bound_4", "track_bound_6"] {
        let program: &mut CgroupSock = object::program(programs, name)?;
        program.load().map_err(|error| why_not_program(&error))?;
        let attached = program.attach(&group, CgroupAttachMode::Single);
        attached.map_err(|error| why_not_program(&error))?;
    }
    Ok(())
}

/// Tracks existing sockets, in every namespace that can be entered; returns the others as losses.
fn track_existing(programs: &mut Ebpf, types: &Btf) -> Result<Vec<Loss>, Box<str>> {
    let failed = |error: &dyn Display| format!("cannot track the existing sockets: {error}");
    let read = |link: &OwnedFd| {
        let mut file = open_iterator(link.as_fd())?;
        RecordReader::new().read(&mut file, |rest| Some(rest.len()))
    };
    let mut linked = |name, target| object::iterator(programs, name, target, types, None);
    let descriptors = linked("track_descriptors", "task_file")?;
    let links = [linked("track_tcp", "tcp")?, linked("track_udp", "udp")?];
    read(&descriptors).map_err(|error| failed(&error))?;
    let opener = move |netns: Arc<Netns>| links.iter().try_for_each(read).map(|()| netns);
    let mut losses = Vec::new();
    NamespaceSet::open(Source::Ebpf, Box::new(opener))
        .map_err(|error| failed(&error))?
        .refresh(&Namespaces::All, &mut losses)
        .map_err(|error| failed(&error))?;
    Ok(losses)
}
