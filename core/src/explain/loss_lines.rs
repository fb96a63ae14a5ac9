//! Losses of one kind as one line: 30 namespaces that cannot be entered are one sentence, not 30.

use crate::human::bytes;
use crate::model::{DroppedEvents, Loss, LossCause, OtherFamily};

/// Most objects that a line names.
const NAMED: usize = 3;

/// One sentence for all losses that differ in their object alone. JSON has each.
#[must_use]
pub fn loss_lines<'l>(losses: impl IntoIterator<Item = &'l Loss>) -> Vec<String> {
    let mut kinds: Vec<(Kind<'l>, Vec<&'l Loss>)> = Vec::new();
    for loss in losses {
        let kind = Kind::of(loss);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, of_kind)) => of_kind.push(loss),
            None => kinds.push((kind, vec![loss])),
        }
    }
    kinds.into_iter().map(|(kind, losses)| kind.line(&losses)).collect()
}

/// What losses of one line have in common.
#[derive(PartialEq, Eq)]
enum Kind<'l> {
    Namespaces { error: &'l str, not_permitted: bool },
    Tables { error: &'l str, needs_modules: bool, family: Option<OtherFamily> },
    DumpsInterrupted,
    DumpsOverrun,
    DumpsMalformed,
    Ring { bytes: u64 },
    Other(&'l Loss),
}

impl<'l> Kind<'l> {
    fn of(loss: &'l Loss) -> Self {
        match &loss.cause {
            LossCause::NamespaceNotEntered { error, not_permitted, .. } => {
                Self::Namespaces { error, not_permitted: *not_permitted }
            }
            LossCause::TableUnreadable { error, needs_modules, family, .. } => {
                // The remedy is by family where a module is missing.
                let family = family.filter(|_| *needs_modules);
                Self::Tables { error, needs_modules: *needs_modules, family }
            }
            LossCause::DumpInterrupted { .. } => Self::DumpsInterrupted,
            LossCause::DumpOverrun { .. } => Self::DumpsOverrun,
            LossCause::DumpMessagesRefused { .. } => Self::DumpsMalformed,
            LossCause::RingFull { ring_bytes, .. } => Self::Ring { bytes: *ring_bytes },
            _ => Self::Other(loss),
        }
    }

    fn line(&self, losses: &[&Loss]) -> String {
        let [first, _, ..] = losses else {
            return losses.first().map(ToString::to_string).unwrap_or_default();
        };
        let count = losses.len();
        let objects = named(losses);
        match self {
            Self::Namespaces { error, not_permitted } => {
                let (error, remedy) = super::loss::not_entered(error, *not_permitted);
                format!("cannot enter {count} network namespaces ({objects}): {error}; {remedy}")
            }
            Self::Tables { error, needs_modules, family } => {
                let remedy = match needs_modules {
                    true => format!("; load {}", super::loss::modules_of(*family)),
                    false => String::new(),
                };
                format!("cannot read {count} tables ({objects}): {error}{remedy}")
            }
            Self::DumpsInterrupted => {
                format!("{count} dumps stayed interrupted ({objects}); rows may be missing")
            }
            Self::DumpsOverrun => {
                format!("{count} dumps overran their buffers ({objects}); rows are missing")
            }
            Self::DumpsMalformed => {
                let messages: u64 = losses.iter().map(|loss| loss.count).sum();
                format!("{messages} messages of {count} dumps are malformed ({objects})")
            }
            Self::Ring { bytes: size } => {
                let events: u64 = losses.iter().map(|loss| loss.count).sum();
                format!(
                    "{events} events are missing ({objects}): the kernel's ring of {} was full, because it was not drained fast enough",
                    bytes(*size)
                )
            }
            Self::Other(_) => first.to_string(),
        }
    }
}

/// The objects of losses of one kind, the first of many.
fn named(losses: &[&Loss]) -> String {
    // Kinds of events are few.
    let most = match losses.first().map(|loss| &loss.cause) {
        Some(LossCause::RingFull { .. }) => losses.len(),
        _ => NAMED,
    };
    let mut names: Vec<String> = losses.iter().take(most).map(|loss| object(loss)).collect();
    let more = losses.len().saturating_sub(most);
    if more > 0 {
        names.push(format!("and {more} more: -o json has all"));
    }
    names.join(", ")
}

fn object(loss: &Loss) -> String {
    match &loss.cause {
        LossCause::NamespaceNotEntered { inode, name, .. } => match name {
            Some(name) => name.to_string(),
            None => format!("net:[{inode}]"),
        },
        LossCause::TableUnreadable { table, .. }
        | LossCause::DumpInterrupted { table, .. }
        | LossCause::DumpOverrun { table, .. }
        | LossCause::DumpMessagesRefused { table, .. } => table.to_string(),
        LossCause::RingFull { events, .. } => {
            let kind = match events {
                DroppedEvents::Opened => "opened",
                DroppedEvents::Accepted => "accepted",
                DroppedEvents::Closed => "closed",
                DroppedEvents::Failed => "failed",
                DroppedEvents::WithoutStorage => "of sockets without storage",
            };
            format!("{} {kind}", loss.count)
        }
        _ => loss.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Source;

    fn namespace(inode: u64, name: Option<&str>, not_permitted: bool) -> Loss {
        let cause = LossCause::NamespaceNotEntered {
            inode,
            name: name.map(Into::into),
            error: "Operation not permitted (os error 1)".into(),
            not_permitted,
        };
        Loss::one(Source::SockDiag, cause)
    }

    #[test]
    fn many_namespaces_are_one_line_that_names_a_few() {
        let mut losses: Vec<Loss> = (0..30).map(|at| namespace(at, None, true)).collect();
        losses.insert(0, namespace(99, Some("blue"), true));
        let lines = loss_lines(&losses);
        let [line] = &*lines else { panic!("{lines:?}") };
        assert!(line.starts_with(
            "cannot enter 31 network namespaces (blue, net:[0], net:[1], and 28 more: -o json has all): not permitted; run as root"
        ), "{line}");
        assert_eq!(loss_lines(&losses[..1]), [losses[0].to_string()]);
        // Another remedy is another line.
        losses.push(namespace(7, None, false));
        assert_eq!(loss_lines(&losses).len(), 2);
    }

    #[test]
    fn tables_of_one_error_and_events_of_one_ring_are_one_line() {
        let table = |name: &str, error: &str| {
            let cause = LossCause::TableUnreadable {
                table: name.into(),
                error: error.into(),
                needs_modules: false,
                family: None,
            };
            Loss::one(Source::SockDiag, cause)
        };
        let ring = |events, count| {
            let cause = LossCause::RingFull { events, ring_bytes: 1 << 20 };
            Loss { source: Source::Ebpf, cause, count }
        };
        let full = Loss::one(Source::Derived, LossCause::HistoryFull { bound: 7 });
        let losses = [
            table("TCP over IPv4 in network namespace blue", "refused"),
            ring(DroppedEvents::Opened, 5),
            full.clone(),
            table("TCP over IPv6", "refused"),
            ring(DroppedEvents::Closed, 7),
            table("UDP over IPv6", "interrupted"),
        ];
        assert_eq!(
            loss_lines(&losses),
            [
                "cannot read 2 tables (TCP over IPv4 in network namespace blue, TCP over IPv6): refused".to_owned(),
                "12 events are missing (5 opened, 7 closed): the kernel's ring of 1.05MB was full, because it was not drained fast enough".to_owned(),
                full.to_string(),
                losses[5].to_string(),
            ]
        );
    }
}
