//! A time in equal parts: how much of each an agent sampled, what was open at its end, and what ended or failed in it.
//!
//! Invariant: what is not known is `None`, never 0. The newest parts are read first, so where reading ends early the oldest are missing.

use std::collections::HashMap;

use conns_core::model::{Class, LossCause, State};

use crate::cell::Cell;
use crate::moments::{
    KeptTables, Key, PastError, STEP_US, WRITTEN_WITHIN_US, key, periods, removed_until, whole,
};
use crate::table::Times;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;

/// Lengths of a part, seconds; longer ones are whole days.
const STEPS_S: [i64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400];

/// States of connections that [`is_open`](conns_core::model::Connection::is_open) holds for.
const OPEN: [State; 7] = [
    State::Established,
    State::SynSent,
    State::FinWait1,
    State::FinWait2,
    State::CloseWait,
    State::LastAck,
    State::Closing,
];

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Its first moment, microseconds since 1970-01-01 UTC.
    pub from_us: i64,
    /// The first moment after it.
    pub to_us: i64,
    /// How much of it an agent sampled, microseconds.
    pub sampled_us: i64,
    /// Connections that were open at its end, as open connections were kept then.
    pub open: Option<u64>,
    /// How many of these had a verdict that is a problem.
    pub problems: Option<u64>,
    /// Connections that ended in it.
    pub ended: Option<u64>,
    /// Attempts to connect that failed in it.
    pub failed: Option<u64>,
}

/// A time in equal parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// The length of a part, microseconds.
    pub step_us: i64,
    /// The parts, oldest first.
    pub buckets: Vec<Bucket>,
    /// Whether reading ended early: the oldest parts have less than is kept.
    pub is_cut: bool,
}

/// The parts of `times`: at most `buckets`, of a length that people count in, and one more, as they begin at multiples of it.
fn parts(times: Times, buckets: usize) -> (i64, Vec<(i64, i64)>) {
    let count = i64::try_from(buckets.max(1)).unwrap_or(i64::MAX);
    let length = times.to_us.saturating_sub(times.from_us).max(1);
    let least = length / count + i64::from(length % count > 0);
    let step_us = STEPS_S.iter().map(|seconds| seconds * SECOND_US).find(|step| *step >= least);
    let days = least / DAY_US + i64::from(least % DAY_US > 0);
    let step_us = step_us.unwrap_or(days.saturating_mul(DAY_US));
    let first = times.from_us.saturating_sub(times.from_us.rem_euclid(step_us));
    let starts = std::iter::successors(Some(first), |start| start.checked_add(step_us));
    let starts = starts.take_while(|start| *start < times.to_us).take(buckets + 2);
    (step_us, starts.map(|start| (start, start.saturating_add(step_us))).collect())
}

/// What was kept of `times`, in at most `buckets` parts and one more. `is_problem` decides which verdicts are problems.
///
/// # Errors
/// Why it cannot be read. What takes too long is missing, and the answer has that as `is_cut`.
pub fn timeline(
    kept: &mut dyn KeptTables,
    times: Times,
    buckets: usize,
    is_problem: &dyn Fn(Class) -> bool,
) -> Result<Timeline, PastError> {
    let (step_us, parts) = parts(times, buckets);
    // What an earlier reading met is not of this one.
    drop(kept.damaged());
    let sampled = Sampled(periods(kept)?);
    let bucket = |&(from_us, to_us): &(i64, i64)| Bucket {
        from_us,
        to_us,
        sampled_us: sampled.within(from_us, to_us),
        open: None,
        problems: None,
        ended: None,
        failed: None,
    };
    let mut timeline =
        Timeline { step_us, buckets: parts.iter().map(bucket).collect(), is_cut: false };
    let mut fill = || -> Result<(), PastError> {
        let removed = Removed::read(kept)?;
        if step_us >= HOUR_US {
            fill_sums(kept, step_us, &mut timeline.buckets)?;
        }
        for bucket in timeline.buckets.iter_mut().rev().filter(|bucket| bucket.sampled_us > 0) {
            if step_us < HOUR_US {
                let within = Times { from_us: bucket.from_us, to_us: bucket.to_us - 1 };
                bucket.ended = count(kept, "closed", within, removed.closed)?;
                bucket.failed = count(kept, "failed", within, removed.failed)?;
            }
            let end_us = bucket.to_us.min(times.to_us);
            if sampled.has(end_us) && removed.samples.is_none_or(|until| until < end_us - STEP_US) {
                let is_new = !sampled.has(end_us - STEP_US);
                if let Some((open, problems)) = open_at(kept, end_us, is_new, is_problem)? {
                    (bucket.open, bucket.problems) = (Some(open), Some(problems));
                }
            }
        }
        Ok(())
    };
    match fill() {
        Ok(()) => {}
        Err(PastError::TooCostly) => timeline.is_cut = true,
        Err(error) => return Err(error),
    }
    Ok(timeline)
}

/// The times in which an agent sampled.
struct Sampled(Vec<Times>);

impl Sampled {
    /// How much of a time that is.
    fn within(&self, from_us: i64, to_us: i64) -> i64 {
        let part = |one: &Times| (one.to_us.min(to_us) - one.from_us.max(from_us)).max(0);
        self.0.iter().map(part).sum::<i64>().min(to_us - from_us)
    }

    /// Whether an agent sampled at a moment.
    fn has(&self, us: i64) -> bool {
        self.0.iter().any(|one| one.from_us <= us && us - WRITTEN_WITHIN_US <= one.to_us)
    }
}

/// Until when rows of the tables were removed.
struct Removed {
    samples: Option<i64>,
    closed: Option<i64>,
    failed: Option<i64>,
}

impl Removed {
    fn read(kept: &mut dyn KeptTables) -> Result<Self, PastError> {
        let mut until = |table| -> Result<Option<i64>, PastError> {
            Ok(removed_until(kept, table)?.map(|(until, _)| until))
        };
        Ok(Self { samples: until("samples")?, closed: until("closed")?, failed: until("failed")? })
    }
}

/// How many rows `table` has of a time; `None` if some were removed, or are damaged.
fn count(
    kept: &mut dyn KeptTables,
    table: &str,
    times: Times,
    removed: Option<i64>,
) -> Result<Option<u64>, PastError> {
    if removed.is_some_and(|until| until >= times.from_us) {
        return Ok(None);
    }
    let mut rows = 0;
    kept.rows(table, times, &mut |_| rows += 1)?;
    Ok(kept.damaged().is_empty().then_some(rows))
}

/// What ended and failed by the sums of hours or days, which stay longer than rows.
fn fill_sums(
    kept: &mut dyn KeptTables,
    step_us: i64,
    buckets: &mut [Bucket],
) -> Result<(), PastError> {
    let (Some(first), Some(last)) = (buckets.first(), buckets.last()) else { return Ok(()) };
    let table = if step_us >= DAY_US { "days" } else { "hours" };
    let removed = removed_until(kept, table)?.map(|(until, _)| until);
    let times = Times { from_us: first.from_us, to_us: last.to_us - 1 };
    let begin = times.from_us;
    for bucket in buckets.iter_mut().filter(|bucket| bucket.sampled_us > 0) {
        if removed.is_none_or(|until| until < bucket.from_us) {
            (bucket.ended, bucket.failed) = (Some(0), Some(0));
        }
    }
    kept.rows(table, times, &mut |row| {
        let at = whole(row, "start_us").map(|start| (start - begin).div_euclid(step_us));
        let bucket = at.and_then(|at| buckets.get_mut(usize::try_from(at).ok()?));
        let add = |to: &mut Option<u64>, name: &str| {
            let more = whole(row, name).and_then(|more| u64::try_from(more).ok()).unwrap_or(0);
            *to = Some(to.unwrap_or(0) + more);
        };
        if let Some(bucket) = bucket {
            add(&mut bucket.ended, "connections");
            add(&mut bucket.failed, "failed");
        }
    })?;
    for loss in kept.damaged() {
        let has_it = |bucket: &&mut Bucket| match loss.cause {
            LossCause::HistoryDamaged { from_us, to_us, .. } => {
                from_us < bucket.to_us && bucket.from_us < to_us
            }
            _ => true,
        };
        for bucket in buckets.iter_mut().filter(has_it) {
            (bucket.ended, bucket.failed) = (None, None);
        }
    }
    Ok(())
}

/// How many connections were open at a moment, and how many of them had a problem; `None` if none were kept yet, or rows of that time
/// are damaged.
fn open_at(
    kept: &mut dyn KeptTables,
    at_us: i64,
    is_new: bool,
    is_problem: &dyn Fn(Class) -> bool,
) -> Result<Option<(u64, u64)>, PastError> {
    let mut open: HashMap<Key, bool, foldhash::fast::RandomState> = HashMap::default();
    let before = Times { from_us: at_us - STEP_US, to_us: at_us };
    let mut rows = 0_u64;
    kept.rows("samples", before, &mut |row| {
        rows += 1;
        let is = |cell: Cell<'_>, name: &str| matches!(cell, Cell::Text(text) if text == name);
        if OPEN.iter().any(|state| is(row("state"), state.name())) {
            let class = Class::ALL.into_iter().find(|class| is(row("verdict"), class.name()));
            open.insert(key(row), class.is_some_and(is_problem));
        } else {
            open.remove(&key(row));
        }
    })?;
    let is_unknown = rows == 0 && is_new;
    kept.rows("closed", before, &mut |row| {
        open.remove(&key(row));
    })?;
    let is_whole = kept.damaged().is_empty();
    if is_unknown || !is_whole {
        return Ok(None);
    }
    let problems = open.values().filter(|is_problem| **is_problem).count();
    Ok(Some((open.len() as u64, problems as u64)))
}

#[cfg(test)]
mod tests {
    use conns_core::model::Protocol;
    use conns_fixtures::{connection, socket};

    use super::*;

    #[test]
    fn the_states_of_open_connections_are_those_of_the_list() {
        for state in State::ALL {
            let made = connection(socket(Protocol::Tcp, state, "10.0.0.1:1", Some("10.0.0.2:2")));
            assert_eq!(OPEN.contains(&state), made.is_open(), "{state:?}");
        }
    }

    #[test]
    fn parts_begin_at_multiples_of_their_length_and_cover_the_time() {
        for (length_s, buckets, step_s) in
            [(3600, 60, 60), (3600, 61, 60), (3600, 59, 120), (86_400, 24, 3600), (10, 1000, 1)]
        {
            let from_us = 1_790_000_000_123_456;
            let to_us = from_us + length_s * SECOND_US;
            let (step, parts) = parts(Times { from_us, to_us }, buckets);
            assert_eq!(step, step_s * SECOND_US, "{length_s} s in {buckets}");
            assert!(parts.len() <= buckets + 1, "{length_s} s in {buckets}: {}", parts.len());
            assert!(parts.iter().all(|(start, end)| start % step == 0 && end - start == step));
            assert!(parts[0].0 <= from_us && parts.last().unwrap().1 >= to_us);
        }
        let century = Times { from_us: 0, to_us: 100 * 365 * DAY_US };
        assert_eq!(parts(century, 100).0, 365 * DAY_US);
        assert!(parts(Times::ALL, 100).1.len() <= 102);
    }
}
