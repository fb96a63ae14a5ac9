//! The settings of files that are written.

use conns_core::decode::without_number;

use super::default::{Default, defaults};
use crate::ems::print::Printer;

/// What is known of files that are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ems) struct Files {
    /// `hls`, `dash`, `mp4`, `flv` or `ts`.
    pub(in crate::ems) kind: &'static str,
    pub(in crate::ems) stream: String,
    /// The latest one.
    pub(in crate::ems) path: String,
    /// Seconds; 0 if it is not known.
    pub(in crate::ems) segment_s: u64,
    /// Milliseconds since 1970, in microseconds.
    pub(in crate::ems) since_wall_us: i64,
}

impl Files {
    /// The directory, and the name of the file without its number and extension.
    fn place(&self) -> (&str, &str) {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        (folder, without_number(stem))
    }

    pub(super) fn write(&self, printer: &mut Printer) {
        use Default::{No, Number, Text, Yes};
        let (folder, base) = self.place();
        let text = |printer: &mut Printer, key, text: &str| {
            printer.key(key);
            printer.text(text);
        };
        let chunk_length = |printer: &mut Printer| {
            printer.key("chunkLength");
            printer.unsigned(self.segment_s);
        };
        match self.kind {
            "hls" => {
                defaults(
                    printer,
                    &[("AESKeyCount", Number(5)), ("audioOnly", No), ("bandwidth", Number(0))],
                );
                text(printer, "chunkBaseName", base);
                chunk_length(printer);
                defaults(
                    printer,
                    &[
                        ("chunkOnIDR", Yes),
                        ("cleanupDestination", No),
                        ("cleanupOnClose", No),
                        ("configId", Number(0)),
                        ("createMasterPlaylist", Yes),
                        ("drmType", Text("none")),
                        ("fileLength", Number(0)),
                        ("groupName", Text("")),
                    ],
                );
                text(printer, "groupTargetFolder", folder);
                defaults(
                    printer,
                    &[("hlsResume", No), ("hlsVersion", Number(3)), ("keepAlive", Yes)],
                );
                text(printer, "localStreamName", &self.stream);
                defaults(
                    printer,
                    &[
                        ("masterPlaylistPath", Text("")),
                        ("maxChunkLength", Number(0)),
                        ("offsetTime", Number(0)),
                        ("operationType", Number(3)),
                        ("overwriteDestination", Yes),
                        ("playlistLength", Number(0)),
                        ("playlistName", Text("playlist.m3u8")),
                        ("playlistType", Text("appending")),
                        ("staleRetentionCount", Number(0)),
                        ("startOffset", Number(0)),
                    ],
                );
                text(printer, "targetFolder", folder);
                printer.key("timestamp");
                printer.milliseconds(self.since_wall_us);
                defaults(printer, &[("useByteRange", No), ("useSystemTime", No)]);
            }
            "dash" => {
                defaults(printer, &[("bandwidth", Number(0))]);
                text(printer, "chunkBaseName", base);
                chunk_length(printer);
                defaults(
                    printer,
                    &[
                        ("chunkOnIDR", Yes),
                        ("cleanupDestination", No),
                        ("configId", Number(0)),
                        ("dynamicProfile", Yes),
                        ("groupName", Text("")),
                    ],
                );
                text(printer, "groupTargetFolder", folder);
                defaults(printer, &[("keepAlive", Yes)]);
                text(printer, "localStreamName", &self.stream);
                defaults(
                    printer,
                    &[
                        ("manifestName", Text("manifest.mpd")),
                        ("operationType", Number(6)),
                        ("overwriteDestination", Yes),
                        ("playlistLength", Number(0)),
                        ("playlistType", Text("appending")),
                        ("staleRetentionCount", Number(0)),
                    ],
                );
                text(printer, "targetFolder", folder);
            }
            kind => {
                defaults(printer, &[("chunkLength", Number(0))]);
                text(printer, "computedPathToFile", &self.path);
                defaults(
                    printer,
                    &[
                        ("configId", Number(0)),
                        ("dateFolderStructure", No),
                        ("hasAudio", Yes),
                        ("keepAlive", Yes),
                    ],
                );
                text(printer, "localStreamName", &self.stream);
                defaults(printer, &[("operationType", Number(7)), ("overwrite", No)]);
                text(printer, "pathToFile", &self.path);
                defaults(
                    printer,
                    &[
                        ("preset", Number(0)),
                        ("type", Text(kind)),
                        ("waitForIDR", No),
                        ("winQtCompat", Yes),
                    ],
                );
            }
        }
    }
}
