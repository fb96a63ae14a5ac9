//! Sums rows of `closed` and `failed` column by column, so that each text of a block is looked up once.

use std::ops::Range;

use super::ended::{FIGURES, Figures, network_of, reason_place, service_port};
use super::sum::Sum;
use super::{Key, MAX_COUNTS, Period, PeriodSums, TEXTS};
use crate::kept::{Values, Words};

/// Groups that are read into the cache at once before they are added to.
const READ_AT_ONCE: usize = 16;

/// The columns of the texts of [`super::Ended::GROUPED_BY`], in that order.
const TEXT_COLUMNS: [&str; TEXTS] =
    ["process", "unit", "container", "direction", "proto", "app", "remote_name", "verdict"];
/// The place of the direction among them.
const DIRECTION: usize = 3;
/// The place of the remote end among them.
const REMOTE: usize = 6;
/// The columns of [`Figures::summed`], in that order.
const FIGURE_COLUMNS: [&str; FIGURES] =
    ["bytes_out", "bytes_in", "data_segs_out", "total_retrans", "bytes_retrans"];

/// The columns of some rows. What a table has no column for is not known of its rows.
pub(crate) struct EndedRows<'a> {
    is_failed: bool,
    times: Option<&'a Values>,
    texts: [Option<&'a Words>; TEXTS],
    remote_addresses: Option<&'a Words>,
    local_ports: Option<&'a Values>,
    remote_ports: Option<&'a Values>,
    reasons: Option<&'a Words>,
    figures: [Option<&'a Values>; FIGURES],
    round_trips: Option<&'a Values>,
    durations: Option<&'a Values>,
}

impl<'a> EndedRows<'a> {
    /// Rows of `closed` or of `failed`, of which `column` gives the values of a column.
    pub(crate) fn new(is_failed: bool, column: impl Fn(&str) -> Option<&'a Values>) -> Self {
        let words = |name: &str| column(name).and_then(Values::words);
        Self {
            is_failed,
            times: column("at_us"),
            texts: TEXT_COLUMNS.map(words),
            remote_addresses: words("remote_addr"),
            local_ports: column("local_port"),
            remote_ports: column("remote_port"),
            reasons: words("ended"),
            figures: FIGURE_COLUMNS.map(&column),
            round_trips: column("rtt_us"),
            durations: column("duration_us"),
        }
    }

    /// The rows from `from` on by hours: the start of an hour, and rows next to each other that lie in it.
    pub(crate) fn hours(&self, from: usize) -> impl Iterator<Item = (i64, Range<usize>)> {
        let hour = |row: usize| Period::Hour.start(whole(self.times, row).unwrap_or(0));
        let rows = self.times.map_or(0, Values::len);
        let mut next = from;
        std::iter::from_fn(move || {
            let first = next;
            if first >= rows {
                return None;
            }
            let start_us = hour(first);
            next = (first..rows).find(|row| hour(*row) != start_us).unwrap_or(rows);
            Some((start_us, first..next))
        })
    }

    fn figures(&self, row: usize, reasons: &[u16]) -> Figures {
        let reason = self.reasons.map_or(0, |reasons| reasons.place(row));
        Figures {
            is_failed: self.is_failed,
            summed: self.figures.map(|values| number(values, row)),
            reason_place: reasons.get(reason).copied().unwrap_or_else(|| reason_place(None)),
            rtt_us: number(self.round_trips, row),
            duration_us: number(self.durations, row),
        }
    }

    fn service_port(&self, row: usize) -> Option<u16> {
        let port = |values| number(values, row).and_then(|port| u16::try_from(port).ok());
        let direction = self.texts[DIRECTION].and_then(|words| words.text(words.place(row)));
        service_port(direction, port(self.local_ports), port(self.remote_ports))
    }
}

fn whole(values: Option<&Values>, row: usize) -> Option<i64> {
    values.and_then(|values| values.whole(row))
}

fn number(values: Option<&Values>, row: usize) -> Option<u64> {
    whole(values, row).and_then(|number| u64::try_from(number).ok())
}

/// The numbers that the texts of a column have in sums, by their places in the column.
struct Numbers<'a> {
    words: Option<&'a Words>,
    known: Vec<Number>,
}

/// The number of a text in sums.
#[derive(Clone, Copy)]
enum Number {
    NotAsked,
    NoRoom,
    Is(u32),
}

impl<'a> Numbers<'a> {
    fn new(words: Option<&'a Words>) -> Self {
        Self { words, known: vec![Number::NotAsked; words.map_or(0, |words| words.texts() + 1)] }
    }

    /// The number of the text of a row, 0 for `NULL`; `None` if there is no room for it. `ask` gives the number of a text.
    fn number(&mut self, row: usize, ask: impl FnOnce(&str) -> Option<u32>) -> Option<u32> {
        let Some(words) = self.words else { return Some(0) };
        let place = words.place(row);
        let Some(known) = self.known.get_mut(place) else { return Some(0) };
        if let Number::NotAsked = known {
            let number = words.text(place).map_or(Some(0), ask);
            *known = number.map_or(Number::NoRoom, Number::Is);
        }
        match known {
            Number::Is(number) => Some(*number),
            Number::NoRoom | Number::NotAsked => None,
        }
    }
}

impl PeriodSums {
    /// Adds some of the rows.
    pub(crate) fn add_rows(&mut self, rows: &EndedRows<'_>, range: Range<usize>) {
        let mut texts = rows.texts.map(Numbers::new);
        let mut networks = Numbers::new(rows.remote_addresses);
        let reasons: Vec<u16> = rows.reasons.map_or_else(Vec::new, |words| {
            (0..=words.texts()).map(|place| reason_place(words.text(place))).collect()
        });
        // Each group is added to once, in the order in which they are in memory. Where the bound of counts is near, one row after the
        // other is added, so that it is not exceeded.
        let is_near = self.counts + range.len() * Sum::MAX_NEW_COUNTS > MAX_COUNTS;
        let at_once = if is_near { 1 } else { range.len().max(1) };
        let mut places = Vec::with_capacity(at_once);
        for first in range.clone().step_by(at_once) {
            places.clear();
            for row in first..range.end.min(first + at_once) {
                let key = self.key_of_row(rows, row, &mut texts, &mut networks);
                places.push((key.and_then(|key| self.place_of(key)), row));
            }
            places.sort_unstable();
            for few in places.chunks(READ_AT_ONCE) {
                self.read_ahead(few.iter().filter_map(|(place, _)| *place));
                for (place, row) in few {
                    self.add_to(*place, &rows.figures(*row, &reasons));
                }
            }
        }
    }

    /// Reads groups, so that the processor fetches their memory at the same time and not one after the other.
    fn read_ahead(&self, places: impl Iterator<Item = usize>) {
        let groups = places.filter_map(|place| self.groups.get(place));
        std::hint::black_box(groups.fold(0, |all, (_, sum)| all ^ sum.read_ahead()));
    }

    /// As [`PeriodSums::key_of`].
    fn key_of_row(
        &mut self,
        rows: &EndedRows<'_>,
        row: usize,
        texts: &mut [Numbers<'_>; TEXTS],
        networks: &mut Numbers<'_>,
    ) -> Option<Key> {
        let mut key = Key::default();
        let bytes = self.max_text_bytes();
        for (number, column) in key.iter_mut().zip(texts) {
            *number = column.number(row, |text| self.texts.number_within(text, bytes))?;
        }
        if key[REMOTE] == 0 {
            key[REMOTE] = networks.number(row, |address| {
                let network = address.parse().ok().and_then(network_of);
                network.map_or(Some(0), |network| self.texts.number_within(&network, bytes))
            })?;
        }
        key[TEXTS] = rows.service_port(row).map_or(0, |port| u32::from(port) + 1);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use conns_core::model::{CloseReason, Closed, Direction, Known, Moment, Source, Unknown};
    use conns_fixtures::{Tcp, connection, established, known, owner};
    use proptest::prelude::*;

    use super::super::Ended;
    use super::*;
    use crate::cell::Cell;
    use crate::kept::{KeptTable, ReadRows, Rows};

    const HOUR_US: i64 = 3_600_000_000;

    prop_compose! {
        /// A connection as it was made, and what is to be summed of it.
        fn made()(
            how in proptest::sample::select(CloseReason::ALL.to_vec()),
            is_inbound in proptest::option::of(any::<bool>()),
            duration in proptest::option::of(0..u64::MAX >> 1),
            (rtt, sent, segments) in (1..u32::MAX, 0..u64::MAX >> 1, any::<u32>()),
            (process, network, host) in ("[ab]", 1..4_u8, any::<u8>()),
            name in proptest::option::of("[a-c]{1,2}"),
            is_failed: bool,
        ) -> (conns_core::model::Connection, Ended<'static>) {
            let tcp = Tcp {
                rtt_us: rtt,
                bytes_sent: sent,
                data_segs_out: segments,
                total_retrans: segments / 2,
                ..Tcp::ZERO
            };
            let remote = Ipv4Addr::new(198, 51, network, host);
            let mut socket = established("10.0.0.1:4000", &format!("{remote}:443"));
            socket.tcp = tcp.known();
            let mut made = connection(socket);
            made.owners = known([owner(7, &process, 3), owner(9, "x", 4)].into());
            made.direction = match is_inbound {
                None => Known::NotApplicable,
                Some(true) => known(Direction::Inbound),
                Some(false) => known(Direction::Outbound),
            };
            made.resolved_name = name.as_deref().map(Into::into);
            made.closed = known(Closed {
                at: Moment::default(),
                duration_us: Known::from_option(duration, Source::Ebpf, Unknown::BeganBefore),
                how,
                first_closer: Known::NotApplicable,
                fin_received: false,
            });
            let (direction, service_port) = match is_inbound {
                None => (None, 443),
                Some(true) => (Some("inbound".into()), 4000),
                Some(false) => (Some("outbound".into()), 443),
            };
            let carried = |number: u64| Some(number).filter(|_| !is_failed);
            let ended = Ended {
                is_failed,
                process: Some(process.into()),
                direction,
                proto: Some("tcp".into()),
                service_port: Some(service_port),
                remote: Some(name.unwrap_or_else(|| format!("198.51.{network}.0/24")).into()),
                verdict: Some(made.verdict.class.name().into()).filter(|_| !is_failed),
                reason: Some(how.name().into()),
                bytes_out: carried(sent),
                bytes_in: carried(0),
                data_segs_out: carried(segments.into()),
                total_retrans: Some((segments / 2).into()),
                bytes_retrans: carried(0),
                rtt_us: carried(rtt.into()),
                duration_us: duration,
                ..Ended::default()
            };
            (made, ended)
        }
    }

    fn cells(sums: &PeriodSums) -> Vec<Vec<Cell<'_>>> {
        let columns = super::super::columns().len();
        let cells = |group| (0..columns).map(|at| sums.cell((0, 1), group, at)).collect();
        (0..sums.groups()).map(cells).collect()
    }

    proptest! {
        #[test]
        fn rows_are_summed_as_the_connections_they_are_of(
            all in prop::collection::vec((made(), 0..3_i64), 1..40),
        ) {
            for (table, is_failed) in [(KeptTable::Closed, false), (KeptTable::Failed, true)] {
                let mut rows = Rows::new(table);
                let mut wanted = std::collections::BTreeMap::<i64, PeriodSums>::new();
                for ((made, ended), hour) in all.iter().filter(|((_, ended), _)| ended.is_failed == is_failed) {
                    rows.push(Some(made), &[("at_us", Cell::Integer(hour * HOUR_US + 5))]);
                    wanted.entry(hour * HOUR_US).or_default().add(ended);
                }
                let summed = |rows: &EndedRows<'_>| {
                    let mut sums = std::collections::BTreeMap::<i64, PeriodSums>::new();
                    for (hour, range) in rows.hours(0) {
                        sums.entry(hour).or_default().add_rows(rows, range);
                    }
                    sums
                };
                let found = summed(&EndedRows::new(is_failed, |name| rows.values(name)));
                let Some(block) = rows.encode() else { continue };
                let read = ReadRows::read(table, block.data).unwrap();
                let read = EndedRows::new(is_failed, |name| read.values(table.column(name)?).ok());
                for sums in [found, summed(&read)] {
                    prop_assert_eq!(sums.len(), wanted.len());
                    for (found, wanted) in sums.iter().zip(&wanted) {
                        prop_assert_eq!(found.0, wanted.0);
                        prop_assert_eq!(cells(found.1), cells(wanted.1));
                    }
                }
            }
        }
    }
}
