//! A window on a list: the rows at some places of an order that is kept, as they are now.

use std::collections::HashMap;

use conns_api::{Answer, LossShape, PagePlace, RecordWriter};
use conns_core::model::{Connection, SocketId, Update};
use conns_core::query::Field;

use super::context::Native;
use super::cursor::{Context, expired};
use super::one;
use super::parameters::Query;
use super::selection::Selection;
use super::shapes::{ConnectionsOrGroups, Records, RowState, SnapshotShape, Window};
use super::window_orders::WindowOrder;
use crate::problem::Problem;

/// The value of `order` that begins one.
const NEW: &str = "new";

/// A window that is asked for.
pub(super) struct Asked<'a> {
    /// The order it is on; `None` begins one.
    number: Option<u64>,
    offset: usize,
    limit: usize,
    fields: &'a [&'static Field],
    selection: &'a Selection,
    /// The connection whose place is asked for.
    find: Option<SocketId>,
}

impl<'a> Asked<'a> {
    /// Reads it from the parameters; `None` if no window is asked for.
    pub(super) fn read(
        query: &Query,
        context: Context,
        selection: &'a Selection,
        fields: &'a [&'static Field],
        limit: usize,
    ) -> Result<Option<Self>, Problem> {
        let Some(order) = query.get("order") else {
            return match query.get("offset") {
                None => Ok(None),
                Some(_) => Err(Problem::bad(
                    "conflicting-parameters",
                    "`offset` without `order`",
                    "begin an order with `order=new`; its answer names it",
                )),
            };
        };
        if let Some(name) = query.any_of(&["cursor", "explain"]) {
            let message = format!("`{name}` does not go with `order`");
            let hint = "a window has `offset` and `limit`";
            return Err(Problem::bad("conflicting-parameters", message, hint));
        }
        let number = match order {
            NEW => None,
            token => match context.read_text(token)? {
                PagePlace::Window { number } => Some(number),
                _ => {
                    let hint = "give `order` of the answer before, as it is";
                    return Err(Problem::bad("bad-cursor", "this is no order of this list", hint));
                }
            },
        };
        let Ok(offset) = query.get("offset").unwrap_or("0").parse() else {
            let message = "`offset` is not a whole number";
            return Err(Problem::bad("bad-parameter", message, "count rows from 0"));
        };
        let find = query.get("find").map(one::parse).transpose()?;
        Ok(Some(Self { number, offset, limit, fields, selection, find }))
    }

    /// The answer. `sorted` are the rows of an order that begins.
    pub(super) fn write<'u>(
        &self,
        native: &Native,
        update: &'u Update,
        context: Context,
        sorted: impl FnOnce() -> Vec<&'u Connection>,
    ) -> Result<Vec<u8>, Problem> {
        let number = self.number.unwrap_or_else(|| {
            native.windows.keep(WindowOrder::new(&sorted(), update.snapshot.sequence))
        });
        let wanted = self.find.and_then(|id| {
            let mut all = update.snapshot.connections.iter();
            all.find(|c| c.socket.id == id).map(|c| c.stats.serial)
        });
        let evicted = || expired("the order of this window is no longer kept");
        let read = native.windows.with(number, |order| {
            if !order.bring_up_to_date(update, self.selection) {
                return Err(expired("more rows were added to this order than are kept"));
            }
            let places = order.places();
            let end = self.offset.saturating_add(self.limit).min(places.len());
            let shown = places.get(self.offset.min(end)..end).unwrap_or_default();
            let found = wanted.and_then(|serial| places.iter().position(|one| *one == serial));
            Ok((shown.to_vec(), places.len(), found))
        });
        let (serials, total, found) = read.ok_or_else(evicted)??;
        let empty = Window {
            rows: Vec::new(),
            order: context.write(PagePlace::Window { number }),
            offset: self.offset,
            total,
            found,
            losses: LossShape::all(&update.snapshot.losses),
            snapshot: SnapshotShape::from(update),
        };
        let records = self.records(native, update, &serials);
        Ok(records.into_answer(&ConnectionsOrGroups::Window(empty)))
    }

    /// The records of the rows with these serial numbers, as many as fit into an answer.
    fn records(&self, native: &Native, update: &Update, serials: &[u64]) -> Records {
        let index = native.serials.of(&update.snapshot);
        let open = |serial: &u64| index.find(&update.snapshot.connections, *serial);
        let is_missing = serials.iter().any(|serial| open(serial).is_none());
        let closed: HashMap<u64, &Connection> = if is_missing {
            let closed = update.closed.iter().map(|closed| &closed.connection);
            closed.map(|c| (c.stats.serial, c)).collect()
        } else {
            HashMap::new()
        };
        let mut records = Records::default();
        let mut writer = RecordWriter::new(self.fields);
        for serial in serials {
            if records.is_full() {
                break;
            }
            let (state, connection) = match (open(serial), closed.get(serial)) {
                (Some(open), _) if self.selection.matches(open) => (RowState::Open, Some(open)),
                (Some(open), _) => (RowState::Other, Some(open)),
                (None, Some(closed)) => (RowState::Closed, Some(*closed)),
                (None, None) => (RowState::Evicted, None),
            };
            records.add(|out| {
                out.extend_from_slice(b"{\"state\":\"");
                out.extend_from_slice(state.word().as_bytes());
                out.push(b'"');
                if let Some(one) = connection {
                    out.extend_from_slice(b",\"connection\":");
                    Answer::Connections.append(out, &mut writer, one);
                }
                out.push(b'}');
            });
        }
        records
    }
}
