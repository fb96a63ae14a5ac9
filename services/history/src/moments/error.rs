//! Why the past cannot be shown.

use std::fmt;

pub use conns_core::human::date;

use crate::table::Times;

/// Why the past cannot be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PastError {
    /// No agent sampled at any moment of the time.
    NotSampled {
        /// The time.
        asked: Times,
        /// The times in which an agent sampled, oldest first.
        periods: Vec<Times>,
    },
    /// What was open then was kept, and was removed.
    Removed {
        /// The moment.
        at_us: i64,
        /// The oldest time of which open connections are kept; `None` if none are.
        oldest_us: Option<i64>,
    },
    /// Reading it took too long.
    TooCostly,
    /// The history cannot be read.
    Read(String),
}

impl std::error::Error for PastError {}

impl From<String> for PastError {
    fn from(why: String) -> Self {
        Self::Read(why)
    }
}

impl fmt::Display for PastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSampled { asked, periods } => match nearest(*asked, periods) {
                Some(us) => {
                    let near = date(us);
                    write!(f, "no agent sampled then; the nearest time at which one did is {near}")
                }
                None => f.write_str("no agent has sampled yet"),
            },
            Self::Removed { at_us, oldest_us } => {
                let at = date(*at_us);
                write!(
                    f,
                    "what was open at {at} was removed, because newer rows needed the space"
                )?;
                match oldest_us {
                    Some(oldest) => write!(f, "; the oldest that is kept is of {}", date(*oldest)),
                    None => Ok(()),
                }
            }
            Self::TooCostly => f.write_str("reading it takes longer than a request may"),
            Self::Read(why) => f.write_str(why),
        }
    }
}

/// The moment nearest to a time at which an agent sampled.
fn nearest(asked: Times, periods: &[Times]) -> Option<i64> {
    let distance = |us: &i64| us.abs_diff(asked.from_us).min(us.abs_diff(asked.to_us));
    periods.iter().flat_map(|period| [period.from_us, period.to_us]).min_by_key(distance)
}
