//! The files that media servers write: recordings, and segments that follow each other.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use conns_core::decode::{FileFacts, without_number};
use conns_core::media::serves_media;
use conns_core::model::{Known, Moment, OpenFile, Process, Snapshot, Source};
use conns_procfs::{WrittenFile, written_files};

/// Most processes whose files are read.
const MAX_PROCESSES: usize = 64;
/// Most files, or rows of files, that are listed.
const MAX_ROWS: usize = 4096;
/// A row stays for this time after its last file was closed: between two segments none may be open.
const MIN_STAY_US: u64 = 15_000_000;
/// And for as many segments.
const STAY_SEGMENTS: u64 = 3;

/// The files of media servers, and of processes that were asked for.
#[derive(Debug, Default)]
pub(crate) struct WrittenFiles {
    /// Names of processes besides media servers.
    also_of: Vec<Box<str>>,
    rows: BTreeMap<Key, Row>,
}

/// Files with the same key follow each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    pid: u32,
    name: String,
}

#[derive(Debug)]
struct Row {
    process: Arc<Process>,
    kind: &'static str,
    stream: String,
    first_seen: Moment,
    last_seen: Moment,
    /// The latest file.
    path: String,
    size: u64,
    path_since: Moment,
    segments: u64,
    segment_time_us: Option<u64>,
    /// Of the files before.
    bytes_before: u64,
}

impl WrittenFiles {
    /// Also reads the files of processes of these names.
    pub(crate) fn also_of(&mut self, names: Vec<Box<str>>) {
        self.also_of = names;
    }

    /// The files of the processes in the snapshot.
    pub(crate) fn of(&mut self, snapshot: &Snapshot) -> Arc<[OpenFile]> {
        let now = snapshot.at;
        for process in self.processes(snapshot) {
            for file in written_files(Path::new("/proc"), process.pid, |path| kind(path).is_some())
            {
                self.add(&process, file, now);
            }
        }
        self.rows.retain(|_, row| {
            let stay_us = MIN_STAY_US.max(STAY_SEGMENTS * row.segment_time_us.unwrap_or(0));
            now.monotonic_us <= row.last_seen.monotonic_us + stay_us
        });
        self.rows.values().map(Row::file).collect()
    }

    /// Processes that serve media, and those that were asked for.
    fn processes(&self, snapshot: &Snapshot) -> Vec<Arc<Process>> {
        let mut seen = HashSet::new();
        let owned = snapshot.connections.iter().flat_map(|connection| {
            let serves = serves_media(connection);
            let processes = connection.listed_owners().iter().map(|owner| &owner.process);
            processes.filter(move |process| serves || self.also_of.contains(&process.name))
        });
        owned.filter(|process| seen.insert(process.pid)).take(MAX_PROCESSES).cloned().collect()
    }

    fn add(&mut self, process: &Arc<Process>, file: WrittenFile, now: Moment) {
        let Some(kind) = kind(&file.path) else { return };
        let (name, stream) = name_of(&file.path, kind);
        let key = Key { pid: process.pid, name };
        if !self.rows.contains_key(&key) && self.rows.len() >= MAX_ROWS {
            return;
        }
        let row = self.rows.entry(key).or_insert_with(|| Row {
            process: Arc::clone(process),
            kind,
            stream,
            first_seen: now,
            last_seen: now,
            path: file.path.clone(),
            size: 0,
            path_since: now,
            segments: 1,
            segment_time_us: None,
            bytes_before: 0,
        });
        // A playlist beside the segments shows their kind, and is no segment.
        if is_playlist(&file.path) {
            row.kind = kind;
            row.last_seen = now;
            return;
        }
        if is_playlist(&row.path) {
            (row.path, row.path_since) = (file.path.clone(), now);
        } else if row.path != file.path {
            row.segments += 1;
            row.segment_time_us = Some(now.monotonic_us - row.path_since.monotonic_us);
            row.bytes_before += row.size;
            (row.path, row.path_since) = (file.path, now);
            // Only segments follow each other.
            row.kind = if row.kind == "ts" { "hls" } else { row.kind };
        }
        (row.size, row.last_seen) = (file.size, now);
    }
}

impl Row {
    fn file(&self) -> OpenFile {
        let facts = FileFacts {
            kind: self.kind,
            stream: &self.stream,
            segments: self.segments,
            segment_time_us: self.segment_time_us,
            bytes: self.bytes_before + self.size,
        };
        OpenFile {
            path: self.path.as_str().into(),
            owner: Known::Value(Arc::clone(&self.process), Source::Procfs),
            first_seen: self.first_seen,
            size_bytes: Known::Value(self.size, Source::Procfs),
            application: Known::Value(Arc::new(facts.application(self.first_seen)), Source::Procfs),
        }
    }
}

/// What a file is for, by the end of its name; `None` if it is no media.
fn kind(path: &str) -> Option<&'static str> {
    // A file that was removed while it is open.
    let path = path.strip_suffix(" (deleted)").unwrap_or(path);
    let (_, end) = path.rsplit_once('.')?;
    Some(match end.to_ascii_lowercase().as_str() {
        "m3u8" => "hls",
        "mpd" | "m4s" | "m4a" | "m4v" | "cmfv" | "cmfa" => "dash",
        "ts" => "ts",
        "mp4" | "mov" | "mkv" => "mp4",
        "flv" => "flv",
        _ => return None,
    })
}

fn is_playlist(path: &str) -> bool {
    path.ends_with(".m3u8") || path.ends_with(".mpd")
}

/// The name that files which follow each other share, and that of the stream: without the number at its end, and
/// without the extension where a playlist or two tracks belong together.
fn name_of(path: &str, kind: &str) -> (String, String) {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    if matches!(kind, "mp4" | "flv") {
        return (path.to_owned(), stem.to_owned());
    }
    let base = without_number(stem);
    let word = base.trim_end_matches(|c: char| c.is_ascii_digit());
    // Names of segments without the stream's: that of the folder is.
    let is_plain =
        matches!(word, "" | "segment" | "seg" | "chunk" | "index" | "playlist" | "manifest");
    let in_folder = || folder.rsplit('/').next().unwrap_or_default();
    let stream = if is_plain { in_folder() } else { base };
    let shared = if is_plain { folder.to_owned() } else { format!("{folder}/{base}") };
    (shared, stream.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{kind, name_of};

    #[test]
    fn segments_and_their_playlist_have_one_name() {
        let name = |path: &str| name_of(path, kind(path).expect("media"));
        for path in ["/hls/cam1-0.ts", "/hls/cam1-17.ts", "/hls/cam1.m3u8"] {
            assert_eq!(name(path), ("/hls/cam1".into(), "cam1".into()), "{path}");
        }
        for path in ["/www/cam1/segment_1795_3.ts", "/www/cam1/playlist.m3u8"] {
            assert_eq!(name(path), ("/www/cam1".into(), "cam1".into()), "{path}");
        }
        for path in ["/dash/cam1-12.m4v", "/dash/cam1-12.m4a", "/dash/cam1.mpd"] {
            assert_eq!(name(path), ("/dash/cam1".into(), "cam1".into()), "{path}");
        }
        assert_eq!(name("/rec/a-1.flv"), ("/rec/a-1.flv".into(), "a-1".into()));
        assert_eq!(kind("/var/log/access.log"), None);
        assert_eq!(kind("/rec/a.flv (deleted)"), Some("flv"));
    }
}
