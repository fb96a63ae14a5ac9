//! What can be done here, and what not.

use conns_core::model::{Ability, Loss, LossKind, Source};

/// What the losses of a look say of the sources every system has. Where sockets are watched, nobody
/// has to enter a namespace to see them, so that netlink may not enter one hides none.
pub(crate) fn of_losses(losses: &[Loss], is_watched: bool) -> Vec<Ability> {
    let first = |sources: &[Source], kinds: &[LossKind]| {
        let of_it = |loss: &&Loss| sources.contains(&loss.source) && kinds.contains(&loss.kind);
        losses.iter().find(of_it).map(|loss| loss.sentence.clone())
    };
    let ability = |name: &str, meaning: &str, missing: Option<Box<str>>| Ability {
        name: name.into(),
        meaning: meaning.into(),
        missing,
    };
    let tables = if is_watched { &[Source::Ebpf][..] } else { &[Source::SockDiag, Source::Ebpf] };
    vec![
        ability(
            "kernel-tables",
            "sockets with latency, loss, bytes and verdict, over netlink",
            first(&[Source::SockDiag], &[LossKind::TableUnreadable]),
        ),
        ability(
            "all-namespaces",
            "sockets of every network namespace, so of containers too",
            first(tables, &[LossKind::NotPermitted])
                .or_else(|| first(tables, &[LossKind::NamespaceUnreadable])),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_that_is_watched_need_not_be_entered() {
        let loss = |source| {
            let (kind, sentence) = (LossKind::NotPermitted, "cannot enter blue".into());
            Loss { source, kind, count: 1, sentence }
        };
        let is_missing = |source, is_watched| {
            let abilities = of_losses(&[loss(source)], is_watched);
            let all = abilities.iter().find(|ability| &*ability.name == "all-namespaces").unwrap();
            all.missing.is_some()
        };
        assert!(is_missing(Source::SockDiag, false) && is_missing(Source::Ebpf, false));
        assert!(!is_missing(Source::SockDiag, true) && is_missing(Source::Ebpf, true));
    }
}
