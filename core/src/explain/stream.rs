//! How a media stream goes, in words.

use crate::human::percent;
use crate::media::StreamState;
use crate::model::Class;

impl StreamState {
    /// One sentence with its numbers.
    #[must_use]
    pub fn why(self) -> String {
        match self {
            Self::Flowing => "The stream flows in real time.".into(),
            Self::Unknown => "Too few frames were seen to judge the stream.".into(),
            Self::Waiting => "The player waits: nothing is published under this name.".into(),
            Self::PublisherSlow { pace_percent, limit } => format!(
                "The publisher sends {} of real time: {}.",
                percent(pace_percent),
                reason(limit, "it produces less than real time")
            ),
            Self::StarvedByPublisher { pace_percent, limit } => format!(
                "The player is starved by its publisher, which sends {} of real time: {}.",
                percent(pace_percent),
                reason(limit, "it produces less than real time")
            ),
            Self::PathSlow { pace_percent, limit } => format!(
                "The player's own path is slow: it gets {} of real time, while the publisher sends all; {}.",
                percent(pace_percent),
                reason(limit, "its connection shows no limit")
            ),
        }
    }
}

/// The verdict of the connection as a reason.
fn reason(limit: Class, otherwise: &str) -> String {
    match limit {
        Class::Healthy | Class::Idle | Class::AppLimited | Class::Unknown => otherwise.to_owned(),
        limit => format!("its connection is {}", limit.name()),
    }
}
