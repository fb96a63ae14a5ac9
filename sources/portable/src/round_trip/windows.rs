//! The functions of `iphlpapi.dll`, looked up by name: a system without them (wine 8.0) still starts the program.

#![allow(unsafe_code, reason = "functions that are looked up by name have no safe wrapper")]

use std::ffi::CStr;
use std::ptr::{from_mut, null_mut};

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::w;

use super::{Calls, Path, Row};

/// `TcpConnectionEstatsPath` of `tcpestats.h`.
const PATH: i32 = 3;
/// `TCP_ESTATS_PATH_RW_v0`: whether it is measured.
static ENABLED: u8 = 1;

/// `SetPerTcpConnectionEStats` and `SetPerTcp6ConnectionEStats`: row, kind, writable part with its version and size,
/// offset.
type Set = unsafe extern "system" fn(*const u32, i32, *const u8, u32, u32, u32) -> u32;
/// `GetPerTcpConnectionEStats` and `GetPerTcp6ConnectionEStats`: row, kind, and three parts, each with its version and
/// size: writable, static, and dynamic.
type Get = unsafe extern "system" fn(
    *const u32,
    i32,
    *mut u8,
    u32,
    u32,
    *mut u8,
    u32,
    u32,
    *mut u8,
    u32,
    u32,
) -> u32;

pub(super) struct Functions {
    set: Set,
    get: Get,
    set6: Set,
    get6: Get,
}

impl Functions {
    /// `None` if the system lacks one of them.
    pub(super) fn find() -> Option<Self> {
        type Any = unsafe extern "system" fn() -> isize;
        // SAFETY: the name ends with 0. The library is loaded with the program, which imports the socket tables from
        // it, and stays.
        let library = unsafe { GetModuleHandleW(w!("iphlpapi.dll")) };
        if library.is_null() {
            return None;
        }
        // SAFETY: the library is loaded, and the name ends with 0.
        let find = |name: &CStr| unsafe { GetProcAddress(library, name.as_ptr().cast()) };
        let (set, get) = (find(c"SetPerTcpConnectionEStats")?, find(c"GetPerTcpConnectionEStats")?);
        let (set6, get6) =
            (find(c"SetPerTcp6ConnectionEStats")?, find(c"GetPerTcp6ConnectionEStats")?);
        // SAFETY: `iphlpapi.h` declares these names with these signatures; a row is a structure of numbers of four
        // bytes.
        unsafe {
            Some(Self {
                set: std::mem::transmute::<Any, Set>(set),
                get: std::mem::transmute::<Any, Get>(get),
                set6: std::mem::transmute::<Any, Set>(set6),
                get6: std::mem::transmute::<Any, Get>(get6),
            })
        }
    }
}

impl Calls for Functions {
    fn enable(&self, row: &Row) -> u32 {
        let (set, row) = match row {
            Row::Ipv4(row) => (self.set, row.as_ptr()),
            Row::Ipv6(row) => (self.set6, row.as_ptr()),
        };
        // SAFETY: the row has the size of its structure and is read only, as is the one byte of the writable part.
        unsafe { set(row, PATH, &raw const ENABLED, 0, size_of_val(&ENABLED) as u32, 0) }
    }

    fn read(&self, row: &Row, path: &mut Path) -> u32 {
        let (get, row) = match row {
            Row::Ipv4(row) => (self.get, row.as_ptr()),
            Row::Ipv6(row) => (self.get6, row.as_ptr()),
        };
        let (none, size) = (null_mut(), size_of::<Path>() as u32);
        let path = from_mut(path).cast();
        // SAFETY: the row has the size of its structure and is read only; the dynamic part has the size that is given,
        // and the two others are not asked for.
        unsafe { get(row, PATH, none, 0, 0, none, 0, 0, path, 0, size) }
    }
}
