//! Results of the asynchronous methods, until a client fetches them.
//!
//! A call runs before its request is answered: what JetStream queues takes microseconds here. So a request is never
//! processing, and `getRequestResult` does not wait.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use serde::Serialize;

use super::fault::Fault;
use crate::shell::BodyChunks;

/// Requests whose results are kept; the newest.
pub const MAX_REQUESTS: usize = 1024;

/// Bytes of the kept results at most, but for the newest one.
const MAX_RESULT_BYTES: usize = 16 * 1024 * 1024;

type Outcome = Result<Bytes, Fault>;

/// The newest requests.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// Without gaps: the last one has the id `last_id`.
    outcomes: VecDeque<Outcome>,
    last_id: u64,
    result_bytes: usize,
}

/// JetStream's Request structure.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RequestStatus {
    request_id: u64,
    processing: bool,
    status: &'static str,
    error_message: Option<String>,
}

impl Requests {
    /// Keeps an outcome, and returns the id of its request.
    pub(super) fn keep(&self, outcome: Result<BodyChunks, Fault>) -> u64 {
        let outcome = outcome.map(|chunks| Bytes::from(chunks.concat()));
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.result_bytes += bytes(&outcome);
        kept.outcomes.push_back(outcome);
        kept.last_id += 1;
        while kept.outcomes.len() > MAX_REQUESTS
            || (kept.result_bytes > MAX_RESULT_BYTES && kept.outcomes.len() > 1)
        {
            let Some(oldest) = kept.outcomes.pop_front() else { break };
            kept.result_bytes -= bytes(&oldest);
        }
        kept.last_id
    }

    /// How far a request is.
    pub(super) fn status(&self, request_id: u64) -> Result<RequestStatus, Fault> {
        let error = self.outcome(request_id)?.err();
        let status = if error.is_some() { "error" } else { "complete" };
        let error_message = error.map(|fault| fault.detail());
        Ok(RequestStatus { request_id, processing: false, status, error_message })
    }

    /// What the call returned.
    pub(super) fn outcome(&self, request_id: u64) -> Result<Outcome, Fault> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = kept.last_id.checked_sub(request_id).and_then(|age| usize::try_from(age).ok());
        let outcome = age
            .and_then(|age| kept.outcomes.len().checked_sub(age + 1))
            .and_then(|position| kept.outcomes.get(position));
        outcome.cloned().ok_or_else(|| {
            Fault::NotFound(format!(
                "no request has the id {request_id}; the newest {MAX_REQUESTS} are kept"
            ))
        })
    }
}

fn bytes(outcome: &Outcome) -> usize {
    outcome.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(requests: &Requests, id: u64) -> bool {
        requests.outcome(id).is_ok()
    }

    #[test]
    fn the_newest_requests_are_kept() {
        let requests = Requests::default();
        assert!(!kept(&requests, 0) && !kept(&requests, 1) && !kept(&requests, u64::MAX));
        for expected in 1..=1030 {
            let result = vec![Bytes::from(format!("{expected}"))];
            assert_eq!(requests.keep(Ok(result)), expected);
        }
        let found: Vec<u64> = (0..1100).filter(|id| kept(&requests, *id)).collect();
        assert_eq!(found, (7..=1030).collect::<Vec<u64>>());
        assert_eq!(requests.outcome(7).unwrap().unwrap(), "7");
    }

    #[test]
    fn the_bytes_of_results_are_bounded() {
        let requests = Requests::default();
        for _ in 0..3 {
            requests.keep(Ok(vec![Bytes::from(vec![b' '; MAX_RESULT_BYTES / 2])]));
        }
        assert_eq!([1, 2, 3].map(|id| kept(&requests, id)), [false, true, true]);
        requests.keep(Ok(vec![Bytes::from(vec![b' '; 2 * MAX_RESULT_BYTES])]));
        assert_eq!([2, 3, 4].map(|id| kept(&requests, id)), [false, false, true]);
        requests.keep(Err(Fault::NoService));
        assert_eq!([4, 5].map(|id| kept(&requests, id)), [false, true]);
    }
}
