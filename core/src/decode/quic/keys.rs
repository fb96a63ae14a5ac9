//! The keys of a client's Initial packets, which follow from the id of the connection (RFC 9001 section 5.2,
//! RFC 9369 section 3.3), and the removal of both protections (RFC 9001 sections 5.3 and 5.4).

use std::fmt;

use ring::aead::quic::{AES_128, HeaderProtectionKey};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

use super::packet::{Packet, Version};

const SALT_ONE: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
const SALT_TWO: [u8; 20] = [
    0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb,
    0xf9, 0xbd, 0x2e, 0xd9,
];
/// Where the sample begins, counted from the number of the packet, and its length (RFC 9001 section 5.4.2).
const SAMPLE_AT: usize = 4;
const SAMPLE: usize = 16;

/// The keys of one connection.
pub(super) struct Keys {
    key: LessSafeKey,
    iv: [u8; 12],
    header: HeaderProtectionKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label without context (RFC 8446 section 7.1).
fn expand<const LENGTH: usize>(secret: &Prk, label: &str) -> Option<[u8; LENGTH]> {
    let length = u16::try_from(LENGTH).ok()?.to_be_bytes();
    let label_length = [u8::try_from("tls13 ".len() + label.len()).ok()?];
    let parts = [&length[..], &label_length, b"tls13 ", label.as_bytes(), &[0]];
    let mut out = [0; LENGTH];
    secret.expand(&parts, Length(LENGTH)).ok()?.fill(&mut out).ok()?;
    Some(out)
}

impl Keys {
    /// The keys of what the client sends, by the destination id of its first packet; `None` for a version that
    /// is not known.
    pub(super) fn of_client(version: Version, destination: &[u8]) -> Option<Self> {
        let (salt, key, iv, header) = match version {
            Version::One => (&SALT_ONE, "quic key", "quic iv", "quic hp"),
            Version::Two => (&SALT_TWO, "quicv2 key", "quicv2 iv", "quicv2 hp"),
            Version::Other(_) => return None,
        };
        let initial = Salt::new(HKDF_SHA256, salt).extract(destination);
        let secret = expand::<32>(&initial, "client in")?;
        let secret = Prk::new_less_safe(HKDF_SHA256, &secret);
        let key = UnboundKey::new(&AES_128_GCM, &expand::<16>(&secret, key)?).ok()?;
        Some(Self {
            key: LessSafeKey::new(key),
            iv: expand(&secret, iv)?,
            header: HeaderProtectionKey::new(&AES_128, &expand::<16>(&secret, header)?).ok()?,
        })
    }

    /// The frames of a packet; `None` if it is not encrypted with these keys.
    pub(super) fn open(&self, packet: &Packet<'_>) -> Option<Vec<u8>> {
        let sample = packet.bytes.get(packet.number_at + SAMPLE_AT..)?.get(..SAMPLE)?;
        let [first_mask, number_mask @ ..] = self.header.new_mask(sample).ok()?;
        let mut header = packet.bytes.get(..packet.number_at)?.to_vec();
        let first = header.first_mut()?;
        *first ^= first_mask & 0x0f;
        let length = usize::from(*first & 3) + 1;
        let number = packet.bytes.get(packet.number_at..packet.number_at + length)?;
        header.extend(number.iter().zip(number_mask).map(|(byte, mask)| byte ^ mask));
        // The first packets of a connection have small numbers, so that the low bytes are all of them.
        let number = header.get(packet.number_at..)?;
        let mut nonce = self.iv;
        for (byte, number) in nonce.iter_mut().rev().zip(number.iter().rev()) {
            *byte ^= number;
        }
        let mut payload = packet.bytes.get(packet.number_at + length..)?.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let frames = self.key.open_in_place(nonce, Aad::from(&header), &mut payload).ok()?.len();
        payload.truncate(frames);
        Some(payload)
    }
}
