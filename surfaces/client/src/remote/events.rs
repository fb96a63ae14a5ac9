//! What happened there: the agent's events behind the last one that is known here, and what the agent
//! can do.

use std::time::Duration;

use conns_api::{Ask, EVENTS_PATH, EventBatch, EventMark, EventsQuestion, From, Happened};
use conns_core::model::{Ability, AbilityKind, Loss};
use http::StatusCode;
use serde_json::Value;

use super::{Remote, presentable, refusal};
use crate::carrier::Kind;
use crate::error::RemoteError;

/// Where an agent tells what it can do.
const HEALTH_PATH: &str = "/api/v1/health";

/// Most abilities that are read; an agent has about ten.
const ABILITIES_MAX: usize = 100;

/// Most answers that are asked for in one go: an agent that has ever more is left at that until the
/// next question.
const ANSWERS_IN_A_ROW: usize = 64;

/// How far events are known.
#[derive(Default)]
pub(super) struct Following {
    /// What was asked for, and the last event of it.
    behind: Option<(Ask, EventMark)>,
    /// What the agent had lost by then, since it started, by cause.
    counted: Vec<Loss>,
}

impl Following {
    /// What was lost since the answer before, if `counted` are the counts now. What was lost before
    /// the first was not lost to us.
    fn lost_since(&mut self, counted: Vec<Loss>, is_first: bool) -> Vec<Loss> {
        let before = std::mem::replace(&mut self.counted, counted);
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
        self.counted.iter().filter_map(since).collect()
    }
}

impl Remote {
    /// What happened behind what is known, or else from now on.
    pub(super) fn follow_on(
        &mut self,
        ask: &Ask,
        at_most: Duration,
    ) -> Result<EventBatch, RemoteError> {
        let behind = self.following.behind.as_ref().filter(|(known, _)| known == ask);
        let from = behind.map_or(From::Now, |(_, mark)| From::After(*mark));
        let Happened { events, mut losses, counted, .. } = self.ask_events(ask, from, at_most)?;
        losses.extend(self.following.lost_since(counted, from == From::Now));
        Ok(EventBatch { events, losses })
    }

    /// Everything that is kept.
    pub(super) fn follow_from_the_oldest(&mut self, ask: &Ask) -> Result<EventBatch, RemoteError> {
        self.following = Following::default();
        let mut all = EventBatch::default();
        let mut from = From::Kept;
        for _ in 0..ANSWERS_IN_A_ROW {
            let happened = self.ask_events(ask, from, Duration::ZERO)?;
            all.events.extend(happened.events);
            all.losses.extend(happened.losses);
            all.losses.extend(self.following.lost_since(happened.counted, false));
            from = From::After(happened.mark);
            if !happened.has_more {
                break;
            }
        }
        Ok(all)
    }

    /// Asks, and notes how far events are known then.
    fn ask_events(
        &mut self,
        ask: &Ask,
        from: From,
        wait: Duration,
    ) -> Result<Happened, RemoteError> {
        let question = EventsQuestion { ask: ask.clone(), from, wait };
        let path = format!("{EVENTS_PATH}?{}", question.to_query());
        let body = self.answer(Kind::EVENTS, &path)?;
        let happened = self.interned.decode_events(&body).map_err(|error| {
            RemoteError::Unreadable { agent: self.carrier.agent.clone(), error }
        })?;
        self.following.behind = Some((ask.clone(), happened.mark));
        Ok(happened)
    }

    /// What the agent says it can do; also one whose sources fail (503) says it.
    pub(super) fn ask_abilities(&mut self) -> Result<Vec<Ability>, RemoteError> {
        let reply = self.run(async |carrier| carrier.get(Kind::HEALTH, HEALTH_PATH).await)?;
        let is_health = matches!(reply.status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE);
        let shape: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let told = shape.as_ref().and_then(|shape| shape.get("abilities")?.as_array());
        match told.filter(|_| is_health) {
            Some(told) => Ok(told.iter().take(ABILITIES_MAX).filter_map(ability).collect()),
            None => {
                let (agent, shows_token) = (self.carrier.agent.clone(), self.carrier.shows_token());
                Err(refusal(agent, shows_token, HEALTH_PATH, &reply))
            }
        }
    }
}

/// One of the list.
fn ability(shape: &Value) -> Option<Ability> {
    let text = |key: &str| -> Option<Box<str>> {
        shape.get(key)?.as_str().map(|text| presentable(text).into())
    };
    let kind = AbilityKind::named(&text("name")?, &text("meaning")?);
    Some(Ability::tried(kind, text("missing")))
}
