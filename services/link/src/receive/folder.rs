//! The folder of a receiver. Every path is opened beneath it, component by component, and no symbolic link is followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use conns_transfer::names::RelativePath;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

/// How a path is resolved: no component leaves the folder or is a symbolic link.
const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Mode of a folder until it gets its own.
const NEW_FOLDER: Mode = Mode::RWXU;

/// The folder.
#[derive(Debug)]
pub(crate) struct Folder {
    root: OwnedFd,
}

/// A folder beneath the root, and a name in it.
pub(crate) struct Place<'a> {
    parent: Parent<'a>,
    name: &'a [u8],
}

enum Parent<'a> {
    Root(&'a OwnedFd),
    Opened(OwnedFd),
}

impl Folder {
    /// Opens a folder, which must exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// Whether it has no name any more, so that nothing can be made in it.
    pub(crate) fn is_removed(&self) -> bool {
        rustix::fs::fstat(&self.root).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// The place of a path; folders on the way are made if `create` is set.
    pub(crate) fn place<'a>(
        &'a self,
        path: &'a RelativePath,
        create: bool,
    ) -> io::Result<Place<'a>> {
        let mut components = path.components();
        let mut parent = Parent::Root(&self.root);
        let mut name = components.next().unwrap_or_default();
        for next in components {
            if create {
                make_folder(parent.fd(), name)?;
            }
            parent = Parent::Opened(open_folder(parent.fd(), name)?);
            name = next;
        }
        Ok(Place { parent, name })
    }
}

impl Parent<'_> {
    fn fd(&self) -> &OwnedFd {
        match self {
            Self::Root(fd) => fd,
            Self::Opened(fd) => fd,
        }
    }
}

impl Place<'_> {
    /// The same folder, with another name.
    pub(crate) fn named<'b>(&'b self, name: &'b [u8]) -> Place<'b> {
        Place { parent: Parent::Root(self.parent.fd()), name }
    }

    /// Opens a part file for writing; made if it does not exist.
    pub(crate) fn open_to_write(&self) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let mode = Mode::RUSR | Mode::WUSR;
        let file = rustix::fs::openat2(self.parent.fd(), self.name, flags, mode, RESOLVE)?;
        Ok(file.into())
    }

    /// Opens what is there for reading: a file or a folder.
    pub(crate) fn open_existing(&self) -> io::Result<File> {
        // A pipe would block the open otherwise.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let file = rustix::fs::openat2(self.parent.fd(), self.name, flags, Mode::empty(), RESOLVE)?;
        Ok(file.into())
    }

    /// Opens a part file that exists, also one that got a mode without the right to read before a kill.
    pub(crate) fn open_part(&self) -> io::Result<File> {
        match self.open_existing() {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let mode = Mode::RUSR | Mode::WUSR;
                rustix::fs::chmodat(self.parent.fd(), self.name, mode, AtFlags::empty())?;
                self.open_existing()
            }
            opened => opened,
        }
    }

    /// Size of what stands there, not following symbolic links, and whether it is a regular file; `None` if nothing
    /// stands there.
    pub(crate) fn find(&self) -> io::Result<Option<Found>> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        match rustix::fs::statat(self.parent.fd(), self.name, flags) {
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
            Ok(stat) => Ok(Some(Found {
                bytes: u64::try_from(stat.st_size).unwrap_or(0),
                is_file: rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file(),
            })),
        }
    }

    /// Makes a folder, or keeps the one that is there.
    pub(crate) fn make_folder(&self) -> io::Result<()> {
        make_folder(self.parent.fd(), self.name)
    }

    /// Removes a file; nothing to remove is success.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match rustix::fs::unlinkat(self.parent.fd(), self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the file at this place the name `to` in the same folder.
    pub(crate) fn rename(&self, to: &[u8], replace: bool) -> io::Result<()> {
        let flags = if replace { RenameFlags::empty() } else { RenameFlags::NOREPLACE };
        let parent = self.parent.fd();
        Ok(rustix::fs::renameat_with(parent, self.name, parent, to, flags)?)
    }

    /// The name.
    pub(crate) fn name(&self) -> &[u8] {
        self.name
    }

    /// Another descriptor of the folder that the name is in.
    pub(crate) fn parent(&self) -> io::Result<OwnedFd> {
        self.parent.fd().try_clone()
    }
}

/// What stands at a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) bytes: u64,
    pub(crate) is_file: bool,
}

fn open_folder(parent: &OwnedFd, name: &[u8]) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat2(parent, name, flags, Mode::empty(), RESOLVE)?)
}

fn make_folder(parent: &OwnedFd, name: &[u8]) -> io::Result<()> {
    match rustix::fs::mkdirat(parent.as_fd(), name, NEW_FOLDER) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
