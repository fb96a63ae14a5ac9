//! Requests whose answers are awaited.

/// Most requests whose answers are awaited. Clients send one after the other.
const MAX_AWAITED: usize = 16;

/// A request whose answer matters.
#[derive(Debug)]
pub(super) enum Request {
    Describe,
    /// Of the media with this index.
    SetUp(usize),
    Record,
    Other,
}

/// The requests of a client without answer yet.
#[derive(Debug, Default)]
pub(super) struct Requests {
    awaited: Vec<(Option<u32>, Request)>,
}

impl Requests {
    /// Adds a request with its number.
    pub(super) fn push(&mut self, number: Option<u32>, request: Request) {
        if self.awaited.len() >= MAX_AWAITED {
            self.awaited.remove(0);
        }
        self.awaited.push((number, request));
    }

    /// The request that an answer with this number is to.
    pub(super) fn answered(&mut self, number: Option<u32>) -> Option<Request> {
        let at = self.awaited.iter().position(|(other, _)| *other == number)?;
        Some(self.awaited.remove(at).1)
    }

    pub(super) fn memory(&self) -> usize {
        self.awaited.capacity() * size_of::<(Option<u32>, Request)>()
    }
}
