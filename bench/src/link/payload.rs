//! What is sent: one large file, or a folder of many small ones, of bytes that no program can compress.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Name of the file or folder, here and at the receiver.
pub(super) const NAME: &str = "payload";
/// Files of one folder of a tree.
const FILES_PER_FOLDER: u32 = 100;

/// A payload on disk.
#[derive(Clone, Debug)]
pub(super) struct Payload {
    /// The folder that has only the payload in it.
    pub(super) parent: PathBuf,
    /// Bytes of its files.
    pub(super) bytes: u64,
    /// Paths of its files below the payload; one empty path if the payload is a file.
    files: Vec<PathBuf>,
}

impl Payload {
    /// Writes one file.
    pub(super) fn file(parent: PathBuf, bytes: u64) -> anyhow::Result<Self> {
        fs::create_dir_all(&parent)?;
        write(&parent.join(NAME), bytes, 1)?;
        Ok(Self { parent, bytes, files: vec![PathBuf::new()] })
    }

    /// Writes a folder of `count` files.
    pub(super) fn folder(parent: PathBuf, count: u32, bytes: u64) -> anyhow::Result<Self> {
        let name = |number| PathBuf::from(format!("{:03}/{number:05}", number / FILES_PER_FOLDER));
        let files: Vec<PathBuf> = (0..count).map(name).collect();
        for (number, file) in files.iter().enumerate() {
            let path = parent.join(NAME).join(file);
            fs::create_dir_all(path.parent().unwrap_or(&parent))?;
            write(&path, bytes, number as u64 + 2)?;
        }
        Ok(Self { parent, bytes: u64::from(count) * bytes, files })
    }

    /// The file or folder.
    pub(super) fn source(&self) -> PathBuf {
        self.parent.join(NAME)
    }

    /// Whether it is a folder.
    pub(super) fn is_folder(&self) -> bool {
        self.files.len() > 1
    }

    /// Fails unless every file has arrived below `target`, equal in size and bytes.
    pub(super) fn check(&self, target: &Path) -> anyhow::Result<()> {
        for file in &self.files {
            let [here, there] = [&self.source(), &target.join(NAME)].map(|root| place(root, file));
            let is_equal = is_equal(&here, &there)
                .with_context(|| format!("cannot compare {}", there.display()))?;
            ensure!(is_equal, "{} differs from what was sent", there.display());
        }
        Ok(())
    }

    /// Whether every file is there with its size under its final name.
    pub(super) fn has_arrived(&self, target: &Path) -> bool {
        let size = self.bytes / self.files.len() as u64;
        // The last one first: it arrives late, and most calls end with it.
        self.files.iter().rev().all(|file| {
            fs::metadata(place(&target.join(NAME), file)).is_ok_and(|found| found.len() == size)
        })
    }
}

/// Bytes on disk below a folder, those of partial files too.
pub(super) fn bytes_below(folder: &Path) -> u64 {
    const BLOCK: u64 = 512;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = |entry: fs::DirEntry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        // A file that was given its size at once has no blocks yet.
        Ok(found) => found.len().min(found.blocks() * BLOCK),
        Err(_) => 0,
    };
    entries.flatten().map(bytes).sum()
}

/// Joining an empty path would add a separator.
fn place(root: &Path, file: &Path) -> PathBuf {
    if file.as_os_str().is_empty() { root.to_owned() } else { root.join(file) }
}

fn write(path: &Path, bytes: u64, seed: u64) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut left = bytes;
    while left > 0 {
        // xorshift64: fast, and incompressible for any program measured here.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let length = left.min(8);
        out.write_all(&state.to_le_bytes()[..length as usize])?;
        left -= length;
    }
    out.flush().with_context(|| format!("cannot write {}", path.display()))
}

fn is_equal(one: &Path, other: &Path) -> std::io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    if one.metadata()?.len() != other.metadata()?.len() {
        return Ok(false);
    }
    let mut buffers = [vec![0; 1 << 20], vec![0; 1 << 20]];
    loop {
        let [mine, theirs] = &mut buffers;
        let length = one.read(mine)?;
        if length == 0 {
            return Ok(true);
        }
        other.read_exact(&mut theirs[..length])?;
        if mine[..length] != theirs[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("conns-bench-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn one_wrong_byte_or_missing_file_is_found() {
        let scratch = Scratch::new("payload");
        let payload = Payload::folder(scratch.0.join("a"), 250, 1001).unwrap();
        let target = scratch.0.join("b");
        assert!(!payload.has_arrived(&target));
        let copied = Payload::folder(target.clone(), 250, 1001).unwrap();
        assert_eq!(copied.bytes, 250_250);
        payload.check(&target).unwrap();
        assert!(payload.has_arrived(&target));
        let last = target.join(NAME).join("002/00249");
        let mut bytes = fs::read(&last).unwrap();
        bytes[1000] ^= 1;
        fs::write(&last, &bytes).unwrap();
        assert!(payload.check(&target).unwrap_err().to_string().contains("00249 differs"));
        fs::remove_file(&last).unwrap();
        assert!(format!("{:#}", payload.check(&target).unwrap_err()).contains("cannot compare"));
        assert!(!payload.has_arrived(&target));
    }

    #[test]
    fn bytes_below_a_folder_count_partial_files_and_no_holes() {
        let scratch = Scratch::new("bytes");
        let payload = Payload::file(scratch.0.clone(), 1_000_000).unwrap();
        payload.check(&scratch.0).unwrap();
        let hole = File::create(scratch.0.join("hole")).unwrap();
        hole.set_len(50_000_000).unwrap();
        assert_eq!(bytes_below(&scratch.0), 1_000_000);
    }
}
