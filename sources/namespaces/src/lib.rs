//! Finds the network namespaces and opens a resource in each: a netlink socket, or an iterator. Shared by two sources.
//!
//! Invariant: a resource stays in the namespace it was opened in, so each namespace is entered once, by a thread made
//! for it; the calling thread never changes its namespace.

mod hidden;
mod interfaces;
mod netstat;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use conns_contract::{Namespaces, SourceError};
use conns_core::model::{Loss, LossCause, Netns, Source};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub use hidden::{behind, inode_behind};
pub use interfaces::{InterfaceNames, interface_name};
pub use netstat::{NetstatReader, listen_counters};

/// Directory of the names of ip-netns(8).
const NAMED: &str = "/run/netns";
/// Most open namespaces, with two descriptors each while entering; a busy container host has some hundreds.
const MAX_NAMESPACES: usize = 4096;
/// Most paths stored for one namespace. If the processes of all of them end at once, the namespace ended too.
const MAX_PATHS: usize = 8;

/// A resource that is open in a namespace.
pub trait Entered: Send {
    /// The namespace it is in.
    fn netns(&self) -> &Arc<Netns>;

    /// Called when the name of the namespace changed.
    fn rename(&mut self, netns: Arc<Netns>);
}

/// A namespace that was found, and paths to enter it by: several, as a process may end before.
#[derive(Debug, Clone, Default)]
struct Found {
    name: Option<Box<str>>,
    paths: Vec<PathBuf>,
}

impl Found {
    fn add(&mut self, path: PathBuf) {
        if self.paths.len() < MAX_PATHS {
            self.paths.push(path);
        }
    }
}

/// The namespaces that existed at one time.
#[derive(Default)]
pub(crate) struct Listed(BTreeMap<u64, Found>);

impl Listed {
    /// Whether one of the paths by which a namespace was found still leads to it.
    pub(crate) fn leads_to(&self, inode: u64) -> bool {
        let leads = |path: &PathBuf| inode_of(path) == Some(inode);
        self.0.get(&inode).is_some_and(|found| found.paths.iter().any(leads))
    }
}

/// No resource, only the name.
impl Entered for Arc<Netns> {
    fn netns(&self) -> &Arc<Netns> {
        self
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        *self = netns;
    }
}

/// Opens the resource in the namespace of the calling thread, which is also its argument.
pub type Opener<T> = dyn Fn(Arc<Netns>) -> io::Result<T> + Send + Sync;

/// The namespaces that are open.
pub struct NamespaceSet<T> {
    source: Source,
    own: u64,
    opener: Box<Opener<T>>,
    entered: BTreeMap<u64, T>,
}

impl<T: Entered> NamespaceSet<T> {
    /// Opens the resource in the caller's own namespace. Losses are attributed to `source`.
    ///
    /// # Errors
    /// The error of the opener.
    pub fn open(source: Source, opener: Box<Opener<T>>) -> io::Result<Self> {
        // Without /proc the inode of the own namespace is unknown; it can be read nevertheless.
        let own = own().unwrap_or(0);
        let mut set = Self { source, own, opener, entered: BTreeMap::new() };
        set.open_own()?;
        Ok(set)
    }

    /// Closes all, and reopens the own namespace; the next refresh enters the others again.
    ///
    /// # Errors
    /// The error of the opener.
    pub fn open_own(&mut self) -> io::Result<()> {
        self.entered.clear();
        let known = Some(self.own).filter(|own| *own != 0);
        let netns = known.map_or_else(Netns::only, |own| Netns::new(own, None, true));
        let opened = (self.opener)(Arc::new(netns))?;
        self.entered.insert(self.own, opened);
        Ok(())
    }

    /// Finds the current namespaces, enters new ones among the chosen, and closes removed ones. Returns the inodes of
    /// the chosen.
    ///
    /// # Errors
    /// [`SourceError`] if `choice` names a namespace that does not exist or cannot be entered.
    pub fn refresh(
        &mut self,
        choice: &Namespaces,
        losses: &mut Vec<Loss>,
    ) -> Result<Vec<u64>, SourceError> {
        if *choice == Namespaces::Own {
            return Ok(vec![self.own]);
        }
        let mut found = self.find(losses);
        let chosen = match choice {
            Namespaces::All | Namespaces::Own => found.keys().copied().collect(),
            Namespaces::These(names) => {
                names.iter().map(|name| choose(name, &mut found)).collect::<Result<Vec<_>, _>>()?
            }
        };
        self.entered.retain(|inode, _| found.contains_key(inode));
        self.rename(&found);
        let new: Vec<_> = chosen
            .iter()
            .filter(|inode| !self.entered.contains_key(inode))
            .filter_map(|inode| Some((*inode, found.get(inode)?.clone())))
            .collect();
        let failures = self.enter(new, losses);
        match choice {
            Namespaces::These(names) => {
                for (name, inode) in names.iter().zip(&chosen) {
                    if let Some(failure) = failures.iter().find(|failure| failure.inode == *inode) {
                        return Err(failure.to_error(name));
                    }
                }
            }
            Namespaces::All | Namespaces::Own => {
                losses.extend(failures.iter().filter_map(Failure::to_loss));
            }
        }
        Ok(chosen)
    }

    /// The namespaces that exist now.
    pub(crate) fn list(&self) -> Listed {
        // With an unreadable /proc there are those with a name.
        Listed(self.find(&mut Vec::new()))
    }

    /// Enters a namespace of `listed`.
    ///
    /// # Errors
    /// Why it cannot be entered; `NotFound` if no path leads there any more.
    pub(crate) fn enter_listed(&mut self, inode: u64, listed: &Listed) -> io::Result<()> {
        let found = listed.0.get(&inode).cloned().ok_or(io::ErrorKind::NotFound)?;
        match self.enter(vec![(inode, found)], &mut Vec::new()).pop() {
            Some(failure) => Err(failure.cause),
            None => Ok(()),
        }
    }

    /// The open namespaces besides the own one.
    pub(crate) fn others(&self) -> impl Iterator<Item = u64> {
        self.entered.keys().copied().filter(|inode| *inode != self.own)
    }

    /// Closes a namespace.
    pub(crate) fn close(&mut self, inode: u64) {
        self.entered.remove(&inode);
    }

    /// The resource in the namespace with this inode.
    pub fn get_mut(&mut self, inode: u64) -> Option<&mut T> {
        self.entered.get_mut(&inode)
    }

    /// Every namespace of a process or thread, and every one with a name or mounted elsewhere.
    fn find(&self, losses: &mut Vec<Loss>) -> BTreeMap<u64, Found> {
        let mut found = BTreeMap::from([(self.own, Found::default())]);
        let mut cannot_list = |cause: io::Error| {
            let out_of_files =
                matches!(Errno::from_io_error(&cause), Some(Errno::MFILE | Errno::NFILE));
            let error = cause.to_string().into();
            let cause = LossCause::NamespacesNotListed { error, out_of_files };
            losses.push(Loss::one(self.source, cause));
        };
        match find_processes() {
            // This process is not in it, so it is no procfs.
            Ok(_) if self.own == 0 => cannot_list(io::ErrorKind::NotFound.into()),
            Ok(of_processes) => {
                for (inode, of_processes) in of_processes {
                    found.entry(inode).or_default().paths.extend(of_processes.paths);
                }
            }
            Err(cause) => cannot_list(cause),
        }
        for (inode, path) in mounted() {
            found.entry(inode).or_default().add(path);
        }
        for Named { inode, name, path } in named() {
            let entry = found.entry(inode).or_default();
            entry.name = Some(name);
            entry.add(path);
        }
        found
    }

    /// Updates the names of open namespaces.
    fn rename(&mut self, found: &BTreeMap<u64, Found>) {
        for (inode, entered) in &mut self.entered {
            let name = found.get(inode).and_then(|f| f.name.as_deref());
            let netns = Netns::new(*inode, name, entered.netns().is_own);
            if **entered.netns() != netns {
                entered.rename(Arc::new(netns));
            }
        }
    }

    /// Opens the resource in each of `new`, from a thread that enters them in turn and ends.
    fn enter(&mut self, new: Vec<(u64, Found)>, losses: &mut Vec<Loss>) -> Vec<Failure> {
        if new.is_empty() {
            return Vec::new();
        }
        let room = MAX_NAMESPACES.saturating_sub(self.entered.len());
        let refused = new.len().saturating_sub(room) as u64;
        let bound = LossCause::NamespacesBeyondBound { bound: MAX_NAMESPACES as u64 };
        losses.extend(Loss::counted(self.source, bound, refused));
        let opener = &*self.opener;
        let opened: Vec<_> = std::thread::scope(|scope| {
            let entering = scope.spawn(|| {
                new.into_iter()
                    .take(room)
                    .map(|(inode, found)| (inode, open_in(inode, &found, opener), found))
                    .collect()
            });
            // A panic must not look like a machine without namespaces.
            entering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        let mut failures = Vec::new();
        for (inode, entered, found) in opened {
            match entered {
                Ok(entered) => {
                    self.entered.insert(inode, entered);
                }
                Err(cause) => {
                    failures.push(Failure { source: self.source, inode, name: found.name, cause })
                }
            }
        }
        failures
    }
}

/// The namespaces of all processes and threads.
fn find_processes() -> io::Result<BTreeMap<u64, Found>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        if entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
            let folder = entry.path();
            let of_first = add_link(&mut found, folder.join("ns/net"));
            add_threads(&mut found, &folder, of_first);
        }
    }
    Ok(found)
}

/// A folder of `/proc` of a process or thread in each namespace that has one.
fn processes() -> impl Iterator<Item = (u64, PathBuf)> {
    let found = find_processes().unwrap_or_default();
    found.into_iter().filter_map(|(inode, found)| {
        let link = found.paths.first()?;
        Some((inode, link.parent()?.parent()?.to_owned()))
    })
}

/// Adds the namespace that a link in `/proc` leads to. It fails for processes that ended or belong to another user: their
/// namespace is found by another process or not at all; procfs counts the unreadable ones.
fn add_link(found: &mut BTreeMap<u64, Found>, path: PathBuf) -> Option<u64> {
    let inode = inode_of_link(&path)?;
    found.entry(inode).or_default().add(path);
    Some(inode)
}

fn inode_of_link(path: &Path) -> Option<u64> {
    linked_inode(&fs::read_link(path).ok()?)
}

/// Adds the namespaces of threads that are in another one than the first thread of their process (setns(2) moves one
/// thread), or whose first thread has exited.
fn add_threads(found: &mut BTreeMap<u64, Found>, process: &Path, of_first: Option<u64>) {
    // The directory has a link for itself, its parent and each thread.
    let tasks = process.join("task");
    if of_first.is_some() && fs::metadata(&tasks).is_ok_and(|tasks| tasks.nlink() <= 3) {
        return;
    }
    for task in fs::read_dir(tasks).into_iter().flatten().flatten() {
        let path = task.path().join("ns/net");
        if let Some(inode) = inode_of_link(&path).filter(|inode| Some(*inode) != of_first) {
            found.entry(inode).or_default().add(path);
        }
    }
}

/// Network namespaces bind-mounted anywhere in this mount namespace, by `/proc/self/mountinfo` (proc(5)): of type nsfs,
/// with the root `net:[INODE]`.
fn mounted() -> Vec<(u64, PathBuf)> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let is_nsfs = |line: &&str| line.contains(" - nsfs ");
    text.lines().filter(is_nsfs).filter_map(mount).collect()
}

/// A line of mountinfo: ID, parent, device, root, mount point.
fn mount(line: &str) -> Option<(u64, PathBuf)> {
    let mut words = line.split(' ').skip(3);
    let inode = linked_inode(Path::new(words.next()?))?;
    Some((inode, PathBuf::from(unescaped(words.next()?))))
}

/// Replaces `\040` and the like: three octal digits for a space, a tab, a line end and a backslash.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(part.get(3..).unwrap_or_default());
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// A named namespace.
pub struct Named {
    /// Its inode.
    pub inode: u64,
    /// Its name.
    pub name: Box<str>,
    path: PathBuf,
}

/// The namespaces that ip-netns(8) has named.
pub fn named() -> impl Iterator<Item = Named> {
    // Without the directory, no namespace has a name.
    let entries = fs::read_dir(NAMED).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into());
        // ip-netns(8) creates the file before it mounts the namespace on it.
        let inode = inode_of(&path).filter(|_| is_in_nsfs(&path))?;
        Some(Named { inode, name, path })
    })
}

/// When a name was added or removed last; `None` without the directory of names.
#[must_use]
pub fn names_changed() -> Option<SystemTime> {
    fs::metadata(NAMED).and_then(|found| found.modified()).ok()
}

/// The inode of the calling thread's own namespace; `None` without `/proc`.
#[must_use]
pub fn own() -> Option<u64> {
    inode_of("/proc/thread-self/ns/net")
}

/// A namespace that was found and could not be entered.
struct Failure {
    source: Source,
    inode: u64,
    name: Option<Box<str>>,
    cause: io::Error,
}

impl Failure {
    /// The loss if all namespaces were requested; none if no path leads there any more, as then the namespace was
    /// removed with all its connections.
    fn to_loss(&self) -> Option<Loss> {
        if self.cause.kind() == io::ErrorKind::NotFound {
            return None;
        }
        let cause = LossCause::NamespaceNotEntered {
            inode: self.inode,
            name: self.name.clone(),
            error: self.cause.to_string().into(),
            not_permitted: self.cause.kind() == io::ErrorKind::PermissionDenied,
        };
        Some(Loss::one(self.source, cause))
    }

    /// The error if this namespace was requested by name.
    fn to_error(&self, name: &str) -> SourceError {
        match self.cause.kind() {
            io::ErrorKind::PermissionDenied => SourceError::Unavailable {
                source_name: self.source,
                attempted: format!("enter network namespace {name}"),
                cause: io::ErrorKind::PermissionDenied.into(),
                remedy: "It needs root (CAP_SYS_ADMIN)",
            },
            io::ErrorKind::InvalidInput => SourceError::NoSuchNamespace {
                name: name.to_owned(),
                reason: "the file is no network namespace".to_owned(),
                known: "see `ip netns` and `lsns -t net`".to_owned(),
            },
            _ => SourceError::NoSuchNamespace {
                name: name.to_owned(),
                reason: self.cause.to_string(),
                known: "see `ip netns` and `lsns -t net`".to_owned(),
            },
        }
    }
}

/// Moves the calling thread into a namespace by the first path that works, and opens the resource.
fn open_in<T>(inode: u64, found: &Found, opener: &Opener<T>) -> io::Result<T> {
    let mut outcome = Err(io::ErrorKind::NotFound.into());
    for path in &found.paths {
        outcome = enter_by(path, inode);
        if outcome.is_ok() {
            break;
        }
    }
    outcome.map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::SRCH) => io::ErrorKind::NotFound.into(), // ended between open and setns
        _ => error,
    })?;
    opener(Arc::new(Netns::new(inode, found.name.as_deref(), false)))
}

fn enter_by(path: &Path, inode: u64) -> io::Result<()> {
    // If the process ends between lookup and open, the kernel returns EACCES (`proc_ns_get_link`,
    // `fs/proc/namespaces.c`); a second call returns ENOENT.
    let file = fs::File::open(path).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => fs::File::open(path),
        _ => Err(error),
    })?;
    // The process may have changed its namespace, or its pid may have been reused.
    if file.metadata()?.ino() != inode {
        return Err(io::ErrorKind::NotFound.into());
    }
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

/// The namespace by a name under `/run/netns`, `self`, an inode, `net:[inode]`, a pid or a path.
fn choose(name: &str, found: &mut BTreeMap<u64, Found>) -> Result<u64, SourceError> {
    if let Some((inode, _)) = found.iter().find(|(_, f)| f.name.as_deref() == Some(name)) {
        return Ok(*inode);
    }
    if name == "self" {
        // The first thread stays where it is.
        let path = PathBuf::from("/proc/self/ns/net");
        if let Some(inode) = inode_of(&path) {
            found.entry(inode).or_default().add(path);
            return Ok(inode);
        }
    }
    let bare = name.trim_start_matches("net:[").trim_end_matches(']');
    if let Some(inode) = bare.parse().ok().filter(|inode| found.contains_key(inode)) {
        return Ok(inode);
    }
    let path = if name.bytes().all(|byte| byte.is_ascii_digit()) {
        PathBuf::from(format!("/proc/{name}/ns/net"))
    } else {
        PathBuf::from(name)
    };
    // A path is a namespace if it is a file of nsfs, whose links read `net:[inode]`, or a bind mount of one; setns
    // checks that.
    match fs::metadata(&path) {
        Ok(metadata) if name.contains('/') || path.starts_with("/proc") => {
            let inode = metadata.ino();
            found.entry(inode).or_default().add(path);
            Ok(inode)
        }
        outcome => {
            let reason = match outcome {
                Err(cause) if path.starts_with("/proc") => {
                    format!("neither an inode nor a process with that id: {cause}")
                }
                Err(cause) if name.contains('/') => cause.to_string(),
                _ => format!("not a name under {NAMED}, self, an inode, a pid or a path"),
            };
            let known = found
                .iter()
                .map(|(inode, f)| {
                    f.name.as_deref().map_or_else(|| format!("net:[{inode}]"), Into::into)
                })
                .collect::<Vec<_>>()
                .join(", ");
            Err(SourceError::NoSuchNamespace { name: name.to_owned(), reason, known })
        }
    }
}

/// The inode in `net:[4026531840]`.
fn linked_inode(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok()
}

/// `NSFS_MAGIC`, `linux/magic.h`.
const NSFS_MAGIC: u64 = 0x6e73_6673;

fn is_in_nsfs(path: &Path) -> bool {
    // The type of `f_type` differs between architectures; the number does not.
    rustix::fs::statfs(path).is_ok_and(|file_system| file_system.f_type as u64 == NSFS_MAGIC)
}

fn inode_of(path: impl AsRef<Path>) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_namespace_is_called_self() {
        let mut found = BTreeMap::new();
        assert_eq!(choose("self", &mut found).ok(), own());
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn mounted_namespaces_are_found() {
        let line = r"41 29 0:4 net:[4026532177] /srv/my\040ns\134x rw shared:20 - nsfs nsfs rw";
        assert_eq!(mount(line), Some((4_026_532_177, PathBuf::from(r"/srv/my ns\x"))));
        assert_eq!(mount("42 29 0:4 mnt:[4026532178] /srv/m rw - nsfs nsfs rw"), None);
        assert_eq!(mount("43 29 0:4 net:[1"), None);
        assert_eq!(unescaped(r"a\9\04"), r"a\9\04");
    }
}
