//! A stream of `listConnections` and `listStreams`.

use std::net::IpAddr;

use conns_core::decode::MediaStream;
use conns_core::model::Process;

use super::print::Printer;
use super::settings::{Files, Settings};

/// A name of at most eight characters as a number: its bytes from the highest one on.
fn numeric(tag: &str) -> u64 {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(tag.bytes()).for_each(|(byte, letter)| *byte = letter);
    u64::from_be_bytes(bytes)
}

/// A track of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    pub(super) codec: &'static str,
    packets: u64,
    bytes: u64,
    dropped_packets: u64,
    dropped_bytes: u64,
}

impl Track {
    fn audio(stream: &MediaStream<'_>) -> Self {
        let count = |key| stream.count(key).unwrap_or(0);
        Self {
            codec: audio_codec(stream),
            packets: count("audio_packets"),
            bytes: count("audio_bytes"),
            dropped_packets: count("audio_dropped_packets"),
            dropped_bytes: count("audio_dropped_bytes"),
        }
    }

    fn video(stream: &MediaStream<'_>) -> Self {
        let count = |key| stream.count(key).unwrap_or(0);
        Self {
            codec: video_codec(stream),
            packets: count("video_packets"),
            bytes: count("video_bytes"),
            dropped_packets: count("video_dropped_packets"),
            dropped_bytes: count("video_dropped_bytes"),
        }
    }

    fn write_common(&self, printer: &mut Printer) {
        printer.key("bytesCount");
        printer.unsigned(self.bytes);
        printer.key("codec");
        printer.text(self.codec);
        printer.key("codecNumeric");
        printer.unsigned(numeric(self.codec));
        printer.key("droppedBytesCount");
        printer.unsigned(self.dropped_bytes);
        printer.key("droppedPacketsCount");
        printer.unsigned(self.dropped_packets);
    }
}

/// When a track has played for longer than a second, EMS takes the other one, of which nothing came, for one that
/// it passes through.
fn is_late(stream: &MediaStream<'_>, other: &str) -> bool {
    stream.protocol == "rtmp" && stream.count(other).is_some_and(|time_us| time_us > 1_000_000)
}

fn audio_codec(stream: &MediaStream<'_>) -> &'static str {
    let is_rtmp = matches!(stream.protocol, "rtmp" | "flv");
    match stream.text("audio_codec") {
        Some("aac") if stream.is("audio_is_configured") == Some(true) => "AAAC",
        Some("mp3") => "AMP3",
        Some("nellymoser") => "ANM",
        Some("pcm_alaw") if !is_rtmp => "AG711A",
        Some("pcm_mulaw") if !is_rtmp => "AG711U",
        None | Some("aac") if !is_late(stream, "video_time_us") => "AUNK",
        _ => "APT",
    }
}

fn video_codec(stream: &MediaStream<'_>) -> &'static str {
    match stream.text("video_codec") {
        Some("h264") if stream.is("video_is_configured") == Some(true) => "VH264",
        Some("hevc") if stream.is("video_is_configured") == Some(true) => "H265",
        Some("flv1") => "VS263",
        Some("vp6f") => "VVP6",
        None | Some("h264" | "hevc") if !is_late(stream, "audio_time_us") => "VUNK",
        _ => "VPT",
    }
}

/// What an output adopts from the input that it is linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    audio: &'static str,
    video: &'static str,
    width: u64,
    height: u64,
    profile: u64,
    level: u64,
    pub(super) bandwidth: u64,
}

impl Format {
    const NONE: Self = Self {
        audio: "AUNK",
        video: "VUNK",
        width: 0,
        height: 0,
        profile: 0,
        level: 0,
        bandwidth: 0,
    };
}

/// The ends of the connection of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamEnds {
    pub(super) near: (IpAddr, u16),
    pub(super) far: Option<(IpAddr, u16)>,
}

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamEntry {
    pub(super) id: u64,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) is_output: bool,
    /// Of an output: the input it is linked to, and whether that is known not to exist.
    pub(super) input: Option<u64>,
    pub(super) is_unlinked: bool,
    /// Of an input.
    pub(super) outputs: Vec<u64>,
    pub(super) since_wall_us: i64,
    pub(super) settings: Option<Settings>,
    /// `None` of a file.
    ends: Option<StreamEnds>,
    ingest_point: Option<String>,
    alias: Option<String>,
    process_id: u64,
    application: String,
    urls: Urls,
    user_agent: Option<String>,
    server_agent: Option<String>,
    audio: Track,
    video: Track,
    pub(super) format: Format,
}

/// What a client of RTMP states of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Urls {
    pub(super) tc: Option<String>,
    pub(super) swf: Option<String>,
    pub(super) page: Option<String>,
}

/// What the connection of a stream shows of it.
#[derive(Debug, Clone)]
pub(super) struct Around {
    pub(super) id: u64,
    pub(super) ends: StreamEnds,
    pub(super) process_id: u64,
    pub(super) application: String,
    pub(super) urls: Urls,
    pub(super) user_agent: Option<String>,
    pub(super) server_agent: Option<String>,
    pub(super) settings: Option<Settings>,
    /// When it was first seen.
    pub(super) since_wall_us: i64,
}

/// The name of a stream at this server.
pub(super) fn local_name<'a>(stream: &MediaStream<'a>) -> Option<&'a str> {
    stream.text("played_as").or_else(|| stream.text("name"))
}

impl StreamEntry {
    pub(super) fn new(stream: &MediaStream<'_>, around: Around) -> Self {
        let is_output = stream.is_sent();
        let kind = match (stream.protocol, is_output) {
            ("rtmp", false) => "INR",
            ("rtmp", true) => "ONR",
            ("rtsp", false) => "INP",
            ("rtsp", true) => "ONP",
            ("ts", false) => "INTS",
            ("ts", true) => "ONTS",
            ("flv", false) => "INLFLV",
            _ => "ONFLV",
        };
        let (audio, video) = (Track::audio(stream), Track::video(stream));
        let count = |key| stream.count(key).unwrap_or(0);
        let is_h264 = video.codec == "VH264";
        let format = Format {
            audio: audio.codec,
            video: video.codec,
            width: count("width"),
            height: count("height"),
            profile: if is_h264 { count("profile") } else { 0 },
            level: if is_h264 { count("level") } else { 0 },
            bandwidth: count("bandwidth_kbit_per_s"),
        };
        let name = local_name(stream).map_or_else(
            || match around.ends.far {
                Some((address, port)) => format!("{address}_{port}"),
                None => String::new(),
            },
            str::to_owned,
        );
        let is_play =
            matches!(stream.protocol, "rtmp" | "rtsp") && is_output && !stream.is_published();
        Self {
            id: around.id,
            kind,
            alias: is_play.then(|| name.clone()),
            name,
            is_output,
            input: None,
            is_unlinked: stream.is("is_linked") == Some(false),
            outputs: Vec::new(),
            since_wall_us: stream.time_us("since_us").unwrap_or(around.since_wall_us),
            settings: around.settings,
            ends: Some(around.ends),
            ingest_point: stream.text("ingest_point").filter(|_| !is_output).map(str::to_owned),
            process_id: around.process_id,
            application: around.application,
            urls: around.urls,
            user_agent: around.user_agent,
            server_agent: around.server_agent,
            audio,
            video,
            format,
        }
    }

    /// A stream that is written to files: what it carries is that of the input of its name.
    pub(super) fn written(id: u64, files: Files, process: &Process) -> Self {
        let kind = match files.kind {
            "hls" => "OFHLS",
            "dash" => "OFDASH",
            "mp4" => "OFMP4",
            "flv" => "OFRFLV",
            _ => "OFTS",
        };
        let none =
            |codec| Track { codec, packets: 0, bytes: 0, dropped_packets: 0, dropped_bytes: 0 };
        Self {
            id,
            kind,
            name: files.stream.clone(),
            is_output: true,
            input: None,
            is_unlinked: false,
            outputs: Vec::new(),
            since_wall_us: files.since_wall_us,
            settings: Some(Settings::Files(files)),
            ends: None,
            ingest_point: None,
            alias: None,
            process_id: process.pid.into(),
            application: String::new(),
            urls: Urls::default(),
            user_agent: None,
            server_agent: None,
            audio: none("AUNK"),
            video: none("VUNK"),
            format: Format::NONE,
        }
    }

    /// Adopts the format of the input that it is linked to; `None` of an output without one.
    pub(super) fn link(&mut self, input: Option<(u64, Format)>) {
        match input {
            Some((id, format)) => {
                self.input = Some(id);
                self.format = format;
            }
            None if self.is_unlinked || self.is_empty() => self.format = Format::NONE,
            None => {}
        }
    }

    /// Whether it carried nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.audio.packets + self.video.packets == 0
    }

    /// Writes it as an object; with `edge` as `listStreams` does.
    pub(super) fn write(&self, printer: &mut Printer, queried_wall_us: i64, with_edge: bool) {
        let text = |printer: &mut Printer, key, text: &Option<String>| {
            if let Some(text) = text {
                printer.key(key);
                printer.text(text);
            }
        };
        let unsigned = |printer: &mut Printer, key, number| {
            printer.key(key);
            printer.unsigned(number);
        };
        let connection_type = match &self.settings {
            Some(settings) => settings.operation(),
            None => 0,
        };
        let address = |printer: &mut Printer, key, end: Option<(IpAddr, u16)>| {
            printer.key(key);
            match end {
                Some((address, _)) => printer.address(address),
                None => printer.text(""),
            }
        };
        let port = |end: Option<(IpAddr, u16)>| end.map_or(0, |(_, port)| port.into());
        let (near, far) = (self.ends.map(|ends| ends.near), self.ends.and_then(|ends| ends.far));
        printer.object(|printer| {
            printer.key("appName");
            printer.text(&self.application);
            printer.key("audio");
            printer.object(|printer| {
                Track { codec: self.format.audio, ..self.audio.clone() }.write_common(printer);
                unsigned(printer, "packetsCount", self.audio.packets);
            });
            unsigned(printer, "bandwidth", self.format.bandwidth);
            if self.kind == "ONR" {
                printer.key("canDropFrames");
                printer.boolean(true);
            }
            unsigned(printer, "connectionType", connection_type);
            printer.key("creationTimestamp");
            printer.milliseconds(self.since_wall_us);
            if with_edge {
                unsigned(printer, "edgePid", 0);
            }
            address(printer, "farIp", far);
            unsigned(printer, "farPort", port(far));
            if self.is_output {
                printer.key("inStreamUniqueId");
                match self.input {
                    Some(id) => printer.unsigned(id),
                    None => printer.null(),
                }
            }
            text(printer, "ingestPoint", &self.ingest_point);
            address(printer, "ip", near);
            printer.key("name");
            printer.text(&self.name);
            address(printer, "nearIp", near);
            unsigned(printer, "nearPort", port(near));
            if !self.is_output {
                printer.key("outStreamsUniqueIds");
                if self.outputs.is_empty() {
                    printer.null();
                } else {
                    printer
                        .array(|printer| self.outputs.iter().for_each(|id| printer.unsigned(*id)));
                }
            }
            text(printer, "pageUrl", &self.urls.page);
            unsigned(printer, "port", port(near));
            unsigned(printer, "processId", self.process_id);
            printer.key("processType");
            printer.text("origin");
            if let Some(settings) = &self.settings {
                printer.key(settings.key());
                settings.write(printer, false);
            }
            printer.key("queryTimestamp");
            printer.milliseconds(queried_wall_us);
            text(printer, "serverAgent", &self.server_agent);
            text(printer, "streamAlias", &self.alias);
            text(printer, "swfUrl", &self.urls.swf);
            text(printer, "tcUrl", &self.urls.tc);
            printer.key("type");
            printer.text(self.kind);
            unsigned(printer, "typeNumeric", numeric(self.kind));
            unsigned(printer, "uniqueId", self.id);
            printer.key("upTime");
            printer.milliseconds(queried_wall_us.saturating_sub(self.since_wall_us).max(0));
            text(printer, "userAgent", &self.user_agent);
            printer.key("video");
            printer.object(|printer| {
                Track { codec: self.format.video, ..self.video.clone() }.write_common(printer);
                unsigned(printer, "height", self.format.height);
                unsigned(printer, "level", self.format.level);
                unsigned(printer, "packetsCount", self.video.packets);
                unsigned(printer, "profile", self.format.profile);
                unsigned(printer, "width", self.format.width);
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::numeric;

    #[test]
    fn tags_as_numbers_are_those_of_the_real_server() {
        assert_eq!(numeric("INR"), 5_282_249_572_905_648_128);
        assert_eq!(numeric("AAAC"), 4_702_111_241_970_122_752);
        assert_eq!(numeric("VH264"), 6_217_274_493_967_007_744);
        assert_eq!(numeric("INLFLV"), 5_282_243_277_764_296_704);
    }
}
