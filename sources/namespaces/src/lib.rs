//! Which network namespaces there are, and something open in each: a netlink socket, an iterator.
//! No source of its own, but what two of them stand on.
//!
//! The one idea: such a thing belongs for life to the namespace it was opened in, so each
//! namespace is entered once, by a thread of its own, and never by the caller's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_contract::{Namespaces, SourceError};
use conns_core::model::{Loss, LossCause, Netns, Source};
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where ip-netns(8) keeps names.
const NAMED: &str = "/run/netns";
/// Most namespaces kept open at once, two descriptors each while entering; a busy container host
/// has some hundreds.
const NAMESPACES_KEPT: usize = 4096;
/// Most paths kept to one namespace; that all of so many processes end at once means it is gone.
const PATHS_KEPT: usize = 8;

/// What is kept open in a namespace.
pub trait Entered: Send {
    /// The namespace it is in.
    fn netns(&self) -> &Arc<Netns>;

    /// The namespace was named anew.
    fn rename(&mut self, netns: Arc<Netns>);
}

/// A namespace that was found, and paths to enter it by: a process may end before that, and
/// another still be in there.
#[derive(Debug, Clone, Default)]
struct Found {
    name: Option<Box<str>>,
    paths: Vec<PathBuf>,
}

impl Found {
    fn add(&mut self, path: PathBuf) {
        if self.paths.len() < PATHS_KEPT {
            self.paths.push(path);
        }
    }
}

/// Nothing is kept open but what the namespace is called.
impl Entered for Arc<Netns> {
    fn netns(&self) -> &Arc<Netns> {
        self
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        *self = netns;
    }
}

/// Opens what is wanted in the namespace of the calling thread, which is the one it is given.
pub type Opener<T> = dyn Fn(Arc<Netns>) -> io::Result<T> + Send + Sync;

/// The namespaces that are open.
pub struct NamespaceSet<T> {
    source: Source,
    own: u64,
    opener: Box<Opener<T>>,
    entered: BTreeMap<u64, T>,
}

impl<T: Entered> NamespaceSet<T> {
    /// Opens the caller's own namespace; `source` is who is said to have lost what cannot be
    /// entered.
    ///
    /// # Errors
    /// What the opener says.
    pub fn open(source: Source, opener: Box<Opener<T>>) -> io::Result<Self> {
        // Without /proc the own namespace has no number; it is still there and can be listed.
        let own = own().unwrap_or(0);
        let mut set = Self { source, own, opener, entered: BTreeMap::new() };
        set.open_own()?;
        Ok(set)
    }

    /// Closes all and opens the own one anew; the next refresh enters the others again.
    ///
    /// # Errors
    /// What the opener says.
    pub fn open_own(&mut self) -> io::Result<()> {
        self.entered.clear();
        let known = Some(self.own).filter(|own| *own != 0);
        let netns = known.map_or_else(Netns::only, |own| Netns::new(own, None, true));
        let opened = (self.opener)(Arc::new(netns))?;
        self.entered.insert(self.own, opened);
        Ok(())
    }

    /// Finds what is there now, enters what is new, and lets go of what is gone. Returns the
    /// inodes that `wanted` means.
    ///
    /// # Errors
    /// [`SourceError`] if `wanted` names what is not there or cannot be entered.
    pub fn refresh(
        &mut self,
        wanted: &Namespaces,
        losses: &mut Vec<Loss>,
    ) -> Result<Vec<u64>, SourceError> {
        if *wanted == Namespaces::Own {
            return Ok(vec![self.own]);
        }
        let mut found = self.find(losses);
        let chosen = match wanted {
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
        match wanted {
            Namespaces::These(names) => {
                for (name, inode) in names.iter().zip(&chosen) {
                    if let Some(failure) = failures.iter().find(|failure| failure.inode == *inode) {
                        return Err(failure.as_answer_to(name));
                    }
                }
            }
            Namespaces::All | Namespaces::Own => {
                losses.extend(failures.iter().filter_map(Failure::as_loss));
            }
        }
        Ok(chosen)
    }

    /// What is open in the namespace with this inode.
    pub fn get_mut(&mut self, inode: u64) -> Option<&mut T> {
        self.entered.get_mut(&inode)
    }

    /// Every namespace a process or a name leads to.
    fn find(&self, losses: &mut Vec<Loss>) -> BTreeMap<u64, Found> {
        let mut found = BTreeMap::from([(self.own, Found::default())]);
        let mut cannot_list = |cause: io::Error| {
            let out_of_files =
                matches!(Errno::from_io_error(&cause), Some(Errno::MFILE | Errno::NFILE));
            let error = cause.to_string().into();
            let cause = LossCause::NamespacesNotListed { error, out_of_files };
            losses.push(Loss::one(self.source, cause));
        };
        match fs::read_dir("/proc") {
            // The folder is there, but this very process is not in it: it is no procfs.
            Ok(_) if self.own == 0 => cannot_list(io::ErrorKind::NotFound.into()),
            Ok(folder) => {
                for entry in folder.flatten() {
                    let name = entry.file_name();
                    if !name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit) {
                        continue;
                    }
                    // A process that ended, or one of another user: its namespace is found through
                    // another process or not at all, and procfs counts the unreadable ones.
                    let path = entry.path().join("ns/net");
                    if let Some(inode) = fs::read_link(&path).ok().and_then(|to| linked_inode(&to))
                    {
                        found.entry(inode).or_default().add(path);
                    }
                }
            }
            Err(cause) => cannot_list(cause),
        }
        for Named { inode, name, path } in named() {
            let place = found.entry(inode).or_default();
            place.name = Some(name);
            place.add(path);
        }
        found
    }

    /// Gives namespaces that were named since their new names.
    fn rename(&mut self, found: &BTreeMap<u64, Found>) {
        for (inode, entered) in &mut self.entered {
            let name = found.get(inode).and_then(|f| f.name.as_deref());
            let netns = Netns::new(*inode, name, entered.netns().is_own);
            if **entered.netns() != netns {
                entered.rename(Arc::new(netns));
            }
        }
    }

    /// Opens what is wanted in each of `new`, from one thread that moves through them and ends.
    fn enter(&mut self, new: Vec<(u64, Found)>, losses: &mut Vec<Loss>) -> Vec<Failure> {
        if new.is_empty() {
            return Vec::new();
        }
        let room = NAMESPACES_KEPT.saturating_sub(self.entered.len());
        let refused = new.len().saturating_sub(room) as u64;
        let bound = LossCause::NamespacesBeyondBound { bound: NAMESPACES_KEPT as u64 };
        losses.extend(Loss::counted(self.source, bound, refused));
        let opener = &*self.opener;
        let opened: Vec<_> = std::thread::scope(|scope| {
            let entering = scope.spawn(|| {
                new.into_iter()
                    .take(room)
                    .map(|(inode, found)| (inode, open_in(inode, &found, opener), found))
                    .collect()
            });
            // A panic in there would be our own fault; it must not look like an empty machine.
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

/// A namespace that has a name.
pub struct Named {
    /// Its inode.
    pub inode: u64,
    /// Its name.
    pub name: Box<str>,
    path: PathBuf,
}

/// The namespaces that ip-netns(8) has named.
pub fn named() -> impl Iterator<Item = Named> {
    // No such folder: nobody named a namespace.
    let entries = fs::read_dir(NAMED).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into());
        // While a name is being made, its file is there before the namespace is mounted on it.
        let inode = inode_of(&path).filter(|_| is_in_nsfs(&path))?;
        Some(Named { inode, name, path })
    })
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
    /// What it means where all namespaces were wanted: this one is missing, unless every way to it
    /// is gone, and with it the namespace and all its connections.
    fn as_loss(&self) -> Option<Loss> {
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

    /// What it means where this one was wanted by name: there is no answer.
    fn as_answer_to(&self, wanted: &str) -> SourceError {
        match self.cause.kind() {
            io::ErrorKind::PermissionDenied => SourceError::Unavailable {
                source_name: self.source,
                attempted: format!("enter network namespace {wanted}"),
                cause: io::ErrorKind::PermissionDenied.into(),
                remedy: "Root (CAP_SYS_ADMIN) could",
            },
            io::ErrorKind::InvalidInput => SourceError::NoSuchNamespace {
                wanted: wanted.to_owned(),
                reason: "that is a file, but no network namespace".to_owned(),
                known: "see `ip netns` and `lsns -t net`".to_owned(),
            },
            _ => SourceError::NoSuchNamespace {
                wanted: wanted.to_owned(),
                reason: self.cause.to_string(),
                known: "see `ip netns` and `lsns -t net`".to_owned(),
            },
        }
    }
}

/// Moves the calling thread into a namespace by the first path that leads there, and opens what is
/// wanted.
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
    // Where the process ends between finding the link and following it, the kernel says EACCES
    // (`proc_ns_get_link`, `fs/proc/namespaces.c`); asked again, that it is not there.
    let file = fs::File::open(path).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => fs::File::open(path),
        _ => Err(error),
    })?;
    // The process may have moved, or its pid may be another's, since it was found.
    if file.metadata()?.ino() != inode {
        return Err(io::ErrorKind::NotFound.into());
    }
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(())
}

/// The namespace a user means by a name under `/run/netns`, an inode, `net:[inode]`, a pid or a path.
fn choose(wanted: &str, found: &mut BTreeMap<u64, Found>) -> Result<u64, SourceError> {
    if let Some((inode, _)) = found.iter().find(|(_, f)| f.name.as_deref() == Some(wanted)) {
        return Ok(*inode);
    }
    let bare = wanted.trim_start_matches("net:[").trim_end_matches(']');
    if let Some(inode) = bare.parse().ok().filter(|inode| found.contains_key(inode)) {
        return Ok(inode);
    }
    let path = if wanted.bytes().all(|byte| byte.is_ascii_digit()) {
        PathBuf::from(format!("/proc/{wanted}/ns/net"))
    } else {
        PathBuf::from(wanted)
    };
    // A path leads to a namespace only if it is a file of nsfs, whose links read `net:[inode]`, or
    // a bind mount of one, which setns will check.
    match fs::metadata(&path) {
        Ok(metadata) if wanted.contains('/') || path.starts_with("/proc") => {
            let inode = metadata.ino();
            found.entry(inode).or_default().add(path);
            Ok(inode)
        }
        outcome => {
            let reason = match outcome {
                Err(cause) if path.starts_with("/proc") => {
                    format!("neither an inode nor a process with that id: {cause}")
                }
                Err(cause) if wanted.contains('/') => cause.to_string(),
                _ => format!("not a name under {NAMED}, an inode, a pid or a path"),
            };
            let known = found
                .iter()
                .map(|(inode, f)| {
                    f.name.as_deref().map_or_else(|| format!("net:[{inode}]"), Into::into)
                })
                .collect::<Vec<_>>()
                .join(", ");
            Err(SourceError::NoSuchNamespace { wanted: wanted.to_owned(), reason, known })
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
