//! Content negotiation: the `Accept` header.

use http::{HeaderMap, StatusCode, header};

use crate::problem::{Problem, repeated};

/// Prefix of an `Accept` header that is parsed, bytes; browsers send a hundred.
const MAX_ACCEPT_BYTES: usize = 4096;

/// How specific a media range of an `Accept` header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Anything,
    Family,
    Type,
}

/// What the `Accept` headers of a request state about one media type.
struct Preference {
    /// Whether they name any range.
    is_any: bool,
    /// The most specific range that covers it, and whether its weight is above 0.
    best: Option<(Exactness, bool)>,
}

impl Preference {
    fn about(headers: &HeaderMap, media: &str) -> Self {
        let media = media.split(';').next().unwrap_or_default();
        let family = media.split('/').next().unwrap_or_default();
        let mut preference = Self { is_any: false, best: None };
        for value in headers.get_all(header::ACCEPT) {
            let Ok(text) = value.to_str() else { continue };
            for range in text.get(..MAX_ACCEPT_BYTES).unwrap_or(text).split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                preference.is_any |= !name.is_empty();
                let is_of_family =
                    name.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(family));
                let exactness = match name {
                    name if name.eq_ignore_ascii_case(media) => Exactness::Type,
                    "*/*" => Exactness::Anything,
                    _ if is_of_family => Exactness::Family,
                    _ => continue,
                };
                let is_accepted = parts.find_map(weight) != Some(0.0);
                if preference.best.is_none_or(|(before, _)| exactness > before) {
                    preference.best = Some((exactness, is_accepted));
                }
            }
        }
        preference
    }
}

/// The weight, if this parameter of a range is one.
fn weight(parameter: &str) -> Option<f32> {
    let (key, value) = parameter.split_once('=')?;
    key.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().ok())?
}

/// Whether the client names the type `media`.
pub(super) fn is_named(headers: &HeaderMap, media: &str) -> bool {
    Preference::about(headers, media).best == Some((Exactness::Type, true))
}

/// The first of the types that the client names, else the first that it accepts.
///
/// # Errors
/// 406 if it accepts none.
pub(super) fn chosen(
    headers: &HeaderMap,
    types: [&'static str; 2],
) -> Result<&'static str, Problem> {
    let [first, second] = types;
    if is_named(headers, first) {
        return Ok(first);
    }
    if is_named(headers, second) {
        return Ok(second);
    }
    accepted(headers, second).map(|()| second).or_else(|_| accepted(headers, first).map(|()| first))
}

/// Whether the client accepts a body that is compressed by gzip (RFC 9110 section 12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING);
    let texts = values.iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let is_gzip = name.eq_ignore_ascii_case("gzip") || name == "*";
        is_gzip && parts.find_map(weight) != Some(0.0)
    })
}

/// 406 if the client does not accept the type `media`. Weights are ignored but for `q=0` (RFC 9110
/// section 12.5.1).
pub(super) fn accepted(headers: &HeaderMap, media: &str) -> Result<(), Problem> {
    let Preference { is_any, best } = Preference::about(headers, media);
    if best.map_or(!is_any, |(_, is_accepted)| is_accepted) {
        return Ok(());
    }
    let media = media.split(';').next().unwrap_or_default();
    let named = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    Err(Problem::new(
        StatusCode::NOT_ACCEPTABLE,
        "not-acceptable",
        format!(
            "the response is {media}, and the client accepts only {}",
            repeated(named.unwrap_or("other types"))
        ),
        format!("send `Accept: {media}` or no Accept header"),
    ))
}
