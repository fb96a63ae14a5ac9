//! Where link servers keep keys, stores and sockets. A server is named by its public key, so that servers of different
//! keys run side by side, and a command finds the server of its key.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use conns_link::{Identity, IdentityError, PublicKey};

use super::no_answer;
use crate::failure::{Failure, log};
use crate::state_folder::{first_of, is_root, state_folder, variable};

/// Characters of a public key in file names: 16 of them distinguish keys, and a path of a unix socket is short.
const NAME_CHARACTERS: usize = 16;

/// The folder of keys and stores, in that of the state.
pub(crate) fn state_base() -> PathBuf {
    state_folder().join("link")
}

/// The folder of sockets: `/run/conns/link` of root, else `$XDG_RUNTIME_DIR/conns/link`; of a service of systemd in its
/// own (`RUNTIME_DIRECTORY`).
pub(crate) fn socket_folder() -> PathBuf {
    if let Some(folder) = first_of("RUNTIME_DIRECTORY") {
        return folder.join("link");
    }
    match (variable("XDG_RUNTIME_DIR"), is_root()) {
        (Some(base), _) => base.join("conns/link"),
        (None, true) => "/run/conns/link".into(),
        (None, false) => state_base().join("run"),
    }
}

/// The store of the server with this key.
pub(super) fn store_folder(key: PublicKey) -> PathBuf {
    state_base().join(short(key))
}

/// The socket of the server with this key.
pub(super) fn socket_path(key: PublicKey) -> PathBuf {
    socket_folder().join(format!("{}.sock", short(key)))
}

fn short(key: PublicKey) -> String {
    key.to_string().chars().take("ck1".len() + NAME_CHARACTERS).collect()
}

/// The default key file.
fn default_key() -> PathBuf {
    state_base().join("key")
}

/// Reads the key of a file, or the default key, which is made if it does not exist.
pub(super) fn identity(file: Option<&Path>) -> Result<Identity, Failure> {
    if let Some(file) = file {
        return Identity::read(file).map_err(no_answer);
    }
    let path = default_key();
    match Identity::read(&path) {
        Err(IdentityError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path.parent().unwrap_or(&path);
            make_folder(folder)
                .map_err(|error| no_answer(format!("cannot make {}: {error}", folder.display())))?;
            let identity = Identity::generate().map_err(no_answer)?;
            identity.write(&path).map_err(no_answer)?;
            log(format_args!("made the key {}", path.display()));
            Ok(identity)
        }
        read => read.map_err(no_answer),
    }
}

/// The public key of a file or of the default key file; `None` if there is no default key yet.
pub(super) fn public_key(file: Option<&Path>) -> Result<Option<PublicKey>, Failure> {
    let path = file.map_or_else(default_key, Path::to_owned);
    match Identity::read(&path) {
        Err(IdentityError::Read { error, .. })
            if file.is_none() && error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        read => Ok(Some(read.map_err(no_answer)?.public())),
    }
}

/// Makes a folder that only its owner may use.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
