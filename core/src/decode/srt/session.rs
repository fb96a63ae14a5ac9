//! A flow: what its handshake agreed on, and how many packets followed.

use crate::decode::credentials::shown;
use crate::decode::{BothSides, Decoder, Side, Want, field};
use crate::model::{FieldSpec, Kind, Known, Moment, Scalar, Source, Unknown, Words};

use super::handshake::{Handshake, Phase, Settings};

/// In the order of [`Session::values`](Decoder::values).
pub(super) static FIELDS: &[FieldSpec] = &[
    field(
        "srt.state",
        Kind::Text,
        "Where the connection is.",
        "SRT: handshake type, shutdown packet",
    )
    .words(Words::List(&["handshake", "connected", "rejected", "closed"])),
    field("srt.stream_id", Kind::Text, "Stream that the caller asks for.", "SRT: SID extension"),
    field("srt.version", Kind::Text, "Version of the caller's software.", "SRT: HSREQ extension"),
    field(
        "srt.server_version",
        Kind::Text,
        "Version of the listener's software.",
        "SRT: HSRSP extension",
    ),
    field(
        "srt.latency",
        Kind::Duration,
        "How long what is received waits for what is sent again, as agreed; the longer one of both ways.",
        "SRT: HSRSP extension, else HSREQ",
    ),
    field(
        "srt.encryption",
        Kind::Text,
        "Cipher by the length of its key, or none.",
        "SRT: encryption field, KMREQ extension",
    )
    .words(Words::List(&["none", "aes-128", "aes-192", "aes-256"])),
    field(
        "srt.rejection",
        Kind::Count,
        "Reason of a rejection, as a number.",
        "SRT: handshake type",
    ),
    field("srt.data_packets_sent", Kind::Count, "Packets of data this end sent.", "SRT: packets"),
    field(
        "srt.data_packets_received",
        Kind::Count,
        "Packets of data this end received.",
        "SRT: packets",
    ),
    field(
        "srt.data_packets_resent",
        Kind::Count,
        "Packets of data that either end sent again.",
        "SRT: R flag",
    ),
];

/// A flow.
#[derive(Debug, Default)]
pub(super) struct Session {
    state: Option<State>,
    stream_id: Option<Box<str>>,
    request: Option<Settings>,
    response: Option<Settings>,
    key: u16,
    has_key: bool,
    is_concluded: bool,
    data_packets: BothSides<u64>,
    resent: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshake,
    Connected,
    Rejected(u32),
    Closed,
}

impl Session {
    fn handshake(&mut self, handshake: Handshake) {
        let Handshake { phase, key, request, response, has_key, stream_id, .. } = handshake;
        self.request = request.or(self.request);
        self.response = response.or(self.response);
        self.has_key |= has_key;
        if let Some(stream_id) = stream_id {
            self.stream_id = Some(shown(&stream_id).into());
        }
        self.state = match (self.state, phase) {
            (_, Phase::Rejection(reason)) => Some(State::Rejected(reason)),
            (_, Phase::Agreement) => Some(State::Connected),
            (_, Phase::Conclusion) => {
                self.is_concluded = true;
                self.key = self.key.max(key);
                let is_answer = response.is_some();
                Some(if is_answer { State::Connected } else { State::Handshake })
            }
            (None, _) => Some(State::Handshake),
            (state, _) => state,
        };
    }

    fn latency_us(&self) -> Option<u64> {
        let settings = self.response.or(self.request)?;
        Some(u64::from(settings.receiver_ms.max(settings.sender_ms)) * 1000)
    }

    /// Known once the handshake is concluded.
    fn encryption(&self) -> Option<&'static str> {
        self.is_concluded.then_some(match self.key {
            _ if !self.has_key => "none",
            3 => "aes-192",
            4 => "aes-256",
            _ => "aes-128",
        })
    }
}

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], _at: Moment) {
        const SHUTDOWN: [u8; 2] = [0x80, 5];
        /// In the fifth byte of a packet of data.
        const RESENT: u8 = 4;
        let Some((header, _)) = bytes.split_first_chunk::<16>() else { return };
        if header[0] & 0x80 == 0 {
            *self.data_packets.of_mut(side) += 1;
            self.resent += u64::from(header[4] & RESENT != 0);
            // A flow that is joined within its handshake.
            self.state = self.state.or(Some(State::Connected));
        } else if header.starts_with(&SHUTDOWN) {
            self.state = Some(State::Closed);
        } else if let Some(handshake) = Handshake::read(bytes) {
            self.handshake(handshake);
        }
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn want(&self, _side: Side) -> Want {
        Want::Whole
    }

    fn values(&self, seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let known = |value: Option<Scalar>| {
            Known::from_option(value, Source::Wire, Unknown::NothingMeasured)
        };
        let text = |text: Option<&str>| known(text.map(|text| Scalar::Text(text.into())));
        let count = |count: Option<u64>| known(count.map(Scalar::Count));
        let version = |settings: Option<Settings>| {
            let (major, minor, patch) = settings?.version;
            Some(format!("{major}.{minor}.{patch}"))
        };
        let state = self.state.map(|state| match state {
            State::Handshake => "handshake",
            State::Connected => "connected",
            State::Rejected(_) => "rejected",
            State::Closed => "closed",
        });
        let rejection = match self.state {
            Some(State::Rejected(reason)) => Some(reason.into()),
            _ => None,
        };
        Box::new([
            text(state),
            text(self.stream_id.as_deref()),
            text(version(self.request).as_deref()),
            text(version(self.response).as_deref()),
            known(self.latency_us().map(Scalar::Micros)),
            text(self.encryption()),
            count(rejection),
            count(Some(*self.data_packets.of(seen_from))),
            count(Some(*self.data_packets.of(seen_from.other()))),
            count(Some(self.resent)),
        ])
    }

    fn memory(&self) -> u64 {
        (size_of::<Self>() + self.stream_id.as_ref().map_or(0, |id| id.len())) as u64
    }
}
