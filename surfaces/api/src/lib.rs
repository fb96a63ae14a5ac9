//! The public contract: what can be asked of an agent (the [`Agent`]), and the shapes it answers
//! in. Every surface is handed a `Agent`, never an engine, so that a remote agent can stand behind it.

mod agent;
mod answer;
mod event;
mod record;
mod updates;
mod usual;
mod wire;

pub use agent::{Agent, AgentError, Ask, EventBatch, View};
pub use answer::{AbilityShapes, Answer, GROUP_KEYS, GroupShape, group_figures};
pub use event::{EventRecords, is_of_end, usual_event_fields};
pub use record::RecordWriter;
pub use updates::UpdateReceiver;
pub use usual::{field_reference, is_of_interest, urgency};
pub use wire::{
    BODY_BYTES_MAX, CONNECTIONS_MAX, EVENTS_PATH, EVENTS_TOLD, EVENTS_TYPE, EventMark,
    EventsQuestion, FORMAT, From, Happened, Interned, Mark, Question, QuestionError, SNAPSHOT_PATH,
    SNAPSHOT_TYPE, SnapshotDelta, WireError, event_losses, tell, tell_events,
};
