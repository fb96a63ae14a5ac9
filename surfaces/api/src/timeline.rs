//! A time of the past in equal parts, as it is written.

use conns_history::{Bucket, Timeline};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far back from a moment of the past its events are searched, microseconds.
pub const EVENTS_REACH_US: i64 = 24 * 3_600_000_000;

/// A time of the past in equal parts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = Timeline)]
pub struct TimelineShape {
    /// The length of a part, microseconds.
    step_us: i64,
    /// The parts, oldest first.
    buckets: Vec<BucketShape>,
    /// Whether reading took too long: the oldest parts have less than is kept.
    is_cut: bool,
}

/// A part of a time.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[schema(as = TimelineBucket)]
pub struct BucketShape {
    /// Its first moment, microseconds since 1970-01-01 UTC.
    from_us: i64,
    /// The first moment after it.
    to_us: i64,
    /// How much of it an agent sampled, microseconds.
    sampled_us: i64,
    /// Connections that were open at its end; null if unknown.
    #[schema(required)]
    open: Option<u64>,
    /// How many of these had a verdict that is a problem; null if unknown.
    #[schema(required)]
    problems: Option<u64>,
    /// Connections that ended in it; null if unknown.
    #[schema(required)]
    ended: Option<u64>,
    /// Attempts to connect that failed in it; null if unknown.
    #[schema(required)]
    failed: Option<u64>,
}

impl From<&Timeline> for TimelineShape {
    fn from(line: &Timeline) -> Self {
        let bucket = |bucket: &Bucket| {
            let Bucket { from_us, to_us, sampled_us, open, problems, ended, failed } = *bucket;
            BucketShape { from_us, to_us, sampled_us, open, problems, ended, failed }
        };
        let buckets = line.buckets.iter().map(bucket).collect();
        Self { step_us: line.step_us, buckets, is_cut: line.is_cut }
    }
}

impl From<TimelineShape> for Timeline {
    fn from(shape: TimelineShape) -> Self {
        let bucket = |shape: BucketShape| {
            let BucketShape { from_us, to_us, sampled_us, open, problems, ended, failed } = shape;
            Bucket { from_us, to_us, sampled_us, open, problems, ended, failed }
        };
        let buckets = shape.buckets.into_iter().map(bucket).collect();
        Self { step_us: shape.step_us, buckets, is_cut: shape.is_cut }
    }
}
