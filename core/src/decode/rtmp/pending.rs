//! Commands whose result is awaited.

use crate::model::Moment;

/// Most commands whose result is awaited.
const MAX_AWAITED: usize = 64;

/// Commands without result yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    calls: Vec<Call>,
    publications: Vec<Publication>,
    /// Message streams that were created, and when the client got to know.
    created: Vec<(u32, Moment)>,
}

/// A call of the client.
#[derive(Debug, Clone, Copy)]
struct Call {
    transaction: f64,
    kind: CallKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallKind {
    Connect,
    CreateStream,
}

/// A publication that is not accepted yet.
#[derive(Debug)]
pub(super) struct Publication {
    pub(super) id: u32,
    pub(super) argument: String,
    pub(super) at: Moment,
}

impl Pending {
    pub(super) fn memory(&self) -> u64 {
        let arguments: usize = self.publications.iter().map(|one| one.argument.capacity()).sum();
        let lists = self.calls.capacity() * size_of::<Call>()
            + self.publications.capacity() * size_of::<Publication>()
            + self.created.capacity() * size_of::<(u32, Moment)>();
        (arguments + lists) as u64
    }

    /// The client calls.
    pub(super) fn call(&mut self, transaction: Option<f64>, kind: CallKind) {
        if let Some(transaction) = transaction
            && self.calls.len() < MAX_AWAITED
        {
            self.calls.push(Call { transaction, kind });
        }
    }

    /// What the result of a transaction is of.
    pub(super) fn returned(&mut self, transaction: Option<f64>) -> Option<CallKind> {
        let at = self.calls.iter().position(|call| Some(call.transaction) == transaction)?;
        Some(self.calls.swap_remove(at).kind)
    }

    /// When the client got to know of a message stream.
    pub(super) fn created_at(&self, id: u32) -> Option<Moment> {
        self.created.iter().rev().find(|(created, _)| *created == id).map(|(_, at)| *at)
    }

    /// A message stream was created, and the client knows of it.
    pub(super) fn created(&mut self, id: u32, at: Moment) {
        if self.created.len() < MAX_AWAITED {
            self.created.push((id, at));
        }
    }

    /// The client asks for a publication.
    pub(super) fn publish(&mut self, publication: Publication) {
        if self.publications.len() < MAX_AWAITED {
            self.publications.push(publication);
        }
    }

    /// The publication that a status of this message stream is about: a server may report it on message
    /// stream 0.
    pub(super) fn take_publication(&mut self, id: u32) -> Option<Publication> {
        let same = self.publications.iter().position(|one| one.id == id);
        let at = same.or((id == 0 && !self.publications.is_empty()).then_some(0))?;
        Some(self.publications.remove(at))
    }
}
