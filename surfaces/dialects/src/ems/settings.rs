//! `pullSettings` and `pushSettings`: the request that opened a connection, as far as it is on the wire.
//!
//! What is configuration of the server is sent as its default.

use conns_core::decode::without_number;

use super::print::Printer;

/// The request of an outbound connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settings {
    Pull(Request),
    Push(Request),
    /// Of an acceptor of MPEG-TS: a pull without URI.
    Accepted,
    /// Of a stream that is written to files.
    Files(Files),
}

/// What is known of files that are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    /// `hls`, `dash`, `mp4`, `flv` or `ts`.
    pub(super) kind: &'static str,
    pub(super) stream: String,
    /// The latest one.
    pub(super) path: String,
    /// Seconds; 0 if it is not known.
    pub(super) segment_s: u64,
    /// Milliseconds since 1970, in microseconds.
    pub(super) since_wall_us: i64,
}

impl Files {
    /// The directory, and the name of the file without its number and extension.
    fn place(&self) -> (&str, &str) {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", &self.path));
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        (folder, without_number(stem))
    }

    fn write(&self, printer: &mut Printer) {
        use Default::{No, Number, Text, Yes};
        let (folder, base) = self.place();
        let text = Request::text;
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

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Request {
    /// The name that the stream has at this server, where it is known.
    pub(super) local_name: String,
    /// The id of the stream that is pushed.
    pub(super) local_id: u64,
    /// Of a push: the name at the other server.
    pub(super) target_name: String,
    pub(super) uri: Uri,
    pub(super) page_url: String,
    pub(super) swf_url: String,
    pub(super) tc_url: String,
    pub(super) user_agent: String,
}

impl Settings {
    /// The key under which it is listed.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::Pull(_) | Self::Accepted => "pullSettings",
            Self::Push(_) => "pushSettings",
            Self::Files(Files { kind: "hls", .. }) => "hlsSettings",
            Self::Files(Files { kind: "dash", .. }) => "dashSettings",
            Self::Files(_) => "recordSettings",
        }
    }

    /// `operationType`.
    pub(super) fn operation(&self) -> u64 {
        match self {
            Self::Pull(_) | Self::Accepted => 1,
            Self::Push(_) => 2,
            Self::Files(Files { kind: "hls", .. }) => 3,
            Self::Files(Files { kind: "dash", .. }) => 6,
            Self::Files(_) => 7,
        }
    }

    pub(super) fn request_mut(&mut self) -> Option<&mut Request> {
        match self {
            Self::Pull(request) | Self::Push(request) => Some(request),
            Self::Accepted | Self::Files(_) => None,
        }
    }

    /// Writes it as an object; the URI in parts, or as a text as in a stream.
    pub(super) fn write(&self, printer: &mut Printer, in_parts: bool) {
        printer.object(|printer| match self {
            Self::Pull(request) => request.write_pull(printer, in_parts),
            Self::Push(request) => request.write_push(printer, in_parts),
            Self::Accepted => {
                printer.key("uri");
                printer.null();
            }
            Self::Files(files) => files.write(printer),
        });
    }
}

/// Of a field that is a number, a text or a truth.
enum Default {
    Text(&'static str),
    Number(u64),
    Negative(i64),
    No,
    Yes,
    Null,
}

fn defaults(printer: &mut Printer, defaults: &[(&'static str, Default)]) {
    for (key, value) in defaults {
        printer.key(key);
        match value {
            Default::Text(text) => printer.text(text),
            Default::Number(number) => printer.unsigned(*number),
            Default::Negative(number) => printer.signed(*number),
            Default::No => printer.boolean(false),
            Default::Yes => printer.boolean(true),
            Default::Null => printer.null(),
        }
    }
}

impl Request {
    fn text(printer: &mut Printer, key: &'static str, text: &str) {
        printer.key(key);
        printer.text(text);
    }

    fn uri(&self, printer: &mut Printer, key: &'static str, in_parts: bool) {
        printer.key(key);
        if in_parts {
            printer.object(|printer| self.uri.write(printer));
        } else {
            printer.text(&self.uri.text);
        }
    }

    fn write_pull(&self, printer: &mut Printer, in_parts: bool) {
        use Default::{Negative, No, Null, Number, Text, Yes};
        if in_parts {
            defaults(printer, &[("_callback", Null)]);
        }
        defaults(printer, &[("audioCodecBytes", Text("")), ("configId", Number(0))]);
        Self::text(printer, "emulateUserAgent", &self.user_agent);
        defaults(
            printer,
            &[("forceTcp", No), ("httpProxy", Text("")), ("isAudio", Yes), ("keepAlive", Yes)],
        );
        Self::text(printer, "localStreamName", &self.local_name);
        defaults(printer, &[("operationType", Number(1))]);
        Self::text(printer, "pageUrl", &self.page_url);
        defaults(
            printer,
            &[
                ("ppsBytes", Text("")),
                ("rangeEnd", Negative(-1)),
                ("rangeStart", Negative(-2)),
                ("rangeTimeEnd", Text("")),
                ("rangeTimeStart", Text("")),
                ("rtcpDetectionInterval", Number(10)),
                ("sdpCustParams", Text("")),
                ("sendRenewStream", No),
                ("serializeToConfig", Yes),
                ("sourceType", Text("live")),
                ("spsBytes", Text("")),
                ("ssmIp", Text("")),
            ],
        );
        Self::text(printer, "swfUrl", &self.swf_url);
        Self::text(printer, "tcUrl", &self.tc_url);
        defaults(printer, &[("tos", Number(256)), ("ttl", Number(256))]);
        self.uri(printer, "uri", in_parts);
        defaults(printer, &[("videoSourceIndex", Text("high"))]);
    }

    fn write_push(&self, printer: &mut Printer, in_parts: bool) {
        use Default::{No, Number, Text, Yes};
        defaults(printer, &[("configId", Number(0))]);
        Self::text(printer, "emulateUserAgent", &self.user_agent);
        defaults(printer, &[("forceTcp", No), ("httpProxy", Text("")), ("keepAlive", Yes)]);
        Self::text(printer, "localStreamName", &self.local_name);
        printer.key("localUniqueStreamId");
        printer.unsigned(self.local_id);
        defaults(printer, &[("operationType", Number(2))]);
        Self::text(printer, "pageUrl", &self.page_url);
        defaults(printer, &[("rtmpAbsoluteTimestamps", No), ("sendChunkSizeRequest", Yes)]);
        Self::text(printer, "swfUrl", &self.swf_url);
        Self::text(printer, "targetStreamName", &self.target_name);
        defaults(printer, &[("targetStreamType", Text("live"))]);
        self.uri(printer, "targetUri", in_parts);
        Self::text(printer, "tcUrl", &self.tc_url);
        defaults(printer, &[("tos", Number(256)), ("ttl", Number(256)), ("useSourcePts", No)]);
    }
}

/// A URI in the parts in which EMS lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Uri {
    text: String,
}

/// The parts of a URI, as slices of it.
#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    scheme: &'a str,
    user: &'a str,
    password: &'a str,
    host: &'a str,
    port: Option<u16>,
    /// From the first slash on, without parameters.
    path: &'a str,
    parameters: &'a str,
}

impl Uri {
    pub(super) fn new(text: String) -> Self {
        Self { text }
    }

    fn parts(&self) -> Parts<'_> {
        let (scheme, rest) = self.text.split_once("://").unwrap_or(("", &self.text));
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let at = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let is_open = place.starts_with('[') && place.ends_with(']');
        let (host, port) = match place.rsplit_once(':').filter(|_| !is_open) {
            Some((host, port)) => (host, port.parse().ok()),
            None => (place, None),
        };
        Parts { scheme, user, password, host, port, path, parameters }
    }

    /// Writes its parts as keys.
    fn write(&self, printer: &mut Printer) {
        let Parts { scheme, user, password, host, port, path, parameters } = self.parts();
        let (directory, document) = match path.rfind('/') {
            Some(at) => path.split_at(at + 1),
            None => ("/", path),
        };
        let with = |path: &str| match parameters {
            "" => path.to_owned(),
            _ => format!("{path}?{parameters}"),
        };
        let default_port = match scheme {
            "rtsp" => 554,
            "http" => 80,
            "https" | "rtmps" => 443,
            _ => 1935,
        };
        let place = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let without_login = format!("{scheme}://{place}{}", with(path));
        let mut text = |key, text: &str| {
            printer.key(key);
            printer.text(text);
        };
        text("document", document);
        text("documentPath", directory);
        text("documentWithFullParameters", &with(document));
        text("fullDocumentPath", path);
        text("fullDocumentPathWithParameters", &with(path));
        text(
            "fullParameters",
            &if parameters.is_empty() { String::new() } else { format!("?{parameters}") },
        );
        text("fullUri", &without_login);
        text("fullUriWithAuth", &self.text);
        text("host", host);
        text("ip", "");
        text("originalUri", &self.text);
        printer.key("parameters");
        printer.object(|_| {});
        printer.key("password");
        printer.text(password);
        printer.key("port");
        printer.unsigned(port.unwrap_or(default_port).into());
        printer.key("portSpecified");
        printer.boolean(port.is_some());
        printer.key("scheme");
        printer.text(scheme);
        printer.key("userName");
        printer.text(user);
    }
}

#[cfg(test)]
mod tests {
    use super::{Parts, Uri};

    #[test]
    fn a_uri_is_split() {
        let uri = Uri::new("rtmp://user:secret@[::1]:1945/peer/p1?a=b".into());
        let expected = Parts {
            scheme: "rtmp",
            user: "user",
            password: "secret",
            host: "[::1]",
            port: Some(1945),
            path: "/peer/p1",
            parameters: "a=b",
        };
        assert_eq!(uri.parts(), expected);
        let uri = Uri::new("rtmp://host/live".into());
        let parts = uri.parts();
        assert_eq!((parts.host, parts.port, parts.path), ("host", None, "/live"));
        assert_eq!(Uri::new("[::1]".into()).parts().host, "[::1]");
    }
}
