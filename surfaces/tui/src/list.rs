//! The list: what of an update is shown, and in which order. Rows hold still: values change in place,
//! new rows come at the end, closed ones stay, until it is sorted anew. Computed beside the keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use conns_api::View;
use conns_core::media::published_streams;
use conns_core::model::{Connection, ConnectionId, Update};
use conns_core::query::{
    Field, Filter, Group, GroupColumn, GroupKey, GroupSortKey, SortKey, group, group_key,
    parse_columns, parse_group_columns, sort, sort_groups, total,
};
use conns_print::{default_columns, default_group_columns, stream_rows, transfer_row};

use crate::places::{Places, is_marked, mark, marked};

/// Most closed connections that stay in the list; the first to close leave it then.
const MAX_CLOSED: usize = 1000;

/// Connections that are matched before it is asked whether to go on.
const CHUNK: usize = 4096;

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Subject {
    /// Connections, or groups of them.
    #[default]
    Connections,
    /// Listening endpoints.
    Listeners,
    /// Ends of media streams.
    Streams,
    /// Connections of the transfer service.
    Transfers,
}

/// What is asked of the list.
#[derive(Debug, Clone, Default)]
pub struct Spec {
    /// What is listed.
    pub subject: Subject,
    /// Which connections.
    pub filter: Option<Filter>,
    /// The order of connections.
    pub sort: Vec<SortKey>,
    /// What they are grouped by.
    pub group_by: Option<&'static Field>,
    /// The order of groups.
    pub group_sort: Vec<GroupSortKey>,
    /// Groups that are open.
    pub open: Vec<GroupKey>,
    /// A list of columns, or changes to the default.
    pub columns: Option<String>,
    /// Changes to the default columns of groups.
    pub group_columns: Option<String>,
}

impl Spec {
    fn view(&self) -> View {
        match self.subject {
            Subject::Listeners => View::Listening,
            _ if self.filter.as_ref().is_some_and(Filter::names_states) => View::All,
            _ => View::Connections,
        }
    }

    fn matches(&self, connection: &Connection) -> bool {
        let is_match = self.filter.as_ref().is_none_or(|filter| filter.matches(connection));
        is_match && self.view().contains(connection)
    }
}

/// One line of the list.
#[derive(Debug, Clone)]
pub enum Line {
    /// The group with this index.
    Group(usize),
    /// The connection with this index in the snapshot.
    Row(u32),
    /// One that did match.
    Unmatched(u32),
    /// One that closed, as it was last.
    Closed(Arc<Connection>),
    /// The row of text with this index.
    Text(usize),
}

/// A row of text, and the connection it is about.
#[derive(Debug, Clone)]
pub struct TextRow {
    /// The connection.
    pub id: Option<ConnectionId>,
    /// The cells.
    pub cells: Vec<String>,
}

/// The list as it is shown.
#[derive(Debug, Clone, Default)]
pub struct List {
    /// What it is about.
    pub update: Arc<Update>,
    /// What was asked.
    pub spec: Arc<Spec>,
    /// The lines, from the first.
    pub lines: Vec<Line>,
    /// The groups, in the order they were made.
    pub groups: Vec<Group>,
    /// Rows of text.
    pub texts: Vec<TextRow>,
    /// The columns of connections.
    pub columns: Vec<&'static Field>,
    /// The columns of groups.
    pub group_columns: Vec<GroupColumn>,
    /// Sums over everything that matches.
    pub total: Option<Group>,
    /// How many closed rows there are.
    pub closed: usize,
    pub(crate) matched: Arc<Matched>,
}

/// What of an update matches, and what follows from that alone: the same in every order.
#[derive(Debug, Default)]
pub(crate) struct Matched {
    /// Indices in the snapshot.
    indices: Vec<u32>,
    total: Option<Group>,
    /// The columns by default.
    usual: Vec<&'static Field>,
}

impl List {
    /// The connection of a line, if it is one.
    #[must_use]
    pub fn connection<'l>(&'l self, line: &'l Line) -> Option<&'l Connection> {
        match line {
            Line::Row(at) | Line::Unmatched(at) => self.at(*at),
            Line::Closed(connection) => Some(connection),
            Line::Text(at) => {
                let id = self.texts.get(*at)?.id?;
                self.update.snapshot.connections.iter().find(|one| one.id() == id)
            }
            Line::Group(_) => None,
        }
    }

    /// The line of a connection. It is searched in the snapshot first, whose connections lie side by side.
    #[must_use]
    pub(crate) fn line_of(&self, id: ConnectionId) -> Option<usize> {
        let place = self.update.snapshot.connections.iter().position(|one| one.id() == id);
        let place = place.and_then(|place| u32::try_from(place).ok());
        self.lines.iter().position(|line| match line {
            Line::Row(at) | Line::Unmatched(at) => Some(*at) == place,
            Line::Closed(connection) => connection.id() == id,
            Line::Group(_) | Line::Text(_) => false,
        })
    }

    fn at(&self, index: u32) -> Option<&Connection> {
        self.update.snapshot.connections.get(usize::try_from(index).ok()?)
    }

    /// The list of `update`; the rows of this one keep their place unless it is `fresh`. `None` if it is given up, for
    /// which it is asked from time to time.
    #[must_use]
    pub fn next(
        &self,
        update: Arc<Update>,
        spec: Arc<Spec>,
        fresh: bool,
        is_given_up: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let mut next = Self { update, spec, ..Self::default() };
        match next.spec.subject {
            Subject::Streams => next.add_streams(),
            Subject::Transfers => next.add_transfers(),
            Subject::Connections | Subject::Listeners => {
                next.add_connections(self, fresh, is_given_up)?;
            }
        }
        Some(next)
    }

    fn add_streams(&mut self) {
        let snapshot = Arc::clone(&self.update.snapshot);
        let chosen = |one: &&Connection| self.spec.filter.as_ref().is_none_or(|f| f.matches(one));
        let chosen: Vec<&Connection> = snapshot.connections.iter().filter(chosen).collect();
        let rows = stream_rows(&published_streams(&chosen), snapshot.at);
        self.texts =
            rows.into_iter().map(|(one, cells)| TextRow { id: Some(one.id()), cells }).collect();
        self.lines = (0..self.texts.len()).map(Line::Text).collect();
        self.total = Some(total(chosen));
    }

    fn add_transfers(&mut self) {
        let transfers = self.update.transfers.iter();
        self.texts = transfers.map(|of| TextRow { id: None, cells: transfer_row(of) }).collect();
        self.lines = (0..self.texts.len()).map(Line::Text).collect();
    }

    fn add_connections(
        &mut self,
        held: &Self,
        fresh: bool,
        is_given_up: &dyn Fn() -> bool,
    ) -> Option<()> {
        let snapshot = Arc::clone(&self.update.snapshot);
        let spec = Arc::clone(&self.spec);
        let all = &snapshot.connections;
        let is_same = Arc::ptr_eq(&held.update, &self.update)
            && held.spec.subject == spec.subject
            && held.spec.filter == spec.filter;
        let matched = match is_same {
            true => Arc::clone(&held.matched),
            false => Arc::new(Matched::of(&spec, all, is_given_up)?),
        };
        self.total = matched.total.clone();
        self.choose_columns(held, fresh, &matched.usual);
        match spec.group_by {
            Some(field) => self.add_groups(held, fresh, field, &matched.among(all), all),
            None if fresh => self.lines = in_order(&matched.among(all), all, &spec.sort).collect(),
            None => self.hold(held, &matched.indices, all),
        }
        self.matched = matched;
        Some(())
    }

    fn choose_columns(&mut self, held: &Self, fresh: bool, usual: &[&'static Field]) {
        let columns = match &self.spec.columns {
            Some(text) => parse_columns(text, usual).unwrap_or_else(|_| usual.to_vec()),
            None => usual.to_vec(),
        };
        // Columns come where something is known now, and do not go while one reads.
        let is_grown =
            held.columns.iter().all(|old| columns.iter().any(|new| new.name == old.name));
        self.columns = if fresh || is_grown { columns } else { held.columns.clone() };
    }

    fn add_groups(
        &mut self,
        held: &Self,
        fresh: bool,
        field: &'static Field,
        chosen: &[&Connection],
        all: &[Connection],
    ) {
        let mut groups = group(chosen, field);
        sort_groups(&mut groups, &self.spec.group_sort);
        if !fresh {
            // The order of the held groups; `GroupKey` is ordered.
            let keys = held.groups.iter().map(|group| &group.key).zip(0_usize..);
            let places: BTreeMap<&GroupKey, usize> = keys.collect();
            groups.sort_by_key(|group| places.get(&group.key).copied().unwrap_or(usize::MAX));
        }
        let usual = default_group_columns(true, &groups);
        self.group_columns = match &self.spec.group_columns {
            Some(text) => parse_group_columns(text, field, &usual).unwrap_or(usual),
            None => usual,
        };
        for (at, group) in groups.iter().enumerate() {
            self.lines.push(Line::Group(at));
            if self.spec.open.contains(&group.key) {
                let is_member = |one: &&Connection| group_key(one, field) == group.key;
                let members: Vec<&Connection> = chosen.iter().copied().filter(is_member).collect();
                self.lines.extend(in_order(&members, all, &self.spec.sort));
            }
        }
        self.groups = groups;
    }

    /// The lines of `held` with what became of them, and new ones behind.
    fn hold(&mut self, held: &Self, matching: &[u32], all: &[Connection]) {
        let places = Places::of(&held.update.snapshot.connections, all);
        let is_matching = marked(matching, all.len());
        let mut shown = vec![false; all.len()];
        let mut closed = 0;
        for line in &held.lines {
            let place = match line {
                Line::Row(at) | Line::Unmatched(at) => places.now(*at),
                Line::Closed(connection) => places.new.get(&connection.id()).copied(),
                Line::Group(_) | Line::Text(_) => continue,
            };
            let next = match (place, line) {
                (Some(at), _) => {
                    mark(&mut shown, at);
                    if is_marked(&is_matching, at) { Line::Row(at) } else { Line::Unmatched(at) }
                }
                (None, Line::Closed(connection)) => Line::Closed(Arc::clone(connection)),
                (None, line) => match held.connection(line) {
                    Some(before) => Line::Closed(Arc::new(before.clone())),
                    None => continue,
                },
            };
            closed += usize::from(matches!(next, Line::Closed(_)));
            self.lines.push(next);
        }
        let mut surplus = closed.saturating_sub(MAX_CLOSED);
        self.closed = closed - surplus;
        self.lines.retain(|line| {
            let leaves = surplus > 0 && matches!(line, Line::Closed(_));
            surplus -= usize::from(leaves);
            !leaves
        });
        let new = matching.iter().filter(|at| !is_marked(&shown, **at));
        let new: Vec<&Connection> =
            new.filter_map(|at| all.get(usize::try_from(*at).ok()?)).collect();
        self.lines.extend(in_order(&new, all, &self.spec.sort));
    }
}

impl Matched {
    fn of(spec: &Spec, all: &[Connection], is_given_up: &dyn Fn() -> bool) -> Option<Self> {
        let mut matched = Self::default();
        for (chunk, first) in all.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
            if is_given_up() {
                return None;
            }
            let matching = (first..).zip(chunk).filter(|(_, one)| spec.matches(one));
            matched.indices.extend(matching.map(|(at, _)| at));
        }
        let chosen = matched.among(all);
        let total = total(chosen.iter().copied());
        if is_given_up() {
            return None;
        }
        let usual = default_columns(spec.view(), false, &chosen);
        (matched.total, matched.usual) = (Some(total), usual);
        (!is_given_up()).then_some(matched)
    }

    fn among<'c>(&self, all: &'c [Connection]) -> Vec<&'c Connection> {
        let one = |at: &u32| all.get(usize::try_from(*at).ok()?);
        self.indices.iter().filter_map(one).collect()
    }
}

/// Lines of these connections, sorted. They are elements of `all`.
fn in_order<'c>(
    chosen: &[&'c Connection],
    all: &'c [Connection],
    keys: &[SortKey],
) -> impl Iterator<Item = Line> {
    let mut chosen = chosen.to_vec();
    sort(&mut chosen, keys);
    let places: Vec<Line> = chosen
        .into_iter()
        .filter_map(|one| all.element_offset(one))
        .filter_map(|at| u32::try_from(at).ok())
        .map(Line::Row)
        .collect();
    places.into_iter()
}
