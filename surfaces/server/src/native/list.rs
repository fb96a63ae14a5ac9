//! Lists of connections, listeners and verdicts: selected, ordered, paged, written.
//!
//! Invariant: a page shows the latest update, and its rows are decided by an order that does not
//! change: that of serial numbers, or that of the first page. So a connection that exists during all
//! of the paging is on exactly one page.

use std::collections::HashMap;

use axum::response::Response;
use conns_api::{Answer, GroupShape, LossShape, PagePlace, RecordWriter, View, urgency};
use conns_core::model::{Connection, Update};
use conns_core::query::{Field, SortKey, field_named, group, parse_columns, sort};

use super::context::{Asked, Native};
use super::cursor::{Context, expired};
use super::parameters::LIMIT;
use super::parameters::Query;
use super::selection::{Scope, Selection};
use super::shapes::{
    Connections, ConnectionsOrGroups, Groups, ListWriter, PageEnd, SnapshotShape, Verdicts,
};
use crate::problem::Problem;
use crate::response::{JSON, whole};

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
pub(super) fn verdicts(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    let cache = native.caches.latest();
    let scope = Scope::OfInterest;
    let body = body(native, cache.update(), asked, Answer::Verdicts, scope, "verdicts")?;
    Ok(whole(JSON, body.into()))
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
    let place = Context::new(update.instance, path, &asked.query);
    plan.write(native, update, place, place.read(&asked.query)?)
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

/// One page, and the start of the next.
struct Page<'a> {
    connections: Vec<&'a Connection>,
    next: Option<PagePlace>,
}

impl Plan {
    fn read(query: &Query, shape: Answer, usual: Scope) -> Result<Self, Problem> {
        let group_by = query.get("group_by").map(field_named).transpose().map_err(|error| {
            Problem::bad("bad-group-by", error.to_string(), "/api/v1/fields lists the fields")
        })?;
        if group_by.is_some()
            && let Some(name) = query.any_of(&["sort", "fields", "cursor"])
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
        let all = &update.snapshot.connections;
        let chosen: Vec<&Connection> = all.iter().filter(|c| self.selection.matches(c)).collect();
        let total = chosen.len();
        let losses = LossShape::all(&update.snapshot.losses);
        let snapshot = SnapshotShape::from(update);
        if let Some(field) = self.group_by {
            let groups = group(&chosen, field);
            let total = groups.len();
            let empty = Groups { groups: Vec::new(), losses, snapshot, total };
            let mut list = ListWriter::new(&ConnectionsOrGroups::Groups(empty));
            groups.iter().take(self.limit).for_each(|group| {
                list.add_shape(&GroupShape::new(field, group));
            });
            return Ok(list.finish());
        }
        let page = match self.order {
            Order::Serial => self.by_serial(update, chosen, place)?,
            Order::Fields(_) | Order::Urgency => self.by_order(native, chosen, place)?,
        };
        let next_cursor = page.next.map(|place| context.write(place));
        let end = PageEnd { losses, snapshot, total, next_cursor };
        Ok(self.page(&page.connections, end))
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
        let last = chosen.last().filter(|_| has_more).map(|c| c.stats.serial);
        let next = last.map(|after| PagePlace::Serial { after, newest });
        Ok(Page { connections: chosen, next })
    }

    /// Connections in the order of the first page.
    fn by_order<'a>(
        &self,
        native: &Native,
        mut chosen: Vec<&'a Connection>,
        place: Option<PagePlace>,
    ) -> Result<Page<'a>, Problem> {
        let Some(place) = place else {
            match &self.order {
                Order::Fields(keys) => sort(&mut chosen, keys),
                _ => chosen.sort_by_key(|c| urgency(c)),
            }
            let rest = chosen.get(self.limit..).unwrap_or_default();
            let next = (!rest.is_empty()).then(|| {
                let order = rest.iter().map(|c| c.stats.serial).collect();
                PagePlace::Order { number: native.orders.keep(order), at: 0 }
            });
            chosen.truncate(self.limit);
            return Ok(Page { connections: chosen, next });
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
        let connections: Vec<&Connection> =
            still.by_ref().take(self.limit).map(|(_, connection)| connection).collect();
        let next = still.next().map(|(at, _)| PagePlace::Order { number, at });
        Ok(Page { connections, next })
    }

    /// The answer with the rows of a page.
    fn page(&self, rows: &[&Connection], end: PageEnd) -> Vec<u8> {
        let mut list = match self.shape {
            Answer::Connections => {
                let empty = Connections { connections: Vec::new(), end };
                ListWriter::new(&ConnectionsOrGroups::Connections(empty))
            }
            Answer::Verdicts => ListWriter::new(&Verdicts { verdicts: Vec::new(), end }),
        };
        let mut records = RecordWriter::new(&self.fields).explaining(self.explains);
        for connection in rows {
            list.add(|out| self.shape.append(out, &mut records, connection));
        }
        list.finish()
    }
}

/// A cursor of this request that names a place of another kind: it is forged.
fn misplaced() -> Problem {
    let hint = "give `next_cursor` of the page before, as it is";
    Problem::bad("bad-cursor", "this is no cursor of this list", hint)
}
