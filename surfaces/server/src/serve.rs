//! Listening, accepting, and ending: what holds all conversations together.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use axum::Router;
use conns_api::UpdateReceiver;
use conns_core::model::Update;
use conns_dialects::{HttpDialect, LineDialect};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use crate::about::About;
use crate::access::Gate;
use crate::budget::Budget;
use crate::caches::ResponseCaches;
use crate::door::Entrance;
use crate::held::Ledger;
use crate::limits::Limits;
use crate::lines::{self, LineClient};
use crate::listen::{Listener, Socket};
use crate::native;
use crate::refusals::{Refusals, Refused};
use crate::seats::{Held, Seat, Seats, Stage};
use crate::wanted::Protocol;
use crate::web::{self, WebClient, stopped};
use crate::wire::Wire;

/// After an error of accept that will not pass by itself, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The sweeper looks at least so often, and so many times within the shortest time it enforces.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
const SWEEPS_PER_TIME: u32 = 4;
/// More often would cost more than it gives.
const SWEEP_LEAST: Duration = Duration::from_millis(10);
/// For connections to be closed that were told to.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// What clients of other systems are answered by.
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
    /// JetStream over HTTP.
    pub jetstream_http: Arc<dyn HttpDialect>,
    /// JetStream in lines.
    pub jetstream_lines: Arc<dyn LineDialect>,
}

/// What to serve, where, and to whom.
#[expect(missing_debug_implementations, reason = "dialects are functions")]
pub struct Plan {
    /// Where.
    pub listeners: Vec<Listener>,
    /// To whom; may be replaced while serving.
    pub access: Arc<Gate>,
    /// The dialects.
    pub dialects: Dialects,
    /// What the agent says of itself.
    pub about: About,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An open listener cannot be waited on.
    #[error("cannot serve on {protocol}: {error}")]
    Adopt {
        /// What was to be spoken.
        protocol: Protocol,
        /// What the system said.
        error: io::Error,
    },
    /// TLS without a certificate.
    #[error(
        "cannot serve {protocol} over TLS: there is no certificate; configure one with its key"
    )]
    NoCertificate {
        /// What was to be spoken.
        protocol: Protocol,
    },
}

/// What all conversations share.
pub(crate) struct House {
    pub(crate) gate: Arc<Gate>,
    pub(crate) dialects: Dialects,
    pub(crate) router: Router,
    pub(crate) caches: Arc<ResponseCaches>,
    pub(crate) seats: Arc<Seats>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) bodies: Arc<Budget>,
    pub(crate) refusals: Arc<Refusals>,
}

/// What a conversation knows of the listener it came through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Port {
    index: usize,
    pub(crate) protocol: Protocol,
    tls: bool,
    guarded: bool,
}

/// Serves until `stop` ends; then requests under way have [`Limits::stop_time`] to end.
///
/// # Errors
/// If a listener cannot be served at all. What goes wrong with one client ends that client.
pub async fn serve(
    plan: Plan,
    feed: UpdateReceiver,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let Plan { listeners, access, dialects, about } = plan;
    let caches = Arc::new(ResponseCaches::new(feed.clone()));
    let refusals = Arc::clone(&about.refusals);
    let clients = Arc::new(AtomicUsize::new(0));
    let counts = Arc::new(native::EventCounts::default());
    let house = Arc::new(House {
        router: native::router(Arc::clone(&caches), native_about(about, &clients, &counts)),
        gate: access,
        dialects: dialects.clone(),
        caches,
        seats: Arc::new(Seats::new(Arc::clone(&refusals), clients)),
        ledger: Arc::new(Ledger::new(Arc::clone(&refusals))),
        bodies: Arc::default(),
        refusals,
    });
    let (stopping, _) = watch::channel(false);
    // Each conversation has a sender; the receiver ends with the last of them.
    let (alive, mut ended) = mpsc::channel::<()>(1);
    // All of these end with this function, also if it is dropped.
    let mut tasks = JoinSet::new();
    let mut files = Vec::new();
    let mut accepting = Vec::new();
    for (index, listener) in listeners.into_iter().enumerate() {
        let Listener { protocol, socket, tls, guarded, file } = listener;
        if tls && house.gate.access().tls.is_none() {
            return Err(ServeError::NoCertificate { protocol });
        }
        let open = Open::adopt(socket).map_err(|error| ServeError::Adopt { protocol, error })?;
        files.push(file);
        accepting.push((open, Port { index, protocol, tls, guarded }));
    }
    tasks.spawn(tell_beats(feed, dialects, counts));
    tasks.spawn(sweep(Arc::clone(&house)));
    let mut acceptors = JoinSet::new();
    for (open, port) in accepting {
        let stopping = stopping.subscribe();
        acceptors.spawn(accept(Arc::clone(&house), open, port, stopping, alive.clone()));
    }
    drop(alive);
    stop.await;
    stopping.send_replace(true);
    // Listeners are closed first, so that a new agent can take their place.
    while acceptors.join_next().await.is_some() {}
    drop(files);
    let stop_time = house.gate.access().limits.stop_time;
    if timeout(stop_time, ended.recv()).await.is_err() {
        house.seats.clear();
        let _ = timeout(CLOSING_TIME, ended.recv()).await;
    }
    Ok(())
}

fn native_about(
    about: About,
    clients: &Arc<AtomicUsize>,
    counts: &Arc<native::EventCounts>,
) -> native::About {
    native::About {
        version: about.version,
        metrics_top: about.metrics_top,
        privileges: about.privileges,
        now: about.now,
        clients: Arc::clone(clients),
        refusals: about.refusals,
        counts: Arc::clone(counts),
    }
}

async fn tell_beats(
    mut feed: UpdateReceiver,
    dialects: Dialects,
    counts: Arc<native::EventCounts>,
) {
    loop {
        let update: Arc<Update> = Arc::clone(&feed.borrow_and_update());
        counts.note(&update);
        let Dialects {
            one_e,
            monero,
            ems_http,
            ems_json,
            ems_ascii,
            jetstream_http,
            jetstream_lines,
        } = &dialects;
        for dialect in [one_e, monero, ems_http, jetstream_http] {
            dialect.on_update(&update);
        }
        for dialect in [ems_json, ems_ascii, jetstream_lines] {
            dialect.on_update(&update);
        }
        drop(update);
        // Without the watcher the last beat stays.
        if feed.changed().await.is_err() {
            return;
        }
    }
}

async fn sweep(house: Arc<House>) {
    loop {
        let Limits { idle_time, line_idle_time, head_time, body_time, line_time, .. } =
            house.gate.access().limits;
        let Limits { work_time, write_time, .. } = house.gate.access().limits;
        let times =
            [idle_time, line_idle_time, head_time, body_time, line_time, work_time, write_time];
        let shortest = times.into_iter().min().unwrap_or(SWEEP_EVERY);
        sleep((shortest / SWEEPS_PER_TIME).clamp(SWEEP_LEAST, SWEEP_EVERY)).await;
        house.seats.sweep();
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
    Unix(tokio::net::UnixStream),
}

impl Stream {
    /// Says that there is no room, as far as the socket takes it at once.
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

    fn wire(self, seat: Arc<Seat>) -> Wire {
        match self {
            Self::Tcp(stream) => Wire::tcp(stream, seat),
            Self::Unix(stream) => Wire::unix(stream, seat),
        }
    }
}

async fn accept(
    house: Arc<House>,
    open: Open,
    port: Port,
    mut stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = open.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        match accepted {
            Ok((stream, from)) => {
                match house.seats.take(port.index, from, &house.gate.access().limits) {
                    Ok(held) => {
                        let (house, stopping) = (Arc::clone(&house), stopping.clone());
                        tokio::spawn(host(house, port, stream, held, stopping, alive.clone()));
                    }
                    Err(why) => {
                        house.refusals.count(why);
                        stream.refuse(port);
                    }
                }
            }
            // The client went before it was its turn (accept(2)).
            Err(error) if is_about_the_client(&error) => {}
            Err(_) => {
                house.refusals.count(Refused::Accept);
                // Most likely descriptors ran out: whoever does nothing gives one back.
                house.seats.evict_one();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_about_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// One client, from its first byte to its last.
async fn host(
    house: Arc<House>,
    port: Port,
    stream: Stream,
    held: Held,
    mut stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let seat = Arc::clone(&held.seat);
    let wire = stream.wire(Arc::clone(&seat));
    let conversation = async {
        // A client that says nothing costs a socket and this.
        let readable = tokio::select! {
            readable = wire.readable() => readable.is_ok(),
            () = stopped(&mut stopping) => false,
        };
        if readable {
            Box::pin(converse(house, port, wire, &held, &mut stopping)).await;
        }
    };
    tokio::select! {
        () = conversation => {}
        () = seat.asked_to_leave() => {}
    }
    drop((held, alive));
}

async fn converse(
    house: Arc<House>,
    port: Port,
    mut wire: Wire,
    held: &Held,
    stopping: &mut watch::Receiver<bool>,
) {
    let dialects = &house.dialects;
    let lines = match port.protocol {
        Protocol::EmsJson => Some(&dialects.ems_json),
        Protocol::EmsAscii => Some(&dialects.ems_ascii),
        Protocol::JetStream => match wire.peek().await {
            // No JSON begins with a letter that is a request, and every method of HTTP does.
            Ok(Some(first)) => (!first.is_ascii_alphabetic()).then_some(&dialects.jetstream_lines),
            Ok(None) | Err(_) => return,
        },
        Protocol::Http | Protocol::OneE | Protocol::Monero | Protocol::EmsHttp => None,
    };
    let seat = Arc::clone(&held.seat);
    if let Some(dialect) = lines {
        let client = LineClient { dialect: Arc::clone(dialect), house: Arc::clone(&house), seat };
        // Whatever went wrong with the socket, the client is gone.
        let _ = Box::pin(lines::converse(client, wire, stopping)).await;
        return;
    }
    let entrance = Entrance { local: wire.local_ip(), guarded: port.guarded };
    if wire.is_tcp() && entrance.local.is_none() {
        // Gone already; and it must not pass for a client of a socket file.
        return;
    }
    let client = WebClient {
        house: Arc::clone(&house),
        port,
        seat: Arc::clone(&seat),
        entrance,
        keeps: AtomicBool::new(false),
    };
    if !port.tls {
        return web::converse(client, wire, stopping).await;
    }
    let Some(tls) = house.gate.access().tls.clone() else { return };
    match Box::pin(TlsAcceptor::from(tls).accept(wire)).await {
        Ok(stream) => {
            seat.enter(Stage::Idle);
            Box::pin(web::converse_encrypted(client, stream, stopping)).await;
        }
        Err(_) => house.refusals.count(Refused::Tls),
    }
}
