//! The fields of an `Authorization: Digest` (RFC 7616 section 3.4).
//!
//! As strict as the node about known and unknown fields.

/// Longest header accepted, bytes. Real ones have a few hundred.
const MAX_HEADER: usize = 4096;

/// The fields of a header. Absent ones are empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Authorization {
    pub(super) algorithm: Vec<u8>,
    pub(super) cnonce: Vec<u8>,
    /// Eight hexadecimal digits, or none.
    pub(super) nc: Vec<u8>,
    pub(super) nonce: Vec<u8>,
    pub(super) qop: Vec<u8>,
    /// In lower case.
    pub(super) response: Vec<u8>,
    pub(super) uri: Vec<u8>,
    pub(super) username: Vec<u8>,
}

impl Authorization {
    /// Parses a header; `None` if it has another scheme or is malformed.
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        if header.len() > MAX_HEADER {
            return None;
        }
        let (scheme, mut rest) = header.trim_ascii().split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"digest") {
            return None;
        }
        let mut found = Self::default();
        loop {
            let equals = rest.iter().position(|byte| *byte == b'=')?;
            let (name, after) = rest.split_at(equals);
            let (value, after) = value(after.get(1..)?.trim_ascii_start())?;
            found.set(&name.trim_ascii().to_ascii_lowercase(), value)?;
            match after.trim_ascii_start() {
                [] => return Some(found),
                [b',', after @ ..] => rest = after,
                _ => return None,
            }
        }
    }

    fn set(&mut self, name: &[u8], value: &[u8]) -> Option<()> {
        let is_hex = value.iter().all(u8::is_ascii_hexdigit);
        let field = match name {
            b"algorithm" => &mut self.algorithm,
            b"cnonce" => &mut self.cnonce,
            b"nc" if is_hex && value.len() == 8 => &mut self.nc,
            b"nonce" => &mut self.nonce,
            b"qop" => &mut self.qop,
            b"response" if is_hex => &mut self.response,
            b"uri" => &mut self.uri,
            b"username" => &mut self.username,
            b"domain" | b"opaque" | b"realm" | b"stale" => return Some(()),
            _ => return None,
        };
        *field = if name == b"response" { value.to_ascii_lowercase() } else { value.to_vec() };
        Some(())
    }

    /// The number of uses of the nonce, this one included; `None` without `qop` (RFC 2069).
    pub(super) fn count(&self) -> Option<u32> {
        if self.qop.is_empty() {
            return None;
        }
        u32::from_str_radix(std::str::from_utf8(&self.nc).ok()?, 16).ok()
    }
}

/// A quoted string with its escapes, which the digest includes, or a token; and the rest.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [b'"', text @ ..] = text {
        let mut is_escaped = false;
        let end = text.iter().position(|byte| {
            let is_end = *byte == b'"' && !is_escaped;
            is_escaped = *byte == b'\\' && !is_escaped;
            is_end
        })?;
        return Some((text.get(..end)?, text.get(end + 1..)?));
    }
    let is_token = |byte: &u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(byte);
    let end = text.iter().position(|byte| !is_token(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::Authorization;

    #[test]
    fn fields_are_found_quoted_or_not() {
        let header =
            b"digest username=\"a\\\"b\", NC=0000000a ,qop=auth,realm=\"x\",response=\"AB\"";
        let found = Authorization::parse(header).expect("it is well written");
        assert_eq!(found.username, b"a\\\"b");
        assert_eq!(found.count(), Some(10));
        assert_eq!(found.response, b"ab");
    }

    #[test]
    fn a_malformed_header_is_none() {
        for header in [
            "",
            "Digest",
            "Digest ",
            "Basic dXNlcg==",
            "Digest a=b",
            "Digest nc=1",
            "Digest qop",
            "Digest qop=",
            "Digest qop=auth,",
            "Digest qop=auth qop=auth",
            "Digest uri=\"x",
            "Digest response=\"zz\"",
            "Digest username=a b",
            "D\u{e9}gest qop=auth",
        ] {
            assert_eq!(Authorization::parse(header.as_bytes()), None, "{header:?}");
        }
        let long = format!("Digest username=\"{}\"", "a".repeat(4096));
        assert_eq!(Authorization::parse(long.as_bytes()), None);
    }
}
