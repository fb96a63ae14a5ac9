//! The abilities of a remote agent, from its health.

use conns_core::model::{Ability, AbilityKind};
use http::StatusCode;
use serde_json::Value;

use crate::error::RemoteError;
use crate::media::Media;
use crate::refusal::presentable;
use crate::session::Session;

/// Where an agent answers with its health.
const HEALTH_PATH: &str = "/api/v1/health";

/// Most abilities that are read; an agent has about ten.
const MAX_ABILITIES: usize = 100;

/// The abilities; also of an agent whose sources fail (503).
pub(crate) fn fetch(session: &mut Session) -> Result<Vec<Ability>, RemoteError> {
    let reply = session.reply(Media::HEALTH, HEALTH_PATH)?;
    let is_health = matches!(reply.status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE);
    let shape: Option<Value> = serde_json::from_slice(&reply.body).ok();
    let listed = shape.as_ref().and_then(|shape| shape.get("abilities")?.as_array());
    match listed.filter(|_| is_health) {
        Some(listed) => Ok(listed.iter().take(MAX_ABILITIES).filter_map(ability).collect()),
        None => Err(session.refusal(HEALTH_PATH, &reply)),
    }
}

fn ability(shape: &Value) -> Option<Ability> {
    let text = |key: &str| -> Option<Box<str>> {
        shape.get(key)?.as_str().map(|text| presentable(text).into())
    };
    let kind = AbilityKind::named(&text("name")?, &text("meaning")?);
    Some(Ability::tried(kind, text("missing")))
}
