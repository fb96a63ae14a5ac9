//! Lists of connections, listeners and verdicts: selected, ordered, paged, written.
//!
//! Invariant: a page shows the latest update, and its rows are decided by an order that does not
//! change: that of serial numbers, or that of the first page. So a connection that exists during all
//! of the paging is on exactly one page.

use std::collections::HashMap;
use std::sync::Arc;

use conns_api::{Answer, GroupShape, LossShape, PagePlace, RecordWriter, View, urgency};
use conns_core::model::{Connection, Update};
use conns_core::query::{Field, SortKey, field_named, group, parse_columns, sort};

use super::context::{Asked, Native};
use super::cursor::{Context, expired};
use super::parameters::LIMIT;
use super::parameters::Query;
use super::selection::{Scope, Selection};
use super::shapes::{
    Connections, ConnectionsOrGroups, Groups, PageEnd, Records, SnapshotShape, Verdicts,
};
use super::window;
use crate::problem::Problem;

/// The requested fields.
pub(super) fn fields(query: &Query, answer: Answer) -> Result<Vec<&'static Field>, Problem> {
    let usual = answer.usual_fields();
    let Some(text) = query.get("fields") else { return Ok(usual) };
    parse_columns(text, &usual).map_err(|error| {
        Problem::bad("bad-fields", error.to_string(), "/api/v1/fields lists the fields")
    })
}

/// `GET /api/v1/connections`.
pub(super) fn connections(
    native: &Native,
    update: &Update,
    asked: &Asked,
) -> Result<Vec<u8>, Problem> {
    let scope = Scope::View(View::Connections);
    body(native, update, asked, Answer::Connections, scope, "connections")
}

/// `GET /api/v1/listeners`.
pub(super) fn listeners(
    native: &Native,
    update: &Update,
    asked: &Asked,
) -> Result<Vec<u8>, Problem> {
    let scope = Scope::View(View::Listening);
    body(native, update, asked, Answer::Connections, scope, "listeners")
}

/// `GET /api/v1/verdicts`. Not cached: its cursor names an order that is kept for one client.
pub(super) fn verdicts(
    native: &Native,
    update: &Update,
    asked: &Asked,
) -> Result<Vec<u8>, Problem> {
    body(native, update, asked, Answer::Verdicts, Scope::OfInterest, "verdicts")
}

fn body(
    native: &Native,
    update: &Update,
    asked: &Asked,
    shape: Answer,
    usual: Scope,
    path: &str,
) -> Result<Vec<u8>, Problem> {
    let plan = Plan::read(&asked.query, shape, usual)?;
    let place = Context::new(update, path, &asked.query);
    let window =
        window::Asked::read(&asked.query, place, &plan.selection, &plan.fields, plan.limit)?;
    match window {
        Some(window) => window.write(native, update, place, || plan.sorted(update)),
        None => plan.write(native, update, place, place.read(&asked.query)?),
    }
}

/// The parameters of a list, parsed.
struct Plan {
    shape: Answer,
    selection: Selection,
    fields: Vec<&'static Field>,
    order: Order,
    group_by: Option<&'static Field>,
    limit: usize,
    /// Whether records end with `explain`.
    explains: bool,
}

enum Order {
    Serial,
    Fields(Vec<SortKey>),
    Urgency,
}

/// The rows of a page, and how to name the first one that does not fit.
struct Page<'a> {
    connections: Vec<&'a Connection>,
    rest: Rest<'a>,
}

/// What follows the rows of a page.
enum Rest<'a> {
    /// In order of serial number up to the newest of the first page.
    Serial { newest: u64, has_more: bool },
    /// The first page of an order: rows beyond its limit.
    NewOrder(Vec<&'a Connection>),
    /// A later page: the place of each row in the order, and of the first beyond the limit.
    Order { number: u64, places: Vec<u64>, next: Option<u64> },
}

impl Page<'_> {
    /// The place of the next page, if this one ends after `written` rows; `None` if there are no more.
    fn next(&self, native: &Native, written: usize) -> Option<PagePlace> {
        let unwritten = self.connections.get(written..).unwrap_or_default();
        match &self.rest {
            Rest::Serial { newest, has_more } => {
                let last = written.checked_sub(1).and_then(|last| self.connections.get(last))?;
                let is_last = unwritten.is_empty() && !has_more;
                (!is_last)
                    .then_some(PagePlace::Serial { after: last.stats.serial, newest: *newest })
            }
            Rest::NewOrder(rest) => {
                let order: Arc<[u64]> =
                    unwritten.iter().chain(rest).map(|c| c.stats.serial).collect();
                let length = order.len();
                (length > 0)
                    .then(|| PagePlace::Order { number: native.orders.keep(order, length), at: 0 })
            }
            Rest::Order { number, places, next } => {
                let at = places.get(written).copied().or(*next)?;
                Some(PagePlace::Order { number: *number, at })
            }
        }
    }
}

impl Plan {
    fn read(query: &Query, shape: Answer, usual: Scope) -> Result<Self, Problem> {
        let group_by = query.get("group_by").map(field_named).transpose().map_err(|error| {
            Problem::bad("bad-group-by", error.to_string(), "/api/v1/fields lists the fields")
        })?;
        // With `group` it is a list of the connections of one.
        let group_by = group_by.filter(|_| query.get("group").is_none());
        if group_by.is_some()
            && let Some(name) = query.any_of(&["sort", "fields", "cursor", "order"])
        {
            let message = format!("`{name}` does not go with `group_by`");
            let hint = "groups have their own order and figures, the largest first";
            return Err(Problem::bad("conflicting-parameters", message, hint));
        }
        let order = match query.get("sort").map(SortKey::parse).transpose() {
            Ok(Some(keys)) => Order::Fields(keys),
            Ok(None) if shape == Answer::Verdicts => Order::Urgency,
            Ok(None) => Order::Serial,
            Err(error) => {
                let hint = "such as `-rtt,process`; /api/v1/fields lists the fields";
                return Err(Problem::bad("bad-sort", error.to_string(), hint));
            }
        };
        Ok(Self {
            shape,
            selection: Selection::read(query, usual)?,
            fields: fields(query, shape)?,
            order,
            group_by,
            limit: query.whole(&LIMIT),
            explains: query.get("explain") == Some("1"),
        })
    }

    fn write(
        &self,
        native: &Native,
        update: &Update,
        context: Context,
        place: Option<PagePlace>,
    ) -> Result<Vec<u8>, Problem> {
        let chosen = self.chosen(update);
        let total = chosen.len();
        let losses = LossShape::all(&update.snapshot.losses);
        let snapshot = SnapshotShape::from(update);
        if let Some(field) = self.group_by {
            let groups = group(&chosen, field);
            let total = groups.len();
            let mut records = Records::default();
            for group in groups.iter().take(self.limit) {
                records.add_shape(&GroupShape::new(field, group));
            }
            let empty = Groups { groups: Vec::new(), losses, snapshot, total };
            return Ok(records.into_answer(&ConnectionsOrGroups::Groups(empty)));
        }
        let page = match self.order {
            Order::Serial => self.by_serial(update, chosen, place)?,
            Order::Fields(_) | Order::Urgency => self.by_order(native, chosen, place)?,
        };
        let (records, written) = self.records(&page.connections);
        let next_cursor = page.next(native, written).map(|place| context.write(place));
        Ok(self.answer(records, PageEnd { losses, snapshot, total, next_cursor }))
    }

    /// All that are selected.
    fn chosen<'a>(&self, update: &'a Update) -> Vec<&'a Connection> {
        update.snapshot.connections.iter().filter(|c| self.selection.matches(c)).collect()
    }

    /// All that are selected, in order.
    fn sorted<'a>(&self, update: &'a Update) -> Vec<&'a Connection> {
        let mut chosen = self.chosen(update);
        self.arrange(&mut chosen);
        chosen
    }

    fn arrange(&self, chosen: &mut [&Connection]) {
        match &self.order {
            Order::Serial => chosen.sort_unstable_by_key(|c| c.stats.serial),
            Order::Fields(keys) => sort(chosen, keys),
            Order::Urgency => chosen.sort_by_key(|c| urgency(c)),
        }
    }

    /// Connections in the order in which they were first seen.
    fn by_serial<'a>(
        &self,
        update: &'a Update,
        mut chosen: Vec<&'a Connection>,
        place: Option<PagePlace>,
    ) -> Result<Page<'a>, Problem> {
        let (after, newest) = match place {
            Some(PagePlace::Serial { after, newest }) => (after, newest),
            Some(_) => return Err(misplaced()),
            None => {
                let serials = update.snapshot.connections.iter().map(|c| c.stats.serial);
                (0, serials.max().unwrap_or(0))
            }
        };
        chosen.retain(|c| after < c.stats.serial && c.stats.serial <= newest);
        let has_more = chosen.len() > self.limit;
        if has_more {
            chosen.select_nth_unstable_by_key(self.limit, |c| c.stats.serial);
            chosen.truncate(self.limit);
        }
        chosen.sort_unstable_by_key(|c| c.stats.serial);
        Ok(Page { connections: chosen, rest: Rest::Serial { newest, has_more } })
    }

    /// Connections in the order of the first page.
    fn by_order<'a>(
        &self,
        native: &Native,
        mut chosen: Vec<&'a Connection>,
        place: Option<PagePlace>,
    ) -> Result<Page<'a>, Problem> {
        let Some(place) = place else {
            self.arrange(&mut chosen);
            let rest = chosen.split_off(self.limit.min(chosen.len()));
            return Ok(Page { connections: chosen, rest: Rest::NewOrder(rest) });
        };
        let PagePlace::Order { number, at } = place else { return Err(misplaced()) };
        let order = native.orders.find(number).ok_or_else(|| {
            expired(
                "the order of this list is no longer kept: too many other sorted lists were paged",
            )
        })?;
        let by_serial: HashMap<u64, &Connection> =
            chosen.into_iter().map(|c| (c.stats.serial, c)).collect();
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        let mut there = (at..).zip(order.get(start..).unwrap_or_default().iter());
        let mut still =
            there.by_ref().filter_map(|(at, serial)| Some((at, *by_serial.get(serial)?)));
        let (places, connections) = still.by_ref().take(self.limit).unzip();
        let next = still.next().map(|(at, _)| at);
        Ok(Page { connections, rest: Rest::Order { number, places, next } })
    }

    /// The records of the rows that fit into an answer, and how many these are: at least one, if there is one.
    fn records(&self, rows: &[&Connection]) -> (Records, usize) {
        let mut list = Records::default();
        let mut writer = RecordWriter::new(&self.fields).explaining(self.explains);
        let mut written = 0;
        for connection in rows {
            if list.is_full() {
                break;
            }
            list.add(|out| self.shape.append(out, &mut writer, connection));
            written += 1;
        }
        (list, written)
    }

    /// The answer with these records.
    fn answer(&self, records: Records, end: PageEnd) -> Vec<u8> {
        match self.shape {
            Answer::Connections => {
                let empty = Connections { connections: Vec::new(), end };
                records.into_answer(&ConnectionsOrGroups::Connections(empty))
            }
            Answer::Verdicts => records.into_answer(&Verdicts { verdicts: Vec::new(), end }),
        }
    }
}

/// A cursor of this request that names a place of another kind: it is forged.
fn misplaced() -> Problem {
    let hint = "give `next_cursor` of the page before, as it is";
    Problem::bad("bad-cursor", "this is no cursor of this list", hint)
}
