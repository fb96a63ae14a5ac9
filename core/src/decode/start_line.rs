//! The first line of a message of HTTP (RFC 9112 section 3, 4) and RTSP (RFC 2326 section 6.1, 7.1): a request line or
//! a status line.

/// Longest head that is read, bytes: servers accept 8 to 16 KiB.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// Longest method that is registered has 17 letters (IANA HTTP method registry); those of RTSP have 13.
const MAX_METHOD: usize = 20;

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Request,
    Answer,
    NeedMore,
    Other,
}

impl Begin {
    /// Whether a message begins.
    pub(super) fn is_message(self) -> bool {
        matches!(self, Self::Request | Self::Answer)
    }
}

/// Whether a message begins here. `version` is the protocol with the first digit of its version; methods have
/// upper-case letters and `separator`.
pub(super) fn begin(bytes: &[u8], version: &[u8], separator: u8) -> Begin {
    if bytes.starts_with(version) {
        return Begin::Answer;
    }
    if version.starts_with(bytes) {
        return Begin::NeedMore;
    }
    // An upper-case word, a target that is a path, an absolute address or `*`, and the version.
    let is_letter = |byte: &&u8| byte.is_ascii_uppercase() || **byte == separator;
    let method = bytes.iter().take_while(is_letter).count();
    match bytes.get(method) {
        None if method <= MAX_METHOD => return Begin::NeedMore,
        Some(b' ') if (3..=MAX_METHOD).contains(&method) => {}
        _ => return Begin::Other,
    }
    let target = bytes.get(method + 1..).unwrap_or_default();
    let Some(length) = target.iter().position(|byte| *byte == b' ') else {
        let is_target = target.iter().all(u8::is_ascii_graphic) && bytes.len() < MAX_HEAD;
        return if is_target { Begin::NeedMore } else { Begin::Other };
    };
    let rest = target.get(length + 1..).unwrap_or_default();
    if rest.starts_with(version) {
        Begin::Request
    } else if version.starts_with(rest) {
        Begin::NeedMore
    } else {
        Begin::Other
    }
}
