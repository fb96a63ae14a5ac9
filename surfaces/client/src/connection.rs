//! One HTTP connection to an agent, opened again when it was closed.
//!
//! It follows no redirects and uses no proxies, cookies or pool: a request goes to the agent that was
//! named or nowhere, and each wait has an end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::error::RemoteError;
use crate::media::Media;
use crate::target::Address;
use crate::timeouts::Timeouts;

/// The `User-Agent` header.
const USER_AGENT: &str = concat!("conns/", env!("CARGO_PKG_VERSION"));

/// Most of a refusal that is read, bytes; the agent's own are shorter.
const MAX_REFUSAL_BYTES: usize = 16 * 1024;

type Sender = SendRequest<Full<Bytes>>;

/// A connection to an agent.
pub(crate) struct AgentConnection {
    address: Address,
    /// The agent, as messages name it.
    pub(crate) agent: String,
    token: Option<HeaderValue>,
    tls: Option<Arc<ClientConfig>>,
    timeouts: Timeouts,
    sender: Option<Sender>,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// The media type, without parameters.
    pub(crate) media_type: String,
    pub(crate) body: Vec<u8>,
}

impl AgentConnection {
    pub(crate) fn new(
        address: Address,
        token: Option<HeaderValue>,
        tls: Option<Arc<ClientConfig>>,
        timeouts: Timeouts,
    ) -> Self {
        let agent = address.to_string();
        Self { address, agent, token, tls, timeouts, sender: None }
    }

    /// Whether a token is sent to the agent.
    pub(crate) fn sends_token(&self) -> bool {
        self.token.is_some()
    }

    /// Opens the connection, so that a wrong address is found before the first request.
    pub(crate) async fn connect(&mut self) -> Result<(), RemoteError> {
        let limit = self.timeouts.connect;
        let opened = timeout(limit, self.open()).await;
        self.sender = Some(opened.map_err(|_| self.too_slow("accept the connection", limit))??);
        Ok(())
    }

    /// Requests `path`; with a `body` it is sent there (POST).
    pub(crate) async fn request(
        &mut self,
        media: Media,
        path: &str,
        body: Option<&Bytes>,
    ) -> Result<Reply, RemoteError> {
        // An agent closes idle connections, which shows only at the next request. That one is sent
        // once more.
        if let Some(sender) = self.sender.take().filter(|sender| !sender.is_closed())
            && let Ok(reply) = self.send(sender, media, path, body).await?
        {
            return Ok(reply);
        }
        self.connect().await?;
        let Some(sender) = self.sender.take() else {
            return Err(self.broken_off("there is no connection"));
        };
        self.send(sender, media, path, body).await?.map_err(|error| self.not_answered(&error))
    }

    /// The inner error is that of a connection that was closed before an answer began.
    async fn send(
        &mut self,
        mut sender: Sender,
        media: Media,
        path: &str,
        body: Option<&Bytes>,
    ) -> Result<Result<Reply, hyper::Error>, RemoteError> {
        let limit = self.timeouts.answer;
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.authority())
            .header(header::USER_AGENT, USER_AGENT)
            .header(header::ACCEPT, media.media_type);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.clone());
        }
        let request = request
            .body(Full::new(body.cloned().unwrap_or_default()))
            .map_err(|error| self.broken_off(&format!("the request cannot be made: {error}")))?;
        let exchange = async {
            match sender.send_request(request).await {
                Ok(response) => self.read(response, media).await.map(Ok),
                Err(error) => Ok(Err(error)),
            }
        };
        let reply = timeout(limit, exchange).await;
        let reply = reply.map_err(|_| self.too_slow("answer", limit))??;
        // The rest of a refusal may be unread: the next request is sent on a new connection.
        if reply.as_ref().is_ok_and(|reply| reply.status == StatusCode::OK) {
            self.sender = Some(sender);
        }
        Ok(reply)
    }

    async fn read(&self, response: Response<Incoming>, media: Media) -> Result<Reply, RemoteError> {
        let status = response.status();
        let media_type = response.headers().get(header::CONTENT_TYPE);
        let media_type = media_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let media_type = media_type.to_ascii_lowercase();
        let is_answer = status == StatusCode::OK && media_type == media.media_type;
        let max_bytes = if is_answer { media.max_bytes } else { MAX_REFUSAL_BYTES };
        let mut body = response.into_body();
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if is_answer && announced > max_bytes {
            return Err(self.too_long(max_bytes));
        }
        // It is announced, but has not arrived yet.
        let mut bytes = Vec::with_capacity(announced.min(1024 * 1024));
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.not_answered(&error))?;
            let Ok(data) = frame.into_data() else { continue };
            let room = max_bytes - bytes.len();
            if data.len() <= room {
                bytes.extend_from_slice(&data);
            } else if is_answer {
                return Err(self.too_long(max_bytes));
            } else {
                bytes.extend_from_slice(data.get(..room).unwrap_or_default());
                break;
            }
        }
        Ok(Reply { status, media_type, body: bytes })
    }

    async fn open(&self) -> Result<Sender, RemoteError> {
        match &self.address {
            Address::Host { host, port, tls: _ } => {
                let stream = self.connect_to(host, *port).await?;
                // Requests are small and are sent at once.
                let _ = stream.set_nodelay(true);
                let Some(tls) = &self.tls else { return self.handshake(stream).await };
                let name =
                    ServerName::try_from(host.clone()).map_err(|_| RemoteError::Address {
                        address: self.agent.clone(),
                        reason: "its host is no name a certificate could be for",
                    })?;
                let secured = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
                let stream =
                    secured.map_err(|error| crate::tls::handshake_failed(&self.agent, error))?;
                self.handshake(stream).await
            }
            #[cfg(unix)]
            Address::File(path) => {
                let stream = tokio::net::UnixStream::connect(path).await;
                self.handshake(stream.map_err(|cause| self.unreachable(cause))?).await
            }
            #[cfg(not(unix))]
            Address::File(_) => Err(self.unreachable(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Tries the addresses of `host` in turn, each for its share of the time.
    async fn connect_to(&self, host: &str, port: u16) -> Result<TcpStream, RemoteError> {
        let start = Instant::now();
        let found = tokio::net::lookup_host((host, port)).await;
        let addresses: Vec<SocketAddr> = found.map_err(|cause| self.unknown(cause))?.collect();
        if addresses.is_empty() {
            return Err(self.unknown(io::ErrorKind::NotFound.into()));
        }
        let mut last = None;
        for (i, address) in addresses.iter().enumerate() {
            if self.token.is_some() && self.tls.is_none() && !is_loopback(*address) {
                return Err(RemoteError::TokenInClear { agent: self.agent.clone() });
            }
            let left = self.timeouts.connect.saturating_sub(start.elapsed());
            let share = left / u32::try_from(addresses.len() - i).unwrap_or(u32::MAX);
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(cause)) => last = Some(self.unreachable(cause)),
                Err(_) => {
                    last = Some(self.too_slow("accept the connection", self.timeouts.connect));
                }
            }
        }
        Err(last.unwrap_or_else(|| self.unreachable(io::ErrorKind::NotFound.into())))
    }

    async fn handshake<S>(&self, stream: S) -> Result<Sender, RemoteError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(|error| self.not_answered(&error))?;
        // It is driven while a request waits; its error is that of the request.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn unknown(&self, cause: io::Error) -> RemoteError {
        let remedy = "Is the name right, and does it resolve?";
        RemoteError::Unreachable { agent: self.agent.clone(), cause, remedy }
    }

    fn unreachable(&self, cause: io::Error) -> RemoteError {
        let remedy = match cause.kind() {
            io::ErrorKind::PermissionDenied => {
                "May this user open the socket? Its group can (mode 0660)"
            }
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                "Is it running? Start it there with `conns serve`"
            }
            _ => "Is it running there (`conns serve`), and does a firewall let you through?",
        };
        RemoteError::Unreachable { agent: self.agent.clone(), cause, remedy }
    }

    fn too_slow(&self, what: &'static str, limit: Duration) -> RemoteError {
        RemoteError::TooSlow { agent: self.agent.clone(), what, limit }
    }

    fn too_long(&self, bound: usize) -> RemoteError {
        let (subject, count) = ("bytes", bound.saturating_add(1));
        let error = conns_api::WireError::TooMany { subject, count, bound };
        RemoteError::Unreadable { agent: self.agent.clone(), error }
    }

    fn broken_off(&self, reason: &str) -> RemoteError {
        let (agent, reason) = (self.agent.clone(), reason.to_owned());
        RemoteError::BrokenOff { agent, reason, remedy: "Its log may have the reason" }
    }

    fn not_answered(&self, error: &hyper::Error) -> RemoteError {
        let mut reason = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            reason = error.to_string();
            cause = error.source();
        }
        // A server that sends before the request is no HTTP server; hyper has only a text for this.
        if error.is_parse() || reason.contains("unexpected message") {
            let reason = match self.tls {
                Some(_) => "what it sends is not HTTP",
                None => "what it sends is not HTTP; if it serves TLS, use https://",
            };
            let (agent, reason) = (self.agent.clone(), reason.to_owned());
            return RemoteError::NotAnAgent { agent, reason };
        }
        self.broken_off(&reason)
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
