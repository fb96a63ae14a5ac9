//! The channel of events: those behind the last one that was received.

use std::time::Duration;

use conns_api::{
    AgentError, Ask, Decoder, EVENTS_PATH, EventBatch, Events, EventsAnswer, EventsFrom,
    EventsQuery, Start,
};
use conns_core::model::Loss;

use crate::error::RemoteError;
use crate::media::Media;
use crate::session::Session;

/// Events of a remote agent.
pub(crate) struct RemoteEvents {
    session: Session,
    ask: Ask,
    from: EventsFrom,
    decoder: Decoder,
    /// What the agent had lost since it started when it answered last, by cause.
    loss_totals: Vec<Loss>,
}

impl RemoteEvents {
    pub(crate) fn new(session: Session, ask: Ask, start: Start) -> Self {
        let from = match start {
            Start::Now => EventsFrom::Now,
            Start::Oldest => EventsFrom::Oldest,
        };
        Self { session, ask, from, decoder: Decoder::default(), loss_totals: Vec::new() }
    }

    fn fetch(&mut self, wait: Duration) -> Result<EventBatch, RemoteError> {
        let (ask, from) = (self.ask.clone(), self.from);
        let query = EventsQuery { ask, from, wait, ..EventsQuery::default() };
        let path = format!("{EVENTS_PATH}?{}", query.to_query());
        let body = self.session.body(Media::EVENTS, &path)?;
        let answer = self
            .decoder
            .decode_events(&body)
            .map_err(|error| RemoteError::Unreadable { agent: self.session.agent(), error })?;
        let EventsAnswer { id, has_more, events, mut losses, loss_totals } = answer;
        // What was lost before the first answer was not lost to this reader.
        let is_first = from == EventsFrom::Now;
        losses.extend(self.lost_since(loss_totals, is_first));
        self.from = EventsFrom::After(id);
        Ok(EventBatch { events, losses, has_more, is_last: false })
    }

    /// What was lost since the answer before, if `totals` are the totals now.
    fn lost_since(&mut self, totals: Vec<Loss>, is_first: bool) -> Vec<Loss> {
        let before = std::mem::replace(&mut self.loss_totals, totals);
        if is_first {
            return Vec::new();
        }
        let since = |loss: &Loss| {
            let earlier = before.iter().find(|known| known.is_same_cause(loss));
            let known = earlier.map_or(0, |known| known.count);
            // After a restart the agent counts from 0 again.
            let count = loss.count.checked_sub(known).unwrap_or(loss.count);
            Loss::counted(loss.source, loss.cause.clone(), count)
        };
        self.loss_totals.iter().filter_map(since).collect()
    }
}

impl Events for RemoteEvents {
    /// The agent buffers events for a while; what it has not buffered any more is a loss.
    fn next(&mut self, at_most: Duration) -> Result<EventBatch, AgentError> {
        Ok(self.fetch(at_most)?)
    }
}
