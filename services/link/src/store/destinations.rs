//! Destinations: where to send to, at which rate, and what was learnt of the path.

use conns_transfer::rate::{BytesPerSecond, Method, Start};
use conns_transfer::record::Word as _;
use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, array, signed, unsigned, value_of};
use crate::address::RelayAddress;
use crate::identity::PublicKey;

/// Identifies a destination in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DestinationId(pub(crate) i64);

/// A destination as it is stored. Rates are IP bytes a second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DestinationRow {
    pub(crate) id: DestinationId,
    pub(crate) key: PublicKey,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) relay: Option<RelayAddress>,
    pub(crate) method: Method,
    pub(crate) rate: Option<BytesPerSecond>,
    pub(crate) min_rate: BytesPerSecond,
    pub(crate) max_rate: Option<BytesPerSecond>,
    pub(crate) learned: Option<Learned>,
}

/// What the latest connection to a destination measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Learned {
    pub(crate) start: Start,
    /// When, microseconds since 1970-01-01 UTC.
    pub(crate) wall_us: i64,
}

const COLUMNS: &str = "id, key, host, port, relay_key, relay_host, relay_port, method, rate, \
    min_rate, max_rate, learned_rate, learned_base_us, learned_wall_us";

impl Store {
    pub(crate) fn destinations(&self) -> Result<Vec<DestinationRow>, StoreError> {
        let connection = self.lock();
        let select = format!("select {COLUMNS} from destinations order by id");
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    pub(crate) fn destination(
        &self,
        id: DestinationId,
    ) -> Result<Option<DestinationRow>, StoreError> {
        let connection = self.lock();
        let select = format!("select {COLUMNS} from destinations where id = ?1");
        connection.query_row(&select, [id.0], |row| Ok(read(row))).optional()?.transpose()
    }

    /// Adds a destination; its id is drawn.
    pub(crate) fn add_destination(
        &self,
        row: &DestinationRow,
    ) -> Result<DestinationId, StoreError> {
        let connection = self.lock();
        let relay = row.relay.as_ref();
        connection.execute(
            "insert into destinations (key, host, port, relay_key, relay_host, relay_port, method, \
             rate, min_rate, max_rate) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                row.key.0,
                row.host,
                row.port,
                relay.map(|relay| relay.key.0),
                relay.map(|relay| &relay.host),
                relay.map(|relay| relay.port),
                row.method.word(),
                row.rate.map(|rate| signed(rate.0)),
                signed(row.min_rate.0),
                row.max_rate.map(|rate| signed(rate.0)),
            ],
        )?;
        Ok(DestinationId(connection.last_insert_rowid()))
    }

    /// Stores the rate settings of a destination.
    pub(crate) fn set_rates(&self, row: &DestinationRow) -> Result<(), StoreError> {
        self.lock().execute(
            "update destinations set method = ?2, rate = ?3, min_rate = ?4, max_rate = ?5 where id = ?1",
            params![
                row.id.0,
                row.method.word(),
                row.rate.map(|rate| signed(rate.0)),
                signed(row.min_rate.0),
                row.max_rate.map(|rate| signed(rate.0)),
            ],
        )?;
        Ok(())
    }

    pub(crate) fn set_learned(
        &self,
        id: DestinationId,
        learned: Learned,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "update destinations set learned_rate = ?2, learned_base_us = ?3, learned_wall_us = ?4 \
             where id = ?1",
            params![
                id.0,
                signed(learned.start.rate.0),
                signed(learned.start.base_us),
                learned.wall_us
            ],
        )?;
        Ok(())
    }

    /// Removes a destination without transfers; false if it has some.
    pub(crate) fn remove_destination(&self, id: DestinationId) -> Result<bool, StoreError> {
        let removed = self.lock().execute(
            "delete from destinations where id = ?1 \
             and not exists (select 1 from transfers where destination = ?1)",
            [id.0],
        )?;
        Ok(removed > 0)
    }
}

fn read(row: &Row<'_>) -> Result<DestinationRow, StoreError> {
    let rate = |index: usize| -> Result<Option<BytesPerSecond>, StoreError> {
        Ok(row.get::<_, Option<i64>>(index)?.map(|rate| BytesPerSecond(unsigned(rate))))
    };
    let relay = match row.get::<_, Option<Vec<u8>>>(4)? {
        None => None,
        Some(key) => Some(RelayAddress {
            key: PublicKey(array(key, "relay key")?),
            host: row.get(5)?,
            port: row.get(6)?,
        }),
    };
    let method: String = row.get(7)?;
    let learned = match (rate(11)?, row.get::<_, Option<i64>>(12)?, row.get(13)?) {
        (Some(rate), Some(base_us), Some(wall_us)) => {
            Some(Learned { start: Start { rate, base_us: unsigned(base_us) }, wall_us })
        }
        _ => None,
    };
    Ok(DestinationRow {
        id: DestinationId(row.get(0)?),
        key: PublicKey(array(row.get(1)?, "destination key")?),
        host: row.get(2)?,
        port: row.get(3)?,
        relay,
        method: value_of(&method).ok_or(StoreError::Damaged("rate method"))?,
        rate: rate(8)?,
        min_rate: rate(9)?.unwrap_or(BytesPerSecond(0)),
        max_rate: rate(10)?,
        learned,
    })
}
