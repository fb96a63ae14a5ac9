//! What an ended connection carried: a row for each layer.

use std::collections::HashMap;
use std::sync::LazyLock;

use conns_core::model::{Connection, Layer};
use conns_core::query::{Field, catalogue};

use crate::cell::Cell;
use crate::live::ListText;

/// The fields of each protocol.
static FIELDS: LazyLock<HashMap<&'static str, Vec<&'static Field>>> = LazyLock::new(|| {
    let mut fields: HashMap<_, Vec<_>> = HashMap::new();
    for field in catalogue() {
        if let Some((protocol, _)) = field.name.split_once('.') {
            fields.entry(protocol).or_default().push(field);
        }
    }
    fields
});

/// A row of `layers`.
pub(super) struct LayerRow<'a> {
    layer: &'a Layer,
    fields: String,
}

impl LayerRow<'_> {
    /// The columns that are no fields of the catalogue.
    pub(super) fn cells(&self, at_us: i64) -> [(&'static str, Cell<'_>); 4] {
        [
            ("at_us", Cell::Integer(at_us)),
            ("protocol", Cell::text(&self.layer.protocol)),
            ("certainty", Cell::text(self.layer.certainty.name())),
            ("fields", Cell::text(&self.fields)),
        ]
    }
}

/// The rows of a connection; none if nothing is known of what it carried.
pub(super) fn layer_rows(
    connection: &Connection,
    list: ListText,
) -> impl Iterator<Item = LayerRow<'_>> {
    let layers = connection.application.value().map_or(&[][..], |application| &application.layers);
    layers.iter().map(move |layer| LayerRow { layer, fields: fields_of(layer, connection, list) })
}

/// The known fields of a layer, as a JSON object.
fn fields_of(layer: &Layer, connection: &Connection, list: ListText) -> String {
    let fields = FIELDS.get(&*layer.protocol).map_or(&[][..], Vec::as_slice);
    let known = fields.iter().filter_map(|field| {
        let value = field.value(connection);
        if !value.is_known() {
            return None;
        }
        let value = match field.kind.is_list() {
            true => list(field, connection),
            false => json(&Cell::of_value(value)),
        };
        Some(format!("{}:{value}", json(&Cell::text(&field.key))))
    });
    format!("{{{}}}", known.collect::<Vec<_>>().join(","))
}

fn json(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Integer(number) => number.to_string(),
        Cell::Real(number) => serde_json::Value::from(*number).to_string(),
        Cell::Text(text) => serde_json::Value::from(text.as_ref()).to_string(),
    }
}
