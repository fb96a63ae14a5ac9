//! Transfers of the receiving side: the journal from which they resume.

use std::collections::BTreeMap;

use conns_transfer::frames::{Overwrite, TransferUid};
use conns_transfer::ranges::Ranges;
use conns_transfer::record::Word as _;
use conns_transfer::tree::Hash;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, array, signed, unsigned, value_of};
use crate::identity::PublicKey;

/// How far a received transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReceivedState {
    /// Chunks arrive.
    Receiving,
    /// All is verified and durable in part files; some may have their names already.
    Committing,
    /// All files have their names.
    Committed,
}

impl ReceivedState {
    const NAMED: [(&'static str, Self); 3] = [
        ("receiving", Self::Receiving),
        ("committing", Self::Committing),
        ("committed", Self::Committed),
    ];

    pub(crate) fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, state)| *state == self).map_or("", |(name, _)| name)
    }
}

/// A received transfer as it is stored. Times are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReceivedRow {
    pub(crate) id: i64,
    pub(crate) sender: PublicKey,
    pub(crate) uid: TransferUid,
    pub(crate) state: ReceivedState,
    pub(crate) overwrite: Overwrite,
    /// The encoded manifest.
    pub(crate) manifest: Vec<u8>,
    /// Indexes of the durable chunks.
    pub(crate) durable: Ranges,
    pub(crate) started_us: i64,
    /// When something was last written.
    pub(crate) active_us: i64,
}

const COLUMNS: &str = "id, sender, uid, state, overwrite, manifest, durable, started_us, active_us";

impl Store {
    pub(crate) fn received(
        &self,
        sender: PublicKey,
        uid: TransferUid,
    ) -> Result<Option<ReceivedRow>, StoreError> {
        let connection = self.lock();
        let select = format!("select {COLUMNS} from received where sender = ?1 and uid = ?2");
        let found = connection.query_row(&select, params![sender.0, uid.0], |row| Ok(read(row)));
        found.optional()?.transpose()
    }

    pub(crate) fn all_received(&self) -> Result<Vec<ReceivedRow>, StoreError> {
        let connection = self.lock();
        let select = format!("select {COLUMNS} from received order by id");
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// Adds a received transfer; its id is drawn.
    pub(crate) fn add_received(&self, row: &ReceivedRow) -> Result<i64, StoreError> {
        let connection = self.lock();
        connection.execute(
            "insert into received (sender, uid, state, overwrite, manifest, started_us, active_us) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row.sender.0,
                row.uid.0,
                row.state.name(),
                row.overwrite.word(),
                row.manifest,
                row.started_us,
                row.active_us
            ],
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// Stores durable chunks, and the hashes of those of long files.
    pub(crate) fn set_received(
        &self,
        id: i64,
        durable: &Ranges,
        hashes: &[(u64, Hash)],
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut encoded = Vec::new();
        durable.encode(&mut encoded);
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "update received set durable = ?2, active_us = ?3 where id = ?1",
            params![id, encoded, now_us],
        )?;
        {
            let mut insert = transaction
                .prepare("insert or replace into received_hashes values (?1, ?2, ?3)")?;
            for (chunk, hash) in hashes {
                insert.execute(params![id, signed(*chunk), hash.0])?;
            }
        }
        Ok(transaction.commit()?)
    }

    pub(crate) fn set_received_state(
        &self,
        id: i64,
        state: ReceivedState,
        now_us: i64,
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "update received set state = ?2, active_us = ?3 where id = ?1",
            params![id, state.name(), now_us],
        )?;
        if state == ReceivedState::Committed {
            transaction.execute("delete from received_hashes where received = ?1", [id])?;
        }
        Ok(transaction.commit()?)
    }

    pub(crate) fn received_hashes(&self, id: i64) -> Result<BTreeMap<u64, Hash>, StoreError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("select chunk, hash from received_hashes where received = ?1")?;
        let mut rows = statement.query([id])?;
        let mut hashes = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let hash = array(row.get(1)?, "hash of a chunk")?;
            hashes.insert(unsigned(row.get(0)?), Hash(hash));
        }
        Ok(hashes)
    }

    pub(crate) fn remove_received(&self, id: i64) -> Result<(), StoreError> {
        self.lock().execute("delete from received where id = ?1", [id])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> Result<ReceivedRow, StoreError> {
    let state: String = row.get(3)?;
    let state = ReceivedState::NAMED.iter().find(|(name, _)| *name == state);
    let overwrite: String = row.get(4)?;
    let durable: Vec<u8> = row.get(6)?;
    Ok(ReceivedRow {
        id: row.get(0)?,
        sender: PublicKey(array(row.get(1)?, "key of a sender")?),
        uid: TransferUid(array(row.get(2)?, "uid of a transfer")?),
        state: state.map(|(_, state)| *state).ok_or(StoreError::Damaged("state"))?,
        overwrite: value_of(&overwrite).ok_or(StoreError::Damaged("overwrite policy"))?,
        manifest: row.get(5)?,
        durable: Ranges::decode(&durable).map_err(|_| StoreError::Damaged("list of ranges"))?,
        started_us: row.get(7)?,
        active_us: row.get(8)?,
    })
}
