//! The parts of answers whose keys are fixed: each is one type, from which both the JSON and its schema
//! in the OpenAPI document are derived. The keys of records come from the catalogue of fields instead
//! ([`crate::RecordWriter`]).

mod evidence;
mod words;

pub use evidence::EvidenceShape;
pub use words::{ClassWord, EventWord, LossWord};

use conns_core::model::{Ability, Connection, Event, Loss};
use conns_core::query::{Field, catalogue};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// Something that is missing from the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Loss)]
pub struct LossShape {
    /// The kind of loss.
    pub kind: LossWord,
    /// How many.
    pub count: u64,
    /// The source that lost it.
    pub source: String,
    /// For people: what was attempted, why it failed, what to do.
    pub message: String,
}

impl LossShape {
    /// All of these.
    #[must_use]
    pub fn all(losses: &[Loss]) -> Vec<Self> {
        losses.iter().map(Self::from).collect()
    }
}

impl From<&Loss> for LossShape {
    fn from(loss: &Loss) -> Self {
        Self {
            kind: LossWord(loss.kind()),
            count: loss.count,
            source: loss.source.to_string(),
            message: loss.to_string(),
        }
    }
}

/// Something the agent does where the system lets it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Ability)]
pub struct AbilityShape<'a> {
    /// A short name.
    pub name: &'a str,
    /// What it gives.
    pub meaning: &'a str,
    /// Why it is not there; null if it is.
    #[schema(required)]
    pub missing: Option<String>,
}

impl<'a> AbilityShape<'a> {
    /// All of these.
    #[must_use]
    pub fn all(abilities: &'a [Ability]) -> Vec<Self> {
        abilities.iter().map(Self::from).collect()
    }
}

impl<'a> From<&'a Ability> for AbilityShape<'a> {
    fn from(ability: &'a Ability) -> Self {
        Self {
            name: ability.kind.name(),
            meaning: ability.kind.meaning(),
            missing: ability.missing.as_ref().map(ToString::to_string),
        }
    }
}

/// What limits a connection, beside the fields that identify it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Verdict)]
pub struct VerdictShape {
    /// The class.
    pub verdict: ClassWord,
    /// Confidence.
    #[schema(maximum = 100)]
    pub confidence_percent: u8,
    /// A sentence with the numbers it rests on.
    pub why: String,
    /// What to do; empty where nothing needs doing.
    pub advice: &'static str,
    /// The numbers it rests on.
    pub evidence: EvidenceShape,
}

impl From<&Connection> for VerdictShape {
    fn from(connection: &Connection) -> Self {
        let (verdict, socket) = (&connection.verdict, &connection.socket);
        Self {
            verdict: ClassWord(verdict.class),
            confidence_percent: verdict.confidence_percent,
            why: verdict.why(socket),
            advice: verdict.advice(socket),
            evidence: EvidenceShape::from(&verdict.evidence),
        }
    }
}

/// What `explain=1` adds to a record.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = Explain)]
pub struct ExplainShape<'a> {
    /// The source of each value, by key.
    #[serde(serialize_with = "entries")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub sources: Vec<(&'a str, String)>,
    /// The reason of each unknown value, by key.
    #[serde(serialize_with = "entries")]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub unknown: Vec<(&'a str, String)>,
}

/// Entries in their order, as one object.
fn entries<S: Serializer>(entries: &[(&str, String)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(entries.iter().map(|(key, value)| (key, value)))
}

/// The record of a connection, or of the verdict on it; beside these keys it has those of the fields.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Record)]
pub struct RecordShape<'a> {
    /// Inode of the network namespace and cookie: /api/v1/connections/{id}.
    pub id: String,
    /// Present with `explain=1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ExplainShape, required = false)]
    pub explain: Option<ExplainShape<'a>>,
}

/// An event; beside these keys it has those of the fields of its connection as it was then.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventShape {
    /// Inode of the network namespace and cookie: /api/v1/connections/{id}.
    pub id: String,
    /// What happened.
    pub event: EventWord,
    /// When: microseconds since 1970-01-01 UTC.
    pub at_us: i64,
    /// Counts up by one with each event of the agent, from 1.
    #[schema(minimum = 1)]
    pub serial: u64,
}

impl From<&Event> for EventShape {
    fn from(event: &Event) -> Self {
        let id = event.connection.socket.id;
        Self {
            id: format!("{}-{}", id.netns, id.cookie),
            event: EventWord(event.kind),
            at_us: event.at.wall_us,
            serial: event.serial,
        }
    }
}

/// The field reference.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fields)]
pub struct FieldsShape {
    /// Every field of the catalogue.
    pub fields: Vec<FieldShape>,
}

impl FieldsShape {
    /// The whole catalogue.
    #[must_use]
    pub fn of_catalogue() -> Self {
        Self { fields: catalogue().iter().map(FieldShape::from).collect() }
    }
}

/// A field of the catalogue.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Field)]
pub struct FieldShape {
    /// Its name in filters, sort, fields and group_by.
    pub name: &'static str,
    /// Its key in records: the name with the unit.
    pub key: &'static str,
    /// Other names that filters understand.
    pub aliases: &'static [&'static str],
    /// Its type.
    pub r#type: &'static str,
    /// Its unit; empty where it has none.
    pub unit: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Where a table is narrow, columns of lower rank are hidden first; null is hidden after all that have one.
    #[schema(required)]
    pub rank: Option<u8>,
}

impl From<&'static Field> for FieldShape {
    fn from(field: &'static Field) -> Self {
        Self {
            name: field.name,
            key: &field.key,
            aliases: field.aliases,
            r#type: field.kind.name(),
            unit: field.kind.unit(),
            meaning: field.meaning,
            source: field.origin,
            rank: field.drop_rank,
        }
    }
}
