//! Digests with a key, for what nobody may guess: connection ids and the nonces of challenges.
//!
//! The one idea: what is digested always has the same length, so that nothing can be appended to
//! it, which is what a plain keyed MD5 is weak against. Collisions do not help: the key is unknown.

use md5::{Digest, Md5};

/// MD5 (RFC 1321) of key, purpose and three numbers: 48 bytes.
pub(super) fn keyed(secret: &[u8; 16], purpose: [u8; 8], numbers: [u64; 3]) -> [u8; 16] {
    let mut md5 = Md5::new_with_prefix(secret);
    md5.update(purpose);
    for number in numbers {
        md5.update(number.to_be_bytes());
    }
    md5.finalize().into()
}

/// MD5 of the parts with colons in between, as RFC 7616 writes its KD and H, in lower-case
/// hexadecimal.
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
    use super::joined;

    #[test]
    fn the_example_of_rfc_2617_section_3_5_comes_out() {
        let ha1 = joined(&[b"Mufasa", b"testrealm@host.com", b"Circle Of Life"]);
        let ha2 = joined(&[b"GET", b"/dir/index.html"]);
        let nonce = b"dcd98b7102dd2f0e8b11d0f600bfb0c093";
        let response = joined(&[&ha1, nonce, b"00000001", b"0a4f113b", b"auth", &ha2]);
        assert_eq!(&response, b"6629fae49393a05397450978507c4ef1");
    }
}
