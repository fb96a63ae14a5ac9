//! Sockets and the processes that hold them, joined by inode (or by identity, where a source
//! knows no inodes).

use std::sync::Arc;

use crate::model::{Holder, Holdings, Known, Socket, Source, Subject, Unknown};

/// Holdings in an order in which a socket's holders are found.
#[derive(Debug)]
pub(super) struct Holders {
    holdings: Holdings,
    source: Option<Source>,
}

impl Holders {
    /// `source` is who told of the holdings; `None` if nobody could.
    pub(super) fn new(mut holdings: Holdings, source: Option<Source>) -> Self {
        // Within one socket: processes in the order the source lists them (ascending pid), then
        // descriptors.
        holdings.held.sort_unstable();
        holdings.held.dedup();
        Self { holdings, source }
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
        let held = &self.holdings.held;
        let start = held.partition_point(|holding| holding.subject < subject);
        let holders: Box<[Holder]> = held
            .iter()
            .skip(start)
            .take_while(|holding| holding.subject == subject)
            .filter_map(|holding| {
                let process = self.holdings.processes.get(usize::try_from(holding.process).ok()?)?;
                Some(Holder { process: Arc::clone(process), descriptor: holding.descriptor })
            })
            .collect();
        if !holders.is_empty() {
            Known::Value(holders, source)
        } else if self.holdings.unreadable_processes > 0 {
            Known::Unknown(Unknown::NotPrivileged)
        } else {
            Known::Unknown(Unknown::NoHolderFound)
        }
    }
}
