//! One connection: the bytes of the client's hello out of its CRYPTO frames, which may come in any order and
//! in several datagrams.

use crate::decode::assembly::{Assembled, Assembler, Room, Segment};
use crate::decode::tls::hello::{self, ClientHello, Hello, MAX_HELLO};
use crate::decode::{Decoder, Side, Want};
use crate::model::{Known, Moment, Scalar, Source, Unknown};

use super::keys::Keys;
use super::packet::{Packet, Reader, Version};

/// How many datagrams are searched for the hello: with a Retry and lost ones it takes a few.
const MAX_DATAGRAMS: u8 = 32;
/// Packets in one datagram: one of each kind of keys, and again.
const MAX_PACKETS: usize = 8;
/// The hello, whose buffer may have grown to twice of what it needs, and what is held back of it.
pub(super) const MAX_MEMORY: u64 = 4 * MAX_HELLO as u64 + 8192;
/// The sequence number before that of the first byte.
const BEFORE: u32 = u32::MAX;

const PADDING: u64 = 0;
const PING: u64 = 1;
const ACK: u64 = 2;
const ACK_ECN: u64 = 3;
const CRYPTO: u64 = 6;

/// One connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    client: Option<Client>,
    version: Option<Version>,
    hello: Option<Box<ClientHello>>,
    answered_at: Option<Moment>,
    datagrams: u8,
    is_done: bool,
}

/// What the client sent.
#[derive(Debug)]
struct Client {
    side: Side,
    at: Moment,
    keys: Keys,
    crypto: Crypto,
}

/// The bytes of its hello.
#[derive(Debug)]
struct Crypto {
    assembler: Assembler,
    room: Room,
    bytes: Vec<u8>,
    is_broken: bool,
}

impl Crypto {
    fn new() -> Self {
        let mut assembler = Assembler::default();
        let mut room = Room::new(MAX_HELLO as u64);
        let begin = Segment { sequence: BEFORE, syn: true, ..Segment::default() };
        assembler.push(begin, &mut room, &mut |_| 0);
        Self { assembler, room, bytes: Vec::new(), is_broken: false }
    }

    /// Adds the bytes of CRYPTO frames.
    fn add(&mut self, frames: &[u8]) {
        let Self { assembler, room, bytes, is_broken } = self;
        for_each_crypto(frames, |offset, data| {
            let Ok(sequence) = u32::try_from(offset) else { return };
            if sequence as usize + data.len() > MAX_HELLO {
                return;
            }
            let segment = Segment { sequence, bytes: data, ..Segment::default() };
            assembler.push(segment, room, &mut |assembled| {
                match assembled {
                    Assembled::Data { bytes: data, .. } => bytes.extend_from_slice(data),
                    Assembled::Gap { .. } => *is_broken = true,
                    Assembled::End { .. } => {}
                }
                0
            });
        });
    }

    /// The hello, once it is complete.
    fn hello(&self) -> Option<ClientHello> {
        let [_, length @ ..] = self.bytes.first_chunk::<4>().filter(|_| !self.is_broken)?;
        let [high, middle, low] = length.map(usize::from);
        let message = self.bytes.get(..4 + (high << 16 | middle << 8 | low))?;
        match hello::parse(message) {
            Hello::Client(hello) => Some(hello),
            _ => None,
        }
    }
}

/// Calls `take` for each CRYPTO frame with its offset, up to the first frame that an Initial packet of a client
/// cannot have (RFC 9000 section 17.2.2).
fn for_each_crypto(frames: &[u8], mut take: impl FnMut(u64, &[u8])) -> Option<()> {
    let mut reader = Reader { bytes: frames, at: 0 };
    loop {
        match reader.number()? {
            PADDING | PING => {}
            kind @ (ACK | ACK_ECN) => {
                // Largest, delay, number of ranges, first range; then two for each range.
                reader.number()?;
                reader.number()?;
                let ranges = reader.number()?;
                reader.number()?;
                for _ in 0..ranges {
                    reader.number()?;
                    reader.number()?;
                }
                for _ in 0..if kind == ACK_ECN { 3 } else { 0 } {
                    reader.number()?;
                }
            }
            CRYPTO => {
                let offset = reader.number()?;
                let length = usize::try_from(reader.number()?).ok()?;
                take(offset, reader.take(length)?);
            }
            _ => return None,
        }
    }
}

impl Session {
    fn packet(&mut self, side: Side, packet: &Packet<'_>, at: Moment) {
        let is_server = self.client.as_ref().is_some_and(|client| client.side != side);
        if is_server {
            // The version that the server chose.
            self.version = Some(packet.version);
            self.answered_at = self.answered_at.or(Some(at));
            return;
        }
        self.version = self.version.or(Some(packet.version));
        if !packet.is_initial || self.hello.is_some() {
            return;
        }
        let open = |client: &mut Client| {
            client.keys.open(packet).map(|frames| client.crypto.add(&frames)).is_some()
        };
        if !self.client.as_mut().is_some_and(open)
            && let Some(keys) = Keys::of_client(packet.version, packet.destination)
            && let Some(frames) = keys.open(packet)
        {
            // The first one, or the first one after a Retry.
            let at = self.client.as_ref().map_or(at, |client| client.at);
            let mut crypto = Crypto::new();
            crypto.add(&frames);
            self.client = Some(Client { side, at, keys, crypto });
        }
        let hello = self.client.as_ref().and_then(|client| client.crypto.hello());
        if let (Some(hello), Some(client)) = (hello, &mut self.client) {
            self.hello = Some(Box::new(hello));
            client.crypto = Crypto::new();
        }
    }
}

impl Decoder for Session {
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment) {
        if self.is_done {
            return;
        }
        let mut rest = bytes;
        for _ in 0..MAX_PACKETS {
            let Some((packet, behind)) = Packet::read(rest) else { break };
            self.packet(side, &packet, at);
            rest = behind;
        }
        self.datagrams += 1;
        let is_complete = self.hello.is_some() && self.answered_at.is_some();
        self.is_done = is_complete || self.datagrams >= MAX_DATAGRAMS;
    }

    fn skipped(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn gap(&mut self, _side: Side, _bytes: u64, _at: Moment) {}

    fn want(&self, _side: Side) -> Want {
        if self.is_done { Want::NoMore } else { Want::Whole }
    }

    fn values(&self, seen_from: Side, _now: Moment) -> Box<[Known<Scalar>]> {
        let known = |scalar| Known::Value(scalar, Source::Wire);
        let missing =
            if self.is_done { Unknown::SourceDoesNotReport } else { Unknown::NothingMeasured };
        let of_hello = |read: fn(&ClientHello) -> Option<&str>| match &self.hello {
            Some(hello) => {
                read(hello).map_or(Known::NotApplicable, |text| known(Scalar::Text(text.into())))
            }
            None => Known::Unknown(missing),
        };
        let hello_time = match (&self.client, self.answered_at) {
            (Some(client), Some(answered)) => {
                let micros = answered.monotonic_us.saturating_sub(client.at.monotonic_us);
                Known::Value(Scalar::Micros(micros), Source::Derived)
            }
            _ => Known::Unknown(missing),
        };
        let version = self.version.map(|version| Scalar::Text(version.name().into()));
        Box::new([
            of_hello(|hello| hello.sni.as_deref()),
            version.map_or(Known::Unknown(missing), known),
            of_hello(|hello| hello.alpn.as_deref()),
            hello_time,
            match &self.client {
                Some(client) => known(Scalar::Bool(client.side == seen_from)),
                None => Known::Unknown(missing),
            },
        ])
    }

    fn memory(&self) -> u64 {
        let hello = self.hello.as_ref().map_or(0, |hello| hello.memory());
        let crypto = self.client.as_ref().map_or(0, |client| {
            client.crypto.bytes.capacity() as u64 + client.crypto.assembler.pending_bytes()
        });
        (size_of::<Self>() + hello) as u64 + crypto
    }
}
