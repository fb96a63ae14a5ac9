//! The head of a message (RFC 2326 section 4): a request line or a status line, and header fields.

use crate::decode::text::text;

use super::sdp::number;

/// Longest head that is read, bytes.
pub(super) const MAX_HEAD: usize = 16 * 1024;
/// Longest name of a method that is read: GET_PARAMETER and SET_PARAMETER have 13 letters.
const MAX_METHOD: usize = 20;
const VERSION: &[u8] = b"RTSP/1.";

/// What bytes begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Message,
    NeedMore,
    Other,
}

/// Whether a message begins here.
pub(super) fn begin(bytes: &[u8]) -> Begin {
    if bytes.starts_with(VERSION) {
        return Begin::Message;
    }
    if VERSION.starts_with(bytes) {
        return Begin::NeedMore;
    }
    let is_letter = |byte: &&u8| byte.is_ascii_uppercase() || **byte == b'_';
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
    let version = target.get(length + 1..).unwrap_or_default();
    if version.starts_with(VERSION) {
        Begin::Message
    } else if VERSION.starts_with(version) {
        Begin::NeedMore
    } else {
        Begin::Other
    }
}

/// A complete head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) kind: HeadKind,
    /// `CSeq`, by which a request and its answer belong together.
    pub(super) number: Option<u32>,
    pub(super) body_bytes: u64,
    pub(super) transport: Option<Box<[u8]>>,
    pub(super) user_agent: Option<Box<str>>,
    pub(super) server: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) enum HeadKind {
    Request { method: Box<str>, url: Box<[u8]> },
    Answer { status: u16 },
}

/// Reads a head; `None` if it is malformed.
pub(super) fn read(bytes: &[u8]) -> Option<Head> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut words = lines.next()?.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (first, second) = (words.next()?, words.next()?);
    let kind = if first.starts_with(VERSION) {
        HeadKind::Answer { status: number(second)? }
    } else {
        HeadKind::Request { method: text(first).into(), url: second.into() }
    };
    let mut head =
        Head { kind, number: None, body_bytes: 0, transport: None, user_agent: None, server: None };
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("CSeq") {
            head.number = number(value);
        } else if is("Content-Length") {
            head.body_bytes = number(value)?;
        } else if is("Transport") {
            head.transport = Some(value.into());
        } else if is("User-Agent") {
            head.user_agent = Some(text(value).into());
        } else if is("Server") {
            head.server = Some(text(value).into());
        }
    }
    Some(head)
}

/// The path of a URL, without host, parameters and the slashes around.
pub(super) fn path(url: &[u8]) -> &[u8] {
    let behind_scheme = url.windows(3).position(|three| three == b"://").map(|at| at + 3);
    let path = match behind_scheme.and_then(|at| url.get(at..)) {
        Some(rest) => {
            let at = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            rest.get(at..).unwrap_or_default()
        }
        None => url,
    };
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{Begin, HeadKind, begin, path, read};

    #[test]
    fn other_bytes_are_no_messages() {
        assert_eq!(begin(b"OPTIONS rtsp://a/b RTSP/1.0\r\n"), Begin::Message);
        assert_eq!(begin(b"RTSP/1.0 200 OK\r\n"), Begin::Message);
        assert_eq!(begin(b"GET_PARAM"), Begin::NeedMore);
        assert_eq!(begin(b"RT"), Begin::NeedMore);
        assert_eq!(begin(b"OPTIONS rtsp://a/b RTS"), Begin::NeedMore);
        assert_eq!(begin(b"GET / HTTP/1.1\r\n"), Begin::Other);
        assert_eq!(begin(b"$\0\0\x01"), Begin::Other);
    }

    #[test]
    fn fields_are_read_whatever_their_case() {
        let head = read(b"ANNOUNCE rtsp://u:p@h:554/live/camera?x=1 RTSP/1.0\r\ncseq: 2\r\nCONTENT-LENGTH:503\r\n\r\n");
        let head = head.unwrap();
        let HeadKind::Request { method, url } = head.kind else { panic!("a request") };
        assert_eq!((&*method, path(&url)), ("ANNOUNCE", &b"live/camera"[..]));
        assert_eq!((head.number, head.body_bytes), (Some(2), 503));
        assert!(read(b"RTSP/1.0 abc\r\n\r\n").is_none());
        assert!(read(b"\r\n").is_none());
        assert_eq!(path(b"*"), b"*");
        assert_eq!(path(b"rtsp://host"), b"");
    }
}
