//! Why an agent refuses, in words that name the remedy.

use http::StatusCode;

use crate::connection::Reply;
use crate::error::RemoteError;

/// Longest message of an agent that is repeated, characters.
const MAX_MESSAGE_CHARACTERS: usize = 400;

/// The error that a refusal, or an answer of another kind, means.
pub(crate) fn refusal(agent: String, sends_token: bool, place: &str, reply: &Reply) -> RemoteError {
    let shape: Option<serde_json::Value> = serde_json::from_slice(&reply.body).ok();
    let of = |key: &str| shape.as_ref()?.get("error")?.get(key)?.as_str().map(presentable);
    let (code, message) = (of("code").unwrap_or_default(), of("message"));
    let status = reply.status;
    if status == StatusCode::NOT_FOUND && code == "no-such-namespace" {
        return RemoteError::NotThere(message.unwrap_or_default());
    }
    let not_an_agent = |reason: String| RemoteError::NotAnAgent { agent: agent.clone(), reason };
    if status == StatusCode::OK {
        let media_type = presentable(&reply.media_type);
        return not_an_agent(format!("it answers with `{media_type}` at {place}"));
    }
    if status.is_redirection() {
        let reason = format!("it redirects ({status}), which is not followed");
        return not_an_agent(reason);
    }
    let message = message.map(|message| format!(". Its message: {message}")).unwrap_or_default();
    let reason = match status {
        StatusCode::UNAUTHORIZED if sends_token => {
            format!("it does not accept this token{message}")
        }
        StatusCode::UNAUTHORIZED => format!(
            "it requires a token. Name the file that has it with --token-file, or set \
             CONNS_TOKEN{message}"
        ),
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => format!(
            "it is not known by that name there. Use an address of that machine, or add the name to \
             the agent's hosts{message}"
        ),
        StatusCode::NOT_FOUND if shape.is_none() => {
            return not_an_agent(format!("there is nothing at {place}"));
        }
        StatusCode::NOT_ACCEPTABLE if code == "no-common-version" => {
            format!("it and this conns have no version of the format in common{message}")
        }
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
            format!("it does not understand this conns; upgrade the older of the two{message}")
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            format!("it is busy; try again in a moment{message}")
        }
        _ => format!("its log may have the reason{message}"),
    };
    RemoteError::Refused { agent, status: status.as_u16(), reason }
}

/// Text of another machine, without control characters, and cut.
pub(crate) fn presentable(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MAX_MESSAGE_CHARACTERS).collect()
}
