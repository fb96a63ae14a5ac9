//! The files that a process writes: its open descriptors of regular files that are open for writing (proc(5),
//! `/proc/PID/fd`, `/proc/PID/fdinfo`).

use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, openat, readlinkat, statat};

use crate::{LISTING_BYTES, open_folder, parse};

/// Most descriptors of a process that are read.
const MAX_DESCRIPTORS: usize = 8192;
/// Most files of a process that are reported.
const MAX_FILES: usize = 1024;

/// A file that a process has open for writing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// As the process sees it.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Microseconds since 1970 when it was last written.
    pub modified_us: i64,
}

/// The files that a process writes and `is_wanted` by their path; none if it ended or may not be read.
pub fn written_files(root: &Path, pid: u32, is_wanted: impl Fn(&str) -> bool) -> Vec<WrittenFile> {
    let mut found = Vec::new();
    let Ok(folder) = open_folder(CWD, root.join(pid.to_string())) else { return found };
    let (Ok(descriptors), Ok(infos)) = (open_folder(&folder, "fd"), open_folder(&folder, "fdinfo"))
    else {
        return found;
    };
    let mut listing = vec![std::mem::MaybeUninit::uninit(); LISTING_BYTES];
    let mut entries = RawDir::new(&descriptors, &mut listing);
    let mut read_count = 0;
    while let Some(Ok(entry)) = entries.next() {
        let name = entry.file_name();
        if parse::decimal(name.to_bytes()).is_none() {
            continue;
        }
        read_count += 1;
        if read_count > MAX_DESCRIPTORS || found.len() >= MAX_FILES {
            break;
        }
        let Ok(target) = readlinkat(&descriptors, name, Vec::with_capacity(128)) else { continue };
        let path = target.to_string_lossy();
        if !path.starts_with('/') || !is_wanted(&path) {
            continue;
        }
        let is_written = openat(&infos, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .ok()
            .and_then(|info| {
                let mut text = [0; 512];
                let length = rustix::io::read(&info, &mut text).ok()?;
                parse::open_flags(text.get(..length)?)
            })
            .is_some_and(|flags| flags & 0o3 != 0);
        // The descriptor leads to the file also where its path is of another mount namespace.
        let Ok(stat) = statat(&descriptors, name, AtFlags::empty()) else { continue };
        if is_written && FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            let modified_us = stat.st_mtime.saturating_mul(1_000_000);
            let path = path.into_owned();
            found.push(WrittenFile {
                path,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                modified_us,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::written_files;

    #[test]
    fn files_that_this_process_writes_are_found() {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("conns-written-{}.ts", std::process::id()));
        let mut file = std::fs::File::create(&path).expect("a file");
        file.write_all(b"twelve bytes").expect("written");
        let reader = std::fs::File::open(&path).expect("opened");
        let mine = path.to_string_lossy().into_owned();
        let find = || written_files("/proc".as_ref(), std::process::id(), |path| path == mine);
        let found = find();
        assert_eq!(
            found.iter().map(|one| (&*one.path, one.size)).collect::<Vec<_>>(),
            [(&*mine, 12)]
        );
        // Who only reads it does not write it.
        drop(file);
        assert_eq!(find(), []);
        drop(reader);
        std::fs::remove_file(&path).expect("removed");
    }
}
