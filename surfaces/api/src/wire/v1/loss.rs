//! The shape of a loss: its source, kind, sentence and count for every reader, and its cause for one
//! that knows it.

use std::borrow::Cow;

use conns_core::model;
use conns_core::model::LossKind;
use serde::{Deserialize, Serialize};

use super::basic::{Bytes, SourceCode, UnknownCode, codes};

codes!(DroppedEvents: model::DroppedEvents {
    0 = model::DroppedEvents::Opened,
    1 = model::DroppedEvents::Accepted,
    2 = model::DroppedEvents::Closed,
    3 = model::DroppedEvents::Failed,
    4 = model::DroppedEvents::WithoutStorage,
});

codes!(Fallback: model::Fallback {
    0 = model::Fallback::None,
    1 = model::Fallback::Netlink,
    2 = model::Fallback::Procfs,
    3 = model::Fallback::Portable,
});

codes!(PortableFault: model::PortableFault {
    0 = model::PortableFault::SocketVanished,
    1 = model::PortableFault::TableCut,
    2 = model::PortableFault::StateUnknown,
    3 = model::PortableFault::OwnerVanished,
});

codes!(CaptureFault: model::CaptureFault {
    0 = model::CaptureFault::FileCut,
    1 = model::CaptureFault::FileCorrupt,
    2 = model::CaptureFault::PacketsCut,
    3 = model::CaptureFault::PacketsRepeated,
    4 = model::CaptureFault::PacketsReordered,
    5 = model::CaptureFault::BytesMissing,
    6 = model::CaptureFault::PacketsDropped,
    7 = model::CaptureFault::PacketsBackInTime,
    8 = model::CaptureFault::PacketsMalformed,
    9 = model::CaptureFault::LinkTypeUnsupported,
    10 = model::CaptureFault::FragmentsIncomplete,
    11 = model::CaptureFault::FragmentsRefused,
    12 = model::CaptureFault::ConnectionsBeganBefore,
    13 = model::CaptureFault::ConnectionsRefused,
    14 = model::CaptureFault::DecodersRefused,
});

codes!(OtherFamily: model::OtherFamily {
    0 = model::OtherFamily::Unix,
    1 = model::OtherFamily::Raw,
    2 = model::OtherFamily::UdpLite,
    3 = model::OtherFamily::Packet,
    4 = model::OtherFamily::Netlink,
    5 = model::OtherFamily::Vsock,
    6 = model::OtherFamily::None,
});

/// The family of a table, if it is not TCP or UDP.
#[derive(Serialize, Deserialize)]
struct TableFamily(Option<OtherFamily>);

impl From<Option<model::OtherFamily>> for TableFamily {
    fn from(family: Option<model::OtherFamily>) -> Self {
        Self(family.map(OtherFamily::from))
    }
}

impl TryFrom<TableFamily> for Option<model::OtherFamily> {
    type Error = UnknownCode;

    fn try_from(family: TableFamily) -> Result<Self, UnknownCode> {
        family.0.map(model::OtherFamily::try_from).transpose()
    }
}

/// The code of a cause that is known by its sentence alone.
const REPORTED: u16 = 0;

#[derive(Serialize, Deserialize)]
pub(super) struct Loss<'a> {
    source: SourceCode,
    /// [`LossKind::name`].
    kind: &'a str,
    /// The sentence, with `{count}` where the count belongs.
    #[serde(borrow)]
    template: Cow<'a, str>,
    count: u64,
    /// Which cause; [`REPORTED`] if it has none but its sentence.
    cause: u16,
    /// The fields of the cause.
    #[serde(borrow)]
    fields: Bytes<'a>,
}

/// Declares the code and the shape of the fields of each cause.
macro_rules! causes {
    ($($code:literal = $variant:ident { $($field:ident: $shape:ty),* $(,)? })*) => {
        fn encode(cause: &model::LossCause) -> postcard::Result<(u16, Bytes<'static>)> {
            Ok(match cause {
                $(model::LossCause::$variant { $($field),* } => {
                    let fields: ($($shape,)*) = ($($field.clone().into(),)*);
                    ($code, Bytes::of(&fields)?)
                })*
                model::LossCause::Reported { .. } => (REPORTED, Bytes::of(&())?),
            })
        }

        /// The cause with this code; `None` if it is of a newer version.
        fn decode(code: u16, fields: &Bytes<'_>) -> Option<model::LossCause> {
            Some(match code {
                $($code => {
                    let ($($field,)*): ($($shape,)*) = fields.read()?;
                    model::LossCause::$variant {
                        $($field: convert($field)?),*
                    }
                })*
                _ => return None,
            })
        }
    };
}

fn convert<T, U: TryFrom<T>>(shape: T) -> Option<U> {
    U::try_from(shape).ok()
}

causes! {
    1 = DumpInterrupted { table: Box<str>, attempts: u32 }
    2 = DumpOverrun { table: Box<str>, attempts: u32 }
    3 = DumpMessagesRefused { table: Box<str>, last: Box<str> }
    5 = SourceUnavailable { error: Box<str>, fallback: Fallback }
    6 = NamespacesNotListed { error: Box<str>, out_of_files: bool }
    7 = NamespaceNotEntered {
        inode: u64,
        name: Option<Box<str>>,
        error: Box<str>,
        not_permitted: bool,
    }
    8 = NamespacesBeyondBound { bound: u64 }
    9 = ProcessesNotPermitted {}
    10 = ProcessesUnreadable { last: Box<str>, error: Box<str> }
    11 = RingFull { events: DroppedEvents, ring_bytes: u64 }
    12 = StorageFull { events: DroppedEvents }
    13 = ChangesRingFull { passes: u32 }
    14 = SocketsNotMarked {}
    15 = RecordsUnknown { are_events: bool }
    16 = PortableStopped { failures: u64 }
    17 = PortableRow { fault: PortableFault, first: Box<str> }
    18 = HistoryFull { bound: u64 }
    19 = PendingFull { bound: u64 }
    20 = FinalMeasuresFull { bound: u64 }
    21 = EventsNotPublished { capacity: u64 }
    23 = OtherCauses { bound: u64 }
    24 = PollingFallback { interval_us: u64, reason: Box<str> }
    25 = AgentFailing { error: Box<str> }
    26 = AnswerTruncated { connections: u64, descriptors: u64 }
    27 = AgentRestarted {}
    28 = EventsForgotten {}
    29 = ClosedListFull { bound: u64 }
    30 = PayloadDropped {}
    31 = ApplicationsFull { bound: u64 }
    32 = UdpPeersEvicted { capacity: u64 }
    33 = ProcessesHidden { by_pid_namespace: bool }
    34 = SocketsBeyondBound { bound: u64 }
    35 = Capture { fault: CaptureFault, detail: Box<str> }
    40 = NamesFull { bound: u64 }
    41 = LinkServerEnded { status: Box<str>, is_running: bool }
    // 4 was without `family`.
    42 = TableUnreadable {
        table: Box<str>,
        error: Box<str>,
        needs_modules: bool,
        family: TableFamily,
    }
    43 = InterfacesNotNamed { inode: u64, error: Box<str>, not_permitted: bool }
    44 = HistoryNotWritten { error: Box<str> }
    45 = HistoryDamaged { table: Box<str>, from_us: i64, to_us: i64, error: Option<Box<str>> }
}

impl<'a> Loss<'a> {
    pub(super) fn new(loss: &'a model::Loss) -> postcard::Result<Self> {
        let (cause, fields) = encode(&loss.cause)?;
        Ok(Self {
            source: loss.source.into(),
            kind: loss.kind().name(),
            template: loss.template().into(),
            count: loss.count,
            cause,
            fields,
        })
    }
}

impl From<Loss<'_>> for model::Loss {
    fn from(shape: Loss<'_>) -> Self {
        let cause = decode(shape.cause, &shape.fields).unwrap_or_else(|| {
            let mut kinds = LossKind::ALL.into_iter();
            // A newer version may have kinds that this one cannot name.
            let kind = kinds.find(|kind| kind.name() == shape.kind);
            model::LossCause::Reported {
                kind: kind.unwrap_or(LossKind::MessageRefused),
                template: shape.template.into(),
            }
        });
        Self { source: shape.source.into(), cause, count: shape.count }
    }
}
