//! Whether the paths of a manifest can exist side by side.

use std::cmp::Ordering;

use super::error::shown;
use super::{Entry, EntryKind, ManifestError};

/// Refuses a path that occurs twice, and a path below a file.
pub(super) fn check(entries: &[Entry]) -> Result<(), ManifestError> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by(|one, other| compare(one.path.as_bytes(), other.path.as_bytes()));
    for pair in sorted.windows(2) {
        let [before, entry] = pair else { continue };
        if before.path == entry.path {
            return Err(ManifestError::DuplicatePath { path: shown(&entry.path) });
        }
        let is_file = matches!(before.kind, EntryKind::File { .. });
        let below = entry.path.as_bytes().strip_prefix(before.path.as_bytes());
        if is_file && below.is_some_and(|rest| rest.starts_with(b"/")) {
            return Err(ManifestError::BelowFile {
                path: shown(&entry.path),
                file: shown(&before.path),
            });
        }
    }
    Ok(())
}

/// Orders paths so that what is below a path directly follows it: `/` is less than each other byte.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let shared = super::encode::shared(one, other);
    let byte = |path: &[u8]| path.get(shared).map(|byte| (*byte != b'/', *byte));
    byte(one).cmp(&byte(other))
}
