//! Loads compiled objects, and explains why one cannot be loaded.
//!
//! Nothing is concluded from a version number: everything is tried, and an error names its most likely cause
//! and a remedy.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use aya::maps::{Map, MapData, MapError};
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use rustix::thread::{CapabilitySet, capabilities};
use rustix::time::{ClockId, clock_getres};

use crate::call::link_iterator;

/// Bytes of an object, aligned to 8 as the parser of aya requires.
#[repr(C, align(8))]
pub(crate) struct Aligned<T: ?Sized>(pub(crate) T);

/// The object that `make bpf` compiles from `bpf/NAME.bpf.c`.
macro_rules! compiled {
    ($name:literal) => {{
        static OBJECT: &$crate::object::Aligned<[u8]> = &$crate::object::Aligned(*include_bytes!(
            concat!(env!("CARGO_MANIFEST_DIR"), "/objects/", $name, ".bpf.o")
        ));
        &OBJECT.0
    }};
}
pub(crate) use compiled;

/// Sets the constants of an object and creates its maps; its programs are not loaded yet.
pub(crate) fn load(
    object: &[u8],
    types: &Btf,
    constants: &[(&str, u32)],
) -> Result<Ebpf, Box<str>> {
    load_with_sizes(object, types, constants, &[])
}

/// As [`load`], with `max_entries` of some maps replaced.
pub(crate) fn load_with_sizes(
    object: &[u8],
    types: &Btf,
    constants: &[(&str, u32)],
    sizes: &[(&str, u32)],
) -> Result<Ebpf, Box<str>> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(types));
    for (name, value) in constants {
        loader.override_global(name, value, true);
    }
    for (name, max_entries) in sizes {
        loader.map_max_entries(name, *max_entries);
    }
    // aya panics where a field is a bit field in the kernel and none in the program, or the other way round. That costs the
    // feature, not the process.
    catch_unwind(AssertUnwindSafe(|| loader.load(object)))
        .map_err(|_| "the loader (aya) cannot adapt the program to the types of this kernel")?
        .map_err(|error| reason(&error))
}

/// A map of an object, by name.
pub(crate) fn map<T>(programs: &mut Ebpf, name: &str) -> Result<T, Box<str>>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = programs.take_map(name).ok_or_else(|| format!("the object has no map {name}"))?;
    T::try_from(map).map_err(|error| reason(&error))
}

/// A map that only an iterator reads, by name.
pub(crate) fn iterated_map(programs: &mut Ebpf, name: &str) -> Result<MapData, Box<str>> {
    match programs.take_map(name) {
        Some(Map::LruHashMap(map) | Map::SkStorage(map)) => Ok(map),
        _ => Err(format!("the object has no map {name}").into()),
    }
}

/// Loads a program and attaches it to a tracepoint.
pub(crate) fn attach(
    programs: &mut Ebpf,
    program: &str,
    tracepoint: &str,
    types: &Btf,
) -> Result<(), Box<str>> {
    let program: &mut BtfTracePoint = self::program(programs, program)?;
    program.load(tracepoint, types).map_err(|error| why_not_program(&error))?;
    program.attach().map_err(|error| why_not_program(&error))?;
    Ok(())
}

/// A program of an object, by name.
pub(crate) fn program<'a, T>(programs: &'a mut Ebpf, name: &str) -> Result<&'a mut T, Box<str>>
where
    &'a mut T: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let missing = || format!("the object has no program {name}");
    let program = programs.program_mut(name).ok_or_else(missing)?;
    program.try_into().map_err(|error| why_not_program(&error))
}

/// Loads an iterator program and links it, over `map` if it iterates over a map.
pub(crate) fn iterator(
    programs: &mut Ebpf,
    name: &str,
    target: &str,
    types: &Btf,
    map: Option<&MapData>,
) -> Result<OwnedFd, Box<str>> {
    let program: &mut Iter = self::program(programs, name)?;
    program.load(target, types).map_err(|error| why_not_program(&error))?;
    let fd = program.fd().map_err(|error| why_not_program(&error))?;
    let map = map.map(|map| map.fd().as_fd());
    link_iterator(fd.as_fd(), map).map_err(|error| reason(&error))
}

/// `CONFIG_HZ`, the unit of kernel timers: the resolution of the coarse clock is one tick.
pub(crate) fn ticks_per_second() -> u32 {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    let ns = u64::try_from(tick.tv_nsec).unwrap_or(0).max(1);
    u32::try_from((1_000_000_000 + ns / 2) / ns).unwrap_or(250).clamp(24, 10_000)
}

/// Why a program was not loaded, and what to do.
pub(crate) fn why_not_program(error: &ProgramError) -> Box<str> {
    // The reason is in the last line of the verifier's log.
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        let log = verifier_log.to_string();
        let is_statistics = |line: &&str| {
            ["processed", "stack depth", "verification time"]
                .iter()
                .any(|text| line.starts_with(text))
        };
        let mut lines = log.lines().rev().filter(|line| !line.is_empty());
        let last_line = lines.find(|line| !is_statistics(line));
        // The verifier answers EACCES as well, and always writes why.
        if last_line.is_none() && is_permission_error(io_error) {
            return not_permitted();
        }
        return format!(
            "the kernel's verifier rejected the program: {io_error}{}",
            last_line.map(|line| format!(" ({line})")).unwrap_or_default()
        )
        .into();
    }
    reason(error)
}

fn reason(error: &(dyn Error + 'static)) -> Box<str> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut texts = Vec::new();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(is_permission_error) {
            return not_permitted();
        }
        let text = error.to_string();
        // Some errors repeat the text of their source.
        if texts.last().is_none_or(|last: &String| !last.contains(&text)) {
            texts.push(text);
        }
        cause = error.source();
    }
    texts.join(": ").into()
}

/// Whether this process has the capabilities that loading programs needs. Without them nothing is read: the types of the
/// kernel are 10 MB, and reading them takes longer than a list of a few sockets.
pub(crate) fn is_permitted() -> bool {
    let both = CapabilitySet::BPF | CapabilitySet::PERFMON;
    // Where they cannot be read, the programs are tried.
    capabilities(None).map_or(true, |sets| {
        sets.effective.contains(both) || sets.effective.contains(CapabilitySet::SYS_ADMIN)
    })
}

fn is_permission_error(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

pub(crate) fn not_permitted() -> Box<str> {
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return "the kernel is locked down (confidentiality), which forbids programs that read it"
            .into();
    }
    "not permitted; root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, may load programs into the \
     kernel, where no sandbox (seccomp) forbids it"
        .into()
}

/// The root of the first cgroup2 mount.
pub(crate) fn open_cgroup_root() -> Result<File, Box<str>> {
    // `PROC_CGROUP_INIT_INO`, linux/proc_ns.h. In another namespace the root is that of the container: programs
    // there see no socket that was made outside.
    const INITIAL: u64 = 0xefff_fffb;
    if fs::metadata("/proc/self/ns/cgroup").is_ok_and(|namespace| namespace.ino() != INITIAL) {
        return Err("this process is in a cgroup namespace of its own, and sockets made outside of it are not seen; \
                    start the container with --cgroupns=host"
            .into());
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| format!("cannot read /proc/self/mountinfo: {error}"))?;
    let line = mounts.lines().find(|line| line.contains(" - cgroup2 "));
    let Some(mount_point) = line.and_then(|line| line.split(' ').nth(4)) else {
        return Err("no cgroup v2 is mounted (mount -t cgroup2 none /sys/fs/cgroup)".into());
    };
    File::open(mount_point)
        .map_err(|error| format!("cannot open cgroup {mount_point}: {error}").into())
}

/// The value, or the error.
pub(crate) fn split<T, E>(outcome: Result<T, E>) -> (Option<T>, Option<E>) {
    match outcome {
        Ok(value) => (Some(value), None),
        Err(error) => (None, Some(error)),
    }
}
