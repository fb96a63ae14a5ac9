//! A loss in one sentence: what was attempted, on what, why it failed, what to do.

use std::fmt;

use crate::human::{bytes, date, duration};
use crate::model::{
    CaptureFault, DroppedEvents, Fallback, Loss, LossCause, OtherFamily, PortableFault,
};

/// Stands for the count in [`Loss::template`].
const COUNT: &str = "{count}";

impl Loss {
    /// The sentence with `{count}` in the place of the count: the same for every occurrence of one
    /// cause, apart from details of the last one.
    #[must_use]
    pub fn template(&self) -> String {
        self.cause.template()
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let template = self.template();
        match template.split_once(COUNT) {
            Some((before, after)) => write!(f, "{before}{}{after}", self.count),
            None => f.write_str(&template),
        }
    }
}

impl LossCause {
    fn template(&self) -> String {
        match self {
            Self::DumpInterrupted { table, attempts } => format!(
                "the dump of {table} stayed interrupted in {attempts} attempts; rows may be missing"
            ),
            Self::DumpOverrun { table, attempts } => format!(
                "the dump of {table} overran its buffer in {attempts} attempts; rows are missing"
            ),
            Self::DumpMessagesRefused { table, last } => format!(
                "{COUNT} messages of the dump of {table} are malformed, the last one: {last}"
            ),
            Self::TableUnreadable { table, error, needs_modules, family } => {
                let remedy = match needs_modules {
                    true => format!("; load {}", modules_of(*family)),
                    false => String::new(),
                };
                format!("cannot read the table of {table}: {error}{remedy}")
            }
            Self::SourceUnavailable { error, fallback } => {
                let instead = match fallback {
                    Fallback::None => "",
                    Fallback::Netlink => ". The socket tables are read over netlink from now on",
                    Fallback::Procfs => ". Owners are searched in /proc from now on",
                    Fallback::Portable => {
                        ". The portable source is used: no latency, loss, bytes or verdict"
                    }
                };
                format!("{error}{instead}")
            }
            Self::NamespacesNotListed { error, out_of_files } => {
                let remedy = if *out_of_files {
                    "raise the limit of open files (ulimit -n)"
                } else {
                    "mount procfs on /proc"
                };
                format!(
                    "cannot find other network namespaces in /proc: {error}; only this one is \
                     listed; {remedy}"
                )
            }
            Self::NamespaceNotEntered { inode, name, error, not_permitted } => {
                let name = name.as_deref().unwrap_or("without a name");
                let (error, remedy) = not_entered(error, *not_permitted);
                format!("cannot enter network namespace {name} (net:[{inode}]): {error}; {remedy}")
            }
            Self::InterfacesNotNamed { inode, error, not_permitted } => {
                let remedy = match not_permitted {
                    true => {
                        "run as root (CAP_SYS_ADMIN); an agent enters namespaces made after its start if it \
                         is started with --follow-namespaces"
                    }
                    false => "its interfaces are shown by index",
                };
                format!(
                    "cannot read the names of interfaces in network namespace net:[{inode}]: {error}; {remedy}"
                )
            }
            Self::NamespacesBeyondBound { bound } => {
                format!("{COUNT} network namespaces beyond the bound of {bound} are not listed")
            }
            Self::ProcessesNotPermitted => format!(
                "processes that cannot be inspected by this user: {COUNT}, so their sockets show ? as \
                 owner, and network namespaces only they use are missing; run as root \
                 with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, which the root of a container may lack"
            ),
            Self::ProcessesHidden { by_pid_namespace } => {
                let (hidden, remedy) = match by_pid_namespace {
                    true => {
                        ("outside of this pid namespace", "run in that of the host (--pid=host)")
                    }
                    false => {
                        ("by the mount option hidepid of /proc", "run as root (CAP_SYS_PTRACE)")
                    }
                };
                format!("{COUNT} sockets show ? as owner: processes are hidden {hidden}; {remedy}")
            }
            Self::ProcessesUnreadable { last, error } => format!(
                "processes whose descriptors could not be read: {COUNT}, the last {last}: {error}; \
                 their sockets may show ? as owner"
            ),
            Self::RingFull { events, ring_bytes } => format!(
                "{COUNT} {} are missing: the kernel's ring of {} was full, because it was not \
                 drained fast enough",
                noun(*events),
                bytes(*ring_bytes)
            ),
            Self::StorageFull { events } => format!("{COUNT} {} are missing", noun(*events)),
            Self::ChangesRingFull { passes } => format!(
                "the kernel's ring of changed sockets was full in {passes} passes; some sockets are \
                 shown as they were in an earlier sample"
            ),
            Self::SocketsNotMarked => {
                format!("{COUNT} sockets are missing: the kernel had no memory to mark them")
            }
            Self::UdpPeersEvicted { capacity } => format!(
                "{COUNT} peers of UDP sockets are not listed: the table of peers in the kernel has room for {capacity}"
            ),
            Self::RecordsUnknown { are_events } => format!(
                "{COUNT} {} are of a kind this version does not know",
                if *are_events { "events" } else { "rows" }
            ),
            Self::PortableStopped { failures } => {
                format!("reading stopped after {failures} failures, so sockets are missing")
            }
            Self::PortableRow { fault, first } => {
                let what = match fault {
                    PortableFault::SocketVanished => "sockets were closed while they were read",
                    PortableFault::TableCut => "socket tables could not be read to their end",
                    PortableFault::StateUnknown => "sockets are in a state without a name",
                    PortableFault::OwnerVanished => {
                        "owners are missing: the process ended, or refused, while it was read"
                    }
                };
                format!("{COUNT} {what}; the first: {first}")
            }
            Self::SocketsBeyondBound { bound } => format!(
                "{COUNT} sockets beyond {bound} are not listed: the memory limit of this service (MemoryMax=) \
                 has room for no more; raise it"
            ),
            Self::HistoryFull { bound } => {
                format!("{COUNT} connections beyond the bound of {bound} are shown without rates")
            }
            Self::PendingFull { bound } => format!(
                "{COUNT} events are of connections beyond the bound of {bound}: each is published \
                 without what earlier events reported"
            ),
            Self::FinalMeasuresFull { bound } => format!(
                "{COUNT} closed connections beyond the bound of {bound} are listed without their \
                 final measures"
            ),
            Self::ApplicationsFull { bound } => format!(
                "{COUNT} decoded protocols are of connections beyond the bound of {bound} and are not \
                 shown"
            ),
            Self::NamesFull { bound } => format!(
                "{COUNT} names of addresses beyond the bound of {bound} are not shown as remote_name"
            ),
            Self::EventsNotPublished { capacity } => format!(
                "{COUNT} events were dropped before they were published: at most {capacity} are \
                 buffered"
            ),
            Self::OtherCauses { bound } => {
                format!("{COUNT} more were lost, of causes beyond the {bound} listed")
            }
            Self::PollingFallback { interval_us, reason } => format!(
                "events are derived from samples, one every {}: a connection that lives shorter may \
                 be missed, and how one closed is unknown, because {reason}",
                duration(*interval_us)
            ),
            Self::AgentFailing { error } => format!(
                "the agent cannot read the machine: {error}. Shown is its last snapshot; see \
                 /api/v1/health"
            ),
            Self::AnswerTruncated { connections, descriptors } => format!(
                "{COUNT} connections beyond the bounds of one answer ({connections} connections, \
                 {descriptors} descriptors) are missing; use a filter"
            ),
            Self::AgentRestarted => {
                "the agent was restarted; events before that are missing".to_owned()
            }
            Self::EventsForgotten => format!(
                "{COUNT} events are missing: the agent does not keep them any more. Read more often, \
                 or with a filter"
            ),
            Self::ClosedListFull { bound } => format!(
                "{COUNT} more connections have closed: a list buffers at most {bound}. Use a filter, \
                 or `-o jsonl`, which prints them as they close"
            ),
            Self::PayloadDropped => {
                format!("{COUNT} bytes of payload were not decoded, because of load")
            }
            Self::Capture { fault, detail } => of_capture(*fault, detail),
            Self::LinkServerEnded { status, is_running } => {
                let now = if *is_running { "it runs again" } else { "it does not run now" };
                format!(
                    "the link server of `[link]` ended {COUNT} times, the last time: {status}; {now}; the log of \
                     the agent has its messages"
                )
            }
            Self::HistoryNotWritten { error } => {
                format!(
                    "the history is not kept: {error}; free space, or set `history.path` or `history.size = 0`"
                )
            }
            Self::HistoryDamaged { table, from_us, to_us, error } => {
                let (from, to) = (date(*from_us), date(*to_us));
                match error {
                    Some(error) => format!(
                        "{COUNT} rows of `{table}` from {from} to {to} are missing, because the file of the history is \
                         damaged: {error}; check the disk"
                    ),
                    None => format!(
                        "{COUNT} periods of `{table}` from {from} to {to} lack a part of their sums, because the file of \
                         the history is damaged; check the disk"
                    ),
                }
            }
            Self::Reported { template, .. } => template.to_string(),
        }
    }
}

/// Why a network namespace was not entered, and what to do.
pub(super) fn not_entered(error: &str, not_permitted: bool) -> (&str, &'static str) {
    if not_permitted {
        let remedy = "run as root (CAP_SYS_ADMIN); an agent enters namespaces made after its start if it is started \
                      with --follow-namespaces";
        return ("not permitted", remedy);
    }
    (error, "its sockets are missing here")
}

fn of_capture(fault: CaptureFault, detail: &str) -> String {
    match fault {
        CaptureFault::FileCut => format!(
            "the capture file ends in the middle of a packet, {detail}: it is read up to there"
        ),
        CaptureFault::FileCorrupt => format!("the capture file is not read beyond {detail}"),
        CaptureFault::PacketsCut => format!(
            "{COUNT} packets were captured in part (snaplen), so that protocols may not be decoded; \
             capture with `tcpdump -s 0`"
        ),
        CaptureFault::PacketsRepeated => {
            format!("{COUNT} packets were captured more than once, and are counted once")
        }
        CaptureFault::PacketsReordered => {
            format!("{COUNT} segments were captured after later ones of their connection")
        }
        CaptureFault::BytesMissing => format!(
            "{COUNT} bytes of payload are missing from the capture: their receiver acknowledged them"
        ),
        CaptureFault::PacketsDropped => {
            format!("{COUNT} packets are missing: the program that captured dropped them")
        }
        CaptureFault::PacketsBackInTime => format!(
            "{COUNT} packets are dated before the one ahead of them in the file, and are taken as of \
             the same time"
        ),
        CaptureFault::PacketsMalformed => {
            format!("{COUNT} packets have malformed headers, and are not read")
        }
        CaptureFault::LinkTypeUnsupported => {
            format!("{COUNT} packets are of {detail}, which is not supported, and are not read")
        }
        CaptureFault::FragmentsIncomplete => {
            format!("{COUNT} IP fragments are of packets that were not captured whole")
        }
        CaptureFault::FragmentsRefused => {
            format!("{COUNT} IP fragments beyond the bound of {detail} are not read")
        }
        CaptureFault::ConnectionsBeganBefore => format!(
            "{COUNT} connections began before the capture: by which end and when is unknown, and their \
             bytes count from its first packet"
        ),
        CaptureFault::ConnectionsRefused => {
            format!("{COUNT} packets of connections beyond the bound of {detail} are not read")
        }
        CaptureFault::DecodersRefused => format!(
            "{COUNT} connections are not decoded to their end: together they would hold more than \
             {detail}"
        ),
    }
}

fn noun(events: DroppedEvents) -> &'static str {
    match events {
        DroppedEvents::Opened => "opened events",
        DroppedEvents::Accepted => "accepted events",
        DroppedEvents::Closed => "closed events",
        DroppedEvents::Failed => "failed events",
        DroppedEvents::WithoutStorage => "events of sockets for which the kernel had no memory",
    }
}

/// The kernel modules that list the sockets of a family.
pub(super) fn modules_of(family: Option<OtherFamily>) -> &'static str {
    match family {
        Some(OtherFamily::Unix) => "the kernel's unix_diag module",
        Some(OtherFamily::Packet) => "the kernel's af_packet_diag module",
        Some(OtherFamily::Netlink) => "the kernel's netlink_diag module",
        Some(OtherFamily::Vsock) => "the kernel's vsock_diag module",
        Some(OtherFamily::Raw) => "the kernel's raw_diag module",
        Some(OtherFamily::UdpLite | OtherFamily::None) | None => {
            "the kernel's tcp_diag and udp_diag modules"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LossKind, Source};

    #[test]
    fn the_count_is_rendered_where_the_template_has_it() {
        let cause = LossCause::HistoryFull { bound: 7 };
        let loss = Loss { source: Source::Derived, cause, count: 7 };
        assert_eq!(loss.to_string(), "7 connections beyond the bound of 7 are shown without rates");
        let reported = LossCause::Reported {
            kind: LossKind::MapFull,
            template: "12 of {count} maps are full".into(),
        };
        let loss = Loss { source: Source::Ebpf, cause: reported, count: 40 };
        assert_eq!(loss.to_string(), "12 of 40 maps are full");
    }

    #[test]
    fn one_process_and_several_are_both_grammatical() {
        let sentence = |count| {
            Loss { source: Source::Procfs, cause: LossCause::ProcessesNotPermitted, count }
                .to_string()
        };
        let start = "processes that cannot be inspected by this user: ";
        assert!(sentence(1).starts_with(&format!("{start}1, so")), "{}", sentence(1));
        assert!(sentence(7).starts_with(&format!("{start}7, so")), "{}", sentence(7));
    }

    #[test]
    fn inodes_and_other_numbers_of_a_cause_are_never_mistaken_for_the_count() {
        let entered = |inode| LossCause::NamespaceNotEntered {
            inode,
            name: None,
            error: "Operation not permitted (os error 1)".into(),
            not_permitted: true,
        };
        let one = Loss { source: Source::SockDiag, cause: entered(4_026_532_291), count: 1 };
        assert!(one.to_string().contains("net:[4026532291]"), "{one}");
        let other = Loss { cause: entered(4_026_532_292), ..one.clone() };
        assert!(!one.is_same_cause(&other));
    }
}
