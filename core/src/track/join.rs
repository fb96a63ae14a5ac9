//! Sockets and the processes that hold them, joined by inode (or by identity, where a source
//! knows no inodes).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Holder, Holding, Holdings, Known, Socket, Source, Subject, Unknown};

/// Holdings by the socket they are of.
#[derive(Debug)]
pub(super) struct Holders {
    holdings: Holdings,
    source: Option<Source>,
    /// Where the holdings of a socket begin among all of them, and end.
    ranges: HashMap<Subject, Range<usize>, RandomState>,
}

impl Holders {
    /// `source` is who told of the holdings; `None` if nobody could.
    pub(super) fn new(mut holdings: Holdings, source: Option<Source>) -> Self {
        // Within one socket: processes in the order the source lists them (ascending pid), then
        // descriptors.
        holdings.held.sort_unstable();
        holdings.held.dedup();
        let mut ranges = HashMap::default();
        ranges.reserve(holdings.held.len());
        let mut start = 0;
        for group in holdings.held.chunk_by(|a, b| a.subject == b.subject) {
            let end = start + group.len();
            ranges.extend(group.first().map(|holding| (holding.subject, start..end)));
            start = end;
        }
        Self { holdings, source, ranges }
    }

    /// Everything that holds `socket`.
    pub(super) fn of(&self, socket: &Socket) -> Known<Box<[Holder]>> {
        let Some(source) = self.source else { return Known::Unknown(Unknown::SourceFailed) };
        let subject = match socket.inode {
            Known::Value(inode, _) => Subject::Inode(inode),
            // Without an inode no descriptor can refer to it: the kernel alone holds it.
            Known::NotApplicable => return Known::NotApplicable,
            Known::Unknown(_) => Subject::Socket(socket.id),
        };
        let range = self.ranges.get(&subject).cloned();
        if let Some(held) = range.and_then(|range| self.holdings.held.get(range)) {
            let mut holders = Vec::with_capacity(held.len());
            holders.extend(held.iter().filter_map(|holding| self.holder(*holding)));
            return Known::Value(holders.into(), source);
        }
        if self.holdings.unreadable_processes > 0 {
            Known::Unknown(Unknown::NotPrivileged)
        } else {
            Known::Unknown(Unknown::NoHolderFound)
        }
    }

    fn holder(&self, holding: Holding) -> Option<Holder> {
        let process = self.holdings.processes.get(usize::try_from(holding.process).ok()?)?;
        Some(Holder { process: Arc::clone(process), descriptor: holding.descriptor })
    }
}
