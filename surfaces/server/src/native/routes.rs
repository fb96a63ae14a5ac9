//! The table of routes: path, parameters, responses and handler, each declared once.

use conns_api::{EVENTS_PATH, EVENTS_TYPE, SNAPSHOT_PATH, SNAPSHOT_TYPE};

use super::context::{Handler, Outcome, Route};
use super::parameters::{
    AT, BUCKETS, CURSOR, CURSOR_IN_FILTER, EVENT, EVENTS_TOO, EVENTS_UNTIL, EXPLAIN, FAMILY,
    FIELDS, FILTER, FIND, FROM, GROUP, GROUP_BY, LIMIT, NETNS, OFFSET, ORDER, PROTO, SINCE,
    SINCE_EVENT, SORT, TO, UPDATES, VIEW,
};
use super::{
    changes, completion, events, health, list, media, metrics, one, openapi, pages, past,
    processes, sql, totals,
};
use crate::response::{EVENTS, HTML, JSON, OPENMETRICS};

const fn ok(schema: &'static str, about: &'static str) -> Outcome {
    Outcome { status: 200, about, schema: Some(schema) }
}

const fn plain(about: &'static str) -> Outcome {
    Outcome { status: 200, about, schema: None }
}

const fn error(status: u16, about: &'static str) -> Outcome {
    Outcome { status, about, schema: Some("Problem") }
}

const BAD: Outcome = error(
    400,
    "A parameter or its value is invalid: the message names it, the hint is what to do.",
);
const EXPIRED: Outcome = error(410, "The cursor has expired: start again.");
const NOT_THERE: Outcome = Outcome {
    status: 404,
    about: "No connection has this id, or the history does not have the moment `at`.",
    schema: Some("NotKept"),
};
const NOT_KEPT: Outcome = Outcome {
    status: 404,
    about: "The history does not have the moment `at`; the times that it has are beside the error.",
    schema: Some("NotKept"),
};

/// All of them.
pub(super) static ROUTES: &[Route] = &[
    Route {
        path: "/api/v1/connections",
        name: "listConnections",
        summary: "Connections",
        about: "What the machine is connected to, with the keys of `conns -o json`. A key that is \
                absent does not apply, and one that is null is unknown; unknown is never 0. With \
                `group_by` the response is groups, and with `order` a window on rows that keep their places (docs/api.md). A connection that exists during all of the \
                paging is on exactly one page.",
        parameters: &[
            &FILTER, &VIEW, &PROTO, &FAMILY, &NETNS, &SORT, &FIELDS, &EXPLAIN, &GROUP_BY, &LIMIT,
            &CURSOR, &ORDER, &OFFSET, &FIND, &GROUP, &AT,
        ],
        media: JSON,
        handler: Handler::Cached(list::connections),
        outcomes: &[
            ok("ConnectionsOrGroups", "Connections, groups of them, or a window."),
            BAD,
            NOT_KEPT,
            EXPIRED,
        ],
    },
    Route {
        path: "/api/v1/connections/{id}",
        name: "getConnection",
        summary: "One connection",
        about: "One connection with every field.",
        parameters: &[&EXPLAIN, &AT],
        media: JSON,
        handler: Handler::Heavy(one::connection),
        outcomes: &[
            ok("OneConnection", "The connection."),
            NOT_THERE,
            Outcome {
                status: 410,
                about: "It closed recently; its last record is beside the error.",
                schema: Some("ClosedConnection"),
            },
        ],
    },
    Route {
        path: "/api/v1/connections/{id}/verdict",
        name: "getVerdict",
        summary: "The verdict on one connection",
        about: "What limits the connection: the class, the confidence, why in a sentence, what to do, \
                and the evidence (docs/verdict.md).",
        parameters: &[&AT],
        media: JSON,
        handler: Handler::Heavy(one::verdict),
        outcomes: &[
            ok("OneVerdict", "The verdict."),
            NOT_THERE,
            Outcome {
                status: 410,
                about: "It closed recently; the last verdict is beside the error.",
                schema: Some("ClosedVerdict"),
            },
        ],
    },
    Route {
        path: "/api/v1/listeners",
        name: "listListeners",
        summary: "Listening endpoints",
        about: "TCP listeners, and UDP sockets without a peer; as `conns -l -o json`.",
        parameters: &[
            &FILTER, &PROTO, &FAMILY, &NETNS, &SORT, &FIELDS, &EXPLAIN, &GROUP_BY, &LIMIT, &CURSOR,
            &ORDER, &OFFSET, &FIND, &GROUP, &AT,
        ],
        media: JSON,
        handler: Handler::Cached(list::listeners),
        outcomes: &[
            ok("ConnectionsOrGroups", "Listening endpoints, groups of them, or a window."),
            BAD,
            NOT_KEPT,
            EXPIRED,
        ],
    },
    Route {
        path: "/api/v1/verdicts",
        name: "listVerdicts",
        summary: "Verdicts",
        about: "What limits each connection, worst first, as `conns why -o json`. \
                Without `view`: connections, those about to be or just closed, and listeners in \
                trouble.",
        parameters: &[
            &FILTER, &VIEW, &PROTO, &FAMILY, &NETNS, &SORT, &FIELDS, &EXPLAIN, &LIMIT, &CURSOR, &AT,
        ],
        media: JSON,
        handler: Handler::Heavy(list::verdicts),
        outcomes: &[ok("Verdicts", "Verdicts."), BAD, NOT_KEPT, EXPIRED],
    },
    Route {
        path: "/api/v1/processes",
        name: "listProcesses",
        summary: "Processes",
        about: "Each process that owns a socket, with counts and sums over its sockets, in order of \
                pid. A socket with several owners counts for each.",
        parameters: &[&FILTER, &VIEW, &PROTO, &FAMILY, &NETNS, &LIMIT, &CURSOR, &AT],
        media: JSON,
        handler: Handler::Cached(processes::answer),
        outcomes: &[ok("Processes", "Processes."), BAD, NOT_KEPT, EXPIRED],
    },
    Route {
        path: "/api/v1/complete",
        name: "completeFilter",
        summary: "Completion of a filter",
        about: "What can stand at a place of a filter, which need not be complete: fields, operators, values.",
        parameters: &[&FILTER, &CURSOR_IN_FILTER],
        media: JSON,
        handler: Handler::Light(completion::answer),
        outcomes: &[ok("Completion", "The candidates."), BAD],
    },
    Route {
        path: "/api/v1/totals",
        name: "getTotals",
        summary: "Totals over connections",
        about: "How many connections match, what they send and receive a second, and how many have a verdict with \
                something to be mended. Without `view`: as /api/v1/connections.",
        parameters: &[&FILTER, &VIEW, &PROTO, &FAMILY, &NETNS, &AT],
        media: JSON,
        handler: Handler::Cached(totals::answer),
        outcomes: &[ok("Totals", "The totals."), BAD, NOT_KEPT],
    },
    Route {
        path: "/api/v1/timeline",
        name: "getTimeline",
        summary: "A time of the past in equal parts",
        about: "By the history of the agent: how much of each part an agent sampled, the connections that were open at its end, \
                those with a verdict that is a problem, and what ended and failed in it. What is not known is null. Parts of an \
                hour or longer have sums, which stay longer than rows.",
        parameters: &[&FROM, &TO, &BUCKETS],
        media: JSON,
        handler: Handler::History(past::timeline),
        outcomes: &[
            ok("Timeline", "The parts, oldest first."),
            BAD,
            error(404, "The agent keeps no history."),
        ],
    },
    Route {
        path: "/api/v1/streams",
        name: "listStreams",
        summary: "Media streams",
        about: "The media streams that are published and played, by server and name, as `conns streams -o json`.",
        parameters: &[&FILTER, &PROTO, &FAMILY, &NETNS, &AT],
        media: JSON,
        handler: Handler::Cached(media::streams),
        outcomes: &[ok("Streams", "The streams."), BAD, NOT_KEPT],
    },
    Route {
        path: "/api/v1/transfers",
        name: "listTransfers",
        summary: "Transfers to other hosts",
        about: "The connections of the transfer service, one to each destination.",
        parameters: &[&AT],
        media: JSON,
        handler: Handler::Cached(media::transfers),
        outcomes: &[ok("Transfers", "The transfers."), BAD, NOT_KEPT],
    },
    Route {
        path: "/api/v1/sql",
        name: "querySql",
        summary: "A query in SQL",
        about: "The body is one `select` of SQLite over the tables of the latest snapshot: connections, listeners, processes, \
                fields, health, losses (docs/sql.md). It reads only, within 2 seconds and 128 MiB. Without `limit` \
                it answers 10 000 rows.",
        parameters: &[&LIMIT],
        media: JSON,
        handler: Handler::Query(sql::answer),
        outcomes: &[
            ok("SqlRows", "The rows."),
            error(
                400,
                "The query is invalid, or takes too much: the message names what, the hint is what to do.",
            ),
            error(403, "SQL is off in the configuration of the agent."),
        ],
    },
    Route {
        path: "/api/v1/fields",
        name: "listFields",
        summary: "Fields",
        about: "Every field: what filters, sort, fields and group_by understand, and the keys of \
                records; as `conns fields -o json`.",
        parameters: &[],
        media: JSON,
        handler: Handler::Light(pages::fields),
        outcomes: &[ok("Fields", "Fields.")],
    },
    Route {
        path: "/api/v1/changes",
        name: "watchChanges",
        summary: "Changes, as a stream",
        about: "Server-sent events. First `snapshot`, then the whole state as `opened`; then, per \
                update, `closed`, `left` (matches no longer), `opened` and `updated` in this order, \
                where there are any, then `events`, also of connections in no sample, and always \
                an `update` that ends it. An `id` is a position to resume at by `Last-Event-ID` or \
                `since`. A stream that cannot be resumed begins with `reset`, then `snapshot`. A \
                slow reader gets several updates as one. The default `view` is all.",
        parameters: &[
            &FILTER,
            &VIEW,
            &PROTO,
            &FAMILY,
            &NETNS,
            &FIELDS,
            &UPDATES,
            &EVENTS_TOO,
            &SINCE,
        ],
        media: EVENTS,
        handler: Handler::Stream(changes::answer),
        outcomes: &[
            plain("Events; the data of each is a JSON object (docs/api.md)."),
            BAD,
            error(503, "All streams of limits.streams are open."),
        ],
    },
    Route {
        path: "/api/v1/events",
        name: "listEvents",
        summary: "Events, as a list or a stream",
        about: "Every connection opened, accepted and closed, and every connect that failed, as the \
                kernel reports it, oldest first; also of connections shorter than the sample \
                interval. As a list: `next_since` is the `since` of the next request. With `Accept: \
                text/event-stream` server-sent events: first `begin`, then `events`, each with an \
                `id` to resume at; `reset` where events were evicted.",
        parameters: &[
            &FILTER,
            &EVENT,
            &PROTO,
            &FAMILY,
            &NETNS,
            &FIELDS,
            &SINCE_EVENT,
            &LIMIT,
            &EVENTS_UNTIL,
        ],
        media: JSON,
        handler: Handler::Either(past::events, events::stream),
        outcomes: &[
            ok("Events", "Events, oldest first."),
            BAD,
            NOT_KEPT,
            Outcome {
                status: 410,
                about: "The events after `since` were evicted, or the agent was restarted: start again.",
                schema: Some("ExpiredEvents"),
            },
            error(503, "All streams of limits.streams are open."),
        ],
    },
    Route {
        path: "/api/v1/health",
        name: "getHealth",
        summary: "Health of the agent",
        about: "Abilities, losses, own cost, lateness, readers and privileges.",
        parameters: &[],
        media: JSON,
        handler: Handler::Light(health::answer),
        outcomes: HEALTH,
    },
    Route {
        path: "/health",
        name: "getHealthShort",
        summary: "Health at the path of probes",
        about: "As /api/v1/health.",
        parameters: &[],
        media: JSON,
        handler: Handler::Light(health::answer),
        outcomes: HEALTH,
    },
    Route {
        path: SNAPSHOT_PATH,
        name: "getSnapshot",
        summary: "The snapshot, for `conns --agent`",
        about: "The whole state or what changed, in the format of one release of conns; other programs use \
                the connections and changes.",
        parameters: &[],
        media: SNAPSHOT_TYPE,
        handler: Handler::Elsewhere,
        outcomes: &[plain("The snapshot.")],
    },
    Route {
        path: EVENTS_PATH,
        name: "getSnapshotEvents",
        summary: "Events, for `conns --agent`",
        about: "In the format of one release of conns; other programs use /api/v1/events.",
        parameters: &[],
        media: EVENTS_TYPE,
        handler: Handler::Elsewhere,
        outcomes: &[plain("The events.")],
    },
    Route {
        path: "/metrics",
        name: "getMetrics",
        summary: "Metrics",
        about: "OpenMetrics 1.0, or the text format of Prometheus if the client accepts that, with a bounded number of series: the processes and listeners with \
                the most are named, the others are `other` (docs/api.md).",
        parameters: &[],
        media: OPENMETRICS,
        handler: Handler::Metrics(metrics::answer),
        outcomes: &[plain("The metrics of the latest update.")],
    },
    Route {
        path: "/openapi.json",
        name: "getOpenApi",
        summary: "This document",
        about: "OpenAPI 3.1, made from the table that also makes the routes.",
        parameters: &[],
        media: JSON,
        handler: Handler::Light(openapi::answer),
        outcomes: &[ok("OpenApi", "The document.")],
    },
    Route {
        path: "/docs",
        name: "getDocs",
        summary: "This document, as a page",
        about: "A page that shows /openapi.json; it needs nothing from elsewhere.",
        parameters: &[],
        media: HTML,
        handler: Handler::Light(pages::docs),
        outcomes: &[plain("The page.")],
    },
    Route {
        path: "/api",
        name: "getIndex",
        summary: "Paths",
        about: "A page of links.",
        parameters: &[],
        media: HTML,
        handler: Handler::Light(pages::index),
        outcomes: &[plain("The page.")],
    },
    Route {
        path: "/",
        name: "getPage",
        summary: "The live page",
        about: "Connections as they are, in a browser (docs/page.md). It needs no token itself, and asks for one where the \
                API needs one.",
        parameters: &[],
        media: HTML,
        handler: Handler::Light(pages::live),
        outcomes: &[plain("The page.")],
    },
];

const HEALTH: &[Outcome] = &[
    ok("Health", "The agent samples; `status` reports whether anything is missing."),
    Outcome {
        status: 503,
        about: "The sources fail, or the last sample is older than three intervals.",
        schema: Some("Health"),
    },
];
