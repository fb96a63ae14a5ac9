//! Transfers of the sending side.

use std::collections::BTreeMap;

use conns_transfer::frames::{Overwrite, TransferUid};
use conns_transfer::queue::State;
use conns_transfer::ranges::Ranges;
use conns_transfer::record::Word as _;
use conns_transfer::tree::Hash;
use rusqlite::{OptionalExtension, Row, params};

use super::{DestinationId, Store, StoreError, array, signed, unsigned, value_of};

/// A transfer as it is stored. Times are microseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TransferRow {
    pub(crate) id: i64,
    pub(crate) uid: TransferUid,
    pub(crate) destination: DestinationId,
    pub(crate) manifest: i64,
    /// Folder at the receiver; empty is its own folder.
    pub(crate) folder: Vec<u8>,
    pub(crate) overwrite: Overwrite,
    pub(crate) priority: i64,
    pub(crate) state: State,
    /// Why it failed, or waits.
    pub(crate) message: Option<String>,
    pub(crate) total: Totals,
    /// File bytes that are durable at the receiver.
    pub(crate) durable_bytes: u64,
    /// Indexes of the chunks that are durable at the receiver.
    pub(crate) durable: Ranges,
    pub(crate) sent: Sent,
    pub(crate) requested_us: i64,
    pub(crate) started_us: Option<i64>,
    pub(crate) ended_us: Option<i64>,
    /// Whether a client waits for the end, and has not read it.
    pub(crate) is_awaited: bool,
    /// Times that it began again because its source changed.
    pub(crate) restarts: u32,
}

/// What was sent of a transfer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// File bytes, those sent again included.
    pub(crate) bytes: u64,
    /// Chunks, likewise.
    pub(crate) chunks: u64,
    /// Chunks that the receiver asked for again.
    pub(crate) repeated_chunks: u64,
}

impl std::ops::Add for Sent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            chunks: self.chunks + other.chunks,
            repeated_chunks: self.repeated_chunks + other.repeated_chunks,
        }
    }
}

/// What a manifest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) bytes: u64,
    pub(crate) chunks: u64,
    pub(crate) files: u64,
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Pending | State::Running => "pending",
        State::Paused => "paused",
        State::Retrying { .. } => "retrying",
        State::Failed => "failed",
        State::Done => "done",
        State::Cancelled => "cancelled",
    }
}

const COLUMNS: &str = "id, uid, destination, manifest, folder, overwrite, priority, state, \
    failures, failed_us, message, total_bytes, durable, sent_bytes, requested_us, started_us, ended_us, \
    total_chunks, total_files, durable_bytes, sent_chunks, repeated_chunks, is_awaited, restarts";

impl Store {
    pub(crate) fn transfers(&self) -> Result<Vec<TransferRow>, StoreError> {
        let connection = self.lock();
        let select = format!("select {COLUMNS} from transfers order by id");
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    pub(crate) fn transfer(&self, id: i64) -> Result<Option<TransferRow>, StoreError> {
        let select = format!("select {COLUMNS} from transfers where id = ?1");
        self.lock().query_row(&select, [id], |row| Ok(read(row))).optional()?.transpose()
    }

    /// Adds a transfer; its id is drawn.
    pub(crate) fn add_transfer(&self, row: &TransferRow) -> Result<i64, StoreError> {
        let connection = self.lock();
        connection.execute(
            "insert into transfers (uid, destination, manifest, folder, overwrite, priority, state, \
             total_bytes, total_chunks, total_files, requested_us, is_awaited) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                row.uid.0,
                row.destination.0,
                row.manifest,
                row.folder,
                row.overwrite.word(),
                row.priority,
                state_name(row.state),
                signed(row.total.bytes),
                signed(row.total.chunks),
                signed(row.total.files),
                row.requested_us,
                row.is_awaited
            ],
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// Stores state, message and times of a transfer.
    pub(crate) fn set_state(&self, row: &TransferRow) -> Result<(), StoreError> {
        let (failures, failed_us) = match row.state {
            State::Retrying { failures, failed_us } => (failures, failed_us),
            _ => (0, 0),
        };
        self.lock().execute(
            "update transfers set state = ?2, failures = ?3, failed_us = ?4, message = ?5, \
             started_us = ?6, ended_us = ?7, priority = ?8 where id = ?1",
            params![
                row.id,
                state_name(row.state),
                failures,
                signed(failed_us),
                row.message,
                row.started_us,
                row.ended_us,
                row.priority
            ],
        )?;
        Ok(())
    }

    /// Stores which chunks are durable, and the hashes that became known.
    pub(crate) fn set_durable(
        &self,
        id: i64,
        durable: &Ranges,
        durable_bytes: u64,
        sent: Sent,
        hashes: &[(u64, Hash)],
    ) -> Result<(), StoreError> {
        let mut encoded = Vec::new();
        durable.encode(&mut encoded);
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "update transfers set durable = ?2, durable_bytes = ?3, sent_bytes = ?4, sent_chunks = ?5, \
             repeated_chunks = ?6 where id = ?1",
            params![
                id,
                encoded,
                signed(durable_bytes),
                signed(sent.bytes),
                signed(sent.chunks),
                signed(sent.repeated_chunks)
            ],
        )?;
        {
            let mut insert =
                transaction.prepare("insert or replace into sent_hashes values (?1, ?2, ?3)")?;
            for (chunk, hash) in hashes {
                insert.execute(params![id, signed(*chunk), hash.0])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// The hashes of chunks that were sent.
    pub(crate) fn sent_hashes(&self, id: i64) -> Result<BTreeMap<u64, Hash>, StoreError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("select chunk, hash from sent_hashes where transfer = ?1")?;
        let mut rows = statement.query([id])?;
        let mut hashes = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let hash = array(row.get(1)?, "hash of a chunk")?;
            hashes.insert(unsigned(row.get(0)?), Hash(hash));
        }
        Ok(hashes)
    }

    /// Begins a transfer again, because its source changed: with another uid, and nothing durable.
    pub(crate) fn restart_transfer(
        &self,
        id: i64,
        uid: TransferUid,
        total: Totals,
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute(
            "insert or ignore into withdrawn select uid, destination from transfers where id = ?1",
            [id],
        )?;
        transaction.execute("delete from sent_hashes where transfer = ?1", [id])?;
        transaction.execute(
            "update transfers set uid = ?2, total_bytes = ?3, total_chunks = ?4, total_files = ?5, \
             durable = x'', durable_bytes = 0, restarts = restarts + 1 where id = ?1",
            params![id, uid.0, signed(total.bytes), signed(total.chunks), signed(total.files)],
        )?;
        Ok(transaction.commit()?)
    }

    /// Notes that the client which waits for the end of a transfer has read it.
    pub(crate) fn note_end_read(&self, id: i64) -> Result<(), StoreError> {
        self.lock().execute("update transfers set is_awaited = 0 where id = ?1", [id])?;
        Ok(())
    }

    /// Notes that the receiver has to forget a transfer.
    pub(crate) fn withdraw(
        &self,
        uid: TransferUid,
        destination: DestinationId,
    ) -> Result<(), StoreError> {
        let insert = "insert or ignore into withdrawn values (?1, ?2)";
        self.lock().execute(insert, params![uid.0, destination.0])?;
        Ok(())
    }

    /// The transfers that a destination has to forget.
    pub(crate) fn withdrawn(
        &self,
        destination: DestinationId,
    ) -> Result<Vec<TransferUid>, StoreError> {
        let connection = self.lock();
        let mut statement =
            connection.prepare("select uid from withdrawn where destination = ?1")?;
        let mut rows = statement.query([destination.0])?;
        let mut uids = Vec::new();
        while let Some(row) = rows.next()? {
            uids.push(TransferUid(array(row.get(0)?, "uid of a transfer")?));
        }
        Ok(uids)
    }

    pub(crate) fn forget_withdrawn(&self, uid: TransferUid) -> Result<(), StoreError> {
        self.lock().execute("delete from withdrawn where uid = ?1", [&uid.0[..]])?;
        Ok(())
    }

    /// Removes a transfer; its manifest stays.
    pub(crate) fn remove_transfer(&self, id: i64) -> Result<(), StoreError> {
        self.lock().execute("delete from transfers where id = ?1", [id])?;
        Ok(())
    }
}

fn read(row: &Row<'_>) -> Result<TransferRow, StoreError> {
    let state: String = row.get(7)?;
    let state = match state.as_str() {
        "pending" => State::Pending,
        "paused" => State::Paused,
        "retrying" => State::Retrying { failures: row.get(8)?, failed_us: unsigned(row.get(9)?) },
        "failed" => State::Failed,
        "done" => State::Done,
        "cancelled" => State::Cancelled,
        _ => return Err(StoreError::Damaged("state of a transfer")),
    };
    let overwrite: String = row.get(5)?;
    let durable: Vec<u8> = row.get(12)?;
    Ok(TransferRow {
        id: row.get(0)?,
        uid: TransferUid(array(row.get(1)?, "uid of a transfer")?),
        destination: DestinationId(row.get(2)?),
        manifest: row.get(3)?,
        folder: row.get(4)?,
        overwrite: value_of(&overwrite).ok_or(StoreError::Damaged("overwrite policy"))?,
        priority: row.get(6)?,
        state,
        message: row.get(10)?,
        total: Totals {
            bytes: unsigned(row.get(11)?),
            chunks: unsigned(row.get(17)?),
            files: unsigned(row.get(18)?),
        },
        durable_bytes: unsigned(row.get(19)?),
        durable: Ranges::decode(&durable).map_err(|_| StoreError::Damaged("list of ranges"))?,
        sent: Sent {
            bytes: unsigned(row.get(13)?),
            chunks: unsigned(row.get(20)?),
            repeated_chunks: unsigned(row.get(21)?),
        },
        requested_us: row.get(14)?,
        started_us: row.get(15)?,
        ended_us: row.get(16)?,
        is_awaited: row.get(22)?,
        restarts: row.get(23)?,
    })
}
