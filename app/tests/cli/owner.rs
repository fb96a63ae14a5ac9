//! A process that holds a socket under a name and arguments of the test's choice: this test
//! program itself, started again. It ends when its standard input does, so it never outlives a test.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::program::wait_for;

const HOLD: &str = "CONNS_TEST_HOLD";
static NEXT: AtomicU32 = AtomicU32::new(0);

/// If this process was started to hold a socket, does so until standard input ends.
pub(crate) fn run_if_asked() -> bool {
    let is_owner = std::env::var_os(HOLD).is_some();
    if is_owner {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    }
    is_owner
}

/// A directory readable by all users, removed when dropped.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = std::env::temp_dir().join(format!("conns-cli-{}-{number}", std::process::id()));
        fs::create_dir(&place).with_context(|| format!("making {}", place.display()))?;
        let folder = Self(place);
        fs::set_permissions(&folder.0, fs::Permissions::from_mode(0o755))?;
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// A copy of a program that every user may start, wherever the original lies.
    pub(crate) fn program(&self, original: &Path) -> Result<PathBuf> {
        let place = self.0.join(original.file_name().context("a program without a name")?);
        fs::copy(original, &place)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
        Ok(place)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running owner; killed when dropped.
#[derive(Debug)]
pub(crate) struct Owner {
    child: Child,
    _folder: Folder,
}

impl Owner {
    /// Gives `socket` to a process of this name (at most 15 bytes), run by `user` if that is not
    /// this one. The caller keeps no copy. When this returns the process runs under its name.
    pub(crate) fn start(
        name: &[u8],
        arguments: &[&str],
        socket: impl Into<OwnedFd>,
        user: Option<u32>,
    ) -> Result<Self> {
        let folder = Folder::new()?;
        let mut program = std::env::current_exe()?;
        if user.is_some() {
            program = folder.program(&program)?;
        }
        let link = folder.path().join(OsStr::from_bytes(name));
        symlink(&program, &link)?;
        let mut command = Command::new(&link);
        command.args(arguments).env(HOLD, "1").stdin(Stdio::piped()).stdout(socket.into());
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let child = command.spawn().context("starting an owner")?;
        let owner = Self { child, _folder: folder };
        // The kernel wakes the parent before it has given the child its new name and arguments.
        let read = |file| fs::read(format!("/proc/{}/{file}", owner.pid()));
        wait_for("the owner's name and arguments", || {
            Ok((read("comm")?.strip_suffix(b"\n") == Some(name) && !read("cmdline")?.is_empty())
                .then_some(()))
        })?;
        Ok(owner)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its name as the kernel has it, made text.
    pub(crate) fn name(&self) -> Result<String> {
        let mut bytes = fs::read(format!("/proc/{}/comm", self.pid()))?;
        bytes.pop();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
