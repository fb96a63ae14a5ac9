//! The remote agent.

use conns_api::{
    Agent, AgentError, Ask, Events, Pace, Start, Timeline, TimelineShape, Times, Updates,
};
use conns_core::model::Ability;

use crate::abilities;
use crate::error::RemoteError;
use crate::events::RemoteEvents;
use crate::media::Media;
use crate::session::{Session, SessionConfig};
use crate::target::Target;
use crate::timeouts::Timeouts;
use crate::updates::RemoteUpdates;

/// An agent elsewhere. Each channel has a connection of its own.
pub struct Remote {
    config: SessionConfig,
    /// The session that was opened first, until a channel takes it.
    session: Option<Session>,
}

impl Remote {
    /// Connects to an agent.
    ///
    /// # Errors
    /// [`RemoteError`] if `target` names no agent, or nothing answers there.
    pub fn connect(target: &Target) -> Result<Self, RemoteError> {
        Self::connect_within(target, Timeouts::default())
    }

    /// Connects to an agent with these timeouts.
    ///
    /// # Errors
    /// As [`Remote::connect`].
    pub fn connect_within(target: &Target, timeouts: Timeouts) -> Result<Self, RemoteError> {
        let config = SessionConfig::new(target, timeouts)?;
        let session = Some(Session::open(config.clone())?);
        Ok(Self { config, session })
    }

    /// The answer of the agent to one `select`, with at most `limit` rows, as JSON: `POST /api/v1/sql`.
    ///
    /// # Errors
    /// [`RemoteError`] if it refuses the query, or does not answer.
    pub fn sql(&mut self, query: &str, limit: usize) -> Result<Vec<u8>, RemoteError> {
        let mut session = self.session()?;
        let path = format!("/api/v1/sql?limit={limit}");
        let body = session.post(Media::SQL, &path, query.to_owned().into())?;
        self.session = Some(session);
        Ok(body)
    }

    fn session(&mut self) -> Result<Session, RemoteError> {
        match self.session.take() {
            Some(session) => Ok(session),
            None => Session::open(self.config.clone()),
        }
    }
}

impl Agent for Remote {
    /// The agent samples at its own interval, and its verdicts are about its own window.
    fn updates(&mut self, ask: &Ask, pace: Pace) -> Result<Box<dyn Updates>, AgentError> {
        let Pace { interval: _, span } = pace;
        Ok(Box::new(RemoteUpdates::new(self.session()?, ask.clone(), span)))
    }

    fn events(&mut self, ask: &Ask, start: Start) -> Result<Box<dyn Events>, AgentError> {
        Ok(Box::new(RemoteEvents::new(self.session()?, ask.clone(), start)))
    }

    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        let mut session = self.session()?;
        let abilities = abilities::fetch(&mut session)?;
        self.session = Some(session);
        Ok(abilities)
    }

    fn timeline(&mut self, times: Times, buckets: usize) -> Result<Timeline, AgentError> {
        let mut session = self.session()?;
        let (from, to) = (seconds(times.from_us), seconds(times.to_us));
        let path = format!("/api/v1/timeline?from={from}&to={to}&buckets={buckets}");
        let body = session.body(Media::SQL, &path)?;
        self.session = Some(session);
        let shape: TimelineShape = serde_json::from_slice(&body).map_err(|error| {
            AgentError::Unavailable(format!("cannot read the answer at /api/v1/timeline: {error}"))
        })?;
        Ok(shape.into())
    }
}

/// A time as the API reads it: seconds with decimals. Times before 1970 are not asked for.
fn seconds(us: i64) -> String {
    let us = us.max(0);
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}
