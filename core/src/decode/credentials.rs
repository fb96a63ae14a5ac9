//! Credentials in what peers state of themselves are replaced, unless they are asked for.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is shown in place of a credential.
const HIDDEN: &str = "***";
/// Parts of the names of parameters that are credentials, in lower case.
const SECRET_WORDS: [&str; 9] =
    ["auth", "cred", "key", "pass", "psw", "pwd", "secret", "sig", "token"];

static ARE_SHOWN: AtomicBool = AtomicBool::new(false);

/// From now on the decoders of this process show credentials.
pub fn show_credentials() {
    ARE_SHOWN.store(true, Ordering::Relaxed);
}

/// A URI, or the name of a stream with parameters, as it is shown.
pub(super) fn shown(uri: &str) -> Cow<'_, str> {
    if ARE_SHOWN.load(Ordering::Relaxed) { Cow::Borrowed(uri) } else { redacted(uri) }
}

/// Without the password in front of the host, and the values of parameters that are named as credentials are.
fn redacted(uri: &str) -> Cow<'_, str> {
    let (address, parameters) = match uri.split_once('?') {
        Some((address, parameters)) => (address, Some(parameters)),
        None => (uri, None),
    };
    let mut shown = String::with_capacity(uri.len());
    match login(address) {
        Some((before, after)) => shown.extend([before, HIDDEN, after]),
        None => shown.push_str(address),
    }
    for (at, parameter) in parameters.into_iter().flat_map(|all| all.split('&')).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        let name = parameter.split('=').next().unwrap_or_default();
        let lower = name.to_ascii_lowercase();
        if name.len() < parameter.len() && SECRET_WORDS.iter().any(|word| lower.contains(word)) {
            shown.extend([name, "=", HIDDEN]);
        } else {
            shown.push_str(parameter);
        }
    }
    if shown == uri { Cow::Borrowed(uri) } else { Cow::Owned(shown) }
}

/// What is before and behind the password of an address; `None` if it has none.
fn login(address: &str) -> Option<(&str, &str)> {
    let begin = address.find("://")? + 3;
    let authority = address.get(begin..)?.split('/').next()?;
    let end = begin + authority.rfind('@')?;
    let colon = begin + address.get(begin..end)?.find(':')? + 1;
    Some((address.get(..colon)?, address.get(end..)?))
}

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn passwords_and_tokens_are_replaced() {
        for (uri, shown) in [
            ("rtmp://a/live", "rtmp://a/live"),
            ("rtmp://user:se@cret@[::1]:1935/live", "rtmp://user:***@[::1]:1935/live"),
            ("rtmp://user@a/live:b@c", "rtmp://user@a/live:b@c"),
            ("cam1?token=abc&b=c&streamKey=x", "cam1?token=***&b=c&streamKey=***"),
            ("cam1?token&PASS=", "cam1?token&PASS=***"),
            ("rtsp://u:p@a/x?Signature=1", "rtsp://u:***@a/x?Signature=***"),
            ("?", "?"),
        ] {
            assert_eq!(redacted(uri), shown, "{uri}");
        }
    }
}
