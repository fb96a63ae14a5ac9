//! The channel of updates: the state is fetched whole, then the changes are applied to it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_api::{
    AgentError, Ask, Decoder, ResumeId, SNAPSHOT_PATH, UpdateQuery, Updates, observed,
};
use conns_core::model::Update;

use crate::error::RemoteError;
use crate::media::Media;
use crate::session::Session;

/// The whole state is fetched at this interval. Changes are about what a reader sees change; other
/// values (a timer, the evidence of a verdict that stays the same) are fetched with everything.
const WHOLE_INTERVAL: Duration = Duration::from_secs(30);

/// Beyond the span, the agent has this long to observe it: it samples once in its interval, which
/// may be long.
const SPAN_GRACE: Duration = Duration::from_secs(120);

/// Updates of a remote agent, at its own interval.
pub(crate) struct RemoteUpdates {
    session: Session,
    ask: Ask,
    /// How long the machine must be observed, and until when that is waited for; `None` once it is.
    span: Option<(Duration, Instant)>,
    decoder: Decoder,
    latest: Option<Latest>,
}

struct Latest {
    id: ResumeId,
    update: Arc<Update>,
    /// When the whole state was fetched.
    whole_at: Instant,
}

impl RemoteUpdates {
    pub(crate) fn new(session: Session, ask: Ask, span: Duration) -> Self {
        let span = (!span.is_zero()).then(|| (span, Instant::now() + span + SPAN_GRACE));
        Self { session, ask, span, decoder: Decoder::default(), latest: None }
    }

    /// Asks for an update, and applies it. The agent waits for one that is newer than the latest.
    fn fetch(&mut self) -> Result<Arc<Update>, RemoteError> {
        // Taken out: after an error nothing is left, and the whole state is asked for.
        let latest = self.latest.take().filter(|latest| latest.whole_at.elapsed() < WHOLE_INTERVAL);
        let after = latest.as_ref().map(|latest| latest.id);
        let query = UpdateQuery { ask: self.ask.clone(), after, ..UpdateQuery::default() };
        let path = format!("{SNAPSHOT_PATH}?{}", query.to_query());
        let body = self.session.body(Media::UPDATE, &path)?;
        let agent = || self.session.agent();
        let unreadable = |error| RemoteError::Unreadable { agent: agent(), error };
        let delta = self.decoder.decode_update(&body).map_err(unreadable)?;
        let id = delta.id;
        let (before, whole_at) = match latest {
            Some(latest) if delta.since.is_some() => (Some(latest.update), latest.whole_at),
            _ => (None, Instant::now()),
        };
        let update = Arc::new(delta.apply(before).map_err(unreadable)?);
        self.latest = Some(Latest { id, update: Arc::clone(&update), whole_at });
        Ok(update)
    }
}

impl Updates for RemoteUpdates {
    /// Waits as long as the agent does, whatever `at_most` is.
    fn next(&mut self, _at_most: Duration) -> Result<Option<Arc<Update>>, AgentError> {
        loop {
            let update = self.fetch()?;
            match self.span {
                Some((span, end)) if observed(&update) < span && Instant::now() < end => {}
                _ => {
                    self.span = None;
                    return Ok(Some(update));
                }
            }
        }
    }
}
