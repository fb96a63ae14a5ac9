//! The JSON schemas of responses; that of a connection comes from the catalogue of fields. Tests
//! validate every response against them, and a response with an undeclared key fails.

mod events;

use conns_core::model::{Class, ListColumn, ListSpec, LossKind};
use conns_core::query::{Field, Kind, catalogue};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{Array, ObjectBuilder, OneOfBuilder, Ref, RefOr, Schema, Type};

type Shape = RefOr<Schema>;

/// All of them by name.
pub(super) fn all() -> Vec<(String, Shape)> {
    let shapes = [
        ("Problem", problem(&[])),
        ("Connection", connection()),
        ("Connections", page("connections", reference("Connection"))),
        ("Group", group()),
        ("Groups", groups()),
        ("ConnectionsOrGroups", either(&["Connections", "Groups"])),
        (
            "OneConnection",
            exact(&[("connection", reference("Connection")), ("snapshot", reference("Snapshot"))]),
        ),
        ("ClosedConnection", problem(&[("connection", reference("Connection"))])),
        ("Verdict", verdict()),
        ("Verdicts", page("verdicts", reference("Verdict"))),
        (
            "OneVerdict",
            exact(&[("verdict", reference("Verdict")), ("snapshot", reference("Snapshot"))]),
        ),
        ("ClosedVerdict", problem(&[("verdict", reference("Verdict"))])),
        ("Evidence", evidence()),
        ("Event", events::event()),
        ("Events", events::events()),
        ("ExpiredEvents", events::expired_events()),
        ("Process", process()),
        ("Processes", processes()),
        ("Sums", exact(&sums())),
        ("Snapshot", snapshot()),
        ("Loss", loss()),
        ("Fields", exact(&[("fields", list(field()))])),
        ("Health", health()),
        ("OpenApi", open("An OpenAPI 3.1 document.")),
    ];
    let all = shapes.into_iter().chain(list_items());
    all.map(|(name, shape)| (name.to_owned(), shape)).collect()
}

fn reference(name: &str) -> Shape {
    RefOr::Ref(Ref::from_schema_name(name))
}

fn list(of: Shape) -> Shape {
    RefOr::T(Schema::from(Array::new(of)))
}

fn plain(kind: Type, about: &str) -> Shape {
    RefOr::T(ObjectBuilder::new().schema_type(kind).description(Some(about)).into())
}

fn nullable(kind: Type, about: &str) -> Shape {
    let kinds: SchemaType = [kind, Type::Null].into_iter().collect();
    RefOr::T(ObjectBuilder::new().schema_type(kinds).description(Some(about)).into())
}

fn open(about: &str) -> Shape {
    plain(Type::Object, about)
}

fn map(of: Shape, about: &str) -> Shape {
    let object = ObjectBuilder::new().description(Some(about));
    RefOr::T(object.additional_properties(Some(AdditionalProperties::RefOr(of))).into())
}

fn whole(about: &str) -> Shape {
    plain(Type::Integer, about)
}

fn text(about: &str) -> Shape {
    plain(Type::String, about)
}

fn words<'w>(words: impl IntoIterator<Item = &'w str>, about: &str) -> Shape {
    let object = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    RefOr::T(object.enum_values(Some(words)).into())
}

fn either(names: &[&str]) -> Shape {
    let one = names.iter().fold(OneOfBuilder::new(), |one, name| one.item(reference(name)));
    RefOr::T(Schema::OneOf(one.build()))
}

/// An object with these keys, all of them required, and no others.
fn exact(keys: &[(&str, Shape)]) -> Shape {
    object(keys, &[])
}

fn object(required: &[(&str, Shape)], optional: &[(&str, Shape)]) -> Shape {
    let mut object = ObjectBuilder::new();
    for (key, shape) in required {
        object = object.property(*key, shape.clone()).required(*key);
    }
    for (key, shape) in optional {
        object = object.property(*key, shape.clone());
    }
    let closed = AdditionalProperties::FreeForm(false);
    RefOr::T(object.additional_properties(Some(closed)).into())
}

fn error() -> Shape {
    let place = exact(&[
        ("start", whole("First byte of the fault in the filter.")),
        ("end", whole("The byte behind it.")),
    ]);
    object(
        &[
            ("code", text("For programs: lower case with dashes.")),
            ("message", text("For people: what is wrong.")),
            ("hint", text("What to do about it.")),
        ],
        &[("place", place)],
    )
}

fn problem(beside: &[(&str, Shape)]) -> Shape {
    if beside.is_empty() {
        return exact(&[("error", error())]);
    }
    let closed = exact(&[
        ("sequence", whole("The first snapshot without it.")),
        ("at_us", whole("When that was: microseconds since 1970-01-01 UTC.")),
    ]);
    let mut keys =
        vec![("error", error()), ("closed", closed), ("snapshot", reference("Snapshot"))];
    keys.extend_from_slice(beside);
    exact(&keys)
}

fn id() -> Shape {
    text("Inode of the network namespace and cookie: /api/v1/connections/{id}.")
}

/// A record: every field of the catalogue, of which those asked for are there.
fn connection() -> Shape {
    let mut properties: Vec<(&str, Shape)> =
        catalogue().iter().map(|field| (&*field.key, of_field(field))).collect();
    properties.push(("explain", explain()));
    object(&[("id", id())], &properties)
}

/// What `explain=1` adds to a record.
fn explain() -> Shape {
    exact(&[
        ("sources", open("The source of each value, by key.")),
        ("unknown", open("The reason of each unknown value, by key.")),
    ])
}

/// The shape of a field's value.
fn of_field(field: &Field) -> Shape {
    let base = base_type(field.kind);
    let kind = match field.is_always_known {
        true => SchemaType::new(base),
        false => [base, Type::Null].into_iter().collect(),
    };
    if let Kind::List(spec) = field.kind {
        let array = Array::builder().items(reference(spec.item)).schema_type(kind);
        return RefOr::T(array.description(Some(field.meaning)).into());
    }
    let mut object = ObjectBuilder::new().schema_type(kind).description(Some(field.meaning));
    if matches!(field.kind, Kind::Count | Kind::Bytes | Kind::Duration | Kind::BytesPerSecond) {
        object = object.minimum(Some(0));
    }
    if field.kind == Kind::Port {
        object = object.minimum(Some(0)).maximum(Some(i32::from(u16::MAX)));
    }
    if field.name == "verdict" {
        object = object.enum_values(Some(Class::ALL.iter().map(|class| class.name())));
    }
    if !field.kind.unit().is_empty() {
        object = object.extensions(Some(Extensions::from_iter([("x-unit", field.kind.unit())])));
    }
    RefOr::T(object.into())
}

fn page(key: &str, of: Shape) -> Shape {
    exact(&[
        (key, list(of)),
        ("losses", list(reference("Loss"))),
        ("snapshot", reference("Snapshot")),
        ("total", whole("How many match, on all pages together.")),
        ("next_cursor", nullable(Type::String, "`cursor` of the next page; null on the last.")),
    ])
}

fn groups() -> Shape {
    exact(&[
        ("groups", list(reference("Group"))),
        ("losses", list(reference("Loss"))),
        ("snapshot", reference("Snapshot")),
        ("total", whole("How many groups there are.")),
    ])
}

/// A group: the key of the field grouped by has its value as text.
fn group() -> Shape {
    let number = |about| nullable(Type::Number, about);
    let figures = [
        ("connections", whole("How many they are.")),
        ("bytes_out", number("Payload bytes sent, of those known.")),
        ("bytes_in", number("Payload bytes received, of those known.")),
        ("rate_out_bytes_per_s", number("Payload sent a second.")),
        ("rate_in_bytes_per_s", number("Payload received a second.")),
        ("recv_queue_bytes", number("Bytes received and not read.")),
        ("send_queue_bytes", number("Bytes written and not acknowledged.")),
        ("rtt_median_us", number("The middle round trip time.")),
        ("worst_loss_percent", number("The highest loss.")),
        ("verdicts", verdict_counts()),
    ];
    let mut object = ObjectBuilder::new();
    for (key, shape) in figures {
        object = object.property(key, shape).required(key);
    }
    let about = "The value of the field grouped by, under the field's key; null is unknown.";
    let value = AdditionalProperties::RefOr(nullable(Type::String, about));
    RefOr::T(object.additional_properties(Some(value)).into())
}

fn verdict_counts() -> Shape {
    map(whole("How many have it."), "Connections by verdict.")
}

fn verdict() -> Shape {
    let properties: Vec<(&str, Shape)> = catalogue()
        .iter()
        .filter(|field| {
            field.name != "verdict" && field.name != "confidence" && field.name != "why"
        })
        .map(|field| (&*field.key, of_field(field)))
        .chain([("explain", explain())])
        .collect();
    let classes = Class::ALL.iter().map(|class| class.name());
    object(
        &[
            ("id", id()),
            ("verdict", words(classes, "The class.")),
            ("confidence_percent", whole("Confidence.")),
            ("why", text("A sentence with the numbers it rests on.")),
            ("advice", text("What to do; empty where nothing needs doing.")),
            ("evidence", reference("Evidence")),
        ],
        &properties,
    )
}

fn evidence() -> Shape {
    const NUMBERS: [(&str, &str); 23] = [
        ("samples", "Samples it rests on."),
        ("bytes_out", "Payload bytes sent."),
        ("bytes_in", "Payload bytes received."),
        ("segments_out", "Data segments sent."),
        ("segments_in", "Data segments received."),
        ("segments_lost", "Segments lost."),
        ("timeouts", "Retransmission timeouts."),
        ("busy_us", "Time with something to send."),
        ("rwnd_limited_us", "Time the peer's window was full."),
        ("sndbuf_limited_us", "Time the send buffer was full."),
        ("drops", "Packets (of a listener: connections) dropped."),
        ("rtt_us", "Mean round trip; 0 if unmeasured."),
        ("min_rtt_us", "Lowest round trip; 0 if unmeasured."),
        ("samples_unread", "Samples in which anything was unread."),
        ("unread_max_bytes", "Most bytes unread in a sample."),
        ("samples_sndbuf_full", "Samples in which the send buffer was full."),
        ("samples_reader_behind", "Samples in which the receive queue was at least half full."),
        ("samples_window_closed", "Samples in which the peer's window had no room."),
        ("samples_unsent", "Samples in which something waited to be sent."),
        ("samples_cwnd_full", "Samples in which the congestion window was full."),
        ("samples_app_limited", "Samples in which the application limited the rate."),
        ("samples_timed_out", "Samples in which a timeout had passed unanswered."),
        ("samples_accept_full", "Samples in which the accept queue was full."),
    ];
    let window = nullable(Type::Integer, "Length of the window; null is the connection's life.");
    let mut keys = vec![("window_us", window)];
    keys.extend(NUMBERS.map(|(key, about)| (key, whole(about))));
    exact(&keys)
}

/// The shapes of the records of every list in the catalogue.
fn list_items() -> Vec<(&'static str, Shape)> {
    let lists = catalogue().iter().filter_map(|field| match field.kind {
        Kind::List(spec) => Some(spec),
        _ => None,
    });
    lists.map(|spec| (spec.item, list_item(spec))).collect()
}

fn list_item(spec: &'static ListSpec) -> Shape {
    let of = |column: &ListColumn| {
        let mut kinds = vec![base_type(column.kind)];
        kinds.extend((!column.always).then_some(Type::Null));
        let kind: SchemaType = kinds.into_iter().collect();
        let object = ObjectBuilder::new().schema_type(kind).description(Some(column.meaning));
        (column.key, RefOr::T(object.into()))
    };
    let (always, else_absent): (Vec<&ListColumn>, Vec<&ListColumn>) =
        spec.columns.iter().partition(|column| column.always);
    let required: Vec<(&str, Shape)> = always.into_iter().map(of).collect();
    let optional: Vec<(&str, Shape)> = else_absent.into_iter().map(of).collect();
    object(&required, &optional)
}

/// The JSON type of the values of a kind.
fn base_type(kind: Kind) -> Type {
    match kind {
        Kind::Text | Kind::Address | Kind::Endpoint => Type::String,
        Kind::Count | Kind::Port | Kind::Bytes | Kind::Duration | Kind::Time => Type::Integer,
        Kind::BytesPerSecond | Kind::Percent => Type::Number,
        Kind::Bool => Type::Boolean,
        Kind::List(_) => Type::Array,
    }
}

fn sums() -> Vec<(&'static str, Shape)> {
    let bytes = |about| nullable(Type::Integer, about);
    let rate = |about| nullable(Type::Number, about);
    vec![
        ("connections", whole("Established connections.")),
        ("listeners", whole("Listening endpoints.")),
        ("sockets", whole("All sockets.")),
        ("bytes_out", bytes("Payload bytes sent; null if unknown.")),
        ("bytes_in", bytes("Payload bytes received; null if unknown.")),
        ("rate_out_bytes_per_s", rate("Payload sent a second; null if unknown.")),
        ("rate_in_bytes_per_s", rate("Payload received a second; null if unknown.")),
        ("verdicts", verdict_counts()),
    ]
}

fn process() -> Shape {
    let mut required =
        vec![("pid", whole("Process id.")), ("process", text("Name of the process."))];
    required.extend(sums());
    let of_process = |field: &&Field| field.of_process && field.name != "pid";
    let optional: Vec<(&str, Shape)> = catalogue()
        .iter()
        .filter(of_process)
        .filter(|field| field.name != "process")
        .map(|field| (&*field.key, of_field(field)))
        .collect();
    object(&required, &optional)
}

fn processes() -> Shape {
    exact(&[
        ("processes", list(reference("Process"))),
        ("without_process", reference("Sums")),
        ("losses", list(reference("Loss"))),
        ("snapshot", reference("Snapshot")),
        ("total", whole("How many processes there are, on all pages together.")),
        ("next_cursor", nullable(Type::String, "`cursor` of the next page; null on the last.")),
    ])
}

fn snapshot() -> Shape {
    exact(&[
        ("instance", text("Random, new at each start of the agent: 16 hexadecimal digits.")),
        ("sequence", whole("Counts up by one with each snapshot, from 1.")),
        ("at_us", whole("When it was made: microseconds since 1970-01-01 UTC.")),
    ])
}

fn loss() -> Shape {
    const KINDS: [LossKind; 10] = [
        LossKind::DumpInterrupted,
        LossKind::DumpOverrun,
        LossKind::MessageRefused,
        LossKind::TableUnreadable,
        LossKind::NamespaceUnreadable,
        LossKind::NotPermitted,
        LossKind::FileUnreadable,
        LossKind::EventDropped,
        LossKind::MapFull,
        LossKind::BoundReached,
    ];
    exact(&[
        ("kind", words(KINDS.map(LossKind::name), "The kind of loss.")),
        ("count", whole("How many.")),
        ("source", text("The source that lost it.")),
        ("message", text("For people: what was attempted, why it failed, what to do.")),
    ])
}

fn field() -> Shape {
    exact(&[
        ("name", text("Its name in filters, sort, fields and group_by.")),
        ("key", text("Its key in records: the name with the unit.")),
        ("aliases", list(text("Another name filters understand."))),
        ("type", text("Its type.")),
        ("unit", text("Its unit; empty where it has none.")),
        ("meaning", text("What it means.")),
        ("source", text("Where it comes from.")),
    ])
}

fn health() -> Shape {
    let us = |about| whole(about);
    let samples = exact(&[
        ("done", whole("Samples taken.")),
        ("skipped", whole("Samples skipped because an earlier one took too long.")),
        ("lateness_us", us("Delay of the last sample behind its schedule.")),
        ("lateness_max_us", us("Maximum delay of a sample behind its schedule.")),
    ]);
    let ability = exact(&[
        ("name", text("A short name.")),
        ("meaning", text("What it gives.")),
        ("missing", nullable(Type::String, "Why it is not there; null if it is.")),
    ]);
    let losses =
        exact(&[("snapshot", list(reference("Loss"))), ("agent", list(reference("Loss")))]);
    let cost = exact(&[
        ("cpu_us", us("CPU time since the start.")),
        ("sample_cpu_us", us("CPU time of the last sample.")),
        ("resident_bytes", whole("Resident memory.")),
        ("resident_peak_bytes", whole("Its peak.")),
    ]);
    let readers = exact(&[
        ("clients", whole("Clients connected.")),
        ("streams", whole("Streams of changes and events open.")),
        ("refused", map(whole("How often."), "Refusals to clients, by limit.")),
    ]);
    exact(&[
        ("status", words(["ok", "degraded", "failing"], "Summary.")),
        ("failing", nullable(Type::String, "Why there is no fresh snapshot; null if there is.")),
        ("version", text("Version of the agent.")),
        ("snapshot", reference("Snapshot")),
        ("age_us", us("Age of the snapshot.")),
        ("started_us", whole("When the agent started: microseconds since 1970-01-01 UTC.")),
        ("interval_us", us("Time between two samples.")),
        ("sockets", whole("Sockets in the snapshot.")),
        ("samples", samples),
        ("abilities", list(ability)),
        (
            "reconciliation_differences",
            whole("Cached owners that a full scan found to be outdated."),
        ),
        ("losses", losses),
        ("cost", cost),
        ("readers", readers),
        ("privileges", anything("The privileges the agent kept and dropped.")),
    ])
}

fn anything(about: &str) -> Shape {
    let object = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
    RefOr::T(object.description(Some(about)).into())
}
