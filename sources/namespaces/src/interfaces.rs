//! Names of network interfaces by index, in any network namespace. A name is asked for with an ioctl on a socket of the
//! namespace (netdevice(7), `SIOCGIFNAME`), which needs no privilege; to open one there, the namespace is entered once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_contract::Namespaces;
use conns_core::model::{Loss, LossCause, Netns, Source};
use rustix::net::netdevice::index_to_name;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{Entered, Listed, NamespaceSet};

/// Most cached names, and most namespaces that could not be entered; beyond, they are forgotten.
const MAX_NAMES: usize = 4096;
/// How long a list of namespaces is used before it is made again for one that is not in it.
const LIST_LIFETIME: Duration = Duration::from_millis(250);
/// How often at most names are asked for again, and removed namespaces closed: with each sample of an agent.
const REFRESH_INTERVAL: Duration = Duration::from_millis(900);
/// After which a namespace that could not be entered is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The name of an interface in the namespace of `socket`, which can be of any family; `None` if it has none with this index.
#[must_use]
pub fn interface_name(socket: impl AsFd, index: u32) -> Option<Arc<str>> {
    index_to_name(socket, index).ok().map(Into::into)
}

/// A socket that is only used to ask for names.
struct NameSocket {
    netns: Arc<Netns>,
    socket: OwnedFd,
}

impl NameSocket {
    fn open(netns: Arc<Netns>) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
        Ok(Self { netns, socket })
    }
}

impl Entered for NameSocket {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        self.netns = netns;
    }
}

/// Why a namespace is not open, and when that was tried.
struct Failure {
    error: Box<str>,
    not_permitted: bool,
    at: Instant,
}

/// The names of the interfaces that were asked for, by namespace and index.
///
/// Invariant: an open socket keeps its namespace from being removed, so that of a namespace that nothing else shows any more
/// is closed by [`Self::refresh`] or [`Self::clear`].
pub struct InterfaceNames {
    source: Source,
    namespaces: Option<NamespaceSet<NameSocket>>,
    names: HashMap<(u64, u32), Option<Arc<str>>>,
    failures: BTreeMap<u64, Failure>,
    listed: Listed,
    listed_at: Option<Instant>,
    refreshed_at: Option<Instant>,
    generation: u64,
}

impl InterfaceNames {
    /// Nothing is opened before a name is asked for. Losses are attributed to `source`.
    #[must_use]
    pub fn new(source: Source) -> Self {
        Self {
            source,
            namespaces: None,
            names: HashMap::new(),
            failures: BTreeMap::new(),
            listed: Listed::default(),
            listed_at: None,
            refreshed_at: None,
            generation: 0,
        }
    }

    /// Opens a socket in every namespace, for a process that may not enter them later. One that cannot be entered is
    /// reported when a name in it is asked for.
    pub fn open_all(&mut self) {
        let opened = NamespaceSet::open(self.source, Box::new(NameSocket::open));
        let Ok(mut namespaces) = opened else { return };
        // Only a choice by name is refused.
        let _ = namespaces.refresh(&Namespaces::All, &mut Vec::new());
        self.list(&namespaces, Instant::now());
        self.namespaces = Some(namespaces);
    }

    /// The name of the interface `index` of the namespace with the inode `netns`; `None` if it is not known.
    pub fn get(&mut self, netns: u64, index: u32) -> Option<Arc<str>> {
        if let Some(known) = self.names.get(&(netns, index)) {
            return known.clone();
        }
        let name = self.ask(netns, index, Instant::now());
        if self.names.len() >= MAX_NAMES {
            self.names.clear();
        }
        self.names.insert((netns, index), name.clone());
        name
    }

    /// Closes removed namespaces, and asks for all names again, as interfaces are renamed, removed and added. Returns a number
    /// that changes with any name.
    pub fn refresh(&mut self, now: Instant) -> u64 {
        let since = |at: Instant| now.saturating_duration_since(at);
        if self.refreshed_at.is_some_and(|at| since(at) < REFRESH_INTERVAL) {
            return self.generation;
        }
        self.refreshed_at = Some(now);
        self.close_removed(now);
        let known: Vec<_> = self.names.keys().copied().collect();
        for (netns, index) in known {
            let name = self.ask(netns, index, now);
            if self.names.get(&(netns, index)) != Some(&name) {
                self.generation += 1;
                self.names.insert((netns, index), name);
            }
        }
        self.generation
    }

    /// Whether no name was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Forgets the names that `is_used` does not hold for, and what is missing of namespaces without others.
    pub fn retain(&mut self, is_used: impl Fn(u64, u32) -> bool) {
        self.names.retain(|(netns, index), _| is_used(*netns, *index));
        let used: HashSet<u64> = self.names.keys().map(|(netns, _)| *netns).collect();
        self.failures.retain(|netns, _| used.contains(netns));
    }

    /// Forgets all names, closes all namespaces, and forgets what is missing.
    pub fn clear(&mut self) {
        *self = Self::new(self.source);
    }

    /// The namespaces whose interfaces have no names.
    pub fn losses(&self) -> impl Iterator<Item = Loss> {
        self.failures.iter().map(|(inode, failure)| {
            let Failure { error, not_permitted, .. } = failure;
            let (inode, error, not_permitted) = (*inode, error.clone(), *not_permitted);
            let cause = LossCause::InterfacesNotNamed { inode, error, not_permitted };
            Loss::one(self.source, cause)
        })
    }

    fn ask(&mut self, netns: u64, index: u32, now: Instant) -> Option<Arc<str>> {
        let was_tried =
            |failure: &Failure| now.saturating_duration_since(failure.at) < RETRY_INTERVAL;
        if self.failures.get(&netns).is_some_and(was_tried) {
            return None;
        }
        match self.socket(netns, now) {
            Ok(socket) => {
                let name = interface_name(&socket.socket, index);
                self.failures.remove(&netns);
                name
            }
            Err(cause) => {
                self.fail(netns, &cause, now);
                None
            }
        }
    }

    /// The socket in a namespace, which is entered if it is not open.
    fn socket(&mut self, netns: u64, now: Instant) -> io::Result<&NameSocket> {
        let mut namespaces = match self.namespaces.take() {
            Some(opened) => opened,
            None => NamespaceSet::open(self.source, Box::new(NameSocket::open))?,
        };
        let is_open = namespaces.get_mut(netns).is_some();
        let entered = if is_open { Ok(()) } else { self.enter(&mut namespaces, netns, now) };
        let namespaces = self.namespaces.insert(namespaces);
        entered?;
        namespaces
            .get_mut(netns)
            .map(|socket| &*socket)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn enter(
        &mut self,
        namespaces: &mut NamespaceSet<NameSocket>,
        netns: u64,
        now: Instant,
    ) -> io::Result<()> {
        let entered = namespaces.enter_listed(netns, &self.listed);
        let is_recent = |at: Instant| now.saturating_duration_since(at) < LIST_LIFETIME;
        if entered.is_ok() || self.listed_at.is_some_and(is_recent) {
            return entered;
        }
        self.list(namespaces, now);
        namespaces.enter_listed(netns, &self.listed)
    }

    fn list(&mut self, namespaces: &NamespaceSet<NameSocket>, now: Instant) {
        (self.listed, self.listed_at) = (namespaces.list(), Some(now));
    }

    /// Closes the namespaces that no path leads to. `/proc` is searched only if the paths of one have changed.
    fn close_removed(&mut self, now: Instant) {
        let Some(mut namespaces) = self.namespaces.take() else { return };
        if namespaces.others().any(|inode| !self.listed.leads_to(inode)) {
            self.list(&namespaces, now);
            let removed = |inode: &u64| !self.listed.leads_to(*inode);
            let removed: Vec<u64> = namespaces.others().filter(removed).collect();
            removed.into_iter().for_each(|inode| namespaces.close(inode));
        }
        self.namespaces = Some(namespaces);
    }

    fn fail(&mut self, netns: u64, cause: &io::Error, at: Instant) {
        let not_permitted = cause.kind() == io::ErrorKind::PermissionDenied;
        let error = match cause.kind() {
            io::ErrorKind::NotFound => "no process is in it, and it has no name".into(),
            _ => cause.to_string().into(),
        };
        if self.failures.len() >= MAX_NAMES {
            self.failures.clear();
        }
        self.failures.insert(netns, Failure { error, not_permitted, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_of_the_own_namespace_has_its_name() {
        let mut names = InterfaceNames::new(Source::Ebpf);
        let own = crate::own().unwrap();
        // `LOOPBACK_IFINDEX`, include/net/flow.h.
        assert_eq!(names.get(own, 1).as_deref(), Some("lo"));
        assert_eq!(names.get(own, u32::MAX), None);
        let generation = names.refresh(Instant::now());
        assert_eq!(names.refresh(Instant::now() + REFRESH_INTERVAL), generation);
        assert_eq!(names.losses().count(), 0);
    }

    #[test]
    fn a_namespace_that_is_not_found_is_a_loss_until_nothing_of_it_is_asked_for() {
        let mut names = InterfaceNames::new(Source::Ebpf);
        // The inodes of nsfs are larger.
        assert_eq!(names.get(2, 1), None);
        let losses: Vec<_> = names.losses().map(|loss| loss.cause).collect();
        let [LossCause::InterfacesNotNamed { inode: 2, error, not_permitted: false }] = &*losses
        else {
            panic!("{losses:?}");
        };
        assert_eq!(&**error, "no process is in it, and it has no name");
        names.retain(|_, _| false);
        assert_eq!(names.losses().count(), 0);
    }

    #[test]
    fn a_namespace_that_was_not_found_is_searched_again_after_a_while() {
        let mut names = InterfaceNames::new(Source::Ebpf);
        let began = Instant::now();
        let mut tried = |after| {
            names.ask(2, 1, began + after);
            names.failures.values().map(|failure| failure.at - began).collect::<Vec<_>>()
        };
        assert_eq!(tried(Duration::ZERO), [Duration::ZERO]);
        assert_eq!(tried(RETRY_INTERVAL / 2), [Duration::ZERO]);
        assert_eq!(tried(RETRY_INTERVAL), [RETRY_INTERVAL]);
    }
}
