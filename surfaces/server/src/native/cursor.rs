//! Cursors: the place in a list where the next page begins. Opaque to clients, and never trusted:
//! a forged one only names another place.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;

use super::parameters::Query;
use crate::problem::Problem;

/// Where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind the connection with this serial number, and no further than the one that was newest
    /// when the first page was written: the walk ends, however many open meanwhile.
    Serial { after: u64, newest: u64 },
    /// At this place of an order that was kept under this number.
    Walk { number: u64, at: u64 },
    /// Behind the process with this pid.
    Pid { after: u64 },
}

/// Bytes of a cursor before encoding.
const LENGTH: usize = 33;

/// What a cursor belongs to: the agent's instance and what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    instance: u64,
    question: u64,
}

impl Context {
    /// Of this path and its parameters but those of paging.
    pub(super) fn new(instance: u64, path: &str, query: &Query) -> Self {
        // With fixed keys, so that it is the same at each request.
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        for pair in query.without_paging() {
            pair.hash(&mut hasher);
        }
        Self { instance, question: hasher.finish() }
    }

    /// The cursor of `place`.
    pub(super) fn write(self, place: Place) -> String {
        let (kind, first, second) = match place {
            Place::Serial { after, newest } => (b's', after, newest),
            Place::Walk { number, at } => (b'w', number, at),
            Place::Pid { after } => (b'p', after, 0),
        };
        let mut bytes = vec![kind];
        for number in [self.instance, self.question, first, second] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place of the request's cursor, if it has one.
    pub(super) fn read(self, query: &Query) -> Result<Option<Place>, Problem> {
        let Some(text) = query.get("cursor") else { return Ok(None) };
        let decoded = (text.len() <= 2 * LENGTH).then(|| URL_SAFE_NO_PAD.decode(text).ok());
        let place = decoded.flatten().and_then(|bytes| parse(&bytes));
        let Some((written, place)) = place else {
            let hint = "give `next_cursor` of the page before, as it is";
            return Err(Problem::bad("bad-cursor", "this is no cursor of this API", hint));
        };
        if written.instance != self.instance {
            return Err(expired("the agent was started anew since this cursor was given"));
        }
        if written.question != self.question {
            let hint = "only `limit` and `fields` may differ from page to page";
            let message = "this cursor was given for another question";
            return Err(Problem::bad("cursor-of-another-question", message, hint));
        }
        Ok(Some(place))
    }
}

/// 410: the place is gone.
pub(super) fn expired(message: &str) -> Problem {
    Problem::new(StatusCode::GONE, "cursor-expired", message, "begin anew, without a cursor")
}

fn parse(bytes: &[u8]) -> Option<(Context, Place)> {
    let (kind, rest) = bytes.split_first()?;
    let mut numbers = rest.chunks_exact(8).filter_map(|chunk| chunk.try_into().ok());
    let mut next = || numbers.next().map(u64::from_be_bytes);
    let (instance, question, first, second) = (next()?, next()?, next()?, next()?);
    if bytes.len() != LENGTH {
        return None;
    }
    let place = match kind {
        b's' => Place::Serial { after: first, newest: second },
        b'w' => Place::Walk { number: first, at: second },
        b'p' => Place::Pid { after: first },
        _ => return None,
    };
    Some((Context { instance, question }, place))
}
