//! The abilities that the losses of a sample show.

use conns_core::model::{Ability, AbilityKind, Loss, LossKind, Missing, Source};

/// The abilities that do not depend on eBPF. Where eBPF tracks all sockets (`is_watched`), a
/// namespace that netlink may not enter hides none.
pub(crate) fn of_losses(losses: &[Loss], is_watched: bool) -> Vec<Ability> {
    let first = |sources: &[Source], kinds: &[LossKind]| {
        let fits = |loss: &&Loss| sources.contains(&loss.source) && kinds.contains(&loss.kind());
        losses.iter().find(fits).map(|loss| Missing::Loss(loss.clone()))
    };
    let tables = if is_watched { &[Source::Ebpf][..] } else { &[Source::SockDiag, Source::Ebpf] };
    let kernel_tables = first(&[Source::SockDiag], &[LossKind::TableUnreadable]);
    let all_namespaces = first(tables, &[LossKind::NotPermitted])
        .or_else(|| first(tables, &[LossKind::NamespaceUnreadable]));
    let owners = first(&[Source::Procfs], &[LossKind::TableUnreadable]);
    let owners_of_others = first(&[Source::Procfs], &[LossKind::NotPermitted]);
    vec![
        Ability { kind: AbilityKind::KernelTables, missing: kernel_tables },
        Ability { kind: AbilityKind::AllNamespaces, missing: all_namespaces },
        Ability { kind: AbilityKind::Owners, missing: owners },
        Ability { kind: AbilityKind::OwnersOfOthers, missing: owners_of_others },
    ]
}

#[cfg(test)]
mod tests {
    use conns_core::model::LossCause;

    use super::*;

    #[test]
    fn a_watched_namespace_need_not_be_entered() {
        let loss = |source| {
            let cause = LossCause::NamespaceNotEntered {
                inode: 1,
                name: Some("blue".into()),
                error: "refused".into(),
                not_permitted: true,
            };
            Loss::one(source, cause)
        };
        let is_missing = |source, is_watched| {
            let abilities = of_losses(&[loss(source)], is_watched);
            let kind = AbilityKind::AllNamespaces;
            !abilities.iter().find(|ability| ability.kind == kind).unwrap().is_available()
        };
        assert!(is_missing(Source::SockDiag, false) && is_missing(Source::Ebpf, false));
        assert!(!is_missing(Source::SockDiag, true) && is_missing(Source::Ebpf, true));
    }
}
