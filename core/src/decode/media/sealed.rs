//! What encrypted connections publish, as far as the sizes of their records show it: how much of it waits for a player
//! in a tunnel of HTTP, whose answers have what came since the one before.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::track::Offered;

/// Most records that are kept of a connection.
const MAX_RECORDS: usize = 4096;
/// Most connections that are kept.
const MAX_CONNECTIONS: usize = 256;
/// Answers in a row that have as many bytes as came meanwhile, before the connection counts as the publisher.
const MIN_ANSWERS: usize = 8;
/// Most bytes of the header of a message, with an extended timestamp, and what an extended header of each chunk has.
const MAX_HEADER: u64 = 12 + 4;
const MAX_CHUNK_HEADER: u64 = 3;
/// The least chunk size in use.
const MIN_CHUNK: u64 = 128;

/// The records that the client of an encrypted connection sends.
#[derive(Debug)]
pub(in crate::decode) struct Sealed {
    /// The address of the server.
    pub(super) receiver: IpAddr,
    /// When each was sent, microseconds, and the bytes in clear of all until then.
    records: Mutex<VecDeque<(u64, u64)>>,
}

impl Sealed {
    pub(super) fn new(receiver: IpAddr) -> Self {
        Self { receiver, records: Mutex::default() }
    }

    fn records(&self) -> MutexGuard<'_, VecDeque<(u64, u64)>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record has this number of bytes in clear.
    pub(in crate::decode) fn record(&self, at_us: u64, bytes: u64) {
        let mut records = self.records();
        let before = records.back().map_or(0, |(_, bytes)| *bytes);
        if records.len() >= MAX_RECORDS {
            records.pop_front();
        }
        records.push_back((at_us, before + bytes));
    }

    fn bytes_until(&self, at_us: u64) -> u64 {
        let records = self.records();
        let later = records.partition_point(|(time, _)| *time <= at_us);
        later.checked_sub(1).and_then(|last| records.get(last)).map_or(0, |(_, bytes)| *bytes)
    }

    /// Bytes that came after one moment, until the other.
    fn bytes(&self, after_us: u64, until_us: u64) -> u64 {
        self.bytes_until(until_us).saturating_sub(self.bytes_until(after_us))
    }
}

/// An answer to a player in a tunnel, which has what came between two requests.
#[derive(Debug, Default)]
pub(in crate::decode) struct Answer {
    /// When the request before it came, microseconds.
    pub(in crate::decode) after_us: u64,
    /// When its own request came.
    pub(in crate::decode) until_us: u64,
    /// Audio and video: whether it is video, and its length.
    pub(in crate::decode) messages: Vec<(bool, u32)>,
}

/// Whether messages of these lengths can be this number of bytes with their headers.
fn can_be(messages: &[(bool, u32)], bytes: u64) -> bool {
    let least: u64 = messages.iter().map(|(_, length)| u64::from(*length) + 1).sum();
    let headers = |length: u64| MAX_HEADER + length / MIN_CHUNK * MAX_CHUNK_HEADER;
    let most = messages.iter().map(|(_, length)| *length).map(u64::from);
    let most: u64 = most.map(|length| length + headers(length)).sum();
    (least..=most).contains(&bytes)
}

/// What waited for a player at a moment, by its answers until the one behind that moment: the messages that came from the
/// only publisher whose bytes fit all of the latest answers. `None` if there is none, or bytes fit several numbers of
/// messages.
pub(in crate::decode) fn waiting(
    answers: &[Answer],
    sealed: &[Arc<Sealed>],
    at_us: u64,
) -> Option<Offered> {
    let (answer, before) = answers.split_last()?;
    let before = before.get(before.len().checked_sub(MIN_ANSWERS)?..)?;
    let fits =
        |one: &Answer, of: &Sealed| can_be(&one.messages, of.bytes(one.after_us, one.until_us));
    let mut publishers = sealed
        .iter()
        .filter(|sealed| fits(answer, sealed) && before.iter().all(|one| fits(one, sealed)));
    let (Some(publisher), None) = (publishers.next(), publishers.next()) else { return None };
    let bytes = publisher.bytes(answer.after_us, at_us);
    let parts = (0..=answer.messages.len()).filter_map(|count| answer.messages.get(..count));
    let mut parts = parts.filter(|part| can_be(part, bytes));
    let (Some(part), None) = (parts.next(), parts.next()) else { return None };
    let mut waiting = Offered::default();
    for (is_video, length) in part {
        waiting.of_mut(*is_video).add((*length).into());
    }
    Some(waiting)
}

/// The encrypted connections of a source.
#[derive(Debug, Default)]
pub(super) struct SealedConnections(Mutex<Vec<Arc<Sealed>>>);

impl SealedConnections {
    pub(super) fn begin(&self, receiver: IpAddr) -> Option<Arc<Sealed>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_CONNECTIONS {
            all.retain(|one| Arc::strong_count(one) > 1);
        }
        (all.len() < MAX_CONNECTIONS).then(|| {
            let new = Arc::new(Sealed::new(receiver));
            all.push(Arc::clone(&new));
            new
        })
    }

    /// Those at a server.
    pub(super) fn at(&self, receiver: IpAddr) -> Vec<Arc<Sealed>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|one| one.receiver == receiver).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Answer, Sealed, waiting};
    use crate::decode::media::Offered;

    /// A publisher that sends a picture and audio every 80 ms, in records of a header and of its chunks.
    fn publisher(seed: u64) -> (Arc<Sealed>, Vec<(u64, bool, u32)>) {
        let sealed = Sealed::new([127, 0, 0, 1].into());
        let mut messages = Vec::new();
        for number in 0..40_u64 {
            let at_us = number * 80_000;
            let video = 500 + (number * 137 + seed * 211) % 900;
            for (is_video, length) in [(false, 80 + number % 7), (false, 90), (true, video)] {
                messages.push((at_us, is_video, length as u32));
                sealed.record(at_us, 8);
                sealed.record(at_us, length + (length - 1) / 128);
            }
        }
        (sealed.into(), messages)
    }

    /// The answers to a player that asks every 130 ms, until the first one behind the moment.
    fn answers(messages: &[(u64, bool, u32)], at_us: u64) -> Vec<Answer> {
        let mut answers = Vec::new();
        for number in 0.. {
            let (after_us, until_us) = (10_000 + number * 130_000, 10_000 + (number + 1) * 130_000);
            let came = messages.iter().filter(|(at, ..)| *at > after_us && *at <= until_us);
            let messages = came.map(|(_, is_video, length)| (*is_video, *length)).collect();
            answers.push(Answer { after_us, until_us, messages });
            if until_us > at_us {
                break;
            }
        }
        answers
    }

    /// What came between the last answer and the moment.
    fn expected(messages: &[(u64, bool, u32)], answers: &[Answer], at_us: u64) -> Offered {
        let after_us = answers.last().expect("an answer").after_us;
        let mut expected = Offered::default();
        for (_, is_video, length) in
            messages.iter().filter(|(at, ..)| *at > after_us && *at <= at_us)
        {
            expected.of_mut(*is_video).add((*length).into());
        }
        expected
    }

    #[test]
    fn what_came_since_the_last_answer_waits() {
        let (sealed, messages) = publisher(0);
        let (other, _) = publisher(1);
        let mut waited = 0;
        for at_us in (1_500_000..2_800_000).step_by(10_000) {
            let answers = answers(&messages, at_us);
            let known = waiting(&answers, &[Arc::clone(&other), Arc::clone(&sealed)], at_us);
            assert_eq!(known, Some(expected(&messages, &answers, at_us)), "{at_us}");
            waited += known.map_or(0, |known| known.video.packets);
        }
        assert!(waited > 0);
    }

    #[test]
    fn without_a_publisher_that_fits_nothing_is_known() {
        let (sealed, messages) = publisher(0);
        let (other, _) = publisher(1);
        let at_us = 2_000_000;
        let known = answers(&messages, at_us);
        assert_eq!(waiting(&known, &[other], at_us), None);
        // Two that fit, and too few answers.
        assert_eq!(waiting(&known, &[Arc::clone(&sealed), Arc::clone(&sealed)], at_us), None);
        let few = answers(&messages, 500_000);
        assert_eq!(waiting(&few, &[sealed], 500_000), None);
    }
}
