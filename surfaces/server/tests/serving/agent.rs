//! An agent that serves test dialects on ephemeral ports.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use conns_core::model::{Moment, Update};
use conns_dialects::monero::ReasonPhrase;
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, ResponseCache};
use conns_server::{
    About, Access, AccessConfig, Dialects, Limits, ListenSpec, Listener, Plan, Refusals, serve,
};
use http::{Request, Response};
use tokio::sync::{oneshot, watch};

/// Time after which a test counts as hung.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Maximum body and line length of the test dialects, bytes.
pub(crate) const LONGEST: usize = 64 << 10;
/// More than the kernel buffers for a reader on loopback (net.ipv4.tcp_wmem and tcp_rmem).
pub(crate) const HUGE: usize = 48 << 20;

/// Waits for something that must become true.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A list whose writing waits for the test: `/gated` over HTTP, `gated` in lines.
pub(crate) struct Gated {
    /// Receives the name of the dialect that began to write.
    pub(crate) begun: mpsc::Receiver<&'static str>,
    /// Lets one writer go on.
    pub(crate) go_on: mpsc::Sender<()>,
    /// Requests and lines that reached a dialect.
    pub(crate) requests: Arc<AtomicUsize>,
}

/// The writers' ends of [`Gated`].
struct GatedWriters {
    begin: mpsc::Sender<&'static str>,
    go_on: Mutex<mpsc::Receiver<()>>,
    requests: Arc<AtomicUsize>,
}

impl GatedWriters {
    fn new() -> (Arc<Self>, Gated) {
        let (begin, begun) = mpsc::channel();
        let (sender, go_on) = mpsc::channel();
        let requests = Arc::new(AtomicUsize::new(0));
        let writers = Self { begin, go_on: Mutex::new(go_on), requests: Arc::clone(&requests) };
        (Arc::new(writers), Gated { begun, go_on: sender, requests })
    }

    fn write(&self, name: &'static str) -> Vec<u8> {
        let _ = self.begin.send(name);
        // An error means that the test has ended.
        let _ = self.go_on.lock().unwrap().recv();
        format!("{name} gated\n").into_bytes()
    }
}

/// Answers with its request.
pub(crate) struct Echo {
    name: &'static str,
    updates: Arc<AtomicUsize>,
    gated: Arc<GatedWriters>,
}

impl HttpDialect for Echo {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        let chunks = match request.uri().path() {
            "/hang" => return HttpOutcome::Hangup,
            "/empty" => {
                let answer = Response::builder().status(204);
                return HttpOutcome::Answer(answer.body(Vec::new()).unwrap());
            }
            "/gated" => {
                vec![cache.list(&format!("{} gated", self.name), |_| self.gated.write(self.name))]
            }
            "/huge" => vec![
                Bytes::from_static(b"["),
                cache.list("huge", |_| vec![b'h'; HUGE]),
                Bytes::from_static(b"]"),
            ],
            // A new list each time, as from another update.
            "/huge/other" => vec![vec![b'o'; HUGE].into()],
            "/liar" => {
                let answer = Response::builder().header("content-length", "5");
                return HttpOutcome::Answer(answer.body(vec![Bytes::from_static(b"abc")]).unwrap());
            }
            _ => {
                let (name, method, uri) = (self.name, request.method(), request.uri());
                let chunked = request.headers().contains_key("transfer-encoding");
                let length = request.body().len();
                vec![format!("{name} {method} {uri} {length} {chunked}").into()]
            }
        };
        let mut answer = Response::new(chunks);
        if self.name == "monero" {
            answer.extensions_mut().insert(ReasonPhrase("Ok"));
        }
        HttpOutcome::Answer(answer)
    }

    fn longest_body(&self) -> usize {
        // The server asks this of each request it has read.
        self.gated.requests.fetch_add(1, Relaxed);
        LONGEST
    }

    fn body_too_long(&self) -> HttpOutcome {
        match self.name {
            "monero" => HttpOutcome::Hangup,
            _ => HttpOutcome::Answer(Response::new(vec![Bytes::from_static(b"too long")])),
        }
    }

    fn on_update(&self, _update: &Update) {
        self.updates.fetch_add(1, Relaxed);
    }
}

impl LineDialect for Echo {
    fn ends_line(&self, byte: u8) -> bool {
        byte == b'\n' || byte == b'\r'
    }

    fn longest_line(&self) -> usize {
        self.gated.requests.fetch_add(1, Relaxed);
        LONGEST
    }

    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome {
        match line {
            b"" => LineOutcome::default(),
            b"quit" => LineOutcome { chunks: vec![Bytes::from_static(b"bye\n")], close: true },
            b"gated" => {
                let name = format!("{} gated", self.name);
                let list = cache.list(&name, |_| self.gated.write(self.name));
                LineOutcome { chunks: vec![list], close: false }
            }
            b"huge" => {
                let huge = cache.list("huge", |_| vec![b'h'; HUGE]);
                LineOutcome { chunks: vec![huge, Bytes::from_static(b"\n")], close: false }
            }
            _ => {
                let line = String::from_utf8_lossy(line);
                let text = format!("{} {line}\n", self.name);
                LineOutcome { chunks: vec![text.into()], close: false }
            }
        }
    }

    fn line_too_long(&self) -> LineOutcome {
        LineOutcome { chunks: vec![Bytes::from_static(b"too long\n")], close: false }
    }

    fn on_update(&self, _update: &Update) {
        self.updates.fetch_add(1, Relaxed);
    }
}

/// An update without connections.
pub(crate) fn update(sequence: u64) -> Arc<Update> {
    let at = Moment { monotonic_us: 1, wall_us: 1 };
    Arc::new(conns_fixtures::update(conns_fixtures::snapshot(sequence, at, Vec::new())))
}

/// An agent that runs until dropped.
pub(crate) struct Agent {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) access: Arc<AccessConfig>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) updates: Arc<AtomicUsize>,
    pub(crate) publish: watch::Sender<Arc<Update>>,
    pub(crate) gated: Gated,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Agent {
    /// Listens on these, with TLS where the specification is https.
    pub(crate) fn start(specs: &[&str], access: Access) -> Self {
        Self::start_with(specs, access, |_| {})
    }

    pub(crate) fn with_limits(specs: &[&str], limits: Limits) -> Self {
        Self::start(specs, Access { limits, ..Access::default() })
    }

    pub(crate) fn start_with(
        specs: &[&str],
        access: Access,
        change: impl Fn(&mut Listener),
    ) -> Self {
        let open = |text: &&str| {
            let spec: ListenSpec = text.parse().unwrap();
            let mut listener = Listener::bind(&spec, spec.https).unwrap();
            change(&mut listener);
            listener
        };
        let listeners: Vec<_> = specs.iter().map(open).collect();
        let addresses = listeners.iter().filter_map(Listener::address).collect();
        let access = Arc::new(AccessConfig::new(access));
        let updates = Arc::new(AtomicUsize::new(0));
        let (writers, gated) = GatedWriters::new();
        let echo = |name| {
            let (updates, gated) = (Arc::clone(&updates), Arc::clone(&writers));
            Arc::new(Echo { name, updates, gated })
        };
        let refusals = Arc::new(Refusals::default());
        let plan = Plan {
            listeners,
            access: Arc::clone(&access),
            dialects: Dialects {
                one_e: echo("1e"),
                monero: echo("monero"),
                ems_http: echo("ems-http"),
                ems_json: echo("ems-json"),
                ems_ascii: echo("ems-ascii"),
                jetstream_http: echo("jetstream-http"),
                jetstream_http_with_token: echo("jetstream-http-with-token"),
                jetstream_lines: echo("jetstream-lines"),
            },
            about: About {
                version: "1.2.3".to_owned(),
                metrics_top: 5,
                sql: true,
                history: None,
                privileges: Arc::new(|| serde_json::Value::Null),
                now: Arc::new(Moment::default),
                refusals: Arc::clone(&refusals),
            },
        };
        let (publish, reader) = watch::channel(update(1));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = conns_server::runtime(2, || {}).unwrap();
            let stop = async {
                let _ = stopped.await;
            };
            let (_events, event_logs) = watch::channel(Arc::default());
            runtime.block_on(serve(plan, (reader, event_logs), stop)).unwrap();
        });
        let (stop, thread) = (Some(stop), Some(thread));
        Self { addresses, access, refusals, updates, publish, gated, stop, thread }
    }

    /// The first address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Number of refusals of this kind.
    pub(crate) fn refused(&self, name: &str) -> u64 {
        let all = self.refusals.list();
        all.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// Waits until this was refused that many times, and asserts that it was not refused more.
    pub(crate) fn eventually_refused(&self, name: &str, times: u64) {
        eventually(name, || self.refused(name) >= times);
        assert_eq!(self.refused(name), times, "{name}");
    }

    /// Asks it to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) {
        self.stop();
        let thread = self.thread.take().unwrap();
        eventually("the agent ends", || thread.is_finished());
        thread.join().unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.ended();
        }
    }
}
