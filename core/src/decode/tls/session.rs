//! One connection: the handshake of both sides.

use std::sync::Arc;

use crate::decode::media::Sealed;
use crate::decode::{BothSides, Decoder, Opening, Side, Want};
use crate::model::{Known, Moment, Scalar, Source, Unknown};

use super::handshake::{Message, Messages};
use super::hello::{ClientHello, Hello, ServerHello};
use super::records::{Part, Records};

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    sides: BothSides<Reading>,
    client: Option<(Box<ClientHello>, Moment, Side)>,
    server: Option<(Box<ServerHello>, Moment)>,
    certificate_subject: Option<Box<str>>,
    alert: Option<u8>,
    /// Whether the client sent encrypted data before the server's hello: then its last message of the
    /// handshake cannot be distinguished.
    has_early_data: bool,
    finished_at: Option<Moment>,
    /// The records of the client, where their sizes are of use.
    sealed: Option<(Side, Records, Arc<Sealed>)>,
}

/// One side.
#[derive(Debug, Default)]
struct Reading {
    records: Records,
    messages: Messages,
    /// The first encrypted record: the end of the handshake.
    is_finished: bool,
    is_done: bool,
    is_missed: bool,
}

impl Session {
    pub(super) fn new(opening: &Opening<'_>) -> Self {
        let client = opening.first;
        let server = match client {
            Side::Sent => opening.ends.remote,
            Side::Received => opening.ends.local,
        };
        let sealed = server.and_then(|end| opening.publications.begin_sealed(end.address));
        let sealed = sealed.map(|sealed| (client, Records::default(), sealed));
        Self { sealed, ..Self::default() }
    }

    /// Reads the sizes of encrypted records.
    fn sizes(&mut self, side: Side, mut bytes: &[u8], at: Moment) {
        let added = self.server.as_ref().and_then(|(hello, _)| hello.added_by_cipher());
        let Some((_, records, sealed)) = self.sealed.as_mut().filter(|one| one.0 == side) else {
            return;
        };
        while let Some(part) = records.next(&mut bytes) {
            match (part, added) {
                (Part::Malformed, _) => {
                    self.sealed = None;
                    return;
                }
                (Part::Encrypted, Some(added)) => {
                    let bytes = records.left().saturating_sub(added);
                    sealed.record(at.monotonic_us, bytes as u64);
                }
                _ => {}
            }
        }
    }

    fn message(&mut self, side: Side, message: Message, at: Moment) {
        match message {
            Message::Hello(Hello::Client(hello)) if self.client.is_none() => {
                self.client = Some((Box::new(hello), at, side));
            }
            // After a HelloRetryRequest the client repeats its hello.
            Message::Hello(Hello::Client(_)) => {}
            Message::Hello(Hello::Retry) => {}
            Message::Hello(Hello::Server(hello)) => {
                if self.server.is_none() {
                    self.server = Some((Box::new(hello), at));
                }
            }
            Message::Hello(Hello::Other) => self.sides.of_mut(side).is_missed = true,
            Message::Certificate(subject) => {
                // Of the server: a client may have one too.
                let is_client = self.client.as_ref().is_some_and(|(_, _, client)| *client == side);
                if !is_client && self.certificate_subject.is_none() {
                    self.certificate_subject = Some(subject.into());
                }
            }
            Message::Other => {}
        }
    }

    /// An encrypted record of a side began.
    fn encrypted(&mut self, side: Side, at: Moment) {
        let Some((server, _)) = &self.server else {
            self.has_early_data = true;
            return;
        };
        let is_newest = server.encrypts_extensions;
        let is_client = self.client.as_ref().is_some_and(|(_, _, client)| *client == side);
        let reading = self.sides.of_mut(side);
        if reading.is_finished {
            return;
        }
        reading.is_finished = true;
        reading.is_done = true;
        let both = self.sides.sent.is_finished && self.sides.received.is_finished;
        // In TLS 1.3 the client finishes last, before that both do in either order.
        let is_over = if is_newest { is_client && !self.has_early_data } else { both };
        if is_over && self.finished_at.is_none() {
            self.finished_at = Some(at);
        }
    }
}

impl Decoder for Session {
    fn data(&mut self, side: Side, mut bytes: &[u8], at: Moment) {
        self.sizes(side, bytes, at);
        while !self.sides.of(side).is_done
            && let Some(part) = self.sides.of_mut(side).records.next(&mut bytes)
        {
            match part {
                Part::Handshake(mut part) => {
                    while let Some(message) = self.sides.of_mut(side).messages.next(&mut part) {
                        self.message(side, message, at);
                    }
                }
                Part::Alert(description) => self.alert = self.alert.or(Some(description)),
                Part::Encrypted => self.encrypted(side, at),
                Part::Malformed => {
                    let reading = self.sides.of_mut(side);
                    reading.is_missed = true;
                    reading.is_done = true;
                }
            }
        }
        if self.sides.of(side).is_done {
            self.sides.of_mut(side).messages = Messages::default();
        }
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, side: Side, _bytes: u64, _at: Moment) {
        self.sealed = self.sealed.take().filter(|sealed| sealed.0 != side);
        let reading = self.sides.of_mut(side);
        if !reading.is_done {
            *reading = Reading { is_done: true, is_missed: true, ..Reading::default() };
        }
    }

    fn want(&self, side: Side) -> Want {
        let is_measured = self.sealed.as_ref().is_some_and(|sealed| sealed.0 == side);
        if self.sides.of(side).is_done && !is_measured { Want::NoMore } else { Want::Whole }
    }

    fn values(&self, _seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let is_missed = self.sides.sent.is_missed || self.sides.received.is_missed;
        let missing =
            if is_missed { Unknown::SourceDoesNotReport } else { Unknown::NothingMeasured };
        let known = |scalar| Known::Value(scalar, Source::Wire);
        // What a hello may lack does not apply if it does.
        let optional = |hello: bool, value: Option<Scalar>| match (hello, value) {
            (_, Some(scalar)) => known(scalar),
            (true, None) => Known::NotApplicable,
            (false, None) => Known::Unknown(missing),
        };
        let client = self.client.as_ref().map(|(hello, _, _)| hello);
        let server = self.server.as_ref().map(|(hello, _)| hello);
        let text = |text: &str| Scalar::Text(text.into());
        // TLS 1.3 encrypts what follows the hello of the server.
        let encrypted = server.is_some_and(|hello| hello.encrypts_extensions);
        let in_clear = |has: bool, value: Option<Scalar>| match value {
            None if encrypted => Known::Unknown(Unknown::SourceDoesNotReport),
            value => optional(has, value),
        };
        let since_hello = |at: Option<Moment>| match (&self.client, at) {
            (Some((_, asked, _)), Some(at)) => {
                let micros = at.monotonic_us.saturating_sub(asked.monotonic_us);
                Known::Value(Scalar::Micros(micros), Source::Derived)
            }
            _ => Known::Unknown(missing),
        };
        let alpn = server.and_then(|hello| hello.alpn.as_deref()).map(text);
        let offered = client.and_then(|hello| hello.alpn.as_deref()).map(text);
        // A session that is resumed has no certificate.
        let is_over = self.finished_at.is_some();
        Box::new([
            optional(client.is_some(), client.and_then(|hello| hello.sni.as_deref()).map(text)),
            optional(false, server.map(|hello| text(&hello.version))),
            optional(false, server.map(|hello| text(&hello.cipher))),
            in_clear(server.is_some(), alpn),
            optional(client.is_some(), offered),
            since_hello(self.server.as_ref().map(|(_, at)| *at)),
            optional(server.is_some(), self.alert.map(|number| Scalar::Count(number.into()))),
            in_clear(is_over, self.certificate_subject.as_deref().map(text)),
            since_hello(self.finished_at),
        ])
    }

    fn memory(&self) -> u64 {
        let buffers = self.sides.sent.messages.memory() + self.sides.received.messages.memory();
        let client = self.client.as_ref().map_or(0, |(hello, ..)| hello.memory());
        let server = self.server.as_ref().map_or(0, |(hello, _)| hello.memory());
        let subject = self.certificate_subject.as_ref().map_or(0, |subject| subject.len());
        (size_of::<Self>() + buffers + client + server + subject) as u64
    }
}
