//! Inputs of servers whose name there is not on the wire, and the names under which their servers send them on.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use foldhash::fast::RandomState;

use crate::decode::{Ends, Side};

use super::messages::Messages;
use super::track::Counted;

/// Most inputs that are known at a time.
const MAX_INPUTS: usize = 1024;
/// Most inputs that a playback is compared with.
const MAX_COMPARED: usize = 16;

/// What is played at a server: its end, and the name.
pub(in crate::decode) type Played = ((IpAddr, u16), Arc<str>);

/// An input whose name at the server that receives it is not on the wire: a stream of FLV without one, or what a client
/// of RTMP plays, which may be a server that sends it on.
#[derive(Debug)]
pub(in crate::decode) struct Input {
    number: u64,
    receiver: IpAddr,
    /// What it plays itself.
    plays: Option<Played>,
    messages: Mutex<Messages>,
    name: OnceLock<Arc<str>>,
}

impl Input {
    /// A message of it begins.
    pub(in crate::decode) fn message(&self, is_video: bool, timestamp: u32, length: u32) {
        self.messages().add(is_video, timestamp, length, Counted::default());
    }

    pub(in crate::decode) fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The name under which it is played.
    pub(in crate::decode) fn name(&self) -> Option<&Arc<str>> {
        self.name.get()
    }
}

/// The end that a side does not send.
fn receiver(ends: Ends, side: Side) -> Option<(IpAddr, u16)> {
    let end = match side {
        Side::Sent => ends.remote,
        Side::Received => ends.local,
    };
    end.map(|end| (end.address, end.port))
}

/// The inputs of the connections of a source.
#[derive(Debug, Default)]
pub(super) struct Inputs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    current: Vec<Weak<Input>>,
    /// How many began.
    began: u64,
    /// How many had begun at the moment that is asked for.
    marked: Option<u64>,
    /// Names that were found since.
    names: HashMap<u64, Arc<str>, RandomState>,
}

impl Inputs {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an input that the side `sender` sends; `plays` is the name under which it is asked for.
    pub(super) fn begin(
        &self,
        ends: Ends,
        sender: Side,
        plays: Option<&Arc<str>>,
    ) -> Option<Arc<Input>> {
        let (receiver_address, _) = receiver(ends, sender)?;
        let server = receiver(ends, sender.other());
        let mut known = self.known();
        known.began += 1;
        if known.current.len() >= MAX_INPUTS {
            known.current.retain(|input| input.strong_count() > 0);
        }
        if known.current.len() >= MAX_INPUTS {
            return None;
        }
        let input = Arc::new(Input {
            number: known.began,
            receiver: receiver_address,
            plays: server.zip(plays.cloned()),
            messages: Mutex::new(Messages::few()),
            name: OnceLock::new(),
        });
        known.current.push(Arc::downgrade(&input));
        Some(input)
    }

    /// The inputs without name of the server of a playback; not those that play the same.
    pub(super) fn at(&self, played: &Played) -> Vec<Arc<Input>> {
        let ((address, _), _) = played;
        let known = self.known();
        let inputs = known.current.iter().filter_map(Weak::upgrade);
        let is_meant = |input: &Arc<Input>| {
            input.receiver == *address
                && input.plays.as_ref() != Some(played)
                && input.name().is_none()
        };
        inputs.filter(is_meant).take(MAX_COMPARED).collect()
    }

    /// An input is played under a name.
    pub(super) fn name(&self, input: &Input, name: &Arc<str>) {
        input.name.get_or_init(|| Arc::clone(name));
        let mut known = self.known();
        if known.marked.is_some() {
            known.names.insert(input.number, Arc::clone(name));
        }
    }

    pub(super) fn mark(&self) {
        let mut known = self.known();
        known.marked = Some(known.began);
    }

    /// Whether there are inputs without name, of those at the moment that is asked for if that was before.
    pub(super) fn has_unnamed(&self) -> bool {
        let known = self.known();
        let last = known.marked.unwrap_or(known.began);
        let mut inputs = known.current.iter().filter_map(Weak::upgrade);
        inputs.any(|input| input.number <= last && input.name().is_none())
    }

    /// Adopts the names that reading the same source further found.
    pub(super) fn adopt(&self, ahead: &Self) {
        let found = ahead.known();
        for input in self.known().current.iter().filter_map(Weak::upgrade) {
            if let Some(name) = found.names.get(&input.number) {
                input.name.get_or_init(|| Arc::clone(name));
            }
        }
    }
}

/// What a client that sends the side `client` plays under a name.
pub(in crate::decode) fn played(ends: Ends, client: Side, name: &Arc<str>) -> Option<Played> {
    receiver(ends, client).zip(Some(Arc::clone(name)))
}
