//! Begins manifests, and walks their sources on threads.

use std::path::PathBuf;

use conns_transfer::control::ControlError;

use super::super::Server;
use crate::send::id_text;
use crate::socket::wall_us;
use crate::store::StoreError;
use crate::walk::walk;

impl Server {
    /// Begins a manifest of target and source paths; returns its id.
    ///
    /// # Errors
    /// [`ControlError::Unavailable`].
    pub fn create_manifest_of(
        &self,
        mappings: &[(PathBuf, PathBuf)],
    ) -> Result<String, ControlError> {
        let id = self.0.store.add_manifest(mappings, wall_us())?;
        self.walk_later(id, mappings.to_vec());
        Ok(id_text(id))
    }

    /// Walks the manifests that were pending when the process before ended.
    pub(in crate::server) fn resume_manifests(&self) -> Result<(), StoreError> {
        for id in self.0.store.manifest_ids()? {
            if let Some(row) = self.0.store.manifest(id)?
                && row.status == "pending"
            {
                self.walk_later(id, row.mappings);
            }
        }
        Ok(())
    }

    fn walk_later(&self, id: i64, mappings: Vec<(PathBuf, PathBuf)>) {
        let store = self.0.store.clone();
        std::thread::spawn(move || {
            // An error of the store leaves the manifest pending; the next start walks again.
            let _ = match walk(&mappings) {
                Ok(walked) => {
                    let note = walked.omitted();
                    let encoded = walked.manifest.encode();
                    store.complete_manifest(id, &encoded, &walked.sources, note.as_deref())
                }
                Err(error) => store.fail_manifest(id, &error.to_string()),
            };
        });
    }
}
