//! Secrets, read from files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// Longest file with a secret that is read, in bytes; a token has about 50.
const MAX_SECRET_FILE_BYTES: u64 = 4096;

/// The secret in a file, without white space around it; `what` names it.
pub(crate) fn secret_in(path: &Path, what: &str) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(path)
        .and_then(|file| file.take(MAX_SECRET_FILE_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(bytes) if bytes as u64 > MAX_SECRET_FILE_BYTES => {
            let path = path.display();
            Err(Failure::Usage(format!(
                "{path} is no file with a {what}: it is longer than {MAX_SECRET_FILE_BYTES} bytes"
            )))
        }
        Ok(_) => Ok(text.trim().to_owned()),
        Err(error) => {
            let path = path.display();
            Err(Failure::Usage(format!("cannot read the {what} in {path}: {error}")))
        }
    }
}
