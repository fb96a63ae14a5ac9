//! What can be done here, and what not.

use conns_core::model::{Ability, Loss, LossKind, Source};

/// What the losses of a look say of the sources every system has.
pub(crate) fn of_losses(losses: &[Loss]) -> Vec<Ability> {
    let first = |sources: &[Source], kinds: &[LossKind]| {
        let of_it = |loss: &&Loss| sources.contains(&loss.source) && kinds.contains(&loss.kind);
        losses.iter().find(of_it).map(|loss| loss.sentence.clone())
    };
    let ability = |name: &str, meaning: &str, missing: Option<Box<str>>| Ability {
        name: name.into(),
        meaning: meaning.into(),
        missing,
    };
    let tables = [Source::SockDiag, Source::Ebpf];
    vec![
        ability(
            "kernel-tables",
            "sockets with latency, loss, bytes and verdict, over netlink",
            first(&[Source::SockDiag], &[LossKind::TableUnreadable]),
        ),
        ability(
            "all-namespaces",
            "sockets of every network namespace, so of containers too",
            first(&tables, &[LossKind::NotPermitted])
                .or_else(|| first(&tables, &[LossKind::NamespaceUnreadable])),
        ),
        ability(
            "owners",
            "the process that holds a socket",
            first(&[Source::Procfs], &[LossKind::TableUnreadable]),
        ),
        ability(
            "owners-of-others",
            "the processes of other users as well",
            first(&[Source::Procfs], &[LossKind::NotPermitted]),
        ),
    ]
}
