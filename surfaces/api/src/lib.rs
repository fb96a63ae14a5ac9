//! The public contract: what can be asked of an agent (the [`Agent`] trait), and the shapes it answers
//! in. A command is handed an `Agent`, never an engine, so that it works with a remote agent as well;
//! a server in the agent's own process is handed the receivers of its channels.

mod agent;
mod answer;
mod cursor;
mod event;
mod plain_text;
mod record;
mod replica;
mod resume;
mod shapes;
mod sql;
mod stamp;
mod streams;
mod timeline;
mod updates;
mod usual;
mod wire;

pub use agent::{
    Agent, AgentError, Ask, EventBatch, Events, Pace, Start, Updates, View, kept_events,
    next_update, observe, observed, sample_once,
};
pub use answer::{Answer, GroupRecord, GroupShape};
pub use conns_history::{Bucket, Timeline, Times};
pub use cursor::{Cursor, CursorError, PagePlace};
pub use event::{EventRecords, is_of_end, usual_event_fields};
pub use plain_text::{csv_cell, printable};
pub use record::{RecordWriter, field_json};
pub use replica::{Replica, ReplicaChange, ReplicaError, ReplicaWriter};
pub use resume::{ResumeId, ResumeIdError};
pub use shapes::{
    AbilityShape, ClassWord, EventShape, EventWord, EvidenceShape, ExplainShape, FieldShape,
    FieldsShape, LossShape, LossWord, RecordShape, VerdictShape,
};
pub use sql::{read_sql, sql_keys, write_sql, write_sql_rows};
pub use stamp::Stamp;
pub use streams::write_streams;
pub use timeline::{BucketShape, EVENTS_REACH_US, TimelineShape};
pub use updates::{EventReceiver, UpdateReceiver};
pub use usual::{is_of_interest, is_problem, urgency};
pub use wire::{
    Decoder, EVENTS_PATH, EVENTS_TYPE, EventsAnswer, EventsFrom, EventsQuery, MAX_BODY_BYTES,
    MAX_CONNECTIONS, MAX_EVENTS_PER_ANSWER, QueryError, SNAPSHOT_PATH, SNAPSHOT_TYPE, UpdateDelta,
    UpdateQuery, VersionRange, WireError, asked_for, encode_events, encode_update, event_losses,
};
