//! Keyed digests for connection ids and the nonces of challenges, and the MD5 of the digest login.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest, Md5};
use sha2::Sha256;

/// The first 128 bits of HMAC-SHA-256 (RFC 2104) of purpose and numbers.
pub(super) fn keyed(secret: &[u8; 16], purpose: &[u8], numbers: [u64; 3]) -> [u8; 16] {
    // A key shorter than a block is padded with zeros (RFC 2104 section 2).
    let mut key = [0; 64];
    key.iter_mut().zip(secret).for_each(|(padded, byte)| *padded = *byte);
    let mut mac = Hmac::<Sha256>::new(&key.into());
    mac.update(purpose);
    for number in numbers {
        mac.update(&number.to_be_bytes());
    }
    let code: [u8; 32] = mac.finalize().into_bytes().into();
    code.first_chunk().copied().unwrap_or_default()
}

/// MD5 of the parts joined by colons, as in KD and H of RFC 7616, in lower-case hexadecimal.
pub(super) fn joined(parts: &[&[u8]]) -> [u8; 32] {
    let mut md5 = Md5::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            md5.update(b":");
        }
        md5.update(part);
    }
    hex(md5.finalize().into())
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: [u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{hex, joined, keyed};

    #[test]
    fn keyed_digests_are_the_first_half_of_hmac_sha_256() {
        // python3: hmac.new(b'0123456789abcdef', b'nonce' + struct.pack('>QQQ', 1, 2, 3), 'sha256')
        let digest = hex(keyed(b"0123456789abcdef", b"nonce", [1, 2, 3]));
        assert_eq!(std::str::from_utf8(&digest), Ok("b5db54edb0aa0f5a1fccea7c9e41b02a"));
    }

    #[test]
    fn the_digest_equals_the_example_of_rfc_2617_section_3_5() {
        let ha1 = joined(&[b"Mufasa", b"testrealm@host.com", b"Circle Of Life"]);
        let ha2 = joined(&[b"GET", b"/dir/index.html"]);
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = joined(&[&ha1, nonce, b"00000001", b"0a4f113b", b"auth", &ha2]);
        assert_eq!(&response, b"6629fae49393a05397450978507c4ef1");
    }
}
