//! Loading a compiled object, and saying why it cannot be.
//!
//! The one idea: nothing is concluded from a version number. What is wanted is tried; if it fails, the
//! most likely cause is looked for and said with what to do.

use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aya::maps::{Map, MapData, MapError};
use aya::programs::{BtfTracePoint, Iter, Program, ProgramError};
use aya::{Btf, Ebpf, EbpfLoader};
use rustix::time::{ClockId, clock_getres};

use crate::call::link_iterator;

/// An object, 8-byte aligned as its parser wants it.
#[repr(C, align(8))]
pub(crate) struct Aligned<T: ?Sized>(pub(crate) T);

/// Compiled from `bpf/NAME.bpf.c` by `make bpf`.
#[macro_export]
macro_rules! object {
    ($name:literal) => {{
        static OBJECT: &$crate::object::Aligned<[u8]> =
            &$crate::object::Aligned(*include_bytes!(concat!("../objects/", $name, ".bpf.o")));
        &OBJECT.0
    }};
}

/// An object with its constants set; its maps are made, its programs not loaded yet.
pub(crate) fn load(
    object: &[u8],
    types: &Btf,
    constants: &[(&str, u32)],
) -> Result<Ebpf, Box<str>> {
    load_bounded(object, types, constants, &[])
}

/// As [`load`], with other bounds than written in the object for some maps.
pub(crate) fn load_bounded(
    object: &[u8],
    types: &Btf,
    constants: &[(&str, u32)],
    bounds: &[(&str, u32)],
) -> Result<Ebpf, Box<str>> {
    let mut loader = EbpfLoader::new();
    loader.btf(Some(types));
    for (name, value) in constants {
        loader.override_global(name, value, true);
    }
    for (name, most) in bounds {
        loader.map_max_entries(name, *most);
    }
    loader.load(object).map_err(|error| reason(&error))
}

/// A map of an object, by name.
pub(crate) fn map<T>(programs: &mut Ebpf, name: &str) -> Result<T, Box<str>>
where
    T: TryFrom<Map, Error = MapError>,
{
    let map = programs.take_map(name).ok_or_else(|| format!("the object has no map {name}"))?;
    T::try_from(map).map_err(|error| reason(&error))
}

/// A map that is not read by its own kind, by name.
pub(crate) fn bare_map(programs: &mut Ebpf, name: &str) -> Result<MapData, Box<str>> {
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

/// Loads an iterator program and links it, over `map` if it is one over a map.
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

/// `CONFIG_HZ`, in whose ticks the kernel keeps times: the coarse clock moves by one tick.
pub(crate) fn ticks_per_second() -> u32 {
    let tick = clock_getres(ClockId::MonotonicCoarse);
    let ns = u64::try_from(tick.tv_nsec).unwrap_or(0).max(1);
    u32::try_from((1_000_000_000 + ns / 2) / ns).unwrap_or(250).clamp(24, 10_000)
}

/// Why a program was not loaded, and what would help.
pub(crate) fn why_not_program(error: &ProgramError) -> Box<str> {
    // The log of the verifier is long; its last lines say what it did not like.
    if let ProgramError::LoadError { io_error, verifier_log } = error {
        if is_refusal(io_error) {
            return refusal();
        }
        let log = verifier_log.to_string();
        let last =
            log.lines().rev().find(|line| !line.is_empty() && !line.starts_with("processed"));
        return format!(
            "this kernel does not take the program: {io_error}{}",
            last.map(|line| format!(" ({line})")).unwrap_or_default()
        )
        .into();
    }
    reason(error)
}

fn reason(error: &(dyn Error + 'static)) -> Box<str> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut said = Vec::new();
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(is_refusal) {
            return refusal();
        }
        let text = error.to_string();
        // Some repeat what their source says.
        if said.last().is_none_or(|last: &String| !last.contains(&text)) {
            said.push(text);
        }
        cause = error.source();
    }
    said.join(": ").into()
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}

fn refusal() -> Box<str> {
    let lockdown = fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if lockdown.contains("[confidentiality]") {
        return "the kernel is locked down (confidentiality), which forbids programs that read it"
            .into();
    }
    "not permitted; root, or CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN, may load programs into the \
     kernel, where no sandbox (seccomp) forbids it"
        .into()
}

/// The outermost control group of version 2 that can be seen.
pub(crate) fn open_control_groups() -> Result<File, Box<str>> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")
        .map_err(|error| format!("cannot read /proc/self/mountinfo: {error}"))?;
    let is_second = |line: &&str| line.contains(" - cgroup2 ");
    let line = mounts.lines().find(is_second);
    let Some(place) = line.and_then(|line| line.split(' ').nth(4)) else {
        return Err("no control groups of version 2 are mounted \
                    (mount -t cgroup2 none /sys/fs/cgroup)"
            .into());
    };
    File::open(place).map_err(|error| format!("cannot open control group {place}: {error}").into())
}
