//! `pullSettings` and `pushSettings`: the request that opened a connection, as far as it is on the wire.
//!
//! What is configuration of the server is sent as its default.

mod default;
mod files;
mod uri;

use super::print::Printer;

use default::{Default, defaults};
pub(super) use files::Files;
pub(super) use uri::Uri;

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
