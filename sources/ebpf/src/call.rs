//! The two `bpf(2)` calls that aya does not make: it cannot link an iterator over a map, and it gives a link
//! away with its first use.
//!
//! Invariant: the only file of this crate with `unsafe`; each block has the reason why it is sound.
#![allow(unsafe_code, reason = "bpf(2) has no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

// enum bpf_cmd and bpf_attach_type, linux/bpf.h.
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_TRACE_ITER: u32 = 28;

/// `union bpf_attr` of `BPF_LINK_CREATE`.
#[repr(C)]
struct LinkCreate {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
    iterator: u64,
    iterator_length: u32,
    pad: u32,
}

/// `union bpf_iter_link_info` for a map.
#[repr(C)]
struct IteratorOfMap {
    map: u32,
}

/// `union bpf_attr` of `BPF_ITER_CREATE`.
#[repr(C)]
struct IterCreate {
    link: u32,
    flags: u32,
}

/// Links an iterator program, over a map if one is given.
pub(crate) fn link_iterator(
    program: BorrowedFd<'_>,
    map: Option<BorrowedFd<'_>>,
) -> io::Result<OwnedFd> {
    let of_map = map.map(|map| IteratorOfMap { map: number(map) });
    let iterator = of_map.as_ref().map_or(0, |of_map| std::ptr::from_ref(of_map).addr() as u64);
    let length = if of_map.is_some() { size_of::<IteratorOfMap>() } else { 0 };
    let mut attributes = LinkCreate {
        program: number(program),
        target: 0,
        attach_type: BPF_TRACE_ITER,
        flags: 0,
        iterator,
        iterator_length: u32::try_from(length).unwrap_or(0),
        pad: 0,
    };
    bpf(BPF_LINK_CREATE, &mut attributes)
}

/// Opens an iterator in the network namespace of the calling thread: a file with what its program writes, which
/// can be read once.
pub(crate) fn open_iterator(link: BorrowedFd<'_>) -> io::Result<File> {
    let mut attributes = IterCreate { link: number(link), flags: 0 };
    bpf(BPF_ITER_CREATE, &mut attributes).map(File::from)
}

/// Calls `bpf(2)` with a command that returns a new descriptor.
fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<OwnedFd> {
    let pointer = std::ptr::from_mut(attributes);
    // SAFETY: `attributes` is a live, exclusively borrowed value of `size_of::<T>()` bytes laid out as
    // the kernel's structure for this command, and what it points to outlives the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, pointer, size_of::<T>()) };
    match libc::c_int::try_from(answer) {
        // SAFETY: the kernel has just created this descriptor; nothing else owns it.
        Ok(new) if new >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(new) }),
        _ => Err(io::Error::last_os_error()),
    }
}

fn number(fd: BorrowedFd<'_>) -> u32 {
    u32::try_from(fd.as_raw_fd()).unwrap_or(u32::MAX)
}
