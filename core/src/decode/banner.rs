//! Greetings of servers that begin with a reply of three digits: SMTP and FTP.

use super::text::text;
use super::{Opening, Probe};

/// The reply that a server greets with.
const READY: &[u8] = b"220";
/// Longest line (RFC 5321 section 4.5.3.1.5), bytes.
const MAX_LINE: usize = 512;

/// Recognises a greeting that has this word, or one of a server on one of these ports.
pub(super) fn probe(opening: &Opening<'_>, word: &[u8], ports: &[u16]) -> Probe {
    let prefix = opening.of(opening.first);
    let bytes = prefix.bytes.get(..MAX_LINE).unwrap_or(prefix.bytes);
    let begins = bytes.iter().zip(READY).all(|(byte, digit)| byte == digit);
    if !prefix.is_from_start || !begins || !matches!(bytes.get(3), None | Some(b' ' | b'-')) {
        return Probe::NotMine;
    }
    let has = |word: &[u8]| bytes.windows(word.len()).any(|w| w.eq_ignore_ascii_case(word));
    if has(word) {
        return Probe::Certain;
    }
    let is_complete = bytes.contains(&b'\n') || bytes.len() >= MAX_LINE;
    let ends = [opening.ends.local, opening.ends.remote];
    match is_complete {
        false => Probe::NeedMore,
        true if ends.iter().flatten().any(|end| ports.contains(&end.port)) => Probe::Maybe,
        true => Probe::NotMine,
    }
}

/// The first line of a server, without its number.
pub(super) fn read(server: &[u8]) -> (Vec<Option<String>>, bool) {
    let line = server.iter().position(|byte| *byte == b'\n').and_then(|end| server.get(..end));
    let banner = line.and_then(|line| line.get(READY.len() + 1..)).map(text);
    (vec![banner], line.is_none())
}
