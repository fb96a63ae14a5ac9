//! A connection to an agent with the runtime that drives it: one for each channel.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use rustls::ClientConfig;
use tokio::runtime::{Builder, Runtime};

use crate::connection::{AgentConnection, Reply};
use crate::error::RemoteError;
use crate::media::Media;
use crate::refusal::refusal;
use crate::target::{Address, Target, bearer};
use crate::timeouts::Timeouts;
use crate::tls;

/// Everything that is needed to open a session.
#[derive(Clone)]
pub(crate) struct SessionConfig {
    address: Address,
    token: Option<HeaderValue>,
    tls: Option<Arc<ClientConfig>>,
    timeouts: Timeouts,
}

impl SessionConfig {
    pub(crate) fn new(target: &Target, timeouts: Timeouts) -> Result<Self, RemoteError> {
        let address = Address::parse(&target.url)?;
        let token = target.token.as_deref().map(bearer).transpose()?;
        let tls = match &address {
            Address::Host { tls: true, .. } => {
                Some(tls::config(&address.to_string(), target.ca.as_deref())?)
            }
            _ => None,
        };
        Ok(Self { address, token, tls, timeouts })
    }
}

/// One session.
pub(crate) struct Session {
    /// `Some` until it is dropped.
    runtime: Option<Runtime>,
    connection: AgentConnection,
}

impl Session {
    /// Opens the connection.
    pub(crate) fn open(config: SessionConfig) -> Result<Self, RemoteError> {
        let SessionConfig { address, token, tls, timeouts } = config;
        let runtime = Builder::new_current_thread().enable_io().enable_time().build();
        let mut session = Self {
            runtime: Some(runtime.map_err(RemoteError::NoRuntime)?),
            connection: AgentConnection::new(address, token, tls, timeouts),
        };
        session.run(async |connection| connection.connect().await)?;
        Ok(session)
    }

    /// The agent, as messages name it.
    pub(crate) fn agent(&self) -> String {
        self.connection.agent.clone()
    }

    /// The answer at `path`, of whatever status.
    pub(crate) fn reply(&mut self, media: Media, path: &str) -> Result<Reply, RemoteError> {
        self.run(async |connection| connection.request(media, path, None).await)
    }

    /// The body of the answer to `body` at `path`, which must be of this kind.
    pub(crate) fn post(
        &mut self,
        media: Media,
        path: &str,
        body: Bytes,
    ) -> Result<Vec<u8>, RemoteError> {
        let reply =
            self.run(async |connection| connection.request(media, path, Some(&body)).await)?;
        self.expected(media, path, reply)
    }

    /// The body of the answer at `path`, which must be of this kind.
    pub(crate) fn body(&mut self, media: Media, path: &str) -> Result<Vec<u8>, RemoteError> {
        let reply = self.reply(media, path)?;
        self.expected(media, path, reply)
    }

    fn expected(&self, media: Media, path: &str, reply: Reply) -> Result<Vec<u8>, RemoteError> {
        if reply.status != StatusCode::OK || reply.media_type != media.media_type {
            return Err(self.refusal(path, &reply));
        }
        Ok(reply.body)
    }

    /// The error that `reply` means.
    pub(crate) fn refusal(&self, path: &str, reply: &Reply) -> RemoteError {
        let place = path.split('?').next().unwrap_or(path);
        refusal(self.agent(), self.connection.sends_token(), place, reply)
    }

    fn run<T>(
        &mut self,
        work: impl AsyncFnOnce(&mut AgentConnection) -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work(&mut self.connection)),
            None => Err(RemoteError::NoRuntime(std::io::ErrorKind::NotConnected.into())),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A resolver that does not answer is not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
