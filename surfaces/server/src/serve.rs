//! Listening, accepting and shutdown.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use conns_api::{EventReceiver, UpdateReceiver};
use conns_core::model::Update;
use conns_dialects::{HttpDialect, LineDialect};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::about::About;
use crate::access::AccessConfig;
use crate::blocking::{BlockingPool, Work};
use crate::caches::ResponseCaches;
use crate::client_socket::ClientSocket;
use crate::connection_table::{ClientSlot, ConnectionTable, Phase, SlotGuard};
use crate::context::{LineService, LineServices, Port, ServerContext};
use crate::dialect_runner::DialectRunner;
use crate::http_client::HttpClient;
use crate::http_connection;
use crate::in_flight::InFlightBytes;
use crate::limits::Limits;
use crate::line_connection::{self, LineClient};
use crate::listen::{Listener, Socket};
use crate::listen_spec::Protocol;
use crate::native;
use crate::refusals::Refused;
use crate::request_guard::Ingress;
use crate::routing::{self, HttpService, HttpServices};
use crate::stream_slots::StreamSlots;
use crate::unix_socket::{UnixListener, UnixStream};

/// Pause after an error of accept that persists, such as running out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The sweeper runs this many times within the shortest time limit, within these bounds.
const SWEEPS_PER_LIMIT: u32 = 4;
const MIN_SWEEP_INTERVAL: Duration = Duration::from_millis(10);
const MAX_SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// For connections to end after they were asked to close.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// The dialects to serve.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "dialects are functions")]
pub struct Dialects {
    /// 1E's calls.
    pub one_e: Arc<dyn HttpDialect>,
    /// A Monero node.
    pub monero: Arc<dyn HttpDialect>,
    /// EMS over HTTP.
    pub ems_http: Arc<dyn HttpDialect>,
    /// EMS in JSON lines.
    pub ems_json: Arc<dyn LineDialect>,
    /// EMS in text lines.
    pub ems_ascii: Arc<dyn LineDialect>,
    /// JetStream over HTTP, for requests without a token.
    pub jetstream_http: Arc<dyn HttpDialect>,
    /// JetStream over HTTP below the agent's own API, for requests with a configured token.
    pub jetstream_http_with_token: Arc<dyn HttpDialect>,
    /// JetStream in lines.
    pub jetstream_lines: Arc<dyn LineDialect>,
}

/// What to serve, on which listeners, under which access configuration.
#[expect(missing_debug_implementations, reason = "dialects are functions")]
pub struct Plan {
    /// The open listeners.
    pub listeners: Vec<Listener>,
    /// The access configuration; may be replaced while serving.
    pub access: Arc<AccessConfig>,
    /// The dialects.
    pub dialects: Dialects,
    /// The agent's description of itself.
    pub about: About,
}

/// Why serving does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An open listener cannot be registered with the runtime.
    #[error("cannot serve on {protocol}: {error}")]
    Adopt {
        /// Its protocol.
        protocol: Protocol,
        /// The system's error.
        error: io::Error,
    },
    /// TLS without a certificate.
    #[error(
        "cannot serve {protocol} over TLS: there is no certificate; configure one with its key"
    )]
    NoCertificate {
        /// Its protocol.
        protocol: Protocol,
    },
}

/// Serves until `stop` resolves; then requests in progress have [`Limits::stop_time`] to end.
///
/// # Errors
/// If a listener cannot be served at all. An error of one client ends that client only.
pub async fn serve(
    plan: Plan,
    (updates, events): (UpdateReceiver, EventReceiver),
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Plan { listeners, access, dialects, about } = plan;
    let stopping = CancellationToken::new();
    // Also if this future is dropped.
    let _stop_on_drop = stopping.clone().drop_guard();
    let pool = Arc::new(BlockingPool::default());
    let counts = Arc::new(native::EventCounts::default());
    let caches = Arc::new(ResponseCaches::new(updates.clone(), events.clone()));
    let context = context(access, &dialects, about, caches, &pool, &counts, &stopping);
    let mut background = JoinSet::new();
    let mut files = Vec::new();
    let mut accepting = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let Listener { protocol, socket, tls, guarded, file } = listener;
        if tls && context.access.current().tls.is_none() {
            return Err(ServeError::NoCertificate { protocol });
        }
        let open = Open::adopt(socket).map_err(|error| ServeError::Adopt { protocol, error })?;
        files.push(file);
        accepting.push((open, Port { index, protocol, tls, guarded }));
    }
    background.spawn(count_updates((updates, events), dialects, counts, pool));
    background.spawn(sweep(Arc::clone(&context)));
    let clients = TaskTracker::new();
    let mut acceptors = JoinSet::new();
    for (open, port) in accepting {
        acceptors.spawn(accept(Arc::clone(&context), open, port, clients.clone()));
    }
    stop.await;
    stopping.cancel();
    // Listeners close first, so that a new agent can bind their addresses.
    while acceptors.join_next().await.is_some() {}
    drop(files);
    clients.close();
    let stop_time = context.access.current().limits.stop_time;
    if timeout(stop_time, clients.wait()).await.is_err() {
        context.connections.close_all();
        let _ = timeout(CLOSING_TIMEOUT, clients.wait()).await;
    }
    Ok(())
}

fn context(
    access: Arc<AccessConfig>,
    dialects: &Dialects,
    about: About,
    caches: Arc<ResponseCaches>,
    pool: &Arc<BlockingPool>,
    counts: &Arc<native::EventCounts>,
    stopping: &CancellationToken,
) -> Arc<ServerContext> {
    let refusals = Arc::clone(&about.refusals);
    let clients = Arc::new(AtomicUsize::new(0));
    let streams = Arc::new(StreamSlots::new(Arc::clone(&access), Arc::clone(&refusals)));
    let runner = || DialectRunner::new(&caches, pool);
    // The interfaces of one system share its lists, so they share a runner.
    let (ems, jetstream) = (runner(), runner());
    let http = |dialect: &Arc<dyn HttpDialect>, runner| HttpService {
        dialect: Arc::clone(dialect),
        runner,
    };
    let line = |dialect: &Arc<dyn LineDialect>, runner: &DialectRunner| LineService {
        dialect: Arc::clone(dialect),
        runner: runner.clone(),
    };
    let lines = LineServices {
        ems_json: line(&dialects.ems_json, &ems),
        ems_ascii: line(&dialects.ems_ascii, &ems),
        jetstream: line(&dialects.jetstream_lines, &jetstream),
    };
    let services = HttpServices {
        one_e: http(&dialects.one_e, runner()),
        monero: http(&dialects.monero, runner()),
        ems_http: http(&dialects.ems_http, ems),
        jetstream_with_token: http(&dialects.jetstream_http_with_token, jetstream.clone()),
        jetstream: http(&dialects.jetstream_http, jetstream),
    };
    let api = native::router(native::Shared {
        caches,
        about,
        clients: Arc::clone(&clients),
        counts: Arc::clone(counts),
        pool: Arc::clone(pool),
        streams,
    });
    Arc::new(ServerContext {
        routers: routing::routers(api, services),
        lines,
        access,
        connections: Arc::new(ConnectionTable::new(Arc::clone(&refusals), clients)),
        in_flight: Arc::new(InFlightBytes::new(Arc::clone(&refusals))),
        bodies: Arc::default(),
        refusals,
        stopping: stopping.clone(),
    })
}

/// Passes each update to the counters of events and of the dialects.
async fn count_updates(
    (mut updates, events): (UpdateReceiver, EventReceiver),
    dialects: Dialects,
    counts: Arc<native::EventCounts>,
    pool: Arc<BlockingPool>,
) {
    loop {
        let update: Arc<Update> = Arc::clone(&updates.borrow_and_update());
        let log = Arc::clone(&events.borrow());
        let (dialects, counts) = (dialects.clone(), Arc::clone(&counts));
        let count = move || {
            counts.note(&log);
            dialects.on_update(&update);
        };
        // Without a sampler, or while the runtime shuts down, the last update stays.
        if pool.run(Work::Update, count).await.is_err() || updates.changed().await.is_err() {
            return;
        }
    }
}

impl Dialects {
    fn on_update(&self, update: &Update) {
        let Self { one_e, monero, ems_http, jetstream_http, jetstream_http_with_token, .. } = self;
        for dialect in [one_e, monero, ems_http, jetstream_http, jetstream_http_with_token] {
            dialect.on_update(update);
        }
        for dialect in [&self.ems_json, &self.ems_ascii, &self.jetstream_lines] {
            dialect.on_update(update);
        }
    }
}

/// Closes the clients past their deadlines, several times within the shortest time limit.
async fn sweep(context: Arc<ServerContext>) {
    loop {
        let Limits { idle_time, line_idle_time, head_time, body_time, line_time, .. } =
            context.access.current().limits;
        let Limits { work_time, write_time, .. } = context.access.current().limits;
        let times =
            [idle_time, line_idle_time, head_time, body_time, line_time, work_time, write_time];
        let shortest = times.into_iter().min().unwrap_or(MAX_SWEEP_INTERVAL);
        let interval = shortest / SWEEPS_PER_LIMIT;
        sleep(interval.clamp(MIN_SWEEP_INTERVAL, MAX_SWEEP_INTERVAL)).await;
        context.connections.sweep();
    }
}

enum Open {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Open {
    fn adopt(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket).map(Self::Tcp)
            }
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                UnixListener::from_std(socket).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, from) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Some(from.ip())))
            }
            Self::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }
}

enum Stream {
    Tcp(tokio::net::TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Sends a refusal, as far as the socket takes it without waiting.
    fn refuse(&self, port: Port) {
        const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\
            Content-Type: text/plain\r\nContent-Length: 47\r\n\r\n\
            Too many clients are connected; try again soon.";
        if port.tls || port.protocol.takes_lines() {
            return;
        }
        // It is closed either way.
        let _ = match self {
            Self::Tcp(stream) => stream.try_write(FULL),
            Self::Unix(stream) => stream.try_write(FULL),
        };
    }

    fn socket(self, slot: Arc<ClientSlot>) -> ClientSocket {
        match self {
            Self::Tcp(stream) => ClientSocket::tcp(stream, slot),
            Self::Unix(stream) => ClientSocket::unix(stream, slot),
        }
    }
}

async fn accept(context: Arc<ServerContext>, open: Open, port: Port, clients: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            accepted = open.accept() => accepted,
            () = context.stopping.cancelled() => return,
        };
        match accepted {
            Ok((stream, from)) => {
                let limits = context.access.current().limits;
                match context.connections.take(port.index, from, &limits) {
                    Ok(guard) => {
                        clients.spawn(serve_client(Arc::clone(&context), port, stream, guard));
                    }
                    Err(why) => {
                        context.refusals.count(why);
                        stream.refuse(port);
                    }
                }
            }
            // The client closed before it was accepted (accept(2)).
            Err(error) if is_about_the_client(&error) => {}
            Err(_) => {
                context.refusals.count(Refused::Accept);
                // Most likely descriptors ran out: closing an idle client frees one.
                context.connections.evict_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves one client from its first byte to its last.
async fn serve_client(context: Arc<ServerContext>, port: Port, stream: Stream, guard: SlotGuard) {
    let slot = Arc::clone(&guard.slot);
    let socket = stream.socket(Arc::clone(&slot));
    let connection = async {
        // A client that sends nothing costs a socket and this future.
        let readable = tokio::select! {
            readable = socket.readable() => readable.is_ok(),
            () = context.stopping.cancelled() => false,
        };
        if readable {
            let slot = Arc::clone(&slot);
            Box::pin(serve_protocol(Arc::clone(&context), port, socket, slot)).await;
        }
    };
    tokio::select! {
        () = connection => {}
        () = slot.close_requested() => {}
    }
    drop(guard);
}

/// Serves one client in the protocol of its port.
async fn serve_protocol(
    context: Arc<ServerContext>,
    port: Port,
    mut socket: ClientSocket,
    slot: Arc<ClientSlot>,
) {
    let lines = match port.protocol {
        Protocol::EmsJson => Some(&context.lines.ems_json),
        Protocol::EmsAscii => Some(&context.lines.ems_ascii),
        Protocol::JetStream => match socket.peek().await {
            // Every HTTP method begins with a letter, and no JSON-RPC message does.
            Ok(Some(first)) => (!first.is_ascii_alphabetic()).then_some(&context.lines.jetstream),
            Ok(None) | Err(_) => return,
        },
        Protocol::Http | Protocol::OneE | Protocol::Monero | Protocol::EmsHttp => None,
    };
    if let Some(service) = lines {
        let service = service.clone();
        let client = LineClient { context: Arc::clone(&context), service, slot };
        // An error of the socket ends the connection.
        let _ = Box::pin(line_connection::serve(client, socket)).await;
        return;
    }
    let has_page = port.protocol == Protocol::Http;
    let ingress = Ingress { local: socket.local_ip(), guarded: port.guarded, has_page };
    if socket.is_tcp() && ingress.local.is_none() {
        // Already closed; without an address it would count as a client of a unix socket.
        return;
    }
    let client = HttpClient::new(Arc::clone(&context), port, Arc::clone(&slot), ingress);
    if !port.tls {
        return http_connection::serve(client, socket).await;
    }
    let Some(tls) = context.access.current().tls.clone() else { return };
    match Box::pin(TlsAcceptor::from(tls).accept(socket)).await {
        Ok(stream) => {
            slot.enter(Phase::Idle);
            Box::pin(http_connection::serve_tls(client, stream)).await;
        }
        Err(_) => context.refusals.count(Refused::Tls),
    }
}
