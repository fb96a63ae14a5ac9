//! Manifests: which files a transfer carries, and where they are read.

use rusqlite::{OptionalExtension, Row, params};

use super::{Store, StoreError, signed, unsigned};
use crate::paths::{bytes_of_path, path_of_bytes};
use std::path::PathBuf;

/// A manifest as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ManifestRow {
    pub(crate) id: i64,
    /// `pending`, `complete` or `error`.
    pub(crate) status: String,
    pub(crate) error: Option<String>,
    /// What was asked for: target path and source path, in turn.
    pub(crate) mappings: Vec<(PathBuf, PathBuf)>,
    /// The encoded manifest, when complete.
    pub(crate) manifest: Option<Vec<u8>>,
}

/// Where an entry is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) stamp: Stamp,
}

/// What shows whether a file changed: a write changes at least `ctime`, a replacement the inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) bytes: u64,
    pub(crate) modified_ns: i128,
    pub(crate) changed_ns: i128,
    pub(crate) inode: u64,
    pub(crate) device: u64,
}

impl Stamp {
    fn encode(&self) -> Vec<u8> {
        [
            &self.bytes.to_be_bytes()[..],
            &self.modified_ns.to_be_bytes(),
            &self.changed_ns.to_be_bytes(),
            &self.inode.to_be_bytes(),
            &self.device.to_be_bytes(),
        ]
        .concat()
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (modified, rest) = rest.split_first_chunk()?;
        let (changed, rest) = rest.split_first_chunk()?;
        let (inode, rest) = rest.split_first_chunk()?;
        Some(Self {
            bytes: u64::from_be_bytes(*size),
            modified_ns: i128::from_be_bytes(*modified),
            changed_ns: i128::from_be_bytes(*changed),
            inode: u64::from_be_bytes(*inode),
            device: u64::from_be_bytes(rest.try_into().ok()?),
        })
    }
}

impl Store {
    /// Adds a pending manifest.
    pub(crate) fn add_manifest(
        &self,
        mappings: &[(PathBuf, PathBuf)],
        now_us: i64,
    ) -> Result<i64, StoreError> {
        let connection = self.lock();
        connection.execute(
            "insert into manifests (status, mappings, created_us) values ('pending', ?1, ?2)",
            params![encode_mappings(mappings), now_us],
        )?;
        Ok(connection.last_insert_rowid())
    }

    /// Stores the result of a walk.
    pub(crate) fn complete_manifest(
        &self,
        id: i64,
        manifest: &[u8],
        sources: &[Source],
        omitted: Option<&str>,
    ) -> Result<(), StoreError> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        transaction.execute("delete from sources where manifest = ?1", [id])?;
        {
            let mut insert = transaction.prepare("insert into sources values (?1, ?2, ?3, ?4)")?;
            for (source, entry) in sources.iter().zip(0i64..) {
                insert.execute(params![
                    id,
                    entry,
                    bytes_of_path(&source.path),
                    source.stamp.encode()
                ])?;
            }
        }
        transaction.execute(
            "update manifests set status = 'complete', error = ?3, manifest = ?2 where id = ?1",
            params![id, manifest, omitted],
        )?;
        Ok(transaction.commit()?)
    }

    /// Stores that a walk failed.
    pub(crate) fn fail_manifest(&self, id: i64, error: &str) -> Result<(), StoreError> {
        let update = "update manifests set status = 'error', error = ?2 where id = ?1";
        self.lock().execute(update, params![id, error])?;
        Ok(())
    }

    pub(crate) fn manifest(&self, id: i64) -> Result<Option<ManifestRow>, StoreError> {
        let select = "select id, status, error, mappings, manifest from manifests where id = ?1";
        self.lock().query_row(select, [id], |row| Ok(read(row))).optional()?.transpose()
    }

    /// The manifests, without what they have.
    pub(crate) fn manifest_ids(&self) -> Result<Vec<i64>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare("select id from manifests order by id")?;
        let ids = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(ids)
    }

    /// Where the entries of a manifest are read, in order.
    pub(crate) fn sources(&self, manifest: i64) -> Result<Vec<Source>, StoreError> {
        let connection = self.lock();
        let select = "select path, stamp from sources where manifest = ?1 order by entry";
        let mut statement = connection.prepare(select)?;
        let mut rows = statement.query([manifest])?;
        let mut sources = Vec::new();
        while let Some(row) = rows.next()? {
            let path: Vec<u8> = row.get(0)?;
            let stamp: Vec<u8> = row.get(1)?;
            let stamp = Stamp::decode(&stamp).ok_or(StoreError::Damaged("stamp of a source"))?;
            sources.push(Source { path: path_of_bytes(path), stamp });
        }
        Ok(sources)
    }

    /// Removes a manifest that no transfer names; false if one does.
    pub(crate) fn remove_manifest(&self, id: i64) -> Result<bool, StoreError> {
        let removed = self.lock().execute(
            "delete from manifests where id = ?1 \
             and not exists (select 1 from transfers where manifest = ?1)",
            [id],
        )?;
        Ok(removed > 0)
    }
}

fn read(row: &Row<'_>) -> Result<ManifestRow, StoreError> {
    let mappings: Vec<u8> = row.get(3)?;
    Ok(ManifestRow {
        id: row.get(0)?,
        status: row.get(1)?,
        error: row.get(2)?,
        mappings: decode_mappings(&mappings).ok_or(StoreError::Damaged("mapping"))?,
        manifest: row.get(4)?,
    })
}

/// Paths with their lengths; a path may have any bytes but NUL.
fn encode_mappings(mappings: &[(PathBuf, PathBuf)]) -> Vec<u8> {
    let mut out = Vec::new();
    for path in mappings.iter().flat_map(|(target, source)| [target, source]) {
        let bytes = bytes_of_path(path);
        out.extend(signed(bytes.len() as u64).to_be_bytes());
        out.extend(bytes);
    }
    out
}

fn decode_mappings(mut bytes: &[u8]) -> Option<Vec<(PathBuf, PathBuf)>> {
    let mut paths = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let length = usize::try_from(unsigned(i64::from_be_bytes(*length))).ok()?;
        let (path, rest) = rest.split_at_checked(length)?;
        paths.push(path_of_bytes(path.to_vec()));
        bytes = rest;
    }
    let (pairs, rest) = paths.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[t, s]| (t.clone(), s.clone())).collect())
}
