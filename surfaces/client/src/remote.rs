//! The `Agent`: questions in, snapshots out, with what is already here kept up by changes. Not events:
//! those are in `remote/events.rs`.

mod events;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_api::{
    Agent, AgentError, Ask, EventBatch, Interned, Mark, Question, SNAPSHOT_PATH, SnapshotDelta,
};
use conns_core::model::{Ability, Snapshot};
use http::StatusCode;
use tokio::runtime::{Builder, Runtime};

use crate::carrier::{Carrier, Kind, Reply};
use crate::error::RemoteError;
use crate::target::{Address, Target, bearer};
use crate::tls;
use events::Following;

/// Changes tell what a reader sees change. What moves beside that (a timer, the evidence of a
/// verdict that stays the same) is fetched anew with everything so often.
const WHOLE_EVERY: Duration = Duration::from_secs(30);

/// Beyond the span that is to be watched, an agent may take so long to get there: it looks once in
/// its interval, which may be long.
const SPAN_GRACE: Duration = Duration::from_secs(120);

/// Longest message of an agent that is repeated, characters.
const MESSAGE_CHARACTERS: usize = 400;

/// How long to wait for an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For the name to resolve, the connection to be taken, and TLS.
    pub connect: Duration,
    /// For an answer, to its last byte; the agent itself waits up to 20 s for news.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(60) }
    }
}

/// An agent elsewhere.
pub struct Remote {
    /// There until it is dropped.
    runtime: Option<Runtime>,
    carrier: Carrier,
    interned: Interned,
    known: Option<Known>,
    following: Following,
}

/// The state that is here.
struct Known {
    ask: Ask,
    mark: Mark,
    snapshot: Arc<Snapshot>,
    /// When it was last fetched whole.
    whole_at: Instant,
}

impl Remote {
    /// Connects to an agent.
    ///
    /// # Errors
    /// [`RemoteError`] if `target` names no agent, or nobody answers there.
    pub fn connect(target: &Target) -> Result<Self, RemoteError> {
        Self::connect_within(target, Patience::default())
    }

    /// Connects to an agent, waiting for it as long as `patience` says.
    ///
    /// # Errors
    /// As [`Remote::connect`].
    pub fn connect_within(target: &Target, patience: Patience) -> Result<Self, RemoteError> {
        let address = Address::parse(&target.url)?;
        let token = target.token.as_deref().map(bearer).transpose()?;
        let tls = match &address {
            Address::Host { tls: true, .. } => {
                Some(tls::config(&address.to_string(), target.ca.as_deref())?)
            }
            _ => None,
        };
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let mut remote = Self {
            runtime: Some(runtime.map_err(RemoteError::NoMeans)?),
            carrier: Carrier::new(address, token, tls, patience),
            interned: Interned::default(),
            known: None,
            following: Following::default(),
        };
        remote.run(async |carrier| carrier.connect().await)?;
        Ok(remote)
    }

    fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut Carrier) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work(&mut self.carrier)),
            None => Err(RemoteError::NoMeans(std::io::ErrorKind::NotConnected.into())),
        }
    }

    /// What is answered at `path`, which must be of this kind.
    fn answer(&mut self, kind: Kind, path: &str) -> Result<Vec<u8>, RemoteError> {
        let reply = self.run(async |carrier| carrier.get(kind, path).await)?;
        if reply.status != StatusCode::OK || reply.media_type != kind.media_type {
            let place = path.split('?').next().unwrap_or(path);
            let (agent, shows_token) = (self.carrier.agent.clone(), self.carrier.shows_token());
            return Err(refusal(agent, shows_token, place, &reply));
        }
        Ok(reply.body)
    }

    /// Asks, and brings what is known up to the answer. Also tells how long the agent has watched.
    fn update(
        &mut self,
        ask: &Ask,
        span: Duration,
    ) -> Result<(Arc<Snapshot>, Duration), RemoteError> {
        // Taken out: after an error nothing is known, and the next question is for everything.
        let known = self.known.take().filter(|known| {
            known.ask == *ask && span.is_zero() && known.whole_at.elapsed() < WHOLE_EVERY
        });
        let after = known.as_ref().map(|known| known.mark);
        let question = Question { ask: ask.clone(), after, span };
        let path = format!("{SNAPSHOT_PATH}?{}", question.to_query());
        let body = self.answer(Kind::SNAPSHOT, &path)?;
        let agent = || self.carrier.agent.clone();
        let unreadable = |error| RemoteError::Unreadable { agent: agent(), error };
        let update = self.interned.decode(&body).map_err(unreadable)?;
        let SnapshotDelta { mark, since, watched, .. } = update;
        let (before, whole_at) = match known {
            Some(known) if since.is_some() => {
                // Changes are of the agent that was asked, or they are of nothing.
                let is_same = known.mark.instance == mark.instance;
                (is_same.then_some(known.snapshot), known.whole_at)
            }
            _ => (None, Instant::now()),
        };
        let snapshot = Arc::new(update.onto(before).map_err(unreadable)?);
        let now = Arc::clone(&snapshot);
        self.known = Some(Known { ask: ask.clone(), mark, snapshot, whole_at });
        Ok((now, watched))
    }
}

impl Agent for Remote {
    /// The agent's latest look. After the first, waits for one that is newer.
    fn look(&mut self, ask: &Ask) -> Result<Arc<Snapshot>, AgentError> {
        Ok(self.update(ask, Duration::ZERO)?.0)
    }

    /// The agent has been watching all along: this waits only if it has not done so for `span`.
    /// How often it looks is its own business, and its verdicts are about its own window.
    fn watch(
        &mut self,
        ask: &Ask,
        span: Duration,
        _every: Duration,
    ) -> Result<Arc<Snapshot>, AgentError> {
        let start = Instant::now();
        loop {
            let (snapshot, watched) = self.update(ask, span)?;
            // The agent waits, but not for longer than it lets anybody wait.
            if watched >= span || start.elapsed() > span + SPAN_GRACE {
                return Ok(snapshot);
            }
        }
    }

    /// The agent keeps what happens for a while; what it does not keep any more when it is asked is
    /// a loss.
    fn follow(&mut self, ask: &Ask, at_most: Duration) -> Result<EventBatch, AgentError> {
        Ok(self.follow_on(ask, at_most)?)
    }

    fn recall(&mut self, ask: &Ask) -> Result<EventBatch, AgentError> {
        Ok(self.follow_from_the_oldest(ask)?)
    }

    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        Ok(self.ask_abilities()?)
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // A resolver that does not answer is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What an answer that is none means.
fn refusal(agent: String, shows_token: bool, place: &str, reply: &Reply) -> RemoteError {
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
        let reason = format!("it sends elsewhere ({status}), which is not followed");
        return not_an_agent(reason);
    }
    let said = message.map(|message| format!(". It says: {message}")).unwrap_or_default();
    let reason = match status {
        StatusCode::UNAUTHORIZED if shows_token => format!("it does not know this token{said}"),
        StatusCode::UNAUTHORIZED => format!(
            "it wants a token. Name the file that holds it with --token-file, or set \
             CONNS_TOKEN{said}"
        ),
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => format!(
            "it is not known by that name there. Use an address of that machine, or add the name to \
             the agent's hosts{said}"
        ),
        StatusCode::NOT_FOUND if shape.is_none() => {
            return not_an_agent(format!("there is nothing at {place}"));
        }
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
            format!("it does not understand this conns; use the same release{said}")
        }
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            format!("it is busy; try again in a moment{said}")
        }
        _ => format!("its log may say why{said}"),
    };
    RemoteError::Refused { agent, status: status.as_u16(), reason }
}

/// Words of another machine, without control characters, and cut.
fn presentable(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(MESSAGE_CHARACTERS).collect()
}
