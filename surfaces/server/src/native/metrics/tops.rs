//! The processes and listeners with the most, by name; all others together as `other`.

use std::collections::HashMap;
use std::hash::Hash;

use conns_core::model::{Connection, Known};
use prometheus_client::registry::Registry;

use super::{gauges, label, rate_unit, retransmitted};

/// Maximum length of a label, characters; the names of many owners together are longer.
const MAX_LABEL_CHARS: usize = 100;

/// The name of owners that are not known.
pub(in super::super) const UNKNOWN: &str = "unknown";

/// What is summed for one name.
type Figures = [f64; 4];

/// The `top` with the most of the first figure, then of the second and so on, and `other`, if there are
/// others.
fn top<K: Eq + Hash + Ord>(
    figures: HashMap<K, Figures>,
    top: usize,
    text: impl Fn(K) -> String,
) -> Vec<(String, Figures)> {
    let mut rows: Vec<(K, Figures)> = figures.into_iter().collect();
    rows.sort_by(|(a, most), (b, less)| {
        let figures = less.iter().zip(most).map(|(less, most)| less.total_cmp(most));
        figures.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then_with(|| a.cmp(b))
    });
    let others = rows.split_off(top.min(rows.len()));
    let mut named: Vec<(String, Figures)> =
        rows.into_iter().map(|(key, figures)| (shortened(&text(key)), figures)).collect();
    if !others.is_empty() {
        let mut sum = Figures::default();
        for (_, figures) in others {
            for (sum, figure) in sum.iter_mut().zip(figures) {
                *sum += figure;
            }
        }
        named.push(("other".to_owned(), sum));
    }
    named
}

/// The name as a label.
pub(super) fn shortened(name: &str) -> String {
    name.chars().take(MAX_LABEL_CHARS).collect()
}

fn add(to: &mut Figures, figures: Figures) {
    for (sum, figure) in to.iter_mut().zip(figures) {
        *sum += figure;
    }
}

/// The names of its owners. By name and not by pid, so that a restarted service stays the same
/// series.
pub(in super::super) fn owner(connection: &Connection) -> String {
    match connection.owners.value() {
        Some(owners) => {
            let mut names: Vec<&str> = owners.iter().map(|owner| &*owner.process.name).collect();
            names.sort_unstable();
            names.dedup();
            names.join(", ")
        }
        None if matches!(connection.owners, Known::NotApplicable) => "none".to_owned(),
        None => UNKNOWN.to_owned(),
    }
}

/// Established connections of each process.
pub(super) fn processes(registry: &mut Registry, connections: &[&Connection], most: usize) {
    let mut by_name: HashMap<String, Figures> = HashMap::new();
    for connection in connections.iter().filter(|c| c.is_established()) {
        let rates = connection.stats.rates.get();
        let (out, inward) = rates.map_or((0.0, 0.0), |r| (r.out_bytes_per_s, r.in_bytes_per_s));
        let figures = [1.0, out, inward, retransmitted(connection)];
        add(by_name.entry(owner(connection)).or_default(), figures);
    }
    let rows = top(by_name, most, |name| name);
    let of = |name: &str| label("process", name);
    gauges(
        registry,
        ("process_connections", "Established connections of the processes with the most", None),
        rows.iter().map(|(name, [count, ..])| (of(name), *count)),
    );
    gauges(
        registry,
        ("process_payload_rate", "Payload moved by these processes", Some(rate_unit())),
        rows.iter().flat_map(|(name, [_, out, inward, _])| {
            [("sent", *out), ("received", *inward)]
                .map(|(way, rate)| (vec![("process", name.clone()), ("way", way.to_owned())], rate))
        }),
    );
    gauges(
        registry,
        ("process_retransmitted_segments", "Segments sent again by these processes", None),
        rows.iter().map(|(name, [.., again])| (of(name), *again)),
    );
}

/// Listening TCP sockets: those that lost connections first, then those with the longest queues.
pub(super) fn listeners(registry: &mut Registry, connections: &[&Connection], most: usize) {
    let mut by_end: HashMap<_, Figures> = HashMap::new();
    for connection in connections {
        let Some(queue) = connection.socket.accept_queue.get() else { continue };
        let overflows = connection.overflows.get().unwrap_or(0) as f64;
        let figures = [overflows, f64::from(queue.length), f64::from(queue.limit), 0.0];
        let socket = &connection.socket;
        add(by_end.entry((socket.netns.inode, socket.local)).or_default(), figures);
    }
    // Two namespaces may have the same address: their figures add up.
    let rows = top(by_end, most, |(_, end)| end.to_string());
    let of = |name: &str| label("listener", name);
    let figures: [(&str, &str, usize); 3] = [
        ("listener_overflows", "Connections dropped, of the listeners that dropped most", 0),
        ("listener_backlog", "Connections waiting for accept", 1),
        ("listener_backlog_max", "Most that may wait for accept", 2),
    ];
    for (name, help, at) in figures {
        let values = rows.iter().filter_map(|(end, figures)| Some((of(end), *figures.get(at)?)));
        gauges(registry, (name, help, None), values);
    }
}
