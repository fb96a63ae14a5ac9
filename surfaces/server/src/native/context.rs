//! What handlers work with: the API's state, a request, and the declaration of a route.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::response::Response;
use conns_core::model::Update;
use http::HeaderMap;
use tokio::sync::Semaphore;

use super::metrics_counts::EventCounts;
use super::metrics_totals::MetricsTotals;
use super::parameters::{AT, Parameter, Query};
use super::past::Moments;
use super::serial_index::LatestIndex;
use super::sorted_orders::SortedOrders;
use super::window_orders::WindowOrders;
use crate::about::About;
use crate::blocking::{BlockingPool, STREAM_THREADS};
use crate::caches::ResponseCaches;
use crate::problem::Problem;
use crate::stream_slots::StreamSlots;

/// What the server provides to the API.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) caches: Arc<ResponseCaches>,
    pub(crate) about: About,
    /// Clients connected now, over all ports.
    pub(crate) clients: Arc<AtomicUsize>,
    /// Events since the start, by kind.
    pub(crate) counts: Arc<EventCounts>,
    pub(crate) pool: Arc<BlockingPool>,
    pub(crate) streams: Arc<StreamSlots>,
}

/// The state of the API.
#[derive(Debug)]
pub(super) struct Native {
    pub(super) caches: Arc<ResponseCaches>,
    pub(super) about: About,
    pub(super) clients: Arc<AtomicUsize>,
    pub(super) counts: Arc<EventCounts>,
    /// Payload and round trip times since the first scrape.
    pub(super) totals: MetricsTotals,
    pub(super) pool: Arc<BlockingPool>,
    pub(super) streams: Arc<StreamSlots>,
    /// Admission of streams to their blocking threads.
    pub(super) stream_threads: Arc<Semaphore>,
    pub(super) orders: SortedOrders,
    pub(super) windows: WindowOrders,
    pub(super) serials: LatestIndex,
    /// Moments of the past that were read.
    pub(super) moments: Moments,
    /// All routes, for the pages that list them.
    pub(super) routes: &'static [Route],
}

impl Native {
    pub(super) fn new(shared: Shared, routes: &'static [Route]) -> Self {
        let Shared { caches, about, clients, counts, pool, streams } = shared;
        let stream_threads = Arc::new(Semaphore::new(STREAM_THREADS));
        let orders = SortedOrders::default();
        let (windows, serials) = (WindowOrders::default(), LatestIndex::default());
        let totals = MetricsTotals::default();
        Self {
            caches,
            about,
            clients,
            counts,
            totals,
            pool,
            streams,
            stream_threads,
            orders,
            windows,
            serials,
            moments: Moments::default(),
            routes,
        }
    }
}

/// One request, checked against its route's declaration.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: Query,
    /// The part of the path that the route names `{id}`; empty if it has none.
    pub(super) id: String,
    pub(super) headers: HeaderMap,
}

impl Asked {
    /// Whether it is about a moment of the past.
    pub(super) fn is_past(&self) -> bool {
        self.query.get(AT.name).is_some()
    }
}

/// Makes a response.
pub(super) type Write = fn(&Native, &Asked) -> Result<Response, Problem>;

/// Writes a body from an update.
pub(super) type WriteBody = fn(&Native, &Update, &Asked) -> Result<Vec<u8>, Problem>;

/// Begins a response without an end.
pub(super) type Open = fn(&Arc<Native>, &Asked) -> Result<Response, Problem>;

/// Answers what the body of a request asks.
pub(super) type Respond = fn(&Native, &Asked, &[u8]) -> Result<Response, Problem>;

/// How a route's response is made, and on which thread.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// In microseconds, on the serving thread.
    Light(Write),
    /// With a pass over all connections, on a blocking thread.
    Heavy(WriteBody),
    /// From the history, on a blocking thread for queries.
    History(Write),
    /// As [`Handler::Heavy`]; the response to the request without parameters is written once per
    /// update, and requests made meanwhile await it.
    Cached(WriteBody),
    /// As [`Handler::Heavy`], on a thread of its own: metrics do not queue behind lists.
    Metrics(Write),
    /// A query in the body of a POST, on a blocking thread for queries.
    Query(Respond),
    /// By another router; declared for the document only.
    Elsewhere,
    /// Without an end.
    Stream(Open),
    /// As [`Handler::Heavy`], or without an end for clients that accept server-sent events.
    Either(Write, Open),
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Light(_) => "Light",
            Self::Heavy(_) => "Heavy",
            Self::History(_) => "History",
            Self::Cached(_) => "Cached",
            Self::Metrics(_) => "Metrics",
            Self::Query(_) => "Query",
            Self::Elsewhere => "Elsewhere",
            Self::Stream(_) => "Stream",
            Self::Either(..) => "Either",
        })
    }
}

/// One response of a route, for the OpenAPI document.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: u16,
    pub(super) about: &'static str,
    /// Schema of the body, if it is JSON.
    pub(super) schema: Option<&'static str>,
}

/// One route. All are GET, but those of a [`Handler::Query`] are POST.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) path: &'static str,
    /// Unique operation name, for client generators.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) parameters: &'static [&'static Parameter],
    pub(super) media: &'static str,
    pub(super) handler: Handler,
    pub(super) outcomes: &'static [Outcome],
}

impl Route {
    /// The part of `path` that the template names `{id}`; empty if it has none.
    pub(super) fn id_in<'p>(&self, path: &'p str) -> &'p str {
        let at = self.path.split('/').position(|part| part == "{id}");
        at.and_then(|at| path.split('/').nth(at)).unwrap_or_default()
    }
}
