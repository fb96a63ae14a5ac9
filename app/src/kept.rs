//! The history that a command reads: that of the agent of this machine, from its file, or that of an agent elsewhere.

use std::path::PathBuf;
use std::sync::Arc;

use conns_api::field_json;
use conns_core::model::Update;
use conns_history::{HistoryReader, KeptIn, ReadAccess, Table, kept_tables, live_tables};

use crate::environment::variable;
use crate::failure::Failure;
use crate::flags::past::KeptFlags;
use crate::serve::history::default_path;

/// The file if no flag names one: the variable of the setting `history.path`.
const PATH_VARIABLE: &str = "CONNS_HISTORY_PATH";

/// The history of this machine, or why it cannot be read.
pub(crate) fn kept(flags: &KeptFlags) -> Result<KeptIn, Failure> {
    let named = match &flags.path {
        Some(path) => Some(path.clone()),
        None => variable(PATH_VARIABLE)?.map(PathBuf::from),
    };
    let path = named.unwrap_or_else(default_path);
    let session =
        HistoryReader::open(&path, ReadAccess::OfUser, 1).and_then(|reader| reader.session());
    Ok(session.map_err(|error| error.to_string()))
}

/// All tables there are: those of `update`, and the kept ones.
pub(crate) fn all_tables(update: &Arc<Update>, kept: &KeptIn) -> Vec<Arc<dyn Table>> {
    let mut tables = live_tables(update, field_json);
    tables.extend(kept_tables(kept));
    tables
}

/// Whether a table of this name is kept.
pub(crate) fn is_kept(name: &str) -> bool {
    kept_tables(&Err(String::new())).iter().any(|table| table.name() == name)
}
