//! Text of a peer: of bounded length, and without control characters, which a terminal would obey.

/// Longest text that is kept, bytes: the name of a host has 253, a software's name is shorter.
pub(super) const MAX_TEXT: usize = 256;

/// Bytes of the peer as text.
pub(super) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes));
    text.trim().replace(char::is_control, "\u{fffd}")
}

/// The name of a host in the form in which names are compared: lower case, without port and final dot.
/// `None` if it is none, such as an address.
pub(super) fn host_name(bytes: &[u8]) -> Option<String> {
    let host = bytes.split(|byte| *byte == b':').next().unwrap_or_default();
    let host = host.strip_suffix(b".").unwrap_or(host);
    let is_name_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let is_address = !host.iter().any(u8::is_ascii_alphabetic);
    let is_name = !host.is_empty() && host.len() <= MAX_NAME && host.iter().all(is_name_byte);
    let name = || String::from_utf8_lossy(host).to_ascii_lowercase();
    (is_name && !is_address).then(name)
}

/// Longest name of a host (RFC 1035 section 2.3.4), bytes.
const MAX_NAME: usize = 255;
